"""A web server that keeps frames for several builders: never in the output, never a failure."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

from nginx import Nginx
from support import StrPath, onefold, succeed
from test_pack_cache import FrameCase

#: As docs/command-line.md describes such a server.
WEBDAV = "location / { dav_methods PUT; create_full_put_path on; client_max_body_size 0; }"
HEADER = 88

Answer = Callable[[BaseHTTPRequestHandler], None]


class RemoteCache(FrameCase):
    """Each builder has no cache of its own; nginx keeps what they share."""

    def pack(self, url: str, *options: StrPath, warns: str = "", **running: Any) -> dict[str, Any]:
        """The summary of a builder with an empty cache; its output is what it is without any."""
        cache = ("--cache", self.new_directory(), "--remote-cache", url)
        about = rf"(?<=warning: )the remote cache (?=[^\n]*{warns})" if warns else ""
        return super().pack(*cache, *options, warns=about, **running)

    def server(self) -> tuple[str, Path]:
        """The URL of an empty directory that nginx serves, and the directory."""
        nginx = Nginx(self.new_directory() / "root", WEBDAV)
        self.addCleanup(nginx.end)
        return f"{nginx.url}/frames", nginx.files / "frames"

    def misbehaving(self, answer: Answer, listens: bool = True) -> str:
        """The URL of a server that answers every request like this, or where none listens."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            do_PUT = do_GET

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if not listens:
            server.server_close()
            return f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    def test_a_second_builder_compresses_nothing(self) -> None:
        url, _ = self.server()
        first = self.pack(url)
        self.assertEqual((first["frames_from_cache"], first["frames_from_remote_cache"]), (0, 0))
        second = self.pack(url + "/")
        self.assertEqual(second["frames_from_cache"], second["frames"])
        self.assertEqual(second["frames_from_remote_cache"], second["frames"])
        # By the variable; then its own cache has them.
        variables = {"ONEFOLD_REMOTE_CACHE": url, "ONEFOLD_PACK_CACHE": self.new_directory()}
        for expected in (second["frames"], 0):
            result = succeed(onefold(*self.command(self.tree, self.work / "packed"), environment=variables))
            summary = json.loads(result.stdout)
            self.assertEqual(summary["frames_from_remote_cache"], expected)
            self.assertEqual(summary["frames_from_cache"], summary["frames"])

    def test_an_untrusted_builder_adds_nothing(self) -> None:
        url, directory = self.server()
        self.pack(url, "--remote-cache-read-only")
        self.pack(url, environment={"ONEFOLD_REMOTE_CACHE_READ_ONLY": "1"})
        self.assertFalse(directory.exists())
        self.pack(url)
        summary = self.pack(url, "--remote-cache-read-only")
        self.assertEqual(summary["frames_from_remote_cache"], summary["frames"])

    def test_no_entry_with_other_content_gets_into_a_file(self) -> None:
        url, directory = self.server()
        self.pack(url)
        entries = sorted(directory.iterdir())
        whole = [entry.read_bytes() for entry in entries]
        # Another frame, damage, a part, nothing, too much; and other content in an entry that is right otherwise.
        wrong = [whole[1], whole[1][:-1] + bytes([whole[1][-1] ^ 1]), whole[2][:100], b"", whole[4] + b"more"]
        wrong.append(forged(whole[5], whole[6][HEADER:]))
        for entry, content in zip(entries, wrong):
            entry.write_bytes(content)
        summary = self.pack(url, warns=f"has {len(wrong)} entries with other content than their names say")
        self.assertEqual(summary["frames_from_remote_cache"], summary["frames"] - len(wrong))
        # This build replaced them.
        summary = self.pack(url)
        self.assertEqual(summary["frames_from_remote_cache"], summary["frames"])

    def test_a_server_that_fails_costs_a_warning(self) -> None:
        def status(number: int) -> Answer:
            def answer(handler: BaseHTTPRequestHandler) -> None:
                handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
                handler.send_response(404 if handler.command == "GET" and number == 507 else number)
                handler.send_header("Content-Length", "0")
                handler.end_headers()

            return answer

        def endless(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            try:
                while True:
                    handler.wfile.write(bytes(1 << 20))
            except OSError:
                pass

        def silent(handler: BaseHTTPRequestHandler) -> None:
            time.sleep(3)

        def cut(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()

        closed = self.misbehaving(cut, listens=False)
        for url, said, seconds in (
            (closed, "curl: \\(7\\)", "20"),
            (self.misbehaving(status(500)), "HTTP status 500", "20"),
            # Full: there is no room for what is put.
            (self.misbehaving(status(507)), "HTTP status 507", "20"),
            (self.misbehaving(status(401)), "HTTP status 401", "20"),
            (self.misbehaving(endless), "longer than an entry can be", "20"),
            (self.misbehaving(silent), "curl: \\(28\\)", "1"),
            (self.misbehaving(cut), "curl: \\(18\\)", "20"),
        ):
            with self.subTest(said):
                self.pack(url, warns=said, environment={"ONEFOLD_DOWNLOAD_TIMEOUT": seconds})

    def test_without_curl(self) -> None:
        self.pack("http://127.0.0.1:1", warns="curl", environment={"PATH": self.new_directory()})

    def test_a_password_is_not_shown(self) -> None:
        url = self.misbehaving(lambda handler: handler.send_error(500)).replace("//", "//user:secret@")
        output = self.work / "packed"
        result = succeed(onefold(*self.command(self.tree, output, "--remote-cache", url)))
        self.assertNotIn(b"secret", result.stderr)
        self.assertIn(b"HTTP status 500", result.stderr)


def forged(entry: bytes, stored: bytes) -> bytes:
    """An entry of the same name with other content, as somebody makes it who knows the format."""
    head = entry[:48] + hashlib.sha256(stored).digest()
    return head + hashlib.sha256(head).digest()[:8] + stored
