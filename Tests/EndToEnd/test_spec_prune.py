"""Packing from a spec: what is pruned, what is not, and byte code."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from spec_support import (
    LIBRARY,
    SITE,
    TAG,
    SpecCase,
    application,
    extension_wheel,
    pack_spec,
    paths,
    unpacked,
    wheel,
)
from support import run, succeed

THINGS = {
    "things/__init__.py": "import things.plain\ndef fail():\n    raise ValueError('here')\n",
    "things/plain.py": "NAME = 'plain'\n",
    "things/tests/__init__.py": "",
    "things/tests/data.json": "{}",
    "things/tests/test_things.py": "import things\n",
    "things/include/things.h": "",
    "things/include/deep/things.hpp": "",
    "things/libthings.a": "!<arch>\n",
    "things/libthings.la": "",
    "things/readme.txt": "",
    # Byte code of others: of an older interpreter, and stale of this one.
    "things/__pycache__/plain.cpython-27.pyc": "old",
    f"things/__pycache__/plain.{TAG}.pyc": "stale",
    "things/plain.pyc": "of Python 2",
    "things/bad.py": "print 'of Python 2'\n",
    # Tests that the package itself imports.
    "helped/__init__.py": "from .tests import helper\nNAME = helper.NAME\n",
    "helped/tests/__init__.py": "",
    "helped/tests/helper.py": "NAME = 'helped'\n",
    "helped/tests/test_helped.py": "",
    # A package for those who write tests.
    "framework/__init__.py": "",
    "framework/test/__init__.py": "",
    "framework/test/client.py": "NAME = 'client'\n",
    # A single test module at the top level belongs to no directory of tests.
    "conftest.py": "",
}


class Prune(SpecCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        wheel("things", THINGS)
        wheel(
            "setuptools",
            {"setuptools/__init__.py": "", "pkg_resources/__init__.py": ""},
            version="99",
        )
        wheel("wheel", {"wheel/__init__.py": ""}, version="99")
        extension_wheel()
        cls.everything = cls.tree_of("defaults")

    @classmethod
    def tree_of(cls, name: str, requirements: str = "things\nnative\nsetuptools\nwheel\n",
                files: Any = None, **prune: Any) -> Path:  # fmt: skip
        """The unpacked tree of an application with these switches."""
        directory = application(
            cls.shared / name,
            {"requirements.txt": requirements, **(files or {})},
            dependencies={"requirements": ["requirements.txt"]},
            prune={key.replace("_", "-"): value for key, value in prune.items()},
        )
        cls.packed = pack_spec(
            directory,
            environment={"ONEFOLD_PACK_CACHE": cls.shared / "pack-cache"},
        )
        return unpacked(cls.packed, cls.shared / "cache")

    #: What each switch is about: a pattern of paths, and some that must be among them. The unit tests of
    #: `Pruner` turn the switches one by one.
    RULES = {
        "installers": (
            rf"{LIBRARY}/ensurepip/.*", [f"{LIBRARY}/ensurepip/__init__.py"],
        ),
        "tests": (
            rf"{SITE}/things/tests/.*|{LIBRARY}/(.*/)?(test|tests|idle_test)/.*"
            rf"|{LIBRARY}/lib-dynload/(_?xx|_test|_ctypes_test).*",
            [f"{SITE}/things/tests/__init__.py", f"{SITE}/things/tests/data.json",
             f"{SITE}/things/tests/test_things.py", f"{LIBRARY}/test/regrtest.py"],
        ),
        "headers": (
            rf"(?!{SITE})(include/.*|.*\.(h|hpp|pc))", [],
        ),
        "static-libraries": (
            rf".*\.l?a|{LIBRARY}/config-[^/]*/.*",
            [f"{SITE}/things/libthings.a", f"{SITE}/things/libthings.la"],
        ),
        "idle": (
            rf"{LIBRARY}/(idlelib|turtledemo|pydoc_data)/.*", [f"{LIBRARY}/idlelib/run.py"],
        ),
        "tkinter": (
            rf"{LIBRARY}/(tkinter/.*|turtle\.py|lib-dynload/_tkinter\..*)"
            r"|lib/(lib)?(tcl|tk)[0-9].*|lib/lib[^/]*\.so[^/]*",
            [f"{LIBRARY}/tkinter/__init__.py", f"{LIBRARY}/turtle.py"],
        ),
    }  # fmt: skip

    def test_switches(self) -> None:
        switches = {name.replace("-", "_"): False for name in self.RULES}
        tree = self.tree_of("everything", debug_symbols=False, **switches)
        before, after = paths(self.everything), paths(tree)
        self.assertEqual(before - after, set())
        gained = {path for path in after - before if not path.endswith(".pyc")}
        # More libraries bring the copyright files of their packages.
        gained = {path for path in gained if not path.startswith(".onefold/licenses/")}
        for pattern, needed in self.RULES.values():
            matched = {path for path in gained if re.fullmatch(pattern, path)}
            for path in needed:
                if path.startswith(SITE) or self.in_library(path[len(LIBRARY) + 1 :]):
                    self.assertIn(path, matched)
            gained -= matched
        self.assertEqual(gained, set())
        for found, expected in (before, False), (after, True):
            self.assertEqual(any(path.endswith("/Python.h") for path in found), expected)
        self.assertIn(f"{SITE}/things/include/deep/things.hpp", before)
        sections = [self.sections_of_native(one) for one in (self.everything, tree)]
        self.assertNotIn(b".debug_info", sections[0])
        self.assertIn(b".debug_info", sections[1])

    def sections_of_native(self, tree: Path) -> bytes:
        library = next((tree / SITE / "native").glob("*.so"))
        return succeed(run(["readelf", "-SW", library])).stdout

    def in_library(self, path: str) -> bool:
        return (Path(os.__file__).parent / path).exists()

    def test_installers_that_are_listed_stay(self) -> None:
        for name in ("setuptools", "pkg_resources", "wheel"):
            self.assertTrue((self.everything / SITE / name / "__init__.py").exists(), name)

    def test_tests_that_are_used_stay(self) -> None:
        for path in ("helped/tests/helper.py", "framework/test/client.py", "conftest.py"):
            self.assertTrue((self.everything / SITE / path).exists(), path)

    def test_tkinter_stays_for_a_module_that_a_source_imports(self) -> None:
        if not self.in_library("tkinter/__init__.py"):
            self.skipTest("needs an interpreter with tkinter")
        wheel("shown", {"shown/__init__.py": "", "shown/window.py": "import tkinter\n"})
        runner = "import sys\nif sys.argv[1:] == ['window']:\n    from shown import window\n"
        tree = self.tree_of("window", "shown\n", files={"runner.py": runner})
        self.assertTrue((tree / LIBRARY / "tkinter/__init__.py").exists())
        # Without the scripts that the machine may have: Tcl also looks beside the interpreter.
        scripts = list((tree / "lib").glob("tcl[0-9].[0-9]/init.tcl"))
        self.assertEqual(len(scripts), 1)
        self.assertFalse((self.everything / LIBRARY / "tkinter").exists())

    # Patterns

    def test_keep_wins_over_every_rule(self) -> None:
        tree = self.tree_of(
            "keep",
            remove=["**/*.txt", "lib/python*/email", f"{SITE}/framework/*/client.py"],
            keep=[f"{SITE}/things/tests", "**/things/readme.txt", "**/libthings.?a",
                  "lib/python*/email/message.py"],
        )  # fmt: skip
        found = paths(tree)
        for path in ("things/tests/test_things.py", "things/tests/data.json", "things/readme.txt",
                     "things/libthings.la"):  # fmt: skip
            self.assertIn(f"{SITE}/{path}", found)
        for path in (
            "things/libthings.a",
            "framework/test/client.py",
            "things-1.0.dist-info/entry_points.txt",
            "native-1.0.dist-info/top_level.txt",
        ):
            self.assertNotIn(f"{SITE}/{path}", found)
        email = {path for path in found if path.startswith(f"{LIBRARY}/email/")}
        self.assertEqual(
            email,
            {f"{LIBRARY}/email/message.py", f"{LIBRARY}/email/__pycache__/message.{TAG}.pyc"},
        )

    def test_installers_may_be_removed(self) -> None:
        """Installers and the packer itself need modules that the application may not."""
        library = ["csv.py", "email", "html", "urllib", "xmlrpc", "zipfile*", "py_compile.py"]
        tree = self.tree_of("bare", "things\n", remove=[f"{LIBRARY}/{name}" for name in library])
        for name in library:
            self.assertEqual(list((tree / LIBRARY).glob(name)), [])
        self.assertEqual(self.python(self.packed, "import things; print(1)"), 1)

    def test_removal_leaves_no_empty_directory(self) -> None:
        for directory, names, files in os.walk(self.everything):
            self.assertTrue(names or files, directory)

    # Byte code

    def test_byte_code_is_of_this_interpreter_and_unchecked(self) -> None:
        found = paths(self.everything)
        code = {path for path in found if path.endswith(".pyc")}
        self.assertEqual({path for path in code if not path.endswith(f".{TAG}.pyc")}, set())
        sources = {path for path in found if path.endswith(".py")}
        compiled = set()
        for path in code:
            directory, _, name = path.rpartition("/__pycache__/")
            compiled.add(f"{directory}/{name[: -len(f'.{TAG}.pyc')]}.py")
        self.assertEqual(compiled - sources, set())
        self.assertEqual(sources - compiled, {f"{SITE}/things/bad.py"})
        magic = __import__("importlib.util").util.MAGIC_NUMBER
        for path in code:
            head = (self.everything / path).read_bytes()[:16]
            self.assertEqual(head[:8], magic + b"\1\0\0\0", path)

    def test_sources_without_byte_code_are_reported(self) -> None:
        self.tree_of("told", "things\n")
        warnings = [w for w in self.packed.summary["warnings"] if " without byte code (not valid for Python" in w]
        self.assertEqual(len(warnings), 1)
        self.assertIn(f"{SITE}/things/bad.py", warnings[0])

    def test_records_are_those_of_the_tree(self) -> None:
        self.assertRecordsAreComplete(self.everything)

    def test_sources_are_dropped(self) -> None:
        fail = (
            "import things\ndef run():\n    things.fail()\nif __name__ == '__main__':\n    run()\n"
        )
        tree = self.tree_of("dropped", "things\nnative\n", {"runner.py": fail}, sources="drop")
        packed = self.packed
        found = paths(tree)
        self.assertEqual(
            {path for path in found if path.endswith(".py")}, {f"{SITE}/things/bad.py"}
        )
        self.assertEqual({path for path in found if "__pycache__" in path}, set())
        result = packed.launch(cache=self.cache)
        self.assertEqual((result.returncode, result.stdout), (1, b""))
        said = result.stderr.decode()
        self.assertRegex(said, r'File ".*runner\.py", line 3, in run\n')
        self.assertRegex(said, r'File ".*things/__init__\.py", line 3, in fail\n')
        self.assertTrue(said.endswith("ValueError: here\n"), said)
        self.assertRecordsAreComplete(tree)
        before = sum(path.stat().st_size for path in self.everything.rglob("*.py"))
        self.assertGreater(before, 0)

    def test_dropped_sources_run_in_every_way(self) -> None:
        files = {
            "tool.py": "import sys\ndef main():\n    print('ran', __name__)\nif __name__ == '__main__':\n    main()\n"
        }
        for launch in ({"script": "tool.py"}, {"function": "tool:main"}, {"module": "tool"}):
            directory = self.new_application(
                files, data=[{"source": "tool.py"}], launch=launch, prune={"sources": "drop"}
            )
            result = pack_spec(directory).launch(cache=self.cache)
            self.assertSucceeded(result)
            self.assertRegex(result.stdout, rb"\Aran (__main__|tool)\n\Z")
