"""Choose the implementation of an operation, and explain the choice.

An operation lists its implementations, fastest first, the reference last. Each says in sentences
why it refuses given inputs. The automatic choice takes the first that refuses nothing; `only(name)`
runs that one or raises. Oracle: tests/ops/test_dispatch.py.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Any, final

_only: ContextVar[str | None] = ContextVar("only", default=None)


class RefusedError(RuntimeError):
    """No permitted implementation accepts these inputs; the message lists every reason."""


@final
@dataclass(frozen=True)
class Implementation:
    """One way to run an operation.

    Attributes:
        name: "reference", "cpu" or "triton".
        load: imports and returns the callable; called on first use, so that an optional package
            is imported only where it runs.
        refuses: takes the operation's arguments and returns the reasons why this implementation
            cannot run them; an empty list means that it can.
        says: takes the operation's arguments and returns how it would run them, for `explain`.
    """

    name: str
    load: Callable[[], Callable[..., Any]]
    refuses: Callable[..., list[str]]
    says: Callable[..., str] | None = None


def from_module(module: str, name: str) -> Callable[[], Callable[..., Any]]:
    """Return a `load` that takes `name` from a module, which is imported on the first call."""
    return lambda: getattr(import_module(module), name)


def never(*_: Any, **__: Any) -> list[str]:
    """Refuse nothing, as a reference does."""
    return []


@final
@dataclass(frozen=True)
class Op:
    """An operation: a name and its implementations, in order of preference."""

    name: str
    implementations: tuple[Implementation, ...]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the first implementation that refuses nothing.

        Raises:
            RefusedError: every permitted implementation refuses, with all reasons.
        """
        wanted = _only.get()
        reasons = []
        for implementation in self.implementations:
            if wanted is not None and implementation.name != wanted:
                continue
            refusals = implementation.refuses(*args, **kwargs)
            if not refusals:
                return implementation.load()(*args, **kwargs)
            reasons.append(f"{implementation.name}: {'; '.join(refusals)}")
        if not reasons:
            names = ", ".join(i.name for i in self.implementations)
            reasons.append(f"no implementation is called {wanted!r}; there are: {names}")
        raise RefusedError(f"{self.name} cannot run: " + " | ".join(reasons))


@contextmanager
def only(name: str) -> Iterator[None]:
    """Permit one implementation, by name, inside the `with` block: it runs or raises."""
    token = _only.set(name)
    try:
        yield
    finally:
        _only.reset(token)


def wanted() -> str | None:
    """Return the name that `only` asks for here, or None: an implementation may refuse unasked."""
    return _only.get()


def explain(op: Op | Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Say, a line each, which implementation would run on these arguments, and why not others.

    Args:
        op: an operation, or its public function (`ops.synapse.signed_linear`, `ops.fire.fire`).
        args: what it would be called with.
        kwargs: likewise.

    Raises:
        TypeError: the function is no operation's.
    """
    op = op if isinstance(op, Op) else getattr(op, "op", None)
    if not isinstance(op, Op):
        raise TypeError("explain takes an operation of bayesnn_spike.ops or its public function")
    lines, chosen = [], False
    for implementation in op.implementations:
        refusals = implementation.refuses(*args, **kwargs)
        if refusals:
            lines.append(f"{op.name}/{implementation.name}: refuses, {'; '.join(refusals)}")
        else:
            how = implementation.says(*args, **kwargs) if implementation.says else ""
            state = "available" if chosen else "runs"
            lines.append(f"{op.name}/{implementation.name}: {state}{', ' if how else ''}{how}")
            chosen = True
    return "\n".join(lines)
