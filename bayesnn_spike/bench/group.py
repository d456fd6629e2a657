"""One job and those who do it, timed in turn.

Oracle: tests/bench/test_run.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final


@final
@dataclass(frozen=True, eq=False)
class Entry:
    """Someone ready to do a job.

    Attributes:
        run: what is timed.
        check: returns why its result is wrong, or None; its time tells how long a run takes.
        share: the part of a run that the check does.
    """

    run: Callable[[], object]
    check: Callable[[], str | None]
    share: float = 1.0


@final
@dataclass(frozen=True, eq=False)
class Group:
    """A job.

    Attributes:
        bench: draw, synapse, fire, forward, train, stdb or scaling.
        case: the name of the case.
        k: weight draws.
        who: who does it, in the order of the table.
        build: makes someone ready.
        item: what the job is counted in.
        items: how many of them a run works through.
        macs: multiply-adds of the dense arithmetic, or None where the job has none.
        moved: bytes that a run must at least read and write, or None where that is no limit.
        extra: more columns of the job's rows.
    """

    bench: str
    case: str
    k: int
    who: tuple[str, ...]
    build: Callable[[str], Entry]
    item: str
    items: int
    macs: int | None = None
    moved: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def place(self, who: str) -> dict[str, Any]:
        """Return the columns that say which row it is."""
        return {"bench": self.bench, "case": self.case, "k": self.k, "who": who, **self.extra}
