"""A tree that needs a newer C library than the system's is refused before it is unpacked."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import struct
from collections import Counter
from pathlib import Path

from support import (
    READER,
    Case,
    File,
    Mounts,
    Onefile,
    Result,
    StrPath,
    in_root,
    listing,
    make_tree,
    needs_program,
    onefold,
    pack,
    parts,
    probe,
    program,
    run,
    scratch,
    succeed,
)

GLIBC = 10  # The field's tag.
#: Where the library may be: docs/launch.md, "Unpacking".
PLACES = ("lib/x86_64-linux-gnu", "lib64", "usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib")


def needing(packed: Onefile, need: str) -> Onefile:
    """A copy whose launch record has the field."""
    before = parts(packed.path).trailer
    data = packed.path.read_bytes()
    end = before.record_offset + before.record_length
    record = bytearray(data[before.record_offset : end])
    value = need.encode()
    record[8:12] = struct.pack("<I", struct.unpack("<I", record[8:12])[0] + 1)
    record += struct.pack("<HHI", GLIBC, 0, len(value)) + value
    trailer = bytearray(data[end : end + 256])
    trailer[64:80] = struct.pack("<QQ", len(record), before.record_offset + len(record))
    trailer[144:176] = hashlib.sha256(record).digest()
    trailer[224:] = hashlib.sha256(trailer[:224]).digest()
    path = packed.path.with_name("needs " + re.sub(r"\W", "-", need))
    path.write_bytes(data[: before.record_offset] + record + trailer)
    path.chmod(0o755)
    return Onefile(path, packed.summary)


@functools.lru_cache(maxsize=None)
def fake_library() -> Path:
    """A shared library that says that it is glibc 2.31."""
    source, script = scratch() / "fake.c", scratch() / "fake.map"
    library = scratch() / "fake-libc.so.6"
    versions = ["2.2.5", "2.4", "2.17", "2.31", "2.9"]
    names = [f"f{number}" for number in range(len(versions))]
    source.write_text("".join(f"void {name}(void) {{}}\n" for name in names))
    script.write_text(
        "".join(f"GLIBC_{v} {{ global: {name}; }};\n" for v, name in zip(versions, names))
    )
    options = ["-shared", "-fPIC", "-nostdlib", f"-Wl,--version-script={script}"]
    succeed(run(["gcc", *options, "-Wl,-soname,libc.so.6", "-o", library, source]))
    return library


class SystemLibrary(Case):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        tree = make_tree(cls.shared / "tree", {"run": program()})
        cls.packed = pack(tree, cls.shared / "packed")
        cls.old = needing(cls.packed, "2.4 run")
        cls.new = needing(cls.packed, "999.0 lib/lib new.so\x1b")
        tree = make_tree(cls.shared / "static", {"run": File(probe().read_bytes(), mode=0o755)})
        static = pack(tree, cls.shared / "static packed")
        cls.static = needing(static, "2.36 lib/x.so")
        cls.static_old = needing(static, "2.31 run")

    def test_what_the_system_has_is_launched(self) -> None:
        self.assertLaunched(self.old.launch(cache=self.cache))
        self.assertLaunched(self.old.launch(cache=self.cache))

    def test_what_it_lacks_is_refused_before_unpacking(self) -> None:
        result = self.new.launch(cache=self.cache)
        self.assertRefused(
            result,
            "this program needs glibc 999.0 or newer (lib/lib new.so\\x1b); this system has glibc ",
            ": use a newer system, or ask for a file built on an older one",
        )
        self.assertNothingLeft()
        traced = self.new.trace(cache=self.cache)
        self.assertFalse({call.name for call in traced.launch} & {"clone", "clone3", "symlinkat"})

    def test_it_is_prewarmed_all_the_same(self) -> None:
        result = self.new.launch(cache=self.cache, verb="prewarm")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, os.fsencode(self.new.tree(self.cache)) + b"\n")
        # And a warm launch does not look.
        self.assertLaunched(self.new.launch(cache=self.cache))

    def test_a_warm_launch_makes_no_system_call_for_it(self) -> None:
        calls = []
        for onefile in (self.packed, self.new):
            succeed(onefile.launch(cache=self.cache, verb="prewarm"))
            traced = onefile.trace(cache=self.cache)
            self.assertLaunched(traced.result)
            memory = {"mmap", "munmap", "brk", "madvise", "mprotect"}
            calls.append(Counter(c.name for c in traced.launch if c.name not in memory))
        self.assertEqual(calls[0], calls[1])

    def test_it_is_shown(self) -> None:
        line = b"glibc       999.0 or newer, for lib/lib new.so\\x1b\n"
        self.assertIn(line, succeed(onefold("inspect", self.new.path)).stdout)
        self.assertIn(line, succeed(self.new.launch(verb="inspect")).stdout)
        shown = json.loads(succeed(onefold("inspect", "--json", self.new.path)).stdout)
        self.assertEqual(shown["glibc"], {"version": "999.0", "path": "lib/lib new.so\x1b"})
        info = json.loads(succeed(run([READER, "info", self.new.path])).stdout)
        self.assertEqual(info["record"]["glibc"], "999.0 lib/lib new.so\x1b")

    def test_what_is_not_said_is_not_shown(self) -> None:
        self.assertNotIn(b"glibc", succeed(onefold("inspect", self.packed.path)).stdout)
        shown = json.loads(succeed(onefold("inspect", "--json", self.packed.path)).stdout)
        self.assertIsNone(shown["glibc"])
        self.assertSucceeded(onefold("verify", self.new.path, "--json"))

    @needs_program("gcc")
    def test_an_older_library_in_a_mount_namespace(self) -> None:
        mounts = Mounts(self)
        real = {os.path.realpath(f"/{place}/libc.so.6") for place in PLACES}
        real = {path for path in real if os.path.exists(path)}
        if len(real) != 1:
            self.skipTest("needs a system with one libc.so.6")
        mounts.mount("--bind", fake_library(), real.pop())
        # From here on only static programs start in there.
        result = mounts.launch(self.static, "hello", cache=self.cache)
        self.assertRefused(
            result, "needs glibc 2.36 or newer (lib/x.so); this system has glibc 2.31: use a newer"
        )
        self.assertNothingLeft()
        self.assertLaunched(mounts.launch(self.static_old, "hello", cache=self.cache))

    def launch_in_root(self, root: Path, *arguments: StrPath) -> Result:
        shutil.copy(self.static.path, root / "onefile")
        command = [*in_root(root, False), "/onefile", *arguments]
        return run(command, environment={"ONEFOLD_CACHE": "/cache"})

    def new_root(self) -> Path:
        root = self.new_directory()
        for name in ("proc", "dev"):
            (root / name).mkdir()
        return root

    def test_a_system_without_glibc(self) -> None:
        root = self.new_root()
        (root / "lib").mkdir()
        (root / "lib" / "ld-musl-x86_64.so.1").write_bytes(b"\x7fELF")
        result = self.launch_in_root(root, "hello")
        self.assertRefused(
            result,
            "needs glibc 2.36 or newer (lib/x.so); this system has no glibc (it may use musl): use",
        )
        self.assertEqual(listing(root / "cache"), [])

    @needs_program("gcc")
    def test_an_older_library_in_another_root(self) -> None:
        for place in PLACES:
            with self.subTest(place):
                root = self.new_root()
                (root / place).mkdir(parents=True)
                shutil.copy(fake_library(), root / place / "libc-2.31.so")
                (root / place / "libc.so.6").symlink_to("libc-2.31.so")
                result = self.launch_in_root(root, "hello")
                self.assertRefused(result, "this system has glibc 2.31: ")

    def test_a_system_that_does_not_tell(self) -> None:
        root = self.new_root()
        (root / "lib64").mkdir()
        (root / "lib64" / "ld-linux-x86-64.so.2").write_bytes(b"")
        self.assertLaunched(self.launch_in_root(root, "hello"))
        self.assertEqual(listing(root / "cache"), [self.static.tree_name])

