"""The machine that is measured on, and the programs that are compared."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Optional, Sequence

from common.basics import REPOSITORY, Failure
from common.documents import commit_without

from .applications import FASTAPI
from .contenders import TOOLS
from .running import REPORT, WORK, Part, output_of
from .workshop import Workshop

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


def onefold_version(workshop: Workshop) -> str:
    number = first_match(NUMBER, [workshop.program, "--version"])
    written = [REPORT, REPORT.with_suffix("")]
    return f"Onefold {number or 'of no version'} ({commit_without(written)})"


def facts_of_machine() -> dict[str, str]:
    """Programs that are not there are left out."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    facts = {
        "processors": processor_name(),
        "memory": f"{pages / (1 << 30):.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "distribution": platform.freedesktop_os_release()["PRETTY_NAME"],
        "Swift": first_match(rf"Swift version {NUMBER}", ["swift", "--version"]),
    }
    python = WORK / "made" / f"{FASTAPI.name}-pyinstaller" / "venv/bin/python"
    programs: dict[str, list[Part]] = {
        "zstd (the program)": ["zstd"],
        "makeself": ["makeself"],
        "tar": ["tar"],
        "cp": ["cp"],
        "Python of the FastAPI server": [python],
        "PyInstaller": [python, "-m", "PyInstaller"],
        "Nuitka": [TOOLS / "bin/python", "-m", "nuitka"],
        "pex": [TOOLS / "bin/pex"],
        "shiv": [TOOLS / "bin/shiv"],
        "uv": [TOOLS / "bin/uv"],
        "Node.js": [REPOSITORY / ".build/examples/node-server/tree/bin/node"],
    }
    facts |= {name: first_match(NUMBER, [*it, "--version"]) for name, it in programs.items()}
    return {name: fact for name, fact in facts.items() if fact is not None}
