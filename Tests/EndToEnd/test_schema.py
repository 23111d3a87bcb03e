"""`onefold schema`: its verdict on specs is that of `onefold`, and an editor's language server understands it."""

from __future__ import annotations

import copy
import json
import os
import platform
import re
import sys
import unittest
from typing import Any, Iterator, Optional

from spec_support import toml, write_files
from support import REPOSITORY, Case, onefold, run, succeed
from tool_packages import tool_packages

EXAMPLES = REPOSITORY / "docs" / "examples"
#: A snapshot of Tests/AppSpec.
BAD_SPECS = REPOSITORY / "Tests" / "AppSpec" / "Snapshots" / "bad-specs.json"

#: What is wrong with a spec and no matter of the schema: what is in files, and what other values say.
OTHER_MATTERS = (
    "there is no", "is not a file", "is not a directory", "must be a directory or a wheel", "no pyproject.toml",
    "missing, and no", "excluded, but it is", "needs a version", "can't be the application's", "does not exist",
    "has no placeholder", "twice, first in line", "must be a file", "the version '1111", "the first line of", "git ", "can't read", "cannot read", "there is nothing", "in its first line",
    # Whether a file of requirements is a lock, its name tells.
    "or 'dependencies.lock', which are missing",
    # What the kernel takes for an address.
    "with a numeric address", "a path has 107 bytes at most", "can't use a port instead of a path",
    # The names of licences, and what another table has.
    "licence of the SPDX list", "must tell the server its port", "has no exception of the SPDX list", "is an old name", "are the same limit",
)  # fmt: skip

#: A spec with a value for each key; what files it names, `write_files` makes.
FULL = {
    "app": {"name": "notes", "version": "1.0"},
    "python": {"version": "3.11"},
    "dependencies": {"requirements": ["requirements.txt"], "exclude": ["torch"], "installer": "pip",
                     "allow-conflicts": ["numba"]},
    "prune": {"tests": False, "sources": "drop", "remove": ["lib/**/x"], "keep": ["bin/*"]},
    "data": [{"source": "static", "target": "web", "exclude": ["*.map"]}],
    "launch": {
        "script": "server.py", "arguments": ["-x"], "environment": {"A": "{root}"}, "unset": ["B"],
        "python-options": ["-X", "utf8"], "isolate": False, "bin-on-path": False, "pyinstaller": False, "check": "files",
        "keep": 7, "die-with-parent": "term", "reuse": False, "named-process": False, "instance": "replace",
        "instance-key": "{env:DATA_DIR}", "pass-variables": ["PYTHONPATH"],
        "listen": {"address": "127.0.0.1:0", "handover": "port", "if-taken": "free"},
    },
    "commands": {"migrate": {"script": "server.py", "arguments": ["--all"]}},
    "smoke": {"imports": False, "skip-imports": ["a.b"], "timeout": 9},
    "archive": {"codec": "xz", "level": 9, "frame-size": 64, "max-size": "1.5 GiB"},
    "output": {"file": "dist/{name}-{version}", "sidecar": True},
    "policy": {
        "deny-licenses": ["AGPL-*", "GPL-* WITH *", "unknown"], "license-exceptions": ["lib*.so.*"],
        "deny": ["urllib3<2.1"], "require-hashes": True, "max-glibc": "2.31", "max-update": "2.5%",
    },
}  # fmt: skip
FILES = {"requirements.txt": "", "server.py": "", "static/x": "", "VERSION": "1\n", "python.tar.gz": ""}

#: Values that one key or another refuses.
TRIALS = [
    True, 0, 1, -1, 23, 40000, 1.5, "", "x", "true", ".", "..", "../x", "/x", "a/../b", "./", "a b", "a=b", "3.11",
    "3.011", "2.7", "400 MB", "0 MB", "4 parsecs", "a:b", "a:", "a.b", "1a", "{name}", "{nam}", "{version", "dist/", "\u00e9",
    "x.tar.zst", "x.zip", "/a b", "a\x1fb", "-x", "0" * 64, "0" * 63, "x" * 65, "x" * 129, [], [1], [""], ["x", "x"],
    ["../x"], ["a b"], ["a=b"], ["a/b"], ["1a"], ["a<1"], ["a<"], ["MIT"],
    ["mit with llvm-*"], ["MIT OR ISC"], "5%", "101%", "2.55%", {}, {"A": 1}, {"A=": "x"}, {"": "x"}, {"file": "VERSION"},
    {"file": "VERSION", "git": True}, {"git": False}, {"nothing": 1}, [{}], [{"source": "static"}], [3],
]  # fmt: skip


def bad_specs() -> Iterator[tuple[str, list[str]]]:
    """Each bad spec of the unit tests, with what is said about it."""
    text = BAD_SPECS.read_text("utf-8").replace("NATIVE", f"{platform.machine()}-linux")
    for spec, *messages in json.loads(text):
        yield spec, messages


def with_ends(schema: Any) -> Any:
    """The schema with patterns that mean in Python what they mean in ECMAScript: `$` is the end, and nothing before
    a final newline."""
    if isinstance(schema, list):
        return [with_ends(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace("$", r"\Z") if key == "pattern" and isinstance(value, str) else with_ends(value)
        for key, value in schema.items()
    }


def is_other_matter(message: str) -> bool:
    return any(word in message for word in OTHER_MATTERS)


class Schema(Case):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        tool_packages()
        if sys.version_info < (3, 11):
            raise unittest.SkipTest("needs Python 3.11, which has tomllib")
        import jsonschema

        cls.text = succeed(onefold("schema")).stdout.decode()
        jsonschema.Draft7Validator.check_schema(json.loads(cls.text))
        cls.validator = jsonschema.Draft7Validator(with_ends(json.loads(cls.text)))

    def problem(self, spec: Any) -> Optional[str]:
        """What the schema has against a spec: tables, or the text of a TOML file."""
        import tomllib

        if isinstance(spec, str):
            spec = tomllib.loads(spec)
        error = next(self.validator.iter_errors(spec), None)
        return error and f"{list(error.path)}: {error.message}"

    def test_specs_that_are_right(self) -> None:
        specs = [*EXAMPLES.rglob("onefold*.toml")]
        self.assertGreater(len(specs), 6)
        for path in specs:
            self.assertIsNone(self.problem(path.read_text()), path)
        for page in (REPOSITORY / "docs").rglob("*.md"):
            for block in re.findall(r"```toml\n(.+?)```", page.read_text(), re.DOTALL):
                if "[app]" in block and "tool.onefold" not in block:
                    self.assertIsNone(self.problem(block), page)
        self.assertIsNone(self.problem(FULL))

    def test_every_key_has_a_meaning_and_is_in_a_closed_table(self) -> None:
        def look(schema: Any, path: str) -> None:
            if "properties" in schema and "const" not in str(schema["properties"].get("codec", "")):
                self.assertIs(schema.get("additionalProperties"), False, path)
                for name, below in schema["properties"].items():
                    self.assertTrue(below.get("description"), f"{path}.{name}")
                    for part in [below, below.get("items", {}), *below.get("anyOf", [])]:
                        look(part, f"{path}.{name}")

        look(json.loads(self.text), "")

    def test_bad_specs_of_the_unit_tests(self) -> None:
        import tomllib

        found = list(bad_specs())
        self.assertGreater(len(found), 100)
        refused, accepted = 0, []
        for spec, messages in found:
            if any(map(is_other_matter, messages)):
                continue
            try:
                tomllib.loads(spec)
            except tomllib.TOMLDecodeError:
                continue
            refused += 1
            if self.problem(spec) is None:
                accepted.append(f"{spec}: {messages}")
        self.assertFalse(accepted, "\n".join(accepted))
        self.assertGreater(refused, len(found) / 2)

    def test_its_verdict_is_that_of_onefold(self) -> None:
        """Every key with many values. One key of each table is changed at a time; a verdict is the tables that are
        wrong."""
        write_files(self.work, FILES)
        wrong, count = [], 0
        for spec, changes in self.changed():
            text = toml(spec)
            (self.work / "onefold.toml").write_text(text)
            ours, theirs = self.refused_by_onefold(text), self.refused_by_schema(text)
            count += 1
            for table, change in changes.items():
                matters = [message for message in ours.get(table, []) if not is_other_matter(message)]
                # The schema refuses nothing that is right, and all that is no other matter.
                if theirs.get(table) and not ours.get(table) or matters and not theirs.get(table):
                    wrong.append(f"{table}: {change}; onefold: {ours.get(table)}, schema: {theirs.get(table)}")
        self.assertGreater(count, 500)
        self.assertFalse(wrong, "\n".join(sorted(set(wrong))))

    def changed(self) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
        """Specs, and for each table what was changed in it."""
        schema = json.loads(self.text)["properties"]
        # A table that repeats, one that holds tables of any name, or one that is just that.
        below = {table: schema[table].get("items", schema[table]) for table in FULL}
        below["commands"] = below["commands"]["additionalProperties"]
        keys = {table: [*content["properties"]] for table, content in below.items()}
        for index in range(max(map(len, keys.values())) + 1):
            for value in [None, *TRIALS]:
                spec, changes = copy.deepcopy(FULL), {}
                for table, names in keys.items():
                    if index <= len(names):
                        place = spec[table]
                        place = place[0] if table == "data" else place["migrate"] if table == "commands" else place
                        key = [*names, "nothing"][index]
                        place.pop(key, None)
                        if value is not None:
                            place[key] = value
                        changes[table] = f"{key} = {value!r}"
                yield spec, changes

    def refused_by_onefold(self, text: str) -> dict[str, list[str]]:
        result = onefold("pack", "--spec", self.work, "--bootloader", self.work / "none")
        self.assertEqual(result.returncode, 1)
        tables, name = [""], ""
        for line in text.splitlines():
            heading = re.match(r"\[+([a-z]+)[].]", line)
            name = heading[1] if heading else name
            tables.append(name)
        found = re.findall(r"onefold\.toml:(\d+): (.*)", result.stderr.decode())
        messages: dict[str, list[str]] = {}
        for line, message in found:
            messages.setdefault(tables[int(line)], []).append(message)
        return messages

    def refused_by_schema(self, text: str) -> dict[str, str]:
        import tomllib

        errors = self.validator.iter_errors(tomllib.loads(text))
        return {error.path[0]: error.message for error in errors if error.path}

    def test_tables_that_are_missing(self) -> None:
        write_files(self.work, FILES)
        program = {**FULL, "launch": {"executable": "bin/x"}}
        alone = {key: value for key, value in program.items() if key not in ("dependencies", "prune", "python")}
        for spec, right in (
            ({key: value for key, value in FULL.items() if key != "launch"}, False),
            ({key: value for key, value in FULL.items() if key != "python"}, False),
            ({key: value for key, value in FULL.items() if key not in ("prune", "smoke", "output")}, True),
            (program, True),
            (alone, True),
            ({**alone, "prune": {}}, False),
            ({**alone, "dependencies": {}}, False),
        ):
            with self.subTest(list(spec)):
                (self.work / "onefold.toml").write_text(toml(spec))
                result = onefold("pack", "--spec", self.work, "--bootloader", self.work / "none")
                self.assertEqual(b"onefold.toml:" not in result.stderr, right, result.stderr)
                self.assertEqual(self.problem(toml(spec)) is None, right)


class InEditors(Case):
    """taplo is the language server of Even Better TOML."""

    def taplo(self, *arguments: Any) -> tuple[int, str]:
        program = tool_packages() / "bin" / "taplo"
        result = run([program, *arguments], cwd=self.work, environment={"HOME": self.work})
        return result.returncode, result.stderr.decode()

    def test_what_init_writes_is_checked(self) -> None:
        (self.work / "server.py").write_text("if __name__ == '__main__':\n    print()\n")
        succeed(onefold("init", self.work))
        spec = self.work / "onefold.toml"
        text = spec.read_text()
        self.assertEqual(text.splitlines()[0], "#:schema ./onefold.schema.json")
        self.assertEqual((self.work / "onefold.schema.json").read_bytes(), succeed(onefold("schema")).stdout)
        status, said = self.taplo("check", "onefold.toml")
        self.assertEqual(status, 0, said)
        for wrong, why in (
            ("[archive]\n", "[archive]\ncodec = 'zst'\n"),
            ("[archive]\n", "[archive]\nlevle = 3\n"),
            ("[launch]\n", "[launch]\nmodule = 'also'\n"),
        ):
            with self.subTest(why):
                spec.write_text(text.replace(wrong, why))
                status, said = self.taplo("check", "onefold.toml")
                self.assertNotEqual(status, 0)
                self.assertIn("onefold.toml", said)

    def test_a_schema_that_is_there_is_left_alone(self) -> None:
        (self.work / "onefold.schema.json").write_text("{}")
        result = succeed(onefold("init", self.work))
        self.assertNotIn(b"schema.json", result.stderr)
        self.assertEqual((self.work / "onefold.schema.json").read_text(), "{}")

    def test_no_schema(self) -> None:
        succeed(onefold("init", "--no-schema", self.work))
        self.assertEqual(os.listdir(self.work), ["onefold.toml"])
        self.assertNotIn("#:schema", (self.work / "onefold.toml").read_text())

    def test_a_project(self) -> None:
        schema = self.work / "pyproject.schema.json"
        schema.write_bytes(succeed(onefold("schema", "--pyproject")).stdout)
        start = "#:schema ./pyproject.schema.json\n[project]\nname = 'x'\n[tool.other]\nx = 1\n"
        for spec, status in (("[tool.onefold.launch]\nmodule = 'x'\n[tool.onefold.python]\nversion = '3.11'\n", 0),
                             ("[tool.onefold.launch]\nmodul = 'x'\n", 1)):
            with self.subTest(spec):
                (self.work / "pyproject.toml").write_text(start + spec)
                code, said = self.taplo("check", "pyproject.toml")
                self.assertEqual(code != 0, status != 0, said)


if __name__ == "__main__":
    unittest.main()
