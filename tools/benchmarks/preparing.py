"""What is made before anything is measured, so that both processors are busy where no time is told."""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterator, Sequence

from .applications import FASTAPI
from .bench import Bench
from .contenders import nuitka, onedir, onefold, pex, pyinstaller, shiv, tools
from .running import Failure, say
from .sizes import ARCHIVE_OPTIONS, archived_trees
from .trees import make_example

Job = Callable[[], object]


def attempt(job: Job) -> None:
    """What fails is tried again, and reported, by the section that needs it."""
    try:
        job()
    except (Failure, OSError) as failure:
        say(str(failure))


@contextlib.contextmanager
def downloads() -> Iterator[None]:
    """Has what comes from an index arrive while something else is done."""
    jobs = (
        lambda: FASTAPI.wheels,
        tools,
        lambda: make_example("node-server", "--tree-only"),
    )
    thread = threading.Thread(target=lambda: [attempt(job) for job in jobs])
    thread.start()
    try:
        yield
    finally:
        thread.join()


def side_by_side(jobs: Sequence[Job]) -> None:
    """Jobs of one thread each. Long ones should come first."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(attempt, jobs):
            pass


def prepare(bench: Bench, sections: Sequence[str]) -> None:
    """Builds alone what the report tells the seconds of, and the rest side by side."""
    jobs: list[Job] = []
    if "servers" in sections:
        makers = (onefold, pyinstaller, pex, shiv, onedir)
        for make in makers:
            attempt(lambda make=make: make(bench, FASTAPI))
        jobs += [
            lambda keeps=keeps: nuitka(bench, FASTAPI, keeps) for keeps in (True, False)
        ]
    if "sizes" in sections:
        for tree in archived_trees(bench):
            jobs.append(
                lambda tree=tree: bench.workshop.archived(tree, *ARCHIVE_OPTIONS)
            )
    if jobs:
        with bench.costing("what takes one processor, side by side"):
            side_by_side(jobs)
