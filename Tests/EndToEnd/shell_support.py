"""What the tests of desktop shells share: the packed LangGraph server, and where it runs."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Optional

from examples import packed_example, request
from support import Case, Onefile, executable, listing, processes, start, succeed, wait_until


class Shell(Case):
    """One class a shell: all its tests start one packed file."""

    packed: Onefile
    #: The file that the shell starts.
    sidecar: Path

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.packed = packed_example("langgraph", "onefold.toml")
        cls.sidecar = cls.packed.path
        cls.warm = cls.shared / "cache"
        succeed(cls.packed.launch(cache=cls.warm, verb="prewarm"))

    def environment(self, cache: Optional[Path] = None) -> dict[str, Any]:
        """A user's, who has a runtime directory."""
        for name in ("home", "runtime"):
            (self.work / name).mkdir(mode=0o700, exist_ok=True)
        return {"HOME": self.work / "home", "XDG_RUNTIME_DIR": self.work / "runtime", "ONEFOLD_CACHE": cache or self.warm}

    def servers(self, cache: Optional[Path] = None) -> list[int]:
        """Processes that run from the cache, and launchers of the sidecar."""
        places = (f"{cache or self.warm}/", os.fspath(self.sidecar))
        return [pid for pid in processes() if executable(pid).startswith(places)]

    def wait_for_no_server(self, cache: Optional[Path] = None) -> None:
        wait_until(lambda: not self.servers(cache), "the server to end")

    def assertDatabaseClosed(self) -> None:
        """The server ended by itself, and left nothing of SQLite beside the database."""
        self.assertEqual(listing(self.work / "home/.local/share/cortex-backend"), ["documents.db"])

    @contextmanager
    def unpacking_by_another(self, cache: Path) -> Iterator[None]:
        cache.mkdir(mode=0o700, exist_ok=True)
        with open(cache / f"{self.packed.tree_name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def other_server(self, port: int) -> int:
        """The pid of a server that has the port, and that no shell has started."""
        environment = {**self.environment(self.cache), "ONEFOLD_LISTEN": str(port)}
        nothing = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        other = start(self.packed.command(), environment=environment, **nothing)
        self.addCleanup(other.wait)
        self.addCleanup(other.send_signal, signal.SIGKILL)
        wait_until(lambda: answers(port), "the other server")
        return other.pid


def answers(port: int) -> bool:
    try:
        return request(port, "/api/health").status == 200
    except OSError:
        return False
