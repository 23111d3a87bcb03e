"""nginx of this machine as a process of a test, with its own configuration."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import NamedTuple

from support import REPOSITORY, wait_until

sys.path.insert(0, str(REPOSITORY / "tools"))

from common.basics import Unavailable  # noqa: E402
from common.static_server import StaticServer  # noqa: E402


class Request(NamedTuple):
    path: str
    status: int
    range: str
    #: Of the body.
    sent: int


class Nginx(StaticServer):
    """Serves the files of a directory, and tells its requests."""

    def __init__(self, root: Path, directives: str = "") -> None:
        try:
            super().__init__(root, directives)
        except Unavailable as reason:
            raise unittest.SkipTest(str(reason)) from None
        #: The requests that `next_requests` has returned.
        self.seen = 0

    def requests(self, count: int) -> list[Request]:
        """All so far, and at least so many: an answer that the client ended is logged later."""
        wait_until(lambda: len(self.logged()) >= count, f"nginx logs {count} requests")
        fields = self.logged()
        return [Request(path, int(status), asked, int(sent)) for path, status, asked, sent, _ in fields]

    def next_requests(self, count: int) -> list[Request]:
        """Those since the last call, of which there must be so many."""
        found = self.requests(self.seen + count)[self.seen :]
        self.seen += len(found)
        if len(found) != count:
            raise AssertionError(f"{len(found)} requests, not {count}: {found}")
        return found
