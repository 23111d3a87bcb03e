"""SIGKILL at any system call of `onefold fetch`: the old file or the new one is there, whole, and the next fetch
completes the update.

Some points of many; `tools/soak --only kill` tries all.
"""

from __future__ import annotations

import os
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
from sweep_support import disturbed_calls, driver, limited

POINTS = 40


class FetchKilled(FetchCase, Points):
    """From a path, so that all calls are those of one process. The old file is kept, too."""

    what = "`onefold fetch`"

    def setUp(self) -> None:
        super().setUp()
        self.hashes = {hash_file(path): path.name for path in (self.old, self.new)}
        self.calls = len(self.count())

    def count(self) -> list[object]:
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

    def disturb(self, place: Path, action: list[str]) -> tuple[subprocess.CompletedProcess[bytes], list[object]]:
        log = place / "calls"
        # Calls count from the one that opens the source.
        result = limited([driver(), log, self.new, *action, *self.command(place)], {})
        return result, list(disturbed_calls(log))

    def points(self, full: bool) -> Iterable[str]:
        numbers = list(range(1, self.calls + 1))
        return [f"kill:any:{number}" for number in (numbers if full else evenly(numbers, POINTS))]

    def note(self) -> str:
        return f"{self.calls} system calls"

    def attempt(self, point: str) -> bool:
        place = self.prepare()
        try:
            result, calls = self.disturb(place, ["kill", "-1", point.split(":")[2], "0"])
            if calls:
                self.assertEqual(result.returncode, -signal.SIGKILL)
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
            again = run(self.command(place))
            self.assertEqual((again.returncode, again.stderr), (0, b""))
            self.assertEqual(self.name(programs / "notes"), "notes-2")
            self.assertEqual(listing(programs), ["notes", "notes.previous"])
            self.assertEqual(self.name(previous), "notes-1")
            return bool(calls)
        finally:
            remove_tree(place)

    def name(self, path: Path) -> str:
        return self.hashes.get(hash_file(path), "neither")

    def test_at_any_system_call(self) -> None:
        self.assertGreaterEqual(self.try_some(), POINTS - 2)


if __name__ == "__main__":
    unittest.main()
