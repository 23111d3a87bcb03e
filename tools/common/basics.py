"""Failures, options, locks and the caller's environment, alike in every tool."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import sys
from pathlib import Path
from typing import Callable, Iterable, Iterator, NoReturn, Optional

REPOSITORY = Path(__file__).resolve().parents[2]

# How this machine reaches an index.
REACHING_AN_INDEX = re.compile(
    r"(PIP|UV|SSL_CERT)_|REQUESTS_CA_BUNDLE$|(HTTPS?|ALL|NO)_PROXY$", re.IGNORECASE
)


class Failure(Exception):
    """An expected failure; its message is all the user needs."""


class Unavailable(Failure):
    """Something that would be measured, or compared with, does not exist here."""


def index_variables() -> dict[str, str]:
    """The caller's variables that say how to reach an index."""
    return {name: text for name, text in os.environ.items() if REACHING_AN_INDEX.match(name)}


def names_of(noun: str, known: Iterable[str]) -> Callable[[str], list[str]]:
    """For an option: takes names separated by commas, and refuses those that are not known."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                there = ", ".join(known)
                raise argparse.ArgumentTypeError(f"no {noun} {name!r}: there are {there}")
        return names

    return parse


@contextlib.contextmanager
def locked(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock in a file of its own, `.NAME.lock`. `say` tells whoever has to wait."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that makes {path.stem.strip('.')}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def end_with(main: Callable[[], Optional[int]], say: Callable[[str], None]) -> NoReturn:
    """Runs a tool and exits as it says: 1 after an expected failure, 130 after an interruption."""
    try:
        sys.exit(main())
    except (Failure, OSError) as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
