"""What the tests of others share: other users, and programs that run from a tree."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any, Iterator, Optional

from support import (
    Case,
    Onefile,
    Result,
    StrPath,
    make_tree,
    noise,
    pack,
    probe,
    program,
    run,
    start,
    succeed,
)

#: A user who is not root, and another one who wishes no good.
USER = 12345
OTHER = 23456


def as_user(number: int) -> dict[str, Any]:
    """Options of `run`."""
    return {"user": number, "group": number, "extra_groups": []}


class OthersCase(Case):
    """A small tree, packed; and directories that all users can reach."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.tree = make_tree(cls.shared / "tree", cls.entries())
        cls.packed = pack(cls.tree, cls.shared / "packed", "--name", "sample")
        #: Launch another entry of the same tree.
        cls.waiter = pack(cls.tree, cls.shared / "waiter", "--name", "sample", entry="probe")
        cls.script = pack(cls.tree, cls.shared / "script", "--name", "sample", entry="script")

    @classmethod
    def entries(cls) -> dict[Any, Any]:
        files = {
            f"library/package-{n}/module-{m}.py": noise(500, f"{n} {m}")
            for n in range(4)
            for m in range(5)
        }
        script = b"#!/bin/sh\necho waiting\nread line\n"
        return {
            "run": program(),
            "probe": program(probe().read_bytes()),
            "script": program(script),
            **files,
        }

    @property
    def place(self) -> Path:
        """The directory that holds the tree, its seal and its lease."""
        return self.cache / self.packed.tree_name

    def launch(self, **options: Any) -> Result:
        return self.packed.launch(cache=self.cache, **options)

    def prewarm(self) -> None:
        """Into a cache directory that all users can use."""
        self.cache.mkdir(exist_ok=True)
        self.cache.chmod(0o755)
        succeed(self.packed.launch(cache=self.cache, verb="prewarm"))

    def opened_files(self, onefile: Optional[Onefile] = None, **options: Any) -> int:
        """How many files of the tree a launch reads."""
        traced = (onefile or self.packed).trace(cache=self.cache, **options)
        self.assertLaunched(traced.result)
        return sum(".py" in call.arguments and call.name == "openat" for call in traced.launch)

    @contextlib.contextmanager
    def running(
        self, *command: StrPath, onefile: Optional[Onefile] = None, **options: Any
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A program that runs from the tree until the block ends: launched, or by a command."""
        if command:
            process = start(command, **options)
        else:
            process = (onefile or self.waiter).start("wait", cache=self.cache, **options)
        try:
            assert process.stdout
            self.assertEqual(process.stdout.readline(), b"waiting\n")
            yield process
        finally:
            process.communicate()


def copy_of(directory: Path, target: Path, way: str) -> None:
    """Copies a cache directory as tools do that keep what they can."""
    target.mkdir(mode=0o755, exist_ok=True)
    if way == "cp":
        succeed(run(["cp", "-a", f"{directory}/.", target]))
    elif way == "rsync":
        succeed(run(["rsync", "-a", f"{directory}/", target]))
    else:
        # As the tools that make images write layers: whole seconds, or one time for all.
        times = ["--mtime=@1700000000"] if way == "one time" else []
        archive = target.with_name(f"{target.name}.tar")
        succeed(run(["tar", "--format=gnu", *times, "-C", directory, "-cf", archive, "."]))
        succeed(run(["tar", "-C", target, "-xpf", archive]))
        archive.unlink()


__all__ = [name for name in dir() if not name.startswith("_")]
