"""Packing without a spec: a package of an index, and a script with inline metadata."""

from __future__ import annotations

import json
import os
from typing import Mapping, Optional

from spec_support import PREFIX, SHORT, Files, SpecCase, pack_environment, paths, wheel, write_files
from support import Onefile, Result, StrPath, onefold, scratch, succeed

MAIN = """
import json, os, sys
from plain import ANSWER

def main():
    if "--help" in sys.argv:
        print("usage: tool")
        return
    print(json.dumps({"arguments": sys.argv[1:], "answer": ANSWER, "name": os.environ["ONEFOLD_APP_NAME"],
                      "version": os.environ["ONEFOLD_APP_VERSION"], "mark": os.environ.get("MARK")}))
"""


def make_wheels() -> None:
    """Distributions with one command, with several, with a program, and with none."""
    wheel("plain", {"plain.py": "ANSWER = 42\n"})
    scripts = ["my-tool = mytool.cli:main", "other = mytool.cli:main", "third = mytool.cli:main"]
    files = {"mytool/__init__.py": "", "mytool/cli.py": MAIN}
    wheel("my_tool", files, version="1.0", requires=["plain"], scripts=scripts)
    more = ["plain", "loud; extra == 'loud'"]
    wheel("my_tool", files, version="1.5", requires=more, extras=["loud"], scripts=scripts)
    wheel("loud", {"loud.py": "LOUD = True\n"}, scripts=["shout = loud:main"])
    wheel("several", {"several.py": ""}, scripts=["one = several:main", "two = several:main"])
    program = {"prog.py": "", "prog-1.0.data/scripts/run-it": "#!/bin/sh\necho it runs \"$@\"\n"}
    wheel("prog", program, executables=["prog-1.0.data/scripts/run-it"])


class WithoutSpec(SpecCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        make_wheels()

    def setUp(self) -> None:
        super().setUp()
        self.place = self.work / "place"
        self.place.mkdir()

    def pack(
        self,
        *arguments: StrPath,
        level: bool = True,
        environment: Optional[Mapping[str, StrPath]] = None,
    ) -> Result:
        options: list[StrPath] = ["--level", "1"] if level else []
        variables = pack_environment(environment)
        if "--python" not in arguments and "--package" in arguments:
            options += ["--python", PREFIX]
        return onefold("pack", *arguments, *options, environment=variables, cwd=self.place)

    def assertRefused(self, *arguments: StrPath, message: str) -> str:
        """Status 1, nothing on stdout, one message that holds this, and nothing left."""
        before = paths(self.place)
        temporary = self.work / "temporary"
        temporary.mkdir(exist_ok=True)
        result = self.pack(*arguments, environment={"TMPDIR": temporary})
        said = result.stderr.decode()
        self.assertEqual((result.returncode, result.stdout), (1, b""), said)
        self.assertIn(message, said)
        self.assertEqual(said.count("onefold pack: ") - said.count("onefold pack: looking at"), 1, said)
        self.assertEqual((paths(self.place), paths(temporary)), (before, set()))
        return said


class Packages(WithoutSpec):
    """12 s."""

    def test_a_package_and_the_spec_that_it_stands_for(self) -> None:
        options = ["--package", "my.tool[loud]<2", "--package", "loud", "--python", PREFIX]
        options += ["--env", "MARK={root}", "--keep", "3", "--level", "1"]
        rest = ["--", "first"]
        result = succeed(self.pack("--json", *options, *rest, level=False))
        summary = json.loads(result.stdout)
        self.assertEqual((summary["output"], summary["version"]), ("my-tool", "1.5"))
        self.assertEqual(summary["smoke"]["commands"], 1)
        self.assertEqual(paths(self.place), {"my-tool"})
        packed = Onefile(self.place / "my-tool", summary)
        said = json.loads(succeed(packed.launch("a", "b", cache=self.cache)).stdout)
        expected = {"arguments": ["first", "a", "b"], "answer": 42, "name": "my-tool", "version": "1.5"}
        self.assertEqual(said, {**expected, "mark": os.fspath(packed.tree(self.cache))})

        printed = succeed(self.pack("--print-spec", *options, *rest, level=False)).stdout
        self.assertIn(b'packages = ["my.tool[loud]==1.5", "loud"]\n', printed)
        self.assertIn(b"# Each build chooses the versions of dependencies again, except those", printed)
        saved = self.work / "saved"
        write_files(saved, {"onefold.toml": printed})
        again = succeed(onefold("pack", "--no-smoke", environment=pack_environment(), cwd=saved))
        self.assertIn(b"\n  not locked: each build chooses the versions of dependencies anew\n", again.stderr)
        self.assertEqual((saved / "my-tool").read_bytes(), (self.place / "my-tool").read_bytes())

    def test_the_command_is_chosen(self) -> None:
        marked = "loud==1.0; python_version > '3'"
        for arguments, lines in (
            (["several", "--command", "two"], 'packages = ["several==1.0"]\n\n[launch]\nfunction = "several:main"\n'),
            (["plain", "--package", "loud", "--command", "shout"], 'function = "loud:main"\n'),
            ([marked], f'packages = ["{marked}"]\n'),
            (["prog"], 'packages = ["prog==1.0"]\n\n[launch]\nexecutable = "bin/run-it"\n'),
        ):
            printed = succeed(self.pack("--package", *arguments, "--print-spec")).stdout.decode()
            self.assertIn(lines, printed)
            self.assertIn('\n[[smoke.command]]\narguments = ["--help"]\n', printed)
        self.assertEqual(paths(self.place), set())

    def test_an_error_is_one_message(self) -> None:
        package = "option '--package': "
        for arguments, message in (
            (["plain"], package + "plain has no command: add the package that has one"),
            (["several"], package + "several has several commands: name one with --command: one, two\n"),
            (["several", "--command", "three"], "'three' in several; there are: one, two\n"),
            (["no-such-package-at-all"], package + "looking for 'no-such-package-at-all' failed ("),
            (["./my_tool"], "needs a requirement such as datasette==0.65.1, not './my_tool'"),
            (["-r x"], "needs a requirement such as datasette==0.65.1, not '-r x'"),
            (["my_tool; python_version < '3'"], "means nothing here, because its marker is not true"),
            (["my_tool", "--python", "/nowhere"], "option '--python': '/nowhere' does not exist"),
            (["my_tool", "--python", "3.99"], "there is no Python 3.99 on this machine"),
            (["my_tool", "--max-glibc", "old"], package + "'python.max-glibc' must be such as 2.31"),
        ):
            with self.subTest(arguments):
                self.assertRefused("--package", *arguments, message=message)


SCRIPT = """\
# /// script
# requires-python = ">=3.8"
# dependencies = [
#   "plain",
#   "loud; python_version < '3'",
# ]
# ///
import sys
import plain

print(plain.ANSWER, *sys.argv[1:])
"""


class Scripts(WithoutSpec):
    """10 s."""

    def write(self, files: Files) -> None:
        write_files(self.place, files)

    def test_a_script_and_the_spec_that_it_stands_for(self) -> None:
        self.write({"deep/app.py": SCRIPT})
        options = ["deep/app.py", "--python", PREFIX, "--level", "1"]
        summary = json.loads(succeed(self.pack("--json", *options, level=False)).stdout)
        self.assertEqual((summary["output"], summary["distributions"]), ("app", 1))
        self.assertEqual(paths(self.place), {"deep/app.py", "app"})
        packed = Onefile(self.place / "app", summary)
        self.assertEqual(succeed(packed.launch("a", cache=self.cache)).stdout, b"42 a\n")

        printed = succeed(self.pack("--print-spec", *options, level=False)).stdout
        self.assertIn(b'\n[dependencies]\nscript = "deep/app.py"\n', printed)
        self.write({"onefold.toml": printed})
        # From elsewhere, with a relative output.
        command = ["pack", "--spec", "place", "--no-smoke", "-o", "again"]
        succeed(onefold(*command, environment=pack_environment(), cwd=self.work))
        self.assertEqual((self.work / "again").read_bytes(), (self.place / "app").read_bytes())

    def test_the_interpreter_suits_the_script(self) -> None:
        self.write({"app.py": SCRIPT.replace(">=3.8", f"=={SHORT}.*")})
        printed = succeed(self.pack("app.py", "--print-spec")).stdout.decode()
        self.assertIn(f'version = "{SHORT}"\n', printed)

    def test_a_script_elsewhere(self) -> None:
        write_files(self.work / "other", {"app.py": SCRIPT})
        script = self.work / "other" / "app.py"
        printed = succeed(self.pack(script, "-o", "x", "--print-spec")).stdout.decode()
        self.assertIn('script = "app.py"\n', printed)
        self.assertIn(f'file = "{self.place}/x"\n', printed)
        self.assertIn(f"{self.work}/other/onefold.toml", printed)

    def test_an_error_is_one_message_with_its_line(self) -> None:
        def changed(old: str, new: str) -> str:
            assert old in SCRIPT
            return SCRIPT.replace(old, new)

        tool = '# [tool.uv]\n# exclude-newer = "2024-01-01T00:00:00Z"\n# ///'
        index = '# [tool.uv.sources]\n# plain = { index = "own" }\n# ///'
        for text, message in (
            ("print(1)\n", "app.py: there is no inline metadata in it: begin it with the lines"),
            (SCRIPT + SCRIPT, "app.py:12: this is the second block '# /// script', after that in line 1"),
            (changed("# ]", "# "), "app.py:6: not valid TOML"),
            (changed("# /// script", "# /// skript"), "app.py:1: a block of the type 'skript' is unknown"),
            (changed("# ///\n", "\n"), "app.py:1: the block '# /// script' has no end"),
            (changed('"plain"', "3"), "app.py:4: 'dependencies' must hold texts"),
            (changed(">=3.8", ">=3.99"), "app.py:2: needs Python '>=3.99', and no interpreter on this"),
            (changed(">=3.8", "newest"), "app.py:2: 'requires-python': 'newest' is not a version specifier"),
            (changed("plain", "plain=1"), "app.py:4: 'plain=1' is not a requirement"),
            (changed("# ///\n", tool + "\n"), "app.py:8: 'tool.uv.exclude-newer' decides what is installed"),
            (changed("# ///\n", index + "\n"), "app.py:8: 'plain' comes from the index 'own' alone"),
        ):
            with self.subTest(message):
                self.write({"app.py": text})
                self.assertRefused("app.py", message=message)
        self.write({"app.py": changed(">=3.8", "<3.8")})
        given = ("app.py", "--python", PREFIX)
        self.assertRefused(*given, message="app.py:2: requires Python <3.8, and the interpreter is")
        self.assertRefused("gone.py", message="'gone.py' does not exist: give the path of a Python script")
        self.assertRefused(".", message="'.' is not a script")

    def test_a_lock_that_does_not_suit_the_script(self) -> None:
        lock = 'version = 1\nrequires-python = ">=3.8"\n\n[manifest]\nrequirements = []\n'
        self.write({"app.py": SCRIPT, "app.py.lock": lock})
        said = self.assertRefused("app.py", message="app.py:4: requires 'plain', which is not in the lock")
        self.assertIn("lock anew (uv lock --script app.py)", said)


class Real(SpecCase):
    """A package of PyPI; 20 s."""

    def test_httpie(self) -> None:
        environment = {"ONEFOLD_PACK_CACHE": scratch() / "pack-cache"}
        options = ("--python", PREFIX, "--level", "1", "--no-smoke", "--json")
        package = ("--package", "httpie[socks]==3.2.4", "--command", "http")
        result = succeed(onefold("pack", *package, *options, environment=environment, cwd=self.work))
        packed = Onefile(self.work / "http", json.loads(result.stdout))
        self.assertEqual(succeed(packed.launch("--version", cache=self.cache)).stdout, b"3.2.4\n")
        self.assertEqual(packed.summary["version"], "3.2.4")
