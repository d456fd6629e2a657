"""Many draws of an estimator at the price of one forward pass: rows of one draw, in blocks."""

import math

from torch import Tensor, cat, nn
from torch.func import vmap

from bayesnn_spike.learn.credit import Credit, Draw, credit
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights


def block_estimates(
    estimator, network: nn.Module, loss, logits: Weights, batch: Batch, blocks: int, seed: int = 0
) -> Tensor:
    """Estimates `[blocks, d]` from consecutive equal blocks of the draws of one `draw`.

    For estimators whose draws are rows: exact draws, antithetic pairs, relaxed draws.
    """
    draw = estimator.draw(logits, Stream(seed))
    cost, _ = credit(network, loss, draw, *batch)

    def one(draw: dict, cost: dict) -> Weights:
        return estimator.gradient(logits, Draw(**draw), Credit(**cost))

    found = vmap(one)(*({n: cut(v, blocks) for n, v in f._asdict().items()} for f in (draw, cost)))
    return cat([g.flatten(1) for g in found.values()], 1)


def mean_and_error(estimates: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over rows and its standard error, `[d]` each."""
    return estimates.mean(0), estimates.std(0) / math.sqrt(len(estimates))


def cut(value: Tensor | dict | None, blocks: int) -> Tensor | dict:
    """Plain tensors `[K, ...]` as `[blocks, K / blocks, ...]`; other tensor types are left out."""
    if value is None:
        return {}
    if isinstance(value, dict):
        plain = {n: v for n, v in value.items() if type(v) is Tensor}
        return {n: cut(v, blocks) for n, v in plain.items()}
    return value.detach().unflatten(0, (blocks, -1))
