"""docs/examples/cachibot, the real package, and what its guide says of it."""

from __future__ import annotations

import json
import os
import re
import signal
import unittest
from pathlib import Path
from typing import Any

from examples import EXAMPLES, Example, Server
from support import Case, StrPath, listing, onefold, run, succeed

#: What must never be in the file.
UNWANTED = (
    "fonttools fontTools gunicorn pip playwright pytest scipy setuptools torch torchvision wheel"
).split()

#: Imports each module whose source is in a package, and prints those that fail.
IMPORT_ALL = """
import importlib, io, json, os, pathlib, sys
root, failed, count, out = pathlib.Path(sys._MEIPASS), {}, 0, sys.stdout
for package in sys.argv[1:]:
    for path in sorted(root.joinpath(package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if parts[-1] == "__main__":
            continue
        count += 1
        sys.stdout = io.StringIO()
        try:
            importlib.import_module(name)
        except BaseException as error:
            failed[name] = repr(error)
        sys.stdout = out
print(json.dumps([count, failed]))
out.flush()
os._exit(0)
"""

#: Modules that can't be imported in a virtual environment with the lock either.
NOT_ALONE = re.compile(
    # Need distributions that nothing requires.
    r"prompture\.games\.chess(\..+)?|tukuy\.mcp_server"
    # Imports a module that no tukuy has.
    r"|cachibot\.plugins\.sdk_types"
    # A script for alembic.
    r"|cachibot\.storage\.alembic\.env"
)


class CachiBot(Example, Case):
    folder = "cachibot"
    name = "cachibot"
    version = "0.3.0"
    serving = ("server", "--host", "127.0.0.1", "--port", "{port}")
    stopped = -signal.SIGTERM
    documented = (".cachibot", ".cachibot.toml", ".cache/Microsoft")
    temporary = (".ses",)
    variables = ("CACHIBOT_DESKTOP",)

    def environment(self, home: str = "home") -> dict[str, StrPath]:
        return {**super().environment(home), "CACHIBOT_TELEMETRY_DISABLED": "1"}

    def interpreter(self, code: str, *arguments: str) -> Any:
        """Runs Python in the tree, and returns the JSON of its last line."""
        command = [self.tree / "bin" / "python3", "-I", "-B", "-c", code, *arguments]
        result = succeed(run(command, environment=self.environment(), cwd=self.work / "cwd"))
        return json.loads(result.stdout.splitlines()[-1])

    def test_it_serves_its_page_from_package_data_and_keeps_data_in_the_users_directory(self) -> None:
        server = self.serve()
        pages = self.site_packages / "cachibot" / "frontend_dist"
        page = server.get("/")
        self.assertEqual(page, (pages / "index.html").read_bytes())
        assets = re.findall(r'(?:src|href)="/(assets/[^"]+)"', page.decode())
        self.assertGreaterEqual(len(assets), 2)
        for asset in assets:
            self.assertEqual(server.get(f"/{asset}"), (pages / asset).read_bytes())
        self.assertEqual(server.end(), self.stopped)
        database = self.work / "home" / ".cachibot" / "cachibot.db"
        self.assertEqual(database.read_bytes()[:15], b"SQLite format 3")
        self.assertTreeUnchanged()

    def test_another_database_can_be_named(self) -> None:
        path = self.work / "other.db"
        url = f"sqlite+aiosqlite:///{path}"
        environment = {**self.environment(), "CACHIBOT_DATABASE_URL": url}
        self.assertEqual(self.serve(environment=environment).end(), self.stopped)
        self.assertTrue(path.is_file())
        self.assertNotIn("cachibot.db", listing(self.work / "home" / ".cachibot"))

    def test_a_second_server_of_one_user_ends_the_first(self) -> None:
        first = self.serve()
        second = self.serve()
        self.assertEqual(first.process.wait(timeout=60), -signal.SIGTERM)
        self.assertHealthy(second)
        self.assertEqual(second.end(), self.stopped)

    def test_a_port_that_something_else_has_is_named_in_the_last_lines(self) -> None:
        first = self.serve()
        other = self.environment("other")
        second = Server(
            self.packed.command("server", "--host", "127.0.0.1", "--port", str(first.port)),
            self.work / "refused",
            other,
        )
        self.addCleanup(second.reap)
        self.assertNotEqual(second.process.wait(timeout=60), 0)
        self.assertIn(b"address already in use", b"\n".join(second.last_lines()))
        self.assertEqual(first.end(), self.stopped)

    def test_diagnose_finds_nothing_wrong(self) -> None:
        result = self.launch("diagnose")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"CachiBot 0.3.0 verified OK", result.stdout)
        self.assertTreeUnchanged()

    def test_repairing_itself_by_pip_fails_and_changes_nothing(self) -> None:
        self.assertNotEqual(self.launch("repair", input=b"y\ny\n").returncode, 0)
        self.assertTreeUnchanged()

    def test_files_below_meipass_are_there(self) -> None:
        code = "import json, sys; print(json.dumps([hasattr(sys, 'frozen'), sys._MEIPASS]))"
        frozen, meipass = self.interpreter(code)
        # Its sources do not ask for it.
        self.assertFalse(frozen)
        self.assertEqual(meipass, os.fspath(self.site_packages))
        self.assertEqual(Path(meipass, "cachibot", "VERSION").read_text().strip(), self.version)
        versions = Path(meipass, "cachibot", "storage", "alembic", "versions")
        self.assertGreater(len(list(versions.glob("*.py"))), 0)

    def test_every_module_of_the_packages_that_import_lazily_can_be_imported(self) -> None:
        packages = ("prompture", "tukuy", "cachibot")
        count, failed = self.interpreter(IMPORT_ALL, *packages)
        self.assertGreater(count, 800)
        unexpected = {name: why for name, why in failed.items() if not NOT_ALONE.fullmatch(name)}
        self.assertEqual(unexpected, {})

    def test_every_locked_distribution_is_there_and_no_other(self) -> None:
        lock = (EXAMPLES / self.folder / "requirements.txt").read_text()
        locked = dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))
        code = (
            "import json; from importlib.metadata import distributions as all;"
            "print(json.dumps([[d.metadata['Name'], d.version] for d in all()]))"
        )
        installed = dict(self.interpreter(code))
        self.assertEqual(normalized(installed), normalized(locked))
        self.assertEqual(len(installed), self.packed.summary["distributions"])

    def test_what_must_not_come_along_did_not(self) -> None:
        names = {re.sub(r"-[\d.]+\.dist-info$", "", name) for name in listing(self.site_packages)}
        self.assertEqual(names & set(UNWANTED), set())
        self.assertIn("cachibot", names)
        self.assertFalse(list(self.tree.glob("bin/pip*")))

    def test_sizes_are_listed_by_distribution_the_largest_first(self) -> None:
        result = succeed(onefold("inspect", self.packed.path, "--sizes", "--all", "--json"))
        sizes = json.loads(result.stdout)["sizes"]
        packed = [row["packed"] for row in sizes]
        self.assertEqual(packed, sorted(packed, reverse=True))
        named = {row["name"].split()[0].lower() for row in sizes}
        self.assertLessEqual({"onnxruntime", "pymupdf", "cachibot", "numpy"}, named)


def normalized(versions: dict[str, str]) -> dict[str, str]:
    """Names as PEP 503 compares them."""
    return {re.sub(r"[-_.]+", "-", name).lower(): value for name, value in versions.items()}


if __name__ == "__main__":
    unittest.main()
