"""What may be asked for, and what is refused with the nearest right name."""

import pytest

from bayesnn_spike.bench import stdb
from bayesnn_spike.bench.cases import FULL, QUICK
from bayesnn_spike.bench.errors import BenchError
from bayesnn_spike.bench.settings import BENCHES, choose


def test_by_default_everything_is_timed() -> None:
    settings = choose()
    six = ("draw", "synapse", "fire", "forward", "train", "stdb")
    assert settings.benches == tuple(BENCHES) == six
    assert settings.cases == (*FULL, "digits-stdb")
    assert {"cpu", "reference", "snntorch", "torch-gemm"} <= set(settings.who)
    assert "triton" not in settings.who
    assert not settings.scaling
    assert settings.budget == 3.0
    assert settings.chosen("fire") == list(FULL.values())
    assert settings.chosen("stdb") == list(stdb.FULL.values())


def test_quick_is_small_and_short() -> None:
    settings = choose(quick=True)
    assert settings.chosen("fire") == list(QUICK.values())
    assert settings.chosen("stdb") == list(stdb.QUICK.values())
    assert settings.budget == 0.02
    assert choose(quick=True, budget=1.5).budget == 1.5
    assert settings.as_dict()["quick"] is True


def test_one_bench_one_case_some_names() -> None:
    settings = choose("forward", cases=["wide"], who=["torch-loop", "cpu"])
    assert settings.benches == ("forward",)
    assert settings.cases == ("wide",)
    assert settings.who == ("cpu", "torch-loop"), "in the order of the tables"


def test_the_sweeps_can_come_alone_or_on_top() -> None:
    alone, on_top = choose("scaling"), choose("train", sweeps=True)
    assert (alone.benches, alone.scaling) == ((), True)
    assert (on_top.benches, on_top.scaling) == (("train",), True)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"bench": "foward"}, "unknown bench 'foward'; did you mean 'forward'"),
        ({"cases": ["nmnist"]}, "unknown case 'nmnist'; did you mean 'nmnist-mlp'"),
        ({"who": ["torch-lop"]}, "unknown implementation 'torch-lop'; did you mean 'torch-loop'"),
        ({"who": ["triton"]}, "triton runs on a GPU: give --device cuda"),
        ({"bench": "draw", "who": ["snntorch"]}, "snntorch takes no part in the bench draw"),
        ({"bench": "scaling", "who": ["snntorch"]}, "no part in the bench scaling; there are: cpu"),
        ({"bench": "scaling", "cases": ["wide"]}, "network of its own: leave --case out"),
        ({"bench": "stdb", "cases": ["wide"]}, "unknown case 'wide'.*digits-stdb"),
        ({"device": "gpu"}, "unknown device 'gpu'.*cuda"),
        ({"device": "cuda"}, "torch finds no CUDA device"),
    ],
)
def test_what_cannot_be_timed_is_refused(
    asked: dict, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(BenchError, match=message):
        choose(**asked)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("1", "leaves the engine 1 of 2 threads: unset it, or give --threads 1"),
        ("two", "NUMBA_NUM_THREADS must be a positive integer, got 'two'"),
    ],
)
def test_torch_and_the_engine_have_equally_many_threads(named: str, message: str, monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", named)
    with pytest.raises(BenchError, match=message):
        choose(threads=2)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    assert choose(threads=2).threads == 2
