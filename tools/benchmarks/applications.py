"""The Python servers that several tools make one file of, and how they are started."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator, Optional, Sequence

from .running import (
    Failure,
    Part,
    REPOSITORY,
    Run,
    Unavailable,
    WORK,
    check,
    free_port,
    last_line,
    output_of,
    say,
    spawn,
)

HEALTH_SECONDS = 60
POLL_SECONDS = 0.002
STOP_SECONDS = 15
PYTHON_VERSION = "3.11"

# Not of the server's business, but how this machine reaches an index.
REACHING_AN_INDEX = re.compile(
    r"(PIP|UV|SSL_CERT)_|REQUESTS_CA_BUNDLE$|(HTTPS?|ALL|NO)_PROXY$", re.IGNORECASE
)


@dataclass
class Application:
    """A directory of docs/examples with a spec."""

    name: str
    title: str
    entry: str  # module:function
    serve: list[str]  # arguments; {port} is replaced
    files: list[str] = field(default_factory=list)  # of its own
    script: Optional[str] = None  # else a console script of its name
    variables: dict[str, str] = field(default_factory=dict)
    small: bool = False
    collected: list[str] = field(default_factory=list)  # PyInstaller's --collect-all
    excluded: list[str] = field(default_factory=list)  # PyInstaller's --exclude-module

    @property
    def directory(self) -> Path:
        return REPOSITORY / "docs" / "examples" / self.name

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
        lists = [self.requirements]
        lists += [self.build_requirements] if self.build_requirements.exists() else []
        made_of = "".join(path.read_text() for path in lists)
        directory = WORK / "wheels" / self.name
        stamp = directory / "made-of"
        if not stamp.exists() or stamp.read_text() != made_of:
            say(f"downloading the wheels of {self.name}")
            shutil.rmtree(directory, ignore_errors=True)
            download: list[Part] = [python(), "-m", "pip", "download", "--quiet"]
            download += ["--require-hashes", "--only-binary", ":all:", "--no-deps"]
            download += ["-d", directory]
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
    excluded=["pip", "pytest", "setuptools", "tkinter"],
)

# docs/guides/cachibot.md tells how it came to these options of PyInstaller.
CACHIBOT = Application(
    name="cachibot",
    title="CachiBot",
    entry="cachibot.cli:app",
    serve=["server", "--host", "127.0.0.1", "--port", "{port}"],
    variables={"CACHIBOT_TELEMETRY_DISABLED": "1", "CACHIBOT_DESKTOP": "true"},
    collected=["cachibot", "prompture", "tukuy", "pymupdf", "pymupdf4llm", "tzdata"],
    excluded=[
        *["torch", "torchvision", "scipy", "playwright", "gunicorn", "pytest", "pip"],
        *["setuptools", "tkinter"],
    ],
)

HEAVY = Application(
    name="heavy",
    title="heavy engine",
    entry="server:main",
    serve=["--port", "{port}"],
    files=["server.py", "VERSION"],
    script="server.py",
)


def index_variables() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if REACHING_AN_INDEX.match(name)
    }


def python() -> Path:
    """The interpreter that everything is made with: the one that a spec with that version finds."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [
        path for path in root.glob(f"{PYTHON_VERSION}.*/bin/python{PYTHON_VERSION}")
    ]
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


# Starting them


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def stop(pid: int) -> None:
    """Ends a process and those that it started, and waits until all are gone."""
    ended = False
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            ended = ended or os.waitpid(pid, os.WNOHANG)[0] == pid
            if ended and not group_lives(pid):
                return
            time.sleep(POLL_SECONDS)
    raise Failure(f"process {pid} can't be ended")


@contextlib.contextmanager
def started(command: Sequence[Part], variables: dict[str, Part]) -> Iterator[tuple]:
    """A process in a group of its own, and the file that it writes to; both gone afterwards."""
    with tempfile.TemporaryFile("w+") as output:
        number = output.fileno()
        pid = spawn(command, variables, number, number, own_group=True)
        try:
            yield pid, output
        finally:
            stop(pid)


def until_health(
    application: Application, command: Sequence[Part], variables: dict[str, Part]
) -> Run:
    """From spawning a server until it has answered a health request."""
    port = free_port()
    arguments = [argument.format(port=port) for argument in application.serve]
    start = time.perf_counter_ns()
    with started([*command, *arguments], variables) as (pid, output):
        deadline = time.monotonic() + HEALTH_SECONDS
        while not (listens(port) and answers("127.0.0.1", port)):
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended or time.monotonic() > deadline:
                output.seek(0)
                check(command, ended.si_status if ended else 1, output.read())
                raise Failure(f"{command[0]} ended, or did not answer")
            time.sleep(POLL_SECONDS)
        end = time.perf_counter_ns()
    return Run((end - start) / 1e6)
