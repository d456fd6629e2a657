"""convert/keep: a state_dict brings the whole network back, bit for bit, or says why not."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import (
    Conversion,
    LocalBalance,
    MatchBias,
    MatchPotential,
    Maximum,
    NeuronOptions,
    bernoulli_prior,
    binarise,
    calibrate,
    convert,
    fold_thresholds,
    sum_pools,
)
from bayesnn_spike.encoding import Direct, direct
from bayesnn_spike.neurons import AtOrAbove, Delayed
from bayesnn_spike.nn import Graph
from tests.convert.nets import chain, images, residual

EIGHT = Direct(8)
X = images(12, 1, 8, 8)

CHANGES: dict[str, Callable[[Conversion], Graph]] = {
    "none": lambda made: made.network,
    "bias": lambda made: calibrate(made, X, encoder=EIGHT, match=MatchBias()).network,
    "potential": lambda made: calibrate(made, X, encoder=EIGHT, match=MatchPotential()).network,
    "binary": lambda made: binarise(made.network),
    "prior": lambda made: bernoulli_prior(made.network).network,
    "both": lambda made: binarise(
        calibrate(made, X, encoder=EIGHT, match=MatchPotential()).network
    ),
}
OPTIONS = (
    NeuronOptions(v_init=0.5),
    NeuronOptions(learn_threshold=True, learn_leak=True, leak=0.9),
    NeuronOptions(order=Delayed()),
)


def made(options: NeuronOptions = OPTIONS[0], net=chain, thresholds=Maximum(0.7)) -> Conversion:
    return convert(net(), X, thresholds=thresholds, encoder=EIGHT, neuron=options)


def through_a_file(network: Graph) -> dict:
    file = BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def answers(network: Graph) -> torch.Tensor:
    with torch.no_grad():
        return network(direct(X.to(next(network.parameters()).dtype), 8))[0]


def tuned(network: Graph) -> Graph:
    """Move every parameter a little, as training does."""
    for number, value in enumerate(network.parameters()):
        value.data.mul_(1 + 0.01 * (number + 1))
    return network


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("options", OPTIONS, ids=("half", "learned", "delayed"))
@pytest.mark.parametrize("net", [chain, residual])
def test_a_rebuilt_conversion_answers_with_the_same_bits(net, options, change: str) -> None:
    kept = tuned(CHANGES[change](made(options, net)))
    fresh = made(replace(options, v_init=0.25), net).network
    assert not torch.equal(answers(fresh), answers(kept))
    fresh.load_state_dict(through_a_file(kept))
    assert torch.equal(answers(fresh), answers(kept))


@pytest.mark.parametrize("thresholds", [Maximum(), LocalBalance(rounds=8)])
@pytest.mark.parametrize("change", [fold_thresholds, sum_pools])
def test_what_changes_the_form_loads_into_what_was_changed_so(thresholds, change) -> None:
    kept = change(made(thresholds=thresholds).network)
    fresh = change(made(thresholds=thresholds).network)
    fresh.load_state_dict(through_a_file(tuned(kept)))
    assert torch.equal(answers(fresh), answers(kept))


def test_plain_numbers_load_into_a_changed_network() -> None:
    kept = made().network
    for change in CHANGES.values():
        fresh = change(made())
        fresh.load_state_dict(through_a_file(kept))
        assert torch.equal(answers(fresh), answers(kept))


@pytest.mark.parametrize(
    ("fresh", "text"),
    [
        (lambda: made(NeuronOptions(order=Delayed())), r"relu1 has comparison AtOrAbove\(\)"),
        (lambda: made(NeuronOptions(order=Delayed())), r"order Immediate\(\) in the state and"),
        (lambda: made(thresholds=LocalBalance(rounds=8)), r"relu1 has threshold \[\] in the"),
        (lambda: made(net=residual), "of a network of other layers"),
        (lambda: replace(made(), network=sum_pools(made().network)), "pool1 has module AvgPool2d"),
        (lambda: replace(made(), network=made().network.double()), r"bring the network to that"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_by_name(fresh, text: str) -> None:
    state = made().network.state_dict()
    with pytest.raises(RuntimeError, match=text):
        fresh().network.load_state_dict(state)


def test_a_state_without_form_and_a_damaged_one_are_refused() -> None:
    network = made().network
    state = network.state_dict()
    assert state["form"].dtype == torch.uint8
    with pytest.raises(RuntimeError, match="form is damaged"):
        network.load_state_dict(state | {"form": state["form"][:9]})
    del state["form"]
    with pytest.raises(RuntimeError, match='Missing key\\(s\\) in state_dict: "form"'):
        network.load_state_dict(state)
    network.load_state_dict(state, strict=False)


def test_options_for_training_may_differ() -> None:
    learned = made(NeuronOptions(learn_threshold=True, comparison=AtOrAbove()))
    fresh = made(NeuronOptions()).network
    fresh.load_state_dict(learned.network.state_dict())
    assert torch.equal(answers(fresh), answers(learned.network))


def test_copies_and_parts_of_other_modules_have_it_as_well() -> None:
    kept = binarise(made().network)
    for other in (copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))):
        assert torch.equal(answers(other), answers(kept))
        assert torch.equal(other.state_dict()["form"], kept.state_dict()["form"])
    outer, fresh = (nn.ModuleDict({"net": n}) for n in (kept, made().network))
    fresh.load_state_dict(outer.state_dict())
    assert torch.equal(answers(fresh["net"]), answers(kept))


def test_double_precision_and_assignment() -> None:
    kept = made().network.double()
    fresh = made().network
    fresh.load_state_dict(kept.state_dict(), assign=True)
    assert fresh.conv1.weight.dtype == torch.float64
    assert torch.equal(answers(fresh), answers(kept))


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_a_refused_state_changes_nothing(assign: bool, nested: bool) -> None:
    network = made().network
    outer = nn.ModuleDict({"net": network}) if nested else network
    before = answers(network)
    others = (
        tuned(made(NeuronOptions(order=Delayed())).network).state_dict(),
        tuned(made(net=residual).network).state_dict(),
        tuned(made().network).state_dict() | {"form": torch.zeros(3, dtype=torch.uint8)},
    )
    for state in others:
        given = {f"net.{key}": value for key, value in state.items()} if nested else state
        with pytest.raises(RuntimeError) as error:
            outer.load_state_dict(given, assign=assign)
        assert "key(s)" not in str(error.value)
        assert torch.equal(answers(network), before)
