"""PDF: text page by page, and that cited words are found again on the page's picture."""

import unicodedata
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from ingestion.pages import page_boxes, page_image
from ingestion.parsing import parse
from ingestion.parsing.pdf_lines import laid_out
from ingestion.parsing.text import clean
from ingestion.types import Parsed, Unreadable
from tests.ingestion import files

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

FILLER = [f"Line {number} of the ordinary text of this page, long enough to count." for number in range(12)]


def lit(parsed: Parsed, page: int, words: str) -> list[tuple[int, int]]:
    span = parsed.page_span(page)
    assert span is not None
    start = parsed.text.index(words, *span) - span[0]
    return [(start, start + len(words))]


def yellow(picture: bytes) -> tuple[int, int, int, int] | None:
    """Return the box around everything that is marked."""
    red, _, blue = Image.open(BytesIO(picture)).convert("RGB").split()
    marked = ImageChops.multiply(
        red.point(lambda value: 255 * (value > 200)), blue.point(lambda value: 255 * (value < 160))
    )
    return marked.getbbox()


def test_a_pdf_has_its_text_by_page_with_headings_by_size(tmp_path: Path) -> None:
    path = files.pdf(
        tmp_path / "a.pdf",
        [["# Travel policy", *FILLER], ["More words.", "# Hotels", *FILLER]],
        title="Travel",
    )
    parsed = parse(path, "a.pdf")
    assert (parsed.title, parsed.page_count, parsed.warnings) == ("Travel", 2, ())
    assert [(section.page, section.headings) for section in parsed.sections] == [
        (1, ("Travel policy",)), (2, ("Travel policy",)), (2, ("Hotels",)),
    ]  # fmt: skip
    assert parsed.text.startswith("Travel policy\n\nLine 0")
    span = parsed.page_span(2)
    assert span is not None
    assert parsed.text[slice(*span)].startswith("More words.\n")


def test_cited_words_are_lit_where_they_stand(tmp_path: Path) -> None:
    path = files.pdf(
        tmp_path / "a.pdf", [["First line here.", "The hotel costs EUR 140 a night.", "Last line."]]
    )
    parsed = parse(path, "a.pdf")
    (box,) = page_boxes(path, 1, lit(parsed, 1, "hotel costs EUR 140"))
    # The second line: its baseline lies at 766 of 842 points, its first letter at 72 of 595.
    assert box.top < (842 - 766) / 842 < box.top + box.height + 0.002
    assert 72 / 595 < box.left < 0.2
    picture = page_image(path, 1, lit(parsed, 1, "hotel costs EUR 140"), 1)
    image = Image.open(BytesIO(picture))
    assert image.size == (794, 1123)
    area = yellow(picture)
    assert area is not None
    assert abs(area[0] - box.left * image.width) < 4
    assert abs(area[3] - (box.top + box.height) * image.height) < 4
    assert any(image.convert("L").crop(area).histogram()[:60]), "the letters stay dark under the mark"


def test_a_picture_for_a_screen_of_double_density_has_twice_the_pixels(tmp_path: Path) -> None:
    path = files.pdf(tmp_path / "a.pdf", [["Words."]])
    assert Image.open(BytesIO(page_image(path, 1, [], 2))).size == (1587, 2246)
    assert yellow(page_image(path, 1, [], 1)) is None


def test_words_over_two_lines_have_a_box_on_each(tmp_path: Path) -> None:
    path = files.pdf(tmp_path / "a.pdf", [["A sentence that begins here", "and ends there. Another."]])
    boxes = page_boxes(path, 1, lit(parse(path, "a.pdf"), 1, "begins here\nand ends there."))
    assert len(boxes) == 2
    assert boxes[0].top < boxes[1].top
    assert boxes[0].left > boxes[1].left


def test_boxes_follow_a_page_that_is_turned(tmp_path: Path) -> None:
    def draw(canvas: "Canvas") -> None:
        canvas.setPageRotation(90)
        canvas.drawString(72, 780, "Turned words.")

    path = files.pdf_drawn(tmp_path / "a.pdf", draw)
    (box,) = page_boxes(path, 1, lit(parse(path, "a.pdf"), 1, "Turned words."))
    assert box.height > box.width * 0.5
    assert box.left > 0.8


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["The reim-", "bursement follows."], "The reimbursement follows."),
        (["A long-term plan and a long-", "term view."], "A long-term plan and a long-term view."),
    ],
)
def test_words_cut_by_a_hyphen_are_read_whole(tmp_path: Path, lines: list[str], text: str) -> None:
    assert parse(files.pdf(tmp_path / "a.pdf", [lines]), "a.pdf").text == text


def test_what_stands_in_columns_is_read_as_rows_and_list_markers_are_not_columns(tmp_path: Path) -> None:
    def draw(canvas: "Canvas") -> None:
        for row, cells in enumerate((("Year", "Net profit", "Share"), ("2022", "EUR 3.9 million", "41 %"))):
            for column, cell in enumerate(cells):
                canvas.drawString(72 + 150 * column, 780 - 16 * row, cell)
        for row, item in enumerate(("Gym memberships", "Yoga classes")):
            canvas.drawString(72, 700 - 16 * row, "•")
            canvas.drawString(100, 700 - 16 * row, item)

    path = files.pdf_drawn(tmp_path / "a.pdf", draw)
    parsed = parse(path, "a.pdf")
    assert parsed.text == (
        "| Year | Net profit | Share |\n| 2022 | EUR 3.9 million | 41 % |\n\n• Gym memberships\n• Yoga classes"
    )
    assert len(page_boxes(path, 1, lit(parsed, 1, "2022 | EUR 3.9 million"))) == 2


def test_words_that_lie_evenly_are_a_row_beside_rows_of_as_many_columns_and_a_stretched_line_elsewhere(
    tmp_path: Path,
) -> None:
    def draw(canvas: "Canvas") -> None:
        def evenly(height: float, cells: tuple[str, ...]) -> None:
            left = 72.0
            for cell in cells:
                canvas.drawString(left, height, cell)
                left += canvas.stringWidth(cell) + 40

        for column, cell in enumerate(("Country", "Share 2025", "Share 2026")):
            canvas.drawString(72 + 150 * column, 780, cell)
        evenly(764, ("Netherlands", "23 %", "22 %"))
        evenly(748, ("United Kingdom", "16 %", "17 %"))
        canvas.drawString(72, 700, "The shares of both countries moved by a point, which")
        evenly(684, ("nobody", "had", "expected."))

    assert parse(files.pdf_drawn(tmp_path / "a.pdf", draw), "a.pdf").text == (
        "| Country | Share 2025 | Share 2026 |\n| Netherlands | 23 % | 22 % |\n| United Kingdom | 16 % | 17 % |\n\n"
        "The shares of both countries moved by a point, which\nnobody had expected."
    )


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_every_character_of_a_page_comes_from_where_it_says(text: str) -> None:
    codes = [ord(character) for character in text]
    made = laid_out(codes, lambda _: None)
    assert len(made.places) == len(made.text)
    assert made.text == clean(made.text).strip(" ")
    known = [place for place in made.places if place >= 0]
    assert known == sorted(known)
    for character, place in zip(made.text, made.places, strict=True):
        if character.isascii() and character.isalnum() and place >= 0:
            assert character in unicodedata.normalize("NFKC", text[place])


def test_ligatures_are_read_as_letters(tmp_path: Path) -> None:
    def draw(canvas: "Canvas") -> None:
        from reportlab.pdfbase import pdfmetrics

        pdfmetrics.registerFont(pdfmetrics.Font("Mac", "Helvetica", "MacRomanEncoding"))
        canvas.setFont("Mac", 11)
        canvas.drawString(72, 780, "ﬁve a day")

    path = files.pdf_drawn(tmp_path / "a.pdf", draw)
    parsed = parse(path, "a.pdf")
    assert parsed.text == "five a day"
    assert len(page_boxes(path, 1, [(0, 2)])) == 1


def test_text_that_nobody_can_see_is_read_with_a_warning(tmp_path: Path) -> None:
    def draw(canvas: "Canvas") -> None:
        canvas.drawString(72, 780, "Seen words.")
        canvas.setFillColorRGB(1, 1, 1)
        canvas.drawString(72, 700, "Obey me.")
        canvas.setFillColorRGB(0, 0, 0)
        canvas.drawString(-400, 500, "Outside.")
        hidden = canvas.beginText(72, 600)
        hidden.setTextRenderMode(3)
        hidden.textLine("Invisible.")
        canvas.drawText(hidden)

    parsed = parse(files.pdf_drawn(tmp_path / "a.pdf", draw), "a.pdf")
    assert "Obey me." in parsed.text
    assert parsed.warnings == (
        "Text that cannot be seen (25 characters) stands on page 1. It was read, but such text can be there to mislead a machine.",
    )


def test_white_text_on_a_dark_ground_is_seen(tmp_path: Path) -> None:
    def draw(canvas: "Canvas") -> None:
        canvas.rect(0, 760, 595, 60, fill=1)
        canvas.setFillColorRGB(1, 1, 1)
        canvas.drawString(72, 780, "A banner.")

    assert parse(files.pdf_drawn(tmp_path / "a.pdf", draw), "a.pdf").warnings == ()


def test_the_text_layer_of_a_scan_is_read_as_such(tmp_path: Path) -> None:
    def draw(canvas: "Canvas") -> None:
        from reportlab.lib.utils import ImageReader

        canvas.drawImage(ImageReader(Image.new("RGB", (100, 140), (230, 230, 220))), 0, 0, 595, 842)
        layer = canvas.beginText(72, 600)
        layer.setTextRenderMode(3)
        layer.textLine("Recognised words.")
        canvas.drawText(layer)

    parsed = parse(files.pdf_drawn(tmp_path / "a.pdf", draw), "a.pdf")
    assert parsed.text == "Recognised words."
    assert parsed.warnings == ("Page 1 is a scan; the text comes from the text recognition stored with it.",)


def test_what_is_filled_into_a_form_is_read_after_the_page(tmp_path: Path) -> None:
    def draw(canvas: "Canvas") -> None:
        canvas.drawString(72, 780, "Name of the applicant")
        canvas.acroForm.textfield(name="applicant", value="Alice", x=72, y=740)

    parsed = parse(files.pdf_drawn(tmp_path / "a.pdf", draw), "a.pdf")
    assert parsed.text == "Name of the applicant\n\napplicant: Alice"
    assert len(page_boxes(tmp_path / "a.pdf", 1, [(0, len(parsed.text))])) == 1


@pytest.mark.parametrize(
    ("page", "code", "reason"),
    [(0, "no_page", "The document has no page 0."), (2, "no_page", "The document has no page 2.")],
)
def test_a_page_that_does_not_exist_is_refused(tmp_path: Path, page: int, code: str, reason: str) -> None:
    path = files.pdf(tmp_path / "a.pdf", [["Words."]])
    with pytest.raises(Unreadable) as caught:
        page_image(path, page, [], 1)
    assert (caught.value.code, caught.value.reason) == (code, reason)


def test_only_the_pages_of_a_pdf_have_pictures(tmp_path: Path) -> None:
    with pytest.raises(Unreadable) as caught:
        page_image(files.write(tmp_path / "a.txt", "Words."), 1, [], 1)
    assert (caught.value.code, caught.value.reason) == (
        "unsupported", "Only the pages of a PDF can be shown as pictures.",
    )  # fmt: skip
    with pytest.raises(Unreadable) as caught:
        page_image(tmp_path / "gone.pdf", 1, [], 1)
    assert caught.value.code == "vanished"


def test_ranges_outside_the_page_light_nothing(tmp_path: Path) -> None:
    path = files.pdf(tmp_path / "a.pdf", [["Words."]])
    assert page_boxes(path, 1, [(500, 600), (-5, 0), (3, 1)]) == ()


@pytest.mark.slow
def test_a_page_of_enormous_size_is_drawn_with_fewer_pixels(tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=(14_000, 14_000))
    canvas.drawString(72, 780, "Poster.")
    canvas.save()
    image = Image.open(BytesIO(page_image(tmp_path / "a.pdf", 1, [], 4)))
    assert image.width * image.height <= 16_100_000
