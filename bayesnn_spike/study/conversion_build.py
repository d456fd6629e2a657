"""From a recipe of a conversion to the library's values: images, networks, optimizers, thresholds.

    data = make_images(recipe.data, root="cifar-10-batches-bin")
    ann = make_ann(recipe, shape=data.shape, classes=len(data.classes), stream=stream)
    ...                                       # train it, with make_optimizer and lr_factor
    images = calibration_images(recipe, data, stream=stream)
    found = make_conversion(recipe, ann, images, stream=stream)

Oracle: tests/study/test_conversion_build.py.
"""

import copy
import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from bayesnn_spike.convert import Conversion, Maximum, NeuronOptions, Percentile, convert
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.events.datasets import (
    Augment,
    ImageFolder,
    ImageSet,
    RandomCrop,
    Scale,
    batches,
    image_folder,
    load_still,
)
from bayesnn_spike.export.values import make
from bayesnn_spike.learn import RateCrossEntropy, SummedCrossEntropy
from bayesnn_spike.models import resnet, vgg
from bayesnn_spike.neurons import Delayed, Immediate, ThresholdNeuron
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.conversion_config import (
    FOLDER,
    INITS,
    RESNET_FORMS,
    VGG_FORMS,
    ImagesConfig,
    RecipeConfig,
)
from bayesnn_spike.study.training_config import RATIO_SURROGATES, HybridConfig, TrainingConfig


def make_images(
    config: ImagesConfig, *, root: Path | str | None = None, download: bool = False
) -> ImageSet | ImageFolder:
    """Load the images of a recipe; a folder's are found, not read.

    Args:
        config: the recipe's `data`.
        root: folder or file of the data set. Default: its name inside the cache.
        download: fetch what is missing first; not of a folder.

    Raises:
        DataSetError, EventFileError: as `load_still` and `image_folder`.
    """
    if config.name == FOLDER:
        keys = ("seed", "val_size", "side", "resize", "workers")
        return image_folder(root=root, **{key: getattr(config, key) for key in keys})
    keys = ("seed", "train_size", "val_size", "calib_size")
    options = {key: getattr(config, key) for key in keys}
    return load_still(config.name, root=root, download=download, **options)


def make_scale(config: ImagesConfig) -> Scale:
    """Return how bytes become numbers."""
    return Scale(config.scale.mean, config.scale.deviation)


def make_augment(config: ImagesConfig) -> Augment | RandomCrop | None:
    """Return the augmentation of training images."""
    if config.augment is None:
        return None
    options = config.augment.model_dump(exclude={"kind"})
    return RandomCrop(**options) if config.augment.kind == "crop" else Augment(**options)


def make_ann(
    recipe: RecipeConfig,
    *,
    shape: tuple[int, int, int],
    classes: int,
    stream: Stream,
    device: str = "cpu",
) -> nn.Sequential:
    """Build the ANN with its first weights.

    Args:
        recipe: its `network` is built.
        shape: channels, height and width of the images.
        classes: C.
        stream: of first weights and dropout.
        device: "cpu", or "meta" for shapes without weights.
    """
    config = recipe.network
    options = {
        "stream": stream,
        "shape": shape,
        "dropout": config.dropout,
        "init": make(INITS, config.init, what="init"),
        "device": device,
    }
    if config.model == "vgg":
        form = VGG_FORMS[config.form].scaled(config.width)
        return vgg(form, classes, dropout_fc=config.dropout_fc, **options)
    return resnet(RESNET_FORMS[config.form].scaled(config.width), classes, **options)


def make_optimizer(
    config: TrainingConfig, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Return the optimizer at its first step size; multiply that by `lr_factor` every epoch."""
    options = config.optimizer.model_dump(exclude={"kind"})
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[config.optimizer.kind](parameters, **options)


def lr_factor(config: TrainingConfig, epoch: float, *, per_epoch: int = 1) -> float:
    """Return the step size as a part of the first one.

    Args:
        config: of the training.
        epoch: passes done, from 0; a fraction within one changes cosines only.
        per_epoch: how often in an epoch this is asked. A warm-up rises by equal steps up to 1, and
            its first one is not 0.
    """
    schedule, epochs = config.schedule, config.epochs
    if schedule.kind == "steps":
        passed = sum(epoch >= int(round(share * epochs, 6)) for share in schedule.at)
        return schedule.divide_by**-passed
    if schedule.kind == "every":
        return schedule.divide_by ** -(int(epoch) // schedule.epochs)
    if schedule.kind == "cosine":
        done, warm = epoch / epochs, schedule.warm_up
        if done < warm:
            return min(1.0, (done + 1 / (epochs * per_epoch)) / warm)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warm) / (1 - warm))))
    return 1.0


def calibration_images(
    recipe: RecipeConfig, data: ImageSet | ImageFolder, *, stream: Stream
) -> Tensor:
    """Return random training images, scaled and not augmented, that thresholds are found with.

    Args:
        recipe: `conversion.images` of them.
        data: has the split `train`.
        stream: chooses them.

    Returns:
        `[n, C, H, W]` float32; n is smaller where there are fewer.
    """
    chosen = stream.child("calibration")
    scale, size = make_scale(recipe.data), recipe.conversion.images
    return next(batches(data, "train", size, stream=chosen, scale=scale)).images


def make_conversion(
    recipe: RecipeConfig, ann: nn.Module, images: Tensor, *, stream: Stream
) -> Conversion:
    """Convert a trained ANN as the recipe says, with the dropout rates of its second training.

    Args:
        recipe: `conversion` and `hybrid` are used.
        ann: it is not changed.
        images: `[n, *in]`, as `calibration_images` returns them.
        stream: of the encoder's spikes.

    Raises:
        ConversionError, ValueError: as `convert`.
    """
    config = recipe.conversion
    fixed = tuple(config.thresholds.fixed.items())
    if config.thresholds.kind == "maximum":
        thresholds = Maximum(config.thresholds.scale, fixed)
    else:
        thresholds = Percentile(config.thresholds.q, config.thresholds.scale, fixed)
    encoder = make_encoder(recipe, config.steps, stream=stream)
    twin, neuron = with_rates(ann, recipe.hybrid), make_neuron(recipe)
    return convert(twin, images, thresholds=thresholds, encoder=encoder, neuron=neuron)


def make_neuron(recipe: RecipeConfig) -> NeuronOptions:
    """Return the options of a recipe's neurons as they are converted: without leak."""
    config, hybrid = recipe.conversion, recipe.hybrid
    return NeuronOptions(
        order=Delayed() if config.order == "delayed" else Immediate(),
        v_init=config.v_init,
        surrogate=make(RATIO_SURROGATES, hybrid.surrogate, what="surrogate"),
        learn_threshold=hybrid.learn_threshold,
        learn_leak=hybrid.learn_leak,
    )


@torch.no_grad()
def set_leaks(recipe: RecipeConfig, network: nn.Module) -> None:
    """Give a converted network's neurons the leak of the training through time, in place."""
    for module in network.modules():
        if isinstance(module, ThresholdNeuron):
            module.leak.fill_(recipe.hybrid.leak)


def make_encoder(recipe: RecipeConfig, steps: int, *, stream: Stream) -> Direct | SignedRate:
    """Return the encoder of a recipe for so many time steps; `stream` draws its spikes."""
    if recipe.conversion.encoder == "direct":
        return Direct(steps)
    return SignedRate(steps, stream)


def make_loss(config: HybridConfig) -> SummedCrossEntropy | RateCrossEntropy:
    """Return the loss on the readout's sum or mean over time."""
    return SummedCrossEntropy() if config.readout == "sum" else RateCrossEntropy()


def with_rates(ann: nn.Module, config: HybridConfig) -> nn.Module:
    """Return a copy of a network with the dropout rates of the second training."""
    twin = copy.deepcopy(ann)
    for name, module in twin.named_modules():
        rate = config.dropout_fc if name.startswith("fc_") else config.dropout
        if isinstance(module, nn.Dropout) and rate is not None:
            module.p = rate
    return twin
