"""Random organisations that change at random, held against a brute-force oracle on every path to a document.

After every change each person's reach is compared in all its forms: the queryset, the decision with reasons, the search
under the reach of the moment, the gate, and retrieval from end to end. `FOOTNOTE_ORACLE_EXAMPLES` asks for more of them.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pytest_django import Settings

from accounts import actions as people_actions
from accounts.audit import By
from accounts.canonical import digest_of_bytes
from accounts.errors import ActionRefused
from accounts.models import Group, GroupNesting, Membership, User
from accounts.viewer import Viewer, viewer_of
from ingestion import actions, index, indexing, outbox
from ingestion.access import DARK, Rule, decide, intern_policy, reach_of
from ingestion.index import close_index, get_index, model_name
from ingestion.index.types import IndexFilter, VectorIndex
from ingestion.models import Chunk, Document, DocumentVersion, Source
from retrieval.gate import neighbours, pass_gate
from retrieval.orchestrator import retrieve
from tests.retrieval.oracle import Oracle, PlainDocument, PlainRule

EXAMPLES = int(os.environ.get("FOOTNOTE_ORACLE_EXAMPLES", "8"))
STEPS = int(os.environ.get("FOOTNOTE_ORACLE_STEPS", "14"))
PEOPLE, GROUPS, SOURCES, DOCUMENTS = 4, 4, 3, 6
BY = By.system("tests")
State = DocumentVersion.State


class Counted:
    """How much was compared, so that a run that compares nothing cannot pass."""

    changes = 0
    pairs = 0


class Organisation(RuleBasedStateMachine):
    """The product and the oracle side by side; every rule changes both in the same way."""

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle()
        self.turn = 0
        self.words: dict[int, str] = {}
        # Each example lives in a transaction that is rolled back; the index has none and is emptied.
        self.example = transaction.atomic()
        self.example.__enter__()
        engine = get_index()
        engine.delete_chunks([entry.chunk for entry in engine.entries()])

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    # --- Beginning ------------------------------------------------------------------------------------------------

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        people = User.objects.bulk_create(
            User(email=f"p{n}@example.org", name=f"P{n}", password="!") for n in range(PEOPLE)
        )
        groups = Group.objects.bulk_create(Group(name=f"G{n}") for n in range(GROUPS))
        self.oracle.people = {person.pk: True for person in people}
        self.oracle.groups = {group.pk for group in groups}
        pairs = st.tuples(st.sampled_from([p.pk for p in people]), st.sampled_from([g.pk for g in groups]))
        self.oracle.members = data.draw(st.sets(pairs, max_size=6))
        Membership.objects.bulk_create(Membership(user_id=p, group_id=g) for p, g in self.oracle.members)
        for n in range(SOURCES):
            plain = self.a_rule(data, wide=True)
            source = Source.objects.create(name=f"S{n}", kind="upload", policy=intern_policy(written(plain)))
            self.oracle.sources[source.pk] = plain
        for n in range(DOCUMENTS):
            self.add_document(data, n)

    def add_document(self, data: st.DataObject, number: int) -> None:
        plain, source = self.a_rule(data), data.draw(st.sampled_from(sorted(self.oracle.sources)))
        document = Document.objects.create(
            source_id=source, external_id=f"d{number}.md", title=f"Paper {number}", title_key=f"paper {number}",
            policy=intern_policy(written(plain)), is_superseded=data.draw(st.booleans()),
        )  # fmt: skip
        is_shown = data.draw(st.integers(0, 5)) > 0
        chunks = self.add_version(document, 1, is_shown=is_shown)
        self.oracle.documents[document.pk] = PlainDocument(
            source, plain, chunks, is_shown=is_shown, is_superseded=document.is_superseded
        )

    def add_version(self, document: Document, number: int, *, is_shown: bool = True) -> frozenset[int]:
        """Store and index a version of two chunks; one that is not shown yet is in the index all the same."""
        parts = [
            f"Chapter{document.pk}x{number}x{part} tells of matter{document.pk * 31 + number * 7 + part}."
            for part in (0, 1)
        ]
        text = "\n\n".join(parts)
        digest = digest_of_bytes(text.encode())
        version = DocumentVersion.objects.create(
            document=document, number=number, content_digest=digest, text_digest=digest, text=text,
            sections=[[0, len(text), None, []]], media_type="text/markdown", size=len(text), file="", parser="tests",
            is_superseded=document.is_superseded, state=State.INDEXED if is_shown else State.PENDING,
        )  # fmt: skip
        random = np.random.default_rng(document.pk * 100 + number)
        chunks = Chunk.objects.bulk_create(
            Chunk(
                version=version, ordinal=ordinal, start=ordinal * (len(parts[0]) + 2),
                end=ordinal * (len(parts[0]) + 2) + len(part), text=part, digest=digest_of_bytes(part.encode()),
                embedding=random.normal(size=64).astype(np.float16).tobytes(), embedding_model=model_name(),
            )
            for ordinal, part in enumerate(parts)
        )  # fmt: skip
        if is_shown:
            document.current_version = version
            document.save(update_fields=["current_version"])
        self.words[document.pk] = f"chapter{document.pk}x{number}x0"
        get_index().upsert([indexing.point_of(chunk) for chunk in chunks])
        return frozenset(chunk.pk for chunk in chunks)

    def a_rule(self, data: st.DataObject, *, wide: bool = False) -> PlainRule:
        """Draw a rule: dark, for nobody, or of clauses (which may be empty or name groups long gone) and denials."""
        kind = data.draw(st.integers(0, 9))
        if kind == 0:
            return PlainRule(is_dark=True)
        if kind == 1 or (wide and kind < 6):
            return PlainRule((frozenset({"everyone"}),) if wide else ())
        principals = st.sampled_from(
            [
                "everyone",
                *(f"user:{n}" for n in sorted(self.oracle.people)),
                *(f"group:{n}" for n in sorted(self.oracle.groups)),
                "group:999999",
            ]
        )
        clauses = data.draw(
            st.lists(st.frozensets(principals, min_size=int(kind > 2), max_size=3), min_size=1, max_size=3)
        )
        return PlainRule(
            tuple(clauses), data.draw(st.frozensets(principals, max_size=1)) if kind > 6 else frozenset()
        )

    # --- Changes --------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def join_or_leave(self, data: st.DataObject) -> None:
        person, group = self.a_person(data), self.a_group(data)
        if group is None:
            return
        joined, who = Group.objects.get(pk=group), User.objects.get(pk=person)
        if (person, group) in self.oracle.members:
            assert people_actions.remove_from_group(by=BY, group=joined, person=who)
            self.oracle.members.discard((person, group))
        else:
            assert people_actions.add_to_group(by=BY, group=joined, person=who)
            self.oracle.members.add((person, group))

    @rule(data=st.data())
    def nest(self, data: st.DataObject) -> None:
        outer, inner = self.a_group(data), self.a_group(data)
        if outer is None or inner is None:
            return
        closes_a_circle = self.oracle.lies_in(outer, inner)
        try:
            people_actions.nest_group(
                by=BY, parent=Group.objects.get(pk=outer), child=Group.objects.get(pk=inner)
            )
        except ActionRefused:
            assert closes_a_circle
        else:
            assert not closes_a_circle
            self.oracle.nested.add((outer, inner))

    @rule(data=st.data())
    def nest_behind_the_products_back(self, data: st.DataObject) -> None:
        """A circle that the product refuses may still come to stand in the database, by hand for instance."""
        outer, inner = self.a_group(data), self.a_group(data)
        if outer is None or inner is None or outer == inner or (outer, inner) in self.oracle.nested:
            return
        GroupNesting.objects.create(parent_id=outer, child_id=inner)
        self.oracle.nested.add((outer, inner))

    @precondition(lambda self: self.oracle.nested)
    @rule(data=st.data())
    def unnest(self, data: st.DataObject) -> None:
        outer, inner = data.draw(st.sampled_from(sorted(self.oracle.nested)))
        assert people_actions.unnest_group(
            by=BY, parent=Group.objects.get(pk=outer), child=Group.objects.get(pk=inner)
        )
        self.oracle.nested.discard((outer, inner))

    @rule(data=st.data())
    def remove_group(self, data: st.DataObject) -> None:
        group = self.a_group(data)
        if group is None:
            return
        is_empty = all(g != group for _, g in self.oracle.members) and all(
            o != group for o, _ in self.oracle.nested
        )
        try:
            people_actions.remove_group(by=BY, group=Group.objects.get(pk=group))
        except ActionRefused:
            assert not is_empty
        else:
            assert is_empty
            self.oracle.groups.discard(group)
            self.oracle.nested = {(o, i) for o, i in self.oracle.nested if i != group}

    @rule(data=st.data())
    def deactivate_or_reactivate(self, data: st.DataObject) -> None:
        person = self.a_person(data)
        is_active = not self.oracle.people[person]
        people_actions.change_person(by=BY, person=User.objects.get(pk=person), is_active=is_active)
        self.oracle.people[person] = is_active

    @rule(data=st.data())
    def change_a_documents_rule(self, data: st.DataObject) -> None:
        document = self.a_document(data)
        if document is None:
            return
        plain = self.a_rule(data)
        actions.change_document_access(by=BY, document=Document.objects.get(pk=document), rule=written(plain))
        self.oracle.documents[document].rule = plain

    @rule(data=st.data())
    def change_a_sources_rule(self, data: st.DataObject) -> None:
        source = self.a_source(data)
        if source is None:
            return
        plain = self.a_rule(data, wide=True)
        actions.change_source_access(by=BY, source=Source.objects.get(pk=source), rule=written(plain))
        self.oracle.sources[source] = plain

    @rule(data=st.data())
    def move_a_document(self, data: st.DataObject) -> None:
        document, source = self.a_document(data), self.a_source(data)
        if document is None or source is None:
            return
        Document.objects.filter(pk=document).update(source=source, needs_index_update=True)
        self.oracle.documents[document].source = source

    @rule(data=st.data())
    def supersede_or_not(self, data: st.DataObject) -> None:
        document = self.a_document(data)
        if document is None:
            return
        plain = self.oracle.documents[document]
        plain.is_superseded = not plain.is_superseded
        Document.objects.filter(pk=document).update(
            is_superseded=plain.is_superseded, needs_index_update=True
        )
        DocumentVersion.objects.filter(document=document).update(is_superseded=plain.is_superseded)

    @rule(data=st.data())
    def replace_a_version(self, data: st.DataObject) -> None:
        document = self.a_document(data)
        if document is None or not self.oracle.documents[document].is_shown:
            return
        row = Document.objects.get(pk=document)
        number = row.versions.count() + 1
        row.versions.filter(state=State.INDEXED).update(state=State.RETIRING)
        self.oracle.documents[document].chunks = self.add_version(row, number)

    @rule(data=st.data())
    def remove_a_document(self, data: st.DataObject) -> None:
        document = self.a_document(data)
        if document is None:
            return
        actions.remove_document(by=BY, document=Document.objects.get(pk=document))
        self.oracle.documents[document].is_removed = True

    @rule(data=st.data(), really=st.integers(0, 2))
    def remove_a_source(self, data: st.DataObject, really: int) -> None:
        source = self.a_source(data)
        if source is None or really:
            return
        actions.remove_source(by=BY, source=Source.objects.get(pk=source))
        self.oracle.removed_sources.add(source)

    @rule()
    def bring_the_index_up_to_date(self) -> None:
        outbox.deliver()
        for document in self.oracle.documents.values():
            if not document.is_removed and document.source not in self.oracle.removed_sources:
                document.is_shown = True
        assert not self.unsettled()

    def a_person(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.oracle.people)))

    def a_group(self, data: st.DataObject) -> int | None:
        return data.draw(st.sampled_from(sorted(self.oracle.groups))) if self.oracle.groups else None

    def a_source(self, data: st.DataObject) -> int | None:
        current = sorted(set(self.oracle.sources) - self.oracle.removed_sources)
        return data.draw(st.sampled_from(current)) if current else None

    def a_document(self, data: st.DataObject) -> int | None:
        current = sorted(
            number
            for number, document in self.oracle.documents.items()
            if not document.is_removed and document.source not in self.oracle.removed_sources
        )
        return data.draw(st.sampled_from(current)) if current else None

    # --- After every change ---------------------------------------------------------------------------------------

    @invariant()
    def every_path_lets_each_person_read_exactly_what_they_may(self) -> None:
        if not self.oracle.documents:
            return
        rows = list(
            Document.objects.select_related("source__policy", "policy").prefetch_related(
                "policy__clauses", "policy__denials", "source__policy__clauses", "source__policy__denials"
            )
        )
        chunks = [*Chunk.objects.order_by("pk").values_list("pk", flat=True), 10**9]
        unsettled = self.unsettled()
        self.turn += 1
        Counted.changes += 1
        for place, person in enumerate(sorted(self.oracle.people)):
            viewer = viewer_of(User.objects.get(pk=person))
            readable = self.oracle.readable_by(person)
            assert viewer.principals == self.oracle.held_by(person)
            assert set(Document.objects.visible_to(viewer).values_list("pk", flat=True)) == readable
            for row in rows:
                assert decide(viewer, row).allowed == (row.pk in readable)
            self.the_gate_agrees(viewer, readable, chunks)
            self.the_search_agrees(viewer, readable, unsettled)
            if place == self.turn % PEOPLE:
                self.retrieval_agrees(viewer, readable, unsettled)
            Counted.pairs += len(rows)

    def the_gate_agrees(self, viewer: Viewer, readable: set[int], chunks: list[int]) -> None:
        gated = pass_gate(chunks, viewer)
        expected = self.oracle.chunks_of(readable)
        assert {passage.chunk for passage in gated.passages} == expected
        assert {passage.document for passage in gated.passages} == readable
        assert {withheld.chunk for withheld in gated.withheld} == set(chunks) - expected
        for passage in gated.passages[:1]:
            assert {beside.chunk for beside in neighbours(passage, viewer)} <= expected
            assert all(passage.grant.through)

    def the_search_agrees(self, viewer: Viewer, readable: set[int], unsettled: set[int]) -> None:
        reach = reach_of(viewer)
        expected = self.oracle.chunks_of(readable)
        for with_superseded in (True, False):
            where = IndexFilter(reach.policies, reach.sources, with_superseded)
            hits = get_index().search(np.ones(64, dtype=np.float32), "tells of matter", where, 100)
            found = {hit.chunk for hit in (*hits.dense, *hits.keyword)}
            wanted = {
                n
                for n in readable - unsettled
                if with_superseded or not self.oracle.documents[n].is_superseded
            }
            assert self.oracle.chunks_of(wanted) <= found
            # The index may lag behind; what it proposes beyond the truth must end at the gate.
            assert {
                passage.chunk for passage in pass_gate(sorted(found - expected), viewer).passages
            } == set()
            if not unsettled:
                assert found == self.oracle.chunks_of(wanted)

    def retrieval_agrees(self, viewer: Viewer, readable: set[int], unsettled: set[int]) -> None:
        asked_for = sorted(self.oracle.documents)[self.turn % len(self.oracle.documents)]
        steps = {
            step.name: step.value
            for step in retrieve(f"What does {self.words[asked_for]} tell of?", (), viewer)
        }
        ranked = {item.passage.document for item in steps["rerank"]}
        assert ranked <= readable
        assert {item.passage.chunk for item in steps["rerank"]} <= self.oracle.chunks_of(readable)
        assert {passage.document for passage in steps["gate"].passages} <= readable
        if asked_for in readable - unsettled and not self.oracle.documents[asked_for].is_superseded:
            assert asked_for in ranked

    def unsettled(self) -> set[int]:
        """Return the documents for which the index does not yet hold what the database says."""
        waiting = DocumentVersion.objects.filter(state__in=[State.PENDING, State.RETIRING])
        return {
            *Document.objects.filter(needs_index_update=True).values_list("pk", flat=True),
            *waiting.values_list("document_id", flat=True),
        }


def written(plain: PlainRule) -> Rule:
    """Return the product's rule that says the same."""
    return DARK if plain.is_dark else Rule.of(*plain.clauses, deny=plain.denials)


@pytest.fixture(params=["folder", "server"])
def engine(
    request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The process's index in a folder, or on a server's stand-in."""
    folder = tempfile.mkdtemp(
        prefix="footnote-test-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    )
    settings.INDEX_DIR = Path(folder) / "index"
    settings.EMBEDDING_MODEL = "tests.fakes:HashingEmbedder"
    close_index()
    if request.param == "server":
        settings.QDRANT_URL = "http://127.0.0.1:6333"
        monkeypatch.setattr(index, "_server", server_in_memory)
    yield
    close_index()
    shutil.rmtree(folder, ignore_errors=True)


def server_in_memory(*_: Any) -> VectorIndex:  # Any: whatever the one it stands for is given
    from qdrant_client import QdrantClient

    from ingestion.index.server import ServerIndex

    return ServerIndex(QdrantClient(":memory:"), dimensions=64)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
@pytest.mark.filterwarnings("ignore:Local mode performs exact")
def test_no_change_lets_anybody_read_more_or_less_than_the_oracle_says(
    db: None, engine: None, capsys: pytest.CaptureFixture[str]
) -> None:
    Counted.changes = Counted.pairs = 0
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Organisation, settings=chosen)
    with capsys.disabled():
        print(  # noqa: T201  how much was tried is what the documentation quotes
            f"\n{Counted.pairs:,} pairs of viewer and document after {Counted.changes:,} changes, each on five paths"
        )
    assert Counted.pairs >= 100 * EXAMPLES
