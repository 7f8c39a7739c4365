"""E-mail messages: who wrote to whom, when and about what, then the message."""

from email import message_from_binary_file, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from ingestion.parsing.detect import MEDIA_TYPES
from ingestion.parsing.markup import add_html, parsed_html
from ingestion.parsing.plain import note_planted
from ingestion.parsing.text import Reading, decode, one_line

MAX_PARTS = 500


def read_mail(path: Path) -> Reading:
    """Read an .eml file: the plain text of the message, or its HTML where there is no plain text."""
    reading = Reading(MEDIA_TYPES["eml"], "e-mail")
    with path.open("rb") as file:
        message = message_from_binary_file(file, policy=policy.default)
    subject, sender, sent = (_header(message, name) for name in ("subject", "from", "date"))
    reading.title, reading.author = subject, sender
    if sent:
        try:
            reading.dated = parsedate_to_datetime(sent).date()
        except (ValueError, TypeError, IndexError):
            reading.warn("The message's date could not be read.")
    lines = [("Subject", subject), ("From", sender), ("To", _header(message, "to")), ("Cc", _header(message, "cc")), ("Date", sent)]  # fmt: skip
    reading.text.block("\n".join(f"{name}: {value}" for name, value in lines if value))
    _body(message, reading)
    names = [
        one_line(part.get_filename() or "unnamed")[:100]
        for part in list(message.walk())[:MAX_PARTS]
        if part.get_content_disposition() == "attachment"
    ]
    if names:
        reading.text.block("Attachments: " + ", ".join(names))
        reading.warn(
            f"The message has {len(names)} attached file{'s' if len(names) > 1 else ''}; only their names were read."
        )
    return reading


def _header(message: EmailMessage, name: str) -> str:
    try:
        return one_line(str(message.get(name) or ""))
    except (
        ValueError,
        IndexError,
        AttributeError,
    ):  # the standard library's header parser on malformed headers
        return ""


def _body(message: EmailMessage, reading: Reading) -> None:
    plain = [part for part in list(message.walk())[:MAX_PARTS] if part.get_content_type() == "text/plain" and part.get_content_disposition() != "attachment"]  # fmt: skip
    pages = [part for part in list(message.walk())[:MAX_PARTS] if part.get_content_type() == "text/html" and part.get_content_disposition() != "attachment"]  # fmt: skip
    if any(_content(part).strip() for part in plain):
        for part in plain:
            content = _content(part)
            note_planted(content, reading)
            for block in content.replace("\r\n", "\n").split("\n\n"):
                reading.text.block(block)
        return
    for part in pages:
        root = parsed_html(_content(part))
        if root is not None:
            add_html(root, reading)


def _content(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    return decode(payload, (part.get_content_charset() or "").lower())[0]
