"""Packing from a spec: what real packages need at run time that nothing in their metadata names. Takes 27 s of CPU time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from spec_support import (
    LIBRARY,
    PREFIX,
    SHORT,
    SITE,
    SpecCase,
    application,
    compile_library,
    line_of,
    pack_spec,
    pinned,
    unpacked,
    wheel,
)
from support import scratch

#: Of PyPI, for every version of Python.
LOCK = Path(__file__).with_name("kept-requirements.txt").read_text()

COMPILES = """
import cffi, json, sys, tempfile
ffi = cffi.FFI()
ffi.set_source("_square", "static int square(int x) { return x * x; }")
ffi.cdef("int square(int);")
with tempfile.TemporaryDirectory() as directory:
    ffi.compile(tmpdir=directory)
    sys.path.insert(0, directory)
    import _square
    print(json.dumps(_square.lib.square(7)))
"""

OPENS = """
import cffi, ctypes, ctypes.util, json, os
ffi = cffi.FFI()
ffi.cdef("int named(void);")
names = "libnamed.so.1", "libstdc++.so.6"
answers = [ctypes.CDLL(names[0]).named(), ffi.dlopen(names[0]).named()]
for name in names:
    ctypes.CDLL(name)
found = [ctypes.util.find_library(name) for name in ("named", "stdc++", "nosuch")]
maps = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
root = os.environ["ONEFOLD_ROOT"] + "/lib/"
ours = sorted(path[len(root):] for path in maps if path.startswith(root) and path.count("/") == root.count("/"))
print(json.dumps([answers, found, ours]))
"""


def named_library(directory: Path) -> Path:
    """A library that needs another one, which is where only its own search path leads to."""
    deep = directory / "deep" / "libdeep.so.2"
    compile_library("int deep(void) { return 42; }", deep, "-Wl,-soname,libdeep.so.2")
    source = "int deep(void); int named(void) { return deep(); }"
    path = directory / "libnamed.so.1"
    compile_library(
        source, path, deep, "-Wl,-soname,libnamed.so.1", f"-Wl,-rpath,{deep.parent}"
    )
    return path


class Kept(SpecCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        installer = wheel("wheel", {"wheel/__init__.py": ""}, version="99")
        nobody_asks = pinned(installer) + "    # via cffi\n"
        library = named_library(scratch() / "named")
        directory = application(
            cls.shared / "application",
            {"requirements.txt": LOCK + nobody_asks},
            python={"prefix": PREFIX, "libraries": ["libstdc++.so.6", str(library)]},
            dependencies={"requirements": ["requirements.txt"]},
        )
        cls.packed = pack_spec(directory, environment={"PIP_NO_INDEX": "0"})
        cls.tree = unpacked(cls.packed, cls.shared / "cache")
        library.unlink()

    def answer(self, code: str) -> Any:
        return self.python(self.packed, code, cache=self.shared / "cache")

    def test_headers_stay_for_what_compiles(self) -> None:
        user = self.packed.summary["headers_used_by"]
        self.assertTrue(user.startswith(f"{SITE}/cffi/"), user)
        self.assertEqual(self.answer(COMPILES), 49)

    def test_installers_that_are_listed_stay(self) -> None:
        code = """
import json, warnings
warnings.simplefilter("ignore")
import pkg_resources
print(json.dumps(pkg_resources.require("cffi")[0].version))
"""
        self.assertEqual(self.answer(code), "2.0.0")
        self.assertFalse((self.tree / SITE / "wheel").exists())

    def test_the_summary_names_each_owners_losses(self) -> None:
        summary = self.packed.summary
        rows = {row["name"]: row for row in summary["pruned"]}
        self.assertGreater(rows["wheel 99"]["files"], 3)
        # Debian's interpreter has no tests.
        places = [PREFIX / LIBRARY / name for name in ("ensurepip", "idlelib", "test")]
        sources = [path for place in places for path in place.rglob("*.py")]
        self.assertGreater(len(sources), 0)
        self.assertGreaterEqual(rows[f"python {SHORT}"]["files"], len(sources))
        for key in ("files", "bytes"):
            self.assertEqual(sum(row[key] for row in rows.values()), summary[f"pruned_{key}"])

    def test_libraries_are_opened_by_name(self) -> None:
        answers, found, ours = self.answer(OPENS)
        self.assertEqual(answers, [42, 42])
        self.assertEqual(found, ["libnamed.so.1", "libstdc++.so.6", None])
        self.assertLessEqual({"libdeep.so.2", "libnamed.so.1", "libstdc++.so.6"}, set(ours))
        self.assertIn("libdeep.so.2", self.packed.summary["copied_libraries"])


class BadLibraries(SpecCase):
    def assertLibraryFails(self, library: str, message: str, **running: Any) -> None:
        directory = self.new_application(
            {"text.so": "no library\n"}, python={"prefix": PREFIX, "libraries": [library]}
        )
        place = line_of(directory, "libraries")
        self.assertFails(directory, f"{place}'python.libraries': {message}", **running)

    def test_messages(self) -> None:
        self.assertLibraryFails(
            "libnosuch.so.1",
            "there is no library 'libnosuch.so.1' on this machine: install its package, or give the library's path",
        )
        self.assertLibraryFails(
            "libc.so.6", "'libc.so.6' belongs to glibc, which is the target system's: remove it"
        )
        # What Debian's lists of packages know.
        lists = self.work / "bin" / "apt-cache"
        lists.parent.mkdir()
        lists.write_text("#!/bin/sh\necho libnosuch-2-1t64\necho libnosuch-2-10\n")
        lists.chmod(0o755)
        self.assertLibraryFails(
            "libnosuch_2.so.1",
            "there is no library 'libnosuch_2.so.1' on this machine: apt-get install libnosuch-2-1t64, "
            "or give the library's path",
            environment={"PATH": f"{lists.parent}:{os.environ['PATH']}"},
        )
        text = self.work / "application" / "text.so"
        self.assertLibraryFails(
            str(text), f"'{text}' is not a shared library for x86_64-linux: name another file"
        )
