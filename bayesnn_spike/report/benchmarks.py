"""The result of `bayesnn-spike bench` as tables and as a page of markdown.

It reads the JSON alone, so that a result from another machine can be shown here.
Oracle: tests/report/test_benchmarks.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bayesnn_spike.report.tables import Cell, Table, markdown

TITLES = {
    "draw": "Draws: from logits to signs",
    "synapse": "Synapses: one layer, signs and spikes packed beforehand",
    "fire": "Neurons: one layer over all steps",
    "forward": "Sampled forward: draws, synapses and neurons of K networks",
    "train": "Training: one step",
    "stdb": "Hybrid training: one step by spike times, images shown at every step",
    "scaling": "Scaling: the sampled forward of a network with one hidden layer",
}
CAPTION = (
    "Time: median of runs that took turns. Spread: their 10 % and 90 % quantiles as shares of it. "
    "x fp32 and x bf16: how many times faster than the fastest baseline of that kind. Roof: share "
    "of the rate that this machine reached in the same run for the same arithmetic. Memory: growth "
    "at the peak of one run."
)

Rows = Sequence[Mapping[str, Any]]


def tables(result: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    """Yield (title, table) for every bench of a result."""
    for bench, title in TITLES.items():
        rows = [row for row in result["rows"] if row["bench"] == bench]
        if rows and bench == "scaling":
            yield title, _sweep_table(rows)
        elif rows:
            yield title, _bench_table(rows)
    if result["lines"]:
        yield "Straight lines `a + b n` through the medians", _line_table(result["lines"])


def page(result: Mapping[str, Any], *, picture: str | None = None) -> str:
    """Return the whole result as markdown.

    Args:
        result: as the command writes it.
        picture: file name of the plot of the sweeps, if there is one.
    """
    parts = ["# What the engine costs\n", _machine(result)]
    if result["settings"]["quick"]:
        parts.append("**Small cases and short runs: a check that it runs, not a measurement.**\n")
    if not result["complete"]:
        parts.append("**Interrupted: not all jobs are here.**\n")
    parts.append(CAPTION + "\n")
    for title, table in tables(result):
        parts.append(f"## {title}\n\n{markdown(table)}")
    if picture is not None:
        parts.append(f"![Seconds against K, T, B and width]({picture})\n")
    if result["left_out"]:
        parts.append("## Not timed\n\n" + "".join(_left_out(result["left_out"])))
    return "\n".join(parts)


def errors(result: Mapping[str, Any]) -> list[str]:
    """Return a sentence for everyone whose result was wrong."""
    return [
        f"{row['bench']} {row['case']} K={row['k']}, {row['who']}: {row['error']}"
        for row in result["rows"]
        if "error" in row
    ]


def _machine(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    versions = [f"{name} {v}" for name, v in machine["versions"].items() if v is not None]
    roof = machine["roofline"]
    rates = {
        "packed AND, population count, add": (roof["popcount_gmac_per_s"], "GMAC/s"),
        "torch's product in float32": (roof["gemm_fp32_gmac_per_s"], "GMAC/s"),
        "in bfloat16": (roof["gemm_bf16_gmac_per_s"], "GMAC/s"),
        "copy of memory": (roof["copy_gb_per_s"], "GB/s"),
    }
    known = [f"{name} {number(r)} {unit}" for name, (r, unit) in rates.items() if r is not None]
    lines = [
        f"- {machine['cpu']}, {machine['cores']} cores, threads: {machine['threads']}, "
        f"vectors: {' '.join(machine['vectors']) or machine['torch_vectors']}; "
        f"accelerator: {machine['accelerator'] or 'none'}",
        f"- {machine['system']}, Python {machine['python']}, "
        f"bayesnn_spike {machine['bayesnn_spike']}, {', '.join(versions)}",
        f"- limits, measured in the same run: {'; '.join(known)}",
    ]
    return "\n".join(lines) + "\n"


def _bench_table(rows: Rows) -> Table:
    header = ("case", "K", "who", "time", "spread", "x fp32", "x bf16", "GMAC/s", "roof", "memory")
    item = next((row["item"] for row in rows if row.get("gmac_per_s", 0) is None), None)
    header = header if item is None else (*header, f"ns/{item}")
    lines = []
    for row in rows:
        names = [row["case"], str(row["k"]), row["who"]]
        if "error" in row:
            lines.append([*names, "wrong", *("" for _ in header[4:])])
            continue
        share = row["share_of_roofline"]
        cells = [
            duration(row["seconds"]),
            spread(row),
            number(row["ratio"]),
            number(row["ratio_bf16"]),
            number(row["gmac_per_s"]),
            "" if share is None else f"{share:.0%}",
            size(row["peak_bytes"]),
        ]
        lines.append([*names, *cells, *([] if item is None else [number(row["ns_per_item"])])])
    return _table(header, lines, words=("case", "who"), caption=CAPTION)


def _sweep_table(rows: Rows) -> Table:
    header = ("network", "axis", "n", "who", "time", "spread", "time / n")
    lines = []
    for row in rows:
        names = [row["case"], row["axis"], str(row["value"]), row["who"]]
        if "error" in row:
            lines.append([*names, "wrong", "", ""])
            continue
        each = row["seconds"] / row["value"]
        lines.append([*names, duration(row["seconds"]), spread(row), duration(each)])
    return _table(header, lines, words=("network", "axis", "who"))


def _line_table(lines: Rows) -> Table:
    header = ("axis", "who", "a", "b", "largest deviation of a point")
    rows = [
        [
            line["axis"],
            line["who"],
            duration(line["seconds_at_0"]),
            duration(line["seconds_each"]),
            f"{line['deviation']:.0%}",
        ]
        for line in lines
    ]
    return _table(header, rows, words=("axis", "who"))


def _table(
    header: Sequence[str],
    lines: Sequence[Sequence[str]],
    *,
    words: Sequence[str],
    caption: str = "",
) -> Table:
    """Make cells, numbers but in the columns of words, and leave empty columns out."""
    kept = [i for i in range(len(header)) if any(line[i] for line in lines)]
    rows = tuple(
        tuple(Cell(line[i], number=header[i] not in words) for i in kept) for line in lines
    )
    return Table(tuple(header[i] for i in kept), rows, caption)


def _left_out(entries: Rows) -> Iterator[str]:
    """One line for everyone and every reason, with the jobs it holds for."""
    places: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        job = f"{entry['bench']} {entry['case']} K={entry['k']}"
        places.setdefault((entry["who"], entry["reason"]), []).append(job)
    for (who, reason), jobs in places.items():
        yield f"- {who} ({', '.join(jobs)}): {reason}\n"


def spread(row: Mapping[str, Any]) -> str:
    """The quantiles as shares of the median."""
    low, high = (100 * row[key] / row["seconds"] for key in ("low", "high"))
    return f"{low:.0f}-{high:.0f} %"


def duration(seconds: float) -> str:
    """Three digits with the unit that fits."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if abs(seconds) * factor >= 1:
            return f"{number(seconds * factor)} {unit}"
    return f"{number(seconds * 1e9)} ns"


def size(count: int | None) -> str:
    """Bytes in binary units, three digits."""
    if count is None:
        return ""
    value, units = float(count), iter(("KiB", "MiB", "GiB", "TiB"))
    unit = "B"
    while value >= 1024:
        value, unit = value / 1024, next(units)
    return f"{number(value)} {unit}"


def number(value: float | None) -> str:
    """Three digits, without an exponent."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 100:
        return f"{rounded:,.0f}"
    return f"{rounded:.10f}".rstrip("0").rstrip(".")
