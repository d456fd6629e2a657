"""A recipe that runs in seconds, and images in the true format that it can learn."""

from pathlib import Path
from typing import Any

import numpy as np

from bayesnn_spike.events.datasets import ImageSet
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.conversion_config import RecipeConfig
from bayesnn_spike.study.conversion_data import load_images
from bayesnn_spike.study.conversion_work import Work, settings_of
from tests.events.image_files import write_cifar10

TREE: dict[str, Any] = {
    "recipe": "tiny",
    "data": {
        "name": "cifar10",
        "val_size": 10,
        "scale": {"mean": 0.5, "deviation": 0.5},
        "augment": {"kind": "shift", "shift": 1},
    },
    "network": {
        "model": "vgg",
        "form": "VGG5",
        "width": 1 / 16,
        "dropout": 0.1,
        "init": {"kind": "fan_in", "head_gain": 0.5},
    },
    "ann": {
        "epochs": 2,
        "batch_size": 16,
        "optimizer": {"kind": "sgd", "lr": 0.02, "weight_decay": 5e-4, "nesterov": True},
        "schedule": {"kind": "cosine", "warm_up": 0.1},
        "clip": 5.0,
    },
    "conversion": {
        "thresholds": {"kind": "maximum", "scale": 0.7},
        "encoder": "signed_rate",
        "images": 16,
        "steps": 20,
        "order": "delayed",
    },
    "hybrid": {
        "steps": 12,
        "epochs": 1,
        "batch_size": 16,
        "optimizer": {"kind": "adam", "lr": 1e-3, "weight_decay": 5e-4},
        "schedule": {"kind": "every", "epochs": 1, "divide_by": 2},
        "surrogate": {"kind": "linear", "gamma": 0.3},
        "leak": 0.95,
        "horizon": 6,
        "clip": 5.0,
    },
    "reported": {"hybrid": 86.91},
}


def recipe(**blocks: dict[str, Any]) -> RecipeConfig:
    """The tiny recipe, with some keys of its blocks changed."""
    tree = {key: {**v} if isinstance(v, dict) else v for key, v in TREE.items()}
    for name, changed in blocks.items():
        tree[name] = {**tree[name], **changed}
    return RecipeConfig.model_validate(tree)


def write_images(folder: Path, per_file: int = 10) -> Path:
    """Files of CIFAR-10 in which a bright band, three rows high, tells the class."""
    write_cifar10(folder, per_file)
    for file in sorted(folder.glob("*.bin")):
        records = np.frombuffer(file.read_bytes(), np.uint8).reshape(-1, 3073).copy()
        images = records[:, 1:].reshape(-1, 3, 32, 32)
        images //= 8
        for row, label in enumerate(records[:, 0]):
            images[row, :, 3 * label + 1 : 3 * label + 4] += 200
        file.write_bytes(records.tobytes())
    return folder


def work(config: RecipeConfig, root: Path, folder: Path, seed: int = 0, **options: Any) -> Work:
    """One run of a recipe on the files in `root`."""
    data = load_images(config, root)
    assert isinstance(data, ImageSet)
    return Work(config, data, folder, Stream(seed), settings_of(config, data, seed), **options)
