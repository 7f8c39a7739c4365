"""One walk through a folder source: its files, the access files that hold for them, and what has to be refused."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingestion.access import DARK, Rule
from ingestion.sources.access_file import (
    FILE_NAME,
    MAX_BYTES,
    AccessFile,
    AccessFileError,
    Directory,
    Named,
    look_up,
    read_access_file,
)
from ingestion.sources.files import because, code_of, is_document_name, open_inside, time_of
from ingestion.types import Found, Refused, SourceError, Unreadable

MAX_DEPTH = 60
MAX_EXTERNAL_ID = 1000  # the width of Document.external_id

OUTSIDE = "This is a link to a place outside the folder; it was not followed."
LOOP = "This is a link to a folder that is already listed where it really lies; it was not followed again."
NOT_A_FILE = "This is a device, a pipe or a socket, not a file; it was not opened."
HIDDEN = "This is a link to something that is not a document, such as a hidden file; it was not followed."


@dataclass(frozen=True)
class _Place:
    """A folder whose rule holds for a file, and the name that its file patterns are held against (None: none)."""

    folder: str
    name: str | None = None


@dataclass(frozen=True)
class _Folder:
    """A folder to be listed: its name for readers, where it really lies, and the places of the link that led here."""

    shown: str
    real: str
    outer: tuple[_Place, ...] = ()


class Listing:
    """Walks the tree under a root and gathers files, refusals and access files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: list[tuple[str, os.stat_result, tuple[_Place, ...]]] = []
        self._refused: list[Refused] = []
        self._access = _AccessFiles(root)

    def walk(self) -> None:
        """List every folder; raise SourceError when the root itself cannot be listed."""
        waiting = [_Folder("", "")]
        while waiting:
            folder = waiting.pop()
            self._access.read(folder.real)
            waiting.extend(self._listed(folder))

    def entries(self) -> list[Found | Refused]:
        """Return what was found, by name, with the rules looked up in two queries."""
        rules = _Rules(self._access.files, look_up(self._access.named()))
        found: list[Found | Refused] = []
        for external_id, status, places in self._files:
            rule, note = rules.of(places)
            found.append(Found(external_id, status.st_size, time_of(status), rule, note))
        names: dict[str, list[str]] = {folder: [] for folder in self._access.files}
        for _, _, places in self._files:
            for place in places:
                if place.name is not None:
                    names[place.folder].append(place.name)
        found += [*self._refused, *rules.unused_patterns(names)]
        return sorted(found, key=lambda entry: (entry.external_id, isinstance(entry, Refused)))

    def _listed(self, folder: _Folder) -> Iterator[_Folder]:
        try:
            with os.scandir(self.root / folder.real) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not folder.shown:
                raise SourceError(f"The folder “{self.root}” cannot be listed: {because(error)}.") from None
            self._refuse(
                f"{folder.shown}/", code_of(error), f"The folder cannot be listed: {because(error)}."
            )
            return
        for entry in listed:
            if not is_document_name(entry.name):
                continue
            external_id = _joined(folder.shown, entry.name)
            problem = _name_problem(external_id, entry.name)
            if problem:
                self._refuse(_shown(external_id), "bad_name", problem)
                continue
            try:
                yield from self._entry(entry, external_id, folder)
            except OSError as error:
                self._refuse(external_id, code_of(error), f"The entry cannot be looked at: {because(error)}.")

    def _entry(self, entry: "os.DirEntry[str]", external_id: str, folder: _Folder) -> Iterator[_Folder]:
        if entry.is_symlink():
            yield from self._link(entry, external_id, folder)
        elif entry.is_dir(follow_symlinks=False):
            if external_id.count("/") >= MAX_DEPTH:
                self._refuse(f"{external_id}/", "too_deep", f"Folders are listed {MAX_DEPTH} levels deep.")
            else:
                yield _Folder(external_id, _joined(folder.real, entry.name), folder.outer)
        elif entry.is_file(follow_symlinks=False):
            places = (*folder.outer, _Place(folder.real, entry.name))
            self._files.append((external_id, entry.stat(follow_symlinks=False), places))
        else:
            self._refuse(external_id, "not_a_file", NOT_A_FILE)

    def _link(self, entry: "os.DirEntry[str]", external_id: str, folder: _Folder) -> Iterator[_Folder]:
        try:
            resolved = Path(os.path.realpath(entry.path, strict=True))
            if not resolved.is_relative_to(self.root):
                self._refuse(external_id, "outside_root", OUTSIDE)
                return
            status = resolved.stat()
        except OSError as error:
            why = "it leads back to itself" if error.errno == errno.ELOOP else because(error)
            self._refuse(external_id, "broken_link", f"This is a link whose end cannot be read: {why}.")
            return
        target = resolved.relative_to(self.root)
        real = "" if target == Path() else target.as_posix()
        places = (*folder.outer, _Place(folder.real, entry.name))
        if not all(is_document_name(part) for part in target.parts):
            self._refuse(external_id, "hidden", HIDDEN)
        elif stat.S_ISDIR(status.st_mode):
            # One link per path: two folders that link to each other would otherwise unfold without end.
            if folder.outer or not real or f"{folder.real}/".startswith(f"{real}/"):
                self._refuse(f"{external_id}/", "link_loop", LOOP)
            else:
                yield _Folder(external_id, real, (_Place(folder.real),))
        elif stat.S_ISREG(status.st_mode):
            self._access.read(_parent(real))
            self._files.append((external_id, status, (*places, _Place(_parent(real), target.name))))
        else:
            self._refuse(external_id, "not_a_file", NOT_A_FILE)

    def _refuse(self, external_id: str, code: str, reason: str) -> None:
        self._refused.append(Refused(external_id, code, reason))


@dataclass
class _AccessFiles:
    """Every access file that matters for a listing, read once, by folder: as written, or why it is not, or None."""

    root: Path
    files: dict[str, AccessFile | str | None] = field(default_factory=dict)

    def read(self, folder: str) -> None:
        """Read the access files of a folder and of all folders above it."""
        while folder not in self.files:
            self.files[folder] = self._read(folder)
            folder = _parent(folder)

    def named(self) -> Iterator[Named]:
        """Yield every principal that some access file names."""
        for file in self.files.values():
            if isinstance(file, AccessFile):
                yield from file.named()

    def _read(self, folder: str) -> AccessFile | str | None:
        where = _joined(folder, FILE_NAME)
        try:
            names = [path.name for path in (self.root / folder).iterdir()]
        except OSError as error:
            return f"{where}: the folder cannot be listed: {because(error)}."
        alike = [
            name for name in sorted(names) if name.lower() in {FILE_NAME, "access.yml"} and name != FILE_NAME
        ]
        if alike:
            return f"{where}: there is a file called “{alike[0]}”. Only “{FILE_NAME}” is read; rename or remove it."
        if FILE_NAME not in names:
            return None
        try:
            with os.fdopen(open_inside(self.root, where), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return f"{where}: this is not an ordinary file and was not opened."
                data = file.read(MAX_BYTES + 1)
            return read_access_file(data, where, is_root=not folder)
        except Unreadable as error:
            return f"{where}: {error.reason}"
        except OSError as error:
            return f"{where}: the file cannot be read: {because(error)}."
        except AccessFileError as error:
            return str(error)


@dataclass
class _Rules:
    """The rule of each folder and file, with the note that says why it is dark."""

    files: dict[str, AccessFile | str | None]
    directory: Directory
    _known: dict[str, tuple[Rule, str]] = field(default_factory=dict)

    def of(self, places: tuple[_Place, ...]) -> tuple[Rule, str]:
        """Return the rule that holds for a file in all its places: a link in an open folder opens nothing closed."""
        clauses: frozenset[frozenset[str]] = frozenset()
        denials: frozenset[str] = frozenset()
        for place in places:
            rule, note = self._of_place(place)
            if note:
                return DARK, note
            clauses, denials = clauses | rule.clauses, denials | rule.denials
        return Rule(clauses, denials), ""

    def unused_patterns(self, names: dict[str, list[str]]) -> Iterator[Refused]:
        """Yield a notice for each file pattern that no file matches: a mistyped one protects nothing."""
        for file_names, file in ((names[folder], file) for folder, file in self.files.items()):
            if not isinstance(file, AccessFile):
                continue
            for pattern in file.patterns:
                if not any(pattern.matches(name) for name in file_names):
                    yield Refused(
                        file.where,
                        "unused_rule",
                        f"{file.where}, line {pattern.line}: no file in this folder matches “{pattern.glob}”, "
                        "so this entry holds for nothing.",
                    )
                    break  # one notice a file: the run keeps one entry per name

    def _of_place(self, place: _Place) -> tuple[Rule, str]:
        rule, note = self._of_folder(place.folder)
        file = self.files[place.folder]
        if note or place.name is None or not isinstance(file, AccessFile):
            return rule, note
        for pattern in file.patterns:
            if pattern.matches(place.name):
                rule = self.directory.narrowed(rule, pattern.narrowing, file.where)
        return rule, ""

    def _of_folder(self, folder: str) -> tuple[Rule, str]:
        if folder not in self._known:
            self._known[folder] = self._found(folder)
        return self._known[folder]

    def _found(self, folder: str) -> tuple[Rule, str]:
        file = self.files[folder]
        rule, note = self._of_folder(_parent(folder)) if folder else (Rule(), "")
        if note:
            return DARK, note
        if isinstance(file, str):
            return DARK, file
        if file is None:
            if folder:
                return rule, ""
            return DARK, (
                f"There is no {FILE_NAME} at the top of the folder, so nobody may read its documents. "
                "Add one that says who may, such as “allow: [everyone]”."
            )
        try:
            # An unknown name in a file's entry darkens the whole folder: which files it was meant for is a guess.
            for pattern in file.patterns:
                self.directory.narrowed(rule, pattern.narrowing, file.where)
            return self.directory.narrowed(rule, file.folder, file.where), ""
        except AccessFileError as error:
            return DARK, str(error)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _name_problem(external_id: str, name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "The name is not UTF-8, so it cannot be written down. Rename the file."
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "The name holds control characters, such as a line break. Rename the file."
    if len(external_id) > MAX_EXTERNAL_ID:
        return f"The path is longer than {MAX_EXTERNAL_ID} characters. Shorten the names of folders or of the file."
    return ""


def _shown(external_id: str) -> str:
    """Return a name that can be stored, different for each file."""
    shown = os.fsencode(external_id).decode("utf-8", "backslashreplace")
    shown = "".join(f"\\x{ord(c):02x}" if ord(c) < 32 or ord(c) == 127 else c for c in shown)
    if len(shown) > MAX_EXTERNAL_ID - 100:
        digest = hashlib.sha256(os.fsencode(external_id)).hexdigest()[:16]
        shown = f"{shown[: MAX_EXTERNAL_ID - 100]}… ({digest})"
    return shown
