"""From a study's output folder to its page and pictures."""

import json
import shutil

import pytest

from bayesnn_spike.report import build_report
from bayesnn_spike.report.results import ReportError
from tests.report.cases import summary, write_study
from tests.report.test_page import external, read


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = write_study(tmp_path_factory.mktemp("runs") / "toy")
    assert build_report(made) == made / "report.html"
    return made


def test_the_page_shows_all_that_a_number_needs(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    texts = [text.strip() for text in read(page).texts]
    for text in (
        "toy_study",
        "Does a committee know <more>?",
        "88.7 ± 0.6",
        "-0.031 [-0.048, -0.014]",
        "mean -ln p(label) in nats",
        "labels drawn 1000 times",
        "posterior: nmnist, bayes_bisnn",
        "rho of bayes_bisnn",
        "scaling: nmnist, straight_through (mode)",
        "1.500 ± 0.100",
        "bayesnn-spike study run studies/toy --set a=1 && echo",
        "0, 1, 2",
        "2.13.0",
    ):
        assert text in texts
    assert external(page) == []


def test_the_pictures_lie_beside_it(folder):
    names = sorted(file.name for file in (folder / "pictures").iterdir())
    assert names == ["reliability-nmnist.png", "uncertainty-nmnist.png"]
    for name in names:
        assert (folder / "pictures" / name).read_bytes()[:4] == b"\x89PNG"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert sum(tag == "img" for tag, _ in read(page).tags) == 2


def test_equal_results_give_equal_pages(folder):
    before = (folder / "report.html").read_bytes()
    build_report(folder)
    assert (folder / "report.html").read_bytes() == before


def test_a_bare_summary_is_enough_for_a_page(tmp_path):
    """A study that was copied without its cells still has its numbers."""
    bare = {key: summary()[key] for key in ("study", "rows")}
    (tmp_path / "summary.json").write_text(json.dumps(bare))
    page = build_report(tmp_path).read_text(encoding="utf-8")
    assert "88.7 ± 0.6" in page
    assert "<img" not in page
    assert "no posterior has a temperature" in page
    assert not (tmp_path / "pictures").exists()


def test_a_damaged_study_leaves_the_old_page(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    before = (copy / "report.html").read_bytes()
    path = copy / "cells" / "nmnist-fold0-bayes_bisnn-seed0" / "predictions.npz"
    path.write_bytes(b"")
    with pytest.raises(ReportError, match=r"predictions\.npz"):
        build_report(copy)
    assert (copy / "report.html").read_bytes() == before
