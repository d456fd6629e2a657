"""nn/dropout: masks are values, one for each draw and example, held over all time steps."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.learn import RateCrossEntropy, Temperature, learner
from bayesnn_spike.learn.estimators import Arm, DisArm, HardStraightThrough, Score
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.rules import BayesBiSNN, Ensemble, Gradient
from bayesnn_spike.models import mlp
from bayesnn_spike.nn import Dropout, Sequential, dropout_noise, has_dropout
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from bayesnn_spike.weights import pack_spikes

LAYER = Sequential(first=Dropout(0.25))


def masked(
    x: Tensor, draws: int, *, layer: nn.Module = LAYER, first: int = 0, example: int = 0
) -> Tensor:
    noise = dropout_noise(layer, Stream(3), draws, first=first, first_example=example)
    return functional_call(layer, noise, (x,))[0]


def test_a_mask_is_held_over_time_and_differs_by_draw_and_example() -> None:
    found = masked(torch.ones(7, 5, 40), 6)
    assert found.shape == (6, 7, 5, 40)
    assert torch.equal(found, found[:, :1].expand_as(found))
    rows = found[:, 0].reshape(30, 40)
    assert len(rows.unique(dim=0)) == 30
    assert found.unique().tolist() == pytest.approx([0.0, 4 / 3])


def test_units_stay_with_the_rate_and_expectations_are_kept() -> None:
    """Binomial at 5 sigma, over all and by unit; neighbouring units are independent."""
    found = masked(torch.ones(1, 500, 20), 40)[:, 0]
    kept = (found > 0).double().reshape(20_000, 20)
    sd = (0.25 * 0.75) ** 0.5
    assert abs(float(kept.mean()) - 0.75) < 5 * sd / kept.numel() ** 0.5
    assert float((kept.mean(0) - 0.75).abs().max()) < 5 * sd / 20_000**0.5
    together = (kept[:, 1:] * kept[:, :-1]).mean()
    assert abs(float(together) - 0.75**2) < 5 * 0.5 / (19 * 20_000) ** 0.5
    assert float(found.mean()) == pytest.approx(1, abs=5 * sd / 0.75 / kept.numel() ** 0.5)


def test_chunks_of_draws_and_of_examples_change_nothing() -> None:
    x = torch.rand(3, 9, 8, generator=Stream(1).generator())
    whole = masked(x, 5)
    draws = [masked(x, k, first=f).view(k, 3, 9, 8) for f, k in ((0, 2), (2, 1), (3, 2))]
    assert torch.equal(torch.cat(draws), whole)
    parts = [masked(x[:, e : e + 4], 5, example=e) for e in (0, 4, 8)]
    assert torch.equal(torch.cat(parts, dim=2), whole)


def test_without_noise_or_rate_it_passes_everything_on() -> None:
    x = torch.rand(3, 2, 8, generator=Stream(1).generator())
    for mode in (True, False):
        assert LAYER.train(mode)(x)[0] is x
    assert masked(x, 4, layer=Sequential(d=Dropout(0.0))) is x
    assert LAYER.first.noise is None
    assert list(LAYER.state_dict()) == []


def test_every_layer_has_masks_of_its_own_and_maps_work() -> None:
    two = Sequential(a=Dropout(0.5, feature_dims=3), b=Dropout(0.5, feature_dims=3))
    noise = dropout_noise(two, Stream(3), 2)
    assert set(noise) == {"a.noise", "b.noise"}
    assert not torch.equal(noise["a.noise"], noise["b.noise"])
    maps = functional_call(two, noise, (torch.ones(4, 3, 2, 5, 5),))[0]
    assert maps.shape == (2, 4, 3, 2, 5, 5)
    assert set(maps.unique().tolist()) == {0.0, 4.0}


@pytest.mark.parametrize(
    ("shape", "feature_dims", "draws"),
    [
        ((4, 3, 2, 5, 5), 1, 1),  # maps: the last axis alone would have a mask
        ((2, 4, 3, 2, 5, 5), 1, 2),
        ((4, 3, 5), 3, 1),
        ((2, 4, 3, 5), 3, 2),
    ],
)
def test_features_of_another_number_of_axes_are_refused(shape, feature_dims, draws) -> None:
    layer = Sequential(hidden=Dropout(0.5, feature_dims=feature_dims))
    with pytest.raises(ValueError, match=r"Dropout\(rate=0.5.*\) expects .* feature_dims is 1 af"):
        masked(torch.ones(shape), draws, layer=layer)


def test_draws_of_the_input_and_of_the_masks_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="has masks of 2 draws, got input of 3"):
        masked(torch.ones(3, 4, 5, 6), 2)
    one = masked(torch.ones(3, 4, 5, 6), 1)
    assert torch.equal(one[0], one[2])
    assert masked(torch.ones(1, 4, 5, 6), 2).shape == (2, 4, 5, 6)


class MaskOnly(nn.Module):
    """A readout that drops units of a constant: the loss knows the mask, and not the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.dropout = Dropout(0.5)

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        return self.dropout(x).mean((-1, -2, -3)) + 0 * self.weight.sum(-1), state


@pytest.mark.parametrize("estimator", [Score(6), Arm(3), DisArm(3)], ids=lambda e: type(e).__name__)
def test_the_noise_of_masks_is_no_gradient_of_what_compares_losses(estimator) -> None:
    """Draws that are compared share a mask: six masks would say six losses, and move weights."""
    network, seen = MaskOnly(), []
    network.dropout.register_forward_pre_hook(lambda module, _: seen.append(module.noise))
    rule = BayesBiSNN(Temperature(10, tempering=0.0), estimator, Sgd(1.0))
    learn = learner(rule, network, lambda outputs, labels: outputs)
    state = learn.init(Stream(0))
    after, _ = learn.update(state, Batch(torch.ones(4, 2, 5), torch.zeros(2, dtype=torch.int64)))
    # A step of one mask a draw would be of order 1.
    torch.testing.assert_close(
        after.rule.logits["weight"], state.rule.logits["weight"], rtol=0, atol=1e-4
    )
    assert seen[0].shape == (1, 2)


def test_draws_with_gradients_have_masks_of_their_own() -> None:
    network, seen = mlp(6, (5,), 3, dropout=0.5), []
    network.dropout0.register_forward_pre_hook(lambda module, _: seen.append(module.noise))
    rule = BayesBiSNN(Temperature(10), HardStraightThrough(4))
    learn = learner(rule, network, RateCrossEntropy())
    learn.update(learn.init(Stream(0)), Batch(torch.ones(4, 3, 6), torch.tensor([0, 1, 2])))
    assert len(seen[0].unique(dim=0)) == 4


def test_packed_spikes_are_dropped_as_numbers_are() -> None:
    x = (torch.rand(3, 4, 70, generator=Stream(1).generator()) < 0.5).float()
    assert torch.equal(masked(pack_spikes(x), 2), masked(x, 2))


def test_training_drops_the_same_units_in_all_chunks_and_others_in_each_update() -> None:
    """The noise that a network is handed while a learner updates it."""
    network = mlp(6, (5,), 3, dropout=0.5)
    seen: list[Tensor] = []
    network.dropout0.register_forward_pre_hook(lambda module, _: seen.append(module.noise))
    learn = learner(Gradient(Sgd(0.1)), network, RateCrossEntropy(), horizon=2)
    batch = Batch(torch.ones(4, 3, 6), torch.tensor([0, 1, 2]))
    state = learn.init(Stream(0))
    for _ in range(2):
        state, _ = learn.update(state, batch)
    assert len(seen) == 4
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    again, _ = learn.update(learn.init(Stream(0)), batch)
    assert torch.equal(seen[4], seen[0])
    assert int(again.step) == 1
    members = learner(Ensemble(Gradient(Sgd(0.1)), 3), network, RateCrossEntropy())
    members.update(members.init(Stream(0)), batch)
    assert len(seen[-1].unique(dim=0)) == 3


def test_dropped_units_get_no_gradient() -> None:
    network = mlp(6, (5,), 3, dropout=0.5)
    noise = dropout_noise(network, Stream(5), 1)
    weights = {n: p.detach().requires_grad_() for n, p in network.named_parameters()}
    masks = functional_call(
        network.dropout0, {"noise": noise["dropout0.noise"]}, torch.ones(1, 1, 5)
    )
    readout, _ = functional_call(network, weights | noise, (torch.ones(4, 1, 6),))
    (grad,) = torch.autograd.grad(readout.sum(), weights["input.weight"])
    dropped = masks.flatten() == 0
    assert 0 < int(dropped.sum()) < 5
    assert not bool(grad[dropped].any())
    assert bool(grad[~dropped].any())


def test_has_dropout_and_wrong_settings() -> None:
    assert has_dropout(mlp(6, (5,), 3, dropout=0.1))
    assert not has_dropout(mlp(6, (5,), 3))
    for rate in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"a dropout rate must lie in \[0, 1\), got"):
            Dropout(rate)
    with pytest.raises(ValueError, match=r"dropout noise must be \[K, 2\]"):
        functional_call(Dropout(0.5), {"noise": torch.zeros(2)}, torch.ones(1, 1, 3))
