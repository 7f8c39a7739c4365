"""Links between documents of one source: what a link in a text points at, as a name within the source."""

import posixpath
from collections.abc import Iterable, Sequence
from urllib.parse import unquote, urlsplit

MOST_LINKS = 2_000
"""Links kept of one file. A page with more is a list of everything."""
LONGEST = 1_000  # characters, as a document's name within its source
ENDINGS = (".md", ".html", ".htm", "/index.md", "/index.html", "/README.md")
"""What a link without an ending may stand for: wikis and site builders leave it out."""


def linked_names(links: Iterable[tuple[int, str]], start: int, end: int, external_id: str) -> list[str]:
    """Return the documents of the same source that the links between two places of a text point at, each once.

    `links` are (place in the text, target as written). Targets elsewhere, or within the document itself, are left out.
    """
    targets = (target_of(target, external_id) for place, target in links if start <= place < end)
    return list(dict.fromkeys(name for name in targets if name and name != external_id))


def target_of(target: str, external_id: str) -> str:
    """Return the name within the source that a link in a document points at; empty where it leads out of the source."""
    try:
        parts = urlsplit(target.strip())
    except ValueError:
        return ""
    path = unquote(parts.path).replace("\\", "/")
    if parts.scheme or parts.netloc or not path:
        return ""
    whole = path.lstrip("/") if path.startswith("/") else posixpath.join(posixpath.dirname(external_id), path)
    name = posixpath.normpath(whole)
    if name in {".", ".."} or name.startswith(("../", "/")):
        return ""
    return name[:LONGEST]


def spelled_out(name: str) -> Sequence[str]:
    """Return what a name may be called in full, as written first."""
    if posixpath.splitext(name)[1]:
        return (name,)
    return (name, *(name + ending for ending in ENDINGS))
