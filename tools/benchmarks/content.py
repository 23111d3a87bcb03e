"""Trees of any shape whose files are like those of real programs."""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path

from .applications import python
from .trees import Tree, Workshop, with_program

POOL_BYTES = 64_000_000
BLOCK = 1 << 20
FILES_OF_A_DIRECTORY = 100
KINDS = (".so", ".py", ".pyc", ".a", ".txt", ".h")


@lru_cache(maxsize=1)
def pool() -> bytes:
    """What the interpreter's prefix holds: libraries, sources, byte code."""
    prefix = python().resolve().parent.parent
    parts, length = [], 0
    for path in sorted(prefix.rglob("*")):
        if length >= POOL_BYTES:
            break
        if path.is_file() and path.suffix in KINDS:
            parts.append(path.read_bytes())
            length += len(parts[-1])
    return b"".join(parts)


def block(choice: random.Random, size: int) -> bytes:
    """A stretch of the pool whose bytes have other names in each block: it compresses as the stretch
    does, and nothing of it is found again in another block."""
    source = pool()
    start = choice.randrange(len(source) - size)
    names = list(range(256))
    choice.shuffle(names)
    return source[start : start + size].translate(bytes(names))


def large_files(workshop: Workshop, at: Path, size: int, count: int) -> Tree:
    """`count` files of `size` bytes in all."""
    choice = random.Random(1)
    at.mkdir()
    for number in range(count):
        left = size // count
        with (at / f"file-{number}").open("wb") as file:
            while left:
                length = min(BLOCK, left)
                file.write(block(choice, length))
                left -= length
    return with_program(workshop, at)


def small_files(workshop: Workshop, at: Path, count: int, size: int) -> Tree:
    """`count` files of `size` bytes each, 100 in a directory. Each begins with its own number, so
    that no two are the same."""
    choice = random.Random(1)
    source = pool()
    at.mkdir()
    for number in range(count):
        if number % FILES_OF_A_DIRECTORY == 0:
            directory = at / f"directory-{number // FILES_OF_A_DIRECTORY}"
            directory.mkdir()
        start = choice.randrange(len(source) - size)
        head = number.to_bytes(8, "little")
        with open(directory / f"file-{number}", "wb", buffering=0) as file:
            file.write(head + source[start : start + size - len(head)])
    return with_program(workshop, at)
