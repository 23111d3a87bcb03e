"""Packing from a spec: when the files of the tree were modified (docs/packing.md, "File times")."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from spec_support import SpecCase, pack_spec, pinned, unpacked, wheel, wheels
from support import Onefile, needs_program

#: 1980-01-02T12:00Z.
EARLIEST = 315_662_400
DAY = 1_700_000_000
#: What the test's commits are made at.
COMMIT = DAY + 1000
UNDATED = {"SOURCE_DATE_EPOCH": None}

ETAG = """
import json, os, sys
from starlette.responses import FileResponse
path = os.path.join(sys._MEIPASS, "static/page.html")
headers = FileResponse(path, stat_result=os.stat(path)).headers
print(json.dumps([headers["etag"], headers["last-modified"]]))
"""

ZIP = """
import io, json, os, zipfile
import colors
with zipfile.ZipFile(io.BytesIO(), "w") as archive:
    for module in (json, colors):
        archive.write(module.__file__)
print(json.dumps(len(archive.namelist())))
"""


class Times(SpecCase):
    def new(self, *wheels: Path, page: str = "one") -> Path:
        requirements = {"requirements.txt": pinned(*wheels), "static/page.html": page}
        directory = self.new_application(
            requirements,
            dependencies={"requirements": ["requirements.txt"]},
            data=[{"source": "static", "target": "static"}],
        )
        for path in directory.rglob("*"):
            os.utime(path, (DAY, DAY))
        return directory

    def times(self, onefile: Onefile) -> dict[str, int]:
        """By the path from the root of data files."""
        tree = unpacked(onefile, self.cache)
        site = next(tree.glob("lib/python3*/site-packages"))
        files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
        return {os.path.relpath(path, site): int(path.stat().st_mtime) for path in files}

    def git(self, directory: Path, *arguments: str) -> None:
        date = f"@{COMMIT} +0000"
        identity = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {**os.environ, **identity, "GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}
        subprocess.run(["git", "-C", directory, *arguments], env=environment, check=True, capture_output=True)

    def test_a_release_changes_the_times_of_what_is_its_own(self) -> None:
        directory = self.new(wheel("colors", {"colors.py": "RED = 1\n"}))
        first = self.times(pack_spec(directory, environment={"SOURCE_DATE_EPOCH": str(DAY)}))
        packed = pack_spec(directory, environment={"SOURCE_DATE_EPOCH": str(DAY + 5)})
        self.assertTrue(packed.summary["reused_layer"])
        second = self.times(packed)
        own = {path for path in first if first[path] != second[path]}
        self.assertEqual({first[path] for path in own}, {DAY})
        self.assertEqual({second[path] for path in own}, {DAY + 5})
        self.assertLessEqual({"runner.py", "static/page.html"}, own)
        self.assertFalse({"colors.py", "../json/__init__.py"} & own)
        self.assertGreaterEqual(min(second.values()), EARLIEST)

    def test_another_version_of_a_distribution_has_other_times(self) -> None:
        times = []
        for version in ("1.0", "1.1"):
            color = wheel("colors", {"colors.py": "RED = 1\n"}, version=version)
            times.append(self.times(pack_spec(self.new(color, wheel("shapes", {"shapes.py": ""})))))
        changed = {path for path, time in times[0].items() if times[1].get(path, time) != time}
        self.assertIn("colors.py", changed)
        self.assertTrue(all("colors" in path for path in changed), changed)

    def test_too_early(self) -> None:
        packed = pack_spec(self.new(), environment={"SOURCE_DATE_EPOCH": "0"})
        self.assertEqual(self.times(packed)["runner.py"], EARLIEST)

    def test_zip_archives_hold_them_in_america(self) -> None:
        packed = pack_spec(self.new(wheel("colors", {"colors.py": "RED = 1\n"})))
        self.assertEqual(self.python(packed, ZIP, environment={"TZ": "America/Los_Angeles"}), 2)

    @needs_program("git")
    def test_commits(self) -> None:
        directory = self.new()
        self.git(directory, "init", "--quiet")
        self.git(directory, "add", ".")
        self.git(directory, "commit", "--quiet", "--message", "first")
        self.assertEqual(self.times(pack_spec(directory, environment=UNDATED))["runner.py"], COMMIT)
        # What was packed is no change of a source, nor is another time of the same content.
        os.utime(directory / "static/page.html", (DAY + 9000, DAY + 9000))
        self.assertEqual(self.times(pack_spec(directory, environment=UNDATED))["static/page.html"], COMMIT)
        (directory / "static/page.html").write_text("two")
        os.utime(directory / "static/page.html", (DAY + 9000, DAY + 9000))
        self.assertEqual(self.times(pack_spec(directory, environment=UNDATED))["static/page.html"], DAY + 9000)

    def test_a_repository_that_cannot_be_read(self) -> None:
        directory = self.new()
        (directory / ".git").mkdir()
        packed = pack_spec(directory, environment=UNDATED)
        self.assertEqual(self.times(packed)["runner.py"], DAY)
        [warning] = packed.summary["warnings"]
        self.assertIn("the time of the commit is unknown (git: ", warning)
        self.assertIn("set SOURCE_DATE_EPOCH", warning)

    @needs_program("git")
    def test_sources_beside_the_repository(self) -> None:
        """git refuses to tell of them, so what it says of the commit is not enough."""
        directory = self.new()
        self.git(directory, "init", "--quiet")
        self.git(directory, "add", ".")
        self.git(directory, "commit", "--quiet", "--message", "first")
        shutil.move(directory / "static", self.work / "static")
        spec = directory / "onefold.toml"
        spec.write_text(spec.read_text().replace('source = "static"', 'source = "../static"'))
        os.utime(spec, (DAY + 3, DAY + 3))
        packed = pack_spec(directory, environment=UNDATED)
        self.assertEqual(self.times(packed)["runner.py"], DAY + 3)
        self.assertIn("outside repository", packed.summary["warnings"][0])

    def test_without_a_repository_it_is_the_newest_source(self) -> None:
        directory = self.new()
        os.utime(directory / "static/page.html", (DAY + 7, DAY + 7))
        times = self.times(pack_spec(directory, environment=UNDATED))
        self.assertEqual((times["runner.py"], times["static/page.html"]), (DAY + 7, DAY + 7))

    def test_a_changed_page_of_the_same_length_is_sent_again(self) -> None:
        """Starlette's ETag is made of the time and the size."""
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
        subprocess.run([*command, "-d", wheels(), "starlette==0.41.3"], check=True, timeout=300)
        answers = []
        for release, page in ((1, "one"), (2, "two")):
            directory = self.new(page=page)
            (directory / "requirements.txt").write_text("starlette==0.41.3\n")
            packed = pack_spec(directory, environment={"SOURCE_DATE_EPOCH": str(DAY + release)})
            answers.append(self.python(packed, ETAG))
        self.assertNotEqual(answers[0][0], answers[1][0])
        self.assertNotEqual(answers[0][1], answers[1][1])
