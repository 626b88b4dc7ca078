"""Texts of files in pictures: they open no formula, no element and no end."""

from xml.etree import ElementTree

import pytest

from hwsim.report.picture import canvas, plain, write

ODD = "$\\frac{$ $x$ <script>&\x1b[31m\x00\u202e\uffff\ud800 日本\n"


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_any_text_is_drawn(tmp_path, suffix):
    path = tmp_path / f"odd{suffix}"
    figure = canvas(path, 3.0, 2.0)
    figure.suptitle(plain(ODD))
    write(figure, path)
    assert path.stat().st_size > 0
    if suffix == ".svg":
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
        assert "script" not in tags


def test_a_title_has_an_end():
    assert len(plain("x" * 10**6)) < 1000
