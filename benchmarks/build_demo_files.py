"""Build the DOCX and PDF documents of the demo organisation.

The sources are Markdown-like files in assistant/demo/built_from; the name of
a source is the path of the result inside the corpus with ".md" appended.
Running the script twice gives the same bytes.

    python benchmarks/build_demo_files.py            # build everything
    python benchmarks/build_demo_files.py --check    # compare, write nothing
"""

from __future__ import annotations

import argparse
import datetime
import io
import re
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import yaml

DEMO = Path(__file__).resolve().parent.parent / "assistant" / "demo"
SOURCES = DEMO / "built_from"
CORPUS = DEMO / "corpus"
ORGANISATION = "Halden Instruments"
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
LARGEST = 150 * 1024

TABLE_RULE = re.compile(r"^\|?[\s:|-]+\|?$")
LIST_ITEM = re.compile(r"^(-|\d+\.)\s+(.*)$")
INLINE = re.compile(r"(\*\*.+?\*\*|\*.+?\*|`.+?`)")


@dataclass
class Block:
    """One part of a document: heading, paragraph, list, table or break."""

    kind: str
    text: str = ""
    level: int = 0
    ordered: bool = False
    items: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Source:
    title: str
    author: str
    date: datetime.date
    blocks: list[Block]


def read_source(path: Path) -> Source:
    """Read one source: YAML front matter, then blocks."""
    _, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    meta = yaml.safe_load(front)
    return Source(meta["title"], meta["author"], meta["date"], list(read_blocks(body)))


def read_blocks(body: str) -> list[Block]:
    """Split the text into blocks. A paragraph is one line; lists and tables
    are runs of lines."""
    blocks: list[Block] = []
    for raw in body.splitlines():
        line = raw.strip()
        last = blocks[-1] if blocks else None
        if not line:
            if last and last.kind in ("list", "table"):
                blocks.append(Block("gap"))
            continue
        if line == r"\pagebreak":
            blocks.append(Block("pagebreak"))
        elif line.startswith("#"):
            marks = len(line) - len(line.lstrip("#"))
            blocks.append(Block("heading", line[marks:].strip(), level=marks))
        elif line.startswith("|"):
            if TABLE_RULE.match(line):
                continue
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not last or last.kind != "table":
                last = Block("table")
                blocks.append(last)
            last.rows.append(cells)
        elif match := LIST_ITEM.match(line):
            ordered = match.group(1) != "-"
            if not last or last.kind != "list" or last.ordered != ordered:
                last = Block("list", ordered=ordered)
                blocks.append(last)
            last.items.append(match.group(2))
        else:
            blocks.append(Block("paragraph", line))
    return [block for block in blocks if block.kind != "gap"]


def runs(text: str) -> list[tuple[str, str]]:
    """Split inline markup into (style, text) pairs."""
    found = []
    for part in INLINE.split(text):
        if not part:
            continue
        if part.startswith("**"):
            found.append(("bold", part[2:-2]))
        elif part.startswith("*"):
            found.append(("italic", part[1:-1]))
        elif part.startswith("`"):
            found.append(("code", part[1:-1]))
        else:
            found.append(("plain", part))
    return found


# --- PDF -------------------------------------------------------------------


def markup(text: str) -> str:
    """Inline markup in the form reportlab understands."""
    wrap = {
        "bold": "<b>%s</b>",
        "italic": "<i>%s</i>",
        "code": '<font face="Courier">%s</font>',
        "plain": "%s",
    }
    return "".join(wrap[style] % escape(part) for style, part in runs(text))


def build_pdf(source: Source) -> bytes:
    from reportlab.lib import colors
    from reportlab.lib.enums import TA_LEFT
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import (
        Flowable,
        ListFlowable,
        ListItem,
        PageBreak,
        Paragraph,
        SimpleDocTemplate,
        Spacer,
        Table,
        TableStyle,
    )

    ink = colors.HexColor("#1b3a4b")
    body = ParagraphStyle(
        "body", fontName="Helvetica", fontSize=11, leading=16, spaceAfter=8, alignment=TA_LEFT
    )
    item_style = ParagraphStyle("item", parent=body, spaceAfter=2)
    cell = ParagraphStyle("cell", parent=body, fontSize=10, leading=13, spaceAfter=0)
    head = ParagraphStyle("head", parent=cell, fontName="Helvetica-Bold", textColor=colors.white)
    small = ParagraphStyle(
        "small", parent=body, fontSize=9, textColor=colors.HexColor("#555555"), spaceAfter=12
    )
    headings = {
        1: ParagraphStyle(
            "h1", parent=body, fontName="Helvetica-Bold", fontSize=20, leading=25, textColor=ink
        ),
        2: ParagraphStyle(
            "h2",
            parent=body,
            fontName="Helvetica-Bold",
            fontSize=13.5,
            leading=18,
            spaceBefore=10,
            textColor=ink,
        ),
        3: ParagraphStyle(
            "h3", parent=body, fontName="Helvetica-Bold", fontSize=11.5, leading=15, spaceBefore=6
        ),
    }
    for style in headings.values():
        style.keepWithNext = 1

    class Outline(Flowable):  # type: ignore[misc]
        """Adds the following heading to the outline of the file."""

        def __init__(self, key: str, title: str, level: int) -> None:
            super().__init__()
            self.key, self.title, self.level = key, title, level
            self.width = self.height = 0
            self.keepWithNext = 1

        def draw(self) -> None:
            self.canv.bookmarkPage(self.key)
            self.canv.addOutlineEntry(self.title, self.key, level=self.level, closed=0)

    class NumberedCanvas(Canvas):  # type: ignore[misc]
        """Keeps the pages until the end, when their number is known."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.pages: list[dict[str, Any]] = []
            # invariant=1 dates every file to the year 2000; use the document's own date
            self._doc._timeStamp.YMDhms = (source.date.year, source.date.month, source.date.day, 9, 0, 0)

        def showPage(self) -> None:
            self.pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self.pages, start=1):
                self.__dict__.update(page)
                self.setFont("Helvetica", 8)
                self.setFillColor(colors.HexColor("#555555"))
                self.drawString(20 * mm, 12 * mm, f"{ORGANISATION} | {source.title}")
                self.drawRightString(A4[0] - 20 * mm, 12 * mm, f"Page {number} of {len(self.pages)}")
                super().showPage()
            super().save()

    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=20 * mm,
        bottomMargin=22 * mm,
        title=source.title,
        author=source.author,
        subject=ORGANISATION,
        creator=ORGANISATION,
        lang="en-GB",
        invariant=1,
    )
    story: list[Any] = []
    for number, block in enumerate(source.blocks):
        if block.kind == "heading":
            story.append(Outline(f"h{number}", block.text, block.level - 1))
            story.append(Paragraph(markup(block.text), headings[block.level]))
            if block.level == 1:
                day = source.date
                story.append(Paragraph(escape(f"{source.author}, {day.day} {day:%B %Y}"), small))
        elif block.kind == "paragraph":
            story.append(Paragraph(markup(block.text), body))
        elif block.kind == "list":
            entries = [ListItem(Paragraph(markup(item), item_style), leftIndent=16) for item in block.items]
            kind: dict[str, Any] = (
                {"bulletType": "1", "bulletFormat": "%s."}
                if block.ordered
                else {"bulletType": "bullet", "start": "•"}
            )
            story.append(ListFlowable(entries, leftIndent=16, bulletFontSize=11, **kind))
            story.append(Spacer(1, 4))
        elif block.kind == "table":
            rows = [[Paragraph(markup(text), head) for text in block.rows[0]]]
            rows += [[Paragraph(markup(text), cell) for text in row] for row in block.rows[1:]]
            widest = [max(min(len(row[i]), 34) for row in block.rows) + 4 for i in range(len(block.rows[0]))]
            widths = [(document.width - 12) * share / sum(widest) for share in widest]
            table = Table(rows, colWidths=widths, repeatRows=1, hAlign="LEFT", spaceBefore=2)
            table.setStyle(
                TableStyle(
                    [
                        ("BACKGROUND", (0, 0), (-1, 0), ink),
                        ("GRID", (0, 0), (-1, -1), 0.4, colors.HexColor("#9fb3bf")),
                        ("ROWBACKGROUNDS", (0, 1), (-1, -1), [colors.white, colors.HexColor("#f1f5f7")]),
                        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                        ("TOPPADDING", (0, 0), (-1, -1), 4),
                        ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
                    ]
                )
            )
            story += [table, Spacer(1, 10)]
        else:
            story.append(PageBreak())
    document.build(story, canvasmaker=NumberedCanvas)
    return out.getvalue()


# --- DOCX ------------------------------------------------------------------


def add_runs(paragraph: Any, text: str) -> None:
    for style, part in runs(text):
        run = paragraph.add_run(part)
        run.bold = True if style == "bold" else None
        run.italic = True if style == "italic" else None
        if style == "code":
            run.font.name = "Courier New"


def add_field(paragraph: Any, instruction: str) -> None:
    """A field such as the page number, with a value for readers that do not
    compute fields."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    for kind in ("begin", None, "separate", "value", "end"):
        run = paragraph.add_run()._r
        if kind is None:
            element = OxmlElement("w:instrText")
            element.set(qn("xml:space"), "preserve")
            element.text = instruction
        elif kind == "value":
            element = OxmlElement("w:t")
            element.text = "1"
        else:
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), kind)
        run.append(element)


def restart_numbering(document: Any, paragraph_style: str) -> int:
    """A new number sequence, so that each ordered list begins with one."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    numbering = document.part.numbering_part.numbering_definitions._numbering
    style_num = document.styles[paragraph_style].element.pPr.numPr.numId.val
    abstract = next(num for num in numbering.num_lst if num.numId == style_num).abstractNumId.val
    num = numbering.add_num(abstract)
    override = OxmlElement("w:lvlOverride")
    override.set(qn("w:ilvl"), "0")
    start = OxmlElement("w:startOverride")
    start.set(qn("w:val"), "1")
    override.append(start)
    num.append(override)
    return int(num.numId)


def build_docx(source: Source) -> bytes:
    from docx import Document
    from docx.shared import Mm, Pt

    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(23)
    section.top_margin = section.bottom_margin = Mm(22)
    document.styles["Normal"].font.name = "Calibri"
    document.styles["Normal"].font.size = Pt(11)

    footer = section.footer.paragraphs[0]
    footer.add_run(f"{ORGANISATION} | {source.title} | Page ")
    add_field(footer, "PAGE")

    stamp = datetime.datetime.combine(source.date, datetime.time(9, 0))
    properties = document.core_properties
    properties.title, properties.author = source.title, source.author
    properties.last_modified_by = source.author
    properties.created = properties.modified = properties.last_printed = stamp
    properties.revision = 1
    properties.language = "en-GB"
    properties.subject, properties.comments, properties.keywords = ORGANISATION, "", ""

    for block in source.blocks:
        if block.kind == "heading":
            document.add_heading(block.text, level=block.level)
        elif block.kind == "paragraph":
            add_runs(document.add_paragraph(), block.text)
        elif block.kind == "list":
            style = "List Number" if block.ordered else "List Bullet"
            number = restart_numbering(document, style) if block.ordered else None
            for item in block.items:
                paragraph = document.add_paragraph(style=style)
                add_runs(paragraph, item)
                if number is not None:
                    numbered = paragraph._p.get_or_add_pPr().get_or_add_numPr()
                    numbered.get_or_add_ilvl().val = 0
                    numbered.get_or_add_numId().val = number
        elif block.kind == "table":
            table = document.add_table(rows=0, cols=len(block.rows[0]))
            table.style = "Light Grid Accent 1"
            for row in block.rows:
                for target, text in zip(table.add_row().cells, row, strict=True):
                    add_runs(target.paragraphs[0], text)
            document.add_paragraph()
        else:
            document.add_page_break()

    raw = io.BytesIO()
    document.save(raw)
    return fixed_zip(raw.getvalue())


def fixed_zip(data: bytes) -> bytes:
    """The same archive with fixed timestamps."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            info = zipfile.ZipInfo(name, ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            new.writestr(info, old.read(name), compresslevel=9)
    return out.getvalue()


BUILDERS = {".pdf": build_pdf, ".docx": build_docx}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the DOCX and PDF documents of the demo organisation.")
    parser.add_argument(
        "--check", action="store_true", help="compare with the files in the corpus, write nothing"
    )
    options = parser.parse_args(arguments)

    different = 0
    for path in sorted(SOURCES.rglob("*.md")):
        target = CORPUS / path.relative_to(SOURCES).with_suffix("")
        data = BUILDERS[target.suffix](read_source(path))
        if len(data) > LARGEST:
            print(f"too large: {target.relative_to(CORPUS)} ({len(data)} bytes)", file=sys.stderr)
            return 1
        same = target.exists() and target.read_bytes() == data
        different += not same
        if not options.check and not same:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        print(
            f"{'unchanged' if same else 'different' if options.check else 'written':10} {target.relative_to(CORPUS)}"
        )
    return 1 if options.check and different else 0


if __name__ == "__main__":
    sys.exit(main())
