"""onefold fetch: what it requests, what it reuses, and what it leaves alone."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import time
import unittest
from pathlib import Path
from typing import Any

from fetch_support import GAP, TAIL, FetchCase, Odd
from nginx import Nginx
from support import (
    AS_NOBODY,
    IS_ROOT,
    ONEFOLD,
    REPOSITORY,
    Mounts,
    listing,
    make_tree,
    needs_program,
    needs_root,
    onefold,
    pack,
    parts,
    processes,
    program,
    run,
    start,
    succeed,
    wait_until,
)


def debian_11_with_curl() -> Path:
    """A directory with curl and its libraries, which is kept for the next run."""
    directory = REPOSITORY / ".build" / "curl-of-debian-11"
    architecture = succeed(run(["dpkg", "--print-architecture"])).stdout.decode().strip()
    unpack = REPOSITORY / "tools/debian-packages"
    command = [unpack, "--with-dependencies", "bullseye", architecture, directory, "curl"]
    # The machine's configuration of apt may be in variables. The first time takes longer than anything that is tested.
    succeed(run(command, environment=dict(os.environ), timeout=600))
    return directory


class FromNginx(FetchCase):
    def setUp(self) -> None:
        super().setUp()
        self.nginx = Nginx(self.served)
        self.addCleanup(self.nginx.end)

    def compared(self, old: Path, new: Path) -> Any:
        return json.loads(succeed(onefold("compare", "--json", old, new)).stdout)

    def test_an_update_fetches_what_changed(self) -> None:
        self.file.chmod(0o751)
        before = self.file.stat().st_ino
        shown = self.fetched(f"{self.nginx.url}/notes-2")
        self.assertUpdated(self.new)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o751)
        self.assertNotEqual(self.file.stat().st_ino, before)
        compared = self.compared(self.old, self.new)
        [seed, partial] = shown["reused"]
        self.assertEqual((seed["path"], seed["frames"]), (str(self.file), compared["reused_frames"]))
        self.assertEqual((partial["bytes"], shown["updated"], shown["ranges"]), (0, True, True))
        # The end holds frames that the old file has too.
        requests = self.nginx.requests(shown["requests"])
        self.assertEqual([request.status for request in requests], [206] * shown["requests"])
        self.assertEqual(requests[0].range, f"bytes=-{TAIL}")
        self.assertEqual(sum(request.sent for request in requests), shown["fetched_bytes"])
        most = compared["fetched_bytes"] + TAIL + GAP * (shown["requests"] - 1)
        self.assertLessEqual(shown["fetched_bytes"], most)
        self.assertLess(shown["fetched_bytes"], self.new.stat().st_size / 2)
        self.assertLessEqual(shown["requests"], 4)
        self.assertEqual(shown["fetched_bytes"], sum(shown["fetched"].values()))
        parts_of_new = sum(shown["fetched"].values()) - shown["fetched"]["extra"] + shown["reused_bytes"]
        self.assertEqual(parts_of_new, self.new.stat().st_size)
        self.assertEqual((shown["name"], shown["version"], shown["fetched"]["bootloader"]), ("notes", "2.0", 0))
        result = run([self.file], environment={"ONEFOLD_CACHE": self.cache})
        self.assertSucceeded(result, b"version 2\n")

    def test_a_new_file_and_a_file_that_is_up_to_date(self) -> None:
        self.file.unlink()
        shown = self.fetched(f"{self.nginx.url}/notes-2")
        self.assertUpdated(self.new)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o755)
        self.assertEqual((shown["reused_bytes"], shown["requests"]), (0, 2))
        self.assertEqual(shown["fetched"]["frames"] + shown["fetched"]["bootloader"] + shown["fetched"]["tables"],
                         self.new.stat().st_size)  # fmt: skip
        before = self.file.stat()
        # What an earlier call left is of no use any more.
        self.partial.write_bytes(b"")
        result = self.fetch(f"{self.nginx.url}/notes-2")
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        self.assertIn(b"is up to date: notes 2.0", result.stderr)
        self.assertUpdated(self.new)
        self.assertEqual((self.file.stat().st_ino, self.file.stat().st_mtime_ns), (before.st_ino, before.st_mtime_ns))
        self.assertEqual(len(self.nginx.requests(3)), 3)

    def test_other_files_are_seeds(self) -> None:
        self.file.unlink()
        other = self.work / "other"
        shutil.copy(self.old, other)
        shown = self.fetched(f"{self.nginx.url}/notes-3", "--seed", self.new, "--seed", other)
        self.assertUpdated(self.newest)
        self.assertEqual([reuse["path"] for reuse in shown["reused"][:2]], [str(self.new), str(other)])
        self.assertEqual(shown["reused"][0]["frames"], self.compared(self.new, self.newest)["reused_frames"])
        self.assertIs(other, self.old)

    def test_the_bootloader_and_a_signature(self) -> None:
        # A change of the signature alone fetches the end alone.
        signed = self.served / "signed"
        shutil.copy(self.new, signed)
        with signed.open("ab") as file:
            file.write(os.urandom(60_000))
        self.addCleanup(signed.unlink)
        shutil.copy(self.new, self.file)
        shown = self.fetched(f"{self.nginx.url}/signed")
        self.assertUpdated(signed)
        self.assertEqual((shown["requests"], shown["fetched_bytes"]), (1, TAIL))
        # Without the bootloader in a seed, it is fetched, and checked as frames are.
        content = bytearray(self.new.read_bytes())
        content[1000] ^= 1
        self.file.write_bytes(content)
        result = self.fetch(f"{self.nginx.url}/notes-2")
        self.assertEqual(result.returncode, 0)
        self.assertIn(b"the bootloader's hash is wrong; it is repaired", result.stderr)
        self.assertUpdated(self.new)

    def test_a_resumed_fetch(self) -> None:
        self.file.unlink()
        odd = Odd(self, self.served)
        result = self.fetch(f"{odd.url}/cut/notes-2")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"curl: (18)", result.stderr)
        self.assertEqual(listing(self.place), [self.partial.name])
        self.assertEqual(stat.S_IMODE(self.partial.stat().st_mode), 0o600)
        shown = self.fetched(f"{self.nginx.url}/notes-2")
        self.assertUpdated(self.new)
        [partial] = [reuse for reuse in shown["reused"] if reuse["path"] == str(self.partial)]
        # What stands before the cut, all but the frame that was cut.
        self.assertGreater(partial["frames"], 0)
        self.assertLess(shown["fetched_bytes"] + partial["bytes"], self.new.stat().st_size + TAIL)

    def test_a_partial_file_of_another_version(self) -> None:
        self.file.unlink()
        self.assertEqual(self.fetch(f"{Odd(self, self.served).url}/cut/notes-2").returncode, 1)
        shown = self.fetched(f"{self.nginx.url}/notes-3")
        self.assertUpdated(self.newest)
        [partial, _] = [reuse for reuse in shown["reused"] if reuse["path"] == str(self.partial)]
        self.assertGreater(partial["frames"], 0)

    def test_a_killed_fetch_leaves_no_curl_and_is_resumed(self) -> None:
        self.file.unlink()
        odd = Odd(self, self.served)
        command = [ONEFOLD, "fetch", f"{odd.url}/slow/notes-2", "-o", self.file]
        for number in (signal.SIGKILL, signal.SIGTERM):
            with start(command, environment={"no_proxy": "*"}) as process:
                self.assertTrue(odd.waits.wait(60))
                # What curl has is on its way to the file.
                wait_until(lambda: self.partial.exists(), "the partial file")
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                process.send_signal(number)
                process.communicate()
            self.assertEqual(process.returncode, -number)
            wait_until(lambda: not set(map(int, children)) & set(processes()), "curl ends")
            odd.waits.clear()
            if number == signal.SIGKILL:
                self.assertEqual(listing(self.place), [self.partial.name])
        self.fetched(f"{self.nginx.url}/notes-2")
        self.assertUpdated(self.new)

    def test_memory_does_not_grow_with_the_file(self) -> None:
        tree = make_tree(self.work / "tree", {"run": program()})
        with (tree / "large").open("wb") as file:
            for _ in range(48):
                file.write(os.urandom(1 << 20))
        large = self.served / "large"
        pack(tree, large, "--name", "large")
        self.addCleanup(large.unlink)
        command = [ONEFOLD, "fetch", f"{self.nginx.url}/large", "-o", self.file]
        # The kernel's own peak of a process would count what this process had when it started the program.
        peaks = [0]
        with start(command, environment={"no_proxy": "*"}) as process:
            while process.poll() is None:
                status = Path(f"/proc/{process.pid}/status").read_text()
                peaks += [int(kib) for kib in re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)]
                time.sleep(0.002)
            process.communicate()
        self.assertEqual(process.returncode, 0)
        self.assertUpdated(large)
        self.assertGreater(len(peaks), 20)
        self.assertLess(max(peaks), 64 << 10)


class FromPaths(FetchCase):
    def test_a_path(self) -> None:
        shown = self.fetched(self.new)
        self.assertUpdated(self.new)
        self.assertEqual((shown["requests"], shown["ranges"]), (0, True))
        self.assertLess(shown["fetched_bytes"], self.new.stat().st_size / 2)
        self.assertIs(self.new, self.served / "notes-2")

    def test_the_text(self) -> None:
        result = self.fetch(self.new)
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        lines = result.stderr.decode().splitlines()
        size = self.new.stat().st_size
        self.assertEqual(lines[0], f"fetched '{self.file}': notes 2.0, {size:,} bytes")
        self.assertRegex(lines[1], r"^  fetched: [\d,]+ bytes \(\d+\.\d %\)$")
        self.assertRegex(result.stderr, rb"\n  reused: [\d,]+ bytes from '[^']*/programs/notes', \d+ frames\n")
        self.assertSucceeded(self.fetch(self.newest, "--quiet"), b"")
        self.assertUpdated(self.newest)

    def test_a_symlink_is_followed(self) -> None:
        link = self.work / "link"
        link.symlink_to(self.file)
        result = onefold("fetch", self.new, "-o", link, "--keep-previous")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(link.is_symlink())
        self.assertUpdated(self.new, "notes.previous")
        self.assertIs(self.previous, self.old)
        self.assertEqual(onefold("fetch", "--rollback", link).returncode, 0)
        self.assertTrue(link.is_symlink())
        self.assertUpdated(self.old)

    def test_a_running_program(self) -> None:
        tree = make_tree(self.work / "tree", {"run": program(b"#!/bin/sh\necho started; read -r line; echo $line\n")})
        self.file.unlink()
        onefile = pack(tree, self.file, "--name", "notes")
        with onefile.start(cache=self.cache) as process:
            assert process.stdin and process.stdout
            self.assertEqual(process.stdout.readline(), b"started\n")
            self.fetched(self.new)
            output, _ = process.communicate(b"still here\n")
        self.assertEqual((process.returncode, output), (0, b"still here\n"))
        self.assertUpdated(self.new)

    def test_the_previous_file(self) -> None:
        old = self.file.stat()
        shown = self.fetched(self.new, "--keep-previous")
        self.assertEqual(shown["previous"], str(self.previous))
        self.assertUpdated(self.new, "notes.previous")
        # By a link: it is the old file itself.
        self.assertEqual(self.previous.stat().st_ino, old.st_ino)
        self.fetched(self.newest, "--keep-previous")
        self.assertUpdated(self.newest, "notes.previous")
        self.assertIs(self.previous, self.new)
        result = onefold("fetch", "--rollback", self.file)
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        self.assertEqual(result.stderr, f"rolled back '{self.file}' to notes 2.0\n".encode())
        self.assertUpdated(self.new)
        result = onefold("fetch", "--rollback", self.file)
        self.assertRefused(result, f"no '{self.previous}' to roll back to", code=1, says=b"onefold fetch: ")
        self.assertUpdated(self.new)
        # What a kill between the link and the rename leaves.
        os.link(self.file, self.previous)
        self.fetched(self.newest, "--keep-previous")
        self.assertIs(self.previous, self.new)
        self.file.unlink()
        shown = json.loads(succeed(onefold("fetch", "--rollback", self.file, "--json")).stdout)
        self.assertEqual((shown["rolled_back"], shown["version"]), (True, "2.0"))
        self.assertUpdated(self.new)
        os.link(self.file, self.previous)
        succeed(onefold("fetch", "--rollback", self.file))
        self.assertUpdated(self.new)
        # The first file has none before it.
        self.file.unlink()
        self.assertEqual(self.fetched(self.new, "--keep-previous")["previous"], None)
        self.assertUpdated(self.new)

    def test_no_roll_back_to_damaged_files(self) -> None:
        content = bytearray(self.new.read_bytes())
        content[len(content) // 2] ^= 1
        for bad, text in ((bytes(content), b"is damaged"), (b"no onefile", b"holds no payload")):
            self.previous.write_bytes(bad)
            result = onefold("fetch", "--rollback", self.file)
            self.assertRefused(result, b"cannot roll back", text, code=1, says=b"onefold fetch: ")
            self.assertUpdated(self.old, "notes.previous")

    def test_damaged_seeds(self) -> None:
        manifest_offset = parts(self.old).trailer.manifest_offset
        for offset, text in (
            (manifest_offset // 2, b"is damaged: a part of it could not be used"),
            (manifest_offset + 20, b"the manifest's hash is wrong; nothing of it is used"),
            (self.old.stat().st_size - 10, b"the trailer's hash is wrong; nothing of it is used"),
        ):
            with self.subTest(text):
                content = bytearray(self.old.read_bytes())
                content[offset] ^= 1
                seed = self.work / "seed"
                seed.write_bytes(content)
                self.file.unlink()
                result = self.fetch(self.new, "--seed", seed)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(b"warning: '%s' is damaged" % os.fsencode(seed), result.stderr)
                self.assertIn(text, result.stderr)
                self.assertUpdated(self.new)
                # The output as well.
                self.file.write_bytes(content)
                result = self.fetch(self.new)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(text, result.stderr)
                self.assertUpdated(self.new)
        self.file.write_bytes(b"not yet a program")
        result = self.fetch(self.new)
        self.assertEqual(result.returncode, 0)
        self.assertIn(b"holds no payload: ", result.stderr)
        self.assertUpdated(self.new)

    def test_bad_seeds_and_sources(self) -> None:
        other = self.work / "other"
        other.write_bytes(os.urandom(200_000))
        (self.work / "empty").touch()
        cases = (
            (self.new, ("--seed", other), (f"'{other}' holds no payload", "leave out '--seed")),
            (self.new, ("--seed", self.work / "none"), (f"'{self.work / 'none'}'", "No such file")),
            (self.new, ("--seed", self.work), ("leave out '--seed",)),
            (other, (), (f"'{other}' is no onefile",)),
            (self.work / "empty", (), ("is no onefile",)),
            (self.work / "none", (), ("No such file",)),
            (self.work, (), ("is no regular file",)),
            ("ftp://127.0.0.1/notes", (), ("'ftp://127.0.0.1/notes' is no http or https URL",)),
            (self.future(), (), ("has format version 2", "update onefold")),
            (self.damaged_table(), (), ("is damaged: the manifest's hash is wrong",)),
            (self.damaged_frame(), (), ("is damaged: frame ", "publish the file again")),
        )
        for source, options, texts in cases:
            with self.subTest(f"{source} {options}"):
                self.assertFails(self.fetch(source, *options), *texts, partial=True)
        self.partial.unlink(missing_ok=True)
        for source in (other, self.future()):
            self.assertFails(self.fetch(source), "onefold" if source == other else "version 2")

    def future(self) -> Path:
        path = self.work / "future"
        content = bytearray(self.new.read_bytes())
        content[-256 + 8] = 2
        content[-32:] = hashlib.sha256(content[-256:-32]).digest()
        path.write_bytes(content)
        return path

    def damaged(self, name: str, offset: int) -> Path:
        path = self.work / name
        content = bytearray(self.new.read_bytes())
        content[offset] ^= 1
        path.write_bytes(content)
        return path

    def damaged_table(self) -> Path:
        return self.damaged("table", parts(self.new).trailer.manifest_offset + 30)

    def damaged_frame(self) -> Path:
        # A frame that the old file lacks.
        old = {frame.hash for frame in parts(self.old).manifest.frames}
        new = parts(self.new)
        frame = next(frame for frame in new.manifest.frames if frame.hash not in old)
        return self.damaged("frame", new.trailer.payload_offset + frame.offset + 5)

    def test_usage(self) -> None:
        for arguments, text in (
            ((), b"missing argument SOURCE"),
            ((self.new,), b"option '--output' is missing"),
            ((self.new, "--rollback", self.file), b"SOURCE does not go with '--rollback'"),
            (("--rollback", self.file, "--keep-previous"), b"option '--keep-previous' does not go with '--rollback'"),
        ):
            result = onefold("fetch", *arguments)
            self.assertEqual((result.returncode, result.stdout), (2, b""))
            self.assertIn(text, result.stderr)
        self.assertUntouched()

    def test_outputs_that_are_refused(self) -> None:
        for output, text in (
            (self.place, b"is a directory"),
            (self.place / "none" / "notes", b"does not exist"),
            ("/dev/stdout", b"open file"),
        ):
            result = onefold("fetch", self.new, "-o", output)
            self.assertRefused(result, text, code=1, says=b"onefold fetch: ")
        self.assertUntouched()

    def test_foreign_partial_files(self) -> None:
        victim = self.work / "victim"
        victim.write_bytes(b"mine")
        self.partial.symlink_to(victim)
        self.assertFails(self.fetch(self.new), "is not a partial file of this user: remove it", partial=True)
        self.partial.unlink()
        os.link(victim, self.partial)
        self.assertFails(self.fetch(self.new), "is not a partial file of this user: remove it", partial=True)
        self.assertEqual(victim.read_bytes(), b"mine")
        self.partial.unlink()
        if IS_ROOT:
            self.partial.touch()
            os.chown(self.partial, 65534, 65534)
            self.assertFails(self.fetch(self.new), "is not a partial file of this user", partial=True)

    def test_two_at_once(self) -> None:
        with self.partial.open("wb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            self.assertFails(self.fetch(self.new), "another process is fetching", partial=True)
            self.assertFails(self.fetch(self.new, "--no-resume"), "another process is fetching", partial=True)
        self.fetched(self.new)
        self.assertUpdated(self.new)

    def test_no_permission_to_replace(self) -> None:
        options = {}
        if IS_ROOT:
            options = AS_NOBODY
        else:
            self.place.chmod(0o555)
            self.addCleanup(self.place.chmod, 0o755)
        result = self.fetch(self.new, **options)
        self.assertFails(result, f"cannot replace '{self.file}': Permission denied", "make its directory writable")

    @needs_root
    def test_a_full_disk(self) -> None:
        mounts = Mounts(self)
        disk = mounts.tmpfs(self.work / "disk", "size=2500k,mode=0755")
        file = mounts.inside(disk) / "notes"
        shutil.copy(self.old, file)
        command = mounts.command([ONEFOLD, "fetch", self.new, "-o", disk / "notes"])
        result = run(command)
        self.assertRefused(result, f"not enough space in '{disk}'", code=1, says=b"onefold fetch: ")
        self.assertIs(file, self.old)
        self.assertEqual(listing(file.parent), ["notes"])
        # With room for a part: what is there counts, and the rest does not fit.
        succeed(run(mounts.command(["mount", "-o", "remount,size=8m", disk])))
        self.assertEqual(run(command).returncode, 0)
        self.assertIs(file, self.new)

    def test_no_resume(self) -> None:
        damaged = self.damaged_frame()
        self.assertFails(self.fetch(damaged), "is damaged", partial=True)
        self.assertTrue(self.partial.exists())
        self.assertFails(self.fetch(damaged, "--no-resume"), "is damaged")
        self.assertFalse(self.partial.exists())
        self.partial.write_bytes(b"left")
        shown = self.fetched(self.new, "--no-resume")
        self.assertEqual(shown["reused"][-1], {"path": str(self.partial), "bytes": 0, "frames": 0, "damaged": 0})
        self.assertUpdated(self.new)


class FromOddServers(FetchCase):
    def setUp(self) -> None:
        super().setUp()
        self.odd = Odd(self, self.served)

    def test_no_ranges(self) -> None:
        result = self.fetch(f"{self.odd.url}/no-ranges/notes-2")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"the server gives no byte ranges, so all of the file was downloaded", result.stderr)
        self.assertUpdated(self.new)
        shown = self.fetched(f"{self.odd.url}/no-ranges/notes-3")
        size = self.newest.stat().st_size
        self.assertEqual((shown["ranges"], shown["fetched_bytes"], shown["requests"]), (False, size, 1))
        self.assertUpdated(self.newest)

    def test_answers_that_are_cut_or_short(self) -> None:
        self.file.unlink()
        shown = self.fetched(f"{self.odd.url}/cut-once/notes-2")
        self.assertUpdated(self.new)
        self.assertEqual(shown["fetched_bytes"], self.odd.sent)
        self.file.unlink()
        self.odd.sent = 0
        shown = self.fetched(f"{self.odd.url}/short-ranges/notes-2")
        self.assertUpdated(self.new)
        self.assertEqual(shown["fetched_bytes"], self.odd.sent)

    def test_a_redirect(self) -> None:
        self.fetched(f"{self.odd.url}/moved/notes-2")
        self.assertUpdated(self.new)

    def test_a_file_that_changes_between_requests(self) -> None:
        self.file.unlink()
        for what in ("changing", "changing-silently"):
            self.fetched(f"{self.odd.url}/{what}/notes-3/notes-2")
            self.assertUpdated(self.newest)
            self.file.unlink()
        shutil.copy(self.old, self.file)
        result = self.fetch(f"{self.odd.url}/always-changing/notes-3/notes-2")
        self.assertFails(result, "changed 3 times while it was fetched", partial=True)

    def test_bad_answers(self) -> None:
        self.assertBadAnswers()
        self.assertLessEqual(self.odd.counts["html"], 1)

    @needs_root
    @needs_program("apt-get")
    def test_bad_answers_to_the_curl_of_debian_11(self) -> None:
        """It writes no head of an error."""
        place = self.new_directory()
        curl = place / "curl"
        curl.write_text(f'#!/bin/sh\nexec chroot "{debian_11_with_curl()}" curl "$@"\n')
        curl.chmod(0o755)
        path = f"{place}:{os.environ['PATH']}"
        self.assertIn(b"curl 7.74", succeed(run([curl, "--version"], environment={"PATH": path})).stdout)
        self.assertBadAnswers(PATH=path)
        self.fetched(f"{self.odd.url}/plain/notes-2", environment={"no_proxy": "*", "PATH": path})
        self.assertUpdated(self.new)

    def assertBadAnswers(self, **variables: str) -> None:
        url = self.odd.url
        environment = {"no_proxy": "*", "ONEFOLD_DOWNLOAD_TIMEOUT": "20", **variables}
        for path, texts in (
            ("html/notes", ["is no onefile, but 'text/html'"]),
            ("empty/notes", ["is no onefile"]),
            ("status/404", ["the server answers 404; check the URL"]),
            ("status/403", ["the server answers 403", "~/.netrc"]),
            ("status/416", ["the server answers 416", "the file is empty"]),
            ("status/204", ["the server answers 204"]),
            ("status/304", ["the server answers 304"]),
            ("status/503", ["the server answers 503; try again later"]),
            ("redirect/notes", ["curl: (7)", "check the URL, the network and the proxy"]),
            ("loop/notes", ["curl: (47)"]),
            ("other-range/notes-2", ["with another range than was requested"]),
            ("damaged/notes-2", ["is damaged: frame ", "publish the file again"]),
        ):
            with self.subTest(path):
                result = self.fetch(f"{url}/{path}", environment=environment)
                self.assertFails(result, *texts, f"{url}/{path}", partial=path.startswith("damaged"))

    def test_bad_addresses(self) -> None:
        for url, texts in (
            ("http://127.0.0.1:1/notes", ["curl: (7)"]),
            ("http://nowhere.invalid/notes", ["curl: (6)"]),
            ("http://", ["curl: (3)"]),
        ):
            with self.subTest(url):
                self.assertFails(self.fetch(url), *texts, f"cannot fetch '{url}'")
        # A password is not shown.
        result = self.fetch(f"http://user:secret@{self.odd.url[7:]}/status/404")
        self.assertFails(result, f"cannot fetch '{self.odd.url}/status/404'")

    def test_without_curl(self) -> None:
        result = self.fetch(f"{self.odd.url}/plain/notes-2", environment={"PATH": str(self.work)})
        self.assertFails(result, "curl is needed to fetch", "apt-get install curl")


if __name__ == "__main__":
    unittest.main()
