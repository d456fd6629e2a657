"""Progress where the error stream is no terminal: lines, and none when quiet."""

import pytest

from bayesnn_spike.study import progress
from bayesnn_spike.study.progress import Progress


def run(shown: Progress) -> None:
    shown.start(4, 2)
    for _ in range(4):
        shown.epoch()
    shown.cell("a", failed=False)
    shown.cell("b", failed=True)
    shown.stop()


def test_the_last_line_counts_everything(capfd: pytest.CaptureFixture[str]) -> None:
    run(Progress("name"))
    out, err = capfd.readouterr()
    assert out == ""
    assert "failed: b" in err
    assert "name: 2/2 networks, 100 % of the epochs" in err.splitlines()[-1]


def test_long_work_says_something_in_between(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    run(Progress("name"))
    assert "name: 0/2 networks, 25 % of the epochs" in capfd.readouterr().err


def test_a_bar_on_a_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    run(Progress("name"))
    assert "100 %" in capfd.readouterr().err


@pytest.mark.parametrize("cells", [0, 2])
def test_quiet_says_nothing(capfd: pytest.CaptureFixture[str], cells: int) -> None:
    shown = Progress("name", quiet=cells > 0)
    shown.start(0, cells)
    shown.stop()
    assert capfd.readouterr() == ("", "")
