"""predict with MCDropout: thinned copies of one network, the same in any chunks."""

import pytest
import torch

from bayesnn_spike.models import mlp
from bayesnn_spike.nn import dropout_noise
from bayesnn_spike.posterior import Point
from bayesnn_spike.predict import MCDropout, Mode, predict
from bayesnn_spike.rng import Stream
from tests.ops import cases

NETWORK = mlp(6, (16,), 3, dropout=0.5)
SPIKES = cases.spikes(4, 11, 6, rate=0.4)
REAL = Point({n: cases.normal(*p.shape).float() for n, p in NETWORK.named_parameters()})
SIGNS = Point({n: w.sign() for n, w in REAL.weights.items()})


def ask(how, posterior=REAL, network=NETWORK, **options):
    return predict(network, posterior, SPIKES, stream=Stream(3), how=how, **options)


@pytest.mark.parametrize("posterior", [REAL, SIGNS], ids=["real", "signs"])
def test_members_are_the_network_under_its_masks(posterior: Point) -> None:
    found = ask(MCDropout(6), posterior)
    assert found.members.shape == (6, 11, 3)
    for k in range(6):
        noise = dropout_noise(NETWORK, Stream(3), 1, first=k)
        readout, _ = torch.func.functional_call(NETWORK, posterior.weights | noise, (SPIKES,))
        expected = readout.detach().mean(0).softmax(-1)
        torch.testing.assert_close(found.members[k], expected)
    assert float(found.epistemic().min()) > 0


@pytest.mark.parametrize("posterior", [REAL, SIGNS], ids=["real", "signs"])
def test_neither_batches_nor_chunks_of_draws_change_an_answer(posterior: Point) -> None:
    whole = ask(MCDropout(6), posterior)
    for options in ({"batch_size": 4}, {"max_bytes": 1}, {"batch_size": 1}):
        part = ask(MCDropout(6), posterior, **options)
        torch.testing.assert_close(part.members, whole.members)
    torch.testing.assert_close(ask(MCDropout(9), posterior).members[:6], whole.members)


def test_the_mode_drops_nothing() -> None:
    readout, _ = torch.func.functional_call(NETWORK, REAL.weights, (SPIKES,))
    found = ask(Mode()).probabilities
    torch.testing.assert_close(found, readout.detach().mean(0).softmax(-1))


def test_a_network_without_dropout_is_refused() -> None:
    with pytest.raises(ValueError, match=r"MCDropout needs a network with nn\.Dropout layers"):
        ask(MCDropout(3), network=mlp(6, (16,), 3))
    with pytest.raises(ValueError, match=r"MCDropout\.draws must be positive"):
        MCDropout(0)
