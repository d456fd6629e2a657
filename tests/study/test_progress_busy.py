"""`busy` says what goes on, on the error stream, and nothing when it is told to be quiet."""

import time

import pytest

from bayesnn_spike.study import progress
from bayesnn_spike.study.progress import busy


def test_away_from_a_terminal_long_work_prints_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUIET_S", 0.05)
    with busy("digits: loading"):
        time.sleep(0.5)
    captured = capsys.readouterr()
    assert captured.err == "digits: loading\n"
    assert captured.out == ""


def test_away_from_a_terminal_short_work_prints_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUIET_S", 30.0)
    with busy("digits: loading"):
        pass
    assert capsys.readouterr().err == ""


def test_on_a_terminal_it_shows_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with busy("digits: loading"):
        pass
    assert "digits: loading" in capsys.readouterr().err


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with busy("digits: loading", quiet=True):
        pass
    assert capsys.readouterr().err == ""


def test_an_error_inside_passes_through() -> None:
    with pytest.raises(KeyError, match="gone"), busy("digits: loading", quiet=True):
        raise KeyError("gone")
