"""Why spike times fail where neurons are silent: who carries a gradient, and what comes of it.

By spike times (STDB) a neuron that has not fired since the start has a slope of
alpha exp(-beta 999) = 1.4e-5 in place of up to 0.3; the linear surrogate asks how far the membrane
is from the threshold. The stage counts where either has a slope, and trains four times: from the
conversion with very few steps, and from random weights.
"""

import json
from typing import Any

import snn
import torch
from converted import accuracy
from kept import Run, say
from spiking import SURROGATES, best, local, start
from stages import Setting
from torch import Tensor

from bayesnn_spike.encoding import direct
from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.posterior import AbstractPosterior

COUNTED, TRAINED = (2, 4, 8, 16), {"hybrid": 2, "scratch": 4}
"""Steps T: at which slopes are counted, and after which from-where a network is trained."""
PASSES, IMAGES, HELD_OUT = 1.0, 64, 2000


def mechanism(run: Run, setting: Setting) -> None:
    """Count and train with seed 0, and keep what is seen on held-out images.

    Not where only one surrogate is compared.
    """
    path = run.folder / "mechanism.json"
    if run.seed != 0 or path.exists() or local(run):
        return
    found = {
        "slopes": [_slopes(run, setting, rule, t) for rule in TRAINED for t in COUNTED],
        "trainings": [
            _training(run, setting, rule, surrogate) for rule in TRAINED for surrogate in SURROGATES
        ],
    }
    atomic_write_text(path, json.dumps(found, indent=1) + "\n")


@torch.no_grad()
def _slopes(run: Run, setting: Setting, rule: str, steps: int) -> dict[str, Any]:
    """By layer, the share of (neuron, step) where a surrogate has a slope worth the name."""
    scale = best(run, rule, "linear")["scale"]
    net = start(run, setting, "linear", scale, learned=rule == "hybrid").network.eval()
    shares: dict[str, dict[str, float]] = {}

    def count(name: str) -> Any:
        def hook(neuron: ThresholdNeuron, inputs: tuple[Any, ...], output: tuple[Any, Any]) -> None:
            shares[name] = _shares(neuron, inputs[0], output[0])

        return hook

    modules = dict(net.named_modules())
    neurons = {name: m for name, m in modules.items() if isinstance(m, ThresholdNeuron)}
    hooks = [neuron.register_forward_hook(count(name)) for name, neuron in neurons.items()]
    net(direct(setting.split("train", IMAGES)[0], steps))
    for handle in hooks:
        handle.remove()
    return {"rule": rule, "steps": steps, "scale": scale, "layers": shares}


def _shares(neuron: ThresholdNeuron, current: Tensor, spikes: Tensor) -> dict[str, float]:
    """Share that has fired before (where STDB has a slope), and that is near the threshold.

    STDB's clock runs from the last spike of an earlier step: a neuron's first one has no slope.
    Neurons in the immediate order that do not leak: the membrane before a spike is the sum of the
    currents less the thresholds given off.
    """
    v, before = neuron.v_threshold, spikes.cumsum(0) - spikes
    membrane = neuron.v_init * v + current.expand_as(spikes).cumsum(0) - v * before
    near = (membrane / v - 1).abs() < 1
    return {
        "stdb": float((before > 0).double().mean()),
        "linear": float(near.double().mean()),
        "spikes": float(spikes.double().mean()),
    }


def _training(run: Run, setting: Setting, rule: str, surrogate: str) -> dict[str, Any]:
    """Train one network; held-out accuracy before, and after every hundred updates."""
    chosen, steps = best(run, rule, surrogate), TRAINED[rule]
    net = start(run, setting, surrogate, chosen["scale"], learned=rule == "hybrid").network
    images, labels = setting.split("val", HELD_OUT)
    curve = [(0, accuracy(snn.summed(net, images, steps), labels))]

    def look(done: int, _: float, posterior: AbstractPosterior) -> None:
        snn.put(net, posterior)
        curve.append((done, accuracy(snn.summed(net, images, steps), labels)))

    recipe = snn.SnnRecipe(steps, PASSES, lr=chosen["lr"])
    stream = setting.stream.child("mechanism", rule)
    snn.train(net, setting.data, recipe, setting.later, stream, look)
    say(f"  {rule}, T={steps}, {surrogate}: {curve[0][1]:.2%} to {curve[-1][1]:.2%}")
    facts = {"surrogate": surrogate, "scale": chosen["scale"], "lr": chosen["lr"]}
    return {"rule": rule, "steps": steps, **facts, "held_out": curve}
