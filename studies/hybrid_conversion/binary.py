"""The stage of binary weights: signs of a converted network, and a posterior that starts there."""

import json
import time

import snn
import torch
from converted import accuracy
from kept import Run, say
from spiking import local, start
from stages import Setting
from torch import Tensor
from torch.func import functional_call

from bayesnn_spike.convert import Conversion, bernoulli_prior, binarise
from bayesnn_spike.encoding import direct
from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.learn import Cosine, Temperature
from bayesnn_spike.learn.estimators import Flipout
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.rule import Rule
from bayesnn_spike.learn.rules import BayesBiSNN, ByGroup, Gradient, StraightThrough
from bayesnn_spike.nn import Graph
from bayesnn_spike.nn.evaluating import evaluating
from bayesnn_spike.posterior import AbstractPosterior
from bayesnn_spike.rng import Stream

STEPS, EPOCHS, SCALE, DRAWS = 4, 2, 0.4, 8
TEMPERING = 0.003
"""As on N-MNIST (studies/rules_on_nmnist)."""
GRID = {
    "binary_straight_through": [
        (spread, lr) for spread in (0.05, 0.1, 0.25) for lr in (1e-3, 3e-3)
    ],
    "binary_bayes": [(spread, lr) for spread in (0.05, 0.1, 0.25) for lr in (0.03, 0.1)],
}
"""How far from coin flips the signs start (a layer's gain as a part of its largest weight) and the
first step size: six trials a rule."""
CHOICE_IMAGES, CHOICE_UPDATES = 1000, 150


def binary(run: Run, setting: Setting) -> None:
    """Hidden weights of -1 and +1: untrained signs, straight-through, and Bayes.

    Of the small network: its scale and its loss are those of largest currents.
    """
    if local(run):
        return
    conversion = start(run, setting, "linear", SCALE, learned=True)
    if not run.has("binary_signs", STEPS):
        net = binarise(conversion.network)
        tests, labels = setting.split("test")
        readout = snn.summed(net, tests, STEPS)
        run.keep("binary_signs", STEPS, readout, seconds=0.0)
        say(f"  binary_signs T={STEPS}: {accuracy(readout, labels):.2%}")
    _choose(run, setting, conversion)
    trials = json.loads(run.binary_choice.read_text())
    for name in GRID:
        if run.has(name, STEPS):
            continue
        how = min((t for t in trials if t["rule"] == name), key=lambda t: t["nll"])
        started = time.perf_counter()
        drawn = _learned(setting, conversion, name, how["spread"], how["lr"], EPOCHS)
        seconds = time.perf_counter() - started
        images, labels = setting.split("test")
        log_probs = committee(*drawn, images, setting.stream.child(name, "committee"))
        facts = {"draws": DRAWS, "spread": how["spread"], "lr": how["lr"]}
        run.keep(name, STEPS, log_probs, seconds=seconds, **facts)
        say(f"  {name} T={STEPS}: {accuracy(log_probs, labels):.2%}, {seconds:.0f} s")


def _choose(run: Run, setting: Setting, conversion: Conversion) -> None:
    """Choose by short trainings and the NLL of held-out images; seed 0 does it for all seeds."""
    if run.binary_choice.exists():
        return
    if run.seed != 0:
        raise SystemExit(f"{run.binary_choice} is not there: run the stage `binary` with seed 0")
    images, labels = setting.split("val", CHOICE_IMAGES)
    passes, trials = CHOICE_UPDATES * 64 / snn.IMAGES_A_PASS, []
    for name, grid in GRID.items():
        for spread, lr in grid:
            drawn = _learned(setting, conversion, name, spread, lr, passes)
            log_probs = committee(*drawn, images, setting.stream.child(name, "choose"))
            seen = {"held_out": accuracy(log_probs, labels), "nll": _nll(log_probs, labels)}
            trials.append({"rule": name, "spread": spread, "lr": lr, **seen})
            say(f"  {trials[-1]}")
    atomic_write_text(run.binary_choice, json.dumps(trials, indent=1) + "\n")


def _nll(log_probs: Tensor, labels: Tensor) -> float:
    return float(-log_probs.gather(1, labels[:, None]).mean())


def _learned(
    setting: Setting, conversion: Conversion, name: str, spread: float, lr: float, passes: float
) -> tuple[Graph, AbstractPosterior]:
    """Learn the hidden signs by a rule and the rest by gradients; a network and its posterior."""
    recipe = snn.SnnRecipe(STEPS, passes)
    prior = bernoulli_prior(conversion.network, spread=spread)
    params = {k: p.detach().clone() for k, p in prior.network.named_parameters()}
    examples, rates = len(setting.data.splits["train"].indices), Cosine(lr, recipe.updates)
    rule: Rule
    if name == "binary_bayes":
        adam = Adam(rates, beta1=0.95, eps=1e-12)
        tempered = Temperature(examples, tempering=TEMPERING)
        rule, params = BayesBiSNN(tempered, Flipout(), adam, initial=Given()), params | prior.logits
    else:
        rule = StraightThrough(Adam(rates), initial=Given())
    rest = ("*", Gradient(Adam(Cosine(1e-4, recipe.updates)), Given()))
    grouped = ByGroup((*((k, rule) for k in prior.logits), rest))
    stream, net = setting.stream.child(name), prior.network
    data, later = setting.data, setting.later
    return net, snn.learn(grouped, net, params, data, recipe, later, stream, _log)


@torch.no_grad()
def committee(
    net: Graph, posterior: AbstractPosterior, images: Tensor, stream: Stream, batch: int = 100
) -> Tensor:
    """Log of the mean probability over networks drawn from a posterior, `[N, C]`.

    The readout is summed over time, as it was trained.
    """
    total: Tensor | None = None
    with evaluating(net):
        for k in range(DRAWS):
            drawn = posterior.sample(1, stream, first=k)
            parts = [
                functional_call(net, drawn, (direct(some, STEPS),))[0][0].sum(0)
                for some in images.split(batch)
            ]
            probs = torch.cat(parts).double().softmax(-1)
            total = probs if total is None else total + probs
    return (total / DRAWS).clamp_min(1e-300).log()


def _log(step: int, loss: float, _: AbstractPosterior) -> None:
    if step % 300 == 0:
        say(f"    step {step}: loss {loss:.4f}")
