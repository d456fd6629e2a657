"""One page for a study: a single HTML file that needs nothing else, now or in ten years.

    write_page("report.html", title="rules_on_nmnist", sections=[
        Section("Question", [Text("Which rule knows best what it does not know?")]),
        Section("Scores", [summary_table(rows), Picture(png, "Reliability of all rules.")]),
    ])

Style is inline, pictures are data URIs, there are no scripts; a content security policy in the
page forbids the browser every request.

Oracle: tests/report/test_page.py.
"""

import base64
import html
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.report.tables import Table

_PNG = b"\x89PNG\r\n\x1a\n"
_DPI = 150  # of the pictures: shown in their true size
_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 75rem; padding: 1.5rem 1.25rem 4rem; background: #fff;
  color: #222; font: 16px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 0.75rem; padding-top: 0.75rem;
  border-top: 1px solid #d9d9d9; }
p { max-width: 46rem; }
nav { margin: 0 0 1rem; }
nav a { margin-right: 1.1rem; color: #0072b2; text-decoration: none; }
nav a:hover { text-decoration: underline; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.28rem 0.75rem; text-align: left; border-bottom: 1px solid #e4e4e4;
  white-space: nowrap; }
thead th { border-bottom: 2px solid #888; }
td.number, th.number { text-align: right; }
caption { caption-side: bottom; text-align: left; padding-top: 0.5rem; color: #555;
  font-size: 0.85rem; white-space: normal; }
figure { margin: 1rem 0 1.5rem; }
figure img { max-width: 100%; height: auto; }
figcaption { color: #555; font-size: 0.85rem; max-width: 46rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.3rem 1.25rem;
  font-size: 0.92rem; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
pre { background: #f4f4f4; padding: 0.75rem 1rem; overflow-x: auto; font-size: 0.88rem; }
"""


@final
@dataclass(frozen=True)
class Text:
    """Paragraphs, separated by empty lines. No markup."""

    text: str


@final
@dataclass(frozen=True)
class Code:
    """Text as it would stand in a terminal."""

    text: str


@final
@dataclass(frozen=True)
class Facts:
    """Names and what they stand for: definitions, seeds, versions."""

    entries: Mapping[str, str]


@final
@dataclass(frozen=True)
class Picture:
    """A picture with what to see in it.

    Args:
        png: the bytes of a PNG, of 150 dots per inch.
        caption: below the picture, and the text for readers who do not see it.

    Raises:
        ValueError: the bytes are no PNG.
    """

    png: bytes
    caption: str

    def __post_init__(self) -> None:
        if not self.png.startswith(_PNG):
            raise ValueError(f"a picture must be a PNG, it starts with {self.png[:8]!r}")


Block = Text | Code | Facts | Picture | Table


@final
@dataclass(frozen=True)
class Section:
    """A titled part of the page."""

    title: str
    blocks: Sequence[Block]


def write_page(path: str | os.PathLike[str], *, title: str, sections: Sequence[Section]) -> None:
    """Write the page, whole or not at all.

    Args:
        path: the HTML file.
        title: of the page.
        sections: in order.
    """
    atomic_write_text(path, render_page(title=title, sections=sections))


def render_page(*, title: str, sections: Sequence[Section]) -> str:
    """Return the page as text. All texts are escaped: none of them is markup."""
    links = "".join(
        f'<a href="#part{number}">{html.escape(section.title)}</a>'
        for number, section in enumerate(sections, start=1)
    )
    body = "".join(_section(number, section) for number, section in enumerate(sections, start=1))
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{html.escape(title)}</h1>\n<nav>{links}</nav>\n{body}</body>\n</html>\n"
    )


def _section(number: int, section: Section) -> str:
    blocks = "".join(_block(block) for block in section.blocks)
    title = html.escape(section.title)
    return f'<section id="part{number}">\n<h2>{title}</h2>\n{blocks}</section>\n'


def _block(block: Block) -> str:
    if isinstance(block, Text):
        parts = [part.strip() for part in block.text.split("\n\n") if part.strip()]
        return "".join(f"<p>{html.escape(part)}</p>\n" for part in parts)
    if isinstance(block, Code):
        return f"<pre>{html.escape(block.text)}</pre>\n"
    if isinstance(block, Facts):
        pairs = block.entries.items()
        entries = "".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(fact)}</dd>\n" for name, fact in pairs
        )
        return f"<dl>\n{entries}</dl>\n"
    return _picture(block) if isinstance(block, Picture) else _table(block)


def _picture(picture: Picture) -> str:
    width = struct.unpack(">I", picture.png[16:20])[0] * 96 // _DPI  # CSS pixels are 1/96 inch
    data = base64.b64encode(picture.png).decode()
    caption = html.escape(picture.caption)
    return (
        f'<figure><img width="{width}" alt="{caption}" src="data:image/png;base64,{data}">\n'
        f"<figcaption>{caption}</figcaption></figure>\n"
    )


def _table(table: Table) -> str:
    numbers = [all(row[i].number for row in table.rows) for i in range(len(table.header))]
    look = [' class="number"' if number else "" for number in numbers]
    titles = zip(table.header, look, strict=True)
    header = "".join(f"<th{style}>{html.escape(title)}</th>" for title, style in titles)
    lines = []
    for row in table.rows:
        cells = []
        for cell, style in zip(row, look, strict=True):
            text = html.escape(cell.text)
            cells.append(f"<td{style}>{f'<strong>{text}</strong>' if cell.bold else text}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>\n")
    caption = f"<caption>{html.escape(table.caption)}</caption>" if table.caption else ""
    return (
        f'<div class="wide"><table>{caption}\n<thead><tr>{header}</tr></thead>\n'
        f"<tbody>\n{''.join(lines)}</tbody></table></div>\n"
    )
