"""How right and how calibrated a recipe's networks are, and their logits.

Oracle: tests/study/test_conversion_scores.py.
"""

from typing import Any

import torch
from torch import Tensor, nn

from bayesnn_spike.calibration import accuracy, ece, nll
from bayesnn_spike.convert import curve
from bayesnn_spike.events.datasets import batches
from bayesnn_spike.nn import Graph
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.conversion_build import make_encoder, make_scale
from bayesnn_spike.study.conversion_config import RecipeConfig

METRICS = {"accuracy": accuracy, "nll": nll, "ece": ece}
IMAGES = 500
"""Images in memory at a time; signed input is drawn anew for each so many."""


@torch.no_grad()
def ann_logits(recipe: RecipeConfig, ann: nn.Module, data: Any, split: str, device: str) -> Tensor:
    """Return the logits `[N, C]` of an ANN, on the CPU, in the order of the split."""
    ann.eval()
    parts = batches(data, split, IMAGES, scale=make_scale(recipe.data))
    return torch.cat([ann(images.to(device)).cpu() for images, _ in parts])


@torch.no_grad()
def summed_readouts(
    recipe: RecipeConfig, network: Graph, data: Any, split: str, device: str, *, stream: Stream
) -> Tensor:
    """Return the readout `[N, C]` summed over `hybrid.steps`, on the CPU.

    Args:
        recipe: the recipe.
        network: converted or trained.
        data: an `ImageSet` or `ImageFolder`.
        split: name of a split, whose order is kept.
        device: where the network is.
        stream: of the encoder's spikes.
    """
    steps, parts = recipe.hybrid.steps, []
    chunks = batches(data, split, IMAGES, scale=make_scale(recipe.data))
    for number, (images, labels) in enumerate(chunks):
        encoder = make_encoder(recipe, steps, stream=stream.child(split, number))
        size = recipe.hybrid.batch_size
        options = {"encoder": encoder, "steps": (steps,), "batch_size": size}
        found = curve(network, images.to(device), labels.to(device), **options)
        parts.append(found.readouts[0].cpu())
    return torch.cat(parts)


def score(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """Return accuracy, mean negative log-likelihood (nats) and ECE of softmax(logits).

    Args:
        logits: `[N, C]`.
        labels: `[N]`.
    """
    probs = torch.softmax(logits.double(), -1).numpy()
    found = {name: float(metric(probs, labels.numpy())) for name, metric in METRICS.items()}
    return {"examples": len(labels), **found}


def definitions(logits: Tensor, labels: Tensor) -> dict[str, str]:
    """Return what each score is, in words."""
    probs = torch.softmax(logits.double(), -1).numpy()
    return {name: metric(probs, labels.numpy()).definition for name, metric in METRICS.items()}
