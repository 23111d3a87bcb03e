"""Packages of PyPI that tests use as tools, fetched once a run, as requirements.txt pins them."""

from __future__ import annotations

import functools
import subprocess
import sys
import unittest
from pathlib import Path

from support import scratch

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
