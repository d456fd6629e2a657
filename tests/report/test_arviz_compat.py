"""ArviZ behind one set of functions: a quiet import, both releases, a sentence where it is missing.

What needs a fresh process (imports) is looked at in one. The real ArviZ here is 0.23; the stand-in
for 1.x has the signatures of arviz 1.3.0 with arviz-stats 1.3.3 (`newer_arviz`).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray

from bayesnn_spike.report import _arviz_compat as compat
from bayesnn_spike.report import loo
from bayesnn_spike.report._arviz_compat import Elpd, Group, MissingArvizError
from bayesnn_spike.report.loo import Loo
from bayesnn_spike.rng import Stream
from tests.architecture.scan import ROOT
from tests.report import newer_arviz

VALUES = Stream(2).numpy().normal(size=(4, 60))
GROUPS = {
    "posterior": Group({"loss": (("chain", "draw"), VALUES)}, {"chain": range(4), "x": [1, 2]}),
    "observed_data": Group({"label": (("example",), np.arange(3))}, {"example": [5, 6, 7]}),
}

QUIET = """
import json, sys, warnings
found = {}
try:
    import arviz
except OSError as error:
    found["plain"] = type(error).__name__
import platformdirs
import bayesnn_spike.report, bayesnn_spike.report.arviz, bayesnn_spike.report.loo
import bayesnn_spike.report.diagnostics, bayesnn_spike.report.saturation
from bayesnn_spike.report import _arviz_compat as compat
import numpy as np
found["early"] = sorted({"arviz", "xarray"} & set(sys.modules))
before = (list(warnings.filters), platformdirs.user_cache_dir)
found["r_hat"] = compat.r_hat(np.sin(np.arange(80.0)).reshape(2, 40))
found["late"] = sorted({"arviz", "xarray"} & set(sys.modules))
found["restored"] = before == (list(warnings.filters), platformdirs.user_cache_dir)
print(json.dumps(found))
"""


def test_the_import_is_lazy_quiet_and_writes_nothing(tmp_path: Path) -> None:
    """The user's cache cannot be written here, and every warning is an error."""
    (tmp_path / "file").write_text("")
    own = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "file" / "cache")}
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", QUIET],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **own, "MPLCONFIGDIR": mpl.get_cachedir(), "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["plain"] == "NotADirectoryError"  # the trap is there
    # What the plain attempt left of xarray or ArviZ does not count.
    assert "arviz" not in found["early"]
    assert found["late"] == ["arviz", "xarray"]
    assert found["restored"]
    assert 0.9 < found["r_hat"] < 1.5
    assert [path.name for path in tmp_path.rglob("*arviz*")] == []


def test_release_0_23_gives_inference_data() -> None:
    data = compat.tree(GROUPS, {"origin": "here"})
    assert type(data).__name__ == "InferenceData"
    assert data.groups() == ["posterior", "observed_data"]
    np.testing.assert_array_equal(data.posterior["loss"], VALUES)
    assert data.posterior.attrs["origin"] == "here"
    assert "x" not in data.posterior.coords  # of a dimension that the group has not
    assert data.observed_data["label"].coords["example"].values.tolist() == [5, 6, 7]


def test_r_hat_and_ess_of_one_quantity() -> None:
    assert 0.99 < compat.r_hat(VALUES) < 1.05
    assert compat.r_hat(VALUES + np.arange(4.0)[:, None]) > 1.3
    for method in ("bulk", "tail", "mean"):
        assert 100 < compat.ess(VALUES, method=method) < 400
    # Of two values with a median between them the folded ranks are constant: 0 / 0.
    two = np.sign(VALUES - np.median(VALUES))
    assert 0.99 < compat.r_hat(two) < 1.1


def test_smoothed_weights_add_up_and_are_no_copy_of_the_input() -> None:
    raw = Stream(3).numpy().normal(size=(5, 400))
    kept = raw.copy()
    smoothed, k = compat.psis(raw, relative_efficiency=1.0)
    np.testing.assert_array_equal(raw, kept)
    np.testing.assert_allclose(np.exp(smoothed).sum(1), 1)
    assert k.shape == (5,)
    body = raw[0] < np.quantile(raw[0], 0.7)  # only the tail is smoothed
    np.testing.assert_allclose(np.diff(smoothed[0][body]), np.diff(raw[0][body]), atol=1e-9)


def test_a_tail_of_ties_is_left_alone() -> None:
    """Five values for 400 weights: what ArviZ makes of such a tail is NaN or any number."""
    tied = Stream(4).numpy().integers(0, 5, (3, 400)).astype(float)
    tied[2] = Stream(3).numpy().normal(size=400)
    smoothed, k = compat.psis(tied, relative_efficiency=1.0)
    np.testing.assert_allclose(np.exp(smoothed).sum(1), 1)
    np.testing.assert_array_equal(np.isinf(k), [True, True, False])
    for row in range(2):
        np.testing.assert_allclose(smoothed[row], tied[row] - np.log(np.exp(tied[row]).sum()))


def elpd(pointwise: np.ndarray) -> Elpd:
    k = np.full(len(pointwise), 0.2)
    se = float(np.sqrt(len(pointwise) * pointwise.var()))
    return Elpd(float(pointwise.sum()), se, 1.0, pointwise, k, 100, 0.5, False)


GOOD, BAD = -(VALUES[0] ** 2) - 0.1, -(VALUES[1] ** 2) - 1.0


def test_compare_ranks_and_takes_differences() -> None:
    first, second = compat.compare({"bad": elpd(BAD), "good": elpd(GOOD)})
    assert (first["name"], first["rank"]) == ("good", 0)
    assert (second["name"], second["rank"]) == ("bad", 1)
    np.testing.assert_allclose(second["dse"], np.sqrt(60 * (GOOD - BAD).var()))
    np.testing.assert_allclose(first["weight"] + second["weight"], 1)
    np.testing.assert_allclose([first["elpd"], first["p"]], [GOOD.sum(), 1.0])


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> list:
    return newer_arviz.install(monkeypatch)


def test_release_1_gives_a_data_tree(newer: list, tmp_path: Path) -> None:
    data = compat.tree(GROUPS, {"origin": "here"})
    assert isinstance(data, xarray.DataTree)
    assert set(data.children) == {"posterior", "observed_data"}
    np.testing.assert_array_equal(data["posterior"]["loss"], VALUES)
    assert data["posterior"].attrs["origin"] == "here"
    data.to_netcdf(tmp_path / "tree.nc", engine="h5netcdf")
    with xarray.open_datatree(tmp_path / "tree.nc", engine="h5netcdf") as again:
        xarray.testing.assert_identical(again.load(), data)


def test_release_1_is_called_by_its_own_names(newer: list) -> None:
    assert compat.r_hat(VALUES) == 1.25
    assert compat.ess(VALUES, method="tail") == 77.0
    smoothed, _ = compat.psis(VALUES, relative_efficiency=0.5)
    np.testing.assert_allclose(np.exp(smoothed).sum(1), 1)
    first, second = compat.compare({"bad": elpd(BAD), "good": elpd(GOOD)})
    assert (first["name"], second["name"]) == ("good", "bad")
    assert first["elpd"] == GOOD.sum()  # not rounded
    names = [call[0] for call in newer]
    assert names == ["rhat", "rhat", "ess", "psislw", "compare"]
    assert newer[2] == ("ess", (4, 60), "tail", (0.05, 0.95))
    assert newer[3] == ("psislw", (4, 60), 0.5, -1)
    handed = newer[4][1]["good"]
    np.testing.assert_array_equal(handed.elpd_i.values, GOOD)
    assert type(handed) is newer_arviz.LooElpd
    assert (handed.kind, handed.scale, handed.n_samples) == ("loo", "log", 100)


def test_releases_before_1_3_name_the_kind(newer: list, monkeypatch: pytest.MonkeyPatch) -> None:
    utils = sys.modules["arviz_stats.utils"]
    monkeypatch.delattr(utils, "ELPDDataLOO")
    monkeypatch.setattr(utils, "ELPDData", newer_arviz.EarlyElpd)
    compat.compare({"bad": elpd(BAD), "good": elpd(GOOD)})
    assert {one.kind for one in newer[0][1].values()} == {"loo"}


def test_the_difference_of_ranks_is_ours_whatever_sign_arviz_gives(newer: list) -> None:
    zero = np.zeros(60)
    parts = {"effective": zero, "good_k": 0.7, "draws": 100}
    rules = {
        name: Loo(values.sum(), 1.0, 1.0, values, zero, **parts)
        for name, values in {"bad": BAD, "good": GOOD}.items()
    }
    best, worst = loo.compare(rules)
    assert (best.name, best.difference) == ("good", 0)
    np.testing.assert_allclose(worst.difference, (GOOD - BAD).sum())


@pytest.mark.parametrize("package", ["arviz", "xarray"])
def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingArvizError, match=rf"{package} is not installed.*\[bayes\]"):
        compat.tree(GROUPS, {})


def test_an_arviz_that_is_broken_is_not_called_missing(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "arviz.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "arviz", raising=False)
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_there") as caught:
        compat.r_hat(VALUES)
    assert not isinstance(caught.value, MissingArvizError)
