"""What a reader sees: pictures, tables and the page of a study."""

from pathlib import Path


def build_report(folder: Path) -> Path:
    """Write `report.html` and `pictures/*.png` into a study's output folder; return the page.

    Raises:
        ReportError: a file is missing or cannot be read.
    """
    # Here, so that importing a table does not take matplotlib in.
    from bayesnn_spike.report.build import build_report as build

    return build(folder)
