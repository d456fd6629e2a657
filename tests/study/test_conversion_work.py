"""study/conversion_work: what the result of each phase depends on."""

import json

from bayesnn_spike.study.conversion_data import load_images
from bayesnn_spike.study.conversion_work import quiet, settings_of
from tests.study.tiny_recipe import recipe, work, write_images


def test_a_change_reaches_the_phases_that_it_matters_to(tmp_path) -> None:
    data = load_images(recipe(), write_images(tmp_path))
    before = settings_of(recipe(), data, 0)
    assert json.loads(json.dumps(before)) == before

    def changed(seed: int = 0, **blocks) -> list[str]:
        after = settings_of(recipe(**blocks), data, seed)
        return [phase for phase, tree in before.items() if after[phase] != tree]

    everything = ["ann", "converted", "hybrid"]
    assert changed(seed=1) == everything
    assert changed(ann={"epochs": 3}) == everything
    assert changed(network={"dropout": 0.3}) == everything
    assert changed(conversion={"steps": 21}) == everything[1:]
    assert changed(hybrid={"steps": 13}) == everything[1:]
    assert changed(hybrid={"leak": 0.9}) == ["hybrid"]
    assert changed(hybrid={"clip": 4.0}) == ["hybrid"]
    assert changed(hybrid={"epochs": 7}) == ["hybrid"]
    assert changed(reported={"ann": 90.0}) == []


def test_other_images_are_other_settings(tmp_path) -> None:
    one = load_images(recipe(), write_images(tmp_path / "one", 10))
    two = load_images(recipe(), write_images(tmp_path / "two", 11))
    assert settings_of(recipe(), one, 0)["ann"] != settings_of(recipe(), two, 0)["ann"]


def test_mini_batches_and_splits(tmp_path) -> None:
    run = work(recipe(), write_images(tmp_path), tmp_path)  # 40 images to train on
    assert run.batches(run.recipe.ann) == 3
    assert run.scored() == ("val", "test")
    assert work(recipe(data={"val_size": 0}), tmp_path, tmp_path).scored() == ("test",)
    assert run.tell is quiet
    run.tell("nothing")
