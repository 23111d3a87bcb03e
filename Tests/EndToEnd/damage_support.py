"""Launches of a file whose bootloader is damaged, which nothing can verify before it runs.

What holds even then: what is published, or run, is the tree that was packed. A bootloader that can't do its
work may end by any signal or code, and may leave what it had begun.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Optional, Sequence

from support import AS_NOBODY, IS_ROOT, NOBODY, Onefile, bare_environment, remove_tree, tree_state

#: A damaged bootloader may wait for ever.
SECONDS = 20
MEMORY = 4 << 30


class Flip(NamedTuple):
    offset: int
    mask: int

    def __str__(self) -> str:
        return f"{self.offset}^{self.mask}"


class Outcome(NamedTuple):
    flip: Flip
    #: "refused", "launched", "ended by SIGSEGV" and so on.
    what: str
    #: What was not kept of the promise.
    failure: Optional[str]


def spread(start: int, end: int, count: int) -> Iterator[Flip]:
    """At equal distances, of one bit after another."""
    for number in range(count):
        yield Flip(start + (end - start) * number // count, 1 << number % 8)


class DamagedBootloader:
    """A copy of a onefile that prints "hello", in a directory of its own, to be launched with an empty cache.

    As an unprivileged user, because nobody knows what damaged code does.
    """

    def __init__(self, onefile: Onefile, tree: Path, directory: Path) -> None:
        self.directory = directory
        self.cache = directory / "cache"
        self.onefile = onefile.copy(directory / "damaged")
        self.content = onefile.path.read_bytes()
        self.expected = tree_state(tree)

    def launch(self, flip: Flip) -> Outcome:
        self.prepare()
        self.write(flip.offset, self.content[flip.offset] ^ flip.mask)
        try:
            what, output = self.run()
        finally:
            self.write(flip.offset, self.content[flip.offset])
        failure = None
        published = self.onefile.tree(self.cache)
        if published.exists() and tree_state(published) != self.expected:
            failure = f"{what}: a tree was published that is not the packed one"
        elif output and not (published.exists() and output == b"hello\n"):
            failure = f"{what}: what was run is not the program: {output[:80]!r}"
        elif what == "refused" and (left := self.not_for_clean_up()):
            failure = f"refused, and left {left}"
        return Outcome(flip, what, failure)

    def not_for_clean_up(self) -> list[str]:
        """What damaged code left that is neither a lock file nor hidden: those the next clean-up removes."""
        names = os.listdir(self.cache)
        return [n for n in names if not (n.endswith(".lock") or n.startswith("."))]

    def prepare(self) -> None:
        remove_tree(self.cache)
        self.cache.mkdir(mode=0o700)
        if IS_ROOT:
            os.chown(self.cache, NOBODY, NOBODY)

    def write(self, offset: int, value: int) -> None:
        with self.onefile.path.open("r+b") as file:
            file.seek(offset)
            file.write(bytes([value]))

    def run(self) -> tuple[str, bytes]:
        options: dict[str, Any] = AS_NOBODY if IS_ROOT else {}
        try:
            result = subprocess.run(
                [self.onefile.path],
                env=bare_environment({"ONEFOLD_CACHE": str(self.cache)}),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=SECONDS,
                preexec_fn=limit,
                **options,
            )
        except subprocess.TimeoutExpired as error:
            return "waited for ever", error.stdout or b""
        except OSError:
            return "not a program for the system", b""
        return describe(result), result.stdout


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def describe(result: subprocess.CompletedProcess[bytes]) -> str:
    if result.returncode < 0:
        return f"ended by {signal.Signals(-result.returncode).name}"
    if result.returncode == 0 and result.stdout == b"hello\n":
        return "launched"
    if result.returncode == 125 and result.stderr.startswith(b"onefold: "):
        return "refused"
    return "ended otherwise"


def counts(outcomes: Sequence[Outcome]) -> str:
    """ "90 refused, 8 ended by SIGSEGV"."""
    numbers: dict[str, int] = {}
    for outcome in outcomes:
        numbers[outcome.what] = numbers.get(outcome.what, 0) + 1
    ordered = sorted(numbers.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{number:,} {what}" for what, number in ordered)
