"""Rows for tests, made the short way where the test is about something else than how they come to be."""

from accounts.canonical import digest_of_bytes
from ingestion.access import Rule, intern_policy
from ingestion.models import Chunk, Document, DocumentVersion, Source


def make_document(source: Source, name: str, text: str, rule: Rule, title: str = "") -> Document:
    """Return a document with one indexed version and one chunk per paragraph; nothing is put into an index."""
    title = title or name.replace("_", " ").capitalize()
    document = Document.objects.create(
        source=source,
        external_id=f"{name}.md",
        title=title,
        title_key=title.lower(),
        policy=intern_policy(rule),
    )
    make_version(document, text)
    return document


def make_version(document: Document, text: str, number: int = 1) -> DocumentVersion:
    """Return a version that is now the document's current one."""
    digest = digest_of_bytes(text.encode())
    version = DocumentVersion.objects.create(
        document=document, number=number, content_digest=digest, text_digest=digest, text=text,
        sections=[[0, len(text), None, []]], media_type="text/markdown", size=len(text.encode()), file="",
        parser="tests", state=DocumentVersion.State.INDEXED,
    )  # fmt: skip
    start = 0
    for ordinal, paragraph in enumerate(text.split("\n\n")):
        Chunk.objects.create(
            version=version, ordinal=ordinal, start=start, end=start + len(paragraph), text=paragraph,
            digest=digest_of_bytes(paragraph.encode()),
        )  # fmt: skip
        start += len(paragraph) + 2
    document.current_version = version
    document.save(update_fields=["current_version"])
    return version
