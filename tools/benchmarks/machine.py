"""The machine that is measured on, and the programs that are compared."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Optional, Sequence

from .applications import FASTAPI
from .contenders import pyinstaller_venv
from .running import EXAMPLES, Failure, Part, REPORT, REPOSITORY, WORK, output_of
from .trees import Workshop

NUMBER = r"(\d+(?:\.\d+)+)"
SAME_MACHINE = ("processors", "memory", "distribution")


def first_match(pattern: str, command: Sequence[Part]) -> Optional[str]:
    try:
        found = re.search(pattern, output_of(command))
    except (Failure, OSError):
        found = None
    return found[1] if found else None


def processor_name() -> str:
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    virtual = re.search(r"^flags.*\bhypervisor\b", text, re.MULTILINE)
    guest = ", virtual machine" if virtual else ""
    return f"{len(os.sched_getaffinity(0))} × {name[1] if name else platform.machine()}{guest}"


def distribution() -> str:
    text = Path("/etc/os-release").read_text()
    name = re.search(r'^PRETTY_NAME="?(.*?)"?$', text, re.MULTILINE)
    return name[1] if name else "unknown"


def onefold_version(workshop: Workshop) -> str:
    number = first_match(NUMBER, [workshop.program, "--version"])
    written = [REPORT, REPORT.with_suffix("")]
    return f"Onefold {number or 'of no version'} ({commit_without(written)})"


def commit_without(written: Sequence[Path]) -> str:
    """The commit that is checked out, and whether more was changed than the paths in `written`: a
    report that is being written is no change of what it tells of."""
    git: list[Part] = ["git", "-C", REPOSITORY]
    commit = first_match("(.+)", [*git, "describe", "--always"])
    others = ["--", ":/", *(f":/!{path.relative_to(REPOSITORY)}" for path in written)]
    state = [*git, "status", "--porcelain", "--untracked-files=no", *others]
    if commit and first_match("(.)", state):
        commit += ", with changes"
    return commit or "no commit"


def facts_of_machine() -> dict[str, str]:
    """What is not there is left out."""
    python = pyinstaller_venv(FASTAPI) / "bin" / "python"
    node = EXAMPLES / "node-server" / "tree" / "bin" / "node"
    tools = WORK / "tools" / "bin"
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    facts = {
        "processors": processor_name(),
        "memory": f"{pages / (1 << 30):.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "distribution": distribution(),
        "Swift": first_match(rf"Swift version {NUMBER}", ["swift", "--version"]),
        "zstd (the program)": first_match(NUMBER, ["zstd", "--version"]),
        "makeself": first_match(NUMBER, ["makeself", "--version"]),
        "tar": first_match(NUMBER, ["tar", "--version"]),
        "cp": first_match(NUMBER, ["cp", "--version"]),
        "Python of the FastAPI server": first_match(NUMBER, [python, "--version"]),
        "PyInstaller": first_match(NUMBER, [python, "-m", "PyInstaller", "--version"]),
        "Nuitka": first_match(NUMBER, [tools / "python", "-m", "nuitka", "--version"]),
        "pex": first_match(NUMBER, [tools / "pex", "--version"]),
        "shiv": first_match(NUMBER, [tools / "shiv", "--version"]),
        "uv": first_match(NUMBER, [tools / "uv", "--version"]),
        "Node.js": first_match(NUMBER, [node, "--version"]),
    }
    return {name: fact for name, fact in facts.items() if fact is not None}
