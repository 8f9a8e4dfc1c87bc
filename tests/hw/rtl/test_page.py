"""Generated text goes between its own markers, and nowhere else."""

import pytest

from rtl import page

TEXT = """a
<!-- generated: one x -->

old

<!-- end -->
b <!-- generated: two -->1<!-- end -->"""


def test_only_the_named_text_is_made_anew():
    filled = page.fill(TEXT, lambda words: "new\nlines" if words == ["one", "x"] else None)
    assert filled == TEXT.replace("old", "new\nlines")
    short = page.fill(TEXT, lambda words: "2" if words == ["two"] else None)
    assert short == TEXT.replace(">1<", ">2<")


def test_a_marker_without_an_end_is_refused():
    with pytest.raises(ValueError, match="has no '<!-- end -->'"):
        page.fill(TEXT + "<!-- generated: three -->", lambda words: None)


def test_the_page_has_both_tables(tmp_path, monkeypatch):
    copy = tmp_path / "README.md"
    copy.write_text(page.PAGE.read_text())
    monkeypatch.setattr(page, "PAGE", copy)
    for name in ("agreement", "synthesis"):
        page.rewrite(name, f"| {name} |\n|---|")
        table = f"<!-- generated: {name} -->\n\n| {name} |\n|---|\n\n<!-- end -->"
        assert table in copy.read_text()
