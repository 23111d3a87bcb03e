"""What else makes one file of a Python server, or starts it from its lock, and how."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from .applications import Application, index_variables, make_venv, python
from .running import (
    Failure,
    Part,
    REPOSITORY,
    Unavailable,
    WORK,
    last_line,
    output_of,
    remove,
    say,
)
from .specs import SpecBuild, first_build_in
from .trees import SELF_EXTRACTING

if TYPE_CHECKING:
    from .bench import Bench

TOOLS_LOCK = REPOSITORY / "tools" / "benchmarks" / "requirements.txt"
ROOM = WORK / "servers"

# What Nuitka compiles: its onefile bootstrap unpacks the tree beside it.
NUITKA_PROGRAM = """\
import os
import sys

program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tree", "{name}")
os.execv(program, [program, *sys.argv[1:]])
"""


@dataclass
class Contender:
    """A way to start an application."""

    name: str
    command: list[Part]
    seconds: Optional[float] = None  # of the build
    size: Optional[int] = None  # of the file, in bytes
    kept_in: str = (
        ""  # the variable that names where it keeps what it unpacks; else each launch does
    )
    variables: dict[str, Part] = field(default_factory=dict)
    # Has a directory of `kept_in` be as before the first launch.
    forget: Callable[[Path], None] = remove
    directory: Optional[Path] = None  # that holds the command, where it is not one file

    def in_room(self, room: Path) -> Contender:
        """The same on another file system."""
        copy = room / f"copy-{len(list(room.iterdir()))}"
        program = Path(self.command[0])
        if self.directory:
            shutil.copytree(self.directory, copy, symlinks=True)
            self.command[0] = copy / program.relative_to(self.directory)
        elif self.size is not None:
            shutil.copy2(program, copy)
            self.command[0] = copy
        return self


def tools() -> Path:
    """The programs of tools/benchmarks/requirements.txt."""
    directory = WORK / "tools"
    stamp = directory / "made-of"
    lock = TOOLS_LOCK.read_text()
    if not stamp.exists() or stamp.read_text() != lock:
        say("installing Nuitka, pex, shiv and uv")
        make_venv(directory, TOOLS_LOCK, **index_variables())
        stamp.write_text(lock)
    return directory / "bin"


@dataclass
class Made:
    file: Path
    seconds: float


Maker = Callable[[Path], Path]  # makes the file in a new directory


def made(bench: Bench, name: str, inputs: str, make: Maker) -> Made:
    """The file, and how long it took to make, now or in an earlier run."""
    directory = ROOM / name
    record = directory / "made.json"
    wanted = {"inputs": inputs, "python": os.fspath(python())}
    facts = json.loads(record.read_text()) if record.exists() else {}
    again = bench.fresh and name not in bench.rebuilt
    if again or any(facts.get(key) != value for key, value in wanted.items()):
        say(f"building {name}")
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        with bench.costing(f"building {name}") as cost:
            file = make(directory)
        facts = {**wanted, "seconds": cost.seconds, "file": file.name}
        file.rename(directory / file.name)
        record.write_text(json.dumps(facts))
        bench.rebuilt.add(name)
    return Made(directory / facts["file"], facts["seconds"])


def build_variables(application: Application, directory: Path) -> dict[str, Part]:
    """Wheels that are downloaded, and no cache of an earlier build."""
    return {
        **application.offline,
        "XDG_CACHE_HOME": directory / "cache",
        "PIP_CACHE_DIR": directory / "cache" / "pip",
        "PYINSTALLER_CONFIG_DIR": directory / "cache" / "pyinstaller",
        "NUITKA_CACHE_DIR": directory / "cache" / "nuitka",
        "PEX_ROOT": directory / "cache" / "pex",
        "SHIV_ROOT": directory / "cache" / "shiv",
    }


def inputs_of(application: Application) -> str:
    own = [application.directory / name for name in application.files]
    files = [path for top in own for path in (top, *sorted(top.rglob("*")))]
    files += [application.requirements, application.build_requirements, TOOLS_LOCK]
    files.append(Path(__file__))  # the commands
    texts = [path.read_text(errors="replace") for path in files if path.is_file()]
    return str(hash_of("\0".join([*texts, *application.collected])))


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def spec_build(bench: Bench, application: Application) -> SpecBuild:
    """The example packed from its spec, once in a run."""
    return first_build_in(WORK / "specs" / application.name, bench, application)


def onefold(bench: Bench, application: Application) -> Contender:
    build = spec_build(bench, application)
    size = build.file.stat().st_size
    return Contender(
        "Onefold", [build.file], build.seconds, size, kept_in="ONEFOLD_CACHE"
    )


# PyInstaller


def run_pyinstaller(application: Application, directory: Path, kind: str) -> Path:
    programs = directory / "venv" / "bin"
    source = application.directory
    command: list[Part] = [programs / "python", "-m", "PyInstaller", kind]
    command += ["--noconfirm", "--log-level", "WARN", "--name", application.name]
    for name in application.files:
        if name != application.script:
            command += ["--add-data", f"{source / name}:{name}"]
    for module in application.collected:
        command += ["--collect-all", module]
    for module in application.excluded:
        command += ["--exclude-module", module]
    command += ["--distpath", directory / kind, "--workpath", directory / "work"]
    script = application.script
    command += ["--specpath", directory]
    command += [source / script if script else programs / application.name]
    output_of(command, **build_variables(application, directory))
    return directory / kind / application.name


def pyinstaller(bench: Bench, application: Application) -> Contender:
    def make(directory: Path) -> Path:
        lists = (application.requirements, application.build_requirements)
        variables = build_variables(application, directory)
        make_venv(directory / "venv", *lists, **variables)
        return run_pyinstaller(application, directory, "--onefile")

    if not application.build_requirements.exists():
        raise Unavailable(f"{application.name} has no build-requirements.txt")
    file = made(bench, f"{application.name}-pyinstaller", inputs_of(application), make)
    size = file.file.stat().st_size
    return Contender("PyInstaller `--onefile`", [file.file], file.seconds, size)


def pyinstaller_venv(application: Application) -> Path:
    """What PyInstaller found the application's distributions in."""
    return ROOM / f"{application.name}-pyinstaller" / "venv"


def onedir(bench: Bench, application: Application) -> Path:
    """The tree of the same PyInstaller; what it found out for the one file is used again."""
    pyinstaller(bench, application)
    directory = ROOM / f"{application.name}-pyinstaller"
    tree = directory / "--onedir" / application.name
    if not tree.exists():
        with bench.costing(f"building {application.name}-pyinstaller, directory"):
            run_pyinstaller(application, directory, "--onedir")
    return tree


def unpacked(bench: Bench, application: Application) -> Contender:
    tree = onedir(bench, application)
    program = tree / application.name
    return Contender("PyInstaller `--onedir`", [program], directory=tree)


# makeself


def makeself(bench: Bench) -> Contender:
    """Of the tree that Onefold unpacks; it unpacks to the temporary directory at each launch."""
    file = bench.workshop.self_extracting(bench.fastapi)
    command: list[Part] = [file, *SELF_EXTRACTING, "--"]
    return Contender("makeself", command, size=file.stat().st_size)


# Nuitka


def nuitka(bench: Bench, application: Application, keeps: bool) -> Contender:
    """Nuitka's onefile around PyInstaller's tree; its time is without PyInstaller's."""
    where = "{CACHE_DIR}" if keeps else "{TEMP}/onefile_{PID}_{TIME_US}_{RANDOM}"
    where += f"/{application.name}-bench" if keeps else ""
    name = f"{application.name}-nuitka-{'kept' if keeps else 'temporary'}"
    programs, tree = tools(), onedir(bench, application)

    def make(directory: Path) -> Path:
        program = directory / "launcher.py"
        program.write_text(NUITKA_PROGRAM.format(name=application.name))
        command: list[Part] = [programs / "python", "-m", "nuitka", "--onefile"]
        command += ["--quiet", "--assume-yes-for-downloads"]
        command += [f"--include-raw-dir={tree}=tree", f"--output-dir={directory}"]
        command += [f"--output-filename={application.name}"]
        command += [f"--onefile-tempdir-spec={where}", program]
        output_of(command, **build_variables(application, directory))
        return directory / application.name

    file = made(bench, name, inputs_of(application), make)
    size = file.file.stat().st_size
    kind = "cached" if keeps else "temporary"
    return Contender(
        f"Nuitka onefile, {kind}",
        [file.file],
        file.seconds,
        size,
        kept_in="XDG_CACHE_HOME" if keeps else "",
    )


# pex, shiv, uv


def sources_of(application: Application, directory: Path) -> Path:
    """A directory with the application's own files alone."""
    result = directory / "sources"
    result.mkdir()
    for name in application.files:
        path = application.directory / name
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, result / name)
    return result


def pex(bench: Bench, application: Application) -> list[Contender]:
    """One file, made with --venv; PEX_VENV=0 has it behave as one made without."""
    programs = tools()

    def make(directory: Path) -> Path:
        file = directory / f"{application.name}.pex"
        command: list[Part] = [programs / "pex", "-r", application.requirements]
        command += ["--no-pypi", "--find-links", application.wheels, "--intransitive"]
        command += ["-D", sources_of(application, directory), "-o", file]
        command += ["-e", application.entry, "--venv"]
        command += ["--python", python(), "--python-shebang", python()]
        output_of(command, **build_variables(application, directory))
        return file

    file = made(bench, f"{application.name}-pex", inputs_of(application), make)
    size = file.file.stat().st_size
    common = ([file.file], file.seconds, size, "PEX_ROOT")
    return [
        Contender("pex", *common, variables={"PEX_VENV": "0"}),
        Contender("pex `--venv`", *common),
    ]


def shiv(bench: Bench, application: Application) -> Contender:
    programs = tools()

    def make(directory: Path) -> Path:
        file = directory / f"{application.name}.pyz"
        command: list[Part] = [programs / "shiv", "-r", application.requirements]
        command.append("--no-deps")
        command += ["--site-packages", sources_of(application, directory), "-o", file]
        command += ["-e", application.entry, "-p", python()]
        output_of(command, **build_variables(application, directory))
        return file

    file = made(bench, f"{application.name}-shiv", inputs_of(application), make)
    size = file.file.stat().st_size
    return Contender("shiv", [file.file], file.seconds, size, kept_in="SHIV_ROOT")


def uv(application: Application) -> Contender:
    """No file: the lock, and a cache that has the wheels already. A first launch makes the
    environment."""

    def forget(cache: Path) -> None:
        for environments in cache.glob("environments-v*"):
            remove(environments)

    script = application.script
    program = application.directory / script if script else application.name
    command: list[Part] = [tools() / "uv", "run", "--no-project", "--quiet"]
    command += ["--python", python(), "--with-requirements", application.requirements]
    return Contender(
        "`uv run`",
        [*command, program],
        kept_in="UV_CACHE_DIR",
        variables=application.offline,
        forget=forget,
    )


def contenders(
    bench: Bench, application: Application
) -> tuple[list[Contender], list[str]]:
    """Onefold first; and what could not be made, with the reason."""
    makers: list[tuple[str, Callable[[], list[Contender]]]] = [
        ("PyInstaller", lambda: [pyinstaller(bench, application)]),
        ("PyInstaller", lambda: [unpacked(bench, application)]),
        ("pex", lambda: pex(bench, application)),
    ]
    if application.small:  # with a large one these take many minutes
        makers += [
            ("Nuitka", lambda: [nuitka(bench, application, keeps=False)]),
            ("Nuitka", lambda: [nuitka(bench, application, keeps=True)]),
            ("shiv", lambda: [shiv(bench, application)]),
            ("makeself", lambda: [makeself(bench)]),
            ("`uv run`", lambda: [uv(application)]),
        ]
    result, missing = [onefold(bench, application)], []
    for name, make in makers:
        try:
            result += make()
        except (Failure, OSError) as failure:
            say(f"{name}: {failure}")
            missing.append(f"{name}: {last_line(failure)}")
    return result, missing
