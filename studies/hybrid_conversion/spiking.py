"""The stages that train spiking networks: from the conversion, and from random weights."""

import copy
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import snn
from converted import accuracy
from kept import Run, say
from stages import Setting, network, trained
from torch import nn

from bayesnn_spike.convert import Conversion, Maximum, NeuronOptions, convert
from bayesnn_spike.encoding import Direct
from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.neurons import LinearRatio, SpikeTime

EPOCHS = {"mnist": {2: 1, 4: 1, 8: 1}, "fashion-mnist": {4: 3, 8: 2}}
"""Passes of 20,000 images by data set and T; the same from random weights."""
SURROGATES = {"stdb": SpikeTime(), "linear": LinearRatio()}
SCALES, RATES = (0.4, 0.55), (1e-4, 3e-4, 1e-3)
CHOICE_STEPS, CHOICE_UPDATES, CHOICE_IMAGES = 4, 150, 2000


def start(run: Run, setting: Setting, surrogate: str, scale: float, *, learned: bool) -> Conversion:
    """Convert the trained ANN, or one with random weights, with membranes from V/2.

    Dropout is less than in the ANN: 0.1 on maps and 0.2 on units.
    """
    net = copy.deepcopy(trained(run, setting) if learned else network(run, setting).eval())
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1 if module.p < 0.5 else 0.2
    images, _ = setting.split("train", 256)
    options = NeuronOptions(v_init=0.5, surrogate=SURROGATES[surrogate])
    return convert(net, images, thresholds=Maximum(scale), encoder=Direct(64), neuron=options)


def choose(run: Run, setting: Setting) -> None:
    """Choose scale and step size by short trainings, on held-out images; seed 0 does it for all."""
    path = run.choice
    if run.seed != 0 or path.exists():
        return
    images, labels = setting.split("val", CHOICE_IMAGES)
    trials: list[dict[str, Any]] = []
    for trial in _trials():
        conversion = start(
            run, setting, trial["surrogate"], trial["scale"], learned=trial["rule"] == "hybrid"
        )
        recipe = snn.SnnRecipe(
            CHOICE_STEPS, CHOICE_UPDATES * 64 / snn.IMAGES_A_PASS, lr=trial["lr"]
        )
        stream = setting.stream.child("choose", trial["rule"])
        snn.train(conversion.network, setting.data, recipe, setting.augment, stream, _quiet)
        seen = accuracy(snn.summed(conversion.network, images, CHOICE_STEPS), labels)
        trials.append({**trial, "held_out": seen})
        say(f"  {trials[-1]}")
    best = {}
    for rule in ("hybrid", "scratch"):
        for surrogate in SURROGATES:
            own = [t for t in trials if (t["rule"], t["surrogate"]) == (rule, surrogate)]
            best[f"{rule} {surrogate}"] = max(own, key=lambda t: t["held_out"])
    atomic_write_text(path, json.dumps({"trials": trials, "best": best}, indent=1) + "\n")


def _trials() -> Iterator[dict[str, Any]]:
    for surrogate in SURROGATES:
        for scale in SCALES:
            yield {"rule": "hybrid", "surrogate": surrogate, "scale": scale, "lr": 1e-4}
        for lr in RATES:
            yield {"rule": "scratch", "surrogate": surrogate, "scale": 0.7, "lr": lr}


def _quiet(step: int, loss: float) -> None:
    del step, loss


def best(run: Run, rule: str, surrogate: str) -> dict[str, Any]:
    """Return the settings that seed 0 has chosen."""
    if not run.choice.exists():
        raise SystemExit(f"{run.choice} is not there: run the stage `choose` with seed 0 first")
    return json.loads(run.choice.read_text())["best"][f"{rule} {surrogate}"]


def stage(rule: str, name: str, surrogate: str) -> Callable[[Run, Setting], None]:
    """A stage that trains from the conversion ("hybrid") or from random weights ("scratch").

    Args:
        rule: where the weights come from.
        name: of the rows.
        surrogate: "stdb" or "linear".
    """

    def train(run: Run, setting: Setting) -> None:
        for steps, epochs in EPOCHS[run.data].items():
            if run.has(name, steps):
                continue
            chosen = best(run, rule, surrogate)
            conversion = start(run, setting, surrogate, chosen["scale"], learned=rule == "hybrid")
            recipe = snn.SnnRecipe(steps, epochs, lr=chosen["lr"])
            started = time.perf_counter()
            losses = _Losses()
            net, stream = conversion.network, setting.stream.child(name, steps)
            snn.train(net, setting.data, recipe, setting.augment, stream, losses)
            seconds = time.perf_counter() - started
            images, labels = setting.split("test")
            readout = snn.summed(net, images, steps)
            facts = {"recipe": asdict(recipe), "scale": chosen["scale"], "losses": losses.seen}
            run.keep(name, steps, readout, seconds=seconds, surrogate=surrogate, **facts)
            right = accuracy(readout, labels)
            say(f"  {name} T={steps}: {right:.2%}, {seconds:.0f} s")

    return train


class _Losses:
    """The mean loss of every hundred updates."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []

    def __call__(self, step: int, loss: float) -> None:
        self.seen.append((step, round(loss, 4)))
