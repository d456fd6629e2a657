"""From recipes to the library's values; one step of each training on small files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from bayesnn_spike.convert import Maximum, Percentile
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.events.datasets import Augment, ImageFolder, ImageSet, RandomCrop, Scale, batches
from bayesnn_spike.learn import RateCrossEntropy, SummedCrossEntropy
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.ops.fire.spike_time import Delayed, LinearRatio, SpikeTime
from bayesnn_spike.rng import Stream
from bayesnn_spike.study import conversion_build as build
from bayesnn_spike.study.conversion_config import RecipeConfig
from bayesnn_spike.study.training_config import TrainingConfig
from tests.events.image_files import write_cifar10, write_image_folder
from tests.study.test_conversion_config import TREE


def recipe(**blocks) -> RecipeConfig:
    tree = {key: {**value} if isinstance(value, dict) else value for key, value in TREE.items()}
    tree["network"] |= {"width": 1 / 16}
    for name, changed in blocks.items():
        tree[name] = {**tree[name], **changed}
    return RecipeConfig.model_validate(tree)


def ann_of(config: RecipeConfig) -> nn.Sequential:
    return build.make_ann(config, shape=(3, 32, 32), classes=10, stream=Stream(1))


def test_images_in_memory(tmp_path):
    write_cifar10(tmp_path, 20)
    config = recipe(
        data={"val_size": 10, "calib_size": 10, "augment": {"kind": "shift", "shift": 4}}
    )
    data = build.make_images(config.data, root=tmp_path)
    assert isinstance(data, ImageSet)
    assert [len(split) for split in data.splits.values()] == [80, 10, 10, 20]
    assert build.make_augment(config.data) == Augment(4)
    assert build.make_augment(recipe().data) is None
    assert build.make_scale(config.data) == Scale(0.5, 0.5)


def test_images_of_a_folder(tmp_path):
    write_image_folder(tmp_path, [(40, 36)] * 3)
    block = {"name": "image-folder", "side": 24, "resize": 32, "val_size": 2, "workers": 2}
    config = recipe(data={**block, "augment": {"kind": "crop", "least_area": 0.5}})
    data = build.make_images(config.data, root=tmp_path)
    assert isinstance(data, ImageFolder)
    assert (data.shape, data.workers, len(data.splits["val"])) == ((3, 24, 24), 2, 2)
    assert build.make_augment(config.data) == RandomCrop(0.5)


def test_networks_have_the_width_rates_and_first_weights_that_are_asked_for():
    network = {"dropout": 0.1, "dropout_fc": 0.4, "init": {"kind": "fan_in", "head_gain": 0.5}}
    found = ann_of(recipe(network=network))
    assert (found.conv2.out_channels, found.fc1.out_features) == (8, 256)
    assert (found.dropout2.p, found.fc_dropout1.p) == (0.1, 0.4)
    spread = float(found.head.weight.detach().std())
    assert spread == pytest.approx(0.5 * (2 / 256) ** 0.5, rel=0.1)
    residual = {"model": "resnet", "form": "ResNet8", "dropout": 0.3}
    other = ann_of(recipe(network=residual))
    assert (other.conv1.out_channels, other.block2.dropout.p) == (4, 0.3)
    torch.testing.assert_close(ann_of(recipe(network=network)).conv1.weight, found.conv1.weight)


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        ({"kind": "sgd", "lr": 0.1, "nesterov": True, "weight_decay": 5e-4}, torch.optim.SGD),
        ({"kind": "adam", "lr": 0.1, "amsgrad": True}, torch.optim.Adam),
        ({"kind": "adamw", "lr": 0.1}, torch.optim.AdamW),
    ],
)
def test_optimizers(block, kind):
    config = TrainingConfig(epochs=1, optimizer=block)
    found = build.make_optimizer(config, [nn.Parameter(torch.zeros(2))])
    assert type(found) is kind
    (group,) = found.param_groups
    assert all(group[key] == value for key, value in block.items() if key != "kind")
    # Weight decay is what the file says, and none where it says nothing.
    assert group["weight_decay"] == block.get("weight_decay", 0.0)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"kind": "constant"}, {0: 1, 9: 1}),
        ({"kind": "steps", "at": [0.6, 0.8]}, {0: 1, 5.9: 1, 6: 0.1, 7: 0.1, 8: 0.01, 9: 0.01}),
        ({"kind": "every", "epochs": 5, "divide_by": 2}, {0: 1, 4: 1, 5: 0.5, 9: 0.5, 10: 0.25}),
        ({"kind": "cosine"}, {0: 1, 5: 0.5, 10: 0}),
        ({"kind": "cosine", "warm_up": 0.2}, {0: 0.5, 1: 1, 2: 1, 6: 0.5, 10: 0}),
    ],
)
def test_step_sizes_by_hand(schedule, expected):
    block = {"kind": "sgd", "lr": 1}
    config = TrainingConfig(epochs=10, optimizer=block, schedule=schedule)
    for epoch, factor in expected.items():
        assert build.lr_factor(config, epoch) == pytest.approx(factor, abs=1e-12)


@pytest.mark.parametrize(("share", "epochs"), [(0.58, 50), (0.29, 100), (0.57, 100), (0.28, 25)])
def test_a_share_loses_no_epoch_to_rounding(share: float, epochs: int):
    schedule = {"kind": "steps", "at": [share]}
    block = {"kind": "sgd", "lr": 1}
    config = TrainingConfig(epochs=epochs, optimizer=block, schedule=schedule)
    last = round(share * epochs)
    assert [build.lr_factor(config, epoch) for epoch in (last - 1, last)] == [1, 0.1]


def test_a_warm_up_does_not_begin_with_nothing():
    """Two epochs of five steps: a tenth, two tenths, ... and 1 before the cosine begins."""
    schedule = {"kind": "cosine", "warm_up": 0.2}
    config = TrainingConfig(epochs=10, optimizer={"kind": "sgd", "lr": 1}, schedule=schedule)
    found = [build.lr_factor(config, step / 5, per_epoch=5) for step in range(11)]
    assert found == pytest.approx([(step + 1) / 10 for step in range(10)] + [1])


def test_losses_and_encoders():
    assert build.make_loss(recipe().hybrid) == SummedCrossEntropy()
    assert build.make_loss(recipe(hybrid={"readout": "mean"}).hybrid) == RateCrossEntropy()
    direct = recipe(conversion={"encoder": "direct"})
    assert build.make_encoder(direct, 7, stream=Stream(1)) == Direct(7)
    assert build.make_encoder(recipe(), 7, stream=Stream(1)) == SignedRate(7, Stream(1))


def test_the_second_training_has_rates_of_its_own():
    before = ann_of(recipe(network={"dropout": 0.2, "dropout_fc": 0.5}))
    after = build.with_rates(before, recipe(hybrid={"dropout": 0.1, "dropout_fc": 0.3}).hybrid)
    kept = build.with_rates(before, recipe().hybrid)
    rates = [(net.dropout2.p, net.fc_dropout1.p) for net in (before, after, kept)]
    assert rates == [(0.2, 0.5), (0.1, 0.3), (0.2, 0.5)]


def test_a_conversion_is_what_the_recipe_says(monkeypatch):
    """The arguments that `convert` gets, value by value."""
    seen = {}
    monkeypatch.setattr(build, "convert", lambda *args, **kwargs: seen.update(kwargs) or args)
    config = recipe(
        conversion={
            "thresholds": {"kind": "percentile", "q": 99.7, "scale": 0.3, "fixed": {"block*": 1}},
            "steps": 50,
            "v_init": 0.5,
        },
        hybrid={"surrogate": {"kind": "linear", "gamma": 0.4}, "leak": 0.99, "learn_leak": True},
    )
    ann, images = ann_of(config), torch.zeros(2, 3, 32, 32)
    twin, given = build.make_conversion(config, ann, images, stream=Stream(2))
    assert given is images
    assert twin is not ann
    assert seen["thresholds"] == Percentile(99.7, 0.3, (("block*", 1.0),))
    assert seen["encoder"] == SignedRate(50, Stream(2))
    neuron = seen["neuron"]
    # conversions integrate without leak; it comes with the training through time
    assert (neuron.order, neuron.v_init, neuron.leak) == (Delayed(), 0.5, 1.0)
    assert (neuron.surrogate, neuron.learn_leak, neuron.learn_threshold) == (
        *(LinearRatio(0.4), True, False),
    )
    build.make_conversion(recipe(), ann, images, stream=Stream(2))
    assert seen["thresholds"] == Maximum(0.7)
    assert seen["neuron"].surrogate == SpikeTime()


def test_calibration_images_are_random_and_not_augmented(tmp_path):
    write_cifar10(tmp_path, 20)
    config = recipe(
        data={"val_size": 10, "augment": {"kind": "shift", "shift": 4}}, conversion={"images": 12}
    )
    data = build.make_images(config.data, root=tmp_path)
    one, same = (build.calibration_images(config, data, stream=Stream(1)) for _ in range(2))
    assert one.shape == (12, 3, 32, 32)
    assert torch.equal(one, same)
    whole = Scale(0.5, 0.5)(data.images)
    found = [int((whole == image).flatten(1).all(1).nonzero()) for image in one]
    assert set(found) <= set(data.splits["train"].indices.tolist())
    assert found != sorted(found)


def test_from_files_to_a_step_of_hybrid_training(tmp_path: Path):
    """CIFAR-10 files, one step of the ANN, conversion, one step of the spiking network."""
    write_cifar10(tmp_path, 10)
    config = recipe(
        data={"val_size": 10, "augment": {"kind": "shift", "shift": 4, "flip": True}},
        network={"init": {"kind": "fan_in", "head_gain": 0.5}},
        conversion={"images": 8, "steps": 30},
        hybrid={"steps": 40},
    )
    data = build.make_images(config.data, root=tmp_path)
    ann, stream = ann_of(config), Stream(3)
    options = {"augment": build.make_augment(config.data), "scale": build.make_scale(config.data)}
    images, labels = next(batches(data, "train", 8, stream=stream, **options))
    optimizer = build.make_optimizer(config.ann, ann.parameters())
    before = ann.conv1.weight.detach().clone()
    cross_entropy(ann.train()(images), labels).backward()
    optimizer.step()
    assert not torch.equal(ann.conv1.weight, before)

    some = build.calibration_images(config, data, stream=stream)
    network = build.make_conversion(config, ann, some, stream=stream).network
    neurons = [m for m in network.modules() if isinstance(m, ThresholdNeuron)]
    assert len(neurons) == 5
    assert all(isinstance(neuron.order, Delayed) for neuron in neurons)
    torch.testing.assert_close(network.conv1.weight.detach(), ann.conv1.weight.detach())
    encoder = build.make_encoder(config, config.hybrid.steps, stream=stream)
    optimizer = build.make_optimizer(config.hybrid, network.parameters())
    readout, _ = network.train()(encoder.encode(images))
    loss = build.make_loss(config.hybrid)(readout, labels)
    loss.sum().backward()
    before = network.head.weight.detach().clone()
    optimizer.step()
    assert readout.shape == (40, 8, 10)
    assert np.isfinite(float(loss.detach()))
    assert not torch.equal(network.head.weight, before)
