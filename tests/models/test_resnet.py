import pytest
import torch
from torch import nn

from bayesnn_spike.models.ann import FanIn
from bayesnn_spike.models.resnet import RESNETS, BasicBlock, ResNetForm, resnet
from bayesnn_spike.rng import Stream
from tests.models.counts import Counts, count

TINY = ResNetForm((1, 1), (4, 6), stem=(3, 4))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # By hand for ResNet8: 27*64 + 2*9*64^2 + 2*9*64^2 + 9*64*128 + 9*128^2 + 64*128 + 81920.
        ("ResNet8", Counts(460_480, 110_903_296, 245_760, 8)),
        ("ResNet12", Counts(4_986_560, 140_201_984, 258_048, 12)),
        ("ResNet20", Counts(11_253_440, 215_699_456, 319_488, 20)),
    ],
)
def test_the_published_networks_have_the_published_sizes(name, expected):
    network = resnet(name, stream=Stream(0), device="meta")
    assert count(network, (3, 32, 32)) == expected


def test_resnet20_has_three_shortcuts_with_weights():
    network = resnet("ResNet20", stream=Stream(0), device="meta")
    blocks = [m for m in network if isinstance(m, BasicBlock)]
    with_weights = [n for n, block in enumerate(blocks, 1) if block.shortcut is not None]
    assert (len(blocks), with_weights) == (8, [3, 5, 7])
    assert [tuple(block.conv1.stride) for block in blocks] == [
        (1, 1),
        (1, 1),
        *[(2, 2), (1, 1)] * 3,
    ]
    assert blocks[2].shortcut.kernel_size == (1, 1)
    assert network.head.in_features == 512 * 2 * 2


@pytest.mark.parametrize(("name", "side"), [("ResNet34", 32), ("ResNet34-ImageNet", 224)])
def test_resnet34_has_sixteen_blocks(name, side):
    network = resnet(name, 1000, stream=Stream(0), shape=(3, side, side), device="meta")
    assert sum(isinstance(m, BasicBlock) for m in network) == 16
    assert network.head.in_features == (2048 if side == 32 else 512)
    found = count(network, (3, side, side))
    # torchvision's ResNet34 has 21,267,648 weights in convolutions, 9,408 of them in its stem.
    stem = 27 * 64 + 2 * 9 * 64**2
    assert found.parameters == 21_267_648 - 9_408 + stem + 1000 * network.head.in_features
    assert found.layers == 36


def test_the_maps_of_imagenet():
    """224 -> stem pool of 3: 74 -> 37 -> 19 -> 10 -> last pool of 7: 1."""
    form = RESNETS["ResNet34-ImageNet"]
    assert form.side(224) == 1
    assert [
        ResNetForm(form.blocks[:n], form.widths[:n], stem_pool=3).side(224) for n in (1, 2, 3, 4)
    ] == [*(74, 37, 19, 10)]


def test_a_block_adds_its_branches_before_the_second_relu():
    """Weights of one number each, so that the sums are known: x = 2 and x = -1."""
    block = BasicBlock(1, 1, stride=1, dropout=0.5, masks=Stream(0)).eval()
    with torch.no_grad():
        for conv, weight in ((block.conv1, 3.0), (block.conv2, -1.0)):
            conv.weight.zero_()
            conv.weight[0, 0, 1, 1] = weight
    assert block.shortcut is None
    x = torch.tensor([[[[2.0, -1.0]]]])
    # 2: relu(-relu(6) + 2) = 0. -1: relu(-relu(-3) - 1) = 0. With conv2 = 1: relu(6 + 2) = 8.
    torch.testing.assert_close(block(x), torch.tensor([[[[0.0, 0.0]]]]))
    with torch.no_grad():
        block.conv2.weight[0, 0, 1, 1] = 1.0
    torch.testing.assert_close(block(x), torch.tensor([[[[8.0, 0.0]]]]))


def test_a_shortcut_with_weights_halves_the_map():
    block = BasicBlock(1, 2, stride=2, dropout=0.0, masks=Stream(0))
    with torch.no_grad():
        block.conv1.weight.zero_()
        block.conv2.weight.zero_()
        block.shortcut.weight.copy_(torch.tensor([1.0, -1.0])[:, None, None, None])
    x = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    expected = torch.tensor([[[[1.0, 3.0], [7.0, 9.0]], [[0.0, 0.0], [0.0, 0.0]]]])
    torch.testing.assert_close(block(x), expected)


def test_the_layers_have_names_and_stand_in_order():
    network = resnet(TINY, 3, stream=Stream(0), shape=(2, 8, 8), dropout=0.3)
    assert [name for name, _ in network.named_children()] == [
        *("conv1", "relu1", "dropout1", "conv2", "relu2", "pool", "block1", "block2"),
        *("flatten", "head"),
    ]
    rates = [module.p for module in network.modules() if isinstance(module, nn.Dropout)]
    assert rates == [0.3, 0.3, 0.3]  # one in the stem, one in each block
    assert network(torch.zeros(5, 2, 8, 8)).shape == (5, 3)


@pytest.mark.parametrize("name", RESNETS)
def test_the_constraints_hold(name):
    side = 224 if "ImageNet" in name else 32
    network = resnet(name, stream=Stream(0), shape=(3, side, side), device="meta")
    allowed = (nn.Conv2d, nn.Linear, nn.ReLU, nn.AvgPool2d, nn.Dropout, nn.Flatten)
    leaves = [m for m in network.modules() if not list(m.children())]
    assert all(isinstance(layer, allowed) for layer in leaves)
    assert not [name for name, _ in network.named_parameters() if "bias" in name]


def test_it_is_positively_homogeneous_and_fx_traces_it():
    network = resnet(TINY, stream=Stream(0), init=FanIn()).eval()
    x = torch.rand(3, 3, 32, 32, generator=Stream(1).generator())
    torch.testing.assert_close(network(4 * x), 4 * network(x), rtol=0, atol=0)
    traced = torch.fx.symbolic_trace(network)
    torch.testing.assert_close(traced(x), network(x), rtol=0, atol=0)
    sums = [node for node in traced.graph.nodes if node.op == "call_function"]
    assert [node.target.__name__ for node in sums] == ["add", "add"]


def test_every_dropout_has_a_mask_of_its_own():
    network = resnet("ResNet20", stream=Stream(0), device="meta")
    streams = [m.stream for m in network.modules() if isinstance(m, nn.Dropout)]
    assert len(streams) == 10
    assert len(set(streams)) == 10


def test_scaled_multiplies_the_channels():
    assert RESNETS["ResNet8"].scaled(1 / 16) == ResNetForm((1, 1), (4, 8), stem=(4, 4, 4))


def test_what_makes_no_network_is_refused():
    with pytest.raises(ValueError, match="no residual network 'ResNet18'; there are ResNet8"):
        resnet("ResNet18", stream=Stream(0))
    with pytest.raises(ValueError, match="images of 64 x 64 pixels are too small"):
        resnet("ResNet34-ImageNet", stream=Stream(0), shape=(3, 64, 64))
    with pytest.raises(ValueError, match="2 stages of blocks but 4 widths"):
        ResNetForm((1, 1))
    for wrong in ({"blocks": (), "widths": ()}, {"blocks": (0,), "widths": (4,)}):
        with pytest.raises(ValueError, match="needs a stage, a stem and sizes >= 1"):
            ResNetForm(**wrong)
    with pytest.raises(ValueError, match="a stem"):
        ResNetForm((1,), (4,), stem=())
