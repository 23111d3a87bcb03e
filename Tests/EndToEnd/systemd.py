"""A systemd of its own for a test: the manager as PID 1 of namespaces, with nothing but the units
that the test gives it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Iterable, Optional

from support import IS_ROOT, Result, StrPath, run, start, wait_until

MANAGER = Path("/usr/lib/systemd/systemd")

#: What units depend on by default. Those of the machine would start much more.
TARGETS = "sysinit basic network sockets multi-user shutdown umount final ready".split()

#: $0 is the cgroup to be in. The mounts are gone with the namespace.
ENTER = """
echo $$ >"$0/cgroup.procs" || exit 1
exec unshare --mount --propagation private --pid --fork --net --uts --ipc --cgroup sh -c "$@"
"""

#: $0 is a directory with `units` and `bin`, $1 the manager. What either writes to is covered: nothing of
#: the machine's changes. The directory may lie below /tmp, which is therefore the last.
PREPARE = """
set -e
mount -t proc proc /proc
mount -t cgroup2 none /sys/fs/cgroup
for place in /run /var/cache /var/lib /var/tmp; do mount -t tmpfs -o mode=755 none $place; done
cp -R "$0/units" /run/units
mount --bind "$0/bin" /usr/local/bin
echo 0123456789abcdef0123456789abcdef >/run/machine-id
mount --bind /run/machine-id /etc/machine-id
mount -t tmpfs -o mode=1777 none /tmp
cd /
echo ready
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test SYSTEMD_UNIT_PATH=/run/units \
  "$1" --system --unit=ready.target --log-target=console --default-standard-output=inherit
"""


class Systemd:
    """Runs until the end of the test. `bin` is at /usr/local/bin."""

    def __init__(self, test: unittest.TestCase, directory: Path, units: Iterable[Path]) -> None:
        if not IS_ROOT:
            test.skipTest("needs root, to run a systemd")
        for needed in (MANAGER, "systemctl", "unshare", "nsenter"):
            if shutil.which(needed) is None:
                test.skipTest(f"needs the program {needed}")
        self.bin = directory / "bin"
        self.bin.mkdir(parents=True)
        (directory / "units").mkdir()
        for unit in units:
            shutil.copy(unit, directory / "units")
        for name in TARGETS:
            text = f"[Unit]\nDescription={name}\nDefaultDependencies=no\n"
            (directory / "units" / f"{name}.target").write_text(text)
        self.log = directory / "log"
        cgroup = make_cgroup(test)
        test.addCleanup(remove_cgroup, cgroup)
        with self.log.open("wb") as log:
            self.process = start(
                ["sh", "-c", ENTER, cgroup, PREPARE, directory, MANAGER],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        test.addCleanup(self.end)
        wait_until(self.prepared, "the namespaces")
        if self.process.poll() is not None:
            test.skipTest(f"may not make the namespaces: {self.log.read_text()!r}")
        wait_until(self.is_up, "systemd to start")

    def prepared(self) -> bool:
        return self.process.poll() is not None or self.log.read_bytes().startswith(b"ready\n")

    def is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"systemd ended: {self.log.read_text()}")
        return self.systemctl("is-active", "ready.target").stdout == b"active\n"

    @property
    def manager(self) -> Optional[int]:
        """The process that is PID 1 in there, as seen from here."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        children = Path(path).read_text().split()
        return int(children[0]) if children else None

    def run(self, *command: StrPath) -> Result:
        """Runs a command in there."""
        namespaces = ["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"]
        return run(["nsenter", "--target", str(self.manager), *namespaces, "--", *command])

    def systemctl(self, *arguments: str) -> Result:
        return self.run("systemctl", *arguments)

    def show(self, unit: str, name: str) -> str:
        return self.systemctl("show", unit, "--value", "-p", name).stdout.decode().strip()

    def get(self, url: str) -> bytes:
        code = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode(), end='')"
        result = self.run(sys.executable, "-I", "-c", code, url)
        if result.returncode != 0:
            raise AssertionError(f"{url}: {result.stderr!r}; {self.log.read_text()}")
        return result.stdout

    def end(self) -> None:
        if self.process.poll() is None:
            # All processes of a PID namespace end with its PID 1.
            manager = self.manager
            if manager:
                os.kill(manager, 9)
            self.process.kill()
        self.process.wait()


def make_cgroup(test: unittest.TestCase) -> Path:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for _, directory, kind, *_ in mounts:
        if kind == "cgroup2":
            path = Path(directory, f"onefold-test-{os.getpid()}")
            try:
                path.mkdir()
            except OSError as error:
                test.skipTest(f"may not make a cgroup: {error}")
            return path
    test.skipTest("needs cgroups of version 2")
    raise AssertionError


def remove_cgroup(cgroup: Path) -> None:
    """Those that the manager made go first, as soon as their processes have ended."""

    def removed() -> bool:
        for directory, _, _ in os.walk(cgroup, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                return False
        return True

    wait_until(removed, f"the processes of {cgroup} to end")
