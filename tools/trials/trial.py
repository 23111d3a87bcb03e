"""One application: its project is made, packed without an edit, and launched."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from common.network import free_port, request

from .known import Project

#: Seconds for packing the largest.
PATIENCE = 1800


class Failed(Exception):
    """What went wrong, for a person."""


@dataclass(frozen=True)
class Outcome:
    project: Project
    #: Of the distribution that the table names.
    version: str
    #: What `onefold init` says it found and how it tests it; empty with `--package`.
    found: str
    pack_seconds: float
    bytes_out: int
    #: Milliseconds from the launch to the first right answer, or to the end of a command.
    cold: float
    warm: float


def try_project(
    project: Project, onefold: Path, work: Path, environment: dict[str, str], options: Sequence[str] = ()
) -> Outcome:
    """`work` is an empty directory, `environment` that of the packer and the program, `options` are of `onefold pack`.

    Raises:
      Failed: if anything differs from what the project says.
    """
    directory = work / (re.sub(r"\W+", "-", project.name).strip("-").lower())
    directory.mkdir()
    found = ""
    if project.package:
        what: Sequence[str] = ["--package", project.package]
    else:
        for name, text in project.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if project.prepare:
            call(project.prepare, directory, environment)
        found = call([onefold, "init"], directory, environment).stderr
        if "missing: " in found:
            raise Failed(f"init leaves something to do:\n{found}")
        what = []
    begin = time.monotonic()
    packed = call([onefold, "pack", "--json", *options, *what], directory, environment)
    seconds = time.monotonic() - begin
    summary = json.loads(packed.stdout)
    if not summary["smoke"]:
        raise Failed(f"nothing of it was tested: {summary['untested']}")
    program = directory / summary["output"]
    home = work / "home"
    home.mkdir()
    values = {"work": os.fspath(home)}
    launching = {**environment, "ONEFOLD_CACHE": os.fspath(work / "cache"), "HOME": os.fspath(home)}
    launching.update({name: value.format(port="{port}", **values) for name, value in project.environment.items()})
    times = [launch(project, program, home, launching) for _ in ("cold", "warm")]
    return Outcome(
        project, version_of(project, work / "cache"), shown(found), seconds, summary["bytes_out"], times[0], times[1]
    )


def call(
    command: Sequence[object], directory: Path, environment: dict[str, str], timeout: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [os.fspath(word) if isinstance(word, Path) else str(word) for word in command], cwd=directory, env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    if result.returncode != 0:
        shown = " ".join(map(str, command))
        raise Failed(f"{shown}: exit code {result.returncode}\n{result.stdout[-2000:]}{result.stderr[-4000:]}")
    return result


def launch(project: Project, program: Path, home: Path, environment: dict[str, str]) -> float:
    """Milliseconds to the first right answer."""
    if not project.path:
        begin = time.monotonic()
        result = subprocess.run(
            [program, *project.arguments], cwd=home, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=300,
        )  # fmt: skip
        if project.contains not in result.stdout + result.stderr:
            raise Failed(f"prints, with exit code {result.returncode}: {result.stdout}{result.stderr[-2000:]}")
        return 1000 * (time.monotonic() - begin)
    port = project.port or free_port()
    environment = {name: value.replace("{port}", str(port)) for name, value in environment.items()}
    for command in project.commands:
        call([program, *command], home, environment, timeout=300)
    arguments = [argument.format(port=port) for argument in project.arguments]
    log = home / "log"
    with log.open("wb") as output:
        begin = time.monotonic()
        server = subprocess.Popen(
            [program, *arguments], cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            answer = first_answer(server, port, project.path, 300)
            milliseconds = 1000 * (time.monotonic() - begin)
            if project.contains not in answer:
                raise Failed(f"answers {answer[:500]!r}")
            server.send_signal(signal.SIGTERM)
            server.wait(120)
        except (Failed, subprocess.TimeoutExpired) as error:
            raise Failed(f"{error}\n{log.read_text(errors='replace')[-3000:]}") from None
        finally:
            try:
                os.killpg(server.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            server.wait()
    return milliseconds


def first_answer(server: subprocess.Popen[bytes], port: int, path: str, seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise Failed(f"ended with {server.returncode} before it answered")
        try:
            answer = request(port, path)
        except OSError:
            time.sleep(0.005)
            continue
        text = answer.body.decode(errors="replace")
        if answer.status != 200:
            raise Failed(f"GET {path}: status {answer.status}: {text[:500]}")
        return text
    raise Failed(f"no answer within {seconds} s")


def version_of(project: Project, cache: Path) -> str:
    """As the unpacked tree has it."""
    name = re.sub(r"[-_.]+", "_", project.distribution)
    found = [path.name for path in cache.rglob("*.dist-info") if path.name.lower().startswith(f"{name.lower()}-")]
    return found[0].partition("-")[2].removesuffix(".dist-info") if found else ""


def shown(found: str) -> str:
    """Of what `init` says, what it found, and the test."""
    lines = [line.strip() for line in found.splitlines() if line.startswith("  ")]
    return "; ".join(lines)
