"""A suite's corpus as documents of this installation, with its readers as people in groups."""

from collections import defaultdict
from collections.abc import Callable

from accounts.canonical import digest_of_bytes
from accounts.models import Group, Membership, User
from accounts.viewer import EVERYONE, Viewer, group_principal, viewer_of
from assistant.suites import Suite
from ingestion.access import NOBODY, Rule, intern_policy
from ingestion.chunking import chunk_text
from ingestion.models import Document, Source
from ingestion.reading import Read
from ingestion.settling import create_version
from ingestion.storage import Stored
from ingestion.titles import short_title_key, title_key
from ingestion.types import Parsed

# Names in an `acl` or in `readers` that mean everybody rather than a group.
PUBLIC = {"everyone", "all", "*"}
# Who asks what names no reader: somebody who is in every group of the suite.
EVERYBODY = ""

Say = Callable[[str], None]


def ingest(suite: Suite, say: Say) -> dict[str, set[str]]:
    """Store and index the corpus; return for each reader the ids of the documents they may read."""
    from ingestion.outbox import deliver

    source = Source.objects.create(
        name=suite.name, kind=Source.Kind.UPLOAD, policy=intern_policy(Rule.of({EVERYONE}))
    )
    groups = make_readers(suite)
    for document in suite.documents:
        rule = Rule.of({EVERYONE})
        if not _is_open(document.acl):
            rule = Rule.of({group_principal(groups[name].pk) for name in document.acl or ()})
        row = Document.objects.create(
            source=source,
            external_id=document.id,
            title=document.title[:300],
            title_key=title_key(document.title),
            short_title_key=short_title_key(document.title),
            policy=intern_policy(rule if document.acl != () else NOBODY),
        )
        _write_version(row, document.text)
    say(f"{len(suite.documents)} documents stored; embedding and indexing …")
    deliver()
    return readable_in(suite)


def make_readers(suite: Suite) -> dict[str, Group]:
    """See to it that every group and reader a suite names is there, and return the groups by name."""
    readers = {reader for query in suite.queries for reader in query.readers}
    names = {name for document in suite.documents for name in document.acl or () if name not in PUBLIC}
    groups = {name: Group.objects.get_or_create(name=name)[0] for name in sorted(names | readers)}
    everybody = _reader(EVERYBODY)
    for name, group in groups.items():
        Membership.objects.get_or_create(group=group, user=everybody)
        if name in readers:
            Membership.objects.get_or_create(group=group, user=_reader(name))
    return groups


def viewers_of(suite: Suite) -> dict[str, Viewer]:
    """Return each reader's viewer, from the database, now."""
    readers = {EVERYBODY, *(reader for query in suite.queries for reader in query.readers)}
    return {reader: viewer_of(_reader(reader)) for reader in readers}


def readable_in(suite: Suite) -> dict[str, set[str]]:
    """Return for each reader the ids of the documents that the suite itself lets them read: what leaks are held against."""
    readers = {reader for query in suite.queries for reader in query.readers}
    readable: dict[str, set[str]] = defaultdict(set)
    for document in suite.documents:
        for reader in {EVERYBODY, *readers}:
            if _is_open(document.acl) or (document.acl and (reader == EVERYBODY or reader in document.acl)):
                readable[reader].add(document.id)
    return readable


def _is_open(acl: tuple[str, ...] | None) -> bool:
    return acl is None or bool(PUBLIC & set(acl))


def _reader(name: str) -> User:
    address = f"{name or 'everybody'}@suite.example"
    return User.objects.get_or_create(email=address, defaults={"name": name or "Everybody"})[0]


def _write_version(document: Document, text: str) -> None:
    digest = digest_of_bytes(text.encode())
    parsed = Parsed(
        text=text, sections=(), title=document.title, author="", dated=None, is_superseded=False,
        media_type="text/plain", page_count=None, parser="suite", warnings=(),
    )  # fmt: skip
    stored = Stored(name="", digest=digest, size=len(text.encode()))
    create_version(document, Read(digest, None, stored, parsed, tuple(chunk_text(text))))
