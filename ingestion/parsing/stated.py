"""What a document says about itself: its date, that another one replaces it, its title."""

import re
from datetime import date, datetime

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar januari", "february feb februar februari", "march mar märz maart", "april apr",
            "may mai mei", "june jun juni", "july jul juli", "august aug augustus", "september sep sept",
            "october oct oktober okt", "november nov", "december dec dezember dez",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_ISO = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_COMPACT = re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})(?:\d{6})?(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})\.?(?:st|nd|rd|th)?\s+([A-Za-zä]{3,9})\.?,?\s+(\d{4})(?!\d)")
_MONTH_FIRST = re.compile(r"\b([A-Za-zä]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(?!\d)")
_DOTTED = re.compile(r"(?<!\d)(\d{1,2})\.(\d{1,2})\.(\d{4})(?!\d)")
_DATE_LINE = re.compile(
    r"^\W*(?:date|dated|issued|effective(?:\s+(?:date|from))?|last\s+(?:updated|revised|modified|reviewed)|version\s+date|"
    r"published|datum|stand)\s*(?:on)?\s*[:：]?\s+(?P<date>[^\n|]{6,40})",
    re.I,
)
_REPLACED = {"superseded", "obsolete", "replaced", "withdrawn"}
_STATUS_LINE = re.compile(r"^\W*status\W*[:：|]?\W*(?:superseded|obsolete|replaced|withdrawn)\b", re.I)
_SUPERSEDED_LINE = re.compile(r"^\W*superseded\s+by\b", re.I)
STATUS_LINES = 10
_NOBODY = {"python-docx", "anonymous", "unknown", "user", "author", "microsoft office user", "windows user"}
# What programs write into a document's title by themselves.
_PLACEHOLDER = re.compile(
    r"\W*(?:untitled|anonymous|unbenannt|title|document\d*|microsoft word\b.*|powerpoint presentation|slide \d+|"
    r".*\.(?:docx?|pdf|indd|tex|dvi|pptx?|xlsx?|qxd|html?))\W*",
    re.I,
)


def date_in(text: str) -> date | None:
    """Return the first date a text states without doubt, or None. 03/04/2026 is two dates and counts as none."""
    found: list[tuple[int, date]] = []
    for pattern, order in (
        (_ISO, "ymd"),
        (_DAY_FIRST, "dmy"),
        (_MONTH_FIRST, "mdy"),
        (_DOTTED, "dmy"),
        (_COMPACT, "ymd"),
    ):
        for match in pattern.finditer(text):
            parts = dict(zip(order, match.groups(), strict=True))
            month = _MONTHS.get(parts["m"].lower(), 0) if not parts["m"].isdecimal() else int(parts["m"])
            day = _day(int(parts["y"]), month, int(parts["d"]))
            if day is not None:
                found.append((match.start(), day))
                break
    return min(found)[1] if found else None


def date_of(value: object) -> date | None:
    """Return the date of a value from front matter or properties: a date, a time, or text that states one."""
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return _day(value.year, value.month, value.day)
    return date_in(value) if isinstance(value, str) else None


def stated_date(text: str) -> date | None:
    """Return the date that one of the first lines gives as the document's own, such as `Effective: 1 March 2026`."""
    for line in _first_lines(text):
        match = _DATE_LINE.match(line)
        if match:
            return date_in(match["date"])
    return None


def says_superseded(status: str, text: str) -> bool:
    """Return whether a status, or one of the first ten lines, says that another document replaces this one."""
    words = status.lower().split()
    if words and words[0].strip(".,;:()") in _REPLACED:
        return True
    return any(_STATUS_LINE.match(line) or _SUPERSEDED_LINE.match(line) for line in _first_lines(text))


def meaningful_title(title: str) -> str:
    """Return a stated title, or an empty string for one that a program made up."""
    return "" if _PLACEHOLDER.fullmatch(title) else title


def meaningful_author(author: str) -> str:
    """Return a stated author, or an empty string for one that a program made up."""
    return "" if author.strip("() ").lower() in _NOBODY else author


def likeliest_title(lines: list[str], name: str) -> str:
    """Return the line that shares most words with the file's name, the first of equals: a cover often begins with
    the name of the firm.
    """
    words = set(_words(name))
    return max(lines, key=lambda line: len(words & set(_words(line))), default="")


def title_from_name(name: str) -> str:
    """Return a file name as a title: without its extension, with spaces for dashes and underscores."""
    stem, dot, suffix = name.rpartition(".")
    words = re.sub(r"[_\s]+", " ", stem if dot and len(suffix) <= 8 else name)
    if " " not in words:
        words = words.replace("-", " ")
    words = " ".join(words.split())
    return words[:1].upper() + words[1:] or name


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W_]+", text.lower()) if len(word) > 2]


def _first_lines(text: str) -> list[str]:
    return [line.strip() for line in text[:4000].split("\n") if line.strip()][:STATUS_LINES]


def _day(year: int, month: int, day: int) -> date | None:
    if not 1970 <= year <= 2100:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None
