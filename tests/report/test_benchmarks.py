"""The result of a benchmark as tables and as a page: every number stands where it belongs."""

from copy import deepcopy
from typing import Any

import pytest

from bayesnn_spike.report.benchmarks import duration, errors, number, page, size, tables
from bayesnn_spike.report.tables import markdown

ROW = {
    "bench": "forward",
    "case": "nmnist-mlp",
    "k": 16,
    "who": "cpu",
    "seconds": 0.0312,
    "low": 0.0300,
    "high": 0.0343,
    "runs": 90,
    "gmac_per_s": 1190.0,
    "peak_bytes": 5 * 2**20,
    "ratio": 17.9,
    "ratio_bf16": None,
    "share_of_roofline": 0.63,
    "item": "multiply-add",
    "items": 37_000_000_000,
    "ns_per_item": 0.00084,
}
PLACE = {"bench": "forward", "case": "nmnist-mlp", "k": 16}
RESULT: dict[str, Any] = {
    "machine": {
        "cpu": "Some CPU",
        "cores": 4,
        "threads": 2,
        "vectors": ["avx2"],
        "torch_vectors": "AVX2",
        "accelerator": None,
        "device": "cpu",
        "system": "Linux",
        "python": "3.11.7",
        "bayesnn_spike": "0.1.0",
        "versions": {"torch": "2.13.0", "snntorch": None},
        "roofline": {
            "popcount_gmac_per_s": 1850.2,
            "gemm_fp32_gmac_per_s": 112.0,
            "gemm_bf16_gmac_per_s": 480.0,
            "copy_gb_per_s": None,
        },
    },
    "settings": {"quick": False},
    "rows": [ROW, {**PLACE, "who": "torch-loop", "error": "differs from the reference"}],
    "lines": [],
    "left_out": [
        {**PLACE, "who": "snntorch", "reason": "snntorch is not installed"},
        {**PLACE, "k": 64, "who": "snntorch", "reason": "snntorch is not installed"},
    ],
    "complete": True,
}
SWEEP = {**ROW, "bench": "scaling", "case": "2312-512-10", "axis": "k", "value": 16}
LINE = {
    "axis": "k",
    "who": "cpu",
    "seconds_at_0": 0.002,
    "seconds_each": 0.0018,
    "deviation": 0.042,
}


def test_a_row_is_shown_with_its_units() -> None:
    ((title, table),) = tables(RESULT)
    assert title.startswith("Sampled forward")
    first = dict(zip(table.header, (cell.text for cell in table.rows[0]), strict=True))
    assert first == {
        "case": "nmnist-mlp",
        "K": "16",
        "who": "cpu",
        "time": "31.2 ms",
        "spread": "96-110 %",
        "x fp32": "17.9",
        "GMAC/s": "1,190",
        "roof": "63%",
        "memory": "5 MiB",
    }, "a column without a number is left out"


def test_who_was_wrong_has_no_time() -> None:
    ((_, table),) = tables(RESULT)
    assert [cell.text for cell in table.rows[1]][2:5] == ["torch-loop", "wrong", ""]
    assert errors(RESULT) == ["forward nmnist-mlp K=16, torch-loop: differs from the reference"]


def test_a_job_without_multiply_adds_is_counted_in_its_items() -> None:
    result = deepcopy(RESULT)
    draw = {"bench": "draw", "gmac_per_s": None, "item": "weight", "ns_per_item": 0.3004}
    result["rows"] = [{**ROW, **draw}]
    ((_, table),) = tables(result)
    assert table.header[-1] == "ns/weight"
    assert table.rows[0][-1].text == "0.3"


def test_sweeps_have_their_size_and_their_line() -> None:
    result = deepcopy(RESULT)
    result["rows"] = [SWEEP, {**SWEEP, "who": "triton", "error": "wrong"}]
    result["lines"] = [LINE]
    sweep, line = (markdown(table) for _, table in tables(result))
    assert "2312-512-10" in sweep
    assert "1.95 ms" in sweep, "time for each draw"
    assert "2 ms" in line
    assert "1.8 ms" in line
    assert "4%" in line


def test_the_page_says_machine_limits_and_who_is_missing() -> None:
    text = page(RESULT, picture="scaling.png")
    assert "Some CPU, 4 cores, threads: 2, vectors: avx2; accelerator: none" in text
    assert "population count, add 1,850 GMAC/s" in text
    assert "copy" not in text.partition("\n\n")[2].partition("\n\n")[0], "not measured"
    assert "torch 2.13.0" in text
    assert "snntorch 0" not in text
    assert "(scaling.png)" in text
    assert (
        "- snntorch (forward nmnist-mlp K=16, forward nmnist-mlp K=64): snntorch is not installed"
        in text
    )
    assert "**" not in text


@pytest.mark.parametrize(
    ("change", "words"),
    [({"complete": False}, "Interrupted"), ({"settings": {"quick": True}}, "not a measurement")],
)
def test_what_is_no_whole_measurement_says_so(change: dict, words: str) -> None:
    assert words in page({**RESULT, **change})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0"),
        (0.000123456, "0.000123"),
        (1.0, "1"),
        (99.94, "99.9"),
        (1234.5, "1,230"),
    ],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_times_and_sizes_have_the_unit_that_fits() -> None:
    assert [duration(s) for s in (2.0, 0.0123, 4.56e-6, 7.8e-10)] == [
        "2 s",
        "12.3 ms",
        "4.56 us",
        "0.78 ns",
    ]
    assert [size(n) for n in (None, 0, 1023, 1536, 3 * 2**30)] == [
        "",
        "0 B",
        "1,020 B",
        "1.5 KiB",
        "3 GiB",
    ]
