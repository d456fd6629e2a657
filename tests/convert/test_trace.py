"""convert/trace: what a user's forward does, by name, and what cannot be followed."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayesnn_spike.convert import ConversionError
from bayesnn_spike.convert.forward import activations
from bayesnn_spike.convert.plan import Add, Drop, Flatten, Pool, Rectify, Synapse
from bayesnn_spike.convert.trace import trace
from tests.convert.nets import Function, chain, images, residual, seeded


def reasons(net: nn.Module, x: Tensor) -> list[str]:
    with pytest.raises(ConversionError) as caught:
        trace(net, x)
    assert str(caught.value).count("\n") == len(caught.value.reasons)
    return [str(reason) for reason in caught.value.reasons]


def test_a_chain_keeps_its_names_and_shapes() -> None:
    plan = trace(chain(), images(3, 1, 8, 8))
    kinds = [Synapse, Rectify, Pool, Synapse, Rectify, Drop, Flatten, Synapse, Rectify, Synapse]
    assert [type(step.operation) for step in plan.steps] == kinds
    assert [step.name for step in plan.steps] == [
        *("conv1", "relu1", "pool1", "conv2", "relu2", "drop2", "flat", "fc1", "relu3", "fc2")
    ]
    assert [step.shape for step in plan.steps][:3] == [(4, 8, 8), (4, 8, 8), (4, 4, 4)]
    assert plan["flat"].shape == (96,)
    assert plan.output == "fc2"
    assert plan.shape == (1, 8, 8)


def test_functions_and_sums_are_seen_in_nested_modules() -> None:
    net, x = residual(), images(3, 1, 8, 8)
    plan = trace(net, x)
    assert [(step.name, step.path) for step in plan.neurons()] == [
        ("act", "act"),
        ("blocks_0_relu", "blocks.0.relu()"),
        ("blocks_0_relu_1", "blocks.0.relu() (call 2)"),
        ("blocks_1_relu", "blocks.1.relu()"),
        ("blocks_1_relu_1", "blocks.1.relu() (call 2)"),
    ]
    assert isinstance(plan["blocks_0_add"].operation, Add)
    assert plan["blocks_0_add"].inputs == ("blocks_0_norm2", "pool")
    assert isinstance(plan["view"].operation, Flatten)
    torch.testing.assert_close(activations(plan, x)[plan.output], net(x))


@pytest.mark.parametrize(
    "flatten",
    [
        lambda x: x.flatten(1),
        lambda x: torch.flatten(x, 1),
        lambda x: x.view(x.shape[0], -1),
        lambda x: x.reshape(x.size(0), -1),
        lambda x: x.view(-1, 18),
        nn.Flatten(),
    ],
)
def test_every_way_to_flatten(flatten) -> None:
    net = Function(
        lambda self, x: self.fc(flatten(self.conv(x).relu())),
        conv=nn.Conv2d(1, 2, 3),
        fc=nn.Linear(18, 3),
    )
    if isinstance(flatten, nn.Module):
        net.flatten = flatten
        net.function = lambda self, x: self.fc(self.flatten(self.conv(x).relu()))
    seeded(net)
    plan = trace(net, images(2, 1, 5, 5))
    assert [type(s.operation) for s in plan.steps] == [Synapse, Rectify, Flatten, Synapse]


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1),
        lambda x: x.mean((2, 3)),
        lambda x: x.mean(dim=[-2, -1], keepdim=True).flatten(1),
        lambda x: F.avg_pool2d(x, 3).view(x.size(0), -1),
        lambda x: F.avg_pool2d(x, kernel_size=3, stride=1).squeeze(3).squeeze(2),
    ],
)
def test_every_way_to_take_the_mean_of_a_map(pool) -> None:
    net = Function(
        lambda self, x: self.fc(pool(F.relu(self.conv(x)))),
        conv=nn.Conv2d(1, 2, 3),
        fc=nn.Linear(2, 3),
    )
    seeded(net)
    x = images(3, 1, 5, 5)
    if "squeeze" in pool.__code__.co_names:
        assert "only all features" in reasons(net, x)[0]
        return
    plan = trace(net, x)
    assert [type(s.operation) for s in plan.steps] == [Synapse, Rectify, Pool, Flatten, Synapse]
    assert [s.shape for s in plan.steps] == [(2, 3, 3), (2, 3, 3), (2, 1, 1), (2,), (3,)]


@pytest.mark.parametrize(
    "add", [lambda a, b: a + b, torch.add, lambda a, b: a.add(b), lambda a, b: a.add_(b)]
)
def test_every_way_to_add(add) -> None:
    net = Function(
        lambda self, x: self.head(F.relu(add(self.one(x), self.two(x)))),
        one=nn.Linear(3, 4),
        two=nn.Linear(3, 4),
        head=nn.Linear(4, 2),
    )
    plan = trace(seeded(net), images(2, 3))
    assert [type(s.operation) for s in plan.steps] == [Synapse, Synapse, Add, Rectify, Synapse]


def test_one_relu_that_is_used_twice_becomes_two_layers_of_neurons() -> None:
    net = Function(
        lambda self, x: self.c(self.act(self.b(self.act(self.a(x))))),
        **{name: nn.Linear(3, 3) for name in "abc"},
        act=nn.ReLU(),
    )
    assert [s.name for s in trace(seeded(net), images(2, 3)).neurons()] == ["act", "act_1"]


def test_names_that_the_network_needs_for_itself_are_evaded() -> None:
    net = Function(
        lambda self, x: self.forward_(self.training_(self.reads(x))),
        reads=nn.Linear(3, 3),
        training_=nn.ReLU(),
        forward_=nn.Linear(3, 2),
    )
    assert next(s.name for s in trace(seeded(net), images(2, 3)).steps) == "reads_1"


def test_the_users_module_is_not_changed() -> None:
    net = residual().train()
    before = copy.deepcopy(net.state_dict())
    trace(net, images(4, 1, 8, 8))
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_everything_that_is_wrong_is_said_at_once() -> None:
    net = Function(
        lambda self, x: torch.sigmoid(
            self.fc(F.gelu(self.norm(self.pool(self.conv(x))).flatten(1)))
        ),
        conv=nn.Conv2d(1, 2, 3, groups=1, dilation=2),
        pool=nn.MaxPool2d(2),
        norm=nn.GroupNorm(1, 2),
        fc=nn.Linear(8, 3),
    )
    found = reasons(seeded(net), images(2, 1, 8, 8))
    assert [reason.partition(":")[0] for reason in found] == [
        *("conv", "pool", "norm", "gelu()", "sigmoid()")
    ]
    assert "AvgPool2d" in found[1]


def test_what_cannot_be_followed_says_why() -> None:
    net = Function(lambda self, x: self.fc(x) if x.sum() > 0 else x, fc=nn.Linear(3, 3))
    (found,) = reasons(net, images(2, 3))
    assert "torch.fx cannot follow it" in found
    assert "control flow" in found
    net = Function(lambda self, x: self.fc(x.view(len(x), -1)), fc=nn.Linear(3, 3))
    assert "len()" in reasons(net, images(2, 3))[0]


def test_a_value_changed_in_place_under_another_reader_is_refused() -> None:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        y = self.one(x)
        return self.head(F.relu(y, inplace=True) + y)

    net = Function(forward, one=nn.Linear(3, 3), head=nn.Linear(3, 2))
    (found,) = reasons(seeded(net), images(2, 3))
    assert found.startswith("relu(): changes a value in place that")

    def plus(self: nn.Module, x: Tensor) -> Tensor:
        y = self.one(x)
        y += x
        return self.head(F.relu(y))

    net = Function(plus, one=nn.Linear(3, 3), head=nn.Linear(3, 2))
    assert len(trace(seeded(net), images(2, 3)).steps) == 4


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda self, x: self.b(self.a(x).relu() + 1), "adds something else than two tensors"),
        (lambda self, x: self.b(self.a(self.a(x)).relu()), "weights that are used twice"),
        (lambda self, x: self.b(torch.cat([self.a(x), x], 1)[:, :3].relu()), "several tensors"),
        (lambda self, x: self.b((2 * self.a(x)).relu()), "put the factor into the weights"),
        (lambda self, x: self.b(torch.add(self.a(x), x, alpha=2).relu()), "adds something else"),
        (lambda self, x: self.b(self.a(x).relu().view(-1, 1, 3)).flatten(1), "one axis"),
        (lambda self, x: (self.b(self.a(x).relu()), x), "does not return one tensor"),
        (lambda self, x: self.b(self.a(x).relu() + self.free), "adds something else"),
        (lambda self, x: self.b(F.relu6(self.a(x))), "relu6 does not convert"),
    ],
)
def test_refusals_of_functions(function, text: str) -> None:
    net = Function(function, a=nn.Linear(3, 3), b=nn.Linear(3, 2))
    net.free = nn.Parameter(torch.ones(3))
    assert any(text in reason for reason in reasons(seeded(net), images(2, 3)))


def test_tensors_may_be_named() -> None:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        y = F.relu(input=self.one(x))
        y = F.avg_pool2d(input=torch.add(input=y, other=x), kernel_size=2)
        return self.head(torch.flatten(input=y, start_dim=1))

    one, head = nn.Conv2d(1, 1, 3, padding=1), nn.Linear(4, 2)
    found = trace(seeded(Function(forward, one=one, head=head)), images(2, 1, 4, 4))
    names = [type(step.operation).__name__ for step in found.steps]
    assert names == ["Synapse", "Rectify", "Add", "Pool", "Flatten", "Synapse"]


def test_a_linear_layer_on_the_last_axis_of_a_map_is_refused() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    (found,) = reasons(seeded(net), images(2, 1, 4, 4))
    assert found.startswith("0: a linear layer on features of shape (1, 4, 4)")


def test_two_inputs_are_refused() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 3)

        def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
            return self.a(F.relu(self.a(x)) + y)

    with pytest.raises(ConversionError, match="reads 2 inputs"):
        trace(seeded(Two()), images(2, 3))


def test_a_hook_that_changes_values_is_seen() -> None:
    net = chain()
    net.fc1.register_forward_hook(lambda module, inputs, output: output * 2)
    (found,) = reasons(net, images(2, 1, 8, 8))
    assert "computes something else than the module" in found


def test_images_must_have_features() -> None:
    with pytest.raises(ValueError, match="images must be"):
        trace(chain(), images(8, 8, 8))
    with pytest.raises(ValueError, match="images must be"):
        trace(chain(), images(0, 1, 8, 8))
