"""One page that asks nothing of the network, and shows what it was given."""

import base64
from html.parser import HTMLParser

import numpy as np
import pytest

from bayesnn_spike.report.figures import png_bytes, uncertainty_histograms
from bayesnn_spike.report.page import (
    Code,
    Facts,
    Picture,
    Section,
    Text,
    render_page,
    write_page,
)
from bayesnn_spike.report.tables import Cell, Table

PNG = png_bytes(uncertainty_histograms({"rule": (np.arange(9.0), np.arange(9) > 3)}))
TABLE = Table(("rule", "NLL"), ((Cell("a<b"), Cell("0.4", bold=True, number=True)),), "a caption")
VOID = {"meta", "img", "link", "br", "hr", "input"}
REFERRING = {"src", "href", "srcset", "action", "data", "poster", "background", "cite"}


class Reader(HTMLParser):
    """Collects tags, texts and references, and checks that tags close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.references, self.texts = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.references += [value for name, value in attrs if name in REFERRING]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def external(page):
    """Return everything in a page that would need the network."""
    reader = read(page)
    found = [r for r in reader.references if not r.startswith(("data:", "#"))]
    found += [tag for tag, _ in reader.tags if tag in {"script", "link", "iframe", "object"}]
    return found + [word for word in ("url(", "@import", "http://", "https://") if word in page]


def _page():
    sections = [
        Section("Question & answer", [Text("Is a < b?\n\nYes.")]),
        Section("Scores", [TABLE, Picture(PNG, 'a "picture"')]),
        Section("Made", [Code("run --set a=1 && echo <x>"), Facts({"nll": "-ln p"})]),
    ]
    return render_page(title="study <1>", sections=sections)


def test_the_page_has_no_external_reference():
    assert external(_page()) == []


@pytest.mark.parametrize(
    "line",
    [
        '<img src="picture.png">',
        '<link rel="stylesheet" href="style.css">',
        "<script>1</script>",
        "<style>@import 'a.css';</style>",
        '<a href="https://example.org">x</a>',
        "<p style=\"background: url('a.png')\">x</p>",
    ],
)
def test_the_check_sees_references(line):
    assert external(f"<html><body>{line}</body></html>")


def test_the_browser_is_forbidden_every_request():
    metas = [attrs for tag, attrs in read(_page()).tags if tag == "meta"]
    (policy,) = [m["content"] for m in metas if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_texts_are_shown_and_never_markup():
    reader = read(_page())
    texts = [text.strip() for text in reader.texts]
    for text in ("study <1>", "Question & answer", "Is a < b?", "Yes.", "a<b", "0.4", "a caption",
                 "run --set a=1 && echo <x>", "nll", "-ln p"):  # fmt: skip
        assert text in texts
    assert sum(tag == "p" for tag, _ in reader.tags) == 2
    assert sum(tag == "strong" for tag, _ in reader.tags) == 1


def test_pictures_are_inside_and_have_their_true_size():
    reader = read(_page())
    (image,) = [attrs for tag, attrs in reader.tags if tag == "img"]
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == PNG
    assert int(image["width"]) == int.from_bytes(PNG[16:20], "big") * 96 // 150
    assert image["alt"] == 'a "picture"'


def test_links_lead_to_their_sections():
    reader = read(_page())
    links = [attrs["href"] for tag, attrs in reader.tags if tag == "a"]
    assert links == [f"#{attrs['id']}" for tag, attrs in reader.tags if tag == "section"]


def test_the_page_is_written_whole(tmp_path):
    path = tmp_path / "runs" / "report.html"
    write_page(path, title="study", sections=[Section("One", [Text("é")])])
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "é" in path.read_text(encoding="utf-8")
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_what_is_no_png_is_refused():
    with pytest.raises(ValueError, match="must be a PNG, it starts with b'GIF89a'"):
        Picture(b"GIF89a", "no")
