"""ops/_triton: where Triton runs, and what is said where it does not."""

import importlib.util
from types import SimpleNamespace

import pytest
import torch

from bayesnn_spike.ops import RefusedError, _triton, draw, explain, only
from bayesnn_spike.ops.bits import pack_bits
from bayesnn_spike.ops.draw import draw_signs
from bayesnn_spike.ops.draw.signs import Drawn
from bayesnn_spike.ops.sampled import sampled_linear
from bayesnn_spike.ops.spikes import triton_refuses
from bayesnn_spike.ops.synapse import signed_linear
from bayesnn_spike.rng import Stream

OPTIONS = {"key": (1, 2), "draws": 1, "first": 0}


def test_a_gpu_needs_no_more_than_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert _triton.refusals("cuda:1") == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert _triton.refusals("cuda:1") == ["triton is not installed"]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_without_the_interpreter_another_device_is_refused(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with only("triton"):
        assert _triton.refusals(device) == [f"needs tensors on a GPU, got {device}"]
    with only("triton"), pytest.raises(RefusedError, match="triton: needs tensors on a GPU, got"):
        draw_signs(torch.zeros(3, device=device), stream=Stream(3))


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("True", True), ("on", True), ("0", False), ("", False)]
)
def test_the_variable_is_read_as_triton_reads_it(
    value: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from triton import knobs

    monkeypatch.setenv("TRITON_INTERPRET", value)
    assert _triton.interprets() is expected
    assert knobs.runtime.interpret is expected


def test_the_interpreter_runs_only_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert _triton.refusals("cpu") == [
        "its interpreter is for tests: ask for it with only('triton')"
    ]
    with only("triton"):
        assert _triton.refusals("cpu") == []
        assert _triton.refusals("meta") == ["needs tensors on a GPU, got meta"]
    lines = explain(draw._SIGNS, torch.zeros(3), **OPTIONS).splitlines()
    assert lines[0].startswith("draw_signs/triton: refuses, its interpreter is for tests")
    assert lines[1] == "draw_signs/cpu: runs"


def test_spikes_that_are_numbers_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    signs = Drawn(torch.zeros(2, 3), Stream(1), draws=1)
    half = torch.full((1, 1, 3), 0.5)
    with only("triton"):
        with pytest.raises(RefusedError, match="signed_linear cannot run: triton: needs spikes of"):
            signed_linear(half, signs)
        with pytest.raises(
            RefusedError, match="sampled_linear cannot run: triton: needs spikes of"
        ):
            sampled_linear(half, signs, beta=0.5, v_threshold=1.0)
        assert triton_refuses(half.round(), signs) == []
        elsewhere = SimpleNamespace(device=torch.device("cuda:0"))
        assert triton_refuses(half.round(), elsewhere) == [
            "needs spikes and signs on one device, got cpu and cuda:0"
        ]


def test_what_is_loaded_launches_on_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_triton, "on_its_device", lambda run: ("guarded", run))
    load = _triton.from_triton("bayesnn_spike.ops.bits", "pack_bits")
    assert load() == ("guarded", pack_bits)


def test_kernels_are_launched_on_the_device_of_their_tensors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered = []

    class Guard:
        def __init__(self, device: torch.device) -> None:
            self.device = device

        def __enter__(self) -> None:
            entered.append(str(self.device))

        def __exit__(self, *_: object) -> None:
            entered.append("left")

    monkeypatch.setattr(torch.cuda, "device", Guard)
    run = _triton.on_its_device(lambda target, **_: target)
    assert run(torch.zeros(2), device=None).tolist() == [0, 0]
    assert entered == []
    assert run((3,), device="cuda:1") == (3,)
    assert entered == ["cuda:1", "left"]
