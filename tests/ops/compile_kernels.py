"""Compile every Triton kernel for an H100 or H200, without a GPU, and describe what came out.

Run as a program, without TRITON_INTERPRET. The public functions of the kernels run on the CPU up to
the launch: each kernel is compiled for exactly the arguments and options it would be launched with.
"""

import json
import re
import sys
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver, jit

from bayesnn_spike.ops.draw import triton as draw
from bayesnn_spike.ops.draw.signs import Drawn
from bayesnn_spike.ops.fire import triton as fire
from bayesnn_spike.ops.fire.surrogate import ATan, AtOrAbove, Boxcar, Subtract, ToValue
from bayesnn_spike.ops.sampled import triton as sampled
from bayesnn_spike.ops.synapse import triton as synapse
from bayesnn_spike.rng import Stream

RUN = jit.JITFunction.run
FOUND: dict[int, Any] = {}


class Hopper:
    """As much of a driver as the compiler asks for."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return device


def compile_only(self: jit.JITFunction, *args: Any, **options: Any) -> Any:
    kernel = RUN(self, *args, **options | {"warmup": True})
    FOUND[id(kernel)] = kernel
    return kernel


def describe(kernel: Any) -> dict[str, Any]:
    """What the tests ask: contractions, types of offsets, products that were widened too late."""
    ttir, ptx = kernel.asm["ttir"], kernel.asm["ptx"]
    made = dict(re.findall(r"(%\w+) = (.*)", ttir))
    late = []
    for text in made.values():
        if text.startswith("arith.extsi"):
            product = made.get(text.split()[1], "")
            factors = [made.get(f, "") for f in re.findall(r"%\w+", product)]
            if product.startswith("arith.muli") and not any("constant" in f for f in factors):
                late.append(product)
    offsets = re.findall(r"tt\.addptr .* : .*, (?:tensor<[\dx]*x)?(i\d+)>?(?: loc|$)", ttir, re.M)
    return {
        "name": kernel.name,
        "fused": len(re.findall(r"\bfma\.rn", ptx)),
        "offsets": sorted(set(offsets)),
        "late": late,
        "shared": kernel.metadata.shared,
        "tensor_cores": "wgmma.mma_async" in ptx or "mma.sync" in ptx,
    }


def run_everything() -> None:
    """One call of each form of each kernel."""
    draw.draw_words(torch.zeros(33, 37), key=(1, 2), draws=3, first=2**31)
    draw.draw_signs(torch.zeros(33, 37), key=(1, 2), draws=3, first=5)
    neuron = {"beta": 0.9, "v_threshold": 1.0, "comparison": AtOrAbove()}
    for surrogate, reset in ((ATan(), ToValue(0.1)), (Boxcar(), Subtract())):
        x = torch.zeros(3, 5, 200, requires_grad=True)
        options = {"surrogate": surrogate, "reset": reset, "detach_reset": False}
        y, _ = fire.fire(x, None, time_dim=1, **options, **neuron)
        torch.autograd.grad(y.sum(), x)
    neuron |= {"reset": Subtract(), "scale": 0.3}
    window = {"stride": 2, "padding": (1, 0)}
    flat, wide = (
        Drawn(torch.zeros(33, 37), Stream(3), 3),
        Drawn(torch.zeros(70, 5000), Stream(3), 2),
    )
    few, many = (Drawn(torch.zeros(33, c, 3, 2), Stream(3), 3) for c in (5, 64))
    synapse.signed_linear(torch.zeros(5, 6, 37), flat, torch.zeros(33))
    synapse.signed_linear(torch.zeros(5, 60, 5000), wide, None)
    synapse.signed_conv2d(torch.zeros(3, 5, 6, 5, 8, 9), few, None, **window)
    sampled.sampled_linear(torch.zeros(5, 6, 37), flat, None, torch.zeros(3, 6, 33), **neuron)
    sampled.sampled_linear(torch.zeros(5, 64, 37), flat, torch.zeros(33), None, **neuron)
    sampled.sampled_conv2d(torch.zeros(5, 6, 64, 8, 9), many, None, None, **window, **neuron)


if __name__ == "__main__":
    driver.set_active(Hopper())
    jit.JITFunction.run = compile_only
    run_everything()
    json.dump([describe(kernel) for kernel in FOUND.values()], sys.stdout)
