"""The other tools that make one file of a Python server, or start it from its lock."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, Optional

from common.basics import REPOSITORY, Failure, Unavailable, index_variables

from .applications import Application, make_venv, python
from .running import WORK, Part, brought, kept, last_line, output_of, say, words_of
from .specs import SpecBuild, spec_room
from .trees import Tree
from .workshop import SELF_EXTRACTING, Workshop

TOOLS_LOCK = REPOSITORY / "tools" / "benchmarks" / "requirements.txt"
TOOLS = WORK / "tools"

# Commands, as `Contenders.filled` fills them in.
PYINSTALLER = """
    {room}/venv/bin/python -m PyInstaller {kind} --noconfirm --log-level WARN --name {name}
    --specpath {room} --distpath {room}/{kind} --workpath {room}/work"""
NUITKA = """
    {tools}/bin/python -m nuitka --onefile --quiet --assume-yes-for-downloads --output-dir={room}
    --include-raw-dir={tree}=tree --output-filename={name} --onefile-tempdir-spec={where}
    {room}/launcher.py"""
PEX = """
    {tools}/bin/pex -r {requirements} -o {room}/{name}.pex --intransitive --no-pypi
    --find-links {wheels} --venv -D {room}/sources -e {entry} --python {python}
    --python-shebang {python}"""
SHIV = """
    {tools}/bin/shiv -r {requirements} --no-deps -o {room}/{name}.pyz
    --site-packages {room}/sources -e {entry} -p {python}"""
UV = "{tools}/bin/uv run --no-project --quiet --python {python} --with-requirements {requirements}"

# Where a tool keeps what a later build, or launch, would find.
CACHES = "XDG_CACHE_HOME PIP_CACHE_DIR PYINSTALLER_CONFIG_DIR NUITKA_CACHE_DIR PEX_ROOT SHIV_ROOT"

# What Nuitka compiles: its onefile bootstrap unpacks the tree beside it.
NUITKA_PROGRAM = """\
import os
import sys

program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tree", "{name}")
os.execv(program, [program, *sys.argv[1:]])
"""
# By kind, where it unpacks to, and the variable that names its cache.
NUITKA_KINDS = {
    "temporary": ("{TEMP}/onefile_{PID}_{TIME_US}_{RANDOM}", ""),
    "cached": ("{CACHE_DIR}/onefold-bench", "XDG_CACHE_HOME"),
}


class Kept(NamedTuple):
    """A file that a tool made, now or in an earlier run."""

    path: Path
    seconds: float  # of making it


@dataclass
class Contender:
    """A way to start an application."""

    name: str
    command: list[Part]
    seconds: Optional[float] = None  # of the build
    size: Optional[int] = None  # of the file, in bytes
    kept_in: str = ""  # the variable that names its cache; none: each launch unpacks
    variables: dict[str, Part] = field(default_factory=dict)
    reset: str = ""  # a command of the shell that makes the next launch a cold one
    directory: Optional[Path] = None  # that holds the command, if it is not one file

    @staticmethod
    def of(name: str, file: Path, seconds: float, **others) -> Contender:
        """By a file of its own."""
        return Contender(name, [file], seconds, file.stat().st_size, **others)

    @property
    def keeps(self) -> bool:
        """Whether a cold launch differs from a warm one."""
        return bool(self.kept_in or self.reset)

    @property
    def line(self) -> list[Part]:
        """The command with its variables; `env` takes less than a millisecond."""
        pairs = [f"{name}={value}" for name, value in self.variables.items()]
        return ["/usr/bin/env", *pairs, *self.command] if pairs else self.command

    def in_room(self, room: Path) -> Contender:
        """The same on another file system."""
        program = Path(self.command[0])
        if self.directory:
            self.command[0] = brought(self.directory, room) / program.relative_to(self.directory)
        elif self.size is not None:
            self.command[0] = brought(program, room)
        return self


def tools() -> Path:
    """The virtual environment of tools/benchmarks/requirements.txt."""

    def make(directory: Path) -> None:
        say("installing Nuitka, pex, shiv and uv")
        make_venv(directory, TOOLS_LOCK, **index_variables())

    return kept(TOOLS, TOOLS_LOCK.read_text(), make)


@dataclass(eq=False)
class Contenders:
    """The ways to start one application, and the files that they need."""

    workshop: Workshop
    application: Application

    def filled(self, command: str, **values: Part) -> list[Part]:
        app = self.application
        known: dict[str, Part] = {"name": app.name, "entry": app.entry, "tools": TOOLS}
        known |= {"requirements": app.requirements, "wheels": app.wheels, "python": python()}
        return words_of(command, **known, **values)

    def run(self, room: Path, command: str, *more: Part, **values: Part) -> None:
        """Runs a tool with wheels that are downloaded, and without a cache of an earlier build."""
        caches = {name: room / "cache" / name for name in CACHES.split()}
        words = self.filled(command, room=room, **values)
        output_of([*words, *more], **self.application.offline, **caches)

    def made(self, tool: str, make: Callable[[Path], Path]) -> Kept:
        """The file of a tool, made now or in an earlier run of the same inputs."""
        app, directory = self.application, WORK / "made" / f"{self.application.name}-{tool}"

        def make_timed(directory: Path) -> None:
            with self.workshop.costing(f"building {directory.name}") as cost:
                file = make(directory)
            (directory / "made.json").write_text(json.dumps([file.name, cost.seconds]))

        files = [path for top in app.own_files for path in (top, *sorted(top.rglob("*")))]
        files += [*app.locks, TOOLS_LOCK, Path(__file__)]  # this file has the commands
        texts = [path.read_text(errors="replace") for path in files if path.is_file()]
        if self.workshop.fresh:
            shutil.rmtree(directory, ignore_errors=True)
        kept(directory, "\0".join([*texts, *app.pyinstaller, str(python())]), make_timed)
        name, seconds = json.loads((directory / "made.json").read_text())
        return Kept(directory / name, seconds)

    # Onefold

    @cached_property
    def onefold(self) -> SpecBuild:
        return spec_room(self.workshop, self.application).first

    @cached_property
    def tree(self) -> Tree:
        """What Onefold's file unpacks."""
        return self.workshop.extracted(self.application.title, self.onefold)

    # PyInstaller

    def run_pyinstaller(self, room: Path, kind: str) -> Path:
        name = self.application.name
        program = self.application.script or room / "venv" / "bin" / name
        self.run(room, PYINSTALLER, *self.application.pyinstaller, program, kind=kind)
        return room / kind / name

    @cached_property
    def pyinstaller(self) -> Kept:
        """PyInstaller's one file. `venv` beside it has the application's distributions."""
        app = self.application

        def make(room: Path) -> Path:
            make_venv(room / "venv", *app.locks, **app.offline)
            return self.run_pyinstaller(room, "--onefile").rename(room / "onefile")

        if len(app.locks) < 2:
            raise Unavailable(f"{app.name} has no build-requirements.txt")
        return self.made("pyinstaller", make)

    @cached_property
    def onedir(self) -> Path:
        """The tree of the same PyInstaller, which uses again what it found out for the one file."""
        room = self.pyinstaller.path.parent
        tree = room / "--onedir" / self.application.name
        if not tree.exists():
            with self.workshop.costing(f"building {room.name}, directory"):
                self.run_pyinstaller(room, "--onedir")
        return tree

    def by_pyinstaller(self) -> Iterator[Contender]:
        yield Contender.of("PyInstaller `--onefile`", *self.pyinstaller)
        command: list[Part] = [self.onedir / self.application.name]
        yield Contender("PyInstaller `--onedir`", command, directory=self.onedir)

    # The others

    def built(self, tool: str, command: str, suffix: str, **values: Part) -> Kept:
        """The file of a tool of TOOLS, from the application's own files or from `launcher.py`."""

        def make(room: Path) -> Path:
            (room / "launcher.py").write_text(NUITKA_PROGRAM.format(name=self.application.name))
            (room / "sources").mkdir()
            for path in self.application.own_files:
                copy = shutil.copytree if path.is_dir() else shutil.copy
                copy(path, room / "sources" / path.name)
            self.run(room, command, **values)
            return room / f"{self.application.name}{suffix}"

        tools()
        return self.made(tool, make)

    def nuitka(self) -> Iterator[Contender]:
        """Around PyInstaller's tree; its time is without PyInstaller's."""
        for kind, (where, kept_in) in NUITKA_KINDS.items():
            file = self.built(f"nuitka-{kind}", NUITKA, "", tree=self.onedir, where=where)
            yield Contender.of(f"Nuitka onefile, {kind}", *file, kept_in=kept_in)

    def pex(self) -> Iterator[Contender]:
        """One file, made with --venv; PEX_VENV=0 has it behave as one made without."""
        file = self.built("pex", PEX, ".pex")
        yield Contender.of("pex", *file, kept_in="PEX_ROOT", variables={"PEX_VENV": "0"})
        yield Contender.of("pex `--venv`", *file, kept_in="PEX_ROOT")

    def shiv(self) -> Iterator[Contender]:
        file = self.built("shiv", SHIV, ".pyz")
        yield Contender.of("shiv", *file, kept_in="SHIV_ROOT")

    def makeself(self) -> Iterator[Contender]:
        """Of the tree that Onefold unpacks. It unpacks to the temporary directory at each launch."""
        file = self.workshop.self_extracting(self.tree)
        command: list[Part] = [file, *SELF_EXTRACTING, "--"]
        yield Contender("makeself", command, size=file.stat().st_size)

    def uv(self, cache: Path) -> Iterator[Contender]:
        """No file: the lock, and a cache that has the wheels already. A cold launch makes the
        environment."""
        tools()
        command = [*self.filled(UV), self.application.script or self.application.name]
        variables = {**self.application.offline, "UV_CACHE_DIR": cache}
        reset = f"rm -rf {cache}/environments-v*"
        yield Contender("`uv run`", command, variables=variables, reset=reset)

    def all(self, uv_cache: Path) -> tuple[list[Contender], list[str]]:
        """Onefold first; and what could not be made, with the reason. `uv_cache` is on the file
        system that is measured."""
        makers = {"PyInstaller": self.by_pyinstaller(), "pex": self.pex()}
        if self.application.small:  # with a large one these take many minutes
            makers |= {"Nuitka": self.nuitka(), "shiv": self.shiv(), "makeself": self.makeself()}
            makers["`uv run`"] = self.uv(uv_cache)
        build = self.onefold
        result = [Contender.of("Onefold", build.path, build.seconds, kept_in="ONEFOLD_CACHE")]
        missing = []
        for name, contenders in makers.items():
            try:
                result += contenders
            except (Failure, OSError) as failure:
                say(f"{name}: {failure}")
                missing.append(f"{name}: {last_line(failure)}")
        return result, missing
