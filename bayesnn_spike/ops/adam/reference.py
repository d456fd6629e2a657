"""The oracle of `adam`: PyTorch, an operation a line."""

import torch
from torch import Tensor


def adam(
    values: Tensor,
    grad: Tensor,
    mean: Tensor,
    square: Tensor,
    step: tuple[float, float, float, float, int],
) -> tuple[Tensor, Tensor, Tensor]:
    """Values, mean and mean square after a step."""
    lr, beta1, beta2, eps, count = step
    first, second = 1 - beta1**count, 1 - beta2**count
    mean = torch.lerp(mean, grad, 1 - beta1)
    square = (square * beta2).addcmul_(grad, grad, value=1 - beta2)
    scale = (square / second).sqrt_().add_(eps)
    return torch.addcdiv(values, mean, scale, value=-lr / first), mean, square
