"""Four people asking at once against one: `python -m benchmarks.askers FOLDER CHUNKS [--questions N] [--rounds N]`.

FOLDER is an installation that `benchmarks.scale` has built, such as FOLDER/100000. The same number of different
questions is asked through `retrieve` by one thread and then by four, each with a database connection of its own, in
alternating rounds so that whatever else the machine does falls on both. Printed are questions per second of each and
their ratio, with the latency that each asker sees.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accounts.viewer import Viewer

ASKERS = 4
WANTED = 1.7
WARM_UP = 24


def main(arguments: list[str]) -> None:
    """Ask, and print the table."""
    options = argparse.ArgumentParser(description="Throughput of four askers against one.")
    options.add_argument("folder", type=Path)
    options.add_argument("chunks", type=int, help="the size that was built there")
    options.add_argument("--questions", type=int, default=120, help="per round and number of askers")
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args(arguments)
    from benchmarks.installation import asked, build, open_installation, readers
    from benchmarks.scale import shares

    open_installation(given.folder)
    build(given.folder, given.chunks)
    viewers = list(readers().values())
    supply = asked(given.folder, given.chunks, WARM_UP + 2 * given.questions * given.rounds)
    ask(supply[:WARM_UP], viewers, ASKERS)
    seconds = {1: 0.0, ASKERS: 0.0}
    latencies: dict[int, list[float]] = {1: [], ASKERS: []}
    position = WARM_UP
    for _ in range(given.rounds):
        for askers in seconds:
            texts = supply[position : position + given.questions]
            position += given.questions
            begun = time.perf_counter()
            latencies[askers] += ask(texts, viewers, askers)
            seconds[askers] += time.perf_counter() - begun
    rates = {askers: given.questions * given.rounds / taken for askers, taken in seconds.items()}
    print("| askers at once | questions/s | p50 ms | p95 ms | times one asker |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for askers, rate in rates.items():
        p50, p95 = shares(latencies[askers])
        wanted = f" (wanted ≥ {WANTED})" if askers > 1 else ""
        print(f"| {askers} | {rate:.1f} | {p50} | {p95} | {rate / rates[1]:.2f}{wanted} |")
    print(f"\n{given.chunks:,} chunks, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}.")


def ask(texts: Sequence[str], viewers: "Sequence[Viewer]", askers: int) -> list[float]:
    """Ask every text once, by that many threads; return the milliseconds of each."""
    from django.db import connection

    def one(number: int) -> float:
        from retrieval.orchestrator import retrieve

        begun = time.perf_counter()
        for _ in retrieve(texts[number], (), viewers[number % len(viewers)]):
            pass
        return (time.perf_counter() - begun) * 1000

    def one_thread(first: int) -> list[float]:
        try:
            return [one(number) for number in range(first, len(texts), askers)]
        finally:
            connection.close()

    with ThreadPoolExecutor(askers) as pool:
        return [milliseconds for took in pool.map(one_thread, range(askers)) for milliseconds in took]


if __name__ == "__main__":
    main(sys.argv[1:])
