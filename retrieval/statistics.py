"""A sample of a viewer's own chunks, over which BM25 judges how rare a term is when there are many of them.

Counting over every chunk a viewer may read costs as much as there are: 9 ms at 100,000. A few thousand of them tell the
same, and they are the viewer's own like the whole, so scores still say nothing about anybody else's documents: the
sample is taken among readable chunks, and the index holds the viewer's filter against it once more.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from django.db.models import Max, Min

from accounts.viewer import Viewer
from ingestion.access import Reach
from ingestion.models import Chunk

EXACT_UP_TO = 20_000
"""Chunks a viewer may read; up to here all are counted (under 2 ms)."""
FIRST_LOOK = 2_000
"""Chunks looked at to estimate how many of all a viewer may read."""
SAMPLE = 2_000
MOST_LOOKED_AT = 20_000
SECONDS = 3_600
"""How long a sample serves. It may grow stale in what it says of the collection, never in what it lets anybody see."""
MOST_KEPT = 200


@dataclass(frozen=True)
class Sample:
    """Chunks of a viewer's own to count over, None for all of them; and the share of all chunks that are theirs.

    The share, in [0, 1], is None where it was not worth finding out. It never leaves the search.
    """

    chunks: frozenset[int] | None = None
    share: float | None = None


_kept: OrderedDict[tuple[Reach, bool], tuple[float, Sample]] = OrderedDict()
_lock = threading.Lock()


def sample_for(viewer: Viewer, reach: Reach, *, superseded: bool) -> Sample:
    """Return what to count over for a viewer. Kept for a while by what the viewer reaches."""
    key = (reach, superseded)
    now = time.monotonic()
    with _lock:
        known = _kept.get(key)
        if known is not None and now - known[0] < SECONDS:
            _kept.move_to_end(key)
            return known[1]
    made = _taken(viewer, superseded)
    with _lock:
        _kept[key] = (now, made)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return made


def forget() -> None:
    """Take every sample anew from here on: what it was taken from may be another database."""
    with _lock:
        _kept.clear()


def _taken(viewer: Viewer, superseded: bool) -> Sample:
    bounds = Chunk.objects.aggregate(first=Min("pk"), last=Max("pk"))
    if bounds["last"] is None:
        return Sample()
    first, last = bounds["first"], bounds["last"]
    numbers = last - first + 1
    if numbers <= EXACT_UP_TO:
        return Sample()
    looked_at = min(FIRST_LOOK, numbers)
    share = len(_readable(first, last, looked_at, viewer, superseded)) / looked_at
    if share * numbers <= EXACT_UP_TO:
        return Sample(None, share)
    looked_at = min(MOST_LOOKED_AT, numbers, int(SAMPLE / share))
    return Sample(_readable(first, last, looked_at, viewer, superseded), share)


def _readable(first: int, last: int, looked_at: int, viewer: Viewer, superseded: bool) -> frozenset[int]:
    """Return the readable ones among chunks taken at even distances."""
    numbers = last - first + 1
    chosen = sorted({first + number * numbers // looked_at for number in range(looked_at)})
    found: set[int] = set()
    for start in range(0, len(chosen), 5_000):
        rows = Chunk.objects.readable_by(viewer).filter(pk__in=chosen[start : start + 5_000])
        if not superseded:
            rows = rows.filter(version__document__is_superseded=False)
        found.update(rows.values_list("pk", flat=True))
    return frozenset(found)
