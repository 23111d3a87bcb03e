"""Section: packing."""

from __future__ import annotations

import hashlib
import time

from .bench import Bench, peak_of
from .figures import SPREAD, Sample, figure, prose, spread, table
from .running import Failure, say

PACKING_SECONDS = 60  # for one tree; once at least


def pack(bench: Bench) -> str:
    rows = []
    with bench.places[0].room() as room:
        output = room / "onefile"
        for tree in bench.trees:
            say(f"pack: {tree.name}")
            seconds, processor, peak = Sample(), Sample(), Sample()
            digests = set()
            started = time.monotonic()
            while not seconds or (
                len(seconds) < bench.turns
                and time.monotonic() - started < PACKING_SECONDS
            ):
                most, run = peak_of(bench, bench.workshop.packing(tree, output))
                seconds.append(run.wall / 1e3)
                processor.append(run.processor / 1e3)
                peak.append(most)
                digests.add(hashlib.sha256(output.read_bytes()).digest())
            if len(digests) > 1:
                raise Failure(f"packing {tree.name} again gave other bytes")
            row = [
                tree.name,
                figure(tree.size / 1e6),
                figure(output.stat().st_size / 1e6, 1),
            ]
            row += [str(len(seconds)), figure(seconds.median, 1), spread(seconds, 1)]
            rows.append(row + [figure(processor.median, 1), figure(max(peak), 0)])
    heads = [
        "tree",
        "MB",
        "packed, MB",
        "runs",
        "s",
        SPREAD,
        "processor, s",
        "peak memory, MiB",
    ]
    text = f"""
        `onefold pack` with its defaults, as often as fits in {PACKING_SECONDS} s, once at least.
        All runs gave the same bytes.
    """
    return f"{prose(text)}\n{table(heads, rows)}"
