"""Packing from a spec: nothing of the user's or of the packing machine counts, and the tree stays as it is."""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from spec_support import (
    SHORT,
    SpecCase,
    application,
    library_wheel,
    pack_spec,
    unpacked,
    wheel,
)
from support import Call, in_root, needs_program, run, tree_state

SHADOWS = ("json", "helper", "sitecustomize", "usercustomize", "argparse", "_onefold_main")

LOOK = """
import json, sys
import argparse, helper
marks = sorted(n for n in sys.modules if getattr(sys.modules[n], "SHADOW", False))
print(json.dumps([marks, helper.NAME, sys.path, sys.prefix]))
"""

CHILD = """
import subprocess, sys
sys.stdout.write(subprocess.run(
    [sys.executable, *sys.argv[2:]], check=True, stdout=subprocess.PIPE, text=True).stdout)
"""


class Isolation(SpecCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.files = {"helper.py": "NAME = 'packed'\n", "look.py": LOOK}
        cls.data = [{"source": "helper.py"}, {"source": "look.py"}]
        directory = application(cls.shared / "application", cls.files, data=cls.data)
        cls.packed = pack_spec(directory)

    def setUp(self) -> None:
        super().setUp()
        #: Modules that would be found before the packed ones, wherever a user may have some.
        self.shadows = self.work / "shadows"
        user = self.work / "home" / ".local" / "lib" / f"python{SHORT}" / "site-packages"
        for place in (self.shadows, user):
            place.mkdir(parents=True)
            for name in SHADOWS:
                (place / f"{name}.py").write_text(
                    f"SHADOW = True\nNAME = 'shadow'\nopen({str(self.work / 'ran')!r}, 'a').write('{name} ')\n"
                )
        (user / "first.pth").write_text("import usercustomize\n")
        self.environment = {
            "HOME": self.work / "home",
            "PYTHONPATH": self.shadows,
            "PYTHONHOME": self.work / "no-such-home",
            "PYTHONSTARTUP": self.shadows / "helper.py",
            "PYTHONUSERBASE": self.work / "home" / ".local",
            "PYTHONPLATLIBDIR": "lib64",
            "PYTHONEXECUTABLE": self.shadows / "python",
            "PYTHONPYCACHEPREFIX": self.work / "pycache",
        }

    def assertUntouched(self, said: Any) -> None:
        tree = self.packed.tree(self.cache)
        marks, name, path, prefix = said
        self.assertEqual((marks, name, prefix), ([], "packed", os.fspath(tree)))
        for entry in path:
            self.assertTrue(entry == "" or Path(entry).is_relative_to(tree), path)
        self.assertFalse((self.work / "ran").exists())
        self.assertFalse((self.work / "pycache").exists())

    def test_nothing_of_the_user_counts(self) -> None:
        said = self.python(self.packed, LOOK, environment=self.environment, cwd=self.shadows)
        self.assertUntouched(said)
        self.assertNotIn("", said[2])

    def test_nor_for_a_child_by_sys_executable(self) -> None:
        for arguments in (["-c", LOOK], ["-m", "look"]):
            said = self.python(
                self.packed, CHILD, *arguments, environment=self.environment, cwd=self.shadows
            )
            self.assertUntouched(said)
            self.assertNotIn("", said[2])

    def test_nor_for_a_child_of_multiprocessing(self) -> None:
        code = (
            "import json, multiprocessing, runpy, sys\n"
            "with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
            '    print(json.dumps(pool.apply(eval, (\'[sorted(n for n in __import__("sys").modules'
            ' if getattr(__import__("sys").modules[n], "SHADOW", False)), __import__("helper").NAME,'
            ' __import__("sys").path, __import__("sys").prefix]\',))))\n'
        )
        said = self.python(self.packed, code, environment=self.environment, cwd=self.shadows)
        self.assertUntouched(said)

    def test_without_isolation_the_user_decides(self) -> None:
        directory = self.new_application(
            self.files, data=self.data, launch={"script": "runner.py", "isolate": False}
        )
        packed = pack_spec(directory)
        own = self.work / "own"
        own.mkdir()
        shutil.copy(self.shadows / "helper.py", own)
        said = self.python(packed, LOOK, environment={"PYTHONPATH": own})
        self.assertEqual(said[:2], [["helper"], "shadow"])
        self.assertIn(os.fspath(own), said[2])

    def test_the_tree_may_lie_under_any_path(self) -> None:
        cache = self.work / "a b" / "ü'\"$(x)"
        said = self.python(self.packed, LOOK, cache=cache)
        self.assertEqual(said[3], os.fspath(self.packed.tree(cache)))


#: What a start may open beside its own tree.
SYSTEM = re.compile(
    r"/(proc|dev|sys|etc)(/|$)"
    r"|/(usr/)?lib(64)?/([^/]+-linux-gnu/)?(ld-linux[^/]*|lib(c|m|dl|pthread|rt|util|resolv)\.so\.\d+)$"
    r"|/usr/lib/locale(/|$)|/usr/lib/([^/]+/)?gconv/|/usr/share/(locale|zoneinfo)(/|$)"
)


def opened(call: Call) -> str:
    """The path that the call opened; empty where it is below a directory that is open."""
    found = re.search(r'(AT_FDCWD, )?"((?:[^"\\]|\\.)*)"', call.arguments)
    if not found or (call.name == "openat" and not found[1]):
        return ""
    return os.path.normpath(found[2])


@needs_program("strace")
class Files(SpecCase):
    """Which files a start opens."""

    def calls(self, onefile: Any, code: str, cache: Path, *arguments: str) -> list[Call]:
        directory = self.new_directory()
        output = directory / "trace"
        prefix = ["strace", "-f", "-qq", "-s", "4096", "-e", "signal=none", "-o", output]
        prefix += ["-e", "trace=%file,%desc,execve"]
        result = run(
            [*prefix, "--", onefile.path, code, *arguments], environment={"ONEFOLD_CACHE": cache}
        )
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        pattern = re.compile(r"\d+ +(\w+)\((.*)\)\s+= (.+)")
        matches = map(pattern.match, output.read_text(errors="replace").splitlines())
        calls = [Call(*match.groups()) for match in matches if match]
        # From the interpreter's own start on.
        starts = [i for i, call in enumerate(calls) if call.name == "execve" and call.succeeded]
        return calls[starts[1] :]

    IMPORTS = (
        "import asyncio, bz2, ctypes, email, hashlib, http.server, importlib.metadata, json, logging, lzma,"
        " multiprocessing, sqlite3, ssl, subprocess, typing, unittest.mock, urllib.request, uuid, zlib\n"
        "import traced; print(traced.NAME, len(list(importlib.metadata.distributions())))"
    )

    def test_no_other_file_is_opened_and_none_written(self) -> None:
        wheel(
            "traced", {"traced/__init__.py": "from .sub import NAME", "traced/sub.py": "NAME = 1"}
        )
        directory = self.new_application(
            {"requirements.txt": "traced"}, dependencies={"requirements": ["requirements.txt"]}
        )
        packed = pack_spec(directory)
        for start in ("first", "second"):
            with self.subTest(start):
                calls = self.calls(packed, self.IMPORTS, self.cache)
                tree = packed.tree(self.cache)
                opens = [c for c in calls if c.name in ("open", "openat") and c.succeeded]
                paths = [path for path in (opened(call) for call in opens) if path]
                self.assertGreater(len(paths), 100)
                # Debian's TLS library reads /etc/ssl/openssl.cnf by a link from /usr/lib/ssl.
                others = {
                    path for path in paths
                    if not path.startswith(f"{tree}/")
                    and not SYSTEM.match(path) and not SYSTEM.match(os.path.realpath(path))
                }  # fmt: skip
                self.assertEqual(others, set())
                sources = [p for p in paths if p.endswith(".py") and "/etc/" not in p]
                self.assertEqual(sources, [])
                changes = [
                    call for call in calls
                    if call.changes_files and call.name not in ("write", "pwrite64", "writev")
                    and os.fspath(tree) in call.arguments
                ]  # fmt: skip
                self.assertEqual(changes, [])
        self.assertEqual(tree_state(tree), tree_state(unpacked(packed, self.work / "other")))


class BareRoot(SpecCase):
    """A root directory with a C library and nothing else."""

    def root(self) -> Path:
        root = self.work / "root"
        for name in ("tmp", "dev", "proc", "home"):
            (root / name).mkdir(parents=True)
        loader = "/lib64/ld-linux-x86-64.so.2"
        libraries = [loader]
        for name in ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1",
                     "libutil.so.1", "libresolv.so.2"):  # fmt: skip
            found = glob.glob(f"/lib/x86_64-linux-gnu/{name}") + glob.glob(f"/lib64/{name}")
            libraries += found[:1]
        for library in libraries:
            (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, root / library[1:])
        (root / "dev/null").touch()
        return root

    def test_it_runs_with_a_c_library_alone(self) -> None:
        borrower = library_wheel()
        directory = self.new_application(
            {"requirements.txt": f"{borrower}\n"},
            dependencies={"requirements": ["requirements.txt"]},
        )
        packed = pack_spec(directory)
        root = self.root()
        shutil.copy(packed.path, root / "app")
        modules = [name for name in MODULES if importable(name)]
        self.assertIn("ssl", modules)
        code = (
            "import json, sys, importlib\n"
            "for name in sys.argv[2:]: importlib.import_module(name)\n"
            "import ssl, sqlite3, borrower, os\n"
            "print(json.dumps([borrower.answer(), os.listdir('/'), ssl.create_default_context() is not None]))"
        )
        command = [*in_root(root, with_proc=True), "/app", code, *modules]
        result = run(command, environment={"ONEFOLD_CACHE": "/tmp/cache"})
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        answer, names, context = json.loads(result.stdout)
        self.assertEqual((answer, context), (77, True))
        self.assertNotIn("usr", names)


MODULES = (
    "ssl sqlite3 ctypes lzma bz2 zlib hashlib readline uuid _uuid curses dbm.gnu dbm.ndbm decimal"
    " pyexpat multiprocessing.synchronize _ctypes crypt unicodedata asyncio"
).split()


def importable(name: str) -> bool:
    """Whether the interpreter that was packed has the module."""
    result = run([sys.executable, "-W", "ignore", "-c", f"import {name}"])
    return result.returncode == 0
