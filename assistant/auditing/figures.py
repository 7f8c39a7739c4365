"""What the questions of a list add up to: how many, how they ended, how long each stage took, what was cited most."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from assistant.auditing.questions import references
from assistant.auditing.stored import spent
from assistant.models import Answer, Citation, Feedback, Question, TraceStep

# Medians are taken over this many of the newest questions: enough to be steady, few enough for every look at the page.
NEWEST = 500
MOST_DOCUMENTS = 6
SHORTEST_AXIS = 14  # days
MOST_BARS = 62
STAGES = (
    ("Planned", ("screen", "plan")),
    ("Searched", ("search", "spelling", "synonyms")),
    ("Checked rights", ("gate",)),
    ("Followed names", ("bridge",)),
    ("Looked for what lacked", ("sufficiency",)),
    ("Ranked", ("rerank",)),
    ("Chose evidence", ("context",)),
    ("Drafted", ("answer",)),
    ("Verified", ("verify",)),
)
"""The stages whose time is shown, in the order in which they run, in words."""


@dataclass(frozen=True)
class Bar:
    """One stretch of days. Heights are parts of a hundred of the highest bar; `base` is where each part begins."""

    first: date
    last: date
    answered: int
    refused: int
    asked_back: int
    failed: int
    x: float
    width: float
    heights: tuple[float, float, float, float]  # answered, refused, asked back, failed

    @property
    def total(self) -> int:
        return self.answered + self.refused + self.asked_back + self.failed

    @property
    def tops(self) -> tuple[float, ...]:
        """Where each part begins from the top, of a hundred."""
        return tuple(100 - sum(self.heights[: number + 1]) for number in range(len(self.heights)))

    @property
    def words(self) -> str:
        day = f"{self.first:%-d %b %Y}"
        when = day if self.first == self.last else f"{day} to {self.last:%-d %b %Y}"
        back = f"{self.asked_back} asked back, " if self.asked_back else ""
        return f"{when}: {self.answered} answered, {self.refused} refused, {back}{self.failed} failed or interrupted"


@dataclass(frozen=True)
class Share:
    """One row of a bar chart: `part` of a hundred is how long its bar is."""

    name: str
    value: float
    part: float
    key: str = ""
    note: str = ""

    @property
    def time(self) -> str:
        return spent(self.value)


@dataclass(frozen=True)
class Figures:
    """The numbers above the table. Everything is empty or None where there is nothing to count."""

    asked: int = 0
    answered: int = 0
    refused: int = 0
    asked_back: int = 0
    failed: int = 0
    running: int = 0
    good: int = 0
    bad: int = 0
    median: float | None = None
    people: int = 0
    bars: tuple[Bar, ...] = ()
    highest: int = 0
    stages: tuple[Share, ...] = ()
    timed: int = 0
    documents: tuple[Share, ...] = ()

    @property
    def median_time(self) -> str:
        return "–" if self.median is None else spent(self.median)

    @property
    def refused_share(self) -> float:
        """Percent of the finished questions that were refused."""
        finished = self.asked - self.running
        return 100 * self.refused / finished if finished else 0.0


def figures_of(questions: QuerySet[Question]) -> Figures:
    """Return what the questions add up to."""
    plain = questions.order_by()
    ids = plain.values("pk")
    state = Question.State
    counts = plain.aggregate(
        asked=Count("pk"),
        answered=Count("pk", filter=Q(state=state.ANSWERED)),
        refused=Count("pk", filter=Q(state=state.REFUSED)),
        asked_back=Count("pk", filter=Q(state=state.CLARIFY)),
        failed=Count("pk", filter=Q(state__in=[state.FAILED, state.INTERRUPTED])),
        running=Count("pk", filter=Q(state=state.RUNNING)),
        people=Count("conversation__owner", distinct=True),
    )
    if not counts["asked"]:
        return Figures()
    feedback = Counter(Feedback.objects.filter(answer__question__in=ids).values_list("is_good", flat=True))
    newest = list(questions.values_list("pk", flat=True)[:NEWEST])
    bars, highest = _bars(plain)
    times = list(Answer.objects.filter(question__in=newest).values_list("milliseconds", flat=True))
    return Figures(
        **counts,
        good=feedback[True],
        bad=feedback[False],
        median=median(times) if times else None,
        bars=bars,
        highest=highest,
        stages=_stages(newest),
        timed=len(times),
        documents=_documents(plain),
    )


def _bars(questions: QuerySet[Question]) -> tuple[tuple[Bar, ...], int]:
    state = Question.State
    rows = (
        questions.annotate(day=TruncDate("asked_at"))
        .values("day", "state")
        .annotate(number=Count("pk"))
        .values_list("day", "state", "number")
    )
    by_day: dict[date, Counter[str]] = defaultdict(Counter)
    for day, outcome, number in rows:
        by_day[day][outcome] += number
    last = max(timezone.localdate(), *by_day)
    first = min(last - timedelta(days=SHORTEST_AXIS - 1), *by_day)
    days = (last - first).days + 1
    stretch = -(-days // MOST_BARS)  # as many whole days to a bar as keep the bars apart
    stretches: list[tuple[date, date, int, int, int, int]] = []
    begin = last - timedelta(days=stretch * -(-days // stretch) - 1)
    while begin <= last:
        end = begin + timedelta(days=stretch - 1)
        total: Counter[str] = Counter()
        for offset in range(stretch):
            total += by_day.get(begin + timedelta(days=offset), Counter())
        failed = total[state.FAILED] + total[state.INTERRUPTED]
        ended = (total[state.ANSWERED], total[state.REFUSED], total[state.CLARIFY], failed)
        stretches.append((begin, end, *ended))
        begin = end + timedelta(days=1)
    highest = max(sum(entry[2:]) for entry in stretches) or 1
    step = 100 / len(stretches)
    bars = tuple(
        Bar(
            *entry,
            x=round(number * step + step * 0.12, 3),
            width=round(step * 0.76, 3),
            heights=(
                round(100 * entry[2] / highest, 2),
                round(100 * entry[3] / highest, 2),
                round(100 * entry[4] / highest, 2),
                round(100 * entry[5] / highest, 2),
            ),
        )
        for number, entry in enumerate(stretches)
    )
    return bars, highest


def _stages(questions: list[int]) -> tuple[Share, ...]:
    spent: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    stage_of = {name: words for words, names in STAGES for name in names}
    rows = TraceStep.objects.filter(question_id__in=questions, name__in=list(stage_of)).order_by()
    for question, name, milliseconds in rows.values_list("question_id", "name", "milliseconds"):
        spent[stage_of[name]][question] += milliseconds
    medians = [(words, median(spent[words].values())) for words, _ in STAGES if spent[words]]
    longest = max((value for _, value in medians), default=0.0) or 1.0
    return tuple(Share(words, value, round(100 * value / longest, 2)) for words, value in medians)


def _documents(questions: QuerySet[Question]) -> tuple[Share, ...]:
    rows = list(
        Citation.objects.filter(answer__question__in=questions.values("pk"))
        .order_by()
        .values("document_id")
        .annotate(answers=Count("answer", distinct=True))
        .order_by("-answers", "document_id")
        .values_list("document_id", "answers")[:MOST_DOCUMENTS]
    )
    known = references(document for document, _ in rows)
    most = rows[0][1] if rows else 1
    return tuple(
        Share(known[document][1], answers, round(100 * answers / most, 2), *known[document][::2])
        for document, answers in rows
        if document in known
    )
