"""Files made for tests: small, of every format, and broken in every way that matters."""

import struct
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path


def write(path: Path, content: str | bytes) -> Path:
    """Write a file, with the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def pdf(
    path: Path, pages: Sequence[Sequence[str]], *, title: str = "", password: str = "", owner: str = ""
) -> Path:
    """Write a PDF with one list of lines per page; a line that begins with `# ` is set large."""
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    lock = StandardEncryption(password, ownerPassword=owner or None) if password or owner else None
    canvas = Canvas(str(path), pagesize=(595, 842), encrypt=lock, invariant=True)
    canvas.setTitle(title)
    for lines in pages:
        top = 780.0
        for line in lines:
            is_heading = line.startswith("# ")
            canvas.setFont("Helvetica-Bold" if is_heading else "Helvetica", 18 if is_heading else 11)
            canvas.drawString(72, top, line.removeprefix("# "))
            top -= 34 if is_heading or not line else 14
        canvas.showPage()
    canvas.save()
    return path


def pdf_drawn(path: Path, draw: Callable[..., None]) -> Path:
    """Write a one-page PDF on which `draw(canvas)` draws."""
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pagesize=(595, 842), invariant=True)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return path


def picture_pdf(path: Path) -> Path:
    """Write a PDF that is one picture of a page, like a scan."""
    from PIL import Image
    from reportlab.lib.utils import ImageReader

    picture = ImageReader(Image.new("RGB", (200, 280), (240, 240, 235)))
    return pdf_drawn(path, lambda canvas: canvas.drawImage(picture, 0, 0, 595, 842))


def docx(path: Path, build: Callable[..., None], *, title: str = "", author: str = "") -> Path:
    """Write a Word document that `build(document)` fills."""
    from docx import Document

    document = Document()
    document.core_properties.title, document.core_properties.author = title, author
    build(document)
    document.save(str(path))
    return path


def package(path: Path, parts: dict[str, str | bytes]) -> Path:
    """Write a ZIP archive of these parts."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


WORD_TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def raw_docx(path: Path, body: str, **others: str) -> Path:
    """Write a Word document from the XML of its body; `others` are further parts of word/, such as footnotes."""
    relations = "".join(
        f'<Relationship Id="r{number}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{name}" Target="{name}.xml"/>'
        for number, name in enumerate(others)
    )
    return package(
        path,
        {
            "[Content_Types].xml": WORD_TYPES,
            "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": (
                f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}</Relationships>'
            ),
            **{f"word/{name}.xml": content for name, content in others.items()},
        },
    )


def slides(path: Path, texts: Sequence[tuple[str, Sequence[str], str]]) -> Path:
    """Write a presentation: for each slide its title, its lines and its notes."""
    a, p = (
        "http://schemas.openxmlformats.org/drawingml/2006/main",
        "http://schemas.openxmlformats.org/presentationml/2006/main",
    )
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"

    def shape(kind: str, lines: Sequence[str]) -> str:
        paragraphs = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
        placeholder = f'<p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>'
        return f"<p:sp>{placeholder}<p:txBody>{paragraphs}</p:txBody></p:sp>"

    def tree(tag: str, shapes: str) -> str:
        return (
            f'<p:{tag} xmlns:p="{p}" xmlns:a="{a}"><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:{tag}>'
        )

    parts: dict[str, str | bytes] = {"[Content_Types].xml": WORD_TYPES}
    ids = "".join(f'<p:sldId id="{256 + n}" r:id="s{n}"/>' for n in range(len(texts)))
    parts["ppt/presentation.xml"] = (
        f'<p:presentation xmlns:p="{p}" xmlns:r="{office}"><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>'
    )
    rows = "".join(
        f'<Relationship Id="s{n}" Type="{office}/slide" Target="slides/slide{n}.xml"/>'
        for n in range(len(texts))
    )
    parts["ppt/_rels/presentation.xml.rels"] = f'<Relationships xmlns="{relations}">{rows}</Relationships>'
    for n, (title, lines, notes) in enumerate(texts):
        parts[f"ppt/slides/slide{n}.xml"] = tree("sld", shape("title", [title]) + shape("body", lines))
        if notes:
            parts[f"ppt/slides/_rels/slide{n}.xml.rels"] = (
                f'<Relationships xmlns="{relations}"><Relationship Id="n" Type="{office}/notesSlide" '
                f'Target="../notesSlides/notes{n}.xml"/></Relationships>'
            )
            parts[f"ppt/notesSlides/notes{n}.xml"] = tree("notes", shape("body", [notes]))
    return package(path, parts)


def zip_bomb(path: Path, unpacked: int) -> Path:
    """Write a Word document with one part of `unpacked` bytes of nothing."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", WORD_TYPES)
        with archive.open("word/document.xml", "w", force_zip64=True) as part:
            block = b" " * (1 << 20)
            for _ in range(unpacked >> 20):
                part.write(block)
    return path


def lying_docx(path: Path) -> Path:
    """Write a Word document whose part unpacks to more than its contents list claims."""
    raw_docx(path, "<w:p><w:r><w:t>" + "a" * 5000 + "</w:t></w:r></w:p>")
    data = bytearray(path.read_bytes())
    name = b"word/document.xml"
    for signature, offset in ((b"PK\x01\x02", 46), (b"PK\x03\x04", 30)):
        at = next(
            i
            for i in range(len(data))
            if data[i : i + 4] == signature and data[i + offset :].startswith(name)
        )
        struct.pack_into("<I", data, at + (24 if offset == 46 else 22), 100)
    path.write_bytes(bytes(data))
    return path


def png() -> bytes:
    """Return a small picture."""
    from PIL import Image

    out = BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


def sparse(path: Path, size: int) -> Path:
    """Write a file of `size` bytes that takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(size)
    return path
