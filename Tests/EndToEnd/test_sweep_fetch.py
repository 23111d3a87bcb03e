"""SIGKILL at any system call of `onefold fetch`, or an error of it: the old file or the new one is there, whole, and the
next fetch completes the update.

Some points of many; `tools/soak --only kill,fault` tries all.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Iterable

from fetch_support import FetchCase
from points import Points, evenly
from support import ONEFOLD, hash_file, listing, remove_tree, run, scratch
from sweep_support import MEMORY, Counted, Point, call_numbers, disturbed_calls, driver, faults, limited

POINTS = 40


#: Warnings of what could not be used, a line that says what failed, and another that says what to do.
MESSAGE = re.compile(
    rb"\A(onefold fetch: warning: [^\n]+\n)*onefold fetch: (?!warning)[^\n]+\n(hint: [^\n]+\n)?\Z"
)


class FetchSweep(FetchCase, Points):
    """From a path, so that all calls are those of one process. The old file is kept, too."""

    def setUp(self) -> None:
        super().setUp()
        self.hashes = {hash_file(path): path.name for path in (self.old, self.new)}
        self.calls = self.count()

    def count(self) -> list[Counted]:
        place = self.prepare()
        try:
            result, calls = self.disturb(place, ["count", "-1", "0", "0"])
            if result.returncode != 0:
                raise AssertionError(f"{result.returncode}: {result.stderr!r}")
            return list(calls)
        finally:
            remove_tree(place)

    def prepare(self) -> Path:
        place = Path(tempfile.mkdtemp(prefix="fetch-", dir=scratch()))
        (place / "programs").mkdir()
        shutil.copy(self.old, place / "programs" / "notes")
        return place

    def command(self, place: Path) -> list[str]:
        file = place / "programs" / "notes"
        return [os.fspath(ONEFOLD), "fetch", os.fspath(self.new), "-o", os.fspath(file), "--keep-previous", "--json"]

    def disturb(self, place: Path, action: list[str]) -> tuple[subprocess.CompletedProcess[bytes], list[Counted]]:
        log = place / "calls"
        # Calls count from the one that opens the source.
        result = limited([driver(), log, self.new, *action, *self.command(place)], {})
        return result, list(disturbed_calls(log))

    def note(self) -> str:
        return f"{len(self.calls)} system calls"

    def check_files(self, place: Path) -> str:
        """What is promised however a fetch ends. Returns which version the file is."""
        programs = place / "programs"
        found = self.name(programs / "notes")
        self.assertIn(found, ("notes-1", "notes-2"))
        previous = programs / "notes.previous"
        names = {"notes", "notes.previous", ".notes.onefold-partial"}
        self.assertLessEqual(set(listing(programs)), names)
        if previous.exists():
            self.assertEqual(self.name(previous), "notes-1")
        # What was read is as it was.
        self.assertEqual((self.name(self.old), self.name(self.new)), ("notes-1", "notes-2"))
        return found

    def check_next(self, place: Path, had_no_old_file: bool = False) -> None:
        """The next fetch completes the update. `had_no_old_file`: the system said to this one that there is none."""
        programs = place / "programs"
        again = run(self.command(place))
        self.assertEqual((again.returncode, again.stderr), (0, b""))
        self.assertEqual(self.name(programs / "notes"), "notes-2")
        if had_no_old_file and listing(programs) == ["notes"]:
            return
        self.assertEqual(listing(programs), ["notes", "notes.previous"])
        self.assertEqual(self.name(programs / "notes.previous"), "notes-1")

    def name(self, path: Path) -> str:
        return self.hashes.get(hash_file(path), "neither")


class FetchKilled(FetchSweep):
    what = "`onefold fetch`"

    def points(self, full: bool) -> Iterable[str]:
        numbers = list(range(1, len(self.calls) + 1))
        return [f"kill:any:{number}" for number in (numbers if full else evenly(numbers, POINTS))]

    def attempt(self, point: str) -> bool:
        place = self.prepare()
        try:
            result, calls = self.disturb(place, ["kill", "-1", point.split(":")[2], "0"])
            if calls:
                self.assertEqual(result.returncode, -signal.SIGKILL)
            self.check_files(place)
            self.check_next(place)
            return bool(calls)
        finally:
            remove_tree(place)

    def test_at_any_system_call(self) -> None:
        self.assertGreaterEqual(self.try_some(), POINTS - 2)


class FetchFaulted(FetchSweep):
    what = "`onefold fetch`: calls that fail or are shortened"

    def points(self, full: bool) -> Iterable[str]:
        points = [str(point).partition("/")[2] for point in faults("fetch", self.calls)]
        return points if full else [points[index] for index in evenly(list(range(len(points))), POINTS)]

    def attempt(self, point: str) -> bool:
        action, call, number, value = point.split(":")
        place = self.prepare()
        try:
            of = Point("fetch", action, call, int(number), value)
            result, calls = self.disturb(place, [action, str(call_numbers()[call]), number, str(of.driver_value)])
            found = self.check_files(place)
            if result.returncode == 0:
                self.assertEqual(found, "notes-2")
            elif call not in MEMORY:  # Without memory, Swift's runtime ends the process.
                self.assertEqual((result.returncode, result.stdout), (1, b""), result.stderr)
                self.assertRegex(result.stderr, MESSAGE)
            self.check_next(place, had_no_old_file=value == "ENOENT")
            return bool(calls)
        finally:
            remove_tree(place)

    def test_any_system_call_fails_or_does_less(self) -> None:
        self.assertGreaterEqual(self.try_some(), POINTS - 2)


if __name__ == "__main__":
    unittest.main()
