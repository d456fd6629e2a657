"""predict/predict: who is asked, in which chunks, and what is left untouched."""

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.models import local_mlp, mlp
from bayesnn_spike.posterior import Bernoulli, Point
from bayesnn_spike.predict import (
    Committee,
    Ensemble,
    MeanOfSteps,
    MeanParameter,
    Mode,
    SoftmaxOfMean,
    Vote,
    predict,
)
from bayesnn_spike.rng import Stream
from tests.ops import cases
from tests.predict.nets import Table, inputs, members

NETWORK = mlp(6, (5,), 3)
SPIKES = cases.spikes(4, 11, 6, rate=0.4)
SPREAD = Bernoulli({n: cases.normal(*p.shape).float() for n, p in NETWORK.named_parameters()})


def ask(how, posterior=SPREAD, network=NETWORK, spikes=SPIKES, **options):
    return predict(network, posterior, spikes, stream=Stream(3), how=how, **options)


def alone(weights: dict[str, Tensor], spikes: Tensor = SPIKES) -> Tensor:
    """Probabilities of one network run by hand, `[N, C]`."""
    readout, _ = torch.func.functional_call(NETWORK, weights, (spikes,))
    return readout.detach().mean(0).softmax(-1)


def test_a_committee_is_k_draws_of_the_stream_for_all_examples() -> None:
    found = ask(Committee(6), batch_size=4)
    draws = SPREAD.sample(6, Stream(3))
    assert found.members.shape == (6, 11, 3)
    for k in range(6):
        expected = alone({n: w[k] for n, w in draws.items()})
        torch.testing.assert_close(found.members[k], expected)
    torch.testing.assert_close(found.probabilities, found.members.mean(0))


def test_an_ensemble_draws_afresh_for_every_batch() -> None:
    found = ask(Ensemble(6), batch_size=4)
    for index, start in enumerate(range(0, 11, 4)):
        draws = SPREAD.sample(6, Stream(3).child("batch", index))
        rows = slice(start, start + 4)
        for k in range(6):
            expected = alone({n: w[k] for n, w in draws.items()}, SPIKES[:, rows])
            torch.testing.assert_close(found.members[k, rows], expected)


def test_a_committee_of_one_is_one_member_of_an_ensemble_under_the_same_seed() -> None:
    one, many = ask(Committee(1)), ask(Committee(5))
    torch.testing.assert_close(one.members[0], many.members[0])
    fresh = Stream(3).child("batch", 0)
    committee = predict(NETWORK, SPREAD, SPIKES, stream=fresh, how=Committee(1))
    assert torch.equal(ask(Ensemble(1)).members, committee.members)


def test_mode_and_mean_parameter() -> None:
    mode, mean = ask(Mode()), ask(MeanParameter())
    torch.testing.assert_close(mode.members[0], alone({n: w[0] for n, w in SPREAD.mode().items()}))
    torch.testing.assert_close(mean.members[0], alone({n: w[0] for n, w in SPREAD.mean().items()}))
    assert mode.standard_error() is None
    assert torch.equal(mode.epistemic(), torch.zeros(11))


def test_votes_are_counted() -> None:
    committee, vote = ask(Committee(9)), ask(Vote(9))
    assert torch.equal(vote.members, committee.members)
    winners = committee.members.argmax(-1)
    for c in range(3):
        share = (winners == c).float().mean(0)
        torch.testing.assert_close(vote.probabilities[:, c], share)
    assert vote.pooling == "share of votes"
    assert committee.pooling == "mean_k softmax(mean_t r)"


@pytest.mark.parametrize("how", [Committee(13), Ensemble(13), Vote(13)])
@pytest.mark.parametrize("max_bytes", [1, 3000, 20_000, 10**9])
def test_chunks_by_bytes_change_nothing(how, max_bytes: int) -> None:
    expected, found = ask(how), ask(how, max_bytes=max_bytes)
    torch.testing.assert_close(found.members, expected.members, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(found.probabilities, expected.probabilities, rtol=1e-6, atol=1e-7)


def test_a_byte_budget_bounds_the_draws_at_a_time() -> None:
    network, posterior = Table(), members(20)
    ask(Committee(20), posterior, network, inputs())
    assert network.batches == [(1, 5), (19, 5)]
    network.batches.clear()
    ask(Committee(20), posterior, network, inputs(), max_bytes=1)
    assert network.batches == [(1, 5)] * 20
    network.batches.clear()
    # One draw costs 3 maps of 4 * 5 * 3 floats and 3 weights: 732 bytes. The network is known now.
    ask(Committee(20), posterior, network, inputs(), max_bytes=4 * 732)
    assert network.batches == [(4, 5)] * 5


@pytest.mark.parametrize("batch_size", [1, 4, 11, 100])
def test_a_committee_does_not_depend_on_the_batch_size(batch_size: int) -> None:
    found = ask(Committee(5), batch_size=batch_size)
    torch.testing.assert_close(found.members, ask(Committee(5)).members, rtol=1e-6, atol=1e-7)


def test_readouts_by_hand_with_burn_in_and_pooling() -> None:
    posterior, x = members(2), inputs()
    w = posterior.weights["w"]
    r = torch.einsum("kc,tb->ktbc", w, x[..., 0])[:, 1:]
    found = ask(Committee(2), posterior, Table(), x, burn_in=1)
    torch.testing.assert_close(found.probabilities, r.mean(1).softmax(-1).mean(0))
    found = ask(Committee(2), posterior, Table(), x, burn_in=1, pooling=MeanOfSteps())
    torch.testing.assert_close(found.probabilities, r.softmax(-1).mean((0, 1)))
    found = ask(Committee(2), posterior, Table(), x, burn_in=1, pooling=SoftmaxOfMean())
    torch.testing.assert_close(found.probabilities, r.mean((0, 1)).softmax(-1))


def test_the_last_of_several_readouts_decides() -> None:
    network = local_mlp(6, (5, 4), 3, stream=Stream(0))
    weights = {n: cases.signs(*p.shape) for n, p in network.named_parameters()}
    found = ask(Mode(), Point(weights), network)
    (_, last), _ = torch.func.functional_call(network, weights, (SPIKES,))
    torch.testing.assert_close(found.probabilities, last.detach().mean(0).softmax(-1))


def test_one_readout_unit_gives_two_classes() -> None:
    posterior, x = members(3, classes=1), inputs()
    found = ask(Committee(3), posterior, Table(1), x)
    logit = torch.einsum("k,tb->ktb", posterior.weights["w"][:, 0], x[..., 0]).mean(1)
    assert found.probabilities.shape == (5, 2)
    torch.testing.assert_close(found.members[..., 1], logit.sigmoid())


def test_spikes_of_any_dtype_become_float32() -> None:
    found = ask(Committee(3), spikes=SPIKES.to(torch.uint8))
    assert torch.equal(found.members, ask(Committee(3)).members)


class Dropped(nn.Module):
    """A network with dropout and batch statistics, which must both be off."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = mlp(6, (5,), 3)
        self.dropout, self.norm = nn.Dropout(0.5), nn.BatchNorm1d(3)
        self.frozen = nn.Dropout(0.5).eval()

    def forward(self, x: Tensor, state=None) -> tuple[Tensor, tuple]:
        readout, state = self.inner(x, state)
        flat = self.frozen(self.dropout(readout)).flatten(0, -2)
        return self.norm(flat).view_as(readout), state


def test_dropout_is_off_and_every_module_gets_its_mode_back() -> None:
    network = Dropped().train()
    network.frozen.eval()
    before = {n: b.clone() for n, b in network.named_buffers()}
    modes = {n: m.training for n, m in network.named_modules()}
    posterior = Bernoulli({f"inner.{n}": v for n, v in SPREAD.logits.items()})
    one, two = (ask(Committee(3), posterior, network) for _ in range(2))
    assert torch.equal(one.members, two.members)
    assert {n: m.training for n, m in network.named_modules()} == modes
    assert set(modes.values()) == {True, False}
    for n, b in network.named_buffers():
        assert torch.equal(b, before[n])


def test_the_mode_comes_back_after_an_error_too() -> None:
    network = Dropped().train()
    with pytest.raises(ValueError, match="signs must have 2 axes"):
        ask(Committee(3), Point({"inner.input.weight": torch.ones(2, 2, 2, 2)}), network)
    assert network.dropout.training
    assert not any(m._forward_hooks for m in network.modules())


def test_no_graph_is_kept_and_no_parameter_is_touched() -> None:
    before = {n: p.clone() for n, p in NETWORK.named_parameters()}
    found = ask(Committee(3))
    assert not found.probabilities.requires_grad
    assert all(torch.equal(p, before[n]) for n, p in NETWORK.named_parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"burn_in": 4}, "burn_in 4 leaves nothing of 4 time steps"),
        ({"burn_in": -1}, "burn_in -1 leaves nothing"),
        ({"batch_size": 0}, "batch_size must be positive"),
        ({"max_bytes": 0}, "max_bytes must be positive"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ask(Committee(3), **options)
