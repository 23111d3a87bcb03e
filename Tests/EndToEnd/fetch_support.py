"""What the tests of `onefold fetch` share: two versions of an application, nginx, and a server that
misbehaves."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import threading
import unittest
from pathlib import Path
from typing import Any, Optional

from support import (
    Case,
    Result,
    StrPath,
    hash_file,
    listing,
    make_tree,
    noise,
    onefold,
    pack,
    program,
    succeed,
)

#: The last bytes that a fetch asks for first: the longest signature and the trailer.
TAIL = (64 << 10) + 256
#: A gap that is cheaper than a request.
GAP = 64 << 10
#: Where some answers are cut: after the bootloader and some frames.
CUT = 800_000


def version(number: int) -> dict[str, Any]:
    """Some files are those of all versions."""
    changes = {3: number, 4: number, 17: number}
    files = {f"lib/{i:02}.bin": noise(60_000, f"{i} of {changes.get(i)}") for i in range(24)}
    return {"run": program(b"#!/bin/sh\necho version %d\n" % number), **files}


class FetchCase(Case):
    """The new file is at `self.new`; `self.file` is a copy of the old one."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.served = cls.shared / "served"
        cls.served.mkdir()
        options = ["--frame-size", "64", "--name", "notes"]
        for number in (1, 2, 3):
            tree = make_tree(cls.shared / f"tree {number}", version(number))
            pack(tree, cls.served / f"notes-{number}", *options, "--app-version", f"{number}.0")
        cls.old, cls.new, cls.newest = (cls.served / f"notes-{number}" for number in (1, 2, 3))

    def setUp(self) -> None:
        super().setUp()
        self.place = self.work / "programs"
        self.place.mkdir()
        self.file = self.place / "notes"
        shutil.copy(self.old, self.file)
        self.partial = self.place / ".notes.onefold-partial"
        self.previous = self.place / "notes.previous"

    def fetch(self, source: StrPath, *options: StrPath, **running: Any) -> Result:
        running.setdefault("environment", {"no_proxy": "*", "ONEFOLD_DOWNLOAD_TIMEOUT": "20"})
        return onefold("fetch", source, "-o", self.file, *options, **running)

    def fetched(self, source: StrPath, *options: StrPath, **running: Any) -> Any:
        """The JSON of a fetch that succeeds."""
        return json.loads(succeed(self.fetch(source, "--json", *options, **running)).stdout)

    def assertIs(self, path: Path, expected: Path) -> None:  # type: ignore[override]
        self.assertEqual(hash_file(path), hash_file(expected), path)

    def assertUpdated(self, expected: Path, *others: str) -> None:
        """The file is as expected, and nothing else is beside it."""
        self.assertIs(self.file, expected)
        self.assertEqual(listing(self.place), sorted(["notes", *others]))
        self.assertTrue(os.access(self.file, os.X_OK))

    def assertUntouched(self) -> None:
        self.assertUpdated(self.old)

    def assertFails(self, result: Result, *texts: StrPath, partial: bool = False) -> None:
        """One message, and the old file as it was."""
        self.assertRefused(result, *texts, code=1, says=b"onefold fetch: ")
        self.assertIs(self.file, self.old)
        kept = {"notes", self.partial.name} if partial else {"notes"}
        self.assertLessEqual(set(listing(self.place)), kept)


class Handler(http.server.BaseHTTPRequestHandler):
    """The first component of the path says what is wrong with the answer, the rest names a file."""

    protocol_version = "HTTP/1.1"
    server: Odd

    def do_GET(self) -> None:
        _, what, *rest = self.path.split("/")
        self.what = what
        number = self.server.count(what)
        if what == "status":
            return self.answer(int(rest[0]), b"an error page")
        if what == "redirect":
            return self.answer(302, b"", Location="http://127.0.0.1:1/nowhere")
        if what == "loop":
            return self.answer(302, b"", Location=self.path)
        if what == "moved":
            return self.answer(302, b"", Location="/plain/" + "/".join(rest))
        if what == "html":
            return self.answer(200, b"<!DOCTYPE html><title>Hello</title>" * 5000, Content_Type="text/html")
        if what == "empty":
            return self.answer(200, b"")
        name, _, _ = rest[-1].partition("?")
        if what == "no-signature" and name.endswith(".minisig"):
            return self.answer(500, b"an error page")
        if what == "query" and not rest[-1].endswith("?token=x"):
            return self.answer(403, b"an error page")
        if not (self.server.root / name).exists():
            return self.answer(404, b"an error page")
        content = (self.server.root / name).read_bytes()
        tag = f'"{len(content)}"'
        if what in ("changing", "changing-silently", "always-changing"):
            # Another version from the second request on, or at each request.
            other = (number > 1) if what != "always-changing" else number % 2 == 0
            content = (self.server.root / rest[0 if other else 1]).read_bytes()
            tag = f'"{other}"' if what != "changing-silently" else ""
        if what == "damaged":
            # In every frame but those of the end, which the first answer holds.
            changed = bytearray(content)
            for offset in range(0, len(content) - TAIL, 5000):
                changed[offset] ^= 1
            content = bytes(changed)
        if what == "no-ranges" or not self.headers.get("Range"):
            return self.answer(200, content)
        self.answer_range(content, tag, number)

    def answer_range(self, content: bytes, tag: str, number: int) -> None:
        if self.headers.get("If-Range") not in (None, tag):
            return self.answer(200, content, ETag=tag)
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers["Range"])
        assert asked, self.headers["Range"]
        if asked[1]:
            first, last = int(asked[1]), int(asked[2])
        else:
            first, last = max(0, len(content) - int(asked[2])), len(content) - 1
        if first >= len(content):
            return self.answer(416, b"")
        last = min(last, len(content) - 1)
        if self.what == "short-ranges" and number > 1:
            last = min(last, first + 99_999)
        if self.what == "other-range":
            first -= 1
        part = content[first : last + 1]
        fields = {"Content_Range": f"bytes {first}-{last}/{len(content)}", **({"ETag": tag} if tag else {})}
        # The first answer is the end of the file.
        cut = CUT if number == 2 or (self.what == "slow" and number > 1) else 100
        is_cut = self.what in ("cut", "slow") and number > 1 or (self.what == "cut-once" and number == 2)
        if is_cut and len(part) > cut:
            return self.answer(206, part, part[:cut], wait=self.what == "slow", **fields)
        self.answer(206, part, **fields)

    def answer(
        self, status: int, body: bytes, sent: Optional[bytes] = None, wait: bool = False, **fields: str
    ) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if sent is None else sent)
        self.server.sent += len(body if sent is None else sent)
        if sent is not None:
            self.wfile.flush()
            if wait:
                self.server.waits.set()
                self.server.goes_on.wait(60)
            self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        pass


class Odd(http.server.ThreadingHTTPServer):
    """A server on the loopback interface that misbehaves as the path says."""

    daemon_threads = True

    def __init__(self, test: unittest.TestCase, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.counts: dict[str, int] = {}
        #: Bytes of bodies.
        self.sent = 0
        self.waits, self.goes_on = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()
        test.addCleanup(self.server_close)
        test.addCleanup(self.shutdown)
        test.addCleanup(self.goes_on.set)

    def count(self, what: str) -> int:
        self.counts[what] = self.counts.get(what, 0) + 1
        return self.counts[what]

    def handle_error(self, *arguments: Any) -> None:
        """A client that goes away is no news."""
