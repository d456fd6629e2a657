"""convert/thresholds/replay: every current once, the same bits whatever is kept."""

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.convert import NeuronOptions
from bayesnn_spike.convert.fold import fold_norms
from bayesnn_spike.convert.thresholds import replay
from bayesnn_spike.convert.thresholds.replay import Replay, Section, packed, unpacked
from bayesnn_spike.convert.thresholds.search import search
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.nn import Conv2d, Linear
from bayesnn_spike.rng import Stream
from tests.convert.nets import chain, images, residual

CODES = (Direct(20), SignedRate(20, Stream(5)))


def found(net: nn.Module, x: Tensor, encoder, percentile: float = 100.0) -> dict[str, Tensor]:
    plan = fold_norms(trace(net, x))
    options = {"percentile": percentile, "scale": 0.7, "fixed": ()}
    return search(plan, x, encoder, NeuronOptions(v_init=0.5), **options)


@pytest.mark.parametrize("encoder", CODES)
@pytest.mark.parametrize("percentile", [100.0, 97.0])
@pytest.mark.parametrize("net", [chain, residual])
def test_thresholds_are_the_same_bits_with_and_without_room(
    net, percentile: float, encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = images(40, 1, 8, 8)
    whole = found(net(), x, encoder, percentile)
    for room in (0, 100_000):
        monkeypatch.setattr(replay, "ROOM", room)
        other = found(net(), x, encoder, percentile)
        assert all(torch.equal(other[name], value) for name, value in whole.items())


@pytest.mark.parametrize(
    ("encoder", "room", "expected"),
    [
        # two chunks of images and three of steps: 2 currents where they are constant, else 6
        (CODES[0], 2**30, {"conv1": 2, "conv2": 6, "fc1": 6}),
        (CODES[1], 2**30, {"conv1": 6, "conv2": 6, "fc1": 6}),
        # once for the threshold and once for the spikes, the last layer's for the threshold only;
        # a first chunk fits in any room that is not used up
        (CODES[1], 0, {"conv1": 12, "conv2": 12, "fc1": 7}),
    ],
)
def test_every_current_is_made_once(
    encoder, room: int, expected: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: dict[int, int] = {}

    def counted(kind):
        forward = kind.forward

        def call(self, x):
            calls[self.weight.numel()] = calls.get(self.weight.numel(), 0) + 1
            return forward(self, x)

        return call

    for kind in (Linear, Conv2d):
        monkeypatch.setattr(kind, "forward", counted(kind))
    monkeypatch.setattr(replay, "ROOM", room)
    net, x = chain(), images(40, 1, 8, 8)
    found(net, x, encoder)
    sizes = {name: net.get_submodule(name).weight.numel() for name in expected}
    counts = {name: calls[size] for name, size in sizes.items()}
    if room:
        assert counts == expected
    else:
        assert all(6 < counts[name] <= expected[name] for name in ("conv1", "conv2"))


def test_a_section_by_hand() -> None:
    x = images(40, 1, 8, 8)
    plan = trace(chain(), x)
    section = Section(plan, "relu1", {})
    chunks = list(Replay(plan, x, CODES[1]).currents(section))
    assert [(c.step, c.image) for c in chunks] == [(t, i) for t in (0, 8, 16) for i in (0, 32)]
    whole = torch.nn.functional.conv2d(
        CODES[1].encode(x).flatten(0, 1), plan["conv1"].operation.weight, padding=1
    )
    rows = [torch.cat([c.current for c in chunks[i : i + 2]], 1) for i in (0, 2, 4)]
    torch.testing.assert_close(torch.cat(rows).flatten(0, 1), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [1, 7, 8, 64, 100])
def test_bits(count: int) -> None:
    spikes = (images(5, count) > 0.5).float()
    assert torch.equal(unpacked(packed(spikes), count).float(), spikes)
