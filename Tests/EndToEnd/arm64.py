"""An arm64 system to launch files for aarch64 in, on a machine of another architecture.

Debian's packages of that architecture are unpacked into `.build/arm64`. The kernel hands its programs
to qemu-user by binfmt_misc. A user namespace has formats of its own, so no other process of the machine sees these.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import unittest
from pathlib import Path

from support import DIST, REPOSITORY, Mounts, Onefile, run, scratch, succeed

BOOTLOADER = DIST / "bootloaders" / "aarch64-linux"

SUITE = "bookworm"
#: The interpreter with its library of modules: what is packed.
PYTHON = ["python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib"]
#: What the interpreter expects of a system.
SYSTEM = ["libc6", "zlib1g", "libexpat1", "libssl3", "libffi8", "libbz2-1.0", "liblzma5"]

#: What Debian's package registers: the format, and the emulator that the kernel keeps open.
FORMAT = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
BINFMT = Path("/proc/sys/fs/binfmt_misc")
#: What this machine itself may have registered.
REGISTERED = BINFMT / "qemu-aarch64"
#: Commands of a shell, in a user namespace.
MOUNT = f"mount -t binfmt_misc none {BINFMT}"
REGISTER = f"{MOUNT} && cat {FORMAT} >{BINFMT}/register"
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
#: The beginnings of commands that can't run programs for aarch64, and that can.
PLAIN = [*NAMESPACE, f'{MOUNT} && exec "$@"', "sh"]
EMULATED = [*NAMESPACE, f'{REGISTER} && exec "$@"', "sh"]


def require_emulation(test: unittest.TestCase) -> None:
    """Skips the test where no program for aarch64 can be run."""
    if not FORMAT.exists() or shutil.which("chroot") is None:
        test.skipTest("needs the package qemu-user-static")
    if run([*EMULATED, "true"]).returncode:
        test.skipTest("needs binfmt_misc in user namespaces: Linux 6.7")


@functools.lru_cache(maxsize=None)
def packages(name: str, *options: str) -> Path:
    """A directory with the packages, which is kept for the next run."""
    directory = REPOSITORY / ".build" / "arm64" / name
    wanted = PYTHON if name == "python" else SYSTEM
    command = [REPOSITORY / "tools/debian-packages", *options, SUITE, "arm64", directory, *wanted]
    # The machine's configuration of apt may be in variables.
    succeed(run(command, environment=dict(os.environ)))
    return directory


def python() -> Path:
    return packages("python") / "usr"


def system() -> Path:
    return packages("system", "--with-dependencies")


class System(Mounts):
    """A mount namespace in which the machine runs programs for aarch64. `root` is an arm64 system, which has
    the directory that tests write to."""

    def __init__(self, test: unittest.TestCase) -> None:
        if platform.machine() == "aarch64":
            test.skipTest("is for machines of another architecture")
        require_emulation(test)
        super().__init__(test, own_users=True)
        succeed(run(self.command(["sh", "-c", REGISTER])))
        self.root = Path(f"{scratch()}-arm64")
        self.root.mkdir(exist_ok=True)
        test.addCleanup(self.root.rmdir)
        self.mount("--bind", system(), self.root)
        for path in (Path("/proc"), Path("/dev"), scratch()):
            target = Path(f"{self.root}{path}")
            succeed(run(self.command(["mkdir", "-p", target])))
            self.mount("--rbind", path, target)

    def wrapped(self, onefile: Onefile) -> Onefile:
        """The onefile, to be launched on the arm64 system."""
        result = Onefile(onefile.path, onefile.summary)
        result.command = lambda *arguments: self.command(  # type: ignore[method-assign]
            ["chroot", self.root, onefile.path, *arguments]
        )
        return result
