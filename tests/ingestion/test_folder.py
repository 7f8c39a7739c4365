"""A folder as a source: what it lists, whose rule holds, and that nobody is led out of it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.viewer import EVERYONE, group_principal
from ingestion.access import DARK, Rule
from ingestion.sources.folder import check_root, copy_out, list_folder
from ingestion.types import Found, Refused, SourceError, Unreadable
from tests.ingestion.files import sparse, write
from tests.world import World


@pytest.fixture
def root(tmp_path: Path, settings: Settings) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    settings.SOURCE_ROOTS = [tmp_path]
    write(folder / "access.yaml", "allow: [everyone]\n")
    return folder.resolve()


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Be somebody whom file permissions bind, even where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_root(settings: Settings) -> Iterator[Path]:
    """A root that every user of the machine may enter."""
    with TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        settings.SOURCE_ROOTS = [folder]
        yield folder


def found(root: Path) -> dict[str, Found]:
    return {entry.external_id: entry for entry in list_folder(root) if isinstance(entry, Found)}


def refused(root: Path) -> dict[str, Refused]:
    return {entry.external_id: entry for entry in list_folder(root) if isinstance(entry, Refused)}


# --- Which folder may be a source. --------------------------------------------------------------------------------


def test_a_folder_under_an_allowed_one_is_a_source(root: Path) -> None:
    assert check_root(f" {root} ") == root


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing", "There is no folder “{path}”."),
        ("documents/access.yaml", "“{path}” is a file, not a folder."),
        ("documents/../..", "“{path}” does not lie under a folder that documents may be read from ({root}). Whoever runs this server sets these folders with FOOTNOTE_SOURCE_ROOTS."),
        ("way-out", "“{path}” does not lie under a folder that documents may be read from ({root}). Whoever runs this server sets these folders with FOOTNOTE_SOURCE_ROOTS."),
    ],
)  # fmt: skip
def test_other_folders_are_refused_with_a_sentence(
    root: Path, tmp_path: Path, name: str, sentence: str
) -> None:
    (tmp_path / "way-out").symlink_to("/etc")
    path = f"{tmp_path}/{name}"
    with pytest.raises(SourceError) as caught:
        check_root(path)
    assert str(caught.value) == sentence.format(path=path, root=tmp_path)


def test_nothing_is_said_about_folders_elsewhere(root: Path) -> None:
    sentences = set()
    for path in ("/etc", "/no/such/folder"):
        with pytest.raises(SourceError) as caught:
            check_root(path)
        sentences.add(str(caught.value).replace(path, "…"))
    assert len(sentences) == 1


@pytest.mark.parametrize("path", ["documents", "", "~/documents", "/a\0b"])
def test_a_path_that_is_not_full_is_refused(root: Path, path: str) -> None:
    with pytest.raises(SourceError, match=r"not a full path|Give the folder"):
        check_root(path)


def test_a_link_to_a_folder_inside_is_resolved(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert check_root(str(tmp_path / "link")) == root


def test_a_folder_without_permission_is_refused(public_root: Path) -> None:
    locked = public_root / "locked"
    locked.mkdir(mode=0)
    with ordinary_user(), pytest.raises(SourceError) as caught:
        check_root(str(locked))
    assert str(caught.value) == f"“{locked}” cannot be read: this server has no permission to read it."


# --- What is listed, and under which rule. ------------------------------------------------------------------------


def test_documents_are_listed_in_order_and_hidden_files_and_rules_are_not(root: Path, db: None) -> None:
    for name in (
        "b.md",
        "a/z.md",
        "a/y.md",
        ".hidden",
        ".git/config",
        "~$lock.docx",
        "Thumbs.db",
        ".DS_Store",
        "a/access.yaml",
    ):
        write(root / name, "allow: [everyone]")
    assert list(found(root)) == ["a/y.md", "a/z.md", "b.md"]
    assert found(root)["b.md"].size == len("allow: [everyone]")


def test_a_folder_narrows_what_its_parent_allows(root: Path, world: World) -> None:
    write(root / "top.md", "x")
    write(
        root / "finance/access.yaml",
        "allow: ['group:Finance']\ndeny: ['group:Budget']\nfiles: {'lead*': {allow: ['group:Finance Leads']}}",
    )
    write(root / "finance/plan.md", "x")
    write(root / "finance/leads.md", "x")
    write(root / "finance/deep/er/leads.md", "x")
    finance, leads, budget = (
        group_principal(world.groups[name].pk) for name in ("Finance", "Finance Leads", "Budget")
    )
    rules = {name: entry.rule for name, entry in found(root).items()}
    assert rules == {
        "top.md": Rule.of({EVERYONE}),
        "finance/plan.md": Rule.of({EVERYONE}, {finance}, deny={budget}),
        "finance/leads.md": Rule.of({EVERYONE}, {finance}, {leads}, deny={budget}),
        "finance/deep/er/leads.md": Rule.of({EVERYONE}, {finance}, deny={budget}),
    }


def test_without_a_rule_at_the_top_every_document_is_dark(root: Path, db: None) -> None:
    (root / "access.yaml").unlink()
    write(root / "hr/access.yaml", "allow: [everyone]")
    write(root / "hr/a.md", "x")
    entry = found(root)["hr/a.md"]
    assert entry.rule == DARK
    assert entry.rule_note == (
        "There is no access.yaml at the top of the folder, so nobody may read its documents. "
        "Add one that says who may, such as “allow: [everyone]”."
    )


def test_a_rule_that_cannot_be_read_darkens_its_folder_and_those_below_only(root: Path, db: None) -> None:
    write(root / "open.md", "x")
    write(root / "hr/access.yaml", "deny: []\nallow:\n  - everyone\n  - group:Fiannce\n")
    write(root / "hr/a.md", "x")
    write(root / "hr/below/access.yaml", "allow: [everyone]")
    write(root / "hr/below/b.md", "x")
    entries = found(root)
    assert entries["open.md"].rule == Rule.of({EVERYONE})
    note = "hr/access.yaml, line 4: there is no group called “Fiannce”. Groups are created under People › Groups."
    assert {(entries[name].rule, entries[name].rule_note) for name in ("hr/a.md", "hr/below/b.md")} == {
        (DARK, note)
    }


def test_an_unknown_name_in_the_entry_of_one_file_darkens_the_whole_folder(root: Path, db: None) -> None:
    write(root / "access.yaml", "allow: [everyone]\nfiles:\n  'x*': {allow: ['group:Nobody knows']}\n")
    write(root / "a.md", "x")
    assert found(root)["a.md"].rule == DARK


@pytest.mark.parametrize("name", ["access.yml", "Access.yaml", "ACCESS.YML"])
def test_a_rule_under_another_name_is_not_ignored(root: Path, db: None, name: str) -> None:
    write(root / "hr" / name, "allow: []")
    write(root / "hr/a.md", "x")
    entry = found(root)["hr/a.md"]
    assert entry.rule == DARK
    assert entry.rule_note == (
        f"hr/access.yaml: there is a file called “{name}”. Only “access.yaml” is read; rename or remove it."
    )


def test_a_pattern_that_matches_no_file_is_reported(root: Path, world: World) -> None:
    write(root / "hr/access.yaml", "files:\n  'salry-*.docx':\n    allow: ['group:Finance']\n")
    write(root / "hr/salary-bands.docx", "x")
    notice = refused(root)["hr/access.yaml"]
    assert notice.code == "unused_rule"
    assert (
        notice.reason
        == "hr/access.yaml, line 2: no file in this folder matches “salry-*.docx”, so this entry holds for nothing."
    )


@hypothesis_settings(max_examples=50)
@given(
    st.lists(st.sets(st.sampled_from(["everyone", "group:1", "group:2", "user:1"])), max_size=4),
    st.sets(st.sampled_from(["everyone", "group:1", "group:2", "user:1"])),
)
def test_a_narrowed_rule_never_admits_more(clauses: list[set[str]], held: set[str]) -> None:
    rule = Rule.of({"everyone"})
    for clause in clauses:
        narrower = rule.narrowed(clause)
        assert not narrower.admits(frozenset(held)) or rule.admits(frozenset(held))
        rule = narrower


# --- Links, odd names and things that are no files. ---------------------------------------------------------------


def test_links_out_of_the_folder_are_refused(root: Path, tmp_path: Path, db: None) -> None:
    write(tmp_path / "outside/secret.md", "x")
    (root / "file.md").symlink_to(tmp_path / "outside/secret.md")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "dangling").symlink_to(root / "nothing")
    (root / "itself").symlink_to(root / "itself")
    entries = refused(root)
    assert found(root) == {}
    assert {name: entry.code for name, entry in entries.items()} == {
        "file.md": "outside_root", "folder": "outside_root", "dangling": "broken_link", "itself": "broken_link",
    }  # fmt: skip
    assert entries["file.md"].reason == "This is a link to a place outside the folder; it was not followed."


def test_a_link_in_an_open_folder_does_not_open_what_lies_in_a_closed_one(root: Path, world: World) -> None:
    write(root / "hr/access.yaml", "allow: ['group:Finance']\nfiles: {'pay*': {deny: ['group:Budget']}}")
    write(root / "hr/pay.md", "x")
    (root / "open").mkdir()
    (root / "open/link.md").symlink_to(root / "hr/pay.md")
    (root / "open/folder").symlink_to(root / "hr")
    rules = {name: entry.rule for name, entry in found(root).items()}
    assert set(rules) == {"hr/pay.md", "open/link.md", "open/folder/pay.md"}
    assert len(set(rules.values())) == 1
    assert not rules["open/link.md"].admits(frozenset({EVERYONE}))


def test_a_link_to_a_dark_place_is_dark(root: Path, db: None) -> None:
    write(root / "hr/access.yaml", "nonsense")
    write(root / "hr/pay.md", "x")
    (root / "link.md").symlink_to(root / "hr/pay.md")
    assert found(root)["link.md"].rule == DARK


def test_links_that_lead_round_in_circles_end(root: Path, db: None) -> None:
    write(root / "a/x.md", "x")
    write(root / "b/y.md", "x")
    (root / "a/up").symlink_to(root)
    (root / "a/b").symlink_to(root / "b")
    (root / "b/a").symlink_to(root / "a")
    assert set(found(root)) == {"a/x.md", "b/y.md", "a/b/y.md", "b/a/x.md"}
    assert {entry.code for entry in refused(root).values()} == {"link_loop"}


def test_a_link_to_a_hidden_file_or_a_rule_is_not_followed(root: Path, db: None) -> None:
    write(root / ".env", "SECRET=1")
    (root / "env.txt").symlink_to(root / ".env")
    (root / "rule.txt").symlink_to(root / "access.yaml")
    assert found(root) == {}
    assert {entry.code for entry in refused(root).values()} == {"hidden"}


def test_pipes_and_sockets_are_never_opened(root: Path, db: None) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(root)  # the path of a socket has room for a hundred characters only
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
        entries = refused(root)
    assert {name: entry.code for name, entry in entries.items()} == {
        "pipe": "not_a_file",
        "socket": "not_a_file",
    }
    with pytest.raises(Unreadable) as caught:
        copy_out(root, "pipe", root.parent / "copy")
    assert caught.value.code == "not_a_file"


def test_an_access_file_that_is_a_pipe_darkens_and_does_not_hang(root: Path, db: None) -> None:
    (root / "access.yaml").unlink()
    os.mkfifo(root / "access.yaml")
    write(root / "a.md", "x")
    assert found(root)["a.md"].rule_note == "access.yaml: this is not an ordinary file and was not opened."


def test_names_that_cannot_be_written_down_are_refused(root: Path, db: None) -> None:
    for name in (b"\xe9.md", b"line\nbreak.md"):
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(b"x")
    entries = refused(root)
    assert {entry.code for entry in entries.values()} == {"bad_name"}
    assert set(entries) == {"\\xe9.md", "line\\x0abreak.md"}
    assert (
        entries["\\xe9.md"].reason == "The name is not UTF-8, so it cannot be written down. Rename the file."
    )


def test_a_folder_without_permission_is_refused_as_a_folder(public_root: Path, db: None) -> None:
    write(public_root / "access.yaml", "allow: [everyone]")
    write(public_root / "open.md", "x")
    write(public_root / "closed.md", "x").chmod(0)
    write(public_root / "locked/a.md", "x")
    (public_root / "locked").chmod(0)
    with ordinary_user():
        entries = list(list_folder(public_root))
        with pytest.raises(Unreadable) as caught:
            copy_out(public_root, "closed.md", Path(os.devnull))
    (public_root / "locked").chmod(0o755)
    assert [entry.external_id for entry in entries] == ["closed.md", "locked/", "open.md"]
    locked = entries[1]
    assert isinstance(locked, Refused)
    assert (locked.code, locked.reason) == (
        "permission_denied", "The folder cannot be listed: this server has no permission to read it.",
    )  # fmt: skip
    assert (caught.value.code, caught.value.reason) == (
        "permission_denied", "The file cannot be opened: this server has no permission to read it.",
    )  # fmt: skip


def test_a_folder_that_went_away_is_an_error_and_not_an_empty_folder(root: Path, db: None) -> None:
    root.rename(root.parent / "elsewhere")
    with pytest.raises(SourceError) as caught:
        list(list_folder(root))
    assert str(caught.value) == f"There is no folder “{root}”."


def test_a_folder_that_became_a_link_is_an_error(root: Path, db: None) -> None:
    root.rename(root.parent / "elsewhere")
    root.symlink_to(root.parent / "elsewhere")
    with pytest.raises(SourceError, match="no longer the folder that was connected"):
        list(list_folder(root))


def test_an_empty_folder_lists_nothing(root: Path, db: None) -> None:
    assert list(list_folder(root)) == []


# --- Copying. -----------------------------------------------------------------------------------------------------


def test_a_copy_has_the_bytes_their_digest_and_the_time_of_change(root: Path, tmp_path: Path) -> None:
    write(root / "a/b.md", "abc")
    os.utime(root / "a/b.md", (1_700_000_000, 1_700_000_000))
    copied = copy_out(root, "a/b.md", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "abc"
    assert copied.size == 3
    assert copied.digest == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert copied.modified.isoformat() == "2023-11-14T22:13:20+00:00"


@pytest.mark.parametrize("name", ["../outside.md", "a/../../outside.md", "/etc/hostname", "", "a\0b", "."])
def test_a_name_that_leads_out_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    write(tmp_path / "outside.md", "x")
    with pytest.raises(Unreadable) as caught:
        copy_out(root, name, tmp_path / "copy")
    assert caught.value.code == "outside_root"
    assert not (tmp_path / "copy").exists()


def test_a_file_that_vanished_between_listing_and_copy_says_so(root: Path, tmp_path: Path, db: None) -> None:
    write(root / "a.md", "x")
    (name,) = found(root)
    (root / name).unlink()
    with pytest.raises(Unreadable) as caught:
        copy_out(root, name, tmp_path / "copy")
    assert (caught.value.code, caught.value.reason) == (
        "vanished",
        "The file cannot be opened: it is no longer there.",
    )


def test_a_file_swapped_for_a_link_out_after_listing_is_refused(root: Path, tmp_path: Path, db: None) -> None:
    write(tmp_path / "outside.md", "x")
    write(root / "a.md", "x")
    (name,) = found(root)
    (root / name).unlink()
    (root / name).symlink_to(tmp_path / "outside.md")
    with pytest.raises(Unreadable) as caught:
        copy_out(root, name, tmp_path / "copy")
    assert caught.value.code == "outside_root"


def test_a_file_larger_than_allowed_is_refused_without_reading_it(root: Path, tmp_path: Path) -> None:
    sparse(root / "huge.pdf", 500 * 1024 * 1024)
    with pytest.raises(Unreadable) as caught:
        copy_out(root, "huge.pdf", tmp_path / "copy")
    assert (caught.value.code, caught.value.reason) == (
        "too_large", "The file has 500 MB; files of up to 100 MB are read (FOOTNOTE_MAX_FILE_MB).",
    )  # fmt: skip
    assert not (tmp_path / "copy").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_named(root: Path) -> None:
    write(root / "a.md", "x" * 100_000)
    full = root.parent / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(Unreadable) as caught:
        copy_out(root, "a.md", full)
    assert (caught.value.code, caught.value.reason) == (
        "disk_full", "There is no room left on this server's disk to keep a copy of the file.",
    )  # fmt: skip
