"""The Triton kernels compile for a GPU as well: the interpreter takes more than the compiler."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.architecture.scan import ROOT
from tests.ops.compile_kernels import describe

KERNELS = {
    *("_limits_kernel", "_words_kernel", "_flat_kernel", "_forward_kernel", "_backward_kernel"),
    *("_pack_kernel", "_currents_kernel", "_layer_kernel"),
}


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every kernel, compiled for compute capability 9.0 in a process without the interpreter."""
    settings = {
        "TRITON_INTERPRET": "0",
        "TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton")),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.ops.compile_kernels"],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_kernel_of_the_sources_is_compiled(kernels: list[dict[str, Any]]) -> None:
    sources = [*(ROOT / "bayesnn_spike" / "ops").glob("*/triton.py")]
    named = {
        line.removeprefix("def ").partition("(")[0]
        for path in sources
        for line in Path(path).read_text("utf-8").splitlines()
        if line.startswith("def ") and "_kernel(" in line
    }
    assert named == KERNELS
    assert {kernel["name"] for kernel in kernels} == KERNELS


def test_no_multiplication_is_fused_with_an_addition(kernels: list[dict[str, Any]]) -> None:
    """One rounding less would be another spike, or another threshold."""
    assert [kernel["name"] for kernel in kernels if kernel["fused"]] == []


def test_every_offset_is_a_64_bit_number_from_its_first_product_on(
    kernels: list[dict[str, Any]],
) -> None:
    """Tensors beyond 2^31 elements: nothing is multiplied in 32 bits and widened afterwards."""
    assert {offset for kernel in kernels for offset in kernel["offsets"]} == {"i64"}
    assert [kernel["late"] for kernel in kernels if kernel["late"]] == []


def test_a_tile_fits_the_shared_memory_and_uses_the_tensor_cores(
    kernels: list[dict[str, Any]],
) -> None:
    assert max(kernel["shared"] for kernel in kernels) <= 99 * 1024
    with_cores = {kernel["name"] for kernel in kernels if kernel["tensor_cores"]}
    assert with_cores == {"_currents_kernel", "_layer_kernel"}


def test_the_checks_see_what_they_forbid() -> None:
    """A product that is widened too late, a 32-bit offset, a fused multiply-add."""
    ttir = """
      %c64 = arith.constant 64 : i32
      %a = arith.muli %pid, %c64 : i32 loc(#loc1)
      %b = arith.extsi %a : i32 to i64 loc(#loc1)
      %c = arith.muli %pid, %rows : i32 loc(#loc1)
      %d = arith.extsi %c : i32 to i64 loc(#loc1)
      %e = tt.addptr %p, %d : !tt.ptr<f32>, i64 loc(#loc1)
      %f = tt.addptr %q, %g : tensor<4x8x!tt.ptr<i32>>, tensor<4x8xi32> loc(#loc1)
    """
    fake = SimpleNamespace(
        name="fake",
        asm={"ttir": ttir, "ptx": "fma.rn.f32 %f1, %f2, %f3, %f4;\nmma.sync.aligned"},
        metadata=SimpleNamespace(shared=7),
    )
    assert describe(fake) == {
        "name": "fake",
        "fused": 1,
        "offsets": ["i32", "i64"],
        "late": ["arith.muli %pid, %rows : i32 loc(#loc1)"],
        "shared": 7,
        "tensor_cores": True,
    }
