"""Colors, `--quiet` and `--version` of every command."""

from __future__ import annotations

import json
import os
import re
import unittest

from spec_support import SpecCase, pack_environment
from support import ONEFOLD, Case, File, make_tree, noise, onefold, program, run, succeed
from test_completions import Terminal

ESCAPE = b"\x1b["


class Colors(Case):
    def failing(self, *options: str, **environment: str) -> bytes:
        result = onefold("inspect", "/nowhere", *options, environment=environment)
        self.assertEqual((result.returncode, result.stdout), (1, b""))
        return result.stderr

    def test_they_obey_the_option_the_environment_and_the_terminal(self) -> None:
        plain = self.failing()
        self.assertNotIn(ESCAPE, plain)
        bold = b"\x1b[1;31monefold inspect:\x1b[0m"
        self.assertEqual(self.failing("--color=always"), plain.replace(b"onefold inspect:", bold))
        for environment, colored in (
            ({"FORCE_COLOR": "1"}, True),
            ({"CLICOLOR_FORCE": "1"}, True),
            ({"FORCE_COLOR": "0"}, False),
            ({"FORCE_COLOR": ""}, False),
            ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
            ({"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
            ({"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ):
            with self.subTest(environment):
                self.assertEqual(ESCAPE in self.failing(**environment), colored)
                self.assertNotIn(ESCAPE, self.failing("--color", "never", **environment))
                self.assertIn(ESCAPE, self.failing("--color", "always", **environment))

    def test_on_a_terminal(self) -> None:
        for environment, options, colored in (
            ({"TERM": "xterm"}, "", True),
            ({"TERM": "dumb"}, "", False),
            ({"TERM": ""}, "", False),
            ({"TERM": "xterm", "NO_COLOR": "1"}, "", False),
            ({"TERM": "xterm"}, "--color never", False),
            ({"TERM": "dumb"}, "--color always", True),
        ):
            with self.subTest(environment, options=options):
                command = ["sh", "-c", f"{ONEFOLD} {options} inspect /nowhere; {ONEFOLD} nothing; echo done"]
                with Terminal(command, self.work, self.work, **environment) as terminal:
                    shown = terminal.until("done\r\n")
                self.assertEqual("\x1b[1;31monefold inspect:" in shown, colored)
                # An option before the command counts for that run alone.
                expected = environment["TERM"] == "xterm" and "NO_COLOR" not in environment
                self.assertEqual("\x1b[1;36mhint:" in shown, expected)

    def test_data_has_none(self) -> None:
        for command in (["--help"], ["pack", "--help"], ["--version"], ["schema"], ["man"]):
            result = succeed(onefold(*command, environment={"FORCE_COLOR": "1"}))
            self.assertNotIn(ESCAPE, result.stdout)

    def test_a_word_that_is_none(self) -> None:
        result = onefold("inspect", "x", "--color", "allways")
        self.assertEqual((result.returncode, result.stdout), (2, b""))
        self.assertIn(b"did you mean 'always'?", result.stderr)


class Quiet(SpecCase):
    def test_commands_say_nothing_when_all_is_well(self) -> None:
        make_tree(self.work / "tree", {"app": program()})
        file = self.work / "file"
        pack = ["pack", "--tree", self.work / "tree", "--entry", "app", "-o", file, "--no-cache"]
        (self.work / "empty").mkdir()
        for command in (
            pack,
            ["verify", file],
            ["extract", file, self.work / "out"],
            ["cache", "list", "--cache", self.work / "empty"],
            ["cache", "clear", "--cache", self.work / "empty"],
            ["init", self.work / "empty"],
        ):
            for command in ([*command, "-q"],):
                with self.subTest(command):
                    self.assertSucceeded(onefold(*command), b"")
        # What was asked for still comes.
        self.assertIn(b"entry", succeed(onefold("--quiet", "inspect", file)).stdout)
        self.assertTrue(json.loads(onefold("verify", "-q", "--json", file).stdout)["verified"])

    def test_packing_a_spec(self) -> None:
        directory = self.new_application()
        options = ["--spec", directory, "-o", directory / "app", "--no-smoke"]
        loud = succeed(onefold("pack", *options, environment=pack_environment()))
        self.assertIn(b"packed", loud.stderr)
        self.assertSucceeded(onefold("pack", "--quiet", *options, environment=pack_environment()), b"")

    def test_errors_warnings_and_usage_come(self) -> None:
        result = onefold("-q", "inspect", "/nowhere")
        self.assertEqual((result.returncode, result.stderr.count(b"\n")), (1, 1))
        result = onefold("inspect", "-q")
        self.assertEqual((result.returncode, result.stderr.count(b"\n")), (2, 2))
        make_tree(self.work / "tree", {"app": program()})
        (self.work / "cache").touch()
        pack = ["pack", "--tree", self.work / "tree", "--entry", "app", "-o", self.work / "file"]
        result = onefold(*pack, "-q", "--cache", self.work / "cache")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stderr, rb"\Aonefold pack: warning: [^\n]+\n\Z")

    def test_no_progress_on_a_terminal(self) -> None:
        make_tree(self.work / "tree", {"app": program(), "noise": File(noise(6_000_000))})
        start = f"{ONEFOLD} pack --tree tree --entry app -o file --no-cache -j1"
        for option, shown in (("", True), ("-q", False)):
            command = ["sh", "-c", f"{start} {option}; echo done"]
            with Terminal(command, self.work, self.work) as terminal:
                self.assertEqual("%" in terminal.until("done\r\n").split("packed")[0], shown)


class Version(Case):
    def test_the_first_line_is_the_version_alone(self) -> None:
        text = succeed(onefold("--version")).stdout.decode()
        self.assertRegex(text, r"\Aonefold \d+\.\d+\.\d+\n")
        found = dict(re.findall(r"^  (\S+) +(\S+)$", text, re.MULTILINE))
        self.assertEqual(found.pop("target"), f"{os.uname().machine}-linux")
        whole = json.loads(succeed(onefold("-V", "--json")).stdout)
        self.assertEqual(text.splitlines()[0], f"onefold {whole['onefold']}")
        self.assertEqual(found, whole["libraries"])
        libraries = {"zstd", "xz", "OpenSSL", "libarchive", "elfutils", "toml++", "Swift"}
        self.assertEqual(set(found), libraries)
        for name, version in found.items():
            self.assertRegex(version, r"\A\d+\.\d+(\.\d+\w?)?\Z", name)
        # They are those that are linked in.
        built = run(["strings", "-a", ONEFOLD]).stdout.decode()
        self.assertIn(f"libarchive {found['libarchive']}", built)


if __name__ == "__main__":
    unittest.main()
