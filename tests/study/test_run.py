"""A whole study, end to end, on a tiny data set; and what it refuses before it trains."""

import json
from pathlib import Path

import pytest

from bayesnn_spike.events.datasets import DataSetError
from bayesnn_spike.export.values import DescriptionError
from bayesnn_spike.study.config import StudyConfig
from bayesnn_spike.study.errors import ConfigError, StudyError
from bayesnn_spike.study.run import Outcome, read_config, run_study
from tests.study.tiny import config, one_rule


def run(chosen: StudyConfig, out: Path, **how: object) -> Outcome:
    return run_study(chosen, out, workers=1, quiet=True, **how)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("study") / "out"
    return out, run(config(), out, command="bayesnn-spike study run tiny")


def test_a_study_leaves_summary_config_and_cells(finished: tuple[Path, Outcome]) -> None:
    out, outcome = finished
    assert outcome.failures == []
    assert outcome.ran == 6
    assert len(list(out.glob("cells/*/model.safetensors"))) == 6
    assert json.loads((out / "summary.json").read_text()) == outcome.summary
    assert read_config(out) == config()


def test_the_summary_has_the_promised_form(finished: tuple[Path, Outcome]) -> None:
    _, outcome = finished
    summary = outcome.summary
    assert summary["study"] == "tiny"
    assert summary["command"] == "bayesnn-spike study run tiny"
    assert summary["versions"]["torch"]
    assert [(row["data"], row["rule"], row["predict"]) for row in summary["rows"]] == [
        ("two-moons", "straight_through", "mode"),
        ("two-moons", "bayes_bisnn", "mode"),
        ("two-moons", "bayes_bisnn", "committee"),
        ("two-moons", "st_ensemble", "committee"),
    ]
    for row in summary["rows"] + summary["calibrated"]:
        assert row["seeds"] == 2
        assert row["examples"] == 40
        assert set(row["metrics"]) == {"accuracy", "nll", "brier", "ece"}
        for entry in (*row["metrics"].values(), row["seconds"]):
            assert set(entry) == {"mean", "std", "values"}
            assert len(entry["values"]) == 2
    assert all(row["temperature"]["mean"] > 0 for row in summary["calibrated"])
    against = {entry["minus"]["rule"] for entry in summary["comparisons"]}
    assert against == {"straight_through", "st_ensemble"}
    assert len(summary["noise_floor"]) == len(summary["calibrated"]) == 4


def test_a_second_run_with_resume_trains_nothing(finished: tuple[Path, Outcome]) -> None:
    out, outcome = finished
    again = run(config(), out, resume=True, command=outcome.summary["command"])
    assert again.ran == 0
    assert again.summary == outcome.summary


def test_more_seeds_train_only_what_is_new(tmp_path: Path) -> None:
    first = run(one_rule(), tmp_path)
    more = run(one_rule(seeds=3), tmp_path, resume=True)
    assert (first.ran, more.ran) == (1, 2)
    values = [o.summary["rows"][0]["metrics"]["nll"]["values"] for o in (first, more)]
    assert values[1][:1] == values[0]


def test_more_seeds_of_other_data_are_refused_before_they_train(tmp_path: Path) -> None:
    run(one_rule(), tmp_path)
    (file,) = tmp_path.glob("cells/*/record.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "data_digest": "f" * 64}))
    with pytest.raises(ConfigError, match="seed0 was trained on other data of this name"):
        run(one_rule(seeds=2), tmp_path, resume=True)
    assert len(list(tmp_path.glob("cells/*/record.json"))) == 1


def test_finished_results_are_not_overwritten(finished: tuple[Path, Outcome]) -> None:
    with pytest.raises(ConfigError, match="give --resume"):
        run(config(), finished[0])


def test_missing_data_stop_the_study_before_it_trains(tmp_path: Path) -> None:
    (tmp_path / "nmnist").mkdir()
    with pytest.raises(DataSetError):
        run(one_rule(data=[{"name": "nmnist"}]), tmp_path / "out", root=tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_network_that_does_not_fit_stops_the_study_before_it_trains(tmp_path: Path) -> None:
    with pytest.raises(DescriptionError, match="lenet needs maps"):
        run(one_rule(network={"model": "lenet"}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_study_that_fails_everywhere_has_no_summary(tmp_path: Path) -> None:
    outcome = run(one_rule(batch_size=65), tmp_path)
    assert outcome.summary is None
    (failure,) = outcome.failures
    assert failure.reason.startswith("ValueError: 64 examples make no batch of 65")
    assert not (tmp_path / "summary.json").exists()


@pytest.mark.parametrize("made", [[], ["config.yaml"], ["cells/"]])
def test_another_folder_is_no_output_of_a_study(tmp_path: Path, made: list[str]) -> None:
    for name in made:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    with pytest.raises(StudyError, match="no output of `study run`"):
        read_config(tmp_path)
