"""Names, kinds, and why somebody is not here."""

import importlib.util

import pytest

from bayesnn_spike.bench.roofline import Roofline
from bayesnn_spike.bench.who import BF16, ENGINE, EVERYONE, FP32, ROOF, absence


def test_everyone_has_one_name_and_one_limit() -> None:
    assert len(set(EVERYONE)) == len(EVERYONE)
    assert set(EVERYONE) == {*ENGINE, "reference", *FP32, *BF16} == set(ROOF)
    limits = Roofline(1.0, 1.0, 1.0, 1.0)
    assert all(getattr(limits, rate) == 1.0 for rate in ROOF.values())


@pytest.mark.parametrize("who", ["cpu", "reference", "torch-loop", "snntorch", "spikingjelly"])
def test_who_is_installed_is_here(who: str) -> None:
    assert absence(who, "cpu") is None


def test_the_engines_belong_to_their_devices() -> None:
    assert "--device cuda" in absence("triton", "cpu")
    assert "--device cpu" in absence("cpu", "cuda")
    assert absence("triton", "cuda") is None


@pytest.mark.parametrize("who", ["snntorch", "spikingjelly"])
def test_a_framework_that_is_missing_is_named(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert f"{who} is not installed" in absence(who, "cpu")
    assert absence("torch-loop", "cpu") is None
