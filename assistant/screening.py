"""Stage 1: take a question as it was typed and make it fit to be searched for, or say why it cannot be.

Findings are recorded, they do not block: what a person asks decides nothing about what they may read, and without a
model a question cannot instruct anybody. HTML is plain text like any other.
"""

import re
import unicodedata

from django.conf import settings

from assistant.types import Finding, NotAskable, Screened

# Kept although they are control characters: they are how text is laid out.
LAYOUT = {"\n", "\t", "\r"}
# Invisible characters that reorder or hide text; harmless in a search, misleading in a record.
INVISIBLE = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u200b", "\u2060", "\ufeff"}

INJECTIONS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "asks to ignore instructions",
        re.compile(
            r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instruction|prompt|rule|guideline|polic|restriction|permission|above|previous|earlier)",
            re.IGNORECASE | re.DOTALL,
        ),
    ),
    (
        "asks for another role",
        re.compile(
            r"\b(?:you are now|act as|pretend (?:to be|you are)|roleplay as|from now on you)\b", re.IGNORECASE
        ),
    ),
    (
        "asks for the prompt",
        re.compile(
            r"\b(?:reveal|print|show|repeat|output|leak)\b.{0,30}\b(?:system|hidden|initial|original|your)\s+(?:prompt|instruction|message)",
            re.IGNORECASE | re.DOTALL,
        ),
    ),
    (
        "poses as a system message",
        re.compile(
            r"(?:<\|(?:im_start|system|assistant)|\[/?(?:INST|SYSTEM)\]|^\s*(?:system|assistant)\s*:|</?system>)",
            re.IGNORECASE | re.MULTILINE,
        ),
    ),
    (
        "asks to drop access rules",
        re.compile(
            r"\b(?:without|skip|disable|ignore|turn off)\b.{0,25}\b(?:access|permission|security|filter)s?\b",
            re.IGNORECASE,
        ),
    ),
    (
        "claims special authority",
        re.compile(
            r"\b(?:developer|debug|admin(?:istrator)?|god|dan|jailbreak) mode\b|\bi am (?:an?|the) (?:admin|administrator|developer|auditor)\b",
            re.IGNORECASE,
        ),
    ),
)

EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?\b")
# A plus, or a trunk zero, or brackets: bare digits are amounts, years and order numbers far more often.
PHONE = re.compile(
    r"(?<![\w.,])(?:\+\d{1,3}[ ./-]?|\(?0\d{1,5}\)?[ ./-])\(?\d{1,5}\)?(?:[ ./-]?\d{2,5}){1,4}(?!\w)"
)
CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")


def screen(question: str) -> Screened:
    """Return the question in normal form (NFC) with what should be recorded about it.

    Raises NotAskable with a sentence when it is empty, too long, or nothing but characters that cannot be shown.
    """
    if len(question) > settings.MAX_QUESTION_CHARACTERS:
        raise NotAskable(
            f"Your question has {len(question):,} characters; at most {settings.MAX_QUESTION_CHARACTERS:,} are read. "
            "Shorten it to what you want to know, or ask its parts one after the other."
        )
    findings: list[Finding] = []
    kept = "".join(character for character in question if not _unwanted(character))
    if len(kept) != len(question):
        findings.append(Finding("cleaned", f"{len(question) - len(kept)} invisible characters removed"))
    text = unicodedata.normalize("NFC", kept.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not text:
        raise NotAskable("There is no question yet. Write what you would like to know.")
    if not any(character.isalnum() for character in text):
        raise NotAskable("The question holds no word that could be looked for. Write it out in words.")
    for what, pattern in INJECTIONS:
        found = pattern.search(text)
        if found:
            findings.append(Finding("injection", what, found.start(), found.end()))
    findings.extend(personal_data(text))
    return Screened(text, tuple(findings))


def personal_data(text: str) -> list[Finding]:
    """Return where e-mail addresses, bank accounts, card and telephone numbers stand in a text; a few plain rules."""
    findings: list[Finding] = []
    for what, pattern, is_valid in (
        ("e-mail address", EMAIL, lambda _: True),
        ("bank account (IBAN)", IBAN, is_iban),
        ("card number", CARD, passes_luhn),
        ("telephone number", PHONE, lambda _: True),
    ):
        for found in pattern.finditer(text):
            if is_valid(found.group()) and not any(
                f.start < found.end() and found.start() < f.end for f in findings
            ):
                findings.append(Finding("personal_data", what, found.start(), found.end()))
    return sorted(findings, key=lambda finding: finding.start)


def masked(text: str) -> str:
    """Return the text with personal data replaced by what kind it is: for labels in records that are never changed."""
    parts: list[str] = []
    position = 0
    for finding in personal_data(text):
        parts += [text[position : finding.start], f"[{finding.what}]"]
        position = finding.end
    return "".join([*parts, text[position:]])


def is_iban(text: str) -> bool:
    """Return whether the check digits of an IBAN are right (ISO 13616, modulo 97)."""
    compact = text.replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return False
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def passes_luhn(text: str) -> bool:
    """Return whether the check digit of a card number is right (ISO/IEC 7812)."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [d if n % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for n, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _unwanted(character: str) -> bool:
    # Cc: control, Cs: half a surrogate pair, which no database stores.
    return (
        character not in LAYOUT and unicodedata.category(character) in {"Cc", "Cs"}
    ) or character in INVISIBLE


def label_of(text: str) -> str:
    """Return how records that never change name a question: its beginning, personal data left out."""
    line = " ".join(masked(text).split())
    return line if len(line) <= 160 else f"{line[:159]}…"
