"""Files into text. The reading happens in a child process, so that a hostile file cannot take the server down."""

from pathlib import Path

from ingestion.types import Parsed


def parse(path: Path, name: str) -> Parsed:
    """Return a file's text, with what it says about itself; `name` is the file's own name, for its kind and title.

    Raises Unreadable: encrypted, corrupt, empty, no_text, too_large, zip_bomb, unsupported, vanished, timeout, crashed.
    Safe to call from several threads; two files are read at a time, others wait.
    """
    # Imported here: the child process imports this package too, and has no Django.
    from datetime import date

    from django.conf import settings

    from ingestion.chunking import Section
    from ingestion.parsing.child import READING

    limits = [settings.MAX_FILE_BYTES, settings.MAX_UNPACKED_BYTES, settings.MAX_TEXT_CHARACTERS]
    request = {"do": "read", "path": str(path.absolute()), "name": name, "limits": limits}
    value, _ = READING.ask(request, float(settings.PARSE_SECONDS))
    return Parsed(
        **{
            **value,
            "dated": date.fromisoformat(value["dated"]) if value["dated"] else None,
            "sections": tuple(Section(a, b, page, tuple(names)) for a, b, page, names in value["sections"]),
            "warnings": tuple(value["warnings"]),
            "links": tuple((place, target) for place, target in value["links"]),
        }
    )
