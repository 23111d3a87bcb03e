"""The Python servers that several tools make one file of; the interpreter and wheels for them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Sequence

from common.basics import REPOSITORY, Failure, Unavailable, index_variables

from .running import WORK, Part, kept, last_line, output_of, say

PYTHON_VERSION = "3.11"
EXAMPLE_SOURCES = REPOSITORY / "docs" / "examples"


@dataclass(eq=False)
class Application:
    """A directory of docs/examples with a spec."""

    name: str
    title: str
    files: list[str]  # of its own: its script first; none if it has a console script of its name
    entry: str = "server:main"  # module:function
    serve: Sequence[str] = ("--port", "{port}")  # arguments; `onefold bench` replaces {port}
    variables: dict[str, Part] = field(default_factory=dict)
    small: bool = False
    pyinstaller: list[str] = field(default_factory=list)  # its options

    @property
    def directory(self) -> Path:
        return EXAMPLE_SOURCES / self.name

    @property
    def own_files(self) -> list[Path]:
        return [self.directory / name for name in self.files]

    @property
    def script(self) -> Optional[Path]:
        return next(iter(self.own_files), None)

    @property
    def requirements(self) -> Path:
        return self.directory / "requirements.txt"

    @property
    def locks(self) -> list[Path]:
        """The requirements, and those of PyInstaller if there are any."""
        build = self.directory / "build-requirements.txt"
        return [self.requirements, *([build] if build.exists() else [])]

    @property
    def wheels(self) -> Path:
        """All that any tool installs."""
        return downloaded(self.name, *self.locks)

    @property
    def offline(self) -> dict[str, Part]:
        """Variables that have every installer take the downloaded wheels, and ask no index."""
        return {
            "PIP_FIND_LINKS": self.wheels,
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_FIND_LINKS": self.wheels,
            "UV_NO_INDEX": "1",
            "UV_OFFLINE": "1",
        }


FASTAPI = Application(
    name="fastapi-server",
    title="FastAPI server",
    files=["server.py", "static"],
    small=True,
    pyinstaller=[
        f"--add-data={EXAMPLE_SOURCES}/fastapi-server/static:static",
        *(f"--exclude-module={name}" for name in ("pip", "pytest", "setuptools", "tkinter")),
    ],
)

# docs/guides/cachibot.md tells how it came to these options of PyInstaller.
CACHIBOT_COLLECTED = "cachibot prompture tukuy pymupdf pymupdf4llm tzdata"
CACHIBOT_EXCLUDED = "torch torchvision scipy playwright gunicorn pytest pip setuptools tkinter"
CACHIBOT = Application(
    name="cachibot",
    title="CachiBot",
    files=[],
    entry="cachibot.cli:app",
    serve=["server", "--host", "127.0.0.1", "--port", "{port}"],
    variables={"CACHIBOT_TELEMETRY_DISABLED": "1", "CACHIBOT_DESKTOP": "true"},
    pyinstaller=[f"--collect-all={name}" for name in CACHIBOT_COLLECTED.split()]
    + [f"--exclude-module={name}" for name in CACHIBOT_EXCLUDED.split()],
)

HEAVY = Application(name="heavy", title="heavy engine", files=["server.py", "VERSION"])


def python() -> Path:
    """The interpreter that everything is made with: the one that a spec with that version finds."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = list(root.glob(f"{PYTHON_VERSION}.*/bin/python{PYTHON_VERSION}"))
    if found:
        return max(found, key=lambda path: int(path.parts[-3].split(".")[2]))
    system = shutil.which(f"python{PYTHON_VERSION}")
    if not system:
        raise Failure(f"there is no Python {PYTHON_VERSION}: install it, or use pyenv")
    return Path(system)


def python_version() -> str:
    return output_of([python(), "-V"]).split()[1]


def downloaded(name: str, *locks: Path) -> Path:
    """A directory with the wheels of these locks, downloaded once."""

    def download(directory: Path) -> None:
        say(f"downloading the wheels of {name}")
        command: list[Part] = [python(), "-m", "pip", "download", "--quiet", "-d", directory]
        command += ["--require-hashes", "--only-binary", ":all:", "--no-deps"]
        for lock in locks:
            command += ["-r", lock]
        try:
            output_of(command, **index_variables())
        except Failure as failure:
            reason = f"the wheels of {name} can't be downloaded"
            raise Unavailable(f"{reason}: {last_line(failure)}") from failure

    made_of = "".join(lock.read_text() for lock in locks)
    return kept(WORK / "wheels" / name, made_of, download)


def make_venv(directory: Path, *locks: Path, **variables: Part) -> None:
    """A virtual environment with the packages of these locks, which are complete."""
    output_of([python(), "-m", "venv", directory])
    install: list[Part] = [directory / "bin/python", "-m", "pip", "install", "--quiet"]
    for lock in locks:
        install += ["-r", lock]
    output_of([*install, "--require-hashes", "--no-deps"], **variables)
