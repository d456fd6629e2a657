import pytest
import torch
from torch import nn

from bayesnn_spike.models.ann import FanIn
from bayesnn_spike.models.vgg import VGGS, VggForm, vgg
from bayesnn_spike.rng import Stream
from tests.models.counts import Counts, count

TINY = VggForm(((4,), (6, 6)), last_pool=True, hidden=(10,))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # By hand for VGG5: 27*64 + 9*64*128 + 9*128^2 + 8192*4096 + 4096^2 + 40960 weights.
        ("VGG5", Counts(50_595_520, 108_765_184, 139_264, 6)),
        ("VGG9", Counts(32_065_216, 281_780_224, 231_424, 10)),
        ("VGG11", Counts(36_193_984, 404_463_616, 249_856, 11)),
        ("VGG16", Counts(39_917_248, 338_403_328, 284_672, 16)),
    ],
)
def test_the_published_networks_have_the_published_sizes(name, expected):
    network = vgg(name, stream=Stream(0), device="meta")
    assert count(network, (3, 32, 32)) == expected


def test_the_spiking_vgg11_is_another_network():
    network = vgg("VGG11-spiking", 100, stream=Stream(0), device="meta")
    assert network.fc1.in_features == 8192
    assert (network.fc2.out_features, network.head.out_features) == (1024, 100)
    # Its name counts the spiking layers, as VGG5's does.
    assert len([m for m in network if isinstance(m, nn.ReLU)]) == 11


def test_the_imagenet_form_has_a_fifth_pool():
    """138.34 million weights: torchvision's VGG16 (138,357,544) without its 13,416 biases."""
    network = vgg("VGG16-ImageNet", 1000, stream=Stream(0), shape=(3, 224, 224), device="meta")
    biases = 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512 + 2 * 4096 + 1000
    assert network.fc1.in_features == 512 * 7 * 7
    found = count(network, (3, 224, 224))
    assert found.parameters == 138_357_544 - biases
    assert found.macs == 15_470_264_320  # the well-known 15.5 billion
    assert network(torch.zeros(2, 3, 224, 224, device="meta")).shape == (2, 1000)


def test_the_layers_have_names_and_stand_in_order():
    network = vgg(TINY, 3, stream=Stream(0), shape=(2, 8, 8), dropout=0.1, dropout_fc=0.4)
    assert [name for name, _ in network.named_children()] == [
        *("conv1", "relu1", "pool1", "conv2", "relu2", "dropout2", "conv3", "relu3", "pool3"),
        *("flatten", "fc1", "fc_relu1", "fc_dropout1", "head"),
    ]
    assert (network.dropout2.p, network.fc_dropout1.p) == (0.1, 0.4)
    assert network(torch.zeros(5, 2, 8, 8)).shape == (5, 3)
    # Without the last pool there is a dropout behind the last convolution.
    other = vgg(VggForm(((4,), (6, 6)), hidden=(10,)), 3, stream=Stream(0), dropout=0.1)
    assert other.dropout3.p == 0.1
    assert other.fc_dropout1.p == 0.1


@pytest.mark.parametrize("name", VGGS)
def test_the_constraints_hold(name):
    """No bias, no batch norm, and no layer that does not convert."""
    side = 224 if "ImageNet" in name else 32
    network = vgg(name, stream=Stream(0), shape=(3, side, side), device="meta")
    allowed = (nn.Conv2d, nn.Linear, nn.ReLU, nn.AvgPool2d, nn.Dropout, nn.Flatten)
    for layer in network:
        assert isinstance(layer, allowed)
        assert getattr(layer, "bias", None) is None


def test_it_is_positively_homogeneous():
    """f(c x) = c f(x), exactly for c = 4: the reason why thresholds alone convert it."""
    network = vgg(TINY, stream=Stream(0), init=FanIn()).eval()
    x = torch.rand(3, 3, 32, 32, generator=Stream(1).generator())
    torch.testing.assert_close(network(4 * x), 4 * network(x), rtol=0, atol=0)
    assert float(network(x).detach().abs().max()) > 0.1


def test_fx_traces_it_layer_by_layer():
    network = vgg(TINY, stream=Stream(0))
    graph = torch.fx.symbolic_trace(network).graph
    called = [node.target for node in graph.nodes if node.op == "call_module"]
    assert called == [name for name, _ in network.named_children()]


def test_the_stream_decides_weights_and_masks():
    x = torch.rand(2, 3, 32, 32, generator=Stream(1).generator())
    one, same, other = (vgg(TINY, stream=Stream(s), init=FanIn()).train() for s in (0, 0, 1))
    torch.testing.assert_close(one(x), same(x), rtol=0, atol=0)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)


def test_scaled_multiplies_all_sizes():
    assert VGGS["VGG5"].scaled(1 / 16) == VggForm(((4,), (8, 8)), True, (256, 256))
    assert TINY.scaled(0.01) == VggForm(((1,), (1, 1)), True, (1,))


def test_what_makes_no_network_is_refused():
    with pytest.raises(ValueError, match="no VGG 'VGG7'; there are VGG5, VGG9"):
        vgg("VGG7", stream=Stream(0))
    with pytest.raises(ValueError, match="2 poolings halve a map of 30 x 32 pixels unevenly"):
        vgg(TINY, stream=Stream(0), shape=(3, 30, 32))
    for groups, hidden in (((), (3,)), (((2,), ()), (3,)), (((2,), (0,)), (3,)), (((2,),), (0,))):
        with pytest.raises(ValueError, match="a VGG needs groups of convolutions"):
            VggForm(groups, hidden=hidden)
