import torch
from torch import nn
from torch.nn import functional

from bayesnn_spike.models.small import small_resnet, small_vgg
from bayesnn_spike.rng import Stream
from tests.models.counts import Counts, count


def test_the_small_networks_have_the_sizes_that_they_promise():
    """By hand: 288 + 18432 + 36864 + 802816 + 2560, and for the residual one 288 + 2*9216 +
    18432 + 36864 + 2048 + 2*36864 + 31360 weights."""
    one, other = (make(stream=Stream(0)) for make in (small_vgg, small_resnet))
    assert count(one, (1, 28, 28)) == Counts(860_960, 11_869_184, 50_432, 5)
    assert count(other, (1, 28, 28)) == Counts(181_152, 10_292_352, 50_176, 8)


def test_dropout_is_where_the_recipe_has_it():
    found = {
        name: module.p
        for name, module in small_vgg(stream=Stream(0)).named_modules()
        if isinstance(module, nn.Dropout)
    }
    assert found == {"dropout2": 0.2, "fc_dropout1": 0.5}


def test_the_residual_one_has_both_kinds_of_shortcut():
    network = small_resnet(stream=Stream(0))
    kinds = [network.get_submodule(f"block{n}").shortcut is None for n in (1, 2, 3)]
    assert kinds == [True, False, True]


def test_first_losses_are_near_chance_and_one_batch_is_learned():
    """log 10 = 2.303 at the start; thirty steps fit sixteen images."""
    random = Stream(1).child("images").generator()
    images = torch.rand(16, 1, 28, 28, generator=random)
    labels = torch.arange(16) % 10
    for make in (small_vgg, small_resnet):
        network = make(stream=Stream(0), dropout=0.0, **_no_dropout(make)).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        assert 2.0 < losses[0] < 3.2
        assert losses[-1] < 0.05
        assert (network.eval()(images).argmax(1) == labels).all()


def _no_dropout(make):
    return {"dropout_fc": 0.0} if make is small_vgg else {}
