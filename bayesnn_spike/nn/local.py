"""Local learning: a fixed random binary readout after every block, no gradient between blocks.

Source: DECOLLE as used by BiSNN, specs of kclip/BayesBiSNN (LIF_MLP.py, LeNet.py): readouts in
{-1, +1} drawn once, scaled by 1/sqrt(units), never trained; spikes are detached between blocks.
Oracle: tests/nn/test_local.py.
"""

import math
from typing import Any, final

import torch
from torch import Tensor, nn

from bayesnn_spike.ops.draw import draw_signs
from bayesnn_spike.rng import Stream


@final
class LocalReadouts(nn.Module):
    """Run blocks in order and read classes from each.

    Args:
        blocks: modules `forward(x, state) -> (spikes, state)`.
        sizes: number of spike outputs of each block (features flattened).
        n_out: readout units C of every block.
        stream: draws the fixed readouts.

    The output is a tuple with one `[*K, T, B, C]` a block; the last is the network's decision.
    """

    def __init__(
        self, blocks: list[nn.Module], *, sizes: list[int], n_out: int, stream: Stream
    ) -> None:
        super().__init__()
        if len(blocks) != len(sizes):
            raise ValueError(f"{len(blocks)} blocks but {len(sizes)} sizes")
        self.blocks = nn.ModuleList(blocks)
        for index, size in enumerate(sizes):
            shape = torch.zeros(n_out, size)
            signs = draw_signs(shape, stream=stream.child("readout", index))[0]
            self.register_buffer(f"readout{index}", signs)

    def forward(self, x: Tensor, state: tuple | None = None) -> tuple[tuple[Tensor, ...], Any]:
        """Map `[*K, T, B, *in]` to readouts `[*K, T, B, C]` of every block, and the state."""
        if state is None:
            state = (None,) * len(self.blocks)
        readouts, after = [], []
        for index, (block, before) in enumerate(zip(self.blocks, state, strict=True)):
            x, carried = block(x, before)
            after.append(carried)
            signs = self.get_buffer(f"readout{index}")
            features = x.reshape(*x.shape[: x.ndim - self._feature_dims(x, signs)], -1)
            readouts.append(nn.functional.linear(features, signs) / math.sqrt(signs.shape[1]))
            x = x.detach()
        return tuple(readouts), tuple(after)

    @staticmethod
    def _feature_dims(x: Tensor, signs: Tensor) -> int:
        """How many trailing axes of x make up the readout's inputs."""
        count, size = 0, 1
        while size < signs.shape[1] and count < x.ndim:
            count += 1
            size *= x.shape[-count]
        if size != signs.shape[1]:
            raise ValueError(
                f"a readout of {signs.shape[1]} inputs does not fit spikes {tuple(x.shape)}"
            )
        return count
