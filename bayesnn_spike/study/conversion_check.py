"""What a recipe cannot do, said before anything is trained.

Oracle: tests/study/test_conversion_check.py.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase

import torch
from torch import nn

from bayesnn_spike.convert import ConversionError
from bayesnn_spike.convert.build import build
from bayesnn_spike.convert.fold import fold_norms
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.export.values import unknown
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.nn import Graph
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.conversion_build import make_ann, make_neuron, with_rates
from bayesnn_spike.study.conversion_config import RecipeConfig
from bayesnn_spike.study.errors import ConfigError


def build_ann(
    recipe: RecipeConfig, *, shape: tuple[int, int, int], classes: int, stream: Stream
) -> nn.Sequential:
    """Build the ANN of a recipe with its first weights; see `make_ann`.

    Raises:
        ConfigError: the network does not fit the images.
    """
    try:
        return make_ann(recipe, shape=shape, classes=classes, stream=stream)
    except ValueError as error:
        raise ConfigError(f"{recipe.recipe}: network: {error}") from error


def skeleton(recipe: RecipeConfig, ann: nn.Module, shape: tuple[int, int, int]) -> Graph:
    """Build the spiking network of a recipe with the ANN's weights and all thresholds 1.

    Args:
        recipe: `conversion` and `hybrid` are used.
        ann: trained or not; it is not changed.
        shape: channels, height and width of the images.

    Raises:
        ConfigError: the network does not convert.
    """
    try:
        plan = fold_norms(trace(with_rates(ann, recipe.hybrid), torch.zeros(1, *shape)))
    except ConversionError as error:
        raise ConfigError(f"{recipe.recipe}: network: {error}") from error
    ones = {step.name: torch.ones(()) for step in plan.neurons()}
    return build(plan, ones, make_neuron(recipe))


def require_possible(recipe: RecipeConfig, network: Graph) -> None:
    """Check what the configuration alone does not show.

    Args:
        recipe: the recipe.
        network: its `skeleton`.

    Raises:
        ConfigError: with a sentence for each reason.
    """
    wrong = [*_steps(recipe, network), *_horizon(recipe, network), *_fixed(recipe, network)]
    if wrong:
        raise ConfigError(f"{recipe.recipe}: " + "\n  ".join(wrong))


def _steps(recipe: RecipeConfig, network: Graph) -> Iterator[str]:
    """Too few for the delayed order."""
    for key, steps in (
        ("conversion.steps", recipe.conversion.steps),
        ("hybrid.steps", recipe.hybrid.steps),
    ):
        try:
            network.require_steps(steps)
        except ValueError as error:
            yield f"{key}: {error}"


def _horizon(recipe: RecipeConfig, network: Graph) -> Iterator[str]:
    """Too short for the gradient to reach the first layer."""
    horizon, (_, depth) = recipe.hybrid.horizon, network.delays()
    if horizon is not None and horizon <= depth < recipe.hybrid.steps:
        yield (
            f"hybrid.horizon: within {horizon} time steps no gradient crosses {depth} spiking "
            "layers in the delayed order, one step each: the first layers would never learn; take "
            f"at least {depth + 1}, or null"
        )


def _fixed(recipe: RecipeConfig, network: Graph) -> Iterator[str]:
    """Thresholds for neurons that are not there."""
    names = [n for n in network.reads() if isinstance(network.get_submodule(n), ThresholdNeuron)]
    for pattern in recipe.conversion.thresholds.fixed:
        if not any(fnmatchcase(name, pattern) for name in names):
            message = unknown(pattern, names, what="neurons")
            yield f"conversion.thresholds.fixed: {message}"
