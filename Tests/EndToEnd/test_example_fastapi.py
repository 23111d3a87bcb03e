"""docs/examples/fastapi-server as its spec packs it; test_servers.py has it as PyInstaller does."""

from __future__ import annotations

import json
import os
import signal
import unittest

from examples import EXAMPLES, Example
from support import Case, listing

SHARE = ".local/share/fastapi-server"


class FastAPIServer(Example, Case):
    folder = "fastapi-server"
    name = "fastapi-server"
    version = "1.0.0"
    documented = (SHARE,)

    def test_health_tells_the_tree_the_file_and_the_version(self) -> None:
        server = self.serve()
        health = self.assertHealthy(server)
        self.assertEqual(health["ppid"], os.getpid())
        self.assertEqual(health["root"], os.fspath(self.tree))
        self.assertEqual(health["exe"], os.fspath(self.packed.path))
        self.assertEqual(health["meipass"], os.fspath(self.site_packages))
        self.assertEqual(health["executable"], os.fspath(self.tree / "bin" / "python3.11"))
        self.assertEqual(health["app_version"], self.version)
        self.assertEqual(server.end(), 0)

    def test_it_serves_the_page_from_its_data_files(self) -> None:
        server = self.serve()
        static = EXAMPLES / self.folder / "static"
        self.assertEqual(server.get("/"), (static / "index.html").read_bytes())
        self.assertEqual(server.get("/style.css"), (static / "style.css").read_bytes())
        self.assertEqual(server.end(), 0)

    def test_its_check_uses_every_endpoint(self) -> None:
        result = self.launch("--check")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["status"], "ok")
        self.assertTreeUnchanged()

    def test_notes_outlive_the_server(self) -> None:
        server = self.serve()
        self.assertEqual(server.post("/api/notes", {"text": "kept"}).status, 201)
        self.assertEqual(server.end(), 0)
        self.assertEqual(listing(self.work / "home" / SHARE), ["notes.db"])
        again = self.serve()
        [note] = json.loads(again.get("/api/notes"))
        self.assertEqual(note["text"], "kept")
        self.assertEqual(again.end(), 0)

    def test_sigint_ends_it_as_sigterm_does(self) -> None:
        self.assertEqual(self.serve().end(signal.SIGINT), 0)

    def test_a_wrong_option_is_the_servers_own_affair(self) -> None:
        result = self.launch("--no-such-option")
        self.assertEqual((result.returncode, result.stdout), (2, b""))
        self.assertIn(b"usage: ", result.stderr)


if __name__ == "__main__":
    unittest.main()
