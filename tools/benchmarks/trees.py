"""Trees: those of real programs, and those of any shape whose files are like theirs."""

from __future__ import annotations

import itertools
import random
import shutil
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Callable, Optional

from common.documents import counted, figure

from .applications import python
from .running import Part

POOL_BYTES = 64_000_000
BLOCK = 1 << 20
KINDS = (".so", ".py", ".pyc", ".a", ".txt", ".h")


@dataclass
class Packed:
    path: Path
    facts: dict  # the packer's summary

    @property
    def codec(self) -> str:
        return f"{self.facts['codec']} {self.facts['level']}"

    @property
    def size(self) -> int:
        return self.path.stat().st_size


@dataclass(eq=False)
class Tree:
    name: str
    path: Path
    entry: str
    arguments: list[str] = field(default_factory=list)  # before the user's
    built: Optional[Packed] = None  # the file that it was unpacked from

    @property
    def size(self) -> int:
        files = (item for item in self.path.rglob("*") if not item.is_dir())
        return sum(item.lstat().st_size for item in files)

    @property
    def counts(self) -> tuple[int, int]:
        """Files and directories."""
        kinds = [item.is_dir() for item in self.path.rglob("*")]
        return kinds.count(False), 1 + kinds.count(True)

    @property
    def description(self) -> str:
        files, directories = self.counts
        counts = f"{counted(files, 'file')}, {counted(directories, 'directory', 'directories')}"
        return f"**{self.name}** ({figure(self.size / 1e6)} MB, {counts})"

    def command(self, root: Path) -> list[Part]:
        """The command that starts the tree's program when the tree is at `root`."""
        return [root / self.entry, *(a.format(root=root) for a in self.arguments)]


Content = Callable[[int], bytes]  # the next bytes of a file, this many


def random_bytes() -> Content:
    return random.Random(1).randbytes


@lru_cache(maxsize=1)
def pool() -> bytes:
    """Files of the interpreter's prefix: libraries, sources, byte code."""
    prefix = python().resolve().parent.parent
    content = bytearray()
    for path in sorted(prefix.rglob("*")):
        if len(content) < POOL_BYTES and path.suffix in KINDS and path.is_file():
            content += path.read_bytes()
    return bytes(content)


def stretches(renamed: bool) -> Content:
    """Stretches of the pool, of 8 bytes and more. Each begins with its own number, so that no two
    are the same. With `renamed` the 256 bytes have other names in each: it compresses as the
    stretch does, and nothing of it is found again in another one."""
    choice, source, numbers = random.Random(1), pool(), itertools.count()

    def content(size: int) -> bytes:
        start = choice.randrange(len(source) - size)
        stretch = next(numbers).to_bytes(8, "little") + source[start + 8 : start + size]
        if not renamed:
            return stretch
        names = list(range(256))
        choice.shuffle(names)
        return stretch.translate(bytes(names))

    return content


def synthetic(
    program: Path, at: Path, directories: int, files: int, size: int, content: Content
) -> Tree:
    """A tree of this many directories, ten in each, with `files` files of `size` bytes in each of
    them. `program`, which ends at once, is its entry."""
    places = [at]
    for number in range(1, directories):
        places.append(places[(number - 1) // 10] / f"directory-{number}")
    for place in places:
        place.mkdir()
        for number in range(files):
            with open(place / f"file-{number}", "wb", buffering=0) as file:
                for start in range(0, size, BLOCK):
                    file.write(content(min(BLOCK, size - start)))
    shutil.copy(program, at / "program")
    return Tree(at.name, at, "program")
