"""The stage of binary weights: signs of a converted network, and a posterior that starts there."""

import time

import snn
import torch
from converted import accuracy
from kept import Run, say
from spiking import start
from stages import Setting
from torch import Tensor
from torch.func import functional_call

from bayesnn_spike.convert.binary import bernoulli_prior, binarise, hidden_synapses
from bayesnn_spike.encoding import direct
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
TEMPERING, SPREAD = 0.003, 0.25
"""As on N-MNIST (studies/rules_on_nmnist), and how far from coin flips the signs start."""


def binary(run: Run, setting: Setting) -> None:
    """Hidden weights of -1 and +1: untrained signs, straight-through, and Bayes."""
    conversion = start(run, setting, "linear", SCALE, learned=True)
    hidden = [f"{name}.weight" for name in hidden_synapses(conversion.network)]
    if not run.has("binary_signs", STEPS):
        net = binarise(conversion.network)
        tests, labels = setting.split("test")
        readout = snn.summed(net, tests, STEPS)
        run.keep("binary_signs", STEPS, readout, seconds=0.0)
        say(f"  binary_signs T={STEPS}: {accuracy(readout, labels):.2%}")
    updates = snn.SnnRecipe(STEPS, EPOCHS).updates
    rest = ("*", Gradient(Adam(Cosine(1e-4, updates)), Given()))
    prior = bernoulli_prior(conversion.network, spread=SPREAD)
    bayes = BayesBiSNN(
        Temperature(len(setting.data.splits["train"].indices), tempering=TEMPERING),
        Flipout(),
        Adam(Cosine(0.1, updates), beta1=0.95, eps=1e-12),
        initial=Given(),
    )
    through = StraightThrough(Adam(Cosine(1e-3, updates)), initial=Given())
    means = {name: logits.tanh() for name, logits in prior.logits.items()}
    _learn(run, setting, "binary_straight_through", prior.network, means, hidden, through, rest)
    _learn(run, setting, "binary_bayes", prior.network, prior.logits, hidden, bayes, rest)


def _learn(
    run: Run,
    setting: Setting,
    name: str,
    net: Graph,
    latents: dict[str, Tensor],
    hidden: list[str],
    rule: Rule,
    rest: tuple[str, Rule],
) -> None:
    if run.has(name, STEPS):
        return
    started = time.perf_counter()
    params = {k: p.detach().clone() for k, p in net.named_parameters()} | latents
    grouped = ByGroup((*((k, rule) for k in hidden), rest))
    recipe = snn.SnnRecipe(STEPS, EPOCHS)
    posterior = snn.learn(
        grouped,
        net,
        params,
        setting.data,
        recipe,
        setting.later,
        setting.stream.child(name),
        _log,
    )
    seconds = time.perf_counter() - started
    images, labels = setting.split("test")
    log_probs = committee(net, posterior, images, setting.stream.child(name, "committee"))
    run.keep(name, STEPS, log_probs, seconds=seconds, draws=DRAWS)
    say(f"  {name} T={STEPS}: {accuracy(log_probs, labels):.2%}, {seconds:.0f} s")


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
