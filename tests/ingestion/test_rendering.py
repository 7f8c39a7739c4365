"""Text as blocks: what stands in a text is drawn, in order, once, and lit where it should be."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.chunking import Section
from ingestion.models import DocumentVersion
from ingestion.rendering import Block, Run, blocks_around, parse_ranges, render

TEXT = (
    "Travel policy\n\nEveryone may travel second class by train, also when the journey takes\nlonger than a day.\n\n"
    "Limits\n\nThe cap is 40 euros.\n- hotel, with\n  breakfast\n- meals\n  1. lunch\n  2. dinner\n\n"
    "| Item | Cap |\n| Hotel | 120 |\n| Meal | 40 |\n\n"
    "$ halden-ctl drain\n  --node x1\n\nHalden Instruments\nHarbour Street 4\nRotterdam"
)
SECTIONS = (
    Section(0, TEXT.index("Limits"), 1, ("Travel policy",)),
    Section(TEXT.index("Limits"), len(TEXT), 2, ("Travel policy", "Limits")),
)


def words(runs: tuple[Run, ...]) -> str:
    return "".join(run.text for run in runs)


def groups(block: Block) -> list[tuple[Run, ...]]:
    return [block.runs, *(item.runs for item in block.items), *(c for row in block.rows for c in row.cells)]


def lit_words(blocks: tuple[Block, ...]) -> str:
    return "".join(run.text for b in blocks for runs in groups(b) for run in runs if run.is_lit)


def test_a_text_becomes_headings_paragraphs_lists_tables_and_lines() -> None:
    blocks = [block for block in render(TEXT, SECTIONS) if block.kind != "page"]
    assert [block.kind for block in blocks] == [
        "heading", "paragraph", "heading", "paragraph", "list", "table", "code", "lines",
    ]  # fmt: skip
    assert (blocks[0].level, words(blocks[0].runs)) == (2, "Travel policy")
    assert blocks[1].runs == (
        Run("Everyone may travel second class by train, also when the journey takes longer than a day."),
    )
    assert (blocks[2].level, words(blocks[2].runs)) == (3, "Limits")
    assert [(i.marker, i.depth, words(i.runs)) for i in blocks[4].items] == [
        ("-", 0, "hotel, with breakfast"), ("-", 0, "meals"), ("1.", 1, "lunch"), ("2.", 1, "dinner"),
    ]  # fmt: skip
    assert [[words(cell) for cell in row.cells] for row in blocks[5].rows] == [
        ["Item", "Cap"], ["Hotel", "120"], ["Meal", "40"],
    ]  # fmt: skip
    assert [row.is_header for row in blocks[5].rows] == [True, False, False]
    assert words(blocks[6].runs) == "$ halden-ctl drain\n  --node x1"
    assert words(blocks[7].runs) == "Halden Instruments\nHarbour Street 4\nRotterdam"


def test_a_page_begins_with_its_number() -> None:
    assert [block.page for block in render(TEXT, SECTIONS) if block.kind == "page"] == [1, 2]


def test_a_heading_the_text_does_not_spell_out_is_added() -> None:
    blocks = render("The cap is 40 euros.", [Section(0, 20, None, ("Travel", "Limits"))])
    assert [(b.kind, b.level, words(b.runs)) for b in blocks] == [
        ("heading", 2, "Travel"), ("heading", 3, "Limits"), ("paragraph", 0, "The cap is 40 euros."),
    ]  # fmt: skip


def test_a_heading_of_digits_is_no_table_header() -> None:
    (table,) = render("| 1 | 2 |\n| 3 | 4 |")
    assert [row.is_header for row in table.rows] == [False, False]


def test_quoted_words_are_lit_and_the_first_of_them_is_the_anchor() -> None:
    start = TEXT.index("second class")
    blocks = render(TEXT, SECTIONS, [(start, start + len("second class"))])
    assert lit_words(blocks) == "second class"
    anchors = [run for b in blocks for runs in groups(b) for run in runs if run.is_anchor]
    assert [run.text for run in anchors] == ["second class"]


def test_light_goes_on_over_a_wrapped_line_and_into_a_table() -> None:
    start = TEXT.index("takes")
    assert lit_words(render(TEXT, SECTIONS, [(start, TEXT.index("than"))])) == "takes longer "
    start = TEXT.index("Hotel | 120")
    assert lit_words(render(TEXT, SECTIONS, [(start, start + 11)])) == "Hotel120"


def test_markup_in_a_text_stays_text() -> None:
    (block,) = render("Press <script>alert(1)</script> & wait.")
    assert words(block.runs) == "Press <script>alert(1)</script> & wait."


@example("\t11\n1", [], [])
@given(
    st.text(alphabet="ab .\n\t|-1#>AB", max_size=200),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=4),
    st.lists(st.integers(0, 200), max_size=4),
)
def test_every_word_is_drawn_once_and_in_order_whatever_is_lit(
    text: str, ranges: list[tuple[int, int]], cuts: list[int]
) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    sections = [Section(a, b, None, (f"H{n}",)) for n, (a, b) in enumerate(pairwise(edges))]
    lit = [(min(pair), min(max(pair), len(text))) for pair in ranges if min(pair) < len(text)]
    drawn = []
    for block in render(text, sections, lit):
        if block.kind == "heading" and words(block.runs).startswith("H"):
            continue
        drawn += [words(runs) for runs in (block.runs,) if runs]
        drawn += [item.marker + words(item.runs) for item in block.items]
        drawn += [words(cell) for row in block.rows for cell in row.cells]
    # Signs that only shape the text (cell edges, rules) are not drawn as words.
    letters = [c for c in text if c.isalnum()]
    assert [c for c in "".join(drawn) if c.isalnum()] == letters


def test_ranges_of_an_address_are_all_valid_or_none_is_used() -> None:
    assert parse_ranges("10-40,50-60", 100) == ((10, 40), (50, 60))
    assert parse_ranges("10-40,30-60", 100) == ((10, 60),)
    for written in (
        "",
        "10",
        "40-10",
        "10-10",
        "10-101",
        "a-b",
        "-5-10",
        "10-40,",
        "1-2;3-4",
        ",".join(["1-2"] * 21),
    ):
        assert parse_ranges(written, 100) == ()


def version(text: str, sections: list[list[object]]) -> DocumentVersion:
    return DocumentVersion(text=text, sections=sections, media_type="text/markdown")


def test_the_section_around_a_quote_is_shown_and_no_other() -> None:
    first, second = "First part. " * 60, "Second part. " * 60
    text = f"{first}\n\n{second}"
    start = len(first) + 2
    made = version(text, [[0, len(first), None, ["One"]], [start, len(text), None, ["Two"]]])
    sheet = blocks_around(made, start, start + len("Second part."))
    assert sheet.headings == ("Two",)
    assert (sheet.is_cut_before, sheet.is_cut_after) == (False, False)
    assert lit_words(sheet.blocks) == "Second part."
    assert "First part." not in "".join(words(block.runs) for block in sheet.blocks)


def test_a_short_section_is_shown_with_the_next_one() -> None:
    text = "Scope\n\nAll staff.\n\nLimits\n\nThe cap is 40 euros."
    at = text.index("Limits")
    made = version(text, [[0, at - 2, None, ["Scope"]], [at, len(text), None, ["Limits"]]])
    sheet = blocks_around(made, text.index("All"), text.index("All") + 10)
    assert "The cap is 40 euros." in [words(block.runs) for block in sheet.blocks]


def test_a_long_section_is_cut_near_the_quote_and_says_so() -> None:
    lines = [f"Line {number} says something that is long enough to matter here." for number in range(400)]
    text = "\n".join(lines)
    start = text.index("Line 200 ")
    sheet = blocks_around(version(text, [[0, len(text), None, []]]), start, start + len(lines[200]))
    assert (sheet.is_cut_before, sheet.is_cut_after) == (True, True)
    shown = "".join(words(block.runs) for block in sheet.blocks)
    assert len(shown) < 4_000
    assert lit_words(sheet.blocks) == lines[200]


def test_a_quote_over_the_end_of_its_section_is_shown_whole() -> None:
    text = "One ends here. " + "Two begins here." * 40
    made = version(text, [[0, 15, None, ["One"]], [15, len(text), None, ["Two"]]])
    assert lit_words(blocks_around(made, 4, 30).blocks).split() == "ends here.Two begins here".split()


def test_a_quote_outside_the_text_is_an_error() -> None:
    with pytest.raises(ValueError, match="outside the text"):
        blocks_around(version("short", []), 2, 9)
