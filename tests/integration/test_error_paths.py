"""Wrong input through the command line ends in one plain message, never in a traceback."""

from pathlib import Path

import pytest

from bayesnn_spike.events import datasets
from bayesnn_spike.events.datasets import DataSetError
from tests.commands.test_predict import save
from tests.test_cli import call, write_recordings


@pytest.mark.parametrize("option", [{"noise": "abc"}, {"train_size": -5}])
def test_an_option_of_a_wrong_kind_names_the_data_set(option: dict[str, object]) -> None:
    (name,) = option
    with pytest.raises(DataSetError, match=f"two-moons cannot be made with .*{name}="):
        datasets.load("two-moons", bins=5, **option)


def test_a_recording_of_another_sensor_is_named(tmp_path: Path) -> None:
    model = save(tmp_path / "model.safetensors", "point")
    write_recordings(tmp_path / "small.npz", [0])
    done = call("predict", model, "--data", tmp_path / "small.npz", "--sensor", "40x40", code=1)
    assert "small.npz[0]: a recording of a 40x40 sensor" in done.stderr


def test_the_sensor_of_the_training_is_the_default(tmp_path: Path) -> None:
    model = save(tmp_path / "model.safetensors", "point")
    write_recordings(tmp_path / "some.npz", [0, 1])
    done = call("predict", model, "--data", tmp_path / "some.npz")
    assert "2 labelled recordings" in done.stdout


def test_an_unknown_data_set_of_a_study_is_a_wrong_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "study: typo\ndata: [{name: two-mons}]\n"
        "rules: {bop: {rate: 0.1, threshold: 0, epochs: 1}}\n"
    )
    done = call("study", "run", tmp_path, "--out", tmp_path / "out", code=2)
    assert "two-mons" in done.stderr
    assert "two-moons" in done.stderr
    assert not (tmp_path / "out").exists()
