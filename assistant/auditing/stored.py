"""Reading what a step recorded, as JSON that somebody may have changed since: what is not as it should be reads as empty."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]  # Any: JSON values


def mapping(value: object) -> Json:
    """Return a value that should be an object."""
    return value if isinstance(value, dict) else {}


def entries_of(record: Json, name: str) -> list[Json]:
    """Return the objects of a list under a name."""
    found = record.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def words_of(record: Json, name: str) -> str:
    """Return the text under a name."""
    found = record.get(name)
    return found if isinstance(found, str) else ""


def number_of(record: Json, name: str) -> float:
    """Return the number under a name."""
    found = record.get(name)
    # Bounded: JSON has numbers that no float holds, and NaN.
    return float(found) if isinstance(found, int | float) and abs(found) < 1e15 else 0.0


def whole_of(record: Json, name: str) -> int:
    """Return the whole number under a name, such as an id."""
    found = record.get(name)
    return found if isinstance(found, int) and -(2**63) <= found < 2**63 else 0


def numbers_in(value: object, name: str) -> set[int]:
    """Return every number that stands under a name anywhere in a record."""
    if isinstance(value, list):
        return {number for entry in value for number in numbers_in(entry, name)}
    if not isinstance(value, dict):
        return set()
    found = {number for entry in value.values() for number in numbers_in(entry, name)}
    return found | ({number} if (number := whole_of(value, name)) else set())


def part_of(value: float) -> float:
    """Return a share as percent, for the length of a bar."""
    return round(100 * min(1.0, max(0.0, value)), 1)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def spent(milliseconds: float) -> str:
    """Return a duration for people: `2.3 ms`, `431 ms`, `1.9 s`."""
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 999.5 else f"{milliseconds / 1000:.1f} s"


def quoted(value: object) -> str:
    """Return a list of words for people, each in quotes; nothing for what is no list."""
    return ", ".join(f"“{word}”" for word in value) if isinstance(value, list) else ""


def shortened(digest: str) -> str:
    """Return a digest short enough to compare by eye; the whole of it belongs in the title beside it."""
    return f"{digest[:11]}…{digest[-4:]}" if len(digest) > 16 else digest
