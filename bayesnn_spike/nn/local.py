"""Local learning: a fixed random binary readout after every block, no gradient between blocks.

Source: DECOLLE as used by BiSNN, see kclip/BayesBiSNN (LIF_MLP.py, LeNet.py): readouts in
{-1, +1} drawn once, scaled by 1/sqrt(units), never trained; spikes are detached between blocks.
Oracle: tests/nn/test_local.py.
"""

import math
from typing import Any, final

import torch
from torch import Tensor, nn

from bayesnn_spike.nn.state import at_rest
from bayesnn_spike.ops.draw import draw_signs
from bayesnn_spike.rng import Stream


@final
class LocalReadouts(nn.Module):
    """Run blocks in order and read classes from each.

    Args:
        blocks: modules `forward(x, state) -> (spikes, state)`.
        sizes: features of each block's spikes: units, or (channels, height, width).
        n_out: readout units C of every block.
        stream: draws the fixed readouts.

    The output is a tuple with one `[*K, T, B, C]` a block; the last is the network's decision.

    Raises:
        ValueError: another number of sizes than of blocks, or (at call) spikes of other
            features or a state of another length.
    """

    def __init__(
        self,
        blocks: list[nn.Module],
        *,
        sizes: list[int | tuple[int, ...]],
        n_out: int,
        stream: Stream,
    ) -> None:
        super().__init__()
        if len(blocks) != len(sizes):
            raise ValueError(f"{len(blocks)} blocks but {len(sizes)} sizes")
        self.blocks = nn.ModuleList(blocks)
        self._features = [(size,) if isinstance(size, int) else tuple(size) for size in sizes]
        for index, features in enumerate(self._features):
            logits = torch.zeros(n_out, math.prod(features))
            signs = draw_signs(logits, stream=stream.child("readout", index))[0]
            self.register_buffer(f"readout{index}", signs)

    def forward(self, x: Tensor, state: tuple | None = None) -> tuple[tuple[Tensor, ...], Any]:
        """Map `[*K, T, B, *in]` to readouts `[*K, T, B, C]` of every block, and the state."""
        if state is None:
            state = (None,) * len(self.blocks)
        if len(state) != len(self.blocks):
            raise ValueError(
                f"the state has {len(state)} entries for {len(self.blocks)} blocks; "
                "pass None to start from rest"
            )
        readouts, after = [], []
        for index, (block, before) in enumerate(zip(self.blocks, state, strict=True)):
            x, carried = block(x, before)
            after.append(carried)
            features = self._features[index]
            if tuple(x.shape[-len(features) :]) != features:
                raise ValueError(
                    f"the readout of block {index} takes features {features}, "
                    f"the spikes are {tuple(x.shape)}"
                )
            signs = self.get_buffer(f"readout{index}")
            current = nn.functional.linear(x.flatten(-len(features)), signs)
            readouts.append(current / math.sqrt(signs.shape[1]))
            x = x.detach()
        return tuple(readouts), tuple(after)

    def at_rest(self, steps: int) -> tuple:
        """Return the state before a run of `steps` steps; see `bayesnn_spike.nn.at_rest`."""
        return tuple(at_rest(block, steps) for block in self.blocks)
