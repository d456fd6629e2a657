"""Run chains and keep what they visit."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_positive, require_shape
from bayesnn_spike.learn.mcmc.error import batch_means_error
from bayesnn_spike.learn.mcmc.kernel import ChainState, Counts, Density, Kernel
from bayesnn_spike.learn.target import Target, require_on_cpu
from bayesnn_spike.ops.draw.uniform import uniforms
from bayesnn_spike.posterior.empirical import Empirical
from bayesnn_spike.posterior.flat import unflatten
from bayesnn_spike.rng import Stream


class RunState(NamedTuple):
    """Where a run stopped: a tree of tensors, so `io.save_tree` keeps it.

    Attributes:
        kernel: the kernel's state.
        step: steps made, burn-in included, int64 `[]`.
        key: the two words of the stream that the run draws from, and a digest of the kernel and
            of the target's temperature and weights, int64 `[3]`.
    """

    kernel: Any
    step: Tensor
    key: Tensor


@final
@dataclass(frozen=True, eq=False)
class Chains:
    """What C chains visited.

    Attributes:
        signs: int8 `[C, draws, d]`, in the order of `flatten`.
        log_prob: log p0 - L / rho of each, `[C, draws]` float64.
        acceptance: share of moves made by each chain among the kept steps, `[C]`.
        swaps: share of exchanges made between neighbouring temperatures, `[R - 1]`; empty without
            a ladder, NaN where none was tried.
        shapes: names and shapes of one network's weights.
        state: where the run stopped; `run_chains(start=...)` goes on from it.
    """

    signs: Tensor
    log_prob: Tensor
    acceptance: Tensor
    swaps: Tensor
    shapes: Mapping[str, tuple[int, ...]]
    state: RunState

    def rows(self) -> Tensor:
        """Return all draws as float32 `[draws * C, d]`: the first of every chain, the second..."""
        return self.signs.transpose(0, 1).flatten(0, 1).float()

    def mean(self) -> Tensor:
        """Return the mean of each weight, `[d]` float64."""
        return self.signs.double().mean((0, 1))

    def standard_error(self) -> Tensor:
        """Return the Monte-Carlo standard error of `mean`, `[d]`: `batch_means_error`."""
        return batch_means_error(self.signs)

    def posterior(self, members: int | None = None) -> Empirical:
        """Return the draws as a posterior of equal masses.

        `Empirical` hands its members out in order, and neighbours in a chain are alike: for a
        committee of n, ask for n members. They come from the chains in turn, and from each evenly
        over its whole length.

        Raises:
            ValueError: not between 1 and draws * C members.
        """
        rows = self.rows()
        count = len(rows) if members is None else members
        if not 1 <= count <= len(rows):
            raise ValueError(f"there are {len(rows)} draws, {members} members were asked for")
        chains, draws = self.signs.shape[:2]
        turn, chain = torch.arange(count) // chains, torch.arange(count) % chains
        own = (count - 1 - chain) // chains + 1  # members of that chain
        chosen = (2 * turn + 1) * draws // (2 * own) * chains + chain
        return Empirical(unflatten(rows[chosen], self.shapes))


def run_chains(
    kernel: Kernel,
    target: Target,
    *,
    chains: int,
    draws: int,
    burn_in: int,
    stream: Stream,
    thin: int = 1,
    start: Tensor | RunState | None = None,
) -> Chains:
    """Move C chains side by side and keep every `thin`-th state after `burn_in` steps.

    Args:
        kernel: how to move: `SingleFlip()`, `Gibbs()`, `GibbsWithGradients()`, `Tempered(...)`.
        target: what to draw from; every step runs the networks of all chains in one call.
        chains: C.
        draws: states kept of each chain.
        burn_in: steps that are thrown away first.
        stream: step t draws from `stream.child("step", t)`, chain c from its draw c: neither the
            number of chains nor that of steps changes what a chain does.
        thin: steps from one kept state to the next.
        start: signs `[C, d]`; the state of an earlier run with the same stream, which goes on to
            the bits of one long run; or None: draws from the prior.

    Raises:
        ValueError: a count that is too small, a start of another shape, not of signs or without
            density, or a state of another stream, kernel or target: what it holds of its networks
            (densities, slopes) is computed once more and must be the same but for rounding. A
            target that is not on the CPU.

    Oracle: tests/learn/mcmc/test_chains.py (enumeration; resumed runs).
    """
    for name, count in {
        "chains": chains,
        "draws": draws,
        "thin": thin,
        "burn_in + 1": burn_in + 1,
    }.items():
        require_positive(count, name)
    require_on_cpu(target, "chains run")
    density = Density(target)
    key = _key(kernel, target, stream)
    state, step = _start(kernel, density, chains, stream, key, start)
    before = kernel.counts(state)
    kept, log_prob = [], []
    for index in range(burn_in + draws * thin):
        if index == burn_in:
            before = kernel.counts(state)
        state = kernel.step(density, state, stream.child("step", step + index))
        if index >= burn_in and (index - burn_in + 1) % thin == 0:
            current = kernel.current(state)
            kept.append(current.signs)
            log_prob.append(density.log_prob(current))
    done = Counts(*(b - a for a, b in zip(before, kernel.counts(state), strict=True)))
    end = RunState(state, torch.tensor(step + burn_in + draws * thin), key)
    return Chains(
        torch.stack(kept, 1),
        torch.stack(log_prob, 1),
        done.accepted / done.proposed,
        done.swapped / done.tried,
        target.shapes,
        end,
    )


def _start(
    kernel: Kernel,
    density: Density,
    chains: int,
    stream: Stream,
    key: Tensor,
    start: Tensor | RunState | None,
) -> tuple[Any, int]:
    """The kernel's first state and the number of its next step."""
    size = density.target.size
    if isinstance(start, RunState):
        if not torch.equal(start.key[:2], key[:2]):
            raise ValueError(
                f"the state comes from a run with the key {start.key[:2].tolist()}, this stream "
                f"has {key[:2].tolist()}: a run goes on with its own stream"
            )
        if not torch.equal(start.key, key):
            raise ValueError(
                "the state comes from a run with another kernel, temperature or network: a run "
                "goes on with its own; start from its signs instead"
            )
        require_shape(kernel.current(start.kernel).signs, "the state's chains", (chains, size))
        _require_same_density(density, kernel.rows(start.kernel))
        return start.kernel, int(start.step)
    signs = _from_prior(density.target, chains, stream.child("start")) if start is None else start
    require_shape(signs, "start", (chains, size))
    if not bool((signs.abs() == 1).all()):
        raise ValueError("chains start at signs, -1 and +1, got other numbers")
    state = kernel.init(density, signs.to(torch.int8))
    first = density.log_prob(kernel.current(state))
    if not bool(first.isfinite().all()):
        raise ValueError(f"chains cannot start where there is no density, got {first.tolist()}")
    return state, 0


def _require_same_density(density: Density, rows: ChainState) -> None:
    """Raise ValueError unless the target gives what a state holds of its rows, but for rounding.

    A key cannot know data, losses or gains. A step compares new densities with the stored ones: had
    one of those changed, every chain would keep weights of the old posterior.
    """
    kept = [rows.log_prior, rows.log_likelihood]
    if rows.slopes.shape[1]:
        found = density.differentiate(rows.signs)
        kept.append(rows.slopes)
    else:
        found = density.evaluate(rows.signs)
    share = torch.finfo(density.target.dtype).eps ** 0.75  # 6e-6 in float32, 2e-12 in float64
    names = ("log prior", "log likelihood", "slopes")
    for name, old, new in zip(names, kept, found, strict=False):
        same = (new - old).abs() <= share * old.abs().max().clamp(min=1)
        if not bool(same.all()):
            row, *site = (~same).nonzero()[0].tolist()
            raise ValueError(
                f"the state's {name} of chain {row} of {len(old)} is {old[row, *site]:.6g}, this "
                f"target gives {new[row, *site]:.6g}: data, labels, loss, prior or network are not "
                "those of the run, and a run goes on with its own; start from its signs instead"
            )


def _from_prior(target: Target, chains: int, stream: Stream) -> Tensor:
    logits = torch.zeros(target.size, dtype=torch.float64)
    if target.prior is not None:
        logits = torch.cat([v.double().flatten() for v in target.prior.logits.values()])
    plus = uniforms(target.size, stream=stream, draws=chains) < torch.sigmoid(2 * logits)
    return 2 * plus.to(torch.int8) - 1


def _key(kernel: Kernel, target: Target, stream: Stream) -> Tensor:
    text = repr((kernel, target.temperature, dict(target.shapes))).encode()
    digest = int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "little")
    return torch.tensor([*stream.key, digest])
