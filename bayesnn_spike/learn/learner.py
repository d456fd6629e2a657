"""The loop body of all training: draw, run, give credit, step, over the chunks of one batch.

`horizon` is how many time steps one credit spans. None is the whole recording (back-propagation
through time); h cuts the recording into chunks of h steps with carried, detached states; 1 is the
papers' online learning, with fresh weights and one step of the rule at every time step. Whether a
chunk is a step of the rule or a part of one is `chunks`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.checks import require_shape
from bayesnn_spike.learn.chunks import Accumulate, Chunks, StepEach, accumulate
from bayesnn_spike.learn.credit import Draw, credit
from bayesnn_spike.learn.rule import Rule
from bayesnn_spike.nn.dropout import dropout_noise, has_dropout
from bayesnn_spike.nn.state import at_rest, map_state
from bayesnn_spike.ops import Float32, Precision
from bayesnn_spike.ops.precision import precision as computed_in
from bayesnn_spike.posterior import AbstractPosterior
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights

_FULL = Float32()


class LearnerState(NamedTuple):
    """Everything that training carries from batch to batch; tensors only.

    Attributes:
        rule: the rule's state.
        seed: int64 scalar, the learner's stream (two's complement of the 64-bit seed).
        step: int64 scalar, the batches seen.
    """

    rule: Any
    seed: Tensor
    step: Tensor


class Info(NamedTuple):
    """What one update reports.

    Attributes:
        loss: mean over draws and chunks, a float32 scalar.
    """

    loss: Tensor


class Learner(NamedTuple):
    """A rule bound to a network and a loss.

    Attributes:
        init: (stream, params=None) -> LearnerState. The rule's `initial` makes the first latents;
            of params, by default the network's own, it takes names, shapes and dtypes, and the
            values only where `initial` is `Given()`.
        update: (state, Batch) -> (state, Info), a pure function.
        posterior: state -> AbstractPosterior.
    """

    init: Callable[..., LearnerState]
    update: Callable[[LearnerState, Batch], tuple[LearnerState, Info]]
    posterior: Callable[[LearnerState], AbstractPosterior]


def learner(
    rule: Rule,
    network: nn.Module,
    loss: Callable[[Any, Tensor], Tensor],
    *,
    horizon: int | None = None,
    burn_in: int = 0,
    chunks: Chunks = StepEach(),
    precision: Precision = _FULL,
) -> Learner:
    """Compose a rule, a network and a loss.

    Args:
        rule: `learn/rules/`.
        network: `forward(x [*K, T, B, *in], state) -> (outputs, state)`; all its parameters are
            learned by the rule, its buffers are fixed.
        loss: maps (outputs, labels) to `[K]`; `learn/losses.py`.
        horizon: time steps per credit; None is all. In the delayed order the gradient reaches the
            first of L spiking layers only where the horizon is longer than L.
        burn_in: time steps run with one draw and without learning at the start of each batch.
        chunks: `StepEach()` makes a draw and a step of the rule for every `horizon` steps,
            `Accumulate()` one of each a batch, along the gradients of its chunks together.
        precision: of the dense products of an update, `Float32()` or `BFloat16()`; the latter pays
            off where the processor multiplies bfloat16. Prediction does not see it.

    Raises:
        TypeError: (at update) precision is not one of the two.
        ValueError: horizon below 1, burn_in below 0, or (at update) a batch with no step left, or
            with too few steps in all for a network in the delayed order.

    Oracle: tests/learn/test_learner.py.
    """
    if horizon is not None and horizon < 1:
        raise ValueError(f"horizon must be None or at least 1 step, got {horizon}")
    if burn_in < 0:
        raise ValueError(f"burn_in must be at least 0 steps, got {burn_in}")

    def init(stream: Stream, params: Weights | None = None) -> LearnerState:
        if params is None:
            params = {name: p.detach().clone() for name, p in network.named_parameters()}
        signed = int.from_bytes(
            stream.child("learn").seed.to_bytes(8, "little"), "little", signed=True
        )
        return LearnerState(
            rule.init(params, stream.child("init")),
            torch.tensor(signed),
            torch.zeros((), dtype=torch.int64),
        )

    def update(state: LearnerState, batch: Batch) -> tuple[LearnerState, Info]:
        with computed_in(precision):
            return run(state, batch)

    def run(state: LearnerState, batch: Batch) -> tuple[LearnerState, Info]:
        spikes, labels = batch
        require_shape(labels, "batch.labels", (spikes.shape[1],))
        steps = len(spikes)
        if burn_in >= steps:
            raise ValueError(
                f"burn_in {burn_in} leaves nothing of {steps} time steps to learn from"
            )
        stream = Stream(int(state.seed) % (1 << 64)).child(int(state.step))
        inner, carried = state.rule, at_rest(network, steps)
        if burn_in:
            weights = with_dropout(rule.draw(inner, stream.child("burn_in")), stream).weights
            with torch.no_grad():
                _, carried = functional_call(network, weights, (spikes[:burn_in], carried))
            carried = map_state(torch.Tensor.detach, carried)
        span = steps - burn_in if horizon is None else horizon
        pieces = [spikes[start : start + span] for start in range(burn_in, steps, span)]
        if isinstance(chunks, Accumulate):

            def same() -> Draw:
                return with_dropout(rule.draw(inner, stream.child(0)), stream)

            options = {"running": chunks.running}
            drawn, cost, mean = accumulate(network, loss, same, pieces, labels, carried, **options)
            return after(state, rule.step(inner, drawn, cost), mean)
        losses = []
        for chunk, piece in enumerate(pieces):
            drawn = with_dropout(rule.draw(inner, stream.child(chunk)), stream)
            cost, carried = credit(network, loss, drawn, piece, labels, carried)
            inner = rule.step(inner, drawn, cost)
            losses.append(cost.losses.mean())
        return after(state, inner, torch.stack(losses).mean())

    def after(state: LearnerState, rule_state: Any, mean: Tensor) -> tuple[LearnerState, Info]:
        return LearnerState(rule_state, state.seed.clone(), state.step + 1), Info(mean)

    dropping = has_dropout(network)

    def with_dropout(drawn: Draw, stream: Stream) -> Draw:
        """The same masks in all chunks of a batch: they are held over time."""
        if not dropping:
            return drawn
        draws = max((len(leaf) for leaf in drawn.leaves.values()), default=1)
        noise = dropout_noise(network, stream.child("dropout"), draws)
        return drawn._replace(weights=drawn.weights | noise)

    return Learner(init, update, lambda state: rule.posterior(state.rule))
