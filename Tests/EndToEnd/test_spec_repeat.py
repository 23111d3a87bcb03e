"""Packing from a spec: the same input gives the same bytes, and a changed file little work."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from spec_support import (
    VERSION,
    SpecCase,
    application,
    extension_wheel,
    library_wheel,
    pack_command,
    pack_spec,
    pinned,
    project,
    wheel,
)
from support import hash_file, succeed

DAY = 1_700_000_000


class Repeat(SpecCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.distributions = [
            wheel(
                "repeated",
                {f"repeated/m{i}.py": f"X = {{'a', 'b', 'c{i}'}}\ndef f(x={i}): return x in X\n" for i in range(40)}
                | {"repeated/__init__.py": "", "repeated/data.bin": b"\0" * 1000},
                scripts=["repeated = repeated:f"],
            ),
            extension_wheel(),
            library_wheel(),
        ]  # fmt: skip

    def make(self, place: Path, locked: bool = True) -> Path:
        """The same application in another place, made in another order."""
        # The spec's hash is in the software bill of materials: no path in it may be of this place.
        project(
            place / "source", "sourced", {"sourced/__init__.py": "A = 1\n", "sourced/x.py": "B = {1, 2}\n"}
        )  # fmt: skip
        text = pinned(*self.distributions)
        if not locked:
            text = "".join(line.split(" --hash")[0] + "\n" for line in text.splitlines())
        return application(
            place,
            {"requirements.txt": text, "static/b.txt": "b", "static/a.txt": "a"},
            app={"version": "1.0"},
            dependencies={"requirements": ["requirements.txt"], "project": "source"},
            data=[{"source": "static"}],
        )

    def hashes(self, *builds: Any) -> None:
        """All builds give the same file. Each is a directory, options and environment, and a
        umask."""
        found = set()
        for directory, options, given, mask in builds:
            output = self.new_directory() / "app"
            environment = {"SOURCE_DATE_EPOCH": str(DAY), **given}
            packed = pack_spec(
                directory, *options, "-o", output, environment=environment,
                prepare=lambda mask=mask: os.umask(mask),
            )  # fmt: skip
            self.assertEqual(packed.path.stat().st_mode & 0o777, 0o777 & ~mask)
            found.add(hash_file(output))
        self.assertEqual(len(found), 1)

    def test_place_umask_threads_home_and_caches_do_not_count(self) -> None:
        one = self.make(self.work / "one")
        two = self.make(self.work / "another place" / "of more" / "length")
        for path in two.rglob("*"):
            os.utime(path, (DAY, DAY))
        (self.work / "home").mkdir()
        cache = {"ONEFOLD_PACK_CACHE": self.work / "pack-cache"}
        self.hashes(
            (one, ["--jobs", "1", "--no-cache"], {}, 0o022),
            (two, ["--jobs", "4"], {**cache, "HOME": self.work / "home", "TZ": "Asia/Tokyo"}, 0o077),
            (two, ["--jobs", "2"], {**cache, "LC_ALL": "C", "PYTHONHASHSEED": "7"}, 0o002),
        )  # fmt: skip

    def test_also_without_hashes(self) -> None:
        one = self.make(self.work / "one", locked=False)
        two = self.make(self.work / "two", locked=False)
        self.hashes((one, [], {}, 0o022), (two, ["--no-cache"], {}, 0o077))

    def test_dropped_sources(self) -> None:
        builds = []
        for name in ("one", "two"):
            directory = self.make(self.work / name)
            with open(directory / "onefold.toml", "a") as file:
                file.write("[prune]\nsources = 'drop'\n")
            builds.append((directory, ["--no-cache"], {}, 0o022))
        self.hashes(*builds)

    def test_after_a_change_only_what_changed_is_compressed(self) -> None:
        directory = self.make(self.work / "one")
        # Small frames, so that there are many.
        options = ["--frame-size", "256"]
        pack_spec(directory, *options)
        (directory / "runner.py").write_text("import sys\nexec(sys.argv[1])\n")
        (directory / "source/sourced/x.py").write_text("B = {1, 2, 3}\n")
        packed = pack_spec(directory, *options)
        summary = packed.summary
        self.assertTrue(summary["reused_layer"])
        self.assertGreater(summary["frames"], 40)
        self.assertGreaterEqual(summary["frames_from_cache"], summary["frames"] - 2)
        code = "import json, sourced.x; print(json.dumps(sorted(sourced.x.B)))"
        self.assertEqual(self.python(packed, code), [1, 2, 3])

    def test_another_lock_does_not_copy_and_compile_the_interpreter_again(self) -> None:
        cache = {"ONEFOLD_PACK_CACHE": self.work / "pack-cache"}
        said = []
        for count in (1, 2):
            directory = application(
                self.work / f"{count}", {"requirements.txt": pinned(*self.distributions[:count])},
                dependencies={"requirements": ["requirements.txt"]},
            )  # fmt: skip
            result = succeed(pack_command(directory, "--no-smoke", environment=cache))
            self.assertFalse(json.loads(result.stdout)["reused_layer"])
            said.append(result.stderr.decode())
        self.assertIn(f"copying Python {VERSION}\n", said[0])
        self.assertNotIn("copying Python", said[1])
        self.assertIn("installing 2 distributions\n", said[1])
        self.hashes((directory, [], cache, 0o022), (directory, ["--no-cache"], {}, 0o022))
