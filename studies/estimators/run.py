"""Bias and noise of every gradient estimator against enumeration. See README.md beside this file.

python studies/estimators/run.py [--estimates N] [--out DIR]
"""

import argparse
import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn.bound import multi_sample_bound
from bayesnn_spike.learn.credit import Credit, Draw, credit
from bayesnn_spike.learn.estimators import (
    Arm,
    DisArm,
    Flipout,
    GumbelRao,
    GumbelStraightThrough,
    HardStraightThrough,
    LocalReparameterisation,
    MeanParameter,
    Relaxed,
    Score,
)
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.rules import ImportanceWeighted
from bayesnn_spike.models import mlp
from bayesnn_spike.ops.synapse import linear
from bayesnn_spike.posterior.flat import flatten, shapes_of, unflatten
from bayesnn_spike.report.figures import EstimatorLine, estimator_figure, save_png
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights

RUNS = 8  # networks run for one estimate
TUPLE = 2  # draws of one importance-weighted bound; RUNS / TUPLE of its gradients are averaged
PATTERNS = 8  # sets of signs that the logits take
MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
TAUS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
AXIS = "|λ|, with τ = 0.5 (Gumbel-Rao: 0)"
LOSSES_ONLY = (Score, Arm, DisArm, ImportanceWeighted)

ESTIMATORS: dict[str, Any] = {
    "hard straight-through": HardStraightThrough(RUNS),
    "Gumbel-Rao": GumbelRao(0.0, RUNS),
    "straight-through Gumbel": GumbelStraightThrough(0.5, RUNS),
    "relaxed": Relaxed(0.5, RUNS),
    "local reparameterisation": LocalReparameterisation(RUNS),
    "flipout": Flipout(RUNS),
    "mean parameter": MeanParameter(),
    "score, leave-one-out": Score(RUNS),
    "ARM": Arm(RUNS // 2),
    "DisARM": DisArm(RUNS // 2),
}
BY_TAU: dict[str, Any] = {
    "straight-through Gumbel": lambda tau: GumbelStraightThrough(tau, RUNS),
    "Gumbel-Rao": lambda tau: GumbelRao(tau, RUNS),
    "relaxed": lambda tau: Relaxed(tau, RUNS),
}


class Regression(nn.Module):
    """Twelve examples, three binary weights: a loss that is quadratic in each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, 3, dtype=torch.float64))

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        del state
        return linear(x, self.w)[..., 0, :, 0], None  # one step, one unit: [*K, B]


class Problem(NamedTuple):
    """A network whose weights can all be run."""

    title: str
    network: nn.Module
    loss: Any
    batch: Batch


class Point(NamedTuple):
    """One estimator at one place: norms over weights and patterns, over that of the gradient."""

    bias: float
    bias_error: float
    noise: float


def squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean over the batch of (y - output)^2 / 2, y = -1 or +1."""
    return ((2.0 * labels - 1 - outputs) ** 2).mean(-1) / 2


def problems() -> list[Problem]:
    """A quadratic loss of 3 weights, and a spiking network of 10."""
    noise = Stream(4).numpy()
    x = torch.from_numpy(noise.normal(size=(1, 12, 3)))
    y = (x[0] @ torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64) > 0).long()
    spikes = torch.from_numpy((noise.random((6, 4, 3)) < 0.5).astype("float64"))
    network = mlp(3, (2,), 2, gain_in=2.0, gain_out=2.0).double()
    return [
        Problem("Quadratic loss, 3 weights", Regression(), squared_error, Batch(x, y)),
        Problem(
            "Spiking network, 10 weights",
            network,
            RateCrossEntropy(),
            Batch(spikes, torch.tensor([0, 1, 1, 0])),
        ),
    ]


def importance_weighted(problem: Problem) -> ImportanceWeighted:
    """The rule whose plain step of size 1 is its estimate; fair coins are its prior."""
    temperature = Temperature(len(problem.batch.labels))
    return ImportanceWeighted(temperature, TUPLE, Sgd(1.0), limit=None, initial=Given())


def all_losses(problem: Problem, d: int) -> tuple[Tensor, Tensor]:
    """All weights `[2^d, d]` and what each costs, `[2^d]`."""
    table = torch.tensor(list(product((-1.0, 1.0), repeat=d)), dtype=torch.float64)
    shapes = shapes_of(dict(problem.network.named_parameters()))
    with torch.no_grad():
        outputs, _ = functional_call(
            problem.network, unflatten(table, shapes), (problem.batch.spikes,)
        )
    return table, problem.loss(outputs, problem.batch.labels)


def exact_bound_gradient(problem: Problem, rho: float, logits: Tensor) -> Tensor:
    """grad_mu of E F_2, `[d]`, summed over all pairs of weights: another gradient than E_q L's."""
    d = len(logits)
    table, losses = all_losses(problem, d)
    mu = logits.tanh().requires_grad_()
    log_q = ((1 + table * mu) / 2).log().sum(1)
    ratios = -d * torch.tensor(2.0).log() - losses / rho - log_q
    pairs = torch.stack(torch.broadcast_tensors(ratios[:, None], ratios[None]), -1)
    bounds = multi_sample_bound(pairs.flatten(0, 1), rho).view(len(table), -1)
    (found,) = torch.autograd.grad(log_q.exp() @ bounds @ log_q.exp(), mu)
    return found


def exact_gradient(problem: Problem, logits: Tensor) -> Tensor:
    """grad_mu E_q L, `[d]`: half the difference of L at w_i = +1 and -1, the others summed over."""
    d, mu = len(logits), logits.tanh()
    table, losses = all_losses(problem, d)
    factors = (1 + table * mu) / 2
    found = []
    for i in range(d):
        others = torch.cat((factors[:, :i], factors[:, i + 1 :]), 1).prod(1)
        found.append((others * table[:, i] * losses).sum() / 2)
    return torch.stack(found)


def estimates(problem: Problem, estimator: Any, logits: Weights, n: int, stream: Stream) -> Tensor:
    """n independent estimates from RUNS networks each, `[n, d]`."""
    if isinstance(estimator, MeanParameter):
        return _one(problem, estimator, logits, stream)
    if isinstance(estimator, ImportanceWeighted):
        return _bound_estimates(problem, estimator, logits, n, stream)
    if isinstance(estimator, Flipout):  # its signs are shared by the draws of one call
        return torch.cat([_one(problem, estimator, logits, stream.child(i)) for i in range(n)])
    size = "pairs" if isinstance(estimator, Arm | DisArm) else "draws"
    many = replace(estimator, **{size: n * getattr(estimator, size)})
    draw = many.draw(logits, stream)
    cost, _ = credit(problem.network, problem.loss, draw, *problem.batch)

    def one(draw: dict, cost: dict) -> Weights:
        return many.gradient(logits, Draw(**draw), Credit(**cost))

    rows = ({k: _cut(v, n) for k, v in fields._asdict().items()} for fields in (draw, cost))
    return flatten(vmap(one)(*rows))


def _bound_estimates(
    problem: Problem, rule: ImportanceWeighted, logits: Weights, n: int, stream: Stream
) -> Tensor:
    """Steps of the rule from RUNS / TUPLE tuples, averaged, `[n, d]`."""
    state = rule.init(logits, stream)
    groups = n * RUNS // TUPLE
    draw = replace(rule, draws=groups * TUPLE).draw(state, stream)
    cost, _ = credit(problem.network, problem.loss, draw, *problem.batch)

    def one(weights: Weights, losses: Tensor) -> Weights:
        after = rule.step(state, Draw(weights, {}), Credit(losses, {}))
        return {name: state.logits[name] - v for name, v in after.logits.items()}

    steps = vmap(one)(_cut(draw.weights, groups), _cut(cost.losses, groups))
    return flatten(steps).unflatten(0, (n, -1)).mean(1)


def _one(problem: Problem, estimator: Any, logits: Weights, stream: Stream) -> Tensor:
    draw = estimator.draw(logits, stream)
    cost, _ = credit(problem.network, problem.loss, draw, *problem.batch)
    return flatten({k: v[None] for k, v in estimator.gradient(logits, draw, cost).items()})


def _cut(value: Any, n: int) -> Any:
    """Plain tensors `[K, ...]` as `[n, K / n, ...]`; the tensor types of weights are left out."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return {name: _cut(v, n) for name, v in value.items() if type(v) is Tensor}
    return value.detach().unflatten(0, (n, -1))


def measure(problem: Problem, estimator: Any, magnitude: float, n: int, seed: str) -> Point:
    """Bias and noise of an estimator where every |lambda| is `magnitude`, over sets of signs."""
    shapes = shapes_of(dict(problem.network.named_parameters()))
    d = sum(torch.Size(s).numel() for s in shapes.values())
    coins = Stream(1).numpy().integers(0, 2, (PATTERNS, d))
    truth = bias = spread = doubt = 0.0
    for pattern, row in enumerate(coins):
        values = magnitude * (2.0 * torch.from_numpy(row).double() - 1)
        logits = {k: v[0] for k, v in unflatten(values[None], shapes).items()}
        if isinstance(estimator, ImportanceWeighted):
            exact = exact_bound_gradient(problem, estimator.temperature.rho, values)
        else:
            exact = exact_gradient(problem, values)
        found = estimates(problem, estimator, logits, n, Stream(2).child(seed, pattern))
        variance = found.var(0, correction=1) if len(found) > 1 else torch.zeros(d)
        own = variance / len(found)  # of the mean
        # The square of a noisy mean is too large by the mean's own variance.
        squares = (found.mean(0) - exact).square() - own
        truth += float(exact.square().sum())
        spread += float(variance.sum())
        bias += float(squares.sum())
        doubt += float((4 * squares.clamp(min=0) * own + 2 * own.square()).sum())
    sd = doubt**0.5  # of the squared bias; of its root by the first derivative, above the noise
    error = sd / (2 * max(bias, sd) ** 0.5) if sd else 0.0
    return Point(*(v / truth**0.5 for v in (max(bias, 0.0) ** 0.5, error, spread**0.5)))


def curve(problem: Problem, panel: str, axis: str, name: str, places: list) -> EstimatorLine:
    """A line of the picture from (x, estimator, magnitude, estimates) of every place."""
    points = [measure(problem, e, m, n, f"{panel} {name} {x}") for x, e, m, n in places]
    bias, errors, noise = zip(*points, strict=True)
    losses_only = isinstance(places[0][1], LOSSES_ONLY)
    x = [place[0] for place in places]
    return EstimatorLine(panel, axis, name, x, bias, errors, noise, losses_only)


def lines(n: int) -> list[EstimatorLine]:
    """All curves; flipout, which is run one estimate at a time, with a tenth of the estimates."""
    found = []
    for problem in problems():
        weighted = {f"importance-weighted, K = {TUPLE}": importance_weighted(problem)}
        for name, estimator in (ESTIMATORS | weighted).items():
            count = max(2, n // 10) if isinstance(estimator, Flipout) else n
            places = [(m, estimator, m, count) for m in MAGNITUDES]
            found.append(curve(problem, problem.title, AXIS, name, places))
    for name, make in BY_TAU.items():
        places = [(tau, make(tau), 1.0, n) for tau in TAUS]
        found.append(curve(problem, "Spiking network at |λ| = 1", "temperature τ", name, places))
    return found


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write `summary.json` and `estimators.png`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--estimates", type=int, default=1000, help="for every point and pattern")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    found = lines(options.estimates)
    options.out.mkdir(parents=True, exist_ok=True)
    keys = ("x", "bias", "bias_error", "noise")
    summary = {
        "command": "python studies/estimators/run.py",
        "versions": {"torch": torch.__version__.partition("+")[0]},
        "estimates": options.estimates,
        "runs_an_estimate": RUNS,
        "patterns": PATTERNS,
        "lines": [
            {"panel": line.panel, "axis": line.axis, "name": line.name}
            | {key: [float(f"{v:.4g}") for v in getattr(line, key)] for key in keys}
            for line in found
        ],
    }
    atomic_write_text(options.out / "summary.json", json.dumps(summary, indent=1) + "\n")
    save_png(estimator_figure(found), options.out / "estimators.png")


if __name__ == "__main__":
    main()
