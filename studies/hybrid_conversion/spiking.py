"""The stages that train spiking networks: from the conversion, and from random weights."""

import copy
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import converted
import snn
from converted import accuracy
from kept import Run, say
from stages import Setting, network, trained
from torch import nn

from bayesnn_spike.convert import Conversion, Maximum, NeuronOptions, convert
from bayesnn_spike.encoding import Direct
from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.neurons import LinearRatio, SpikeTime
from bayesnn_spike.posterior import AbstractPosterior

EPOCHS = {
    "mnist": {4: 0.5, 8: 0.5},
    "fashion-mnist": {4: 3, 8: 2},
    "cifar10-jpeg": {8: 2},
}
"""Passes of 20,000 images by data set and T; the same from random weights."""
SURROGATES = {"stdb": SpikeTime(), "linear": LinearRatio()}
GRID = {
    "hybrid": [(scale, lr) for scale in (0.4, 0.55) for lr in (1e-4, 3e-4)],
    "scratch": [(scale, lr) for scale in (0.4, 0.7) for lr in (3e-4, 1e-3)],
}
"""Scales of the thresholds and first step sizes: four trials a surrogate for both."""
CHOICE_STEPS, CHOICE_IMAGES = 4, 2000
CHOICE_UPDATES = {"mnist": 75, "fashion-mnist": 150, "cifar10-jpeg": 150}


def start(run: Run, setting: Setting, surrogate: str, scale: float, *, learned: bool) -> Conversion:
    """Convert the trained ANN, or one with random weights, with membranes from V/2.

    Dropout is less than in the ANN: 0.1 on maps and 0.2 on units.
    """
    net = copy.deepcopy(trained(run, setting) if learned else network(run, setting).eval())
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1 if module.p < 0.5 else 0.2
    images, _ = setting.split("train", converted.CALIBRATION)
    options = NeuronOptions(v_init=0.5, surrogate=SURROGATES[surrogate])
    encoder = Direct(converted.CALIBRATION_STEPS)
    return convert(net, images, thresholds=Maximum(scale), encoder=encoder, neuron=options)


def choose(run: Run, setting: Setting) -> None:
    """Choose by short trainings, on held-out images; seed 0 does it for all seeds."""
    if run.seed != 0 or run.choice.exists():
        return
    images, labels = setting.split("val", CHOICE_IMAGES)
    passes = CHOICE_UPDATES[run.data] * 64 / snn.IMAGES_A_PASS
    trials: list[dict[str, Any]] = []
    for rule, surrogate in itertools.product(GRID, SURROGATES):
        for scale, lr in GRID[rule]:
            net = start(run, setting, surrogate, scale, learned=rule == "hybrid").network
            recipe = snn.SnnRecipe(CHOICE_STEPS, passes, lr=lr)
            stream = setting.stream.child("choose", rule)
            snn.train(net, setting.data, recipe, setting.later, stream, _Losses())
            seen = accuracy(snn.summed(net, images, CHOICE_STEPS), labels)
            trial = {"rule": rule, "surrogate": surrogate, "scale": scale, "lr": lr}
            trials.append({**trial, "held_out": seen})
            say(f"  {trials[-1]}")
    atomic_write_text(run.choice, json.dumps(trials, indent=1) + "\n")


def best(run: Run, rule: str, surrogate: str | None = None) -> dict[str, Any]:
    """Return the settings that seed 0 has chosen, of one surrogate or of any."""
    if not run.choice.exists():
        raise SystemExit(f"{run.choice} is not there: run the stage `choose` with seed 0 first")
    trials = json.loads(run.choice.read_text())
    own = [t for t in trials if t["rule"] == rule and surrogate in (None, t["surrogate"])]
    return max(own, key=lambda t: t["held_out"])


def stage(rule: str, *, chosen: bool) -> Callable[[Run, Setting], None]:
    """A stage that trains from the conversion ("hybrid") or from random weights ("scratch").

    Args:
        rule: where the weights come from; the rows have its name.
        chosen: with the surrogate that is better on held-out images; or with the other one, in rows
            `hybrid_stdb` or `hybrid_linear`, `scratch_stdb` or `scratch_linear`.
    """

    def train(run: Run, setting: Setting) -> None:
        how = best(run, rule)
        if not chosen:
            (other,) = SURROGATES.keys() - {how["surrogate"]}
            how = best(run, rule, other)
        name = rule if chosen else f"{rule}_{how['surrogate']}"
        for steps in EPOCHS[run.data]:
            if not run.has(name, steps):
                _train(run, setting, name, steps, how)

    return train


def _train(run: Run, setting: Setting, name: str, steps: int, how: dict[str, Any]) -> None:
    net = start(
        run, setting, how["surrogate"], how["scale"], learned=how["rule"] == "hybrid"
    ).network
    recipe = snn.SnnRecipe(steps, EPOCHS[run.data][steps], lr=how["lr"])
    started, losses = time.perf_counter(), _Losses()
    stream = setting.stream.child(how["rule"], steps)
    snn.train(net, setting.data, recipe, setting.later, stream, losses)
    seconds = time.perf_counter() - started
    images, labels = setting.split("test")
    readout = snn.summed(net, images, steps)
    run.keep_weights(f"{name}-{steps}", net)
    facts = {"recipe": asdict(recipe), "scale": how["scale"], "surrogate": how["surrogate"]}
    run.keep(name, steps, readout, seconds=seconds, losses=losses.seen, **facts)
    say(f"  {name} T={steps}: {accuracy(readout, labels):.2%}, {seconds:.0f} s")


class _Losses:
    """The mean loss of every hundred updates."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []

    def __call__(self, step: int, loss: float, _: AbstractPosterior) -> None:
        self.seen.append((step, round(loss, 4)))
