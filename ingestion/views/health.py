"""How the sources are doing, in figures and words: what the Sources desk shows at a glance."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, TruncDate
from django.utils import timezone
from django.utils.timesince import timesince

from ingestion.access import Rule, rule_of
from ingestion.explain import names_of, principals_by_person, principals_in, rule_in_words
from ingestion.models import AccessPolicy, Document, Source, SyncItem, SyncRun
from ingestion.progress import Progress, progress_of

MAX_RULES = 200
"""Most distinct rules of a source that are weighed to count its readers; beyond it the source's own rule is counted."""

OVERDUE_AFTER = 2
"""A scheduled source is overdue after this many intervals without a finished sync."""


@dataclass(frozen=True)
class Freshness:
    """How fresh a source is: a level for its colour and shape (busy, good, warn, bad, none) and words."""

    level: str
    words: str
    at: datetime | None = None


@dataclass(frozen=True)
class Reach:
    """How many people can read at least one document of a source, and how many distinct rules decide that."""

    people: int
    rules: int
    is_at_most: bool  # too many rules to weigh each: the source's own rule was counted


@dataclass(frozen=True)
class SourceHealth:
    """One source with everything its row shows."""

    source: Source
    documents: int
    dark: int
    failing: int
    open_run: SyncRun | None
    progress: Progress | None
    pace: str
    last_run: SyncRun | None
    last_words: str
    freshness: Freshness
    next_at: datetime | None
    rule: str
    reach: Reach


@dataclass(frozen=True)
class Totals:
    """The figures above the list."""

    documents: int
    dark: int
    failing: int
    oldest: str
    oldest_source: Source | None
    growth: str  # points of the line of documents over the last month, in a box of 120 by 28; "" when there is none


def failing_items() -> QuerySet[SyncItem]:
    """Return the items that failed in each current source's last whole sync or since, and have not gone well later."""
    last_whole = SyncRun.objects.filter(
        source=OuterRef("run__source"), is_partial=False, state=SyncRun.State.FINISHED
    ).order_by("-id")
    later = SyncItem.objects.filter(
        run__source=OuterRef("run__source"), external_id=OuterRef("external_id"), pk__gt=OuterRef("pk")
    ).exclude(outcome=SyncItem.Outcome.WAITING)
    return SyncItem.objects.filter(
        outcome=SyncItem.Outcome.FAILED,
        run__source__removed_at__isnull=True,
        run_id__gte=Coalesce(Subquery(last_whole.values("id")[:1]), 0),
    ).filter(~Exists(later))


def health_of(sources: Iterable[Source]) -> list[SourceHealth]:
    """Return the health of sources in the given order, in a fixed number of queries plus one per open run."""
    listed = list(sources)
    ids = [source.pk for source in listed]
    documents = _counts(Document.objects.current().filter(source_id__in=ids), "source_id")
    dark = _counts(Document.objects.dark().filter(source_id__in=ids), "source_id")
    failing = _counts(failing_items().filter(run__source_id__in=ids), "run__source_id")
    open_runs = {
        run.source_id: run for run in SyncRun.objects.filter(source_id__in=ids, state__in=SyncRun.OPEN)
    }
    last_runs = _last_runs(ids)
    outcomes = _outcomes([run.pk for run in last_runs.values()])
    rules = _rules(listed)
    reaches = reach_of_sources(listed, rules)
    name_of = names_of(principals_in(rules.values()))
    found = []
    for source in listed:
        open_run, last_run = open_runs.get(source.pk), last_runs.get(source.pk)
        freshness = freshness_of(source, last_run, open_run)
        progress = progress_of(open_run) if open_run else None
        found.append(
            SourceHealth(
                source=source,
                documents=documents.get(source.pk, 0),
                dark=dark.get(source.pk, 0),
                failing=failing.get(source.pk, 0),
                open_run=open_run,
                progress=progress,
                pace=pace_words(progress) if progress else "",
                last_run=last_run,
                last_words=last_words(source, last_run, outcomes.get(last_run.pk, {}) if last_run else {}),
                freshness=freshness,
                next_at=next_sync(source, last_run),
                rule=rule_in_words(rules[source.policy_id], name_of).summary,
                reach=reaches[source.pk],
            )
        )
    return found


def totals_of(healths: Iterable[SourceHealth]) -> Totals:
    """Return the figures above the list. The oldest is the scheduled or synced source that has waited longest."""
    listed = list(healths)
    dated = [health for health in listed if health.freshness.at is not None]
    oldest = min(dated, key=lambda health: health.freshness.at or timezone.now(), default=None)
    return Totals(
        documents=sum(health.documents for health in listed),
        dark=sum(health.dark for health in listed),
        failing=sum(health.failing for health in listed),
        oldest=ago_words(oldest.freshness.at) if oldest and oldest.freshness.at else "",
        oldest_source=oldest.source if oldest else None,
        growth=_line(_growth()),
    )


def freshness_of(source: Source, last_run: SyncRun | None, open_run: SyncRun | None) -> Freshness:
    """Return how fresh a source is, from its last finished and its open run."""
    at = last_run.finished_at if last_run else None
    if open_run is not None:
        words = {"queued": "waiting to start", "running": "syncing", "paused": "paused"}[open_run.state]
        return Freshness("none" if open_run.state == SyncRun.State.PAUSED else "busy", words, at)
    if source.is_paused:
        return Freshness("none", "paused", at)
    if last_run is None or at is None:
        return Freshness("none", "no uploads yet" if source.kind == Source.Kind.UPLOAD else "never synced")
    ago = ago_words(at)
    if last_run.state == SyncRun.State.FAILED:
        return Freshness("bad", f"failed {ago}", at)
    due = next_sync(source, last_run)
    if due is not None and timezone.now() > at + OVERDUE_AFTER * (due - at):
        return Freshness("warn", f"overdue, {ago}", at)
    return Freshness("good", ago, at)


def next_sync(source: Source, last_run: SyncRun | None) -> datetime | None:
    """Return when a scheduled source is due next, or None for one that is synced by hand, paused or never synced."""
    if source.sync_minutes is None or source.is_paused or last_run is None or last_run.finished_at is None:
        return None
    return last_run.finished_at + timedelta(minutes=source.sync_minutes)


def ago_words(at: datetime) -> str:
    """Return words such as `4 minutes ago`, with one unit."""
    words = timesince(at, depth=1).replace("\xa0", " ")
    return "just now" if words == "0 minutes" else f"{words} ago"


def pace_words(progress: Progress) -> str:
    """Return words such as `96 a second · 31 s left`, or "" while nothing is known about the speed."""
    if progress.per_second is None:
        return ""
    if progress.per_second >= 1:
        words = f"{progress.per_second:,.0f} a second"
    else:
        words = f"{progress.per_second * 60:,.0f} a minute"
    if progress.seconds_left is None:
        return words
    return f"{words} · {duration_words(progress.seconds_left)} left"


def duration_words(seconds: float) -> str:
    """Return a duration in one fitting unit, such as `31 s`, `10 min` or `2.5 h`."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def last_words(source: Source, run: SyncRun | None, outcomes: Mapping[str, int]) -> str:
    """Return what the last run found, such as `last sync read 2, removed 1`."""
    what = "upload" if source.kind == Source.Kind.UPLOAD else "sync"
    if run is None:
        return ""
    if run.state == SyncRun.State.FAILED:
        return f"last {what} failed: {run.error}"
    told = [
        f"{words} {outcomes[outcome]:,}"
        for outcome, words in (("done", "read"), ("removed", "removed"), ("skipped", "skipped"))
        if outcomes.get(outcome)
    ]
    if run.state == SyncRun.State.CANCELLED:
        return f"last {what} was cancelled" + (f" after it {', '.join(told)}" if told else "")
    return f"last {what} {', '.join(told)}" if told else f"last {what} found nothing new"


def reach_of_sources(sources: Iterable[Source], rules: Mapping[int, Rule]) -> dict[int, Reach]:
    """Return for each source how many people can read at least one of its documents."""
    people = principals_by_person()
    policies: dict[int, set[int]] = {}
    pairs = Document.objects.current().filter(current_version__isnull=False).order_by()
    for source, policy in pairs.values_list("source_id", "policy_id").distinct():
        policies.setdefault(source, set()).add(policy)
    wanted = {p for ids in policies.values() if len(ids) <= MAX_RULES for p in ids}
    loaded = _rules_of_policies(wanted)
    # A rule looks at the principals it names and at no others, so people who hold the same of those are one case.
    named = principals_in([*rules.values(), *loaded.values()])
    cases = Counter(held & named for held in people.values())
    found = {}
    for source in sources:
        own, ids = rules[source.policy_id], policies.get(source.pk, set())
        admitted = {held: count for held, count in cases.items() if own.admits(held)}
        if ids and len(ids) <= MAX_RULES:
            reading = {h: n for h, n in admitted.items() if any(loaded[p].admits(h) for p in ids)}
            found[source.pk] = Reach(sum(reading.values()), len(ids), is_at_most=False)
        else:
            found[source.pk] = Reach(sum(admitted.values()), len(ids), is_at_most=True)
    return found


def _rules(sources: Iterable[Source]) -> dict[int, Rule]:
    return _rules_of_policies({source.policy_id for source in sources})


def _rules_of_policies(ids: Iterable[int]) -> dict[int, Rule]:
    rows = AccessPolicy.objects.filter(pk__in=list(ids)).prefetch_related("clauses", "denials")
    return {policy.pk: rule_of(policy) for policy in rows}


def _counts(rows: QuerySet[Document] | QuerySet[SyncItem], by: str) -> dict[int, int]:
    return dict(rows.order_by().values(by).annotate(n=Count("pk")).values_list(by, "n"))


def _last_runs(source_ids: list[int]) -> dict[int, SyncRun]:
    """Return each source's last closed run. A folder's retries of single documents say nothing about its freshness."""
    whole = Q(is_partial=False) | Q(source__kind=Source.Kind.UPLOAD)
    latest = (
        SyncRun.objects.filter(whole, source_id__in=source_ids, finished_at__isnull=False)
        .order_by()
        .values("source_id")
        .annotate(latest=Max("id"))
        .values_list("latest", flat=True)
    )
    return {run.source_id: run for run in SyncRun.objects.filter(pk__in=list(latest))}


def _outcomes(run_ids: list[int]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    rows = SyncItem.objects.filter(run_id__in=run_ids).order_by().values("run_id", "outcome")
    for run, outcome, count in rows.annotate(n=Count("pk")).values_list("run_id", "outcome", "n"):
        found.setdefault(run, {})[outcome] = count
    return found


def _growth(days: int = 30) -> tuple[int, ...]:
    """Return how many of today's documents there were at the end of each of the last days, oldest first."""
    today = timezone.localdate()
    first = today - timedelta(days=days - 1)
    current = Document.objects.current()
    total = current.filter(created_at__date__lt=first).count()
    added = dict(
        current.filter(created_at__date__gte=first)
        .order_by()
        .annotate(day=TruncDate("created_at"))
        .values("day")
        .annotate(n=Count("pk"))
        .values_list("day", "n")
    )
    counts = []
    for number in range(days):
        total += added.get(first + timedelta(days=number), 0)
        counts.append(total)
    return tuple(counts)


def _line(counts: Sequence[int]) -> str:
    """Return the points of a line through counts, from zero at the bottom; "" when there is nothing to draw."""
    top = max(counts, default=0)
    if not top or len(counts) < 2:
        return ""
    step = 120 / (len(counts) - 1)
    return " ".join(f"{number * step:.1f},{26 - 24 * count / top:.1f}" for number, count in enumerate(counts))
