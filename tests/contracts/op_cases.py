"""One entry for every operation and implementation: how to call it, on what, and what is exact.

A case builds tensors on a lattice on which float32 is exact; `call` takes them and returns a tuple
of tensors. `drawn` names the inputs that have the draw axis K, `batch` where each input has B.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from bayesnn_spike.ops.adam import Step, adam
from bayesnn_spike.ops.draw import draw_signs, draw_words, random_bits
from bayesnn_spike.ops.draw.signs import Drawn, Packed
from bayesnn_spike.ops.pool import mean_pool2d
from bayesnn_spike.ops.sampled import sampled_conv2d, sampled_linear
from bayesnn_spike.ops.synapse import (
    conv2d,
    linear,
    signed_conv2d,
    signed_linear,
    straight_conv2d,
    straight_linear,
)
from bayesnn_spike.ops.trace import trace
from bayesnn_spike.rng import Stream
from tests.contracts.cascade_cases import CASCADE_CASES
from tests.contracts.case import B as B
from tests.contracts.case import Case as Case
from tests.contracts.case import K as K
from tests.contracts.case import M, N, T
from tests.contracts.fire_cases import FIRE_CASES
from tests.ops import cases


def _layer(layer: Callable, x: Tensor, w: Tensor, b: Tensor, v: Tensor, **options):
    spikes, last = layer(x, Packed.of(w), b, v, scale=0.25, beta=0.5, v_threshold=1.0, **options)
    return spikes.dense(v.dtype), last


def _maps(name: str, op: Callable[..., Tensor], values: Callable[..., Tensor]) -> Case:
    return Case(
        name,
        lambda x, w, b: (op(x, w, b, stride=2, padding=1),),
        lambda b: [
            cases.spikes(K, T, b, 2, 5, 6, rate=0.1),
            values(K, 2 * M, 2, 3, 3, seed=1),
            cases.signs(K, 2 * M, seed=2),
        ],
        (2, None, None),
        (0, 0, 0),
        out_batch=(2,),
        smooth=(0, 1, 2),
        implementations=("cpu", "reference"),
    )


CASES = {
    "draw_signs": Case(
        "draw_signs",
        lambda logits: (draw_signs(logits, stream=Stream(3), draws=K),),
        lambda b: [cases.lattice(b, 7)],
        (0,),
        (None,),
        implementations=("triton", "cpu", "reference"),
    ),
    "random_bits": Case(
        "random_bits",
        lambda like: (
            random_bits(tuple(like.shape), stream=Stream(3), draws=K, device=like.device),
        ),
        lambda b: [cases.lattice(b, 7)],
        (0,),
        (None,),
        implementations=("triton", "cpu", "reference"),
    ),
    "draw_words": Case(
        "draw_words",
        lambda logits: (draw_words(logits, stream=Stream(3), draws=K),),
        lambda b: [cases.lattice(b, 7)],
        (0,),
        (None,),
        implementations=("triton", "cpu", "reference"),
    ),
    "adam": Case(
        "adam",
        lambda x, g, m, v: adam(x, g, m, v, Step(0.25, 0.5, 0.5, 1.0, 60)),
        # The root of 1 and its sum with eps = 1 are exact.
        lambda b: [cases.lattice(b, 7), cases.signs(b, 7), cases.lattice(b, 7), torch.ones(b, 7)],
        (0, 0, 0, 0),
        (None, None, None, None),
        out_batch=(0, 0, 0),
        implementations=("cpu", "reference"),
    ),
    "linear": Case(
        "linear",
        lambda x, w, b: (linear(x, w, b),),
        lambda b: [
            cases.spikes(T, b, N, rate=0.1),
            cases.signs(K, M, N, seed=1),
            cases.signs(K, M, seed=2),
        ],
        (1, None, None),
        (None, 0, 0),
        out_batch=(2,),
        smooth=(1, 2),
        implementations=("cpu", "reference"),
    ),
    "linear, all with draws": Case(
        "linear",
        lambda x, w, b: (linear(x, w, b),),
        lambda b: [
            cases.spikes(K, T, b, N, rate=0.2),
            cases.signs(K, M, N, seed=1),
            cases.signs(K, M),
        ],
        (2, None, None),
        (0, 0, 0),
        out_batch=(2,),
        smooth=(0, 1, 2),
        implementations=("cpu", "reference"),
    ),
    "straight_linear": Case(
        "straight_linear",
        lambda x, w, b: (straight_linear(x, w, b, scale=0.25),),
        lambda b: [
            cases.spikes(T, b, N, rate=0.1),
            cases.lattice(K, M, N, seed=1),
            cases.signs(K, M, seed=2),
        ],
        (1, None, None),
        (None, 0, 0),
        out_batch=(2,),
        smooth=(1, 2),
        implementations=("cpu", "reference"),
    ),
    "straight_linear, all with draws": Case(
        "straight_linear",
        lambda x, w: (straight_linear(x, w, scale=0.25),),
        lambda b: [cases.spikes(K, T, b, N), cases.lattice(K, M, N, seed=1)],
        (2, None),
        (0, 0),
        out_batch=(2,),
        smooth=(0, 1),
        implementations=("cpu", "reference"),
    ),
    "conv2d": _maps("conv2d", conv2d, cases.signs),
    "straight_conv2d": _maps(
        "straight_conv2d", partial(straight_conv2d, scale=0.25), cases.lattice
    ),
    "signed_linear": Case(
        "signed_linear",
        lambda x, w, b: (signed_linear(x, Packed.of(w), b),),
        lambda b: [cases.spikes(T, b, N), cases.signs(K, M, N, seed=1), cases.signs(K, M, seed=2)],
        (1, None, None),
        (None, 0, 0),
        out_batch=(2,),
        implementations=("triton", "cpu", "reference"),
    ),
    "signed_linear, drawn": Case(
        "signed_linear",
        lambda x, logits, b: (signed_linear(x, Drawn(logits, Stream(3), K), b),),
        lambda b: [cases.spikes(K, T, b, 37), cases.lattice(M, 37), cases.signs(M)],
        (2, None, None),
        (None, None, None),
        out_batch=(2,),
        implementations=("triton", "cpu", "reference"),
    ),
    "signed_conv2d": Case(
        "signed_conv2d",
        lambda x, w, b: (signed_conv2d(x, Packed.of(w), b, stride=2, padding=1),),
        lambda b: [
            cases.spikes(K, 2, b, 2, 4, 5),
            cases.signs(K, 4, 2, 3, 3, seed=1),
            cases.signs(K, 4, seed=2),
        ],
        (2, None, None),
        (0, 0, 0),
        out_batch=(2,),
        implementations=("triton", "cpu", "reference"),
    ),
    "sampled_linear": Case(
        "sampled_linear",
        lambda x, w, b, v: _layer(sampled_linear, x, w, b, v),
        lambda b: [
            cases.spikes(K, T, b, N),
            cases.signs(K, M, N, seed=1),
            cases.signs(K, M, seed=2),
            cases.lattice(K, b, M),
        ],
        (2, None, None, 1),
        (0, 0, 0, 0),
        out_batch=(2, 1),
        implementations=("triton", "cpu", "reference"),
    ),
    "sampled_conv2d": Case(
        "sampled_conv2d",
        lambda x, w, b, v: _layer(sampled_conv2d, x, w, b, v, stride=2, padding=1),
        lambda b: [
            cases.spikes(K, 3, b, 2, 4, 5),
            cases.signs(K, 4, 2, 3, 3, seed=1),
            cases.signs(K, 4, seed=2),
            cases.lattice(K, b, 4, 2, 3),
        ],
        (2, None, None, 1),
        (0, 0, 0, 0),
        out_batch=(2, 1),
        implementations=("triton", "cpu", "reference"),
    ),
    "trace": Case(
        "trace",
        lambda x, state: trace(x, state, decay=0.5, time_dim=1),
        lambda b: [cases.lattice(K, T, b, 7), cases.lattice(K, b, 7, seed=1)],
        (2, 1),
        (0, 0),
        out_batch=(2, 1),
        smooth=(0, 1),
        implementations=("cpu", "reference"),
    ),
    "mean_pool2d": Case(
        "mean_pool2d",
        lambda x: (mean_pool2d(x, 2),),
        lambda b: [cases.lattice(K, b, 5, 7)],
        (1,),
        (0,),
        out_batch=(1,),
        smooth=(0,),
        implementations=("cpu", "reference"),
    ),
    **FIRE_CASES,
    **CASCADE_CASES,
}
