"""The stages that train spiking networks: from the conversion, and from random weights."""

import copy
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import converted
import snn
import torch
from converted import accuracy
from kept import Run, say
from stages import Setting, network, trained
from torch import nn

from bayesnn_spike.convert import Conversion, LocalBalance, Maximum, NeuronOptions, convert
from bayesnn_spike.encoding import Direct
from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.neurons import LinearRatio, SpikeTime
from bayesnn_spike.posterior import AbstractPosterior

EPOCHS = {
    "mnist": {4: 0.5, 8: 0.5},
    "fashion-mnist": {4: 2, 8: 3},
    "cifar10-jpeg": {8: 4},
}
"""Passes of 20,000 images by data set and T; the same from random weights."""
SURROGATES = {"stdb": SpikeTime(), "linear": LinearRatio()}
GRID = {
    "hybrid": [(scale, lr) for scale in (0.4, 0.55) for lr in (1e-4, 3e-4)],
    "scratch": [(scale, lr) for scale in (0.4, 0.7) for lr in (3e-4, 1e-3)],
}
LOCAL_GRID = {
    "hybrid": [(scale, lr) for scale in (0.8, 1.0) for lr in (1e-4, 3e-4)],
    "scratch": [(scale, lr) for scale in (0.8, 1.0) for lr in (3e-4, 1e-3)],
}
"""Scales of the thresholds and first step sizes: four trials a surrogate for both."""
CHOICE_IMAGES = 2000
CHOICE_UPDATES = {"mnist": 75, "fashion-mnist": 150, "cifar10-jpeg": 150}


def local(run: Run) -> bool:
    """Return whether a run's thresholds are balanced locally and its loss is in the ANN's logits.

    One scale of the largest currents fits neither seven layers nor colour images: the layers behind
    clip first. And summed currents are tens of times the ANN's logits there.
    """
    return run.network == "resnet" or run.data == "cifar10-jpeg"


def surrogates(run: Run) -> list[str]:
    """Return the surrogates that a run compares; deep networks take the small one's better one."""
    return ["linear"] if local(run) else list(SURROGATES)


def start(run: Run, setting: Setting, surrogate: str, scale: float, *, learned: bool) -> Conversion:
    """Convert the trained ANN, or one with random weights, with membranes from V/2.

    Dropout is less than in the ANN: 0.1 on maps and 0.2 on units.
    """
    thresholds = LocalBalance(scale=scale) if local(run) else Maximum(scale)
    net = copy.deepcopy(trained(run, setting) if learned else network(run, setting).eval())
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1 if module.p < 0.5 else 0.2
    images, _ = setting.split("train", converted.CALIBRATION)
    options = NeuronOptions(v_init=0.5, surrogate=SURROGATES[surrogate])
    encoder = Direct(converted.CALIBRATION_STEPS)
    return convert(net, images, thresholds=thresholds, encoder=encoder, neuron=options)


def gain(run: Run, conversion: Conversion, steps: int) -> float:
    """Return what makes logits of summed currents: the ANN's unit, or 1."""
    return float(conversion.descale(torch.ones(()), steps)) if local(run) else 1.0


def choose(run: Run, setting: Setting) -> None:
    """Choose by short trainings, on held-out images; seed 0 does it for all seeds."""
    if run.seed != 0 or run.choice.exists():
        return
    images, labels = setting.split("val", CHOICE_IMAGES)
    passes = CHOICE_UPDATES[run.data] * 64 / snn.IMAGES_A_PASS
    steps, grid = min(EPOCHS[run.data]), LOCAL_GRID if local(run) else GRID
    trials: list[dict[str, Any]] = []
    for rule, surrogate in itertools.product(grid, surrogates(run)):
        for scale, lr in grid[rule]:
            made = start(run, setting, surrogate, scale, learned=rule == "hybrid")
            net, unit = made.network, gain(run, made, steps)
            recipe = snn.SnnRecipe(steps, passes, lr=lr)
            stream = setting.stream.child("choose", rule)
            snn.train(net, setting.data, recipe, setting.later, stream, _Losses(), unit)
            seen = accuracy(snn.summed(net, images, steps), labels)
            trial = {"rule": rule, "surrogate": surrogate, "scale": scale, "lr": lr}
            trials.append({**trial, "held_out": seen})
            say(f"  {trials[-1]}")
    atomic_write_text(run.choice, json.dumps(trials, indent=1) + "\n")


def best(run: Run, rule: str, surrogate: str) -> dict[str, Any]:
    """Return the scale and the step size that seed 0 has chosen for a surrogate."""
    if not run.choice.exists():
        raise SystemExit(f"{run.choice} is not there: run the stage `choose` with seed 0 first")
    trials = json.loads(run.choice.read_text())
    own = [t for t in trials if (t["rule"], t["surrogate"]) == (rule, surrogate)]
    return max(own, key=lambda t: t["held_out"])


def unfinished(run: Run, rule: str) -> list[str]:
    """Return the rows that are missing before a surrogate can be chosen."""
    rows = replace(run, seed=0).rows()
    needed = [(f"{rule}_{s}", t) for s in surrogates(run) for t in EPOCHS[run.data]]
    return [f"{name} T={t}" for name, t in needed if (name, t) not in rows]


def better(run: Run, rule: str) -> str:
    """Return the surrogate that was better on held-out images after seed 0's whole trainings."""
    if missing := unfinished(run, rule):
        raise SystemExit(f"run the stage `{rule}` with seed 0 first: no {', '.join(missing)}")
    rows = replace(run, seed=0).rows()
    seen = {
        s: sum(rows[f"{rule}_{s}", t][1]["held_out"] for t in EPOCHS[run.data])
        for s in surrogates(run)
    }
    return max(seen, key=seen.__getitem__)


def stage(rule: str, *, others: bool = False) -> Callable[[Run, Setting], None]:
    """A stage that trains from the conversion ("hybrid") or from random weights ("scratch").

    Seed 0 trains with both surrogates, the other seeds with the better one; its rows are called
    "hybrid" and "scratch" in the summary, those of the other one `hybrid_stdb` and so on.

    Args:
        rule: where the weights come from.
        others: train with the other surrogate in place of the better one.
    """

    def train(run: Run, setting: Setting) -> None:
        own = surrogates(run)
        if run.seed != 0:
            own = [s for s in own if (s != better(run, rule)) == others]
        for surrogate, steps in itertools.product(own, EPOCHS[run.data]):
            if not run.has(f"{rule}_{surrogate}", steps):
                _train(run, setting, rule, surrogate, steps)

    return train


def _train(run: Run, setting: Setting, rule: str, surrogate: str, steps: int) -> None:
    how, name = best(run, rule, surrogate), f"{rule}_{surrogate}"
    made = start(run, setting, surrogate, how["scale"], learned=rule == "hybrid")
    net, unit = made.network, gain(run, made, steps)
    recipe = snn.SnnRecipe(steps, EPOCHS[run.data][steps], lr=how["lr"])
    started, losses = time.perf_counter(), _Losses()
    stream = setting.stream.child(rule, steps)
    snn.train(net, setting.data, recipe, setting.later, stream, losses, unit)
    seconds = time.perf_counter() - started
    run.keep_weights(f"{name}-{steps}", net)
    images, labels = setting.split("val")
    seen = accuracy(snn.summed(net, images, steps), labels)
    facts = {"recipe": asdict(recipe), "gain": unit, "scale": how["scale"], "surrogate": surrogate}
    readout = unit * snn.summed(net, setting.split("test")[0], steps)
    run.keep(name, steps, readout, seconds=seconds, held_out=seen, losses=losses.seen, **facts)
    say(f"  {name} T={steps}: {seen:.2%} held out, {seconds:.0f} s")


class _Losses:
    """The mean loss of every hundred updates."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []

    def __call__(self, step: int, loss: float, _: AbstractPosterior) -> None:
        self.seen.append((step, round(loss, 4)))
