"""Train one network of the study and score its committee."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hierarchy import FIRST, Hierarchical
from variants import Variant

from bayesnn_spike.calibration import proper
from bayesnn_spike.calibration.ece import ece
from bayesnn_spike.events.augment import Shift
from bayesnn_spike.events.datasets import SpikeDataset
from bayesnn_spike.learn import Cosine, RateCrossEntropy, Temperature, learner
from bayesnn_spike.learn.estimators import Flipout
from bayesnn_spike.learn.fit import EpochEvent, StepEvent, fit
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.rule import Rule
from bayesnn_spike.learn.rules import BayesBiSNN
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.predict import Committee, Mode, predict
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch

BATCH, DRAWS = 32, 30


def pooled(spikes: torch.Tensor, side: int) -> torch.Tensor:
    """Add up blocks of pixels, `[T, B, P, H, W]`: the same as one weight a block."""
    if side == 1:
        return spikes
    sums = F.avg_pool2d(spikes.flatten(0, 1), side, ceil_mode=True, divisor_override=1)
    return sums.unflatten(0, spikes.shape[:2])


def rule_of(variant: Variant, temperature: Temperature, steps: int) -> Rule:
    """The rule of a variant, with its step sizes."""
    fast = Adam(Cosine(0.3, steps), beta1=0.9, eps=1e-12)
    if variant.structure is None:
        return BayesBiSNN(temperature, Flipout(), fast)
    slow = Adam(Cosine(variant.structure.lr, steps), beta1=0.9, eps=1e-12)
    return Hierarchical(temperature, variant.structure, slow, fast)


def costs(variant: Variant, rule: Rule, state: Any, stream: Stream) -> tuple[float, float]:
    """Nats for the weights and for their prior's parameters, where those are paid for."""
    if isinstance(rule, Hierarchical):
        return rule.cost(state, stream)
    if variant.prior is None:
        return float(rule.posterior(state).kl(Bernoulli(state.prior))), 0.0
    others = {n: v for n, v in state.logits.items() if n != FIRST}
    own = Bernoulli(others).kl(Bernoulli({n: state.prior[n] for n in others}))
    first, hyper = variant.prior.cost(state.logits[FIRST])
    return float(own) + first, hyper


def run(
    variant: Variant,
    tempering: float,
    fold: int,
    seed: int,
    data: SpikeDataset,
    *,
    validate: bool = False,
) -> dict[str, Any]:
    """Train one network; score its committee and its mode on the recordings kept back."""
    parts = data.fold(5, fold, seed=0, val=0.2 if validate else 0.0, calib=0.0).splits
    stream = Stream(fold).child("warm")
    if seed:
        stream = stream.child("seed", seed)
    train = parts["train"].indices
    if variant.share < 1:
        order = stream.child("share").numpy().permutation(train)
        train = np.sort(order[: round(variant.share * len(train))])
    epochs = round(variant.epochs / variant.share)
    side = -(-34 // variant.pool)
    sample = data.batch(train[:200]).spikes
    # The same spread of the first currents for random signs as with a weight a pixel.
    spread = float(sample.square().sum() / pooled(sample, variant.pool).square().sum()) ** 0.5
    inputs = 2 * side * side
    network = mlp(
        inputs,
        (variant.hidden,),
        10,
        feature_dims=3,
        gain_in=4.0 * (inputs / 2312) ** 0.5 * spread,
        gain_out=variant.gain_out,
    )
    steps = epochs * (len(train) // BATCH)
    rule = rule_of(variant, Temperature(len(train), tempering=tempering), steps)
    cold = replace(rule, temperature=Temperature(len(train), tempering=min(tempering, 0.001)))
    task, first = (learner(r, network, RateCrossEntropy()) for r in (rule, cold))
    shift = Shift(variant.shift)

    def augment(batch: Batch, noise: Stream) -> Batch:
        return Batch(pooled(shift(batch.spikes, noise), variant.pool), batch.labels)

    @dataclass(frozen=True)
    class Annealed:
        """Cold updates first, then those at the tempering asked for."""

        def update(self, state: Any, batch: Batch) -> Any:
            now = first if int(state.step) < variant.cold * steps else task
            state, info = now.update(state, batch)
            if variant.prior is not None and int(state.step) % 10 == 0:
                pull = variant.prior.logits(state.rule.logits[FIRST])
                prior = state.rule.prior | {FIRST: pull}
                state = state._replace(rule=state.rule._replace(prior=prior))
            return state, info

    losses: list[float] = []

    def watch(event: StepEvent | EpochEvent) -> None:
        if isinstance(event, EpochEvent):
            losses[:] = [float(info.loss) for info in event.infos]

    started = time.perf_counter()
    state = fit(
        Annealed(),
        task.init(stream),
        data,
        train,
        epochs=epochs,
        batch_size=BATCH,
        stream=stream.child("fit"),
        augment=augment,
        callbacks=[watch],
    )
    seconds = time.perf_counter() - started
    posterior = task.posterior(state)
    kept = data.batch(parts["val" if validate else "test"].indices)
    spikes, labels = pooled(kept.spikes, variant.pool), kept.labels
    committee = predict(
        network, posterior, spikes, how=Committee(DRAWS), stream=stream.child("predict")
    )
    mode = predict(network, posterior, spikes, how=Mode(), stream=stream)
    means = torch.cat([v.flatten() for v in posterior.mean().values()])
    kl, hyper = costs(variant, rule, state.rule, stream.child("cost"))
    return {
        "weights": means.numel(),
        "examples": len(train),
        "nll": proper.nll(committee.probabilities, labels).value,
        "accuracy": proper.accuracy(committee.probabilities, labels).value,
        "ece": ece(committee.probabilities, labels).value,
        "member_nll": float(np.mean([proper.nll(m, labels).value for m in committee.members])),
        "mode_nll": proper.nll(mode.probabilities, labels).value,
        "train_loss": float(np.mean(losses)),
        "mean_logit": float(means.clamp(-0.9999999, 0.9999999).atanh().abs().mean()),
        "kl": kl,
        "hyper": hyper,
        "example_nll": [round(float(v), 5) for v in
                        proper.example_nll(committee.probabilities, labels)],
        "seconds": round(seconds, 1),
    }  # fmt: skip
