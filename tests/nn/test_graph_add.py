"""nn/graph: the gains of a sum keep the precision and the device that they are given in."""

import torch

from bayesnn_spike.nn import Add


def test_gains_keep_their_precision() -> None:
    """They were made in the default precision before."""
    third = torch.tensor(1 / 3, dtype=torch.float64)
    add = Add(third, 2, torch.ones(4, 1, 1, dtype=torch.float64, device="meta"))
    assert add.gain0.dtype == torch.float64
    assert float(add.gain0) == 1 / 3
    assert add.gain1.dtype == torch.get_default_dtype()
    assert add.gain2.device.type == "meta"
    x = torch.ones(2, 1, 3, dtype=torch.float64)
    assert torch.equal(Add(third, third)(x, x), 2 / 3 * x)
    assert Add(torch.tensor(2))(x).dtype == torch.float64
