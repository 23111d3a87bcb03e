"""The Python servers that several tools make one file of; the interpreter and wheels for them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from common.basics import REPOSITORY, Failure, Unavailable, index_variables

from .running import WORK, Part, last_line, output_of, say

PYTHON_VERSION = "3.11"
EXAMPLE_SOURCES = REPOSITORY / "docs" / "examples"


@dataclass(eq=False)
class Application:
    """A directory of docs/examples with a spec."""

    name: str
    title: str
    entry: str  # module:function
    serve: list[str]  # arguments; `onefold bench` replaces {port}
    files: list[str] = field(default_factory=list)  # of its own
    script: Optional[str] = None  # else a console script of its name
    variables: dict[str, Part] = field(default_factory=dict)
    small: bool = False
    pyinstaller: list[str] = field(default_factory=list)  # its options

    @property
    def directory(self) -> Path:
        return EXAMPLE_SOURCES / self.name

    @property
    def requirements(self) -> Path:
        return self.directory / "requirements.txt"

    @property
    def build_requirements(self) -> Path:
        """What PyInstaller needs."""
        return self.directory / "build-requirements.txt"

    @property
    def wheels(self) -> Path:
        """A directory with all wheels that any tool installs, downloaded once."""
        lists = [path for path in (self.requirements, self.build_requirements) if path.exists()]
        made_of = "".join(path.read_text() for path in lists)
        directory = WORK / "wheels" / self.name
        stamp = directory / "made-of"
        if not stamp.exists() or stamp.read_text() != made_of:
            say(f"downloading the wheels of {self.name}")
            shutil.rmtree(directory, ignore_errors=True)
            download: list[Part] = [python(), "-m", "pip", "download", "--quiet", "-d", directory]
            download += ["--require-hashes", "--only-binary", ":all:", "--no-deps"]
            for path in lists:
                download += ["-r", path]
            try:
                output_of(download, **index_variables())
            except Failure as failure:
                reason = f"the wheels of {self.name} can't be downloaded"
                raise Unavailable(f"{reason}: {last_line(failure)}") from failure
            stamp.write_text(made_of)
        return directory

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
    entry="server:main",
    serve=["--port", "{port}"],
    files=["server.py", "static"],
    script="server.py",
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
    entry="cachibot.cli:app",
    serve=["server", "--host", "127.0.0.1", "--port", "{port}"],
    variables={"CACHIBOT_TELEMETRY_DISABLED": "1", "CACHIBOT_DESKTOP": "true"},
    pyinstaller=[f"--collect-all={name}" for name in CACHIBOT_COLLECTED.split()]
    + [f"--exclude-module={name}" for name in CACHIBOT_EXCLUDED.split()],
)

HEAVY = Application(
    name="heavy",
    title="heavy engine",
    entry="server:main",
    serve=["--port", "{port}"],
    files=["server.py", "VERSION"],
    script="server.py",
)


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


def make_venv(directory: Path, *requirements: Path, **variables: Part) -> Path:
    """A new virtual environment with these packages; its directory of programs."""
    shutil.rmtree(directory, ignore_errors=True)
    output_of([python(), "-m", "venv", directory])
    programs = directory / "bin"
    install: list[Part] = [programs / "python", "-m", "pip", "install", "--quiet"]
    for path in requirements:
        install += ["-r", path]
    # The locks are complete.
    output_of([*install, "--require-hashes", "--no-deps"], **variables)
    return programs
