"""Train the networks that are converted: ordinary ReLU networks without biases."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayesnn_spike.events.datasets.image_augment import Augment
from bayesnn_spike.events.datasets.image_batch import batches
from bayesnn_spike.events.datasets.still import ImageSet
from bayesnn_spike.models.ann import reseed
from bayesnn_spike.rng import Stream


@dataclass(frozen=True)
class AnnRecipe:
    """AdamW, one tenth of linear warm-up, then a cosine to zero.

    Attributes:
        epochs: passes over the training images.
        batch: images a step.
        lr: largest step size.
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
    """

    epochs: int
    batch: int = 128
    lr: float = 2e-3
    weight_decay: float = 1e-3
    clip: float = 5.0


def train(
    ann: nn.Module,
    data: ImageSet,
    recipe: AnnRecipe,
    augment: Augment,
    stream: Stream,
    log: Callable[[int, float], None],
) -> None:
    """Train an ANN in place on the split `train`; `log` gets every epoch and its mean loss.

    Bounds of quantised activations learn ten times faster and do not decay.
    """
    ann.to(memory_format=torch.channels_last)
    named = dict(ann.named_parameters())
    bounds = [p for name, p in named.items() if name.endswith(".bound")]
    others = [p for name, p in named.items() if not name.endswith(".bound")]
    groups = [
        {"params": others, "lr": recipe.lr, "weight_decay": recipe.weight_decay},
        {"params": bounds, "lr": 10 * recipe.lr, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]])
    a_pass = math.ceil(len(data.splits["train"].indices) / recipe.batch)
    steps = recipe.epochs * a_pass
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    for epoch in range(recipe.epochs):
        ann.train()
        own, total = stream.child("epoch", epoch), 0.0
        reseed(ann, own.child("dropout"))
        for images, labels in batches(data, "train", recipe.batch, stream=own, augment=augment):
            loss = F.cross_entropy(
                ann(images.contiguous(memory_format=torch.channels_last)), labels
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(ann.parameters(), recipe.clip)
            optimizer.step()
            schedule.step()
            total += loss.item()
        ann.eval()
        log(epoch, total / a_pass)


def _rate(step: int, steps: int) -> float:
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@torch.no_grad()
def logits(ann: nn.Module, images: Tensor, batch: int = 500) -> Tensor:
    """Logits `[N, C]` of images `[N, C, H, W]`."""
    ann.eval()
    return torch.cat([ann(chunk) for chunk in images.split(batch)])
