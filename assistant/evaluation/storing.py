"""A suite's corpus as documents of this installation, with its readers as people in groups."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from django.db import transaction

from accounts.canonical import digest_of_bytes
from accounts.models import Group, Membership, User
from accounts.viewer import EVERYONE, Viewer, group_principal, viewer_of
from assistant.suites import Suite, SuiteDocument
from ingestion.access import NOBODY, Rule, intern_policy
from ingestion.chunking import chunk_text
from ingestion.models import AccessPolicy, Document, Source
from ingestion.reading import Read
from ingestion.settling import create_version
from ingestion.storage import Stored
from ingestion.titles import short_title_key, title_key
from ingestion.types import Parsed

# Names in an `acl` or in `readers` that mean everybody rather than a group.
PUBLIC = {"everyone", "all", "*"}
# Who asks what names no reader: somebody who is in every group of the suite.
EVERYBODY = ""

STORED_TOGETHER = 25
"""Documents in one transaction; more would keep the model waiting for its first."""

Say = Callable[[str], None]


def ingest(suite: Suite, say: Say) -> dict[str, set[str]]:
    """Store and index the corpus; return for each reader the ids of the documents they may read."""
    from ingestion.indexing import Indexing
    from ingestion.outbox import optimize

    source = Source.objects.create(
        name=suite.name, kind=Source.Kind.UPLOAD, policy=intern_policy(Rule.of({EVERYONE}))
    )
    groups = make_readers(suite)
    policies = {acl: _policy(acl, groups) for acl in {document.acl for document in suite.documents}}
    waiting = iter(suite.documents)
    with Indexing() as indexing:
        while batch := list(islice(waiting, STORED_TOGETHER)):
            with transaction.atomic():
                versions = [_store(document, source, policies[document.acl]) for document in batch]
            # What is stored is embedded while the next documents are stored.
            _exhaust(indexing.add(versions))
            _exhaust(indexing.written())
        say(f"{len(suite.documents)} documents stored; embedding and indexing the last …")
        _exhaust(indexing.finish())
    optimize()
    return readable_in(suite)


def _exhaust(slices: Iterator[list[int]]) -> None:
    for _ in slices:
        pass


def _store(document: SuiteDocument, source: Source, policy: AccessPolicy) -> int:
    """Write a document with its version and its chunks; return the version."""
    row = Document.objects.create(
        source=source,
        external_id=document.id,
        title=document.title[:300],
        title_key=title_key(document.title),
        short_title_key=short_title_key(document.title),
        policy=policy,
    )
    return _write_version(row, document.text)


def _policy(acl: tuple[str, ...] | None, groups: Mapping[str, Group]) -> AccessPolicy:
    if _is_open(acl):
        return intern_policy(Rule.of({EVERYONE}))
    if not acl:
        return intern_policy(NOBODY)
    return intern_policy(Rule.of({group_principal(groups[name].pk) for name in acl}))


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


def _write_version(document: Document, text: str) -> int:
    digest = digest_of_bytes(text.encode())
    parsed = Parsed(
        text=text, sections=(), title=document.title, author="", dated=None, is_superseded=False,
        media_type="text/plain", page_count=None, parser="suite", warnings=(),
    )  # fmt: skip
    stored = Stored(name="", digest=digest, size=len(text.encode()))
    return create_version(
        document, Read(digest, None, stored, parsed, tuple(chunk_text(text))), is_new=True
    ).pk
