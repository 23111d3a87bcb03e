"""docs/launch.md, "Commands": further programs of one file."""

from __future__ import annotations

import functools
import json
import os
import unittest
from typing import Any

from listen_support import ListenCase, listening, packed_server
from spec_support import SpecCase, application, pack_command, pack_spec, toml, wheel, write_files
from support import Onefile, run, scratch, succeed

#: What each program tells.
TELL = """
import json, os, sys
def tell(name):
    listening = sorted(name for name in os.environ if name.startswith("LISTEN_"))
    print(json.dumps([name, sys.argv[1:], os.environ.get("ONEFOLD_ARGV0"), os.environ.get("SETTING"), sys.path, listening]))
"""
COMMANDS: dict[str, dict[str, Any]] = {
    "commands_migrate": {"module": "manage", "arguments": ["migrate", "--data", "{root}"]},
    "commands_create-user": {"function": "manage:create"},
    "commands_shell": {"script": "shell.py"},
    'commands_"list.files"': {"executable": "bin/list-files", "arguments": ["{exe}"]},
}
FILES = {
    "tell.py": TELL,
    "serve.py": "from tell import tell\ntell('serve')\n",
    "manage.py": "from tell import tell\ndef create():\n    tell('create')\nif __name__ == '__main__':\n    tell('manage')\n",
    "shell.py": "from tell import tell\ntell('shell')\n",
    "requirements.txt": "lister",
}


@functools.lru_cache(maxsize=None)
def packed() -> Onefile:
    """A Python program, with a command of each kind."""
    wheel("lister", {"lister.py": "def main():\n    import tell\n    tell.tell('list')\n"}, scripts=["list-files = lister:main"])
    directory = application(
        scratch() / "commands",
        FILES,
        app={"name": "server"},
        data=[{"source": name} for name in ("tell.py", "manage.py")],
        dependencies={"requirements": ["requirements.txt"]},
        launch={"script": "serve.py", "environment": {"SETTING": "set"}, "instance": "single"},
        launch_listen=listening(),
        **COMMANDS,
    )
    return pack_spec(directory)


class Commands(ListenCase, SpecCase):
    def setUp(self) -> None:
        super().setUp()
        self.onefile = packed()
        self.cache = scratch() / "commands-cache"

    def told(self, *arguments: str, command: str = "", **options: Any) -> list[Any]:
        environment = {"ONEFOLD_COMMAND": command, **options.pop("environment", {})}
        result = self.run_file(self.onefile, *arguments, environment=environment, **options)
        self.assertSucceeded(result)
        return json.loads(result.stdout)

    def link(self, name: str) -> Onefile:
        path = self.work / name
        path.symlink_to(self.onefile.path)
        return Onefile(path, {})

    def test_by_the_variable(self) -> None:
        root = os.fspath(self.onefile.path)
        for command, name, arguments in (
            ("", "serve", []), ("create-user", "create", []), ("shell", "shell", []), ("list.files", "list", [root]),
            ("migrate", "manage", ["migrate", "--data", None]),
        ):  # fmt: skip
            with self.subTest(command):
                told = self.told("--more", "x y", command=command)
                if command == "migrate":
                    arguments[2] = told[1][2]
                    self.assertTrue(arguments[2].startswith(f"{self.cache}/"))
                self.assertEqual(told[:3], [name, [*arguments, "--more", "x y"], root])

    def test_by_the_name_of_a_symlink(self) -> None:
        for command, name in (("create-user", "create"), ("shell", "shell"), ("other", "serve")):
            with self.subTest(command):
                self.onefile = self.link(command)
                told = self.told()
                # The environment tells the name by which the file was started.
                self.assertEqual((told[0], told[2]), (name, os.fspath(self.work / command)))

    def test_the_variable_comes_before_the_name(self) -> None:
        self.onefile = self.link("shell")
        self.assertEqual(self.told(command="create-user")[0], "create")

    def test_by_another_argument_0(self) -> None:
        for zero in ("shell", "/somewhere/shell", "-shell"):
            result = run([zero], executable=self.onefile.path, environment=self.environment({}))
            self.assertSucceeded(result)
            told = json.loads(result.stdout)
            self.assertEqual((told[0], told[2]), ("serve" if zero == "-shell" else "shell", zero))

    def test_a_command_of_a_command(self) -> None:
        """The program does not get the variable, so that a onefile that it starts does not obey it."""
        onefile = packed_server(commands_show={"executable": "bin/server", "arguments": ["show"]})
        shown = succeed(self.run_file(onefile, environment={"ONEFOLD_COMMAND": "show"}))
        self.assertNotIn(b"ONEFOLD_COMMAND", shown.stdout)

    def test_unknown_ones(self) -> None:
        for name in ("no", "Shell", "shell ", "serve"):
            result = self.run_file(self.onefile, environment={"ONEFOLD_COMMAND": name})
            self.assertRefused(result, f"unknown command '{name}' in ONEFOLD_COMMAND: ONEFOLD=help lists them")
        result = self.run_file(packed_server(), environment={"ONEFOLD_COMMAND": "shell"})
        self.assertRefused(result, "unknown command 'shell'")

    def test_help_lists_them(self) -> None:
        said = succeed(self.run_file(self.onefile, verb="help")).stdout.decode()
        listed = said.partition("\nCommands, for ONEFOLD_COMMAND or as the name of a symlink to the file:\n\n")[2]
        self.assertEqual(sorted(listed.split()), ["create-user", "list.files", "migrate", "shell"])
        self.assertNotIn("\nCommands,", succeed(self.run_file(packed_server(), verb="help")).stdout.decode())

    def test_they_have_environment_and_isolation_of_the_program(self) -> None:
        place = self.work / "place"
        place.mkdir()
        (place / "tell.py").write_text("raise SystemExit('from the working directory')\n")
        (place / "json.py").write_text("raise SystemExit('from the working directory')\n")
        hostile = {"PYTHONPATH": place, "PYTHONSTARTUP": place / "tell.py", "PYTHONHOME": "/none"}
        for command in ("", "migrate", "create-user", "shell"):
            with self.subTest(command):
                _, _, _, setting, path, _ = self.told(command=command, environment=hostile, cwd=place)
                self.assertEqual(setting, "set")
                self.assertEqual([entry for entry in path if not entry.startswith(f"{self.cache}/")], [])

    def test_they_listen_nowhere_and_are_no_instances(self) -> None:
        """Beside the program, which listens and is an instance."""
        self.assertEqual(self.told()[5], ["LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID"])
        onefile = packed_server(
            launch={"instance": "single"}, launch_listen=listening(),
            commands_show={"executable": "bin/server", "arguments": ["show"]},
        )  # fmt: skip
        server = self.begin(onefile)
        server.serving()
        for given in ({"ONEFOLD_COMMAND": "show"}, {"ONEFOLD_COMMAND": "show", "ONEFOLD_LISTEN": "0"}):
            shown = self.shown(self.run_file(onefile, environment=given))
            self.assertEqual([line for line in shown["environment"] if line.startswith("LISTEN_")], [])
            self.assertEqual([line for line in shown["fd"] if "socket:" in line or "instance" in line], [])
        self.assertIsNone(server.process.poll())

    def test_they_hold_the_lease(self) -> None:
        onefile = packed_server(commands_serve={"executable": "bin/server"})
        launched = self.serve(onefile, environment={"ONEFOLD_COMMAND": "serve"})
        self.assertRefused(self.run_file(onefile, verb="clean"), "is in use")
        launched.end()

    def test_wrong_ones_in_a_spec(self) -> None:
        directory = self.work / "application"
        write_files(directory, {"bin/server": "#!/bin/sh\n"})
        (directory / "bin" / "server").chmod(0o755)
        for number, (name, command, says) in enumerate((
            ("x", {"executable": "bin/none"}, "there is no 'bin/none' in the tree"),
            ("x", {}, "is needed"),
            ("x", {"executable": "bin/server", "script": "x.py"}, "exclude each other"),
            ("x", {"executable": "bin/server", "argument": []}, "did you mean"),
            ("x", {"module": "json.tool"}, "the spec names no interpreter"),
            ('"a b"', {"executable": "bin/server"}, "a b"),
            ('"a/b"', {"executable": "bin/server"}, "a/b"),
            ('""', {"executable": "bin/server"}, "a command can't have the name ''"),
        )):  # fmt: skip
            with self.subTest(number):
                launch = {"executable": "bin/server"}
                spec = {"app": {"name": "other"}, "data": [{"source": "bin"}], "launch": launch, f"commands.{name}": command}
                (directory / "onefold.toml").write_text(toml(spec))
                result = pack_command(directory, "--no-smoke")
                self.assertEqual((result.returncode, result.stdout), (1, b""))
                self.assertIn(says, result.stderr.decode())
                self.assertFalse((directory / "other").exists())


class Smoke(SpecCase):
    def test_commands_are_imported(self) -> None:
        """When the file is packed, as the program is."""
        for files, command, says in (
            ({}, {"function": "tell:none"}, "the function 'tell:none' that is launched can't be imported from the packed file"),
            ({"late.py": "import missing_module\n"}, {"script": "late.py"}, "line 1: "),
        ):
            with self.subTest(command):
                launch = {"script": "serve.py"}
                directory = self.new_application({**FILES, **files}, data=[{"source": "tell.py"}], launch=launch, commands_late=command)
                self.assertFails(directory, "onefold.toml:", says)


if __name__ == "__main__":
    unittest.main()
