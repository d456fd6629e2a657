"""learn/mcmc/chains: against enumeration, and runs that go on where they stopped."""

import dataclasses

import pytest
import torch

from bayesnn_spike.io import load_tree, save_tree
from bayesnn_spike.learn import Temperature
from bayesnn_spike.learn.mcmc import (
    Gibbs,
    GibbsWithGradients,
    SingleFlip,
    Tempered,
    batch_means_error,
    run_chains,
)
from bayesnn_spike.models import mlp
from bayesnn_spike.neurons import LIF, FastSigmoid, Triangle
from bayesnn_spike.posterior.flat import flatten, unflatten
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from tests.learn import small_targets

TARGETS = {
    "warm regression": small_targets.regression(1.0),
    "cold regression": small_targets.regression(0.25),
    "spiking": small_targets.spiking(),
}
KERNELS = {
    "single flip": (SingleFlip(), 100, 200),
    "gibbs": (Gibbs(), 10, 30),
    "gradients": (GibbsWithGradients(), 100, 200),
    "tempered": (Tempered(SingleFlip(), (1.0, 0.3), every=2), 50, 100),
    "tempered gradients": (Tempered(GibbsWithGradients(), (1.0, 0.3), every=2), 50, 100),
}
STREAM = Stream(6)


def run(name: str = "spiking", kernel=SingleFlip(), **options):
    settings = {"chains": 8, "draws": 6, "burn_in": 2, "stream": STREAM} | options
    return run_chains(kernel, TARGETS[name], **settings)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_marginals_are_those_of_enumeration(name: str, kernel: str) -> None:
    """Means of weights and of the log density, within 4 Monte-Carlo standard errors."""
    moves, burn_in, draws = KERNELS[kernel]
    masses, _ = small_targets.oracle(TARGETS[name])
    chains = run(name, moves, chains=128, draws=draws, burn_in=burn_in)
    expected = small_targets.means(masses)
    # Chains that met a rare sign never would report no error at all.
    independent = ((1 - expected**2) / chains.log_prob.numel()).sqrt()
    error = torch.maximum(chains.standard_error(), independent)
    assert bool(((chains.mean() - expected).abs() < 4 * error).all())
    assert float(error.max()) < 0.06  # the test has something to say
    exact = -float(torch.special.entr(masses).sum())
    normaliser = float((masses.log() - _log_joint(name)).mean())
    found = chains.log_prob + normaliser  # log of the posterior's own mass
    assert abs(float(found.mean()) - exact) < 4 * float(batch_means_error(found))


def _log_joint(name: str) -> torch.Tensor:
    """log p0 - L / rho of every vector by number."""
    target = TARGETS[name]
    table = small_targets.rows(target.size)
    return target.log_prob(unflatten(table, target.shapes))


def test_the_comparison_tells_temperatures_apart() -> None:
    """Chains at rho 1 against the masses at rho 0.7: far outside."""
    masses, _ = small_targets.oracle(small_targets.regression(0.7))
    chains = run("warm regression", Gibbs(), chains=128, draws=20, burn_in=10)
    apart = (chains.mean() - small_targets.means(masses)).abs() / chains.standard_error()
    assert float(apart.max()) > 6


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_run_that_stopped_goes_on_to_the_same_bits(kernel: str, tmp_path) -> None:
    moves = KERNELS[kernel][0]
    whole = run(kernel=moves, draws=7, thin=2)
    first = run(kernel=moves, draws=3, thin=2)
    save_tree(tmp_path / "state.safetensors", first.state, {})
    state = load_tree(tmp_path / "state.safetensors", first.state)
    rest = run(kernel=moves, draws=4, thin=2, burn_in=0, start=state)
    assert torch.equal(torch.cat([first.signs, rest.signs], 1), whole.signs)
    assert torch.equal(torch.cat([first.log_prob, rest.log_prob], 1), whole.log_prob)
    pairs = zip(_leaves(rest.state), _leaves(whole.state), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def _leaves(tree) -> list[torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        return [tree]
    return [leaf for child in tree for leaf in _leaves(child)]


def test_equal_runs_are_equal_and_chains_do_not_hang_on_their_number() -> None:
    one = run()
    assert torch.equal(one.signs, run().signs)
    assert torch.equal(run(chains=3).signs, one.signs[:3])
    assert not torch.equal(one.signs, run(stream=Stream(7)).signs)
    assert not torch.equal(one.signs[0], one.signs[1])


def test_thinning_and_burn_in_leave_states_out() -> None:
    every = run(draws=12, burn_in=0)
    kept = run(draws=3, burn_in=3, thin=3)
    assert torch.equal(kept.signs, every.signs[:, 5::3])
    assert torch.equal(kept.log_prob, every.log_prob[:, 5::3])
    assert int(kept.state.step) == 12


def test_the_log_density_and_the_rates_belong_to_the_draws() -> None:
    found = run(draws=20, burn_in=5)
    target = TARGETS["spiking"]
    weights = found.posterior().weights
    doubles = {n: w.double() for n, w in weights.items()}
    torch.testing.assert_close(target.log_prob(doubles), found.log_prob.T.flatten())
    every = run(draws=25, burn_in=0).signs
    moved = (every[:, 5:] != every[:, 4:-1]).any(-1).double().mean(1)
    torch.testing.assert_close(found.acceptance.double(), moved, rtol=0, atol=1e-6)
    assert found.swaps.shape == (0,)
    ladder = run(kernel=KERNELS["tempered"][0], draws=4)
    assert ladder.swaps.shape == (1,)
    assert 0 <= float(ladder.swaps) <= 1


def test_the_posterior_spreads_its_members_over_all_chains_and_their_lengths() -> None:
    found = run(draws=6)
    rows, chains = found.rows(), 8
    assert torch.equal(rows[:chains], found.signs[:, 0].float())

    def members(count: int) -> list[tuple[int, int]]:
        """Chain and draw of every member."""
        numbered = torch.arange(48.0).view(6, chains, 1).transpose(0, 1)
        given = dataclasses.replace(found, signs=numbered, shapes={"w": (1,)})
        numbers = flatten(given.posterior(count).sample(count, STREAM)).flatten().long()
        return [(int(n) % chains, int(n) // chains) for n in numbers]

    assert members(4) == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert members(16) == [(c, d) for d in (1, 4) for c in range(chains)]
    assert members(18)[:3] + members(18)[16:] == [(0, 1), (1, 1), (2, 1), (0, 5), (1, 5)]
    assert members(48) == [(c, d) for d in range(6) for c in range(chains)]
    everyone = found.posterior()
    torch.testing.assert_close(flatten(everyone.mean())[0].double(), found.mean())
    for wrong in (0, 49):
        with pytest.raises(ValueError, match=f"there are 48 draws, {wrong} members"):
            found.posterior(members=wrong)


def test_starts_are_drawn_from_the_prior() -> None:
    target = TARGETS["spiking"]
    still = Tempered(SingleFlip(), (1.0,))
    object.__setattr__(still, "every", 0)  # no move at all: the start is kept
    first = run(kernel=still, chains=4000, draws=1, burn_in=0).mean()
    expected = flatten(target.prior.mean())[0]
    sigma = ((1 - expected**2) / 4000).sqrt()
    assert bool(((first - expected).abs() < 5 * sigma).all())


def test_guards() -> None:
    for option in ("chains", "draws", "thin"):
        with pytest.raises(ValueError, match=f"{option} must be positive, got 0"):
            run(**{option: 0})
    with pytest.raises(ValueError, match=r"burn_in \+ 1 must be positive, got 0"):
        run(burn_in=-1)
    with pytest.raises(ValueError, match=r"start must have shape \(8, 10\), got \(3, 10\)"):
        run(start=torch.ones(3, 10))
    with pytest.raises(ValueError, match="chains start at signs"):
        run(start=torch.zeros(8, 10))
    state = run().state
    with pytest.raises(ValueError, match="a run goes on with its own stream"):
        run(start=state, stream=Stream(9))
    with pytest.raises(ValueError, match=r"the state's chains must have shape \(4, 10\)"):
        run(start=state, chains=4)


@pytest.mark.parametrize("other", ["kernel", "ladder", "temperature"])
def test_a_run_goes_on_with_its_own_kernel_and_target_only(other: str) -> None:
    """What the state holds, log densities of the old target, would be mixed with the new one's."""
    ladder = Tempered(Gibbs(), (1.0, 0.5))
    kernel = ladder if other == "ladder" else SingleFlip()
    state = run(kernel=kernel).state
    kernels = {"kernel": Gibbs(), "ladder": Tempered(Gibbs(), (1.0, 0.4)), "temperature": kernel}
    target = TARGETS["spiking"]
    if other == "temperature":
        target = dataclasses.replace(target, temperature=Temperature(4, tempering=0.123))
    with pytest.raises(ValueError, match="another kernel, temperature or network"):
        run_chains(kernels[other], target, chains=8, draws=2, burn_in=0, stream=STREAM, start=state)


def changed(what: str):
    """The spiking target with something that neither shapes nor temperature show."""
    target = TARGETS["spiking"]
    spikes, labels = target.batch
    if what == "labels":
        return dataclasses.replace(target, batch=Batch(spikes, 1 - labels))
    if what == "prior":
        return dataclasses.replace(target, prior=None)
    if what == "loss":
        return dataclasses.replace(target, loss=lambda r, y: 1.001 * target.loss(r, y))
    gain, surrogate = (1.0, FastSigmoid()) if what == "gain" else (2.0, Triangle())
    options = {"gain_in": gain, "gain_out": 2.0, "neuron": lambda: LIF(surrogate=surrogate)}
    network = mlp(3, (2,), 2, **options)
    return dataclasses.replace(target, network=network.double())


@pytest.mark.parametrize("kernel", ["single flip", "tempered", "gradients"])
@pytest.mark.parametrize("what", ["labels", "prior", "loss", "gain"])
def test_a_run_does_not_go_on_with_another_density(what: str, kernel: str) -> None:
    moves = KERNELS[kernel][0]
    state = run(kernel=moves).state
    with pytest.raises(ValueError, match=r"log (prior|likelihood) of chain \d+ of \d+ is"):
        run_chains(moves, changed(what), chains=8, draws=1, burn_in=0, stream=STREAM, start=state)


def test_a_run_does_not_go_on_with_other_slopes() -> None:
    """A surrogate changes no density, but proposals that the stored slopes would be wrong for."""
    settings = {"chains": 8, "draws": 1, "burn_in": 0, "stream": STREAM}
    other = changed("surrogate")
    for kernel in ("single flip", "gradients"):
        moves = KERNELS[kernel][0]
        settings["start"] = run(kernel=moves).state
        if kernel == "single flip":
            run_chains(moves, other, **settings)
        else:
            with pytest.raises(ValueError, match="the state's slopes of chain"):
                run_chains(moves, other, **settings)


def test_every_rung_of_a_ladder_is_looked_at() -> None:
    moves = KERNELS["tempered"][0]
    state = run(kernel=moves).state
    likelihood = state.kernel.replicas.log_likelihood.clone()
    likelihood[5] += 0.01  # chain 2 at the second rung of two
    replicas = state.kernel.replicas._replace(log_likelihood=likelihood)
    state = state._replace(kernel=state.kernel._replace(replicas=replicas))
    with pytest.raises(ValueError, match="the state's log likelihood of chain 5 of 16 is"):
        run(kernel=moves, start=state)


@pytest.mark.parametrize("kernel", KERNELS)
def test_rounding_is_no_other_density(kernel: str) -> None:
    """In float32, and in other chunks."""
    target = TARGETS["spiking"]
    batch = Batch(target.batch.spikes.float(), target.batch.labels)
    network = mlp(3, (2,), 2, gain_in=2.0, gain_out=2.0)
    single = dataclasses.replace(target, network=network, batch=batch)
    settings = {"chains": 50, "draws": 2, "burn_in": 0, "stream": STREAM}
    moves = KERNELS[kernel][0]
    state = run_chains(moves, single, **settings).state
    chunked = dataclasses.replace(single, draws_at_once=7)
    run_chains(moves, chunked, **settings, start=state)
