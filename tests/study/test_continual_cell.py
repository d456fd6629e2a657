"""One cell: its matrices are those of learning and predicting by hand, and its data are apart."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bayesnn_spike.calibration import accuracy, within_classes
from bayesnn_spike.events.ledger import SplitReuseError
from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn.continual import (
    Elastic,
    Naive,
    PosteriorToPrior,
    class_tasks,
    frozen_share,
    learn_tasks,
)
from bayesnn_spike.predict import Committee, predict
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.build import make_network
from bayesnn_spike.study.continual_cell import (
    _tasks,
    continual_cells,
    make_method,
    run_continual,
    search_cell,
)
from bayesnn_spike.study.data import load_data
from bayesnn_spike.study.errors import ConfigError
from tests.study.continual_case import config, tree

CELLS = {cell.id.split("-")[2]: cell for cell in continual_cells(config(seeds=1))}


def test_cells_are_seeds_of_methods() -> None:
    ids = [cell.id for cell in continual_cells(config())]
    assert ids[:4] == [f"two-moons-{m}-seed0" for m in ("naive", "ewc", "bayes", "joint")]
    assert len(ids) == len({*ids}) == 8
    assert len({cell.fingerprint for cell in continual_cells(config())}) == 8


def test_a_method_counts_each_task_s_own_examples() -> None:
    for name, kind in (("naive", Naive), ("ewc", Elastic), ("bayes", PosteriorToPrior)):
        method = make_method(CELLS[name].settings, steps=6, loss=RateCrossEntropy())
        assert type(method) is kind
    assert method.rule(17).temperature == Temperature(17, 1, 1e-3)
    assert method.rule(17).optimizer.lr.steps == 2  # one epoch of 17 // 8 batches
    ewc = make_method(CELLS["ewc"].settings, steps=6, loss=RateCrossEntropy())
    assert (ewc.rule(9).examples, ewc.rule(9).strength) == (9, 5.0)


def test_the_matrices_by_hand(tmp_path: Path) -> None:
    cell = CELLS["bayes"]
    record = run_continual(cell, tmp_path)
    settings = cell.settings
    data = load_data(settings["data"], None)
    network, _ = make_network(settings, shape=(20,), classes=2)
    stream = Stream(0).child("continual", "two-moons")
    train, test = data.splits["train"].indices, data.splits["test"].indices
    found = learn_tasks(
        make_method(settings, steps=6, loss=RateCrossEntropy()),
        network,
        RateCrossEntropy(),
        data,
        class_tasks(data.labels, train, ((1,), (0,))),
        epochs=1,
        batch_size=8,
        stream=stream.child("learn"),
    )
    values = data.labels.numpy()
    rows = np.concatenate([test[values[test] == c] for c in (1, 0)])
    labels = data.labels[rows]
    for trained in found:
        answer = predict(
            network,
            trained.posterior,
            data.spikes[rows].transpose(0, 1),
            stream=stream.child("predict", trained.task),
            how=Committee(3),
        )
        for column, c in enumerate((1, 0)):
            part = labels == c
            probs = answer.probabilities[part]
            entry = {k: m[trained.task] for k, m in record["matrices"].items()}
            assert entry["class accuracy"][column] == float(accuracy(probs, labels[part]))
            # One class a task: a learner who is told the task cannot err.
            assert entry["task accuracy"][column] == 1
            assert entry["task nll"][column] == 0
            assert float(within_classes(probs, (c,))[:, c].min()) == 1
            expected = float(answer.epistemic()[part].mean())
            assert entry["epistemic"][column] == pytest.approx(expected)
        assert record["frozen"][trained.task] == frozen_share(trained.posterior)
    assert record["examples"]["learned"] == [int((values[train] == c).sum()) for c in (1, 0)]
    assert sum(record["examples"]["scored"]) == len(test) == len(rows)


def test_joint_learning_has_one_row_and_a_point_no_mutual_information(tmp_path: Path) -> None:
    record = run_continual(CELLS["joint"], tmp_path)
    assert np.shape(record["matrices"]["class accuracy"]) == (1, 2)
    record = run_continual(CELLS["naive"], tmp_path)
    assert record["matrices"]["epistemic"] == [None, None]
    assert record["frozen"] == [None, None]


def test_tasks_of_classes_that_the_data_have_not_are_a_wrong_configuration(tmp_path: Path) -> None:
    cell = continual_cells(config(seeds=1, tasks=[[1], [0, 7]]))[0]
    with pytest.raises(ConfigError, match=r"tasks: two-moons has no class 7; its 2 .* 0 to 1"):
        run_continual(cell, tmp_path)
    cell = continual_cells(config(seeds=1))[0]
    data = load_data(cell.settings["data"], None)
    ones = np.flatnonzero(data.labels.numpy() == 1)
    with pytest.raises(ConfigError, match=r"tasks: no example .* task \[0\] among the scored ex"):
        _tasks(data, ones, [[1], [0]], "scored")
    assert not (tmp_path / "cells").exists()


def test_a_coreset_that_leaves_nothing_of_a_task_is_a_wrong_configuration(tmp_path: Path) -> None:
    methods = tree()["methods"]
    methods["bayes"]["coreset"] = 24
    cell = next(c for c in continual_cells(config(methods=methods)) if c.rule == "bayes")
    message = (
        r"methods.bayes.coreset: a coreset of 24 leaves nothing of 24 examples of the task \[1"
    )
    with pytest.raises(ConfigError, match=message):
        run_continual(cell, tmp_path)


def test_a_search_never_sees_the_test_examples(tmp_path: Path) -> None:
    made = search_cell(config(), "ewc", {"strength": 10.0}, seed=0, trial=1)
    assert made.id == "two-moons-ewc-config1-seed0"
    assert made.settings["method"]["strength"] == 10.0
    assert (made.settings["train"], made.settings["test"]) == (["train"], "val")
    made.settings["train"] = ["train", "test"]
    with pytest.raises(SplitReuseError, match="cannot score on split 'test'"):
        run_continual(made, tmp_path)
    assert torch.get_num_threads() == 1
