"""Run sampled networks over examples, in chunks that fit a byte budget."""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.losses import class_logits
from bayesnn_spike.nn.dropout import dropout_noise, has_dropout
from bayesnn_spike.nn.evaluating import evaluating
from bayesnn_spike.posterior import AbstractPosterior
from bayesnn_spike.predict.how import (
    Committee,
    Ensemble,
    How,
    MCDropout,
    MeanParameter,
    Mode,
    Vote,
)
from bayesnn_spike.predict.pooling import Pooling, SoftmaxOfRate
from bayesnn_spike.predict.predictive import Predictive
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import held_bytes, is_lazy, is_signs, pack_signs, pack_spikes

# Packed draws at a time: enough to share what they share, few enough for the caches.
PACKED_DRAWS = 16
# Packed draws that measure what a draw costs.
PROBE = 4
# What one draw held, by network and shape: it sets how many go together, and no result.
_BYTES_A_DRAW: WeakKeyDictionary[nn.Module, dict[Any, int]] = WeakKeyDictionary()


@torch.no_grad()
def predict(
    network: nn.Module,
    posterior: AbstractPosterior,
    spikes: Tensor,
    *,
    stream: Stream,
    how: How = Committee(),
    pooling: Pooling = SoftmaxOfRate(),
    burn_in: int = 0,
    batch_size: int = 256,
    max_bytes: int = 256 * 2**20,
) -> Predictive:
    """Predict class probabilities for `spikes [T, N, *in]`.

    Args:
        network: `forward(x, state) -> (readout [*K, T, B, C] or a tuple of them, state)`; of a
            tuple, the last readout decides.
        posterior: anything with `.sample`, `.mode` and `.mean`.
        spikes: `[T, N, *in]`, any dtype; each batch becomes float32.
        stream: draws the networks.
        how: Committee(draws) (default), Ensemble(draws), Vote(draws), Mode(), MeanParameter() or
            MCDropout(draws).
        pooling: order of softmax and means.
        burn_in: first time steps left out of the readout.
        batch_size: examples at a time; changes results by rounding at most (except Ensemble).
        max_bytes: bound of weights and activations held for one chunk of draws; at least one draw
            runs. The chunking changes no draw.

    Returns:
        Predictive with members `[K, N, C]`.

    Raises:
        ValueError: a count below 1, burn_in that leaves no step, or MCDropout for a network
            without dropout.

    Oracle: tests/predict/test_predict.py.
    """
    require_positive(batch_size, "batch_size")
    require_positive(max_bytes, "max_bytes")
    if not 0 <= burn_in < len(spikes):
        raise ValueError(f"burn_in {burn_in} leaves nothing of {len(spikes)} time steps")
    if isinstance(how, MCDropout) and not has_dropout(network):
        raise ValueError("MCDropout needs a network with nn.Dropout layers, this one has none")
    rows = []
    with evaluating(network):
        for index, batch in enumerate(spikes.split(batch_size, dim=1)):
            draws = (
                _thinned(network, posterior, how, stream, index * batch_size)
                if isinstance(how, MCDropout)
                else _draws(posterior, how, stream, index)
            )
            rows.append(_members(network, draws, batch.float(), pooling, burn_in, max_bytes))
    members = torch.cat(rows, dim=1)  # log-probabilities [K, N, C]
    probabilities = members.exp()
    if isinstance(how, Vote):
        votes = nn.functional.one_hot(members.argmax(-1), members.shape[-1])
        return Predictive(votes.double().mean(0).float(), probabilities, "share of votes")
    return Predictive(pooling.pool(members), probabilities, pooling.formula)


def _draws(
    posterior: AbstractPosterior, how: How, stream: Stream, batch: int
) -> tuple[int, Callable[[int, int], Weights]]:
    """The number of networks, and a function (first, count) that makes them."""
    match how:
        case Committee(draws) | Vote(draws):
            return draws, lambda first, count: posterior.sample(count, stream, first=first)
        case Ensemble(draws):
            fresh = stream.child("batch", batch)
            return draws, lambda first, count: posterior.sample(count, fresh, first=first)
        case Mode():
            return 1, lambda *_: posterior.mode()
        case MeanParameter():
            return 1, lambda *_: posterior.mean()


def _thinned(
    network: nn.Module, posterior: AbstractPosterior, how: MCDropout, stream: Stream, start: int
) -> tuple[int, Callable[[int, int], Weights]]:
    """As `_draws`: one network, and noise for its dropout layers."""
    one = posterior.mode()

    def sample(first: int, count: int) -> Weights:
        return one | dropout_noise(network, stream, count, first=first, first_example=start)

    return how.draws, sample


def _members(
    network: nn.Module,
    draws: tuple[int, Callable[[int, int], Weights]],
    spikes: Tensor,
    pooling: Pooling,
    burn_in: int,
    max_bytes: int,
) -> Tensor:
    """Log-probabilities `[K, B, C]` of one batch; the first draws measure what one costs."""
    total, sample = draws
    packed = any(is_signs(w) for w in pack_signs(sample(0, 1)).values())
    if packed:
        spikes = pack_spikes(spikes)
    known = _BYTES_A_DRAW.setdefault(network, {})
    case = (tuple(spikes.shape), packed)
    rows, first = [], 0
    while first < total:
        # Only the first draws for a network and a shape of spikes are few: they measure.
        count = (PROBE if packed else 1) if case not in known else _fitting(known[case], max_bytes)
        count = min(count, total - first, PACKED_DRAWS if packed else total)
        weights = pack_signs(sample(first, count))
        with _Meter(network) as meter:
            rows.append(_run(network, weights, spikes, pooling, burn_in))
        held = meter.largest + sum(held_bytes(w) for w in weights.values())
        known[case] = max(known.get(case, 0), held // count)
        first += count
    return torch.cat(rows)


def _fitting(bytes_a_draw: int, max_bytes: int) -> int:
    return max(1, max_bytes // max(bytes_a_draw, 1))


def _run(
    network: nn.Module, weights: Weights, spikes: Tensor, pooling: Pooling, burn_in: int
) -> Tensor:
    readout, _ = functional_call(network, weights, (spikes, None))
    if isinstance(readout, tuple):
        readout = readout[-1]
    readout = readout if readout.ndim == 4 else readout[None]
    return pooling.members(class_logits(readout[:, burn_in:]))


class _Meter:
    """Bytes of the largest pair of consecutive layer outputs, which live at the same time."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.largest, self._before = network, 0, 0

    def __enter__(self) -> "_Meter":
        leaves = [m for m in self.network.modules() if not list(m.children())]
        self._hooks = [m.register_forward_hook(self._measure) for m in leaves]
        return self

    def __exit__(self, *_: Any) -> None:
        for hook in self._hooks:
            hook.remove()

    def _measure(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        values = output[0] if isinstance(output, tuple) else output
        size = held_bytes(values)
        if is_lazy(values):
            # Bits, made in one pass; the membranes beside them are numbers.
            state = output[1] if isinstance(output, tuple) else None
            size += held_bytes(state) if isinstance(state, Tensor) else 0
            self.largest = max(self.largest, self._before + size)
        else:
            # The time loop keeps about three maps of a layer alive (current, steps, spikes).
            self.largest = max(self.largest, self._before + 3 * size)
        self._before = size
