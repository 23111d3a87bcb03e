"""docs/examples/django, and what its guide says of it."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import sqlite3
import stat
import unittest
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from examples import EXAMPLES, Answer, Example, Server, pack_spec
from support import Case, listing

SHARE = ".local/share/notesdesk"


class Django(Example, Case):
    folder = "django"
    name = "notesdesk"
    version = "1.0.0"
    documented = (SHARE,)

    def post(self, server: Server, text: str) -> Answer:
        """As the page's form does: with the token in it, and the cookie that came along."""
        page = server.request("GET", "/")
        token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
        assert token
        cookie = SimpleCookie(page.headers["Set-Cookie"])["csrftoken"].value
        body = urlencode({"csrfmiddlewaretoken": token[1].decode(), "text": text})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"csrftoken={cookie}",
        }
        return server.request("POST", "/", body, headers)

    def database(self, home: str = "home") -> Path:
        return self.work / home / SHARE / "notes.db"

    def change_database(self, statement: str) -> None:
        with closing(sqlite3.connect(self.database())) as connection, connection:
            connection.execute(statement)

    def test_migrations_are_applied_to_a_database_in_the_users_directory(self) -> None:
        self.assertEqual(self.serve().end(), 0)
        with closing(sqlite3.connect(self.database())) as connection:
            applied = connection.execute("SELECT app, name FROM django_migrations").fetchall()
            tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
        self.assertIn(("notes", "0001_initial"), applied)
        self.assertIn(("notes_note",), tables)
        directory = self.database().parent
        self.assertEqual(stat.S_IMODE(directory.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE((directory / "secret-key").stat().st_mode), 0o600)
        self.assertEqual(listing(directory), ["lock", "notes.db", "secret-key"])

    def test_xdg_data_home_moves_the_data(self) -> None:
        data = self.work / "data"
        environment = {**self.environment(), "XDG_DATA_HOME": data}
        self.assertEqual(self.serve(environment=environment).end(), 0)
        self.assertEqual(listing(data / "notesdesk"), ["lock", "notes.db", "secret-key"])
        self.assertEqual(listing(self.work / "home"), [])

    def test_a_note_that_is_posted_is_on_the_page_of_the_next_server(self) -> None:
        server = self.serve()
        posted = self.post(server, "kept <safely>")
        self.assertEqual((posted.status, posted.headers["Location"]), (302, "/"))
        self.assertEqual(self.post(server, "").status, 422)
        self.assertEqual(server.request("POST", "/", "text=x").status, 403)
        self.assertEqual(server.end(), 0)
        again = self.serve()
        page = again.get("/")
        self.assertEqual(page.count(b"<article>"), 1)
        self.assertIn(b"kept &lt;safely&gt;", page)
        self.assertEqual(again.end(), 0)

    def test_static_files_have_their_hash_in_their_name_and_may_be_kept_for_good(self) -> None:
        server = self.serve()
        link = re.search(rb'href="/(static/notes/style\.([0-9a-f]{12})\.css)"', server.get("/"))
        assert link
        path = link[1].decode()
        answer = server.request("GET", f"/{path}")
        self.assertEqual(answer.status, 200)
        self.assertEqual(hashlib.md5(answer.body).hexdigest()[:12], link[2].decode())
        self.assertIn("immutable", answer.headers["Cache-Control"])
        source = EXAMPLES / self.folder / "notesdesk/notes/static/notes/style.css"
        self.assertEqual(answer.body, source.read_bytes())
        small = server.request("GET", f"/{path}", headers={"Accept-Encoding": "gzip"})
        self.assertEqual(small.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(small.body), answer.body)
        self.assertEqual(server.end(), 0)

    def test_a_second_server_on_the_same_port_says_so_in_its_last_line(self) -> None:
        first = self.serve()
        port = str(first.port)
        second = self.begin("--port", port, environment=self.environment("other"))
        self.assertStartRefused(
            second,
            3,
            f"cannot listen on 127.0.0.1 port {port}: the port is taken; is it running already?"
            " --port 0 takes a free one",
        )
        self.assertHealthy(first)
        self.assertEqual(first.end(), 0)

    def test_a_second_server_on_the_same_data_names_the_first(self) -> None:
        first = self.serve()
        directory = self.database().parent
        self.assertStartRefused(
            self.begin(),
            3,
            f"process {first.process.pid} is using {directory}; stop it first, or set"
            " XDG_DATA_HOME",
        )
        self.assertEqual(first.end(), 0)

    def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(self) -> None:
        self.assertEqual(self.serve().end(), 0)
        self.change_database(
            "INSERT INTO django_migrations (app, name, applied)"
            " VALUES ('notes', '0002_later', '2030-01-01')"
        )
        before = self.database().read_bytes()
        self.assertStartRefused(
            self.begin(),
            3,
            f"{self.database()} was made by a newer version of notesdesk"
            " (its migration notes.0002_later is unknown here); use that version",
        )
        self.assertEqual(self.database().read_bytes(), before)

    def test_same_version_with_other_content_is_another_tree(self) -> None:
        """No stale bundle is started, although nobody changed the version."""
        project = self.work / "project"
        ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
        shutil.copytree(EXAMPLES / self.folder, project, ignore=ignored)
        page = project / "notesdesk/notes/templates/notes/notes.html"
        page.write_text(page.read_text().replace("<h1>Notes</h1>", "<h1>New notes</h1>"))
        changed = pack_spec(project, self.work / "notesdesk")
        self.assertEqual(changed.summary["version"], self.packed.summary["version"])
        self.assertTrue(changed.summary["reused_layer"])
        environment = {**self.environment(), "ONEFOLD_CACHE": self.cache}
        for onefile, heading in ((self.packed, b"<h1>Notes</h1>"), (changed, b"<h1>New notes</h1>")):
            server = self.begin_of(onefile, environment)
            server.wait(self.health)
            self.assertIn(heading, server.get("/"))
            self.assertEqual(server.end(), 0)
        names = sorted([self.packed.tree_name, changed.tree_name])
        self.assertEqual(listing(self.cache), names)

    def begin_of(self, onefile: Any, environment: dict[Any, Any]) -> Server:
        command = onefile.command(*self.serving)
        server = Server(command, self.work / onefile.tree_name, environment)
        self.addCleanup(server.reap)
        return server

    def test_the_collected_files_and_migrations_are_in_the_tree(self) -> None:
        package = self.site_packages / "notesdesk"
        self.assertTrue((package / "collected" / "staticfiles.json").is_file())
        self.assertTrue((package / "notes" / "migrations" / "0001_initial.py").is_file())
        self.assertTrue((package / "notes" / "templates" / "notes" / "notes.html").is_file())


if __name__ == "__main__":
    unittest.main()
