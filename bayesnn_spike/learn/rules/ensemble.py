"""Deep ensembles: n independent copies of a point rule, trained side by side along K."""

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.rule import Rule
from bayesnn_spike.posterior import Empirical, Point
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class Ensemble:
    """n members that differ in their start and see the same batches.

    Args:
        rule: a point rule: `gradient`, `straight_through`, `st_bisnn`, `bop`.
        n: members.

    Raises:
        ValueError: n below 1, or (at init) a rule whose posterior is not a point.

    Oracle: tests/learn/rules/test_ensemble.py (equal to n single runs, bit for bit on the CPU up
    to the order of sums).
    """

    rule: Rule
    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"an ensemble needs at least 1 member, got {self.n}")

    def init(self, params: Weights, stream: Stream) -> Any:
        members = [self.rule.init(params, stream.child("member", m)) for m in range(self.n)]
        if not isinstance(self.rule.posterior(members[0]), Point):
            raise ValueError(
                f"Ensemble takes rules that end in one network, {type(self.rule).__name__} does "
                "not: train it once and sample its posterior"
            )
        return _stack(members)

    def draw(self, state: Any, stream: Stream) -> Draw:
        return self.rule.draw(state, stream)

    def step(self, state: Any, draw: Draw, credit: Credit) -> Any:
        return self.rule.step(state, draw, credit)

    def posterior(self, state: Any) -> Empirical:
        members = [self.rule.posterior(_member(state, m)).weights for m in range(self.n)]
        return Empirical({name: torch.stack([w[name] for w in members]) for name in members[0]})


def _stack(trees: list[Any]) -> Any:
    """Concatenate leaves `[1, *shape]` to `[n, *shape]`; scalars (step counts) are shared."""
    first = trees[0]
    if isinstance(first, Tensor):
        return first.clone() if first.ndim == 0 else torch.cat(trees)
    if isinstance(first, dict):
        return {name: _stack([tree[name] for tree in trees]) for name in first}
    return type(first)(*(_stack(list(values)) for values in zip(*trees, strict=True)))


def _member(tree: Any, m: int) -> Any:
    """The state of member m alone, leaves `[1, *shape]`."""
    if isinstance(tree, Tensor):
        return tree if tree.ndim == 0 else tree[m : m + 1]
    if isinstance(tree, dict):
        return {name: _member(value, m) for name, value in tree.items()}
    return type(tree)(*(_member(value, m) for value in tree))
