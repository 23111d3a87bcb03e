"""Section: profile of unpacking."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from .bench import Bench, brought
from .figures import figure, table
from .running import Failure, Part, launch, output_of, say

CALL = re.compile(r"^\d+ +(\w+)\(")
RESULT = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed).*= (\d+)$")
READING = {"read", "pread64", "readv", "preadv"}
WRITING = {"write", "pwrite64", "writev", "pwritev", "copy_file_range"}
FEWEST_CALLS = 0.3  # for each file, to be listed
MOST_SYMBOLS = 12


@dataclass
class Calls:
    counts: Counter
    bytes_read: int = 0
    bytes_written: int = 0


def system_calls(command: Sequence[Part], log: Path, **variables: Part) -> Calls:
    tracer: list[Part] = [
        "strace",
        "-f",
        "-qq",
        "-s",
        "0",
        "-e",
        "signal=none",
        "-o",
        log,
    ]
    launch([*tracer, *command], **variables)
    calls = Calls(Counter())
    with log.open(errors="replace") as lines:
        for line in lines:
            call = CALL.match(line)
            if call:
                calls.counts[call[1]] += 1
            result = RESULT.match(line)
            if result and result[1] in READING:
                calls.bytes_read += int(result[2])
            elif result and result[1] in WRITING:
                calls.bytes_written += int(result[2])
    return calls


def call_table(traces: dict[str, tuple[Calls, int]]) -> str:
    """`traces` holds the number of files as well."""
    per_file = [
        {name: count / files for name, count in calls.counts.items()}
        for calls, files in traces.values()
    ]
    most = {
        name: max(counts.get(name, 0) for counts in per_file)
        for name in set().union(*per_file)
    }
    rows = [["all calls", *(figure(sum(counts.values()), 2) for counts in per_file)]]
    for name in sorted(most, key=lambda name: (-most[name], name)):
        if most[name] >= FEWEST_CALLS:
            cells = (figure(counts.get(name, 0), 2) for counts in per_file)
            rows.append([f"`{name}`", *cells])
    for what, count in (
        ("read into memory", "bytes_read"),
        ("written", "bytes_written"),
    ):
        cells = (
            figure(getattr(calls, count) / files) for calls, files in traces.values()
        )
        rows.append([f"bytes {what}", *cells])
    return table(["for each file", *traces], rows)


def hot_spots(room: Path, file: Path) -> str:
    """Where the processors are, or why that is not known."""
    data = room / "perf.data"
    if not shutil.which("perf"):
        return "`perf` is not installed.\n"
    record: list[Part] = [
        "perf",
        "record",
        "-q",
        "-e",
        "cpu-clock",
        "-F",
        "10000",
        "-o",
        data,
    ]
    report: list[Part] = [
        "perf",
        "report",
        "-i",
        data,
        "--stdio",
        "--no-children",
        "-q",
    ]
    try:
        launch([*record, file], ONEFOLD="trace", ONEFOLD_CACHE=room / "cache")
        programs = output_of([*report, "-s", "dso"])
        symbols = output_of([*report, "-s", "dso,sym"])
    except (Failure, OSError):
        return "`perf` does not work here.\n"
    lines = re.findall(r"^ *([\d.]+)% +(\S+) *$", programs, re.MULTILINE)
    known = {file.name: "the bootloader", "[kernel.kallsyms]": "the kernel"}
    rows = [[known.get(name, name), share] for share, name in lines]
    found = re.findall(r"^ *([\d.]+)% +\S+ +\[k\] (\S+)", symbols, re.MULTILINE)
    rows += [[f"kernel: `{name}`", share] for share, name in found[:MOST_SYMBOLS]]
    return table(["where", "% of samples"], rows)


def profile(bench: Bench) -> str:
    place = bench.places[0]
    traces = {}
    text = ""
    for tree in (bench.fastapi, bench.many):
        say(f"profile: {tree.name}")
        with place.room() as room:
            file = brought(bench.workshop.packed(tree).path, room)
            source = brought(tree.path, room)
            files, _ = tree.counts
            log = room / "strace"
            calls = system_calls(
                [file], log, ONEFOLD="trace", ONEFOLD_CACHE=room / "traced"
            )
            traces[f"onefile, {tree.name}"] = calls, files
            calls = system_calls(["cp", "-a", source, room / "copy"], log)
            traces[f"`cp -a`, {tree.name}"] = calls, files
            text += f"\n{tree.name}, by `perf`:\n\n{hot_spots(room, file)}"
    intro = f"System calls of unpacking on {place.name}, by `strace -f`:\n\n"
    return intro + call_table(traces) + text
