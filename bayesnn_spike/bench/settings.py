"""What a run of the benchmarks was asked for.

Oracle: tests/bench/test_settings.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from bayesnn_spike.bench import draw, fire, forward, scaling, stdb, synapse, train
from bayesnn_spike.bench.cases import FULL, QUICK
from bayesnn_spike.bench.errors import BenchError
from bayesnn_spike.bench.who import ENGINE, EVERYONE, absence
from bayesnn_spike.export.values import unknown
from bayesnn_spike.ops._threads import threads_of

BENCHES: Mapping[str, Any] = {
    "draw": draw,
    "synapse": synapse,
    "fire": fire,
    "forward": forward,
    "train": train,
    "stdb": stdb,
}
ALL, SCALING = "all", "scaling"
DEVICES = ("cpu", "cuda")


@final
@dataclass(frozen=True)
class Settings:
    """What is timed, and how long.

    Attributes:
        benches: of `BENCHES`, in their order.
        cases: by name.
        who: who is timed, in the order of the tables.
        scaling: whether the sweeps over K, T, B and width are run.
        quick: small cases, short runs.
        threads: of torch and of the engine.
        device: "cpu" or "cuda".
        budget: seconds of runs for every row.
        longest: seconds; who needs more for a single run is left out.
    """

    benches: tuple[str, ...]
    cases: tuple[str, ...]
    who: tuple[str, ...]
    scaling: bool
    quick: bool
    threads: int
    device: str
    budget: float
    longest: float

    def chosen(self, bench: str) -> list[Any]:
        """Return the cases of a bench."""
        known = cases_of(self.quick, bench)
        return [known[name] for name in self.cases if name in known]

    def as_dict(self) -> dict[str, Any]:
        """Return what a reader of the result has to know."""
        return {
            "quick": self.quick,
            "threads": self.threads,
            "device": self.device,
            "budget_s": self.budget,
            "longest_s": self.longest,
        }


def cases_of(quick: bool, bench: str) -> Mapping[str, Any]:
    """Return the cases of a size and a bench, by name: `stdb` has a network of its own."""
    if bench == "stdb":
        return stdb.QUICK if quick else stdb.FULL
    return QUICK if quick else FULL


def choose(
    bench: str = ALL,
    *,
    cases: Sequence[str] = (),
    who: Sequence[str] = (),
    sweeps: bool = False,
    quick: bool = False,
    threads: int = 1,
    device: str = "cpu",
    budget: float | None = None,
    longest: float = 30.0,
) -> Settings:
    """Check what was asked for and fill in the rest.

    Args:
        bench: one of `BENCHES`, "scaling" or "all" (the six).
        cases: names; empty means all.
        who: names; empty means everyone who is here.
        sweeps: run the sweeps as well.
        quick: small cases, short runs.
        threads: at least 1.
        device: "cpu" or "cuda".
        budget: seconds for every row; by default 3, or 0.02 if quick.
        longest: seconds of the longest single run that is worth waiting for.

    Raises:
        BenchError: a name is unknown (the nearest right one is named), someone named cannot run
            here, takes no part in the bench, or the case is not part of it, or the engine would
            have fewer threads than torch.
    """
    if bench not in (*BENCHES, SCALING, ALL):
        raise BenchError(unknown(bench, (*BENCHES, SCALING, ALL), what="bench"))
    asked = tuple(BENCHES) if bench == ALL else (bench,)
    known = {name: case for one in asked for name, case in cases_of(quick, one).items()}
    for name in cases:
        if name not in known:
            raise BenchError(unknown(name, known, what="case"))
    if device not in DEVICES:
        raise BenchError(unknown(device, DEVICES, what="device"))
    for name in who:
        if name not in EVERYONE:
            raise BenchError(unknown(name, EVERYONE, what="implementation"))
        reason = absence(name, device)
        if reason:
            raise BenchError(f"{name} {reason}")
    if device == "cuda":
        _require_cuda()
    _require_threads(threads)
    if bench == SCALING and cases:
        raise BenchError("the bench scaling has a network of its own: leave --case out")
    benches = tuple(BENCHES) if bench == ALL else tuple(n for n in BENCHES if n == bench)
    sweeps = sweeps or bench == SCALING
    takes_part = {w for name in benches for w in BENCHES[name].WHO}
    takes_part |= set(scaling.WHO) if sweeps else set()
    for name in who:
        if name not in takes_part:
            raise BenchError(
                f"{name} takes no part in the bench {bench}; there are: "
                + ", ".join(w for w in EVERYONE if w in takes_part)
            )
    # The engine's other half is no implementation that is missing here: it is another device's.
    foreign = {w for w in ENGINE if absence(w, device)}
    return Settings(
        benches,
        tuple(name for name in known if not cases or name in cases),
        tuple(w for w in EVERYONE if (w in who if who else w not in foreign)),
        sweeps,
        quick,
        threads,
        device,
        budget if budget is not None else (0.02 if quick else 3.0),
        longest,
    )


def _require_threads(threads: int) -> None:
    """Torch and the engine are timed on equally many."""
    try:
        ours = threads_of(threads)
    except ValueError as error:
        raise BenchError(str(error)) from error
    if ours != threads:
        raise BenchError(
            f"NUMBA_NUM_THREADS leaves the engine {ours} of {threads} threads: unset it, or give "
            f"--threads {ours}"
        )


def _require_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise BenchError("torch finds no CUDA device here: leave --device out")
