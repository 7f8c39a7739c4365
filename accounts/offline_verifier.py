#!/usr/bin/env python3
# ruff: noqa: T201
"""Check an exported Footnote audit bundle. Needs Python 3.9 or later and nothing else; not even Footnote.

    python3 verify.py [BUNDLE.zip or the folder it was unpacked into]

Without an argument it checks the folder it lies in. It derives the digest of every event in events.jsonl again and
compares it with the digest the event carries, with the one the next event names, and with the end of the chain that
head.json names. To know that head.json itself is the true one, compare its digest with one you kept, or with the one
that Footnote shows today at the same position. Prints what disagrees and exits with 1; exits with 0 when all agrees,
and with 2 when there is nothing to check.
"""

import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

FIELDS = (
    "position", "at", "type", "actor", "actor_label", "subject", "subject_label", "details", "reason", "address",
    "previous",
)  # fmt: skip


def digest_of(event: dict[str, Any]) -> str:  # Any: JSON values
    """Return sha256:<hex> of the event's fields as JSON with sorted keys, no spaces, and text as it is (UTF-8)."""
    fields = {name: event[name] for name in FIELDS}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def complaints(lines: Iterable[str], head: dict[str, Any]) -> Iterator[str]:  # Any: JSON values
    """Yield a sentence for everything that disagrees."""
    expected, previous = 1, head["genesis"]
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
            derived = digest_of(event)
            position = int(event["position"])
        except (ValueError, KeyError, TypeError) as error:
            yield f"Line {number} cannot be read as an event: {error!r}."
            previous = None
            continue
        if position > expected:
            yield f"Missing: event {expected} to event {position - 1}."
            previous = None
        elif position < expected:
            yield f"Event {position} stands where event {expected} was expected."
            previous = None
        carried = event.get("digest")
        if derived != carried:
            yield f"Event {position} was changed: its fields give {derived}, it carries {carried}."
        if previous is not None and event["previous"] != previous:
            named = event["previous"]
            yield f"Event {position} names {named} as the digest before it; event {position - 1} carries {previous}."
        expected, previous = position + 1, carried
    if expected - 1 != head["position"]:
        yield f"head.json says that the chain ends at {head['position']}; the last event is {expected - 1}."
    elif previous is not None and previous != head["digest"]:
        yield f"head.json names {head['digest']} as the last digest; event {expected - 1} carries {previous}."


def opened(place: Path, name: str) -> TextIO:
    """Return one file of the bundle, zipped or unpacked, as text."""
    if place.is_dir():
        return (place / name).open(encoding="utf-8", newline="\n")
    return io.TextIOWrapper(zipfile.ZipFile(place).open(name), encoding="utf-8", newline="\n")


def main(arguments: list[str]) -> int:
    """Check one bundle; return the exit status."""
    place = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    found = 0
    try:
        with opened(place, "head.json") as file:
            head = json.load(file)
        if not isinstance(head, dict) or not {"position", "digest", "genesis"} <= set(head):
            raise ValueError("head.json does not say where the chain ends")
        with opened(place, "events.jsonl") as lines:
            for complaint in complaints(lines, head):
                found += 1
                print(complaint)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        print(f"There is no bundle to check at {place}: {error}")
        return 2
    if found:
        print(f"NOT INTACT: {found} disagreement{'' if found == 1 else 's'}, named above.")
        return 1
    print(f"Intact: {head['position']} events, each carrying its own digest and the one before.")
    print(f"The chain ends at event {head['position']} with {head['digest']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
