"""`access.yaml`: who may read the documents of a folder and of the folders below it.

    allow: [everyone, "group:Finance", "user:alice@example.org"]
    deny: ["group:Contractors"]
    files:
      "salary-*.docx":
        allow: ["group:HR Leads"]

A folder can only narrow what the folder above it allows. Nothing in such a file is guessed: whatever cannot be read
for certain is an error with the line it stands on, and the documents below it are dark.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import translate

import yaml
from django.db.models.functions import Lower
from django.utils.text import get_text_list

from accounts.models import Group, User
from accounts.viewer import EVERYONE, group_principal, user_principal
from ingestion.access import Rule

FILE_NAME = "access.yaml"
MAX_BYTES = 64 * 1024
MAX_PATTERN_CHARACTERS = 200

_STRING, _BOOLEAN = "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool"
_KEYS = {"allow", "deny", "inherit", "files"}
_FILE_KEYS = {"allow", "deny"}


class AccessFileError(Exception):
    """An access file that cannot be read for certain; the message names file and line and says what to do."""


@dataclass(frozen=True)
class Named:
    """A principal as written: `kind` is everyone, group or user; `name` is compared without regard to case."""

    kind: str
    name: str
    line: int


@dataclass(frozen=True)
class Narrowing:
    """What one entry adds: a clause (None: nothing) and denials."""

    allow: tuple[Named, ...] | None = None
    deny: tuple[Named, ...] = ()

    def named(self) -> Iterator[Named]:
        yield from self.allow or ()
        yield from self.deny


@dataclass(frozen=True)
class FilePattern:
    """An entry of `files`: a glob over the names of files in that folder, with what it adds."""

    glob: str
    line: int
    narrowing: Narrowing

    def matches(self, name: str) -> bool:
        """Return whether a file name matches, without regard to case: a rule for `pay*` also holds `PAY.XLSX`."""
        return re.match(translate(_plain(self.glob)), _plain(name)) is not None


@dataclass(frozen=True)
class AccessFile:
    """One access file, as written."""

    where: str
    folder: Narrowing
    patterns: tuple[FilePattern, ...] = ()

    def named(self) -> Iterator[Named]:
        """Yield every principal the file names."""
        yield from self.folder.named()
        for pattern in self.patterns:
            yield from pattern.narrowing.named()


@dataclass
class Directory:
    """The groups and people that exist, by name, as far as a tree of access files names them."""

    groups: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)

    def principal(self, named: Named, where: str) -> str:
        """Return the principal's id form, such as `group:7`; raise AccessFileError when nothing has that name."""
        if named.kind == EVERYONE:
            return EVERYONE
        if named.kind == "user":
            user = self.users.get(_plain(named.name))
            if user is None:
                raise _error(
                    where, named.line, f"there is nobody with the e-mail address “{named.name}”. "
                    "People are added under People.",
                )  # fmt: skip
            return user_principal(user)
        groups = self.groups.get(_plain(named.name), [])
        exact = [key for name, key in groups if name == named.name]
        if len(groups) == 1 or len(exact) == 1:
            return group_principal(exact[0] if exact else groups[0][1])
        if groups:
            raise _error(
                where, named.line, f"“{named.name}” names more than one group. Write it as the group does."
            )
        raise _error(
            where,
            named.line,
            f"there is no group called “{named.name}”. Groups are created under People › Groups.",
        )

    def narrowed(self, rule: Rule, narrowing: Narrowing, where: str) -> Rule:
        """Return the rule with what an entry adds; raise AccessFileError when it names somebody unknown."""
        allow = (
            None if narrowing.allow is None else {self.principal(named, where) for named in narrowing.allow}
        )
        return rule.narrowed(allow, {self.principal(named, where) for named in narrowing.deny})


def look_up(named: Iterable[Named]) -> Directory:
    """Return the directory for all principals that a tree names, with one query for groups and one for people."""
    wanted = list(named)
    directory = Directory()
    if any(one.kind == "group" for one in wanted):
        names = {_plain(one.name) for one in wanted if one.kind == "group"}
        # Compared here and not in SQL: SQLite lowers ASCII letters only, PostgreSQL all of them.
        for key, name in Group.objects.order_by("pk").values_list("pk", "name"):
            if _plain(name) in names:
                directory.groups.setdefault(_plain(name), []).append((name, key))
    addresses = {_plain(one.name) for one in wanted if one.kind == "user"}
    if addresses:
        rows = (
            User.objects.annotate(plain=Lower("email")).filter(plain__in=addresses).values_list("pk", "email")
        )
        directory.users = {_plain(email): key for key, email in rows}
    return directory


def read_access_file(data: bytes, where: str, *, is_root: bool) -> AccessFile:
    """Return an access file as written, its names not yet looked up; `where` is its path within the source.

    Raises AccessFileError on anything that is not certain.
    """
    if len(data) > MAX_BYTES:
        raise _error(where, None, f"the file is larger than {MAX_BYTES // 1024} KB and was not read.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _error(where, line, "the file is not UTF-8 text. Save it as UTF-8.") from None
    root = _composed(text, where)
    if root is None:
        raise _error(where, None, "the file is empty. Write who may read the folder, or remove the file.")
    return _Reader(where).file(root, is_root=is_root)


class _Loader(yaml.SafeLoader):
    """Composes nodes and refuses anchors and aliases, with which a small file can unfold into a huge one."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: object = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave this one bare
        if getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(
                None,
                None,
                "anchors and aliases (& and *) are not read here",
                getattr(event, "start_mark", None),
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def _composed(text: str, where: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
        try:
            node: yaml.Node | None = loader.get_single_node()
            return node
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise _error(where, line, "there is a character that YAML does not allow.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "this is not YAML"
        raise _error(
            where, mark.line + 1 if mark else None, f"this cannot be read as YAML: {problem}."
        ) from None
    except RecursionError:
        raise _error(where, None, "lists are nested too deeply to be an access file.") from None


class _Reader:
    def __init__(self, where: str) -> None:
        self.where = where

    def file(self, root: yaml.Node, *, is_root: bool) -> AccessFile:
        entries = self.mapping(root, _KEYS, "An access file")
        if "inherit" in entries:
            self.inherit(entries["inherit"], is_root=is_root)
        narrowing = self.narrowing(entries)
        if is_root and narrowing.allow is None:
            raise _error(
                self.where, None, "the access file at the top must say who may read: add a list “allow:”."
            )
        if not entries:
            raise self.wrong(
                root, "the file says nothing. Write who may read the folder, or remove the file."
            )
        return AccessFile(self.where, narrowing, self.patterns(entries.get("files")))

    def inherit(self, node: yaml.Node, *, is_root: bool) -> None:
        if not isinstance(node, yaml.ScalarNode) or node.tag != _BOOLEAN:
            raise self.wrong(node, "“inherit” is true or left out.")
        if node.value.lower() not in {"true", "yes", "on"} and not is_root:
            raise self.wrong(
                node,
                "“inherit: false” is not possible: a folder can only narrow what the folder above it allows. "
                "To open documents to more people, move them to a folder that those people may read.",
            )

    def narrowing(self, entries: dict[str, yaml.Node]) -> Narrowing:
        allow = self.principals(entries["allow"], "allow") if "allow" in entries else None
        deny = self.principals(entries["deny"], "deny") if "deny" in entries else ()
        return Narrowing(allow, deny)

    def principals(self, node: yaml.Node, key: str) -> tuple[Named, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.wrong(node, f'“{key}” must be a list, such as {key}: ["group:Finance"].')
        return tuple(self.principal(item) for item in node.value)

    def principal(self, node: yaml.Node) -> Named:
        if isinstance(node, yaml.MappingNode):
            raise self.wrong(node, "write a group as group:Finance and a person as user:alice@example.org, without a space after the colon.")  # fmt: skip
        text = self.string(node, "a group or a person")
        line = node.start_mark.line + 1
        kind, colon, name = text.partition(":")
        kind, name = kind.strip().lower(), name.strip()
        if not colon and kind == EVERYONE:
            return Named(EVERYONE, "", line)
        if colon and kind in {"group", "user"} and name:
            return Named(kind, unicodedata.normalize("NFC", name), line)
        raise self.wrong(node, f"“{text}” is neither everyone, nor group:<name>, nor user:<e-mail address>.")

    def patterns(self, node: yaml.Node | None) -> tuple[FilePattern, ...]:
        if node is None:
            return ()
        found = []
        for key, value in self.pairs(node, "“files”"):
            glob = self.string(key, "a file name pattern")
            if not glob or "/" in glob or len(glob) > MAX_PATTERN_CHARACTERS:
                raise self.wrong(
                    key,
                    f"“{glob[:80]}” is not a pattern for the names of files in this folder, such as salary-*.docx.",
                )
            entries = self.mapping(value, _FILE_KEYS, f"The entry for “{glob}”")
            if not entries:
                raise self.wrong(value, f"the entry for “{glob}” has neither “allow” nor “deny”.")
            found.append(FilePattern(glob, key.start_mark.line + 1, self.narrowing(entries)))
        return tuple(found)

    def mapping(self, node: yaml.Node, known: set[str], what: str) -> dict[str, yaml.Node]:
        entries: dict[str, yaml.Node] = {}
        for key, value in self.pairs(node, what):
            name = self.string(key, "a key")
            if name not in known:
                raise self.wrong(
                    key, f"“{name}” is not known here. {what} has {get_text_list(sorted(known), 'and')}."
                )
            entries[name] = value
        return entries

    def pairs(self, node: yaml.Node, what: str) -> list[tuple[yaml.Node, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self.wrong(node, f"{what} must be written as keys with values.")
        seen: set[str] = set()
        for key, _ in node.value:
            name = self.string(key, "a key")
            if name in seen:
                raise self.wrong(
                    key, f"“{name}” stands here twice. Only one of the two could count; keep one."
                )
            seen.add(name)
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
        return pairs

    def string(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag != _STRING:
            raise self.wrong(node, f"{what} is expected here, written as text. Put it in quotes.")
        value: str = node.value
        return value.strip()

    def wrong(self, node: yaml.Node, sentence: str) -> AccessFileError:
        return _error(self.where, node.start_mark.line + 1, sentence)


def _error(where: str, line: int | None, sentence: str) -> AccessFileError:
    return AccessFileError(f"{where}, line {line}: {sentence}" if line else f"{where}: {sentence}")


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
