"""docs/examples/electron-updater: what it fetches, from a real server and from servers that misbehave; what it leaves
when it is killed; and the shell around it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Sequence

from examples import EXAMPLES, node_program
from nginx import Nginx, Request
from support import (
    AS_NOBODY,
    GOLDEN,
    Case,
    Mounts,
    Onefile,
    executable,
    listing,
    make_tree,
    needs_program,
    needs_root,
    noise,
    pack,
    parts,
    processes,
    program,
    run,
    start,
    succeed,
)

EXAMPLE = EXAMPLES / "electron-updater"
MODULE = EXAMPLE / "onefold-update.cjs"

#: Calls functions of the module one after another, and prints what each returned or threw.
DRIVER = """
const [module, text] = process.argv.slice(1);
const updater = require(module);
(async () => {
  for (const [name, ...values] of JSON.parse(text)) {
    try {
      const result = name === 'eval' ? await eval(values[0]) : await updater[name](...values);
      console.log(JSON.stringify({ result: result === undefined ? null : { ...result } }));
    } catch (error) {
      console.log(JSON.stringify({ code: error.code ?? error.name, status: error.status, message: error.message }));
    }
  }
})();
"""

#: Counts calls that change files, and kills the process before one of them.
KILL = """
const fs = require('node:fs/promises');
const target = Number(process.env.KILL_BEFORE);
const calls = [];
const wrap = (object, name, changes = () => true) => {
  const original = object[name];
  object[name] = function (...values) {
    if (changes(...values)) {
      calls.push(name);
      if (calls.length === target) process.kill(process.pid, 'SIGKILL');
    }
    return original.apply(this, values);
  };
};
for (const name of ['rename', 'link', 'rm', 'copyFile']) wrap(fs, name);
wrap(fs, 'open', (file, flags) => flags !== 'r');
process.on('exit', () => console.error(JSON.stringify(calls)));
module.exports = fs.open('/dev/null', 'r').then(async (handle) => {
  for (const name of ['write', 'truncate', 'chmod', 'chown', 'sync']) wrap(Object.getPrototypeOf(handle), name);
  await handle.close();
});
"""


class Part(NamedTuple):
    offset: int
    length: int
    hash: bytes


def file_parts(onefile: Onefile) -> list[Part]:
    """The parts with a hash that a client has to collect: the prefix and the frames."""
    read = parts(onefile.path)
    trailer = read.trailer
    frames = [Part(trailer.payload_offset + f.offset, f.stored_length, f.hash) for f in read.manifest.frames]
    return [Part(0, trailer.payload_offset, trailer.prefix_hash), *frames]


def new_parts(new: Onefile, *old: Onefile) -> list[Part]:
    known = {part.hash for onefile in old for part in file_parts(onefile)}
    return [part for part in file_parts(new) if part.hash not in known]


def ranges_of(wanted: Sequence[Part]) -> list[str]:
    """The requests that fetch the parts: one for those that adjoin."""
    ranges: list[list[int]] = []
    for part in wanted:
        if not ranges or ranges[-1][1] != part.offset:
            ranges.append([part.offset, part.offset])
        ranges[-1][1] += part.length
    return [f"bytes={begin}-{end - 1}" for begin, end in ranges]


#: Places of the server that answer otherwise.
PLACES = """
location /whole/ {{ alias {files}/; max_ranges 0; }}
location /slow/ {{ alias {files}/; limit_rate 1m; }}
location /moved/ {{ rewrite ^/moved/(.*) /$1 redirect; }}
location /nowhere {{ return 302 http://127.0.0.1:1/nothing; }}
location /unsafe {{ return 302 http://0.0.0.0:$server_port/demo; }}
location /busy {{ return 503; }}
"""


def serve(nginx: Nginx, onefile: Onefile, name: str) -> str:
    """Publishes the file as a release does: by a rename."""
    shutil.copy(onefile.path, nginx.files / ".new")
    (nginx.files / ".new").rename(nginx.files / name)
    return f"{nginx.url}/{name}"


class Bad(ThreadingHTTPServer):
    """A server with ranges and ETags that does to each answer what a test wants."""

    daemon_threads = True

    def __init__(self, case: Case, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), BadHandler)
        self.url = f"http://127.0.0.1:{self.server_port}/demo"
        self.content, self.tags, self.type = content, True, "application/octet-stream"
        self.ranges, self.suffixes = True, True
        self.wanted: list[str] = []
        self.lock = threading.Lock()
        #: Called with the number of each request, from 1; may change the server.
        self.before: Callable[[int], None] = lambda number: None
        #: How many bytes of the body are sent, and what happens then.
        self.limit: Callable[[int], Optional[int]] = lambda number: None
        self.then: Callable[[int], None] = lambda number: None
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        case.addCleanup(self.server_close)
        case.addCleanup(self.shutdown)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients end connections, and are killed."""


class BadHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bad

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range", "")
        with server.lock:
            server.wanted.append(wanted)
            number = len(server.wanted)
            server.before(number)
            content = server.content
        tag = f'"{hash(content)}"'
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
        suffix = match is not None and not match[1]
        same = self.headers.get("If-Range") in (None, tag) or not server.tags
        if match and same and server.ranges and (server.suffixes or not suffix):
            begin = max(0, len(content) - int(match[2])) if suffix else int(match[1])
            end = len(content) if suffix else min(len(content), int(match[2]) + 1)
            self.send_response(206 if begin < end else 416)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
            content = content[begin:end]
        else:
            self.send_response(200)
        if server.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if server.tags:
            self.send_header("ETag", tag)
        self.send_header("Content-Type", server.type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        limit = server.limit(number)
        try:
            self.wfile.write(content[:limit])
        except OSError:
            return
        if limit is not None:
            self.wfile.flush()
            server.then(number)
            self.close_connection = True

    def log_message(self, *values: Any) -> None:
        pass


def make_version(directory: Path, version: str, changes: Sequence[int] = (), name: str = "demo", *options: str) -> Onefile:
    entries: dict[str, Any] = {"run": program(b"#!/bin/sh\necho %s\n" % version.encode())}
    for number in range(8):
        seed = f"{number} {version}" if number in changes else f"{number}"
        entries[f"lib/{number}"] = noise(200_000, seed)
    tree = make_tree(directory / f"tree-{name}-{version}", entries)
    more = ["--frame-size", "128", "--app-version", version, "--name", name, *options]
    return pack(tree, directory / f"{name}-{version}", *more)


class Client(Case):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.node = node_program()
        # Beside the installed version, one with two new files, one with two others, and one that is not a demo.
        cls.old = make_version(cls.shared, "1")
        cls.new = make_version(cls.shared, "2", (2, 5))
        cls.newest = make_version(cls.shared, "3", (3, 5))

    def setUp(self) -> None:
        super().setUp()
        self.place = self.work / "place"
        self.place.mkdir()
        self.file = self.place / "demo"
        self.install(self.old)

    def install(self, onefile: Onefile) -> None:
        shutil.copy(onefile.path, self.file)
        self.file.chmod(0o750)

    def options(self, url: str, **more: Any) -> dict[str, Any]:
        return {"url": url, "file": os.fspath(self.file), "retryDelay": 1, **more}

    def command(self, calls: Sequence[Sequence[Any]], *flags: str) -> list[str]:
        return [self.node, "--no-warnings", *flags, "-e", DRIVER, os.fspath(MODULE), json.dumps(calls)]

    def call(self, *calls: Sequence[Any], flags: Sequence[str] = (), **running: Any) -> list[dict[str, Any]]:
        result = succeed(run(self.command(calls, *flags), **running))
        self.assertEqual(result.stderr, b"")
        return [json.loads(line) for line in result.stdout.splitlines()]

    def update(self, url: str, **more: Any) -> dict[str, Any]:
        [answer] = self.call(["update", self.options(url, **more)])
        self.assertNotIn("code", answer)
        return answer["result"]

    def refused(self, url: str, **more: Any) -> dict[str, Any]:
        """The update fails, and leaves the installed file as it is, and nothing else."""
        [answer] = self.call(["update", self.options(url, **more)])
        self.assertInstalled(self.old)
        self.assertEqual(listing(self.place), ["demo"])
        self.assertRegex(answer["message"], r"^[^\n]+[^\n.]$")
        return answer

    def assertInstalled(self, onefile: Onefile) -> None:
        self.assertEqual(self.file.read_bytes(), onefile.path.read_bytes())
        self.assertEqual(self.file.stat().st_mode & 0o7777, 0o750)

    def assertStarts(self, *versions: bytes) -> None:
        result = succeed(Onefile(self.file, {}).launch(cache=self.cache))
        self.assertIn(result.stdout.strip(), versions)

    def partials(self) -> list[str]:
        return [name for name in listing(self.place) if name not in ("demo", "demo.previous")]


class FromNginx(Client):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        files = cls.shared / "served"
        cls.nginx = Nginx(files, PLACES.format(files=files))
        cls.addClassCleanup(cls.nginx.end)

    def test_an_update_fetches_what_changed_and_the_old_version_comes_back(self) -> None:
        url = serve(self.nginx, self.new, "demo")
        old = self.file.stat()
        link = self.work / "link"
        link.symlink_to(self.file)
        options = {**self.options(url), "file": os.fspath(link)}
        planned, updated, polled = self.call(["plan", options], ["update", options], ["update", options])
        missing = new_parts(self.new, self.old)
        expected = sum(part.length for part in missing)
        # Two files and the program of three lines changed.
        self.assertLess(expected, 0.3 * self.new.path.stat().st_size)
        plan, result = planned["result"], updated["result"]
        self.assertEqual((plan["version"], plan["installedVersion"], plan["fetchBytes"]), ("2", "1", expected))
        readme = (EXAMPLE / "README.md").read_text()
        self.assertEqual([name for name in plan if f"`{name}`" not in readme], [])
        wanted = ranges_of(missing)
        self.assertEqual(plan["fetchRequests"], len(wanted))
        self.assertEqual((result["updated"], result["version"], result["previousVersion"]), (True, "2", "1"))
        # The plan, the update, and an update that finds nothing new.
        _, tail, *ranges, poll = self.nginx.next_requests(len(wanted) + 3)
        self.assertEqual((tail.status, tail.sent, poll.sent), (206, 4096, 4096))
        self.assertEqual([(r.status, r.range) for r in ranges], [(206, one) for one in wanted])
        self.assertEqual(result["fetched"], {"bytes": 4096 + expected, "requests": 1 + len(wanted)})
        self.assertEqual(sum(request.sent for request in (tail, *ranges)), result["fetched"]["bytes"])
        self.assertFalse(polled["result"]["updated"])
        self.assertInstalled(self.new)
        self.assertStarts(b"2")
        self.assertTrue(link.is_symlink())
        previous = self.place / "demo.previous"
        self.assertEqual(previous.stat().st_ino, old.st_ino)
        [back, nothing] = self.call(["rollback", os.fspath(link)], ["rollback", os.fspath(link)])
        self.assertEqual(back["result"], {"version": "1"})
        self.assertEqual(nothing["code"], "ERR_ONEFOLD_NO_PREVIOUS")
        self.assertEqual((self.file.stat().st_ino, listing(self.place)), (old.st_ino, ["demo"]))
        self.assertStarts(b"1")

    def test_without_ranges_all_is_fetched(self) -> None:
        serve(self.nginx, self.new, "demo")
        result = self.update(f"{self.nginx.url}/whole/demo", keepPrevious=False)
        self.assertTrue(result["whole"])
        size = self.new.path.stat().st_size
        self.assertEqual(result["fetched"]["requests"], 2)
        # What came of the first answer before the client ended it is for the server to say.
        self.assertEqual(self.nginx.next_requests(2)[1], Request("/whole/demo", 200, "-", size))
        self.assertInstalled(self.new)
        self.assertEqual(listing(self.place), ["demo"])
        # Only the whole file can tell that nothing is new.
        result = self.update(f"{self.nginx.url}/whole/demo")
        self.assertFalse(result["updated"])
        self.assertEqual(self.nginx.next_requests(2)[1].sent, size)
        self.assertEqual(listing(self.place), ["demo"])

    def test_a_redirect_a_slow_server_and_a_first_installation(self) -> None:
        serve(self.nginx, self.new, "demo")
        self.file.unlink()
        bundled = os.fspath(self.old.path)
        # A second without a byte is too long; the whole takes longer.
        result = self.update(f"{self.nginx.url}/moved/slow/demo", seeds=[bundled], timeout=1000)
        missing = new_parts(self.new, self.old)
        self.assertEqual(result["fetched"]["bytes"], 4096 + sum(part.length for part in missing))
        # Each request was redirected.
        count = 1 + len(ranges_of(missing))
        self.assertEqual([r.status for r in self.nginx.next_requests(2 * count)], [302, 206] * count)
        self.assertEqual(self.file.read_bytes(), self.new.path.read_bytes())
        self.assertEqual(listing(self.place), ["demo"])
        mask = os.umask(0)
        os.umask(mask)
        self.assertEqual(self.file.stat().st_mode & 0o7777, 0o777 & ~mask)

    def test_what_is_no_update_is_refused(self) -> None:
        url = serve(self.nginx, self.new, "demo")
        serve(self.nginx, make_version(self.shared, "4", (), "other"), "other")
        (self.nginx.files / "page.html").write_text("<h1>Not here</h1>" * 500)
        (self.nginx.files / "short.html").write_text("<h1>Not here</h1>")
        (self.nginx.files / "empty").write_bytes(b"")
        address = self.nginx.url
        cases = {
            "missing": ("ERR_ONEFOLD_HTTP", "404"),
            "busy": ("ERR_ONEFOLD_HTTP", "503"),
            "nowhere": ("ERR_ONEFOLD_NETWORK", "cannot fetch"),
            "unsafe": ("ERR_ONEFOLD_INSECURE", "0.0.0.0"),
            "page.html": ("ERR_ONEFOLD_NOT_A_ONEFILE", "text/html"),
            "short.html": ("ERR_ONEFOLD_NOT_A_ONEFILE", "text/html"),
            "whole/page.html": ("ERR_ONEFOLD_NOT_A_ONEFILE", "text/html"),
            "empty": ("ERR_ONEFOLD_NOT_A_ONEFILE|ERR_ONEFOLD_HTTP", "416|no trailer|no program|cut short"),
            "other": ("ERR_ONEFOLD_OTHER_APPLICATION", "has the name 'other', not 'demo'"),
            "whole/other": ("ERR_ONEFOLD_OTHER_APPLICATION", "has the name 'other', not 'demo'"),
        }
        asked = [["update", self.options(f"{address}/{path}", retries=1)] for path in cases]
        asked.append(["update", self.options("http://updates.invalid/demo")])
        asked.append(["update", self.options("file:///etc/passwd")])
        asked.append(["update", self.options(url, target="aarch64-linux")])
        expected = [*cases.values(), ("ERR_ONEFOLD_INSECURE", "TLS"), ("ERR_ONEFOLD_INSECURE", "https")]
        expected.append(("ERR_ONEFOLD_OTHER_APPLICATION", "has the target 'x86_64-linux', not 'aarch64-linux'"))
        for (_, options), answer, (code, text) in zip(asked, self.call(*asked), expected, strict=True):
            with self.subTest(options["url"]):
                self.assertRegex(answer.get("code", ""), rf"^({code})$", answer)
                self.assertRegex(answer["message"], text)
                self.assertRegex(answer["message"], r"^[^\n]+[^\n.]$")
        self.assertInstalled(self.old)
        self.assertEqual(listing(self.place), ["demo"])
        self.nginx.seen = len(self.nginx.logged())


class FromOthers(Client):
    """Servers that do what nginx can't be told to do."""

    def server(self, onefile: Optional[Onefile] = None) -> Bad:
        return Bad(self, (onefile or self.new).path.read_bytes())

    def test_cut_answers_are_continued(self) -> None:
        server = self.server()
        server.limit = lambda number: 150_000
        self.update(server.url)
        self.assertInstalled(self.new)
        # The ranges of two files are longer. Each is continued, and not begun again.
        wanted = ranges_of(new_parts(self.new, self.old))
        self.assertEqual([one for one in server.wanted if one in wanted], wanted)
        self.assertGreaterEqual(len(server.wanted), 1 + len(wanted) + 2)

    def test_a_server_without_suffixes_and_one_that_cuts_whole_answers(self) -> None:
        server = self.server()
        server.suffixes = False
        result = self.update(server.url)
        self.assertFalse(result["whole"])
        self.assertEqual(server.wanted[1], f"bytes={len(server.content) - 4096}-{len(server.content) - 1}")
        self.assertInstalled(self.new)
        self.install(self.old)
        server = self.server(self.newest)
        server.ranges = False
        server.limit = lambda number: 90_000 if number < 4 else None
        self.assertTrue(self.update(server.url)["whole"])
        self.assertEqual(server.wanted, ["bytes=-4096", "", "", ""])
        self.assertInstalled(self.newest)

    def test_a_silent_request_is_given_up_and_made_again(self) -> None:
        server = self.server()
        release = threading.Event()
        self.addCleanup(release.set)
        server.limit = lambda number: 0 if number == 1 else 1000 if number == 3 else None
        server.then = lambda number: None if release.wait(60) else None
        # On a busy machine, other requests may seem silent as well.
        given_up, updated = self.call(
            ["update", self.options(server.url, timeout=200, retries=0)],
            ["update", self.options(server.url, timeout=1000, retries=100)],
        )
        self.assertEqual(given_up["code"], "ERR_ONEFOLD_NETWORK")
        self.assertIn("no byte came for 0.2 seconds", given_up["message"])
        self.assertTrue(updated["result"]["updated"])
        self.assertInstalled(self.new)
        wanted = ranges_of(new_parts(self.new, self.old))
        self.assertGreaterEqual(len(server.wanted), 2 + len(wanted) + 1)

    def test_a_file_that_is_replaced_meanwhile(self) -> None:
        for tags in (True, False):
            with self.subTest(tags=tags):
                self.install(self.old)
                server = self.server()
                server.tags = tags

                def replace(number: int) -> None:
                    if number == 3:
                        server.content = self.newest.path.read_bytes()

                server.before = replace
                result = self.update(server.url)
                self.assertEqual((result["version"], self.partials()), ("3", []))
                self.assertInstalled(self.newest)
                # The first range was fetched for the first version, and the other two for the second. A part of the first
                # is in the second too, and another is not.
                self.assertEqual(server.wanted.count("bytes=-4096"), 2)

    def test_a_file_that_never_stays(self) -> None:
        server = self.server()
        versions = [self.new.path.read_bytes(), self.newest.path.read_bytes()]
        server.before = lambda number: setattr(server, "content", versions[number % 2])
        [answer] = self.call(["update", self.options(server.url)])
        self.assertEqual(answer["code"], "ERR_ONEFOLD_CHANGED")
        self.assertInstalled(self.old)

    def test_after_a_damaged_file_on_the_server_the_next_call_continues(self) -> None:
        missing = new_parts(self.new, self.old)
        damaged = bytearray(self.new.path.read_bytes())
        damaged[missing[-1].offset + 5] ^= 1
        for ranges in (False, True):
            with self.subTest(ranges=ranges):
                server = Bad(self, bytes(damaged))
                server.ranges = ranges
                [answer] = self.call(["update", self.options(server.url)])
                self.assertEqual(answer["code"], "ERR_ONEFOLD_DAMAGED")
                reason = r"^'http://127.0.0.1:\d+/demo' is damaged: the hash of its bytes \d+ to \d+ is wrong"
                self.assertRegex(answer["message"], reason)
                self.assertInstalled(self.old)
                # After a whole download nobody knows which parts are right.
                self.assertEqual(len(self.partials()), 1 if ranges else 0)
        # The last part was fetched three times, all others once.
        self.assertEqual(server.wanted.count("bytes=-4096"), 3)
        self.assertEqual([server.wanted.count(one) for one in ranges_of(missing)], [1] * (len(ranges_of(missing)) - 1) + [3])
        [partial] = self.partials()
        self.assertRegex(partial, r"^\.demo\.\d+-\d+-\d+\.onefold-partial$")
        self.assertEqual((self.place / partial).stat().st_mode & 0o777, 0o600)
        server = self.server()
        result = self.update(server.url)
        self.assertEqual(server.wanted[1:], ranges_of(missing[-1:]))
        others = sum(part.length for part in file_parts(self.new)) - missing[-1].length
        self.assertEqual((result["resumeBytes"], result["reuseBytes"]), (others, 0))
        self.assertInstalled(self.new)
        self.assertEqual(self.partials(), [])

    def test_the_hash_of_the_whole_file(self) -> None:
        server = self.server()
        [answer] = self.call(["update", self.options(server.url, sha256="0" * 64)], ["clean", os.fspath(self.file)])[:1]
        self.assertEqual(answer["code"], "ERR_ONEFOLD_DIGEST")
        self.assertInstalled(self.old)
        self.assertEqual(listing(self.place), ["demo"])
        self.update(server.url, sha256=hashlib.sha256(server.content).hexdigest().upper())
        self.assertInstalled(self.new)

    def test_a_signature_at_the_end_belongs_to_the_file(self) -> None:
        signed = self.new.path.read_bytes() + noise(9000, "signature")
        server = Bad(self, signed)
        self.update(server.url)
        self.assertEqual(self.file.read_bytes(), signed)
        # The same file with another signature is another file.
        server.content = signed[:-1] + bytes([signed[-1] ^ 1])
        self.assertTrue(self.update(server.url)["updated"])
        self.assertEqual(self.file.read_bytes(), server.content)

    def test_damaged_seeds_are_not_used(self) -> None:
        server = self.server()
        part = next(p for p in file_parts(self.new) if p.hash in {q.hash for q in file_parts(self.old)} and p.offset)
        content = bytearray(self.old.path.read_bytes())
        content[part.offset + 7] ^= 1
        self.file.write_bytes(content)
        text = self.work / "text"
        text.write_text("no onefile")
        self.update(server.url, seeds=[os.fspath(text), os.fspath(self.work / "missing"), os.fspath(self.work)])
        self.assertInstalled(self.new)
        self.assertEqual(sorted(server.wanted[1:]), sorted(ranges_of(sorted([part, *new_parts(self.new, self.old)]))))
        # A damaged file of the server's version stays, unless it shall be repaired.
        content = bytearray(server.content)
        content[part.offset + 7] ^= 1
        self.file.write_bytes(content)
        server.wanted.clear()
        self.assertFalse(self.update(server.url)["updated"])
        self.assertTrue(self.update(server.url, repair=True, keepPrevious=False)["updated"])
        self.assertEqual(server.wanted, ["bytes=-4096", "bytes=-4096", *ranges_of([part])])
        self.assertInstalled(self.new)

    def test_a_large_manifest_is_fetched_by_itself(self) -> None:
        tree = make_tree(self.work / "many", {"run": program(), **{f"{n:04}": b"%d" % n for n in range(600)}})
        many = pack(tree, self.work / "many.onefile", "--name", "demo", "--app-version", "5")
        server = self.server(many)
        self.assertEqual(self.update(server.url)["version"], "5")
        trailer = parts(many.path).trailer
        tail = len(server.content) - 4096
        self.assertEqual(server.wanted[1], f"bytes={trailer.manifest_offset}-{tail - 1}")
        self.assertInstalled(many)

    # Killed

    def places(self, count: int) -> list[Path]:
        """So many directories with an installed file."""
        files = [self.work / f"place-{number}" / "demo" for number in range(count)]
        for file in files:
            file.parent.mkdir()
            shutil.copy(self.old.path, file)
        return files

    def assertOldOrNew(self, file: Path) -> bool:
        """The file is whole; returns whether it is the new one."""
        content = file.read_bytes()
        self.assertIn(content, (self.old.path.read_bytes(), self.new.path.read_bytes()))
        return content == self.new.path.read_bytes()

    def continue_all(self, calls: Sequence[tuple[str, Path]]) -> list[dict[str, Any]]:
        """Updates after the kills; each must work."""
        answers = self.call(*(["update", self.options(url, file=os.fspath(file))] for url, file in calls))
        for (_, file), answer in zip(calls, answers, strict=True):
            self.assertNotIn("code", answer)
            self.assertTrue(self.assertOldOrNew(file))
            hidden = [name for name in listing(file.parent) if name.startswith(".")]
            # A call that finds nothing to do leaves all as it is.
            self.assertEqual(hidden if answer["result"]["updated"] else [], [])
        return [answer["result"] for answer in answers]

    def test_killed_during_each_request_it_leaves_a_program_and_continues(self) -> None:
        wanted = ranges_of(new_parts(self.new, self.old))
        files = self.places(len(wanted) + 1)
        fetched = []
        for victim, file in enumerate(files, 1):
            server = self.server()
            process = start(self.command([["update", self.options(server.url, file=os.fspath(file))]]))
            server.limit = lambda number: 15 if number == victim else None
            server.then = lambda number: process.kill()
            self.assertEqual((process.communicate(), process.returncode), ((b"", b""), -signal.SIGKILL))
            self.assertFalse(self.assertOldOrNew(file))
            fetched.append(server.wanted[1:-1])
            self.assertEqual(fetched[-1], wanted[: max(0, victim - 2)])
        self.assertEqual(succeed(Onefile(files[-1], {}).launch(cache=self.cache)).stdout, b"1\n")
        servers = [self.server() for _ in files]
        self.continue_all([(server.url, file) for server, file in zip(servers, files)])
        for server, before in zip(servers, fetched):
            self.assertEqual(server.wanted, ["bytes=-4096", *wanted[len(before) :]])

    def test_killed_before_each_change_of_a_file_it_leaves_a_program_and_continues(self) -> None:
        server = self.server()
        hook = self.work / "kill.cjs"
        hook.write_text(KILL)
        missing = sum(part.length for part in new_parts(self.new, self.old))

        def attempt(file: Path, before: int) -> tuple[int, bytes]:
            calls = [["eval", f"require({json.dumps(os.fspath(hook))})"]]
            calls.append(["update", self.options(server.url, file=os.fspath(file))])
            result = run(self.command(calls), environment={"KILL_BEFORE": str(before)})
            return result.returncode, result.stderr

        status, told = attempt(self.file, 0)
        names = json.loads(told)
        self.assertEqual((status, names.count("write")), (0, len(file_parts(self.new)) + 1))
        self.assertLess({"open", "truncate", "write", "chmod", "sync", "link", "rename", "rm"}, set(names))
        # Of the writes, the first, one in the middle and the last.
        writes = [number for number, name in enumerate(names, 1) if name == "write"]
        skipped = {*writes} - {writes[0], writes[len(writes) // 2], writes[-1]}
        numbers = [number for number in range(1, len(names) + 1) if number not in skipped]
        files = self.places(len(numbers))
        for number, file in zip(numbers, files):
            with self.subTest(call=number, name=names[number - 1]):
                self.assertEqual(attempt(file, number)[0], -signal.SIGKILL)
        outcomes = [self.assertOldOrNew(file) for file in files]
        # Until the rename the old file stands there, then the new one.
        renamed = len(names) - names[::-1].index("rename")
        self.assertEqual(outcomes, [number > renamed for number in numbers])
        for result in self.continue_all([(server.url, file) for file in files]):
            self.assertLessEqual(result["fetched"]["bytes"], missing + 4096)


class Disturbed(Client):
    """Disks, permissions and other processes."""

    def setUp(self) -> None:
        super().setUp()
        self.server = Bad(self, self.new.path.read_bytes())

    def test_on_a_full_disk_nothing_is_lost_and_the_next_call_continues(self) -> None:
        mounts = Mounts(self)
        place = mounts.tmpfs(self.work / "small", f"size={int(self.new.path.stat().st_size * 1.6)},mode=0755")
        inside = mounts.inside(place)
        shutil.copy(self.old.path, inside / "demo")
        calls = [["update", self.options(self.server.url, file=os.fspath(place / "demo"))]]

        def attempt(*flags: str) -> dict[str, Any]:
            result = succeed(run(mounts.command(self.command(calls, *flags))))
            return json.loads(result.stdout)

        told = attempt()
        self.assertEqual(told["code"], "ENOSPC")
        # Node.js before 18.15 can't ask how much is free, and finds out by writing; so does who is not alone.
        (self.work / "unasked.cjs").write_text("delete require('node:fs/promises').statfs;")
        self.server.wanted.clear()
        found = attempt("--require", os.fspath(self.work / "unasked.cjs"))
        self.assertEqual(found["code"], "ENOSPC")
        self.assertEqual((inside / "demo").read_bytes(), self.old.path.read_bytes())
        self.assertEqual(len(listing(inside)), 2)
        mounts.mount("-o", f"remount,size={self.new.path.stat().st_size * 3}", os.fspath(place))
        result = attempt()["result"]
        self.assertTrue(result["updated"])
        self.assertGreater(result["resumeBytes"], 0)
        self.assertEqual((inside / "demo").read_bytes(), self.new.path.read_bytes())
        self.assertEqual(listing(inside), ["demo", "demo.previous"])

    @needs_root
    def test_without_permission_to_replace(self) -> None:
        directory = shutil.copytree(EXAMPLE, self.work / "module")
        command = self.command([["update", self.options(self.server.url)]])
        command[command.index(os.fspath(MODULE))] = os.fspath(directory / MODULE.name)
        answer = json.loads(succeed(run(command, **AS_NOBODY)).stdout)
        self.assertEqual(answer["code"], "EACCES")
        self.assertInstalled(self.old)
        self.assertEqual(listing(self.place), ["demo"])

    def test_in_one_process(self) -> None:
        """Progress, an abort, two downloads at once, a check that refuses, a file that somebody else replaced."""
        code = """(async () => {
          const fs = require('node:fs');
          const options = OPTIONS;
          const told = [];
          const code = (promise) => promise.then(() => 'none', (error) => error.code ?? error.message);
          const controller = new AbortController();
          const onProgress = (progress) => { told.push(progress); if (progress.phase === 'fetch') controller.abort(); };
          const aborted = await code(updater.update({ ...options, onProgress, signal: controller.signal }));
          const names = fs.readdirSync(PLACE).length;
          const plan = await updater.plan(options);
          const ready = await plan.download();
          const busy = await code(updater.update(options));
          const executable = (fs.statSync(ready.path).mode & 0o777).toString(8);
          fs.copyFileSync(options.file, options.file + '.other');
          fs.renameSync(options.file + '.other', options.file);
          const replaced = await code(ready.swap());
          const check = async (file) => { throw new Error(typeof file); };
          const refused = await code(updater.update({ ...options, check }));
          const left = fs.readdirSync(PLACE);
          fs.chmodSync(options.file, 0o750);
          const [one, other] = await Promise.all([0, 1].map(() => code(updater.update({ ...options, keepPrevious: false }))));
          return { phases: [...new Set(told.map(({ phase }) => phase))], last: told.at(-1), aborted, names,
            resumed: plan.resumeBytes > 0, busy, executable, replaced, refused, left, both: [one, other].sort() };
        })()"""
        code = code.replace("OPTIONS", json.dumps(self.options(self.server.url)))
        code = code.replace("PLACE", json.dumps(os.fspath(self.place)))
        [answer] = self.call(["eval", code])
        expected = {
            "phases": ["copy", "fetch"],
            "aborted": 20,
            "names": 2,
            "resumed": True,
            "busy": "ERR_ONEFOLD_BUSY",
            "executable": "750",
            "replaced": "ERR_ONEFOLD_FILE_CHANGED",
            "refused": "string",
            "left": ["demo"],
            "both": ["ERR_ONEFOLD_BUSY", "none"],
        }
        self.assertEqual({key: answer["result"][key] for key in expected}, expected, answer)
        self.assertInstalled(self.new)

    def test_two_processes_at_once(self) -> None:
        hold = threading.Event()
        # The second request of the first process waits until the second process is done.
        self.server.limit = lambda number: None
        first_of_all = threading.Event()

        def wait(number: int) -> None:
            if number == 2:
                first_of_all.set()
                self.server.lock.release()
                hold.wait(60)
                self.server.lock.acquire()

        self.server.before = wait
        first = start(self.command([["update", self.options(self.server.url)]]))
        self.assertTrue(first_of_all.wait(120))
        self.assertTrue(self.update(self.server.url)["updated"])
        # It did not take the file of a process that lives.
        self.assertEqual(len(self.partials()), 1)
        hold.set()
        answer = json.loads(first.communicate()[0])
        # The other has replaced the file that was looked at.
        self.assertEqual(answer["code"], "ERR_ONEFOLD_FILE_CHANGED")
        self.assertInstalled(self.new)
        self.assertEqual(self.partials(), [])


class Text(unittest.TestCase):
    def test_options_errors_and_functions_are_those_of_the_module(self) -> None:
        readme, code = (EXAMPLE / "README.md").read_text(), MODULE.read_text()
        before, _, rest = readme.partition("| option | meaning |")
        table = rest.partition("\n\n")[0]
        documented = {name for row in re.findall(r"(?m)^\| ([^|]+) \|", table) for name in re.findall(r"`(\w+)`", row)}
        self.assertEqual(documented, set(re.findall(r"@property \{.+\} \[?(\w+)\]? - ", code)))
        self.assertEqual(set(re.findall(r"ERR_ONEFOLD_\w+", readme)), set(re.findall(r"'(ERR_ONEFOLD_\w+)'", code)))
        exported = re.search(r"module\.exports = \{ (.+) \};", code)[1].split(", ")
        functions = set(re.findall(r"(?m)^\| `(\w+)\(", before))
        self.assertEqual(functions, {name for name in exported if name != "UpdateError"})


class Format(Client):
    """The module reads the format as the other readers do."""

    #: Rules of entries, segments and of values that only a launch needs: the launcher checks them.
    OTHERS = r"entry|segment|record(Command|Entry|Glibc|Nul|Policy|Variable)"

    @needs_program("zstd")
    def test_golden_vectors_and_compressed_bytes(self) -> None:
        vectors = []
        for path in sorted(GOLDEN.glob("*/*.bin")):
            if path.parent.name in ("trailer", "record", "manifest") and not re.match(rf"invalid-({self.OTHERS})", path.name):
                vectors.append([path.parent.name, os.fspath(path), path.name.startswith("valid")])
        self.assertGreater(len(vectors), 100)
        compressed = []
        texts = {"text": (EXAMPLE / "README.md").read_bytes(), "noise": noise(150_000), "run": b"a" * 300_000, "none": b""}
        texts["program"] = self.node_bytes()
        for name, raw in texts.items():
            (self.work / name).write_bytes(raw)
            for level in ("--fast=5", "-1", "-19", "--ultra -22"):
                packed = self.work / f"{name}{level.split()[-1]}.zst"
                succeed(run(["zstd", "-q", *level.split(), "-o", packed, self.work / name]))
                compressed.append([os.fspath(packed), os.fspath(self.work / name)])
        code = f"require({json.dumps(os.fspath(self.script()))})({json.dumps(vectors)}, {json.dumps(compressed)})"
        [answer] = self.call(["eval", code])
        self.assertEqual(answer["result"], {"wrong": []})

    def node_bytes(self) -> bytes:
        """Machine code."""
        with open(self.node, "rb") as file:
            file.seek(1_000_000)
            return file.read(200_000)

    def script(self) -> Path:
        path = self.work / "vectors.cjs"
        path.write_text(
            """
const fs = require('node:fs');
const { createHash } = require('node:crypto');
const { format } = require(MODULE);
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const readers = {
  trailer: (bytes) => format.findTrailer(bytes, bytes.length < 80 ? 0 : Number(bytes.readBigUInt64LE(72))),
  record: (bytes) => format.parseRecord(bytes, sha256(bytes)),
  manifest(bytes) {
    const length = bytes.length >= 40 ? frames(bytes) : 0;
    const trailer = { codec: 0, manifestHash: sha256(bytes), manifestRawLength: bytes.length, payloadOffset: 4096 };
    return format.parseFrames(bytes, { ...trailer, manifestOffset: 4096 + length });
  },
};
// A vector is a manifest alone: where its last frame ends stands nowhere else.
function frames(bytes) {
  const [at, length] = [Number(bytes.readBigUInt64LE(24)), Number(bytes.readBigUInt64LE(32))];
  if (length < 64 || at + length > bytes.length) return 0;
  return Number(bytes.readBigUInt64LE(at + length - 64) + bytes.readBigUInt64LE(at + length - 56));
}
module.exports = async (vectors, compressed) => {
  const wrong = [];
  for (const [kind, file, valid] of vectors) {
    let told = 'accepted';
    try {
      if (readers[kind](fs.readFileSync(file)) === null) told = 'not found';
    } catch (error) {
      told = /^ERR_ONEFOLD_(DAMAGED|NEWER)$/.test(error.code) ? 'refused' : String(error.stack);
    }
    if (kind === 'trailer' && told === 'not found') told = 'refused';
    if (told !== (valid ? 'accepted' : 'refused')) wrong.push(file + ': ' + told);
  }
  for (const [packed, raw] of compressed) {
    const [bytes, expected] = [fs.readFileSync(packed), fs.readFileSync(raw)];
    if (!format.decodeZstd(bytes, expected.length).equals(expected)) wrong.push(packed);
    for (const damage of [bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.from([0])]), Buffer.alloc(9)]) {
      try {
        format.decodeZstd(damage, expected.length);
        wrong.push(packed + ': accepted ' + damage.length);
      } catch (error) {
        if (error.code !== 'ERR_ONEFOLD_DAMAGED') wrong.push(packed + ': ' + error.stack);
      }
    }
  }
  return { wrong };
};
""".replace("MODULE", json.dumps(os.fspath(MODULE)))
        )
        return path


#: Electron as far as main.mjs uses it. It tells what the window shows, and quits when a line comes.
ELECTRON = """
import { EventEmitter } from 'node:events';
process.resourcesPath = process.env.RESOURCES;
const events = new EventEmitter();
export const app = {
  getPath: () => process.env.USER_DATA,
  requestSingleInstanceLock: () => true,
  whenReady: async () => {},
  on: (name, listener) => events.on(name, listener),
  quit() {
    let prevented = false;
    events.emit('before-quit', { preventDefault: () => { prevented = true; } });
    if (!prevented) process.exit(0);
  },
  exit: (status) => process.exit(status),
};
export class BrowserWindow {
  async loadURL(url) {
    if (!url.startsWith('data:')) console.log('page: ' + (await (await fetch(url)).text()));
  }
  setTitle(title) { console.log('title: ' + title); }
  setProgressBar() {}
}
export const dialog = { showErrorBox: (title, text) => console.log('error: ' + text) };
export const net = { fetch };
process.stdin.once('data', () => app.quit());
"""

#: A server of one page.
SERVER = """#!/usr/bin/env python3
import http.server, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"VERSION")
    def log_message(self, *values):
        pass
signal.signal(signal.SIGTERM, lambda *values: sys.exit(0))
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""


class Shell(Case):
    """A user's days with main.mjs: the server starts, is updated, starts again, and a bad version goes back."""

    def version(self, version: str, server: str = SERVER) -> Onefile:
        entries = {"run": program(server.replace("VERSION", version).encode()), "lib": noise(300_000)}
        tree = make_tree(self.work / f"tree-{version}", entries)
        return pack(tree, self.work / f"demo-{version}", "--name", "demo", "--app-version", version)

    def day(self, *lines: str) -> None:
        """Starts the shell, waits until it has shown the lines, and quits."""
        electron = self.work / "node_modules" / "electron"
        environment = {
            "HOME": self.work,
            "ONEFOLD_CACHE": self.cache,
            "RESOURCES": self.work / "resources",
            "USER_DATA": self.work / "data",
            "DEMO_UPDATES": self.server.url,
        }
        self.assertTrue(electron.is_dir())
        shell = start([node_program(), "--no-warnings", "main.mjs"], cwd=self.work, environment=environment)
        assert shell.stdin and shell.stdout
        self.addCleanup(shell.kill)
        for line in lines:
            self.assertEqual(shell.stdout.readline().decode(), f"{line}\n")
        [rest, errors] = shell.communicate(b"quit\n", timeout=60)
        self.assertEqual((rest, shell.returncode), (b"", 0), errors)
        self.assertEqual([pid for pid in processes() if executable(pid).startswith(f"{self.cache}/")], [])

    def test_start_update_restart_and_go_back(self) -> None:
        first, second = self.version("1"), self.version("2")
        broken = self.version("3", "#!/bin/sh\nexit 3\n")
        (self.work / "resources").mkdir()
        shutil.copy(first.path, self.work / "resources" / "demo")
        shutil.copy(EXAMPLE / "main.mjs", self.work)
        shutil.copy(MODULE, self.work)
        electron = self.work / "node_modules" / "electron"
        electron.mkdir(parents=True)
        (electron / "package.json").write_text('{"type": "module", "exports": "./index.js"}')
        (electron / "index.js").write_text(ELECTRON)
        self.server = Bad(self, second.path.read_bytes())
        file = self.work / "data" / "server" / "demo"

        self.day("page: 1", "title: version 2 is ready")
        self.assertEqual(file.read_bytes(), second.path.read_bytes())
        # It was unpacked before it was installed.
        self.assertTrue(second.tree(self.cache).is_dir())
        self.assertEqual(listing(file.parent), ["demo", "demo.previous"])

        self.server.content = broken.path.read_bytes()
        self.day("page: 2", "title: version 3 is ready")
        self.assertEqual(file.read_bytes(), broken.path.read_bytes())

        self.server.wanted.clear()
        self.day("page: 2")
        self.assertEqual(file.read_bytes(), second.path.read_bytes())
        self.assertEqual(listing(file.parent), ["demo", "refused"])
        # Nobody fetches the bad version again.
        self.assertLessEqual({*self.server.wanted}, {"bytes=-4096"})
