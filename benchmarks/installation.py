"""A large installation for measuring: real rows in SQLite and a real index, in a folder that is built once and kept.

Twelve sources, three hundred rules over sixty groups, documents and chunks from `benchmarks.synthetic`, and three
people: one who may read everything, one about half, one about five in a hundred.
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from accounts.viewer import Viewer
    from benchmarks.synthetic import Corpus

Floats = npt.NDArray[np.float64]

SOURCES, POLICIES, GROUPS = 12, 300, 60
DOCUMENTS_AT_A_TIME = 400
CHUNKS_AT_A_TIME = 2_000
READERS = {"all": 1.0, "half": 0.5, "few": 0.05}
"""People by name, with the share of the documents that each may read."""

BUILT = "built.json"


class NotBuilt(RuntimeError):
    """The folder holds something else than a finished installation of the size asked for."""


@dataclass(frozen=True)
class Built:
    """What building took: chunks and documents, seconds for rows, for the index and for its search structures."""

    chunks: int
    documents: int
    rows_s: float
    upsert_s: float
    optimize_s: float
    readable: dict[str, float]


def open_installation(folder: Path) -> None:
    """Make Django use this folder's database and index. Once per process, before anything of the product is imported."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["FOOTNOTE_DATA_DIR"] = str(folder.resolve())
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    for name in ("DATABASE_URL", "QDRANT_URL"):
        os.environ.pop(name, None)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def built_in(folder: Path) -> Built | None:
    """Return what was built in a folder, or None when nothing was finished there."""
    path = folder / BUILT
    return Built(**json.loads(path.read_text())) if path.exists() else None


def build(folder: Path, chunks: int) -> Built:
    """Fill the open installation with a corpus of that many chunks, or find it there already.

    Raises NotBuilt when the folder holds another size, or what a build that was cut off left behind.
    """
    found = built_in(folder)
    if found is not None and found.chunks == chunks:
        return found
    from ingestion.models import Document

    if found is not None or Document.objects.exists():
        raise NotBuilt(
            f"{folder} holds no finished installation of {chunks:,} chunks. Remove it, or name another folder."
        )
    from benchmarks.synthetic import Corpus, seeds

    made_of = seeds(folder.parent / "seeds.npz")
    corpus = Corpus(made_of, chunks)
    begun = time.perf_counter()
    readable = _write_rows(corpus)
    rows_s = time.perf_counter() - begun
    upsert_s, optimize_s = _write_index()
    built = Built(
        chunks, len(corpus.documents), round(rows_s, 1), round(upsert_s, 1), round(optimize_s, 1), readable
    )
    (folder / BUILT).write_text(json.dumps(asdict(built)))
    return built


def readers() -> "dict[str, Viewer]":
    """Return the three people as viewers, as the database has them now."""
    from accounts.models import User
    from accounts.viewer import viewer_of

    return {name: viewer_of(User.objects.get(email=f"{name}@example.org")) for name in READERS}


def asked(folder: Path, chunks: int, count: int) -> list[str]:
    """Return that many different questions about a built corpus."""
    from benchmarks.synthetic import Corpus, questions, seeds

    made_of = seeds(folder.parent / "seeds.npz")
    return list(questions(Corpus(made_of, chunks), made_of, count))


def _write_rows(corpus: "Corpus") -> dict[str, float]:
    """Store sources, rules, people, documents and chunks; return the share of documents each person may read."""
    from django.db import connection, transaction

    from ingestion.models import Document

    with connection.cursor() as cursor:
        # A build that is cut off is thrown away, so nothing has to be on the disk before it is finished.
        cursor.execute("PRAGMA synchronous=OFF")
    count = len(corpus.documents)
    random = np.random.default_rng(count)
    with transaction.atomic():
        policies, shares = _rules_and_people()
        sources = _sources()
    ruled = random.choice(policies, size=count, p=shares).tolist()
    housed = random.choice(sources, size=count).tolist()
    for start in range(0, count, DOCUMENTS_AT_A_TIME):
        end = min(start + DOCUMENTS_AT_A_TIME, count)
        with transaction.atomic():
            _write_documents(corpus, start, list(zip(housed[start:end], ruled[start:end], strict=True)))
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA optimize=0x10002")
    return {
        name: round(Document.objects.visible_to(viewer).count() / count, 3)
        for name, viewer in readers().items()
    }


def _rules_and_people() -> tuple[list[int], Floats]:
    """Store groups, rules and the three people; return the policies' ids and the share of documents under each."""
    from accounts.models import Group, Membership, User
    from accounts.viewer import EVERYONE, group_principal
    from ingestion.access import Rule, intern_policy

    groups = [Group.objects.create(name=f"Group {n}") for n in range(GROUPS)]
    principals = [group_principal(group.pk) for group in groups]
    outside = group_principal(Group.objects.create(name="External staff").pk)
    rules = [Rule.of({EVERYONE})]
    for n in range(1, POLICIES):
        # Two groups may read; every tenth rule asks for more than one thing, every seventh keeps somebody out.
        clauses = [
            {principals[n % GROUPS], principals[n * 7 // 5 % GROUPS]},
            *([{EVERYONE}] if n % 10 == 0 else []),
        ]
        rules.append(Rule.of(*clauses, deny=[outside] if n % 7 == 0 else []))
    weights = 1.0 / (np.arange(1, POLICIES) + 10.0)
    shares = np.concatenate([[0.04], 0.96 * weights / weights.sum()])
    for name, wanted in READERS.items():
        person = User.objects.create(email=f"{name}@example.org", name=name.capitalize())
        held, readable = {EVERYONE}, 0.0
        for group, principal in reversed(list(zip(groups, principals, strict=True))):
            readable = float(sum(shares[n] for n, rule in enumerate(rules) if rule.admits(frozenset(held))))
            if readable >= wanted - 0.005 and wanted < 1:
                break
            held.add(principal)
            Membership.objects.create(user=person, group=group)
    return [intern_policy(rule).pk for rule in rules], shares


def _sources() -> list[int]:
    from accounts.viewer import EVERYONE
    from ingestion.access import Rule, intern_policy
    from ingestion.models import Source

    policy = intern_policy(Rule.of({EVERYONE}))
    return [
        Source.objects.create(name=f"Source {n}", kind=Source.Kind.UPLOAD, policy=policy).pk
        for n in range(SOURCES)
    ]


def _write_documents(corpus: "Corpus", first: int, where: list[tuple[int, int]]) -> None:
    """Store documents from number `first` on, each in its source and under its policy, with all their chunks."""
    from accounts.canonical import digest_of_bytes
    from ingestion.index import model_name
    from ingestion.models import Chunk, Document, DocumentVersion
    from ingestion.titles import title_key
    from ingestion.words import packed_codes

    made = corpus.documents[first : first + len(where)]
    chunks = corpus.chunks_of(first, first + len(where))
    documents = Document.objects.bulk_create(
        Document(
            source_id=source, policy_id=policy, external_id=f"{first + n}.md", title=document.title,
            title_key=title_key(document.title), author=f"Author {(first + n) % 97}",
            dated=date(2015, 1, 1) + timedelta(days=(first + n) * 37 % 4000),
        )
        for n, (document, (source, policy)) in enumerate(zip(made, where, strict=True))
    )  # fmt: skip
    bounds = list(accumulate((document.chunks for document in made), initial=0))
    texts = ["\n\n".join(chunks.texts[begin:end]) for begin, end in pairwise(bounds)]
    versions = DocumentVersion.objects.bulk_create(
        DocumentVersion(
            document=document, number=1, content_digest=digest_of_bytes(text.encode()),
            text_digest=digest_of_bytes(text.encode()), text=text, sections=[[0, len(text), None, []]],
            media_type="text/markdown", size=len(text), file="", title=document.title, parser="made up",
            state=DocumentVersion.State.INDEXED,
        )
        for document, text in zip(documents, texts, strict=True)
    )  # fmt: skip
    for document, version in zip(documents, versions, strict=True):
        document.current_version = version
    Document.objects.bulk_update(documents, ["current_version"])
    vectors, model = chunks.vectors.astype(np.float16), model_name()
    rows = []
    for version, (begin, end) in zip(versions, pairwise(bounds), strict=True):
        position = 0
        for number in range(begin, end):
            text = chunks.texts[number]
            rows.append(
                Chunk(
                    version=version, ordinal=number - begin, start=position, end=position + len(text), text=text,
                    headings=[chunks.headings[number]], digest=digest_of_bytes(text.encode()),
                    embedding=vectors[number].tobytes(), embedding_model=model,
                    sentence_embeddings=chunks.sentences[number], words=packed_codes(text),
                )
            )  # fmt: skip
            position += len(text) + 2
    Chunk.objects.bulk_create(rows)


def _write_index() -> tuple[float, float]:
    """Put every chunk into the index; return the seconds for that and for building the search structures."""
    from ingestion.index import close_index, get_index
    from ingestion.indexing import point_of
    from ingestion.models import Chunk

    index = get_index()
    begun = time.perf_counter()
    rows = (
        Chunk.objects.order_by("pk").select_related("version__document")
        .defer("version__text", "version__sections")
    )  # fmt: skip
    last = 0
    while batch := list(rows.filter(pk__gt=last)[:CHUNKS_AT_A_TIME]):
        index.upsert([point_of(chunk) for chunk in batch])
        last = batch[-1].pk
    index.flush()
    upserted = time.perf_counter()
    index.optimize()
    index.flush()
    close_index()
    return upserted - begun, time.perf_counter() - upserted
