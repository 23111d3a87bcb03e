"""Packing from a spec: distributions arrive whole, and excluded ones not at all."""

from __future__ import annotations

import os
import unittest
from pathlib import Path

from spec_support import (
    SITE,
    SpecCase,
    extension_wheel,
    library_wheel,
    line_of,
    pack_spec,
    pinned,
    project,
    unpacked,
    wheel,
)
from support import Onefile, run, succeed

IMPORT = """
import importlib, json, sys
def find(name):
    try:
        importlib.import_module(name)
        return True
    except ImportError:
        return False
print(json.dumps([find(name) for name in sys.argv[2:]]))
"""


class Arrivals(SpecCase):
    def test_wheels_and_projects_arrive_whole(self) -> None:
        """Namespace packages of two distributions, package data, a project with extras, an editable
        requirement, an extension module and a library that no other machine has."""
        wheel("space-one", {"space/one/__init__.py": "NAME = 'one'", "space/one/data.bin": b"\0\1"})
        wheel("space-two", {"space/two.py": "NAME = 'two'"})
        wheel("needed-by-extra", {"needed_by_extra.py": "NAME = 'extra'"})
        extension_wheel()
        borrower = library_wheel()
        project(
            self.work / "application" / "lib",
            "edited",
            {"edited/__init__.py": "from .sub.deep import NAME", "edited/sub/deep.py": "NAME = 'deep'",
             "edited/page.html": "page"},
            scripts=["edited-tool = edited:f"],
        )  # fmt: skip
        source = project(
            self.work / "application" / "source",
            "main-project",
            {"mainly/__init__.py": "NAME = 'main'", "mainly/data/list.txt": "list"},
            requires=["space-one", "needed-by-extra; extra == 'more'"],
            extras=["more"],
        )
        directory = self.new_application(
            {
                "requirements.txt": f"-e ./lib  # edited\n-r more/second.txt\n{borrower}\n",
                "more/second.txt": "space-two==1.0\nnative >= 1\n",
            },
            dependencies={
                "requirements": ["requirements.txt"], "project": source, "extras": ["more"],
            },
            launch={"script": "runner.py", "pyinstaller": False},
        )  # fmt: skip
        packed = pack_spec(directory, smoke=True)
        # Modules that are imported alone by the smoke test.
        self.assertEqual(packed.summary["smoke"]["imports"], 7)
        self.assertEqual(packed.summary["distributions"], 7)
        self.assertIn("libelsewhere.so.7", packed.summary["copied_libraries"])
        # The library is gone from this machine.
        place = borrower.parent.parent / "elsewhere"
        place.rename(place.with_name("hidden"))
        self.addCleanup(place.with_name("hidden").rename, place)
        code = """
import json, importlib.metadata, importlib.resources
import space.one, space.two, edited, mainly, needed_by_extra, native, borrower
print(json.dumps([
    space.one.NAME, space.two.NAME, edited.NAME, mainly.NAME, needed_by_extra.NAME,
    native.answer(), borrower.answer(), len(list(space.__path__)),
    importlib.resources.files("space.one").joinpath("data.bin").read_bytes().hex(),
    importlib.resources.files("mainly").joinpath("data/list.txt").read_text(),
    importlib.resources.files("edited").joinpath("page.html").read_text(),
    importlib.metadata.version("edited"),
]))
"""
        self.assertEqual(
            self.python(packed, code, cwd=self.work),
            ["one", "two", "deep", "main", "extra", 42, 77, 1, "0001", "list", "page", "1.0"],
        )
        tree = packed.tree(self.cache)
        self.assertTrue((tree / "lib/libelsewhere.so.7").exists())
        self.assertTrue((tree / "bin/edited-tool").exists())
        for path in (tree / SITE).glob("**/*"):
            self.assertNotEqual(path.name, "direct_url.json")
            if path.suffix == ".pth":
                self.assertNotIn(os.fsencode(directory), path.read_bytes())
        self.assertRecordsAreComplete(tree)

    def test_locked_requirements_are_installed_with_their_hashes(self) -> None:
        one = wheel("locked-one", {"locked_one.py": ""}, requires=["locked-two"])
        two = wheel("locked-two", {"locked_two.py": ""})
        directory = self.new_application(
            {"requirements.txt": pinned(one, two)},
            dependencies={"requirements": ["requirements.txt"]},
        )
        first = pack_spec(directory)
        self.assertEqual(first.summary["distributions"], 2)
        again = pack_spec(directory)
        self.assertTrue(again.summary["reused_layer"])
        self.assertEqual(again.summary["tree_id"], first.summary["tree_id"])
        # Another file behind the same name and version.
        wrong = pinned(one, two).replace("sha256:", "sha256:0000", 1)
        wrong = wrong.replace(wrong[wrong.index("0000") :].split("\n")[0][-4:] + "\n", "\n", 1)
        (directory / "requirements.txt").write_text(wrong)
        line = line_of(directory, "requirements")
        self.assertFails(directory, line, "installing the requirements failed", "HASHES")

    def test_a_locked_file_that_lacks_something_is_refused(self) -> None:
        one = wheel("lacks-one", {"lacks_one.py": ""}, requires=["lacks-two>=2"])
        wheel("lacks-two", {"lacks_two.py": ""})
        directory = self.new_application(
            {"requirements.txt": pinned(one)}, dependencies={"requirements": ["requirements.txt"]}
        )
        said = self.assertFails(directory, line_of(directory, "requirements"), "not complete")
        self.assertIn("lacks-one 1.0 requires lacks-two", said)

    def test_hashes_for_some_are_refused(self) -> None:
        one = wheel("half-one", {"half_one.py": ""})
        directory = self.new_application(
            {"requirements.txt": pinned(one) + "half-two==1\n"},
            dependencies={"requirements": ["requirements.txt"]},
        )
        line = line_of(directory, "requirements")
        self.assertFails(directory, line, "requirements.txt:2 half-two==1", "all of them hashes")

    def test_a_requirements_file_that_is_missing(self) -> None:
        directory = self.new_application(dependencies={"requirements": ["no-such.txt"]})
        self.assertFails(directory, line_of(directory, "requirements"), "no-such.txt")


class Excluded(SpecCase):
    """a needs b and d, b needs c and d."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.a = wheel("ex-a", {"ex_a.py": ""}, requires=["ex-b", "ex-d"])
        cls.b = wheel("ex-b", {"ex_b.py": ""}, requires=["ex-c", "ex-d"])
        cls.c = wheel("ex-c", {"ex_c.py": ""}, requires=["ex-e"])
        cls.d = wheel("ex-d", {"ex_d.py": ""})
        # c and e need each other.
        cls.e = wheel("ex-e", {"ex_e.py": ""}, requires=["ex-c"])

    def locked(self, style: str) -> str:
        """As pip-compile and uv write it."""
        via = [
            (self.a, ["-r requirements.in"]), (self.b, ["-c limits.txt", "ex-a"]), (self.c, ["ex-b", "ex-e"]),
            (self.d, ["ex-a", "ex-b"]), (self.e, ["ex-c"]),
        ]  # fmt: skip
        text = "# made by a resolver\n"
        for path, names in via:
            line = pinned(path).rstrip("\n").replace(" --hash", " \\\n    --hash")
            if style == "line":
                text += f"{line}  # via {', '.join(names)}\n"
            elif len(names) == 1:
                text += f"{line}\n    # via {names[0]}\n"
            else:
                text += f"{line}\n    # via\n" + "".join(f"    #   {name}\n" for name in names)
        return text

    def assertWithoutB(self, packed: Onefile) -> None:
        self.assertEqual(packed.summary["excluded"], ["ex-b", "ex-c", "ex-e"])
        modules = ("ex_a", "ex_b", "ex_c", "ex_d", "ex_e")
        self.assertEqual(self.python(packed, IMPORT, *modules), [True, False, False, True, False])

    def excluding(self, text: str, *names: str) -> Path:
        return self.new_application(
            {"requirements.txt": text},
            dependencies={"requirements": ["requirements.txt"], "exclude": list(names)},
        )

    def test_from_a_locked_file(self) -> None:
        for style in ("split", "line"):
            with self.subTest(style):
                packed = pack_spec(self.excluding(self.locked(style), "Ex_B"), smoke=True)
                self.assertWithoutB(packed)

    def test_from_names_alone(self) -> None:
        self.assertWithoutB(pack_spec(self.excluding("ex-a\n", "ex.b"), smoke=True))

    def test_from_a_list_of_versions_without_hashes(self) -> None:
        text = "\n".join(
            line.split(" --hash")[0].split(" \\")[0]
            for line in self.locked("split").splitlines()
            if "--hash" not in line
        )
        self.assertWithoutB(pack_spec(self.excluding(text + "\n", "ex-b"), smoke=True))

    def test_from_a_project(self) -> None:
        source = project(
            self.work / "source", "ex-main", {"ex_main/__init__.py": ""}, requires=["ex-a"]
        )
        directory = self.new_application(
            dependencies={"project": source, "exclude": ["ex-b", "never-heard-of"]}
        )
        self.assertWithoutB(pack_spec(directory, smoke=True))

    def test_what_is_required_by_name_as_well(self) -> None:
        for text, place in (
            ("ex-a\nex-b\n", "requirements.txt:2"),
            (self.locked("split").replace("  -c limits.txt", "  -r main.in"), "requirements.txt:5"),
        ):
            directory = self.excluding(text, "ex-b")
            self.assertFails(
                directory, line_of(directory, "exclude"), place, "'ex-b' is excluded", "remove one"
            )

    def test_the_smoke_test_shows_that_it_is_needed(self) -> None:
        wheel("ex-user", {"ex_user.py": "import ex_c\n"}, requires=["ex-c"])
        directory = self.excluding("ex-user\n", "ex-c")
        self.assertFails(directory, "ex_user (ex-user 1.0)", "No module named 'ex_c'")


@unittest.skipUnless(Path("/usr/bin/python3").exists(), "needs the system's Python")
class SystemPython(SpecCase):
    """Debian's interpreters have pip install below `local`."""

    def test_scripts_run_from_the_tree(self) -> None:
        spoken = wheel("spoken", {"spoken.py": "def main(): print('said')\n"}, scripts=["speak = spoken:main"])
        files = {"requirements.txt": pinned(spoken)}
        dependencies = {"requirements": ["requirements.txt"]}
        directory = self.new_application(files, python={"prefix": "/usr"}, dependencies=dependencies)
        packed = pack_spec(directory)
        tree = unpacked(packed, self.cache)
        self.assertEqual(succeed(run([tree / "bin/speak"])).stdout, b"said\n")
        self.assertNotIn(os.fsencode(directory), (tree / "bin/speak").read_bytes())
        [record] = tree.rglob("spoken-1.0.dist-info/RECORD")
        listed = [line.split(",")[0] for line in record.read_text().splitlines()]
        self.assertEqual(len([name for name in listed if name.endswith("bin/speak")]), 1)
        for name in listed:
            self.assertTrue((record.parent.parent / name).exists(), name)
