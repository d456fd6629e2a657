"""Run a network without what it does in training only."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put all modules in evaluation mode, and every one back into its own mode afterwards.

    A module in training mode would drop units or update batch statistics while it predicts.
    """
    training = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode
