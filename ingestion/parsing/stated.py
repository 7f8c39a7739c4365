"""What a document says about itself: its date, that another one replaces it, its title."""

import re
from datetime import date, datetime

# A month by its first three letters, and how long its names are, in English, German and Dutch, cut short or in full.
_MONTHS = {
    "jan": (1, {3, 6, 7}), "feb": (2, {3, 7, 8}), "mar": (3, {3, 5}), "mär": (3, {4}), "maa": (3, {5}),
    "apr": (4, {3, 5}), "may": (5, {3}), "mai": (5, {3}), "mei": (5, {3}), "jun": (6, {3, 4}), "jul": (7, {3, 4}),
    "aug": (8, {3, 6, 8}), "sep": (9, {3, 4, 9}), "oct": (10, {3, 7}), "okt": (10, {3, 7}), "nov": (11, {3, 8}),
    "dec": (12, {3, 8}), "dez": (12, {3, 8}),
}  # fmt: skip
_ISO = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_COMPACT = re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})(?:\d{6})?(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})\.?(?:[a-z]{2})?\s+([A-Za-zä]{3,9})\.?,?\s+(\d{4})(?!\d)")
_MONTH_FIRST = re.compile(r"\b([A-Za-zä]{3,9})\.?\s+(\d{1,2})(?:[a-z]{2})?,?\s+(\d{4})(?!\d)")
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
            month = int(parts["m"]) if parts["m"].isdecimal() else _month(parts["m"])
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


def _month(name: str) -> int:
    """Return the number of a month by its name, 0 when there is none of that name."""
    number, lengths = _MONTHS.get(name[:3].lower(), (0, set()))
    return number if len(name) in lengths else 0


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
