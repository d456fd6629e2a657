"""How warm a mean-field posterior may be on N-MNIST, and what moves the limit.

Every variant is trained at every tempering on three test folds of the 1,100 recordings. Results go
to a file of JSON lines, one a training; those that are there are not run again.

    python studies/warm_posteriors/recordings.py --data-root DATA --out RESULTS
"""

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from bayesnn_spike.calibration import proper
from bayesnn_spike.calibration.ece import ece
from bayesnn_spike.events import datasets
from bayesnn_spike.events.augment import Shift
from bayesnn_spike.events.datasets import SpikeDataset
from bayesnn_spike.learn import Cosine, RateCrossEntropy, Temperature, learner
from bayesnn_spike.learn.estimators import Flipout
from bayesnn_spike.learn.fit import EpochEvent, StepEvent, fit
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.rules import BayesBiSNN
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.predict import Committee, Mode, predict
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch

TEMPERINGS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
FOLDS, BATCH, DRAWS = 3, 32, 30


@dataclass(frozen=True)
class Variant:
    """What is changed against the network of studies/rules_on_nmnist.

    Attributes:
        hidden: units of the hidden layer.
        pool: side of the blocks of pixels that share a weight; 1 is a weight a pixel.
        shift: largest shift of a training recording, in pixels.
        share: of the training recordings that is used.
        cold: share of the epochs that is first trained at tempering 0.001.
        learned_prior: side of the blocks of pixels whose weights share a learned prior; 0 is the
            fair coin.
        gain_out: gain of the readout.
        epochs: of training with all recordings; with a share of them, as many updates.
    """

    hidden: int = 256
    pool: int = 1
    shift: int = 1
    share: float = 1.0
    cold: float = 0.0
    learned_prior: int = 0
    gain_out: float = 8.0
    epochs: int = 40


VARIANTS = {
    "base": Variant(),
    "no shifts": Variant(shift=0),
    "half the data": Variant(share=0.5),
    "64 hidden": Variant(hidden=64),
    "16 hidden": Variant(hidden=16),
    "blocks of 2": Variant(pool=2),
    "blocks of 4": Variant(pool=4),
    "blocks of 4, 64 hidden": Variant(pool=4, hidden=64),
    "cold start": Variant(cold=0.5),
    "learned prior": Variant(learned_prior=4),
    "gain 2": Variant(gain_out=2.0),
    "gain 16": Variant(gain_out=16.0),
}


def pooled(spikes: torch.Tensor, side: int) -> torch.Tensor:
    """Add up blocks of pixels, `[T, B, P, H, W]`: the same as one weight a block."""
    if side == 1:
        return spikes
    sums = F.avg_pool2d(spikes.flatten(0, 1), side, ceil_mode=True, divisor_override=1)
    return sums.unflatten(0, spikes.shape[:2])


def block_prior(logits: torch.Tensor, side: int) -> torch.Tensor:
    """Logits of the prior that fits first-layer weights `[M, 2 * 34 * 34]` best.

    A block of side x side pixels of a unit has one probability. Of all priors that with the mean
    of the block's own probabilities has the smallest KL.
    """
    maps = logits.tanh().view(len(logits), 2, 34, 34)
    means = F.avg_pool2d(maps, side, ceil_mode=True, count_include_pad=False)
    wide = means.repeat_interleave(side, -1).repeat_interleave(side, -2)[..., :34, :34]
    return torch.atanh(wide.clamp(-0.999, 0.999)).reshape(logits.shape)


def run(variant: Variant, tempering: float, fold: int, data: SpikeDataset) -> dict[str, Any]:
    """Train one network; score its committee and its mode on the test fold."""
    parts = data.fold(5, fold, seed=0, val=0.0, calib=0.0).splits
    stream = Stream(fold).child("warm")
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
    rule = BayesBiSNN(
        Temperature(len(train), tempering=tempering),
        Flipout(),
        Adam(Cosine(0.3, steps), beta1=0.9, eps=1e-12),
    )
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
            if variant.learned_prior and int(state.step) % 10 == 0:
                prior = dict(state.rule.prior)
                logits = state.rule.logits["input.weight"]
                prior["input.weight"] = block_prior(logits, variant.learned_prior)
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
    test = data.batch(parts["test"].indices)
    spikes, labels = pooled(test.spikes, variant.pool), test.labels
    committee = predict(
        network, posterior, spikes, how=Committee(DRAWS), stream=stream.child("predict")
    )
    mode = predict(network, posterior, spikes, how=Mode(), stream=stream)
    weights = torch.cat([v.flatten() for v in posterior.logits.values()])
    return {
        "weights": weights.numel(),
        "examples": len(train),
        "nll": proper.nll(committee.probabilities, labels).value,
        "accuracy": proper.accuracy(committee.probabilities, labels).value,
        "ece": ece(committee.probabilities, labels).value,
        "member_nll": float(np.mean([proper.nll(m, labels).value for m in committee.members])),
        "mode_nll": proper.nll(mode.probabilities, labels).value,
        "train_loss": float(np.mean(losses)),
        "mean_logit": float(weights.abs().mean()),
        "kl": float(posterior.kl(Bernoulli(state.rule.prior))),
        "example_nll": [round(float(v), 5) for v in
                        proper.example_nll(committee.probabilities, labels)],
        "seconds": round(seconds, 1),
    }  # fmt: skip


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True, help="folder that holds nmnist/")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines, appended to")
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="default: all")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = datasets.load("nmnist", root=given.data_root / "nmnist", bins=10)
    lines = given.out.read_text().splitlines() if given.out.exists() else []
    done = {(r["variant"], r["tempering"], r["fold"]) for r in map(json.loads, lines)}
    for fold in range(FOLDS):
        for name in given.variant or VARIANTS:
            for tempering in TEMPERINGS:
                if (name, tempering, fold) in done:
                    continue
                found = run(VARIANTS[name], tempering, fold, data)
                row = {"variant": name, "tempering": tempering, "fold": fold, **found}
                with given.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
