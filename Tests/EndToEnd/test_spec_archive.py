"""Packing from a spec with an archive of an interpreter."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
from pathlib import Path
from typing import Optional

from spec_support import (
    SHORT,
    SITE,
    VERSION,
    SpecCase,
    application,
    line_of,
    pack_command,
    pack_spec,
    wheel,
)
from support import needs_program, run, succeed

SHOW = "import json, sys, ssl; print(json.dumps([sys.version.split()[0], sys.prefix]))"
NAMED_IN_UTF8 = f"lib/python{SHORT}/données"


class Archives(SpecCase):
    """The archive is made of a tree that was staged: relocatable, in the layout `install_only`."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # With headers, as such archives have them. A static library of 45 MB would only take time.
        directory = application(cls.shared / "source", prune={"headers": False})
        result = succeed(pack_command(directory, "--no-smoke", "--keep-stage"))
        found = re.search(rb"the stage is kept in '([^']+)'", result.stderr)
        assert found, result.stderr
        tree = Path(os.fsdecode(found[1])) / "tree"
        (tree / "pyvenv.cfg").unlink()
        for path in (tree / SITE).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (tree / NAMED_IN_UTF8).write_text("")
        cls.tar = cls.shared / "python.tar"
        with tarfile.open(cls.tar, "w") as archive:
            archive.add(tree, "python")
        shutil.rmtree(tree.parent)

    def compressed(self, *command: str) -> Path:
        path = self.shared / f"python.tar.{command[0].replace('gzip', 'gz').replace('zstd', 'zst')}"
        if not path.exists():
            with open(self.tar, "rb") as file:
                path.write_bytes(succeed(run([*command, "-1", "-c"], stdin=file)).stdout)
        return path

    def assertPacks(self, archive: Path) -> None:
        wheel("archived", {"archived.py": "NAME = 'archived'"})
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        directory = self.new_application(
            {"requirements.txt": "archived"},
            dependencies={"requirements": ["requirements.txt"]},
            python={"archive": archive, "sha256": digest, "version": SHORT},
        )
        packed = pack_spec(directory, smoke=True)
        self.assertEqual(packed.summary["python"], VERSION)
        said = self.python(packed, SHOW)
        self.assertEqual(said, [VERSION, os.fspath(packed.tree(self.cache))])
        self.assertTrue((packed.tree(self.cache) / NAMED_IN_UTF8).exists())
        # It is unpacked beside the output, and gone.
        self.assertEqual(
            sorted(os.listdir(directory)), ["app", "onefold.toml", "requirements.txt", "runner.py"]
        )

    def test_tar(self) -> None:
        self.assertPacks(self.tar)

    @needs_program("gzip")
    def test_tar_gz(self) -> None:
        self.assertPacks(self.compressed("gzip"))

    @needs_program("zstd")
    def test_tar_zst(self) -> None:
        self.assertPacks(self.compressed("zstd"))

    @needs_program("xz")
    def test_tar_xz(self) -> None:
        self.assertPacks(self.compressed("xz"))

    def test_a_wrong_hash(self) -> None:
        directory = self.new_application(python={"archive": self.tar, "sha256": "0" * 64})
        actual = hashlib.sha256(self.tar.read_bytes()).hexdigest()
        self.assertFails(directory, line_of(directory, "sha256"), actual)

    def test_another_version(self) -> None:
        directory = self.new_application(python={"archive": self.tar, "version": "3.99"})
        self.assertFails(directory, line_of(directory, "version"), "3.99", VERSION)

    def test_files_that_are_not_archives(self) -> None:
        path = self.work / "python.tar.gz"
        content = self.compressed("gzip").read_bytes()
        for broken in (b"", b"no archive at all" * 100, content[: len(content) // 2]):
            path.write_bytes(broken)
            directory = self.new_application(python={"archive": path})
            self.assertFails(directory, line_of(directory, "archive"), "python.tar.gz")


def entry(
    name: str, type: bytes = tarfile.REGTYPE, link: str = "", size: int = 0
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = type, link, size, 0o755
    return info


class HostileArchives(SpecCase):
    """Nothing is written outside of the stage."""

    CONTENT = b"#!/bin/sh\nexit 1\n"

    def refused(self, why: str, *entries: tarfile.TarInfo) -> None:
        path = self.work / "hostile.tar"
        with tarfile.open(path, "w") as archive:
            for info in entries:
                content: Optional[io.BytesIO] = None
                if info.isreg():
                    info.size = len(self.CONTENT)
                    content = io.BytesIO(self.CONTENT)
                archive.addfile(info, content)
        directory = self.new_application(python={"archive": path})
        before = {p: p.lstat().st_mtime_ns for p in self.work.rglob("*") if p.is_file()}
        self.assertFails(directory, line_of(directory, "archive"), why)
        after = {p: p.lstat().st_mtime_ns for p in self.work.rglob("*") if p.is_file()}
        before[directory / "onefold.toml"] = after[directory / "onefold.toml"]
        self.assertEqual(after, before)

    def test_paths_that_leave(self) -> None:
        self.refused("leaves the archive", entry("python/../../escaped"))
        self.refused("leaves the archive", entry(f"{self.work}/escaped"))
        self.refused("leaves the archive", entry("../escaped", tarfile.DIRTYPE))

    def test_symlinks_that_leave(self) -> None:
        for target in ("/etc", "../../..", "bin/../../../x"):
            self.refused("leaves the archive", entry("python/link", tarfile.SYMTYPE, target))

    def test_symlinks_that_leave_together(self) -> None:
        """Each stays inside by its text; one behind the other they do not."""
        self.refused(
            "symlink",
            entry("python/a/up", tarfile.SYMTYPE, ".."),
            entry("python/b", tarfile.SYMTYPE, "a/up/../.."),
            entry("python/b/escaped"),
        )

    def test_paths_through_symlinks(self) -> None:
        self.refused(
            "goes through a symlink",
            entry("python/bin", tarfile.DIRTYPE),
            entry("python/link", tarfile.SYMTYPE, "bin"),
            entry("python/link/python3"),
        )

    def test_hard_links_that_leave(self) -> None:
        secret = self.work / "secret"
        secret.write_text("secret")
        self.refused(
            "leaves the archive", entry("python/h", tarfile.LNKTYPE, f"../../../{secret.name}")
        )
        self.refused("leaves the archive", entry("python/h", tarfile.LNKTYPE, os.fspath(secret)))

    def test_hard_links_through_symlinks(self) -> None:
        links = [
            entry("python/a/up", tarfile.SYMTYPE, ".."),
            entry("python/b", tarfile.SYMTYPE, "a/up/../../.."),
        ]
        hard = entry("python/h", tarfile.LNKTYPE, "python/b/runner.py")
        self.refused("goes through a symlink", *links, hard)
        last = entry("python/c", tarfile.SYMTYPE, "b/runner.py")
        hard = entry("python/h", tarfile.LNKTYPE, "python/c")
        self.refused("leads to no file", *links, last, hard)

    def test_hard_links_to_nothing(self) -> None:
        for target in ("python/nothing", "python", "python/h"):
            link = entry("python/h", tarfile.LNKTYPE, target)
            self.refused("leads to no file", entry("python/x"), link)

    def test_devices_and_pipes(self) -> None:
        for type in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
            self.refused("is neither a file, a directory nor a link", entry("python/device", type))

    def test_a_tree_without_an_interpreter(self) -> None:
        self.refused("does not start", entry("python/bin/python3"))
        self.refused("there is no interpreter", entry("python/readme"))
