import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from bayesnn_spike.events.datasets import DataSetError, SpikeDataset, load, names, options
from bayesnn_spike.events.splits import Ledger, Split, SplitReuseError, folds


def small(n=12, splits=None):
    spikes = torch.arange(n * 3 * 2, dtype=torch.uint8).reshape(n, 3, 2)
    labels = torch.arange(n) % 3
    info = {"source": "here", "fingerprint": "toy:1", "bins": 3, "encoding": "none", "digest": "0"}
    if splits is None:
        splits = {
            "train": Split("toy:1", "train", np.arange(n - 4)),
            "test": Split("toy:1", "test", [n - 3, n - 1]),
        }
    return SpikeDataset("toy", spikes, labels, ("a", "b", "c"), splits, info)


def test_a_batch_is_time_first():
    data = small()
    batch = data.batch(np.array([4, 1]))
    assert batch.spikes.shape == (3, 2, 2)
    assert batch.spikes.dtype == torch.float32
    assert batch.spikes.is_contiguous()
    torch.testing.assert_close(batch.spikes[:, 0], data.spikes[4].float())
    torch.testing.assert_close(batch.spikes[:, 1], data.spikes[1].float())
    assert batch.labels.tolist() == [1, 1]
    torch.testing.assert_close(data.batch(torch.tensor([4, 1])).spikes, batch.spikes)
    assert data.batch(data.splits["train"].indices).spikes.shape == (3, 8, 2)


@pytest.mark.parametrize("row", [-1, 12])
def test_rows_that_are_not_there_are_refused(row):
    with pytest.raises(IndexError, match="out of range"):
        small().batch(np.array([0, row]))


def test_a_part_keeps_what_the_ledger_needs():
    data = small()
    part = data.part(data.splits["test"])
    assert len(part) == 2
    torch.testing.assert_close(part.spikes, data.spikes[[9, 11]])
    assert part.labels.tolist() == [0, 2]
    own = part.splits["test"]
    assert own.indices.tolist() == [0, 1]
    assert own.examples.tolist() == [9, 11]
    assert own.digest == data.splits["test"].digest
    with pytest.raises(SplitReuseError):
        Ledger().fitted("weights", data.splits["test"]).require_unused(own)


def test_a_contiguous_part_is_a_view():
    data = small()
    part = data.part(data.splits["train"])
    assert part.spikes.data_ptr() == data.spikes.data_ptr()


def test_folds_of_a_data_set():
    data = small(30, {})
    parts = [data.fold(5, k, seed=1, val=0.25, calib=0.25) for k in range(5)]
    whole = folds(data.labels, 5, dataset="toy:1", seed=1)
    assert [p.splits["test"].digest for p in parts] == [f.digest for f in whole]
    assert all(list(p.splits) == ["train", "val", "calib", "test"] for p in parts)


def test_folds_of_a_part_count_in_the_source():
    splits = {"train": Split("toy:1", "train", np.arange(30), np.arange(30) + 100)}
    for split in small(30, splits).fold(2, 0, seed=0).splits.values():
        assert split.examples.tolist() == (split.indices + 100).tolist()


def test_rows_of_unknown_number_are_refused():
    splits = {"train": Split("toy:1", "train", np.arange(10), np.arange(10) + 100)}
    with pytest.raises(DataSetError, match="2 of 12 rows are in no split"):
        small(12, splits).examples()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spikes": torch.zeros(12, 3, 2)}, "spikes must be uint8"),
        ({"spikes": torch.zeros(12, 3, dtype=torch.uint8)}, r"\[N, T, \*in\]"),
        ({"labels": torch.zeros(11, dtype=torch.int64)}, r"labels must be int64 \[12\]"),
        ({"labels": torch.zeros(12)}, "labels must be int64"),
        ({"classes": ("a", "b")}, "labels run from 0 to 2, but there are 2 classes"),
        ({"splits": {"a": Split("toy:2", "a", [0])}}, "is of toy:2, not of toy:1"),
        ({"splits": {"a": Split("toy:1", "a", [12])}}, "has index 12, but toy has only 12"),
    ],
)
def test_data_that_do_not_fit_together_are_refused(change, message):
    data = small()
    fields = {name: getattr(data, name) for name in SpikeDataset.__dataclass_fields__}
    with pytest.raises(DataSetError, match=message):
        SpikeDataset(**{**fields, **change})


def test_a_part_of_other_data_is_refused():
    with pytest.raises(DataSetError, match="is of toy:2"):
        small().part(Split("toy:2", "train", [0]))


def test_the_names():
    assert names() == (
        *("two-moons", "digits-saccade", "nmnist", "mnist", "fashion-mnist"),
        *("dvs-gesture", "mnist-dvs", "cifar10-dvs", "shd"),
    )


@pytest.mark.parametrize("name", names())
def test_every_data_set_has_bins_and_a_seed(name):
    assert {"bins", "seed"} <= options(name).keys()


def test_unknown_names_and_options_have_a_nearest_one():
    with pytest.raises(DataSetError, match="no data set 'nmist', did you mean 'nmnist'"):
        load("nmist")
    with pytest.raises(DataSetError, match="no option 'bin', did you mean 'bins'"):
        load("two-moons", bin=3)
    with pytest.raises(DataSetError, match="two-moons has no option 'root'"):
        load("two-moons", root="somewhere")


@pytest.mark.parametrize("name", [n for n in names() if "root" in options(n)])
def test_a_missing_folder_says_where_it_looked_and_how_to_get_the_data(name, tmp_path, monkeypatch):
    with pytest.raises(DataSetError, match=rf"{name}: there is no .*nowhere\. \w+"):
        load(name, root=tmp_path / "nowhere")
    monkeypatch.setenv("BAYESNN_SPIKE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataSetError, match=rf"cache/{name} \(no root was given\)\. \w+.* root"):
        load(name)
    with pytest.raises(DataSetError, match=f"{name}: found no .*{tmp_path.name}"):
        load(name, root=tmp_path)


def test_info_is_json():
    data = load("two-moons", bins=3)
    assert json.loads(json.dumps(data.info)) == data.info
    assert {"source", "fingerprint", "bins", "encoding", "digest"} <= data.info.keys()


def test_importing_the_data_sets_takes_no_optional_package_in():
    code = (
        "import sys; before = set(sys.modules); import bayesnn_spike.events.datasets; "
        "new = {m.split('.')[0] for m in set(sys.modules) - before}; "
        "print(sorted(new & {'sklearn', 'h5py', 'tonic', 'scipy', 'matplotlib'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
