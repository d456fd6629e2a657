"""The configuration of a conversion: an ANN, its conversion, and the training that follows.

    recipe: cifar10_vgg5
    data: {name: cifar10, scale: {mean: 0.5, deviation: 0.5}, augment: {kind: shift, shift: 4}}
    network: {model: vgg, form: VGG5, dropout: 0.2}
    ann: {epochs: 300, optimizer: {kind: sgd, lr: 0.01}, schedule: {kind: steps, at: [0.6, 0.8]}}
    conversion: {thresholds: {kind: maximum, scale: 0.7}, encoder: signed_rate, order: delayed}
    hybrid: {steps: 75, epochs: 20, optimizer: {kind: adam, lr: 1e-4}}

`bayesnn_spike/study/conversion_build.py` makes the library's values of it; recipes for the
published networks are in `studies/hybrid_conversion/recipes`.
Oracle: tests/study/test_conversion_config.py.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from bayesnn_spike.events.datasets import still_names
from bayesnn_spike.export.values import Table
from bayesnn_spike.models.ann import FanIn, Published
from bayesnn_spike.models.resnet import RESNETS
from bayesnn_spike.models.small import SMALL_RESNET, SMALL_VGG
from bayesnn_spike.models.vgg import VGGS
from bayesnn_spike.study.config import read_tree
from bayesnn_spike.study.strict import Strict, plain, unknown_key
from bayesnn_spike.study.training_config import HybridConfig, Share, TrainingConfig, named

FOLDER = "image-folder"
VGG_FORMS = {**VGGS, "small": SMALL_VGG}
RESNET_FORMS = {**RESNETS, "small": SMALL_RESNET}
INITS: Table = {"published": Published, "fan_in": FanIn}


def _among(known: dict[str, Any] | tuple[str, ...], what: str) -> AfterValidator:
    """A pydantic check: the name must be among the known ones."""

    def check(name: str) -> str:
        if name not in known:
            raise ValueError(unknown_key(name, known, what=what))
        return name

    return AfterValidator(check)


InitName = Annotated[str | dict[str, Any], named(INITS, "init")]


class ScaleConfig(Strict):
    """From bytes to numbers, (byte / 255 - mean) / deviation; see `events.datasets.Scale`."""

    mean: float = 0.0
    deviation: PositiveFloat = 1.0


class ShiftAugment(Strict):
    """`events.datasets.Augment`: of images in memory."""

    kind: Literal["shift"]
    shift: NonNegativeInt = 0
    flip: bool = False


class CropAugment(Strict):
    """`events.datasets.RandomCrop`: of an image folder."""

    kind: Literal["crop"]
    least_area: Annotated[float, Field(ge=0, le=1)] = 0.08
    flip: bool = True


class ImagesConfig(Strict):
    """Images, their splits, and how they become numbers.

    Attributes:
        name: of `events.datasets.load_still`, or `image-folder` for ImageNet and its like.
        seed: of the splits.
        val_size, calib_size: training images that are kept from training.
        train_size: images in `train`; null is all others. Not of a folder, as `calib_size`.
        scale, augment: of training and test, and of training alone.
        side, resize, workers: of a folder, see `events.datasets.image_folder`.
    """

    name: Annotated[str, _among((*still_names(), FOLDER), "data set")]
    seed: NonNegativeInt = 0
    val_size: NonNegativeInt = 5000
    calib_size: NonNegativeInt = 0
    train_size: PositiveInt | None = None
    scale: ScaleConfig = ScaleConfig()
    augment: Annotated[ShiftAugment | CropAugment, Field(discriminator="kind")] | None = None
    side: PositiveInt = 224
    resize: PositiveInt = 256
    workers: PositiveInt = 1

    @model_validator(mode="after")
    def _consistent(self) -> "ImagesConfig":
        folder = self.name == FOLDER
        if self.augment is not None and (self.augment.kind == "crop") != folder:
            right = "crop" if folder else "shift"
            raise ValueError(f"augment: {self.name} takes kind {right!r}")
        wrong = self.model_fields_set & self.foreign()
        if wrong:
            raise ValueError(f"{', '.join(sorted(wrong))}: {self.name} has no such option")
        return self

    def foreign(self) -> set[str]:
        """Return the keys that this data set does not have."""
        if self.name == FOLDER:
            return {"train_size", "calib_size"}
        return {"side", "resize", "workers"}


class VggConfig(Strict):
    """`models.vgg`. `width` multiplies all channels and hidden units."""

    model: Literal["vgg"]
    form: Annotated[str, _among(VGG_FORMS, "VGG")]
    width: PositiveFloat = 1.0
    dropout: Share = 0.2
    dropout_fc: Share | None = None
    init: InitName = "published"


class ResNetConfig(Strict):
    """`models.resnet`. `width` multiplies all channels."""

    model: Literal["resnet"]
    form: Annotated[str, _among(RESNET_FORMS, "residual network")]
    width: PositiveFloat = 1.0
    dropout: Share = 0.2
    init: InitName = "published"


class MaximumThresholds(Strict):
    """`convert.Maximum`. `fixed`: given thresholds by patterns of neurons' names, not scaled."""

    kind: Literal["maximum"]
    scale: PositiveFloat = 1.0
    fixed: dict[str, PositiveFloat] = Field(default_factory=dict)


class PercentileThresholds(Strict):
    """`convert.Percentile`. `fixed` as of the maximum."""

    kind: Literal["percentile"]
    q: Annotated[float, Field(gt=0, le=100)]
    scale: PositiveFloat = 1.0
    fixed: dict[str, PositiveFloat] = Field(default_factory=dict)


class ConversionConfig(Strict):
    """How the trained ANN becomes spiking.

    Attributes:
        encoder: `signed_rate` draws spikes of -1 and 1 and needs inputs in [-1, 1]; `direct` shows
            the numbers at every step.
        images, steps: thresholds are found with so many training images over so many time steps.
        order: `delayed` is the paper's, with one step of latency a layer.
        v_init: the membrane at rest as a part of the threshold.
    """

    thresholds: Annotated[MaximumThresholds | PercentileThresholds, Field(discriminator="kind")]
    encoder: Literal["signed_rate", "direct"] = "signed_rate"
    images: PositiveInt = 512
    steps: PositiveInt = 1000
    order: Literal["delayed", "immediate"] = "delayed"
    v_init: Annotated[float, Field(ge=0, le=1)] = 0.0


class ReportedConfig(Strict):
    """Published accuracies in per cent, to compare with; nothing is computed from them.

    Attributes:
        ann: of the ANN.
        converted: of the converted network after `hybrid.steps`, as it is scored here; published
            tables also have it after thousands of steps.
        hybrid: of the trained spiking network after as many.
    """

    ann: PositiveFloat | None = None
    converted: PositiveFloat | None = None
    hybrid: PositiveFloat | None = None


class RecipeConfig(Strict):
    """A whole recipe. See the module's docstring for an example."""

    recipe: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    data: ImagesConfig
    network: Annotated[VggConfig | ResNetConfig, Field(discriminator="model")]
    ann: TrainingConfig
    conversion: ConversionConfig
    hybrid: HybridConfig
    reported: ReportedConfig = ReportedConfig()

    @model_validator(mode="after")
    def _consistent(self) -> "RecipeConfig":
        low = -self.data.scale.mean / self.data.scale.deviation
        high = (1 - self.data.scale.mean) / self.data.scale.deviation
        if self.conversion.encoder == "signed_rate" and (low < -1 or high > 1):
            raise ValueError(
                f"conversion.encoder: signed_rate needs inputs in [-1, 1], but data.scale gives "
                f"[{low:g}, {high:g}]"
            )
        if self.network.model == "resnet" and self.hybrid.dropout_fc is not None:
            raise ValueError("hybrid.dropout_fc: a residual network has one rate, hybrid.dropout")
        return self


def whole(recipe: RecipeConfig) -> dict[str, Any]:
    """Return a recipe as JSON values, defaults filled in, that is the same recipe when read."""
    tree = recipe.model_dump(mode="json")
    tree["data"] = {k: v for k, v in tree["data"].items() if k not in recipe.data.foreign()}
    return tree


def load_recipe(path: Path, settings: tuple[str, ...] = ()) -> RecipeConfig:
    """Read and check a recipe; `settings` are `path=value` overrides.

    Raises:
        ConfigError: the file cannot be read, a key is unknown (with the nearest right one), or a
            value is not allowed. The message names every wrong key with its path.
    """
    tree, where = read_tree(path, settings, what="a recipe")
    try:
        return RecipeConfig.model_validate(tree)
    except ValidationError as error:
        raise plain(error, where=where, tree=tree) from error
