"""Recipes of conversions: what is accepted, and refusals that name the nearest right key."""

from pathlib import Path

import pytest

from bayesnn_spike.study.conversion_config import FOLDER, RecipeConfig, load_recipe, whole
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.yaml_file import dump_yaml

TREE = {
    "recipe": "tiny",
    "data": {"name": "cifar10", "scale": {"mean": 0.5, "deviation": 0.5}},
    "network": {"model": "vgg", "form": "VGG5"},
    "ann": {"epochs": 2, "optimizer": {"kind": "sgd", "lr": 0.01}},
    "conversion": {"thresholds": {"kind": "maximum", "scale": 0.7}},
    "hybrid": {"steps": 8, "epochs": 1, "optimizer": {"kind": "adam", "lr": 1e-4}},
}


def load(tmp_path: Path, *settings: str) -> RecipeConfig:
    path = tmp_path / "recipe.yaml"
    path.write_text(dump_yaml(TREE))
    return load_recipe(path, settings)


def test_a_recipe_comes_back_the_same(tmp_path):
    recipe = load(tmp_path)
    assert RecipeConfig.model_validate(recipe.model_dump(mode="json", exclude_unset=True)) == recipe
    assert RecipeConfig.model_validate(whole(recipe)) == recipe
    assert whole(recipe)["hybrid"]["chunks"] == "running"
    assert recipe.conversion.order == "delayed"
    assert load(tmp_path, "hybrid.steps=12").hybrid.steps == 12


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("recpe=x", r"unknown key 'recpe'; did you mean 'recipe'\?"),
        ("data.name=cifar11", r"data\.name: unknown data set 'cifar11'; did you mean 'cifar10'\?"),
        ("data.augmnt=3", r"data: unknown key 'augmnt'; did you mean 'augment'\?"),
        ("data.scale.men=3", r"data\.scale: unknown key 'men'; did you mean 'mean'\?"),
        ("data.augment={kind: shift, shft: 4}", r"unknown key 'shft'; did you mean 'shift'\?"),
        ("data.augment={kind: crop}", "cifar10 takes kind 'shift'"),
        ("data.side=224", "side: cifar10 has no such option"),
        ("network.form=VGG7", r"network\.form: unknown VGG 'VGG7'; did you mean 'VGG\d+"),
        ("network.model=resnet", r"unknown residual network 'VGG5'"),
        ("network.widht=0.5", r"network: unknown key 'widht'; did you mean 'width'\?"),
        ("network.init=publised", r"unknown init 'publised'; did you mean 'published'\?"),
        ("network.init={kind: fan_in, head_gian: 1}", r"did you mean 'head_gain'\?"),
        ("conversion.thresholds={kind: maximum, q: 99}", r"unknown key 'q'"),
        ("conversion.thresholds={kind: percentile, q: 0}", "greater than 0"),
        ("conversion.ordr=delayed", r"unknown key 'ordr'; did you mean 'order'\?"),
        ("conversion.order=paper", "'delayed' or 'immediate'"),
        ("conversion.v_init=2", "less than or equal to 1"),
        ("hybrid.stps=2", r"unknown key 'stps'; did you mean 'steps'\?"),
        ("hybrid.surrogate=spiketime", r"did you mean 'spike_time'\?"),
        ("hybrid.chunks=each", "'running', 'accumulate' or 'step'"),
        ("hybrid.horizon=0", r"hybrid\.horizon: Input should be greater than 0"),
        ("ann.clip=-1", r"ann\.clip: Input should be greater than 0"),
        ("data.scale.deviation=0.25", r"inputs in \[-1, 1\], but data\.scale gives \[-2, 2\]"),
        ("reported.an=3", r"did you mean 'ann'\?"),
        ("recipe=a/b", "recipe: .*pattern"),
    ],
)
def test_what_is_wrong_is_refused_with_its_path(tmp_path, setting, message):
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, setting)


@pytest.mark.parametrize("text", ["", "- recipe\n- data\n"])
def test_a_file_that_is_no_mapping_is_no_recipe(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"recipe\.yaml: a recipe is a mapping of keys"):
        load_recipe(path)


def test_direct_input_may_have_any_scale(tmp_path):
    recipe = load(tmp_path, "data.scale.deviation=0.25", "conversion.encoder=direct")
    assert recipe.data.scale.deviation == 0.25


def test_a_residual_network_has_one_rate(tmp_path):
    network = "network={model: resnet, form: ResNet8}"
    assert load(tmp_path, network, "hybrid.dropout=0.1").network.form == "ResNet8"
    with pytest.raises(ConfigError, match="a residual network has one rate"):
        load(tmp_path, network, "hybrid.dropout_fc=0.1")


def test_a_folder_has_options_of_its_own(tmp_path):
    recipe = load(tmp_path, f"data.name={FOLDER}", "data.side=32", "data.augment={kind: crop}")
    assert (recipe.data.side, recipe.data.augment.least_area) == (32, 0.08)
    assert RecipeConfig.model_validate(whole(recipe)) == recipe
    with pytest.raises(ConfigError, match="image-folder takes kind 'crop'"):
        load(tmp_path, f"data.name={FOLDER}", "data.augment={kind: shift}")
    with pytest.raises(ConfigError, match="train_size: image-folder has no such option"):
        load(tmp_path, f"data.name={FOLDER}", "data.train_size=3")


def test_the_small_forms_have_names(tmp_path):
    for model in ("vgg", "resnet"):
        recipe = load(tmp_path, f"network.model={model}", "network.form=small")
        assert recipe.network.form == "small"
