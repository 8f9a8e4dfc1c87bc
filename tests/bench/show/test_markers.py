"""One grammar for generated text in pages, whichever program writes it."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.show.markers import fill, fill_page
from rtl import page as rtl_page

PAGE = (
    "Above.\n\n<!-- generated: table a -->old<!-- end -->\n\nIn a sentence:"
    " <!-- generated: value 'x y' -->1<!-- end -->.\n"
)


def test_lines_are_set_apart_and_a_word_stays_in_its_sentence():
    filled = fill(PAGE, lambda words: {"table": "| 1 |\n| 2 |\n", "value": words[1]}[words[0]])
    assert filled == (
        "Above.\n\n<!-- generated: table a -->\n\n| 1 |\n| 2 |\n\n<!-- end -->\n\n"
        "In a sentence:"
        " <!-- generated: value 'x y' -->x y<!-- end -->.\n"
    )
    assert fill(filled, lambda words: None) == filled


def test_each_program_leaves_what_is_anothers():
    mine = fill(PAGE, lambda words: "new" if words[0] == "table" else None)
    assert mine == PAGE.replace("old", "new")


def test_a_marker_that_is_not_closed_is_an_error():
    with pytest.raises(UsageError, match="has no '<!-- end -->'"):
        fill(PAGE + "<!-- generated: table b -->", lambda words: "")


def test_a_page_is_rewritten_where_its_marker_is(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# T\n<!-- generated: validation --><!-- end -->\nBelow, ±.\n", "utf-8")
    fill_page(page, "validation", "a\nb")
    expected = "# T\n<!-- generated: validation -->\n\na\nb\n\n<!-- end -->\nBelow, ±.\n"
    assert page.read_text("utf-8") == expected
    with pytest.raises(UsageError, match="has no marker <!-- generated: synthesis -->"):
        fill_page(page, "synthesis", "c")
    with pytest.raises(UsageError, match="cannot read"):
        fill_page(tmp_path / "absent.md", "validation", "c")
    assert page.read_text("utf-8") == expected


@pytest.mark.parametrize("text", ["one word", "a\nb\n", "", None])
def test_the_simulators_page_is_read_by_the_same_grammar(text):
    """`hardware/rtl` is not installed with the packages and has a reader of its own."""
    asked = []

    def render(words):
        asked.append(list(words))
        return text

    assert rtl_page.fill(PAGE, render) == fill(PAGE, render)
    assert asked == 2 * [["table", "a"], ["value", "x y"]]
    with pytest.raises(ValueError, match="has no '<!-- end -->'"):
        rtl_page.fill(PAGE + "<!-- generated: table b -->", render)
