"""docs/examples/langgraph, and what its guide says of it."""

from __future__ import annotations

import os
import signal
import sqlite3
import unittest
from contextlib import closing
from pathlib import Path

from examples import EXAMPLES, Example, free_port
from support import Case, listing

SHARE = ".local/share/cortex-backend"
TRACING = ("LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGSMITH_TRACING_V2")


class LangGraph(Example, Case):
    folder = "langgraph"
    name = "cortex-backend"
    version = "1.0.0"
    documented = (SHARE,)

    @property
    def database(self) -> Path:
        return self.work / "home" / SHARE / "documents.db"

    def test_the_file_has_the_name_that_tauri_looks_for(self) -> None:
        self.assertRegex(self.packed.path.name, r"\A.+-x86_64-unknown-linux-gnu\Z")
        self.assertEqual(listing(self.packed.path.parent), [self.packed.path.name])

    def test_health_shows_the_extension_and_the_migrations(self) -> None:
        server = self.serve()
        health = self.assertHealthy(server)
        self.assertEqual((health["sqlite_vec"], health["documents"]), ("v0.1.9", 0))
        scripts = listing(EXAMPLES / self.folder / "migrations")
        self.assertEqual(health["migrations"], len(scripts))
        self.assertEqual(listing(self.site_packages / "migrations"), scripts)
        self.assertTrue((self.site_packages / "sqlite_vec" / "vec0.so").is_file())
        self.assertEqual(server.end(), 0)

    def test_it_finds_what_is_nearest_also_after_it_was_killed(self) -> None:
        server = self.serve()
        texts = [
            "a sidecar is a program that a shell starts",
            "vectors are found by their distance",
            "SQLite keeps all in one file",
        ]
        keys = [server.post("/api/documents", {"text": text}).json["id"] for text in texts]
        self.assertEqual(server.post("/api/documents", {"text": " "}).status, 422)
        self.assertEqual(server.end(signal.SIGKILL), -signal.SIGKILL)
        again = self.serve()
        self.assertEqual(self.assertHealthy(again)["documents"], len(texts))
        answer = again.post("/api/ask", {"question": "by what are vectors found?"}).json
        self.assertEqual(answer["answer"], texts[1])
        self.assertEqual(answer["sources"][0]["id"], keys[1])
        unknown = again.post("/api/ask", {"question": "bananas"}).json
        self.assertEqual(unknown, {"answer": "no document is about that", "sources": []})
        self.assertEqual(again.end(), 0)
        with closing(sqlite3.connect(self.database)) as connection:
            asked = connection.execute("SELECT answer FROM questions ORDER BY id").fetchall()
        self.assertEqual(asked, [(texts[1],), ("no document is about that",)])

    def test_a_database_lacking_migrations_gets_them(self) -> None:
        self.assertEqual(self.serve().end(), 0)
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("DROP TABLE questions")
            connection.execute("PRAGMA user_version = 1")
        server = self.serve()
        self.assertEqual(self.assertHealthy(server)["migrations"], 2)
        self.assertEqual(server.post("/api/ask", {"question": "anything?"}).status, 200)
        self.assertEqual(server.end(), 0)

    def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(self) -> None:
        self.assertEqual(self.serve().end(), 0)
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("PRAGMA user_version = 3")
        before = self.database.read_bytes()
        self.assertStartRefused(
            self.begin(),
            1,
            f"{self.database} was made by a newer version of cortex-backend"
            " (it has 3 migrations, 1.0.0 knows 2); use that version, or another --database",
        )
        self.assertEqual(self.database.read_bytes(), before)

    def test_a_second_server_on_the_same_port_says_so_in_its_last_line(self) -> None:
        first = self.serve()
        self.assertStartRefused(
            self.begin("--port", str(first.port)),
            3,
            f"cannot listen on 127.0.0.1 port {first.port}: the port is taken; is it running"
            " already? --port 0 takes a free one",
        )
        self.assertHealthy(first)
        self.assertEqual(first.end(), 0)

    def test_variables_that_would_send_texts_to_a_service_do_not_reach_it(self) -> None:
        environment = {**self.environment(), **dict.fromkeys(TRACING, "true")}
        server = self.serve(environment=environment)
        seen = Path(f"/proc/{server.process.pid}/environ").read_bytes()
        self.assertNotIn(b"TRACING", seen)
        self.assertIn(b"ONEFOLD_ROOT=", seen)
        self.assertEqual(server.end(), 0)

    def test_it_takes_the_socket_of_the_launcher_and_serves_its_page(self) -> None:
        port = free_port()
        server = self.serve("--port", "1", environment={**self.environment(), "ONEFOLD_LISTEN": f"127.0.0.1:{port}"})
        self.assertEqual(server.port, port)
        self.assertEqual(server.get("/"), (EXAMPLES / self.folder / "page/index.html").read_bytes())
        self.assertEqual(server.end(), 0)

    def test_another_database_can_be_named(self) -> None:
        database = self.work / "elsewhere" / "documents.db"
        self.assertEqual(self.serve("--database", os.fspath(database)).end(), 0)
        self.assertTrue(database.is_file())
        self.assertFalse(self.database.exists())


if __name__ == "__main__":
    unittest.main()
