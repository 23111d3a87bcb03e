"""Packages of PyPI that tests use as tools: modules, as requirements.txt pins them, and environments of their own."""

from __future__ import annotations

import functools
import subprocess
import sys
import unittest
import venv
from pathlib import Path
from typing import Optional

from support import REPOSITORY, scratch

sys.path.insert(0, str(REPOSITORY / "tools"))

from common.basics import locked  # noqa: E402

LOCK = Path(__file__).with_name("requirements.txt")


@functools.lru_cache(maxsize=None)
def tool_packages() -> Path:
    """The directory that holds them, which is on the path of modules afterwards."""
    target = scratch() / "tool-packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--only-binary", ":all:", "--target", target, "-r", LOCK]
    result = subprocess.run(command, stderr=subprocess.PIPE, timeout=300)
    if result.returncode != 0:
        raise unittest.SkipTest("needs packages of PyPI, which can't be fetched here")
    sys.path.append(str(target))
    return target


@functools.lru_cache(maxsize=None)
def tool_environment(name: str, requirements: Optional[Path] = None) -> Path:
    """The directory of programs in the environment that NAME-requirements.txt pins, or another file. It is kept in .build for
    the next run."""
    requirements = requirements or Path(__file__).with_name(f"{name}-requirements.txt")
    directory = REPOSITORY / ".build" / f"{name}-tools"
    wanted = f"{sys.version}\n{requirements.read_text()}"
    marker = directory / "installed"
    directory.parent.mkdir(exist_ok=True)
    # Classes run at the same time, each in a process of its own.
    with locked(directory.parent / f".{name}-tools.lock", print):
        if not marker.is_file() or marker.read_text() != wanted:
            venv.EnvBuilder(clear=True, with_pip=True).create(directory)
            install = [directory / "bin" / "python", "-m", "pip", "install", "-q", "-r", requirements]
            subprocess.run(install, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
            marker.write_text(wanted)
    return directory / "bin"
