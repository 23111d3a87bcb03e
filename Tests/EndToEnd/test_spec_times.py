"""Packing from a spec: when the files of the tree were modified (docs/packing.md, "File times")."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from spec_support import LIBRARY, SITE, SpecCase, pack_spec, pinned, unpacked, wheel, wheels
from support import Onefile, needs_program

#: 1980-01-02T12:00Z.
EARLIEST = 315_662_400
DAY = 1_700_000_000
#: What the test's commits are made at.
COMMIT = DAY + 1000
UNDATED = {"SOURCE_DATE_EPOCH": None}

#: What each framework sends with a page that is among the data files.
FRAMEWORKS = "aiohttp==3.10.11 django==5.2.8 starlette==0.41.3 whitenoise==6.8.2".split()
HEADERS = """
import asyncio, json, os, sys
root = os.path.join(sys._MEIPASS, "static")
path = os.path.join(root, "page.html")
found = {}

from starlette.responses import FileResponse
found["starlette"] = FileResponse(path, stat_result=os.stat(path)).headers

from whitenoise import WhiteNoise
file = WhiteNoise(None, root=root).files["/page.html"]
found["whitenoise"] = file.get_response("GET", {}).headers

import django.conf, django.http, django.views.static
django.conf.settings.configure()
found["django"] = django.views.static.serve(django.http.HttpRequest(), "page.html", document_root=root).headers

async def ask():
    import aiohttp
    from aiohttp import web
    application = web.Application()
    application.router.add_static("/static", root)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as session:
        async with session.get("http://127.0.0.1:%d/static/page.html" % port) as answer:
            found["aiohttp"] = answer.headers
    await runner.cleanup()

asyncio.run(ask())
wanted = ("etag", "last-modified")
result = {name: {key.lower(): value for key, value in dict(headers).items()} for name, headers in found.items()}
print(json.dumps({name: {key: headers[key] for key in wanted if key in headers} for name, headers in result.items()}))
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
        files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
        return {os.path.relpath(path, tree / SITE): int(path.stat().st_mtime) for path in files}

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
        others = {"colors.py", os.path.relpath(f"{LIBRARY}/json/__init__.py", SITE)}
        self.assertLessEqual(others, set(first))
        self.assertFalse(others & own)
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
        """What frameworks send to tell one version of a file from the next is made of its time and its size."""
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
        subprocess.run([*command, "-d", wheels(), *FRAMEWORKS], check=True, timeout=300)
        answers = []
        for release, page in ((1, "one"), (2, "two")):
            directory = self.new(page=page)
            (directory / "requirements.txt").write_text("\n".join(FRAMEWORKS))
            packed = pack_spec(directory, environment={"SOURCE_DATE_EPOCH": str(DAY + release)})
            answers.append(self.python(packed, HEADERS))
        self.assertEqual(len(answers[0]), len(FRAMEWORKS))
        for name, old in answers[0].items():
            with self.subTest(name):
                self.assertTrue(old)
                for header, value in old.items():
                    self.assertNotEqual(answers[1][name][header], value, header)
