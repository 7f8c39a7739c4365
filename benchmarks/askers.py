"""Four people asking at once against one: `python -m benchmarks.askers FOLDER CHUNKS [--questions N] [--rounds N]`.

FOLDER is an installation that `benchmarks.scale` has built, such as FOLDER/100000. The index is served and questions
are answered by processes of their own, as under `manage.py serve`. The same number of different questions is asked
through `retrieve` by one person and then by four, each waiting for their answer before they ask again, in alternating
rounds so that whatever else the machine does falls on both. Printed are questions per second of each and their ratio,
with the latency that each asker sees.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accounts.viewer import Viewer
    from assistant.processes import Processes

Work = Callable[[str, "Viewer"], None]  # evaluated by nobody at run time

ASKERS = 4
WANTED = 1.7
WARM_UP = 36


def main(arguments: list[str]) -> None:
    """Ask, and print the table."""
    options = argparse.ArgumentParser(description="Throughput of four askers against one.")
    options.add_argument("folder", type=Path)
    options.add_argument("chunks", type=int, help="the size that was built there")
    options.add_argument("--questions", type=int, default=120, help="per round and number of askers")
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args(arguments)
    from benchmarks.installation import asked, build, open_installation, readers

    open_installation(given.folder)
    build(given.folder, given.chunks)
    from django.conf import settings

    from assistant.management.commands.serve import index_served
    from assistant.processes import Processes
    from assistant.runner import warm

    viewers = list(readers().values())
    per_kind = WARM_UP + 2 * given.questions * given.rounds
    supply = iter(asked(given.folder, given.chunks, 2 * per_kind))
    count = settings.ANSWERING_PROCESSES
    print(f"{given.chunks:,} chunks, {count} answering processes, {os.cpu_count()} cores.\n")
    print("| what | askers at once | each/s | p50 ms | p95 ms | times one asker |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    processes = Processes(count, at_once=1, heard=print, first=warm)
    try:
        with index_served() as index:
            assert index is not None
            index.wait()
            for name, one in (("finding", found), ("finding and quoting", quoted)):
                compare(name, processes, one, [next(supply) for _ in range(per_kind)], viewers, given.rounds)
    finally:
        processes.close()
    print(f"\nLoad average {os.getloadavg()[0]:.1f}.")


def compare(
    name: str, processes: "Processes", one: Work, texts: list[str], viewers: "Sequence[Viewer]", rounds: int
) -> None:
    """Ask in alternating rounds by one and by four, and print both rows."""
    from benchmarks.scale import shares

    # Each process learns by itself what it keeps of each viewer.
    ask(processes, one, texts[:WARM_UP], viewers, ASKERS)
    texts = texts[WARM_UP:]
    each = len(texts) // (2 * rounds)
    seconds = {1: 0.0, ASKERS: 0.0}
    latencies: dict[int, list[float]] = {1: [], ASKERS: []}
    for _ in range(rounds):
        for askers in seconds:
            now, texts = texts[:each], texts[each:]
            begun = time.perf_counter()
            latencies[askers] += ask(processes, one, now, viewers, askers)
            seconds[askers] += time.perf_counter() - begun
    rates = {askers: each * rounds / taken for askers, taken in seconds.items()}
    for askers, rate in rates.items():
        p50, p95 = shares(latencies[askers])
        wanted = f" (wanted ≥ {WANTED})" if askers > 1 else ""
        print(
            f"| {name} | {askers} | {rate:.1f} | {p50} | {p95} | {rate / rates[1]:.2f}{wanted} |", flush=True
        )


def ask(
    processes: "Processes", one: Work, texts: Sequence[str], viewers: "Sequence[Viewer]", askers: int
) -> list[float]:
    """Ask every text once, by that many people; return the milliseconds that each waited."""

    def one_person(first: int) -> list[float]:
        waited = []
        for number in range(first, len(texts), askers):
            begun = time.perf_counter()
            processes.submit(one, texts[number], viewers[number % len(viewers)]).result()
            waited.append((time.perf_counter() - begun) * 1000)
        return waited

    with ThreadPoolExecutor(askers) as pool:
        return [milliseconds for took in pool.map(one_person, range(askers)) for milliseconds in took]


def found(text: str, viewer: "Viewer") -> None:
    """Plan, search, gate, bridge and rerank."""
    from retrieval.orchestrator import retrieve

    for _ in retrieve(text, (), viewer):
        pass


def quoted(text: str, viewer: "Viewer") -> None:
    """Find, and make an answer of verbatim sentences; what is recorded of it is left out."""
    from assistant.pipeline import answer

    for _ in answer(text, (), viewer):
        pass


if __name__ == "__main__":
    # By its name, so that the answering processes find the functions above.
    from benchmarks.askers import main as run

    run(sys.argv[1:])
