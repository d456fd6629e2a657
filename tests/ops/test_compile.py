"""ops/_compile: kernels are kept on disk, found again, made anew when sources change; announced."""

import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import caching

from bayesnn_spike.ops import _compile
from tests.architecture.scan import ROOT

LINE = "compiling kernels for this machine"
SOURCE = """
def {name}(x):
    return x + {step}
"""


@pytest.fixture(autouse=True)
def a_new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing has been said, no folder is named; modules of kernels are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.setattr(_compile._Announcement, "said", False)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    yield
    for name in set(sys.modules) - before:
        if name.startswith("bayesnn_spike.test_"):
            del sys.modules[name]


def kernel(folder: Path, name: str = "kernel", step: int = 1) -> Callable:
    """A kernel of a file of its own, as a new process meets it."""
    path = folder / f"{name}.py"
    path.write_text(SOURCE.format(name=name, step=step))
    spec = importlib.util.spec_from_file_location(f"bayesnn_spike.test_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return _compile.jit(getattr(module, name))


def hits(compiled: Callable) -> int:
    return sum(compiled.stats.cache_hits.values())


def test_a_kernel_is_compiled_once_and_then_loaded(tmp_path: Path, caplog) -> None:
    first = kernel(tmp_path)
    assert first(2) == 3
    assert hits(first) == 0
    assert [r.getMessage() for r in caplog.records] == [caplog.messages[0]]
    assert caplog.messages[0].startswith(LINE)
    caplog.clear()
    _compile._Announcement.said = False
    second = kernel(tmp_path)
    assert second(2) == 3
    assert hits(second) == 1
    assert caplog.messages == []


def test_one_line_is_enough_for_many_kernels(tmp_path: Path, caplog) -> None:
    for name in ("one", "two", "three"):
        kernel(tmp_path, name)(1)
    assert len(caplog.messages) == 1
    assert caplog.records[0].name == "bayesnn_spike"
    assert caplog.records[0].levelno == logging.WARNING


def test_kernels_of_other_people_are_not_announced(caplog) -> None:
    @numba.njit
    def stranger(x):
        return x

    assert stranger(1) == 1
    assert caplog.messages == []


def test_a_changed_source_of_ops_makes_every_kernel_anew(tmp_path: Path, monkeypatch) -> None:
    """What is inlined from other files counts, though the kernel's own file is the same."""
    kernel(tmp_path)(2)
    stamp = _compile._stamp
    monkeypatch.setattr(_compile, "_stamp", lambda: "0" * 64)
    again = kernel(tmp_path)
    assert again(2) == 3
    assert hits(again) == 0
    monkeypatch.setattr(_compile, "_stamp", stamp)
    back = kernel(tmp_path)
    assert back(2) == 3
    assert hits(back) == 1


def test_code_of_other_sources_is_kept_for_a_week(tmp_path: Path, monkeypatch) -> None:
    kernel(tmp_path)(2)
    old = list(tmp_path.rglob("*.nb?"))
    assert len(old) == 2  # an index and its code
    monkeypatch.setattr(_compile, "_stamp", lambda: "0" * 64)
    kernel(tmp_path)(2)
    assert all(path.exists() for path in old)
    for path in old:
        os.utime(path, (0, 0))
    monkeypatch.setattr(_compile, "_stamp", lambda: "1" * 64)
    kernel(tmp_path)(2)
    assert not any(path.exists() for path in old)
    assert len(list(tmp_path.rglob("*.nb?"))) == 4


def test_a_kernel_whose_own_file_changed_is_made_anew(tmp_path: Path) -> None:
    """Of the same name, in the same line: nothing but the text differs."""
    assert kernel(tmp_path, step=1)(2) == 3
    changed = kernel(tmp_path, step=5)
    assert changed(2) == 7
    assert hits(changed) == 0


def test_the_stamp_is_of_every_source_that_a_kernel_may_inline(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "deep").mkdir()
    names = ["_compile.py", "b.py", "deep/c.py", "deep/triton.py"]
    stamps = []
    monkeypatch.setattr(_compile, "__file__", str(tmp_path / "_compile.py"))
    for name in [*names, *names]:
        text = (tmp_path / name).read_text() if (tmp_path / name).exists() else ""
        (tmp_path / name).write_text(text + "#")
        _compile._stamp.cache_clear()
        stamps.append(_compile._stamp())
    _compile._stamp.cache_clear()
    # Each change is seen, but for what is compiled by somebody else.
    assert len(set(stamps)) == 6
    assert stamps[2] == stamps[3]
    assert stamps[6] == stamps[7]


def test_where_nothing_can_be_kept_kernels_still_run(tmp_path: Path, monkeypatch, caplog) -> None:
    """No folder of numba's can be written: as in a read-only image without a home."""
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    for _ in range(2):
        compiled = kernel(tmp_path)
        assert compiled(2) == 3
        assert hits(compiled) == 0
    assert not list(tmp_path.rglob("*.nbi"))
    assert [LINE in message for message in caplog.messages] == [True]


def test_another_error_of_the_compiler_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(_compile, "_Cache", fails)
    with pytest.raises(RuntimeError, match="out of luck"):
        _compile.jit(lambda x: x)


def test_a_folder_that_cannot_be_used_is_passed_over(tmp_path: Path, monkeypatch) -> None:
    """NUMBA_CACHE_DIR below a regular file: the folder beside the source is next."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert kernel(tmp_path)(2) == 3
    assert list((tmp_path / "__pycache__").glob("*.nbi"))


def test_a_named_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    assert kernel(tmp_path)(2) == 3
    assert list((tmp_path / "cache").rglob("*.nbi"))
    assert not list((tmp_path / "__pycache__").glob("*.nbi"))


def test_a_disk_that_fills_up_stops_nothing(tmp_path: Path, monkeypatch, caplog) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", full)
    assert kernel(tmp_path)(2) == 3
    assert any("cannot be kept" in m and "No space left" in m for m in caplog.messages)


def test_a_folder_that_goes_away_stops_nothing(tmp_path: Path, monkeypatch, caplog) -> None:
    compiled = kernel(tmp_path)

    def gone(_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", gone)
    assert compiled(2) == 3
    assert any("cannot be kept" in m and "Read-only" in m for m in caplog.messages)


def test_processes_side_by_side_keep_each_signature_apart(tmp_path: Path, monkeypatch) -> None:
    """Two that began with an empty cache, one in the middle of the other's saving."""
    one, two = kernel(tmp_path), kernel(tmp_path)
    file, other = one._cache._cache_file, two._cache._cache_file
    save = file._save_data

    def interrupted(name: str, data: object) -> None:
        monkeypatch.setattr(other, "_load_index", lambda: {})
        assert two(2.5) == 3.5
        save(name, data)

    monkeypatch.setattr(file, "_save_data", interrupted)
    assert one(2) == 3
    for _ in range(2):
        third = kernel(tmp_path)
        assert third(2.5) == 3.5
        assert third(2) == 3
        assert third(np.int32(2)) == 3


def test_without_a_compiler_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    with pytest.raises(RuntimeError, match=r"NUMBA_DISABLE_JIT is set.*only\('reference'\)"):
        _compile.jit(lambda x: x)


SCRIPT = """
import numpy as np
from bayesnn_spike.ops.draw.philox import schedule
from bayesnn_spike.ops.synapse.popcount import count_active
out = np.zeros(2, np.int64)
count_active(np.array([[3, 1], [7, 0]], np.uint64), out, 0, 2)
print(out.tolist(), int(schedule(1, 2)[8]))
"""


def test_a_real_process_compiles_with_one_line_and_the_next_says_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert done.stdout == "[3, 3] 2\n"
        said.append(done.stderr.count(LINE))
        assert done.stderr.count("\n") == said[-1]
    assert said == [1, 0]
