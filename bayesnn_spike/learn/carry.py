"""What a rule's state becomes when a task ends: its posterior a prior, or just a fresh optimizer.

    restarted(state, rule)      latents and prior are kept, the optimizer starts afresh
    as_prior(state, rule)       what was learned is the next task's prior
    require(carry, rule)        refuses, before anything is trained, a rule that `carry` would

Oracle: tests/learn/test_carry.py.
"""

from collections.abc import Callable
from typing import Any

import torch

from bayesnn_spike.learn.rule import Latents, Rule
from bayesnn_spike.learn.rules import IVON, BayesBiSNN, ByGroup, consolidate
from bayesnn_spike.learn.rules.bayes_bisnn import BayesState
from bayesnn_spike.rng import Stream

Carry = Callable[[Any, Rule], Any]
"""From the last state of a rule to the state that the next task starts from."""


def restarted(state: Any, rule: Rule) -> Any:
    """Return a rule's state with its optimizer at its start; latents and prior are kept.

    Raises:
        TypeError: a state of another kind than that of point rules with latents, `BayesBiSNN`,
            `IVON`, or a `ByGroup` of them.
    """
    if isinstance(rule, ByGroup):
        return {p: restarted(state[p], part) for p, part in rule.rules}
    if isinstance(state, BayesState):
        return state._replace(optimizer=rule.optimizer.init(state.logits))
    if isinstance(rule, IVON):
        return rule.restart(state)
    if isinstance(state, Latents):
        fresh = rule.init({n: v[0] for n, v in state.latents.items()}, Stream(0))
        return Latents(state.latents, fresh.optimizer)
    raise TypeError(
        f"the optimizer of {type(rule).__name__} cannot be restarted, so it cannot learn tasks "
        "one after the other; take a rule with latents, BayesBiSNN or IVON"
    )


def as_prior(state: Any, rule: Rule) -> Any:
    """Return the state whose prior is the posterior of this one.

    The groups of a `ByGroup` are carried one by one. One with a point rule has no posterior: its
    parameters just go on, by `restarted`. At least one group must have one.

    Raises:
        TypeError: the rule, or every group of it, has no posterior that can become a prior.
    """
    if isinstance(rule, ByGroup) and any(_streams(part) for _, part in rule.rules):
        return {
            p: (as_prior if _streams(part) else restarted)(state[p], part) for p, part in rule.rules
        }
    if isinstance(rule, BayesBiSNN):
        return consolidate(state, rule)
    if isinstance(rule, IVON):
        return rule.consolidate(state)
    raise TypeError(
        f"{type(rule).__name__} has no posterior that can become a prior; take BayesBiSNN, IVON, "
        "or a ByGroup with one of them"
    )


def require(carry: Carry, rule: Rule) -> Rule:
    """Return the rule after carrying a state of one weight a group with it.

    Raises:
        TypeError: as `carry`.
    """
    one = {"w": torch.ones(1, 1)}
    if isinstance(rule, ByGroup):
        carry({p: part.init(one, Stream(0)) for p, part in rule.rules}, rule)
    else:
        carry(rule.init(one, Stream(0)), rule)
    return rule


def _streams(rule: Rule) -> bool:
    if isinstance(rule, ByGroup):
        return any(_streams(part) for _, part in rule.rules)
    return isinstance(rule, BayesBiSNN | IVON)
