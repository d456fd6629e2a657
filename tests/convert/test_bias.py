"""convert/bias: constant currents by the bias before neurons, on any branch."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import Maximum, NeuronOptions, calibrate, convert
from bayesnn_spike.convert.bias import Source, add_current, source
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.encoding import Direct, direct
from tests.convert.nets import Function, images, mlp, residual, seeded

FOUR = Direct(4)


def skip_first() -> nn.Module:
    """The sum names the skip before the layer of weights: x + f(x)."""
    return seeded(
        Function(
            lambda self, x: self.head((self.a(x).relu() + self.c(self.b(x).relu())).relu()),
            **{name: nn.Linear(6, 6) for name in "abc"},
            head=nn.Linear(6, 3),
        )
    )


def currents(net, x, name: str) -> torch.Tensor:
    """The current into a layer of neurons at the first step."""
    seen: list = []
    hook = net.get_submodule(name).register_forward_hook(lambda m, i, o: seen.append(i[0]))
    net(direct(x, 4))
    hook.remove()
    return seen[0][0].detach()


@pytest.mark.parametrize("rescale", [1.0, 3.0])
def test_the_current_arrives_through_the_second_input_of_a_sum(rescale: float) -> None:
    ann, x = skip_first(), images(9, 6)
    fixed = Maximum(fixed=(("relu", rescale), ("relu_1", 0.5)))
    made = convert(ann, x, thresholds=fixed, encoder=FOUR)
    step = made.plan["relu_2"]
    assert source(made.plan, step) == Source("c", (("add", (1,)),))
    assert float(made.network.add.gain1) == pytest.approx(0.5 / rescale)
    before = currents(made.network, x, "relu_2")
    add_current(made.network, made.plan, step, torch.arange(6.0))
    after = currents(made.network, x, "relu_2")
    torch.testing.assert_close(after - before, torch.arange(6.0).expand(9, 6))


def test_bias_calibration_of_a_skip_named_first() -> None:
    """Red before: it was refused with `take MatchPotential()`."""
    ann, x = skip_first(), images(60, 6)
    made = convert(ann, x, encoder=Direct(8))
    found = calibrate(made, x, encoder=Direct(8))
    for before, after in zip(made.report.layers, found.report.layers, strict=True):
        assert after.error < before.error


def added_to_itself(times: int) -> nn.Module:
    """relu(h + h) with h = a(x); twice that sum for times = 4."""

    def forward(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        h = self.a(x)
        h = h + h
        return self.b((h + h if times == 4 else h).relu())

    return seeded(Function(forward, a=nn.Linear(6, 6), b=nn.Linear(6, 3)))


@pytest.mark.parametrize("times", [2, 4])
def test_a_sum_of_one_current_with_itself_is_the_layer_with_larger_weights(times: int) -> None:
    """Red before: both inputs of the sum brought the whole current."""
    twice, x = added_to_itself(times), images(40, 6)
    once = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    with torch.no_grad():
        for name in ("weight", "bias"):
            getattr(once[0], name).copy_(times * getattr(twice.a, name))
            getattr(once[2], name).copy_(getattr(twice.b, name))
    eight = Direct(8)
    for options in (NeuronOptions(shift_steps=8), NeuronOptions()):
        pair = [convert(net, x, encoder=eight, neuron=options) for net in (twice, once)]
        if options.shift_steps is None:
            pair = [calibrate(made, x, encoder=eight) for made in pair]
        errors = [made.report.layers[0].error for made in pair]
        assert errors[0] == pytest.approx(errors[1], rel=1e-3)
        one, other = (
            made.network.get_submodule(n).bias for made, n in zip(pair, "a0", strict=True)
        )
        torch.testing.assert_close(times * one, other)
    sums = ((("add_1", (0, 1)),) if times == 4 else ()) + (("add", (0, 1)),)
    assert source(pair[0].plan, next(pair[0].plan.neurons())) == Source("a", sums)


def test_a_layer_that_is_read_twice_is_not_moved() -> None:
    def forward(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x)
        return self.b(y.relu()) + self.c((y + x).relu())

    net = seeded(Function(forward, **{name: nn.Linear(4, 4) for name in "abc"}))
    x = images(5, 4)
    made = convert(net, x, encoder=FOUR)
    with pytest.raises(ValueError, match=r"relu\(\): the current of a before it also goes elsewh"):
        calibrate(made, x, encoder=FOUR)


@pytest.mark.parametrize("level", [0.13, 0.49, 0.5, 0.51, 0.77, 1.2])
def test_the_shift_gives_the_rounded_count_at_its_own_steps(level: float) -> None:
    """N = floor(z T / V + 1/2) at T steps, as v_init = 1/2, and floor(z t / V + t / 2 T) before."""
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        net[0].weight.fill_(1), net[2].weight.fill_(1)
    net, x = net.double(), torch.tensor([[level * 1.6]], dtype=torch.float64)
    fixed = Maximum(fixed=(("1", 1.6),))
    options = NeuronOptions(shift_steps=16)
    made = convert(net, x, thresholds=fixed, encoder=Direct(16), neuron=options)
    assert made.network.get_submodule("0").bias.item() == pytest.approx(1.6 / 32)
    counts = made.network(direct(x, 16))[0].cumsum(0).flatten().tolist()
    for t, count in enumerate(counts, 1):
        assert count == min(t, int(level * t + t / 32 + 1e-9))
    assert counts[-1] == min(16, int(level * 16 + 0.5 + 1e-9))


def test_the_shift_is_v_over_2t_of_every_layer_and_part_of_the_report() -> None:
    x = images(20, 1, 8, 8)
    plain, shifted = (
        convert(residual(), x, encoder=Direct(8), neuron=NeuronOptions(shift_steps=t))
        for t in (None, 8)
    )
    for step in plain.plan.neurons():
        one, other = (c.network.get_submodule(step.name) for c in (plain, shifted))
        assert torch.equal(one.v_threshold, other.v_threshold)
    first = [currents(c.network, x, "act") for c in (plain, shifted)]
    shift = (plain.network.act.v_threshold / 16).expand_as(first[0])
    torch.testing.assert_close(first[1] - first[0], shift, rtol=1e-3, atol=1e-5)
    rates = [c.report.layers[0].rate for c in (plain, shifted)]
    assert rates[0] < rates[1]


def test_wrong_shifts_are_refused() -> None:
    with pytest.raises(ValueError, match="shift_steps must be positive"):
        NeuronOptions(shift_steps=0)
    with pytest.raises(ValueError, match=r"v_init=0\.5 and shift_steps=8: .* shift it twice"):
        NeuronOptions(v_init=0.5, shift_steps=8)
    assert NeuronOptions(v_init=0.0, shift_steps=8).shift_steps == 8
    net = Function(
        lambda self, x: self.b(self.a(x).relu().relu()), a=nn.Linear(3, 3), b=nn.Linear(3, 2)
    )
    with pytest.raises(ValueError, match="no layer of weights right before it"):
        convert(seeded(net), images(4, 3), encoder=FOUR, neuron=NeuronOptions(shift_steps=4))


def test_sources_of_a_chain() -> None:
    plan = trace(mlp(), images(2, 50))
    assert [source(plan, step).layer for step in plan.neurons()] == ["0", "2", "4"]


@pytest.mark.parametrize(
    ("pool", "found"),
    [
        (nn.AvgPool2d(2), True),
        (nn.AvgPool2d(2, padding=1, count_include_pad=False), True),
        (nn.AvgPool2d(2, padding=1), False),
        (nn.AvgPool2d(2, divisor_override=2), False),
        (nn.AdaptiveAvgPool2d(2), True),
    ],
)
def test_only_pools_that_keep_a_constant_lead_to_a_bias(pool: nn.Module, found: bool) -> None:
    """Zeros around a map would make the current smaller there, and the shift a wrong one."""
    constant = torch.ones(1, 1, 4, 4)
    assert bool((pool(constant) == 1).all()) == found
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), pool, nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)
    )
    net(constant)
    plan = trace(seeded(net), images(3, 1, 4, 4))
    (step,) = plan.neurons()
    if found:
        assert source(plan, step) == Source("0", ())
    else:
        with pytest.raises(ValueError, match="no layer of weights right before it"):
            source(plan, step)
