"""Files for aarch64: a Python server, launched under qemu-user as the tests of x86_64 launch theirs.

Takes about 40 seconds.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import unittest
import urllib.request
from pathlib import Path

import arm64
from support import (
    BOOTLOADER,
    READER,
    Case,
    Onefile,
    make_leaf,
    make_tree,
    onefold,
    pack,
    parts,
    program,
    run,
    succeed,
    tree_state,
    wait_until,
)
from test_launch_glibc import needing

#: Answers on a port that it prints, until a signal ends it.
SERVER = b"""
import http.server, json, os, platform, sys

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = {"machine": platform.machine(), "root": os.environ["ONEFOLD_ROOT"],
                  "file": os.environ["ONEFOLD_EXE"], "prefix": sys.prefix, "pid": os.getpid()}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *arguments):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Health)
print(server.server_port, flush=True)
server.serve_forever()
"""

#: Prints and ends, as quickly as the interpreter can.
HELLO = b'print("hello", flush=True)\n'


def server_tree(path: Path) -> Path:
    # One link leads to the configuration of a system.
    kept_out = shutil.ignore_patterns("sitecustomize.py")
    shutil.copytree(arm64.python() / "lib", path / "lib", symlinks=True, ignore=kept_out)
    (path / "bin").mkdir()
    shutil.copy2(arm64.python() / "bin/python3.11", path / "bin/python3.11")
    (path / "server.py").write_bytes(SERVER)
    (path / "hello.py").write_bytes(HELLO)
    return path


class Launch(Case):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if not arm64.BOOTLOADER.exists():
            raise AssertionError(f"there is no {arm64.BOOTLOADER}: run tools/build first")
        cls.tree = server_tree(cls.shared / "tree")
        packed = {}
        for name in ("server", "hello"):
            packed[name] = pack(
                cls.tree,
                cls.shared / name,
                *("--bootloader", arm64.BOOTLOADER),
                entry="bin/python3.11",
                arguments=["-I", "-B", "{root}/%s.py" % name],
            )
        cls.server, cls.hello = packed["server"], packed["hello"]
        cls.state = tree_state(cls.tree)

    def setUp(self) -> None:
        super().setUp()
        self.system = arm64.System(self)

    def begin(self, onefile: Onefile) -> subprocess.Popen[bytes]:
        process = self.system.wrapped(onefile).start(cache=self.cache)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def assertServes(self) -> None:
        process = self.begin(self.server)
        assert process.stdout
        port = int(process.stdout.readline())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as answer:
            health = json.load(answer)
        tree = str(self.server.tree(self.cache))
        self.assertEqual(
            health,
            {
                "machine": "aarch64",
                "root": tree,
                "file": str(self.server.path),
                "prefix": tree,
                "pid": process.pid,
            },
        )
        process.terminate()
        process.wait()
        # The emulator ends itself by the signal that the program would have ended by.
        self.assertEqual(process.returncode, -signal.SIGTERM)

    def test_a_server_answers_cold_and_warm(self) -> None:
        self.assertServes()
        self.assertCacheHolds(self.server, self.state)
        seal = self.server.tree(self.cache).with_name("seal").stat()
        self.assertServes()
        self.assertCacheHolds(self.server, self.state)
        again = self.server.tree(self.cache).with_name("seal").stat()
        self.assertEqual((again.st_ino, again.st_mtime_ns), (seal.st_ino, seal.st_mtime_ns))

    def test_damage_is_repaired(self) -> None:
        hello = self.system.wrapped(self.hello)
        succeed(hello.launch(cache=self.cache, verb="prewarm"))
        tree = self.hello.tree(self.cache)
        kept = (tree / "hello.py").stat().st_ino
        (tree / "lib/python3.11/os.py").unlink()
        self.assertLaunched(hello.launch(cache=self.cache))
        self.assertCacheHolds(self.hello, self.state)
        # The same size and time: only hashing finds it.
        library = tree / "lib/python3.11/codecs.py"
        status = library.stat()
        content = bytearray(library.read_bytes())
        content[100] ^= 1
        library.chmod(0o644)
        library.write_bytes(content)
        os.utime(library, ns=(status.st_atime_ns, status.st_mtime_ns))
        result = hello.launch(cache=self.cache, environment={"ONEFOLD_CHECK": "full"})
        self.assertLaunched(result)
        self.assertCacheHolds(self.hello, self.state)
        self.assertEqual((tree / "hello.py").stat().st_ino, kept)

    def test_a_kill_while_unpacking_leaves_nothing_in_use(self) -> None:
        process = self.begin(self.hello)
        staging = wait_until(
            lambda: [p for p in self.cache.glob(".*/tree/lib/python3.11/*.py")]
            or process.poll() is not None,
            "files in the staging directory",
        )
        process.kill()
        self.assertEqual(process.wait(), -signal.SIGKILL, staging)
        self.assertFalse(self.hello.tree(self.cache).exists())
        self.assertLaunched(self.system.launch(self.hello, cache=self.cache))
        self.assertCacheHolds(self.hello, self.state)

    def test_several_first_launches_at_once(self) -> None:
        processes = [self.begin(self.hello) for _ in range(4)]
        for process in processes:
            out, error = process.communicate(timeout=120)
            self.assertEqual((process.returncode, out, error), (0, b"hello\n", b""))
        self.assertCacheHolds(self.hello, self.state)

    def test_frames_of_xz(self) -> None:
        tree = make_tree(self.work / "tree", {"numbers": b"".join(b"%d\n" % n for n in range(99999))})
        shutil.copy2(self.tree / "bin/python3.11", tree / "run")
        options = ("--codec", "xz", "--bootloader", arm64.BOOTLOADER)
        packed = pack(tree, self.work / "packed", *options)
        result = self.system.launch(packed, cache=self.cache, verb="prewarm")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertCacheHolds(packed, tree)

    def test_verbs(self) -> None:
        hello = self.system.wrapped(self.hello)
        result = hello.launch(cache=self.cache, verb="inspect")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"aarch64-linux", result.stdout)
        result = hello.launch(cache=self.cache, verb="verify")
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        self.assertRegex(result.stderr, rb"\Averified: 60\d files, [0-9,]+ bytes\n\Z")
        self.assertNothingLeft()

    def test_messages(self) -> None:
        new = needing(self.hello, "999.0 lib/new.so")
        self.assertRefused(
            self.system.launch(new, cache=self.cache),
            "this program needs glibc 999.0 or newer (lib/new.so); this system has glibc 2.36: ",
        )
        damaged = self.hello.copy(self.work / "damaged")
        file_parts = parts(damaged.path)
        with open(damaged.path, "r+b") as file:
            file.seek(file_parts.trailer.payload_offset + file_parts.manifest.frames[0].offset)
            file.write(b"\0\0\0\0")
        self.assertRefused(self.system.launch(damaged, cache=self.cache), "frame 0")
        cut = self.hello.copy(self.work / "cut")
        os.truncate(cut.path, cut.path.stat().st_size - 1000)
        self.assertRefused(self.system.launch(cut, cache=self.cache), "cut")
        self.assertNothingLeft()


class Filter(Case):
    """Machine code of both architectures in one tree, on a machine that executes one of them."""

    def setUp(self) -> None:
        super().setUp()
        self.tree = server_tree(self.work / "tree")
        for path in (arm64.BOOTLOADER, BOOTLOADER):
            shutil.copy2(path, self.tree / f"bin/{path.name}")
        # The next file would begin in the midst of an instruction if files stood without gaps.
        with open(self.tree / "bin/aarch64-linux", "ab") as file:
            file.write(b"\1")

    def filters(self, packed: Onefile) -> list[int]:
        return [frame.filter for frame in parts(packed.path).manifest.frames]

    def check(self, *options: str) -> list[int]:
        """The filters of the frames."""
        target = ("--bootloader", os.fspath(arm64.BOOTLOADER))
        packed = pack(self.tree, self.work / "packed", *target, *options, entry="bin/python3.11")
        succeed(onefold("verify", packed.path))
        succeed(onefold("extract", packed.path, self.work / "extracted"))
        self.assertSameTree(self.work / "extracted", self.tree)
        succeed(run([READER, "extract", packed.path, self.work / "read"]))
        self.assertSameTree(self.work / "read", self.tree)
        return self.filters(packed)

    def test_each_architecture_has_its_filter(self) -> None:
        self.assertEqual(set(self.check()), {0, 1, 3})

    def test_small_frames_of_xz(self) -> None:
        filters = self.check("--codec", "xz", "--level", "0", "--frame-size", "64")
        self.assertEqual(set(filters), {0, 1, 3})
        # The interpreter alone has 101.
        self.assertGreater(filters.count(3), 50)

    def test_the_bootloader_of_this_machine_undoes_all(self) -> None:
        make_leaf(os.fsencode(self.tree / "run"), program())
        packed = pack(self.tree, self.work / "packed")
        self.assertEqual(set(self.filters(packed)), {0, 1, 3})
        self.assertLaunched(packed.launch(cache=self.cache))
        self.assertCacheHolds(packed, self.tree)


class OtherMachine(Case):
    """What a machine that can't execute programs for aarch64 does with them."""

    def setUp(self) -> None:
        super().setUp()
        if arm64.platform.machine() == "aarch64" or arm64.REGISTERED.exists():
            self.skipTest("this machine executes programs for aarch64")

    def test_the_kernel_refuses_the_file(self) -> None:
        tree = make_tree(self.work / "tree", {"run": program(arm64_program())})
        packed = pack(tree, self.work / "packed", "--bootloader", arm64.BOOTLOADER)
        with self.assertRaises(OSError) as caught:
            packed.launch(cache=self.cache)
        self.assertEqual(caught.exception.errno, errno.ENOEXEC)
        # A shell says it so.
        result = run(["sh", "-c", '"$0"', packed.path])
        self.assertEqual((result.returncode, result.stdout), (126, b""))
        self.assertIn(b"Exec format error", result.stderr)
        self.assertNothingLeft()
        # It can be looked into.
        result = succeed(onefold("inspect", "--json", packed.path))
        self.assertEqual(json.loads(result.stdout)["target"], "aarch64-linux")
        succeed(onefold("verify", packed.path))
        succeed(onefold("extract", packed.path, self.work / "extracted"))
        self.assertSameTree(self.work / "extracted", tree)


def arm64_program() -> bytes:
    return (arm64.python() / "bin/python3.11").read_bytes()


if __name__ == "__main__":
    unittest.main()
