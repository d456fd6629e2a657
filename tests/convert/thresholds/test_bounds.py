"""convert/thresholds/bounds: thresholds at which rates stand for given activations."""

import pytest
import torch

from bayesnn_spike.convert import ConversionError, NeuronOptions, Qcfs, with_qcfs
from bayesnn_spike.convert.scales import scales
from bayesnn_spike.convert.thresholds.bounds import from_bounds
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.encoding import Direct
from tests.convert.nets import chain, images, residual


def test_scales_become_the_bounds() -> None:
    x = images(4, 1, 8, 8)
    plan = trace(chain(), x)
    bounds = {
        "relu1": torch.tensor(2.0),
        "relu2": torch.arange(1.0, 7.0),
        "relu3": torch.tensor(7.0),
    }
    values = from_bounds(plan, bounds)
    found = scales(plan, values)
    for name, bound in bounds.items():
        torch.testing.assert_close(found[name], bound)
    # lambda_l / lambda_{l-1} in a chain
    assert float(values["relu3"]) == pytest.approx(7.0 / 3.5)


def test_qcfs_takes_the_learned_bounds() -> None:
    x = images(6, 1, 8, 8)
    net = with_qcfs(chain(), 4, x)
    with torch.no_grad():
        net.relu2.bound.fill_(9.0)
    plan = trace(net, x)
    values = Qcfs().find(plan, x, Direct(4), NeuronOptions())
    found = scales(plan, values)
    assert float(found["relu2"]) == pytest.approx(9.0)
    assert float(found["relu1"]) == pytest.approx(net.relu1.bound.item())


def test_every_plain_relu_is_named() -> None:
    x = images(4, 1, 8, 8)
    with pytest.raises(ConversionError, match="for 5 reasons") as caught:
        Qcfs().find(trace(residual(), x), x, Direct(4), NeuronOptions())
    assert caught.value.reasons[1].where == "blocks.0.relu()"
