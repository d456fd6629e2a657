"""A learner small enough to check by hand: least squares by momentum, with noise from its state."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch


class ToyState(NamedTuple):
    weights: dict[str, Tensor]
    momentum: dict[str, Tensor]
    seed: Tensor
    step: Tensor


class ToyInfo(NamedTuple):
    loss: Tensor


class ToyLearner:
    """Moves a weight towards the labels' mean spike; every update takes fresh noise."""

    def init(self, *, features: int = 4, seed: int = 3) -> ToyState:
        zeros = {"w": torch.zeros(features)}
        return ToyState(zeros, zeros, torch.tensor(seed), torch.tensor(0))

    def update(self, state: ToyState, batch: Batch) -> tuple[ToyState, ToyInfo]:
        stream = Stream(int(state.seed)).child("noise", int(state.step))
        weight = state.weights["w"]
        noise = torch.randn(weight.shape, generator=stream.generator())
        rate = batch.spikes.mean(0)  # [B, features]
        residual = rate @ (weight + 0.1 * noise) - batch.labels.float()
        momentum = 0.9 * state.momentum["w"] + rate.T @ residual / len(residual)
        following = ToyState(
            {"w": weight - 0.05 * momentum}, {"w": momentum}, state.seed, state.step + 1
        )
        return following, ToyInfo(residual.square().mean())


class ToyData:
    """Twenty-two random recordings of five steps, and a count of the batches handed out."""

    def __init__(self, *, seed: int = 0, examples: int = 22) -> None:
        generator = Stream(seed).generator()
        self.spikes = (torch.rand(examples, 5, 4, generator=generator) < 0.5).to(torch.uint8)
        self.labels = torch.arange(examples) % 3
        self.asked: list[list[int]] = []

    def batch(self, indices: np.ndarray) -> Batch:
        self.asked.append(indices.tolist())
        chosen = torch.as_tensor(indices)
        return Batch(self.spikes[chosen].transpose(0, 1).float(), self.labels[chosen])
