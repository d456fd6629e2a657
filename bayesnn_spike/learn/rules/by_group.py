"""Different rules for different parameters: binary synapses by Bayes, the rest by gradient."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, final

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.rule import Rule
from bayesnn_spike.posterior import Joint
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class ByGroup:
    """Route each parameter to the first pattern that its name matches.

    Args:
        rules: pairs (shell pattern, rule), in order, e.g. `(("readout.*", Gradient()),
            ("*", BayesBiSNN(...)))`.

    Raises:
        ValueError: (at init) a parameter matches no pattern, or a pattern no parameter.

    A rule with one draw beside a rule with K draws sees the mean of its K gradients.
    Oracle: tests/learn/rules/test_by_group.py.
    """

    rules: tuple[tuple[str, Rule], ...]

    def init(self, params: Weights, stream: Stream) -> dict[str, Any]:
        groups: dict[str, Weights] = {pattern: {} for pattern, _ in self.rules}
        for name, values in params.items():
            pattern = next((p for p, _ in self.rules if fnmatchcase(name, p)), None)
            if pattern is None:
                patterns = [p for p, _ in self.rules]
                raise ValueError(f"no pattern of {patterns} matches the parameter {name!r}")
            groups[pattern][name] = values
        idle = [pattern for pattern, group in groups.items() if not group]
        if idle:
            raise ValueError(f"patterns {idle} match no parameter of {sorted(params)}")
        return {p: rule.init(groups[p], stream.child(p)) for p, rule in self.rules}

    def draw(self, state: dict[str, Any], stream: Stream) -> Draw:
        draws = {p: rule.draw(state[p], stream.child(p)) for p, rule in self.rules}
        weights = {n: w for draw in draws.values() for n, w in draw.weights.items()}
        leaves = {n: w for draw in draws.values() for n, w in draw.leaves.items()}
        return Draw(weights, leaves, draws)

    def step(self, state: dict[str, Any], draw: Draw, credit: Credit) -> dict[str, Any]:
        after = {}
        for pattern, rule in self.rules:
            own = draw.noise[pattern]
            grads = {}
            for name in own.leaves:
                g = credit.grads[name]
                # A shared leaf collected the gradients of all K losses.
                shared = len(g) == 1 and len(credit.losses) > 1
                grads[name] = g / len(credit.losses) if shared else g
            after[pattern] = rule.step(state[pattern], own, Credit(credit.losses, grads))
        return after

    def posterior(self, state: dict[str, Any]) -> Joint:
        return Joint({p: rule.posterior(state[p]) for p, rule in self.rules})
