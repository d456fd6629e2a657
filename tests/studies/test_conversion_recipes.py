"""studies/hybrid_conversion/recipes: all load and build, and the small ones train and convert."""

import re
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from bayesnn_spike.events.datasets import batches
from bayesnn_spike.rng import Stream
from bayesnn_spike.study import conversion_build as build
from bayesnn_spike.study.conversion_check import require_possible, skeleton
from bayesnn_spike.study.conversion_config import load_recipe
from tests.events.image_files import write_cifar10, write_cifar100, write_image_folder
from tests.models.counts import count

FOLDER = Path(__file__).resolve().parents[2] / "studies" / "hybrid_conversion" / "recipes"
RECIPES = sorted(FOLDER.glob("*.yaml"))
SHAPES = {"cifar10": ((3, 32, 32), 10), "cifar100": ((3, 32, 32), 100)}
IMAGENET = ((3, 224, 224), 1000)


def test_there_is_a_recipe_for_every_published_network():
    assert [path.stem for path in RECIPES] == [
        *("cifar100_vgg11", "cifar10_resnet20", "cifar10_resnet8", "cifar10_vgg16"),
        *("cifar10_vgg5", "cifar10_vgg9", "imagenet_resnet34", "imagenet_vgg16"),
    ]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_loads_builds_and_is_in_the_table(path):
    """The README's row: weights, multiplications, neurons and T of the network that is built."""
    recipe = load_recipe(path)
    assert recipe.recipe == path.stem
    shape, classes = SHAPES.get(recipe.data.name, IMAGENET)
    options = {"shape": shape, "classes": classes, "stream": Stream(0), "device": "meta"}
    network = build.make_ann(recipe, **options)
    found = count(network, shape)
    rows = (FOLDER / "README.md").read_text().splitlines()
    # The second table, of what a run costs, has fewer columns.
    own = (line for line in rows if line.startswith(f"| `{path.stem}` |"))
    (row,) = (line for line in own if line.count("|") == 7)
    weights, macs, neurons, steps = (cell.strip() for cell in row.split("|")[3:7])
    million = f"{found.macs / 1e6:.1f} M" if found.macs < 1e9 else f"{found.macs / 1e9:.2f} G"
    assert weights == f"{found.parameters / 1e6:.2f} M"
    assert (macs, neurons) == (million, f"{found.neurons:,}")
    assert int(steps) == recipe.hybrid.steps
    # The delayed order gives chance at T up to the number of spiking layers.
    assert recipe.conversion.order == "delayed"
    assert recipe.hybrid.steps > 2 * found.layers


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_numbers_that_are_not_verified_are_marked(path):
    """Every published number has a note, and those from memory say so."""
    text = path.read_text()
    reported = text[text.index("reported:") :].splitlines()[1:]
    assert len(reported) == 3
    assert all(
        re.search(r"# (reconstructed|as later papers|the abstract|agrees)", r) for r in reported
    )
    assert "reconstructed" in text
    # That of the conversion is at the T of the training: after 2,500 steps it is the higher one.
    found = load_recipe(path).reported
    assert found.converted < found.hybrid <= found.ann


SMALL = ("network.width=0.04", "data.val_size=10", "ann.batch_size=6", "network.init=fan_in")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_possible(path):
    """As the command checks it before anything is trained; thinner, with all its layers."""
    recipe = load_recipe(path, ("network.width=0.04",))
    shape, classes = SHAPES.get(recipe.data.name, IMAGENET)
    if "imagenet_vgg" in path.stem:
        shape = (3, 32, 32)
    ann = build.make_ann(recipe, shape=shape, classes=classes, stream=Stream(0))
    network = skeleton(recipe, ann, shape)
    require_possible(recipe, network)
    assert network.delays()[1] > 4


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_one_step_of_the_ann_on_small_files_in_the_true_format(path, tmp_path):
    name = load_recipe(path).data.name
    settings = SMALL
    if name == "cifar10":
        write_cifar10(tmp_path, 10)
    elif name == "cifar100":
        write_cifar100(tmp_path, 100, 100)
        settings = (*SMALL, "data.val_size=0")
    else:
        write_image_folder(tmp_path, [(90, 70), (60, 80), (71, 71)])
        side = 32 if "vgg" in path.stem else 224  # five poolings of 32, or strides and pools of 224
        settings = (*SMALL, "data.val_size=2", f"data.side={side}", f"data.resize={side}")
        settings += ("data.workers=1", "ann.batch_size=2")
    recipe = load_recipe(path, settings)
    data, stream = build.make_images(recipe.data, root=tmp_path), Stream(1)
    classes = len(data.classes)
    ann = build.make_ann(recipe, shape=data.shape, classes=classes, stream=stream).train()
    optimizer = build.make_optimizer(recipe.ann, ann.parameters())
    options = {"augment": build.make_augment(recipe.data), "scale": build.make_scale(recipe.data)}
    size = recipe.ann.batch_size
    images, labels = next(batches(data, "train", size, stream=stream, **options))
    assert images.shape == (size, *data.shape)
    assert -1 <= float(images.min()) < float(images.max()) <= 1
    before = [parameter.detach().clone() for parameter in ann.parameters()]
    loss = cross_entropy(ann(images), labels)
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    moved = [not torch.equal(p, b) for p, b in zip(ann.parameters(), before, strict=True)]
    assert all(moved)


def test_the_example_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    write_cifar10(tmp_path / "cifar-10-batches-bin", 10)
    monkeypatch.chdir(tmp_path)
    text = (FOLDER / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    short = ("ann.epochs=2", "conversion.images=8", "conversion.steps=30", *SMALL)
    changes = {
        '("ann.epochs=100",)': repr(short),
        '"studies/hybrid_conversion/recipes': f'"{FOLDER}',
    }
    for old, new in changes.items():
        assert old in code
        code = code.replace(old, new)
    exec(compile(code, "README.md", "exec"), {})
    assert "relu1" in capsys.readouterr().out
