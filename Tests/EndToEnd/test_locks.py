"""Reading locks and requirements files: the same as the tools that write them, and as pip.

The helper programs are called as `onefold pack` calls them. Nothing is packed or downloaded here. The directory `locks` says how its
files were made.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import runpy
import shutil
import sys
import tempfile
import traceback
import unittest
from pathlib import Path
from typing import Sequence

from support import REPOSITORY, scratch

HELPERS = REPOSITORY / "Sources" / "PythonStaging" / "Python"
LOCKS = Path(__file__).with_name("locks")
sys.path.insert(0, os.fspath(HELPERS))

import evaluation  # noqa: E402
from pip._vendor.packaging.markers import Marker  # noqa: E402
from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: E402

#: Versions of Python, and processors, that locks are read for.
TARGETS = [("3.9.1", "x86_64"), ("3.11.7", "aarch64"), ("3.13.0", "x86_64")]


def flatten(directory: Path, output: Path, arguments: Sequence[str]) -> str:
    """Runs `requirements.py` in a child of this process, which starts faster than an interpreter, and returns what it
    fails with."""
    errors = output.with_name("stderr")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.chdir(directory)
            for number, path in (1, output), (2, errors):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.stdout = open(1, "w", closefd=False)
            sys.argv = ["requirements.py", *arguments]
            runpy.run_path(os.fspath(HELPERS / "requirements.py"), run_name="__main__")
            status = 0
        except SystemExit as end:
            os.write(2, str(end.code).encode())
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            sys.stdout.flush()
            os._exit(status)
    _, status = os.waitpid(child, 0)
    said = errors.read_text().strip()
    return said or ("" if status == 0 else f"status {status}")


class Flat:
    """What `requirements.py flatten` makes of its arguments."""

    def __init__(self, directory: Path, *arguments: str, excluded: str = "") -> None:
        with tempfile.TemporaryDirectory(dir=scratch()) as place:
            self.run(directory, Path(place) / "out.txt", excluded, *arguments)

    def run(self, directory: Path, output: Path, excluded: str, *arguments: str) -> None:
        said = output.with_name("stdout")
        self.error = flatten(directory, said, ["flatten", os.fspath(output), excluded, *arguments])
        self.facts: list[tuple[str, str]] = []
        for line in said.read_text().splitlines():
            name, _, value = line.partition(" ")
            self.facts.append((name, value))
        if not self.error:
            self.lines = output.read_text().splitlines()
            self.beside = output.with_name("out.txt.beside").read_text().splitlines()
            self.options = output.with_name("out.txt.options").read_text().splitlines()

    def all(self, fact: str) -> list[str]:
        return [value for name, value in self.facts if name == fact]

    @property
    def pins(self) -> dict[str, list[str]]:
        """Of each "NAME==VERSION" its hashes."""
        return {
            line.split()[0]: sorted(re.findall(r"--hash=(\S+)", line))
            for line in self.lines
            if not line.startswith("-")
        }


def exported(path: Path, version: str, machine: str) -> dict[str, list[str]]:
    """The same of what the tool itself exported: its markers are for pip's `packaging`."""
    environment = evaluation.linux_environment(version, machine)
    text = re.sub(r"\\\n\s+", "", path.read_text())
    found = {}
    for line in text.splitlines():
        if not re.match(r"[a-z]", line):
            continue
        pin, _, marker = line.split(" --hash")[0].partition(";")
        if not marker or Marker(marker.strip()).evaluate(environment):
            found[re.sub(r"\[.*\]", "", pin.strip())] = sorted(re.findall(r"--hash=(\S+)", line))
    return found


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.work = Path(tempfile.mkdtemp(dir=scratch()))
        self.addCleanup(shutil.rmtree, self.work)

    def copy(self, name: str) -> Path:
        """A project that a tool has locked, which the test may change."""
        shutil.copytree(LOCKS / name, self.work / name)
        return self.work / name

    def write(self, files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return self.work

    def assertRefused(self, flat: Flat, *texts: str) -> None:
        self.assertNotEqual(flat.error, "")
        for text in texts:
            self.assertIn(text, flat.error)
        self.assertEqual(len(flat.error.splitlines()), 1, flat.error)


class Evaluation(unittest.TestCase):
    """Markers and versions, compared with pip's `packaging`."""

    VERSIONS = (
        "1 1.0 1.0.0 1.0a1 1.0b2 1.0rc1 1.0.dev1 1.0a1.dev2 1.0.post1 1.0.post1.dev3 1.1 2!1.0 1.0+cpu "
        "1.0+cu.1 1.10 2 2.0.1 3.11.7 3.8 3.14.0rc1"
    ).split()

    def test_versions(self) -> None:
        compared = 0
        for version, operator, other in itertools.product(
            self.VERSIONS,
            ("==", "!=", "<", ">", "<=", ">=", "~=", "==="),
            [*self.VERSIONS, "1.*", "1.0.*", "3.*"],
        ):
            try:
                wanted = SpecifierSet(operator + other)
            except InvalidSpecifier:
                continue
            if any(type(one).__name__ == "LegacySpecifier" for one in wanted):
                continue
            with self.subTest(version=version, specifier=operator + other):
                self.assertEqual(
                    evaluation.fulfils(version, operator + other),
                    wanted.contains(version, prereleases=True),
                )
            compared += 1
        self.assertGreater(compared, 3000)
        for version, other in (("v1.0", "1"), ("1.0-1", "1.post1"), ("1.0RC1", "1.0c1"), ("1.0_dev", "1.dev0")):
            self.assertTrue(evaluation.fulfils(version, "==" + other), version)

    def test_markers(self) -> None:
        for text, extra, (version, machine) in itertools.product(
            (
                "python_version >= '3.10'",
                "'3.10' <= python_version",
                "python_version in '3.8 3.11'",
                "python_version not in '3.9'",
                "sys_platform == 'win32' or (os_name == 'posix' and platform_machine != 'aarch64')",
                "python_full_version < '3.11.4' and extra == 'x'",
                "extra == 'X'",
                "extra != 'x' and implementation_name == \"cpython\"",
                "python_full_version == '3.9.*' or python_version ~= '3.11'",
                "platform_machine > 'b' and platform_system == 'Linux'",
                "(python_version < '3.10' or python_version > '3.12') and (os.name == 'posix')",
            ),
            ("", "x"),
            TARGETS,
        ):
            environment = evaluation.linux_environment(version, machine)
            extras = [extra] if extra else []
            with self.subTest(text, extra=extra, version=version, machine=machine):
                self.assertEqual(
                    evaluation.Marker(text).holds(environment, extras),
                    Marker(text.replace("'X'", "'x'")).evaluate({**environment, "extra": extra}),
                )

    def test_sets_of_pep_751(self) -> None:
        environment = evaluation.linux_environment("3.11.7", "x86_64")
        marker = evaluation.Marker("'web' in extras and 'Dev-Tools' not in dependency_groups")
        self.assertTrue(marker.holds(environment, ["web"], []))
        self.assertFalse(marker.holds(environment, [], []))
        self.assertFalse(marker.holds(environment, ["web"], ["dev_tools"]))

    def test_invalid_markers(self) -> None:
        for text in ("", "os_name", "os_name == ", "(os_name == 'x'", "'a' == 'b'", "a == 'b' or", "x ? 'y'", "os_name = 'x'"):
            with self.subTest(text), self.assertRaises(ValueError):
                evaluation.Marker(text).holds(evaluation.linux_environment("3.11.7", "x86_64"))


class Tools(Case):
    """For each target, what a tool exports of its lock is what is read of it."""

    def assertSame(self, directory: Path, lock: str, export: str, *arguments: str) -> None:
        for version, machine in TARGETS:
            with self.subTest(lock=lock, version=version, machine=machine):
                options = ("--project", ".", "--lock", lock, "--python", version, "--machine", machine)
                flat = Flat(directory, *options, *arguments)
                self.assertEqual(flat.error, "")
                self.assertEqual(flat.pins, exported(directory / export, version, machine))
                self.assertEqual(flat.all("hashed"), ["yes"])
                self.assertEqual(len(flat.lines), len(flat.all("line")))

    def test_extras_and_groups(self) -> None:
        for name, lock in (
            ("uv", "uv.lock"),
            ("poetry-2.5", "poetry.lock"),
            ("poetry-1.8", "poetry.lock"),
            ("pdm", "pdm.lock"),
            ("pdm", "without-groups.lock"),
        ):
            directory = LOCKS / name
            group = re.search(r"^(lint|dev)\b", (directory / "group.txt").read_text())
            assert group
            self.assertSame(directory, lock, "export-extra.txt", "--extra", "web")
            self.assertSame(directory, lock, "export-group.txt", "--group", group[1])

    def test_locks_without_a_project(self) -> None:
        self.assertSame(LOCKS / "pylock", "pylock.toml", "export.txt")
        self.assertSame(LOCKS / "pipenv", "Pipfile.lock", "export.txt")
        self.assertSame(LOCKS / "pipenv", "Pipfile.lock", "export-dev.txt", "--group", "dev-packages")

    def test_local_projects_are_no_pins(self) -> None:
        for name, lock, locals_ in (
            ("uv", "uv.lock", ["", "/libs/core", "/libs/plain"]),
            ("poetry-2.5", "poetry.lock", ["", "/libs/core"]),
            ("pdm", "pdm.lock", ["", "/libs/core"]),
        ):
            flat = Flat(LOCKS / name, "--project", ".", "--lock", lock)
            place = os.path.realpath(LOCKS / name)
            self.assertEqual(flat.all("local"), [place + path for path in locals_])
        self.assertRegex(flat.all("local_place")[1], r"^pdm\.lock:\d+$")

    def test_excluded_distributions_go_with_their_own_dependencies(self) -> None:
        for name, lock in (("uv", "uv.lock"), ("poetry-2.5", "poetry.lock"), ("pdm", "pdm.lock")):
            options = ("--project", ".", "--lock", lock, "--python", "3.9.1")
            whole = Flat(LOCKS / name, *options)
            flat = Flat(LOCKS / name, *options, excluded="importlib-metadata")
            # The project asks for it by name.
            self.assertTrue(flat.all("required")[0].startswith(f"importlib-metadata {lock}:"))
            flat = Flat(LOCKS / name, *options, excluded="zipp")
            self.assertEqual(flat.all("dropped"), ["zipp"])
            self.assertEqual(len(flat.lines), len(whole.lines) - 1)

    def test_a_lock_among_the_requirements(self) -> None:
        named = Flat(LOCKS / "uv", "--project", ".", "uv.lock")
        self.assertEqual(named.lines, Flat(LOCKS / "uv", "--project", ".", "--lock", "uv.lock").lines)

    def test_the_lock_beside_a_project_counts(self) -> None:
        flat = Flat(LOCKS / "uv", "--project", ".")
        self.assertEqual((flat.all("lock"), flat.all("hashed")), (["uv.lock"], ["yes"]))
        # Of a workspace's member it is at the root.
        flat = Flat(LOCKS / "uv", "--project", "libs/core")
        self.assertEqual([Path(path).name for path in flat.all("lock")], ["uv.lock"])
        self.assertEqual([pin.split("=")[0] for pin in flat.pins], ["attrs"])

    def test_an_unused_lock_is_reported(self) -> None:
        directory = self.copy("uv")
        (directory / "requirements.txt").write_text("click\n")
        flat = Flat(directory, "--project", ".", "requirements.txt")
        self.assertIn("'uv.lock' is not used", flat.all("warning")[0])
        self.assertIn("/uv.lock' is not used", Flat(directory).all("warning")[0])
        (directory / "requirements.txt").write_text("click==8 --hash=sha256:00\n")
        self.assertEqual(Flat(directory, "--project", ".", "requirements.txt").all("warning"), [])

    def test_two_locks_beside_a_project(self) -> None:
        directory = self.copy("uv")
        (directory / "poetry.lock").write_text("")
        self.assertRefused(Flat(directory, "--project", "."), "uv.lock and poetry.lock", "dependencies.lock")


class Damaged(Case):
    """One line for each mistake, with the place and what to do."""

    def change(self, name: str, lock: str, old: str, new: str) -> Flat:
        directory = self.work / name
        if not directory.exists():
            self.copy(name)
        path = directory / lock
        text = path.read_text()
        self.assertRegex(text, old)
        path.write_text(re.sub(old, new, text))
        flat = Flat(directory, "--project", ".", "--lock", "uv.lock" if name == "uv" else self.lock(name))
        path.write_text(text)
        return flat

    def lock(self, name: str) -> str:
        return {"poetry-2.5": "poetry.lock", "pdm": "pdm.lock", "pipenv": "Pipfile.lock", "pylock": "pylock.toml"}[name]

    def test_newer_formats(self) -> None:
        for name, lock, old, new, advice in (
            ("uv", "uv.lock", r"version = 1\n", "version = 2\n", "uv export"),
            ("poetry-2.5", "poetry.lock", r'lock-version = "2\.\d"', 'lock-version = "3.0"', "poetry export"),
            ("pdm", "pdm.lock", r'lock_version = "4[^"]*"', 'lock_version = "5.0"', "pdm export"),
            ("pipenv", "Pipfile.lock", r'"pipfile-spec": 6', '"pipfile-spec": 7', "pipenv requirements"),
            ("pylock", "pylock.toml", r'lock-version = "1\.0"', 'lock-version = "2.0"', "version 2.0"),
        ):
            with self.subTest(name):
                flat = self.change(name, lock, old, new)
                self.assertRefused(flat, advice, "of its format, and Onefold reads version")
                self.assertRegex(flat.error, rf"^{lock}:\d+: ")

    def test_locks_that_do_not_match_their_project(self) -> None:
        for name, old, new, texts in (
            ("uv", '"click>=8"', '"click>=99"', ["requires 'click>=99', but the lock has click", "uv lock"]),
            ("uv", '"click>=8"', '"never-heard-of"', ["'never-heard-of', which is not in the lock", "uv lock"]),
            ("poetry-2.5", r'click = "\^8.1"', 'click = "^99"', ["requires 'click' ^99", "poetry lock"]),
            ("poetry-2.5", r'click = "\^8.1"', 'unheard = "*"', ["'unheard' *", "has none", "poetry lock"]),
            ("pdm", '"click>=8"', '"click>=99"', ["requires 'click>=99', but the lock has click", "pdm lock"]),
        ):
            with self.subTest(name, new=new):
                flat = self.change(name, "pyproject.toml", old, new)
                self.assertRefused(flat, *texts)
                self.assertRegex(flat.error, r"pyproject\.toml:\d+: ")
        flat = self.change("pipenv", "Pipfile", r'click = "[^"]*"', 'click = ">=99"')
        self.assertRefused(flat, "requires 'click>=99'", "pipenv lock")

    def test_an_override_is_no_mismatch(self) -> None:
        directory = self.copy("uv")
        text = (directory / "uv.lock").read_text()
        text = re.sub(r'(name = "click"\nversion = ")[^"]*', r"\g<1>7.0", text)
        text = re.sub(r'(name = "click", version = ")[^"]*', r"\g<1>7.0", text)
        # Two versions of it become one.
        first = text.index('[[package]]\nname = "click"')
        second = text.index('[[package]]\nname = "click"', first + 1)
        text = text[:first] + text[second:]
        text = re.sub(r'(\[\[package\]\]\nname = "click"[^\[]*)resolution-markers = \[[^\]]*\]\n', r"\1", text)
        (directory / "uv.lock").write_text(text)
        flat = Flat(directory, "--project", ".", "--lock", "uv.lock", "--python", "3.11.7")
        self.assertEqual(flat.error, "")
        self.assertIn("click==7.0", flat.pins)

    def test_other_interpreters(self) -> None:
        for name in ("uv", "poetry-2.5", "pdm", "pylock"):
            with self.subTest(name):
                lock = "uv.lock" if name == "uv" else self.lock(name)
                flat = Flat(LOCKS / name, "--project", ".", "--lock", lock, "--python", "3.7.9")
                self.assertRefused(flat, "is for Python", "the interpreter is 3.7.9", "[python]")
                self.assertRegex(flat.error, rf"^{lock}:\d+: ")

    def test_unknown_extras_and_groups(self) -> None:
        for name in ("uv", "poetry-2.5", "pdm", "pylock"):
            lock = "uv.lock" if name == "uv" else self.lock(name)
            for kind in ("extra", "group"):
                with self.subTest(name, kind=kind):
                    flat = Flat(LOCKS / name, "--project", ".", "--lock", lock, f"--{kind}", "wbe")
                    self.assertRefused(flat, f"no {kind} 'wbe' in the lock; there are: ")

    def test_damage(self) -> None:
        for name, lock, old, new, text in (
            ("uv", "uv.lock", r'\nname = "attrs"', '\nname = "b"', "no one package 'attrs'"),
            ("uv", "uv.lock", r"\[\[package\]\]", "[[package", "is not TOML"),
            ("uv", "uv.lock", r'source = \{ registry = "[^"]*" \}', "source = { moon = 1 }", "does not know"),
            ("uv", "uv.lock", r'source = \{ directory = "[^"]*" \}', 'source = { directory = "no" }', "is not there"),
            ("pipenv", "Pipfile.lock", r"\}\s*$", "", "is not JSON"),
            ("pipenv", "Pipfile.lock", r'"hashes": \[[^\]]*\]', '"hashes": []', "has no hash"),
            ("pylock", "pylock.toml", r'\nname = "[^"]*"', "", "is damaged"),
        ):
            with self.subTest(name, new=new):
                self.assertRefused(self.change(name, lock, old, new), text)

    def test_files_that_are_not_locks(self) -> None:
        directory = self.write({"uv.lock": "[a]\nb = 1\n", "x.lock": "click==8\n"})
        self.assertRefused(Flat(directory, "--lock", "uv.lock"), "is not a lock file that Onefold knows")
        self.assertRefused(Flat(directory, "--lock", "x.lock"), "is not TOML")


class Sources(Case):
    """What is local by the settings of a tool."""

    def locals(self, flat: Flat) -> list[tuple[str, str, str]]:
        self.assertEqual(flat.error, "")
        names = [os.path.relpath(path, os.path.realpath(self.work)) for path in flat.all("local")]
        return list(zip(names, flat.all("local_extras"), flat.all("local_needed")))

    def project(self, name: str, *dependencies: str, more: str = "") -> str:
        return f"[project]\nname = '{name}'\nversion = '1'\ndependencies = {json.dumps(dependencies)}\n{more}"

    def test_uv(self) -> None:
        self.write({
            "app/pyproject.toml": self.project(
                "app", "core[fast]", "member", "by-url", "unused-marker; python_version < '3'",
                more="[tool.uv.sources]\ncore = [{ path = '../core', marker = \"sys_platform == 'linux'\" }]\n"
                "member = { workspace = true }\nby-url = { url = 'https://h.example/x.whl' }\n"
                "unused-marker = { path = '../unused' }\nnever = { path = '../never' }\n"
                "[tool.uv.workspace]\nmembers = ['packages/*']\n",
            ),
            "app/packages/one/pyproject.toml": self.project("Member"),
            "core/pyproject.toml": self.project(
                "core",
                more="[project.optional-dependencies]\nfast = ['deep']\n[tool.uv.sources]\ndeep = { path = '../deep' }\n"
                "maker = { path = '../maker' }\n[build-system]\nrequires = ['maker']\n",
            ),
            "deep/pyproject.toml": self.project("deep"),
            "maker/pyproject.toml": self.project("maker"),
            "unused/setup.py": "",
            "never/setup.py": "",
        })  # fmt: skip
        flat = Flat(self.work, "--project", "app")
        self.assertEqual(
            sorted(self.locals(flat)),
            [("app", "", "yes"), ("app/packages/one", "", "yes"), ("core", "fast", "yes"), ("deep", "", "yes"),
             ("maker", "", "no")],
        )  # fmt: skip
        order = flat.all("local_name")
        self.assertLess(order.index("maker"), order.index("core"))
        self.assertEqual(flat.lines, ["by-url @ https://h.example/x.whl"])

    def test_poetry(self) -> None:
        self.write({
            "pyproject.toml": "[tool.poetry]\nname = 'app'\n[tool.poetry.dependencies]\ncore = { path = 'core', develop = true }\n"
            "extra = { path = 'extra', optional = true }\n[tool.poetry.extras]\nmore = ['extra']\n"
            "[tool.poetry.group.dev.dependencies]\ntool = { path = 'tool' }\n",
            "core/setup.py": "", "extra/setup.py": "", "tool/setup.py": "",
        })  # fmt: skip
        self.assertEqual([path for path, _, _ in self.locals(Flat(self.work, "--project", "."))], [".", "core"])
        flat = Flat(self.work, "--project", ".", "--extra", "more")
        self.assertEqual([path for path, _, _ in self.locals(flat)], [".", "core", "extra"])

    def test_names_in_requirements_files(self) -> None:
        self.write({
            "pyproject.toml": "[tool.uv.sources]\ncore = { path = 'core' }\n",
            "core/setup.py": "",
            "requirements.txt": "core[x]>=1\nother\n",
        })  # fmt: skip
        flat = Flat(self.work, "requirements.txt")
        self.assertEqual(self.locals(flat), [("core", "x", "yes")])
        self.assertEqual(flat.lines, ["other"])

    def test_a_source_that_is_not_there(self) -> None:
        more = "[tool.uv.sources]\ncore = { path = '../core' }\n"
        self.write({"app/pyproject.toml": self.project("app", "core", more=more)})
        flat = Flat(self.work, "--project", "app")
        self.assertRefused(flat, "app/pyproject.toml:6: the source of 'core' is not there")

    def test_groups_without_a_lock(self) -> None:
        groups = "[dependency-groups]\nx = ['one', { include-group = 'Y' }]\ny = ['two>=2']\nz = [{ include-group = 'z' }]\n"
        self.write({"pyproject.toml": groups})
        self.assertEqual(Flat(self.work, "--group", "x").lines, ["one", "two>=2"])
        self.assertRefused(Flat(self.work, "--group", "z"), "pyproject.toml:4", "'z' includes itself")
        self.assertRefused(Flat(self.work, "--group", "q"), "no group 'q'", "there are: x, y, z")


class RequirementsFiles(Case):
    """As pip reads them."""

    def flat(self, content: bytes, *arguments: str) -> Flat:
        (self.work / "requirements.txt").write_bytes(content)
        return Flat(self.work, *arguments, "requirements.txt")

    def test_encodings(self) -> None:
        text = "one==1  # größer\r\n-r more.txt\r\n"
        (self.work / "more.txt").write_bytes(b"\xef\xbb\xbftwo\n")
        for content in (
            text.encode("utf-16"), b"\xfe\xff" + text.encode("utf-16-be"), text.encode("utf-32"), text.encode("utf-8-sig"),
            text.encode(), text.encode("latin-1"), b"# -*- coding: cp1252 -*-\n" + text.encode("cp1252"),
            b"\n# vim: set fileencoding=utf-16-le :\n"[:0] + text.encode(),
        ):  # fmt: skip
            with self.subTest(content[:30]):
                self.assertEqual(self.flat(content).lines, ["one==1", "two"])

    def test_encodings_that_are_not_what_they_say(self) -> None:
        self.assertRefused(self.flat(b"\xff\xfeo\0n"), "requirements.txt: ", "utf-16")
        self.assertRefused(self.flat(b"# coding: moon\none\n"), "requirements.txt: ", "'moon'")

    def test_places_of_options(self) -> None:
        self.write({"sub/links/x": "", "sub/limits.txt": "", "here/x": ""})
        (self.work / "sub" / "r.txt").write_text("-f links --pre\n--find-links=here\n-climits.txt\n-f https://h.example/x\none\n")
        root = os.fspath(self.work)
        self.assertEqual(
            self.flat(b"-r sub/r.txt\n").lines,
            [f"-f {root}/sub/links --pre", f"--find-links {root}/here", f"-c {root}/sub/limits.txt",
             "-f https://h.example/x", "one"],
        )  # fmt: skip

    def test_options_stay_for_later_calls(self) -> None:
        flat = self.flat(b"-i https://u:p@h.example/simple\n-c c.txt\none\n--no-binary one\n")
        self.assertEqual(flat.options, ["-i https://u:p@h.example/simple", "--no-binary one"])

    def test_variables_are_left_to_the_installer(self) -> None:
        flat = self.flat(b"-i https://u:${TOKEN}@h.example/simple\none\n")
        self.assertEqual(flat.lines[0], "-i https://u:${TOKEN}@h.example/simple")

    def test_comments_do_not_continue(self) -> None:
        self.assertEqual(self.flat(b"# why \\\none\n").lines, ["one"])

    def test_local_projects_beside_hashes(self) -> None:
        self.write({"core/pyproject.toml": "[project]\nname = 'core'\n", "x-1-py3-none-any.whl": ""})
        commit = "repo @ git+https://h.example/repo@" + 40 * "a"
        flat = self.flat(
            b"-e ./core\none==1 --hash=sha256:00\n./x-1-py3-none-any.whl\n" + commit.encode()
            + b"\n./core[x] ; python_version < '3'\n"
        )  # fmt: skip
        self.assertEqual(flat.lines, ["one==1 --hash=sha256:00"])
        self.assertEqual(flat.beside, [f"{self.work}/x-1-py3-none-any.whl", commit])
        self.assertEqual(flat.all("local"), [os.path.realpath(self.work / "core")])
        self.assertEqual((flat.all("hashed"), flat.all("unhashed")), (["yes"], []))
        # A branch is not the same tomorrow.
        flat = self.flat(b"one==1 --hash=sha256:00\nrepo @ git+https://h.example/repo@main\n")
        self.assertEqual(flat.all("unhashed"), ["requirements.txt:2 repo"])

    def test_local_files_that_are_not_there(self) -> None:
        for line in ("./no", "-e no/thing", "no.whl", "x @ file:///no/such"):
            with self.subTest(line):
                self.assertRefused(self.flat(line.encode() + b"\n"), "requirements.txt:1: ", "is not there")


if __name__ == "__main__":
    unittest.main()


class Scripts(Case):
    """Scripts with inline metadata (PEP 723)."""

    def test_the_lock_beside_a_script(self) -> None:
        directory = LOCKS / "script"
        for version, machine in TARGETS:
            options = ("--script", "app.py", "--python", version, "--machine", machine)
            flat = Flat(directory, *options)
            self.assertEqual(flat.error, "")
            self.assertEqual(flat.all("lock"), ["app.py.lock"])
            self.assertEqual(flat.pins, exported(directory / "export.txt", version, machine))

    def test_a_lock_that_does_not_suit(self) -> None:
        directory = self.copy("script")
        script = directory / "app.py"
        for old, new, message in (
            ('"tomli', '"rich", "tomli', "app.py:3: requires 'rich', which is not in the lock"),
            ('<1", "tomli', '<0.20", "tomli', "app.py:3: requires 'httpx[socks]<0.20', but the lock has httpx "),
            ('"rich', '"tomli', ""),
            (">=3.9", ">=3.12", "app.py:2: requires Python >=3.12, and the interpreter is 3.11.7"),
        ):
            shutil.copy(LOCKS / "script" / "app.py", script)
            script.write_text(script.read_text().replace(old, new))
            error = Flat(directory, "--script", "app.py", "--python", "3.11.7").error
            self.assertTrue(error.startswith(message) if message else error == "", error)
            if "lock has" in message or "not in the lock" in message:
                self.assertTrue(error.endswith("(app.py.lock): lock anew (uv lock --script app.py)"), error)

    def test_sources_and_indexes(self) -> None:
        self.write({
            "core/pyproject.toml": "[project]\nname = 'core'\nversion = '1'\n",
            "pyproject.toml": "[tool.uv.sources]\nrich = { path = 'core' }\n",
            "uv.lock": "",
            "deep/app.py": "# /// script\n# dependencies = ['core', 'by-url', 'rich>1', 'old; python_version < \"3\"']\n"
            "# [tool.uv]\n# extra-index-url = ['https://more.example/simple']\n# find-links = ['links']\n"
            "# sources.core = { path = '../core' }\n# sources.by-url = { url = 'https://h.example/x.whl' }\n"
            "# [[tool.uv.index]]\n# url = 'https://own.example/simple'\n# default = true\n"
            "# [[tool.uv.index]]\n# url = 'https://named.example/simple'\n# explicit = true\n# ///\n",
        })
        flat = Flat(self.work, "--script", "deep/app.py", "--package", "onefold.toml:3", "loud[x]==1; python_version>'3'")
        self.assertEqual(flat.error, "")
        self.assertEqual(flat.all("local"), [os.fspath(self.work / "core")])
        self.assertEqual(
            flat.lines,
            [
                "loud[x]==1; python_version>'3'",
                "--index-url https://own.example/simple",
                "--extra-index-url https://more.example/simple",
                f"--find-links file://{self.work}/deep/links",
                "by-url @ https://h.example/x.whl",
                "rich>1",
                "old; python_version < \"3\"",
            ],
        )
        self.assertEqual(flat.all("line")[0], "onefold.toml:3")
        self.assertEqual(flat.all("line")[-1], "deep/app.py:2")
        self.assertEqual((flat.all("hashed"), flat.all("warning")), (["no"], []))

    def test_invalid_requirements(self) -> None:
        for text in ("a b", "a --hash=sha256:00", "a=1"):
            error = Flat(self.work, "--package", "onefold.toml:3", text).error
            self.assertEqual(error, f"onefold.toml:3: '{text}' is not a requirement")
