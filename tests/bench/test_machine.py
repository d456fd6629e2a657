"""The machine is named from what the system says, and from nothing where it says nothing."""

import json

import pytest
import torch

from bayesnn_spike.bench import machine

INTEL = """processor\t: 0
model name\t: Some CPU @ 2.00GHz
flags\t\t: fpu sse2 avx avx2 avx512f avx512_vpopcntdq amx_bf16
bugs\t\t: none
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16 sve\n"


def test_vector_extensions_are_read() -> None:
    found = machine.extensions(INTEL)
    assert found == ["avx", "avx2", "avx512f", "avx512_vpopcntdq", "amx_bf16"]
    assert machine.extensions(ARM) == ["asimd", "bf16", "sve"]
    assert machine.extensions("") == []


def test_the_description_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cpuinfo", lambda: INTEL)
    found = json.loads(json.dumps(machine.describe(threads=1)))
    assert found["cpu"] == "Some CPU @ 2.00GHz"
    assert found["threads"] == 1
    assert 1 <= found["cores"] <= 4096
    assert found["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_a_system_without_cpuinfo_is_named_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cpuinfo", lambda: "")
    assert machine.describe(threads=1)["cpu"]


def test_a_package_that_is_missing_has_no_version() -> None:
    assert machine.version("no-such-package") is None
