"""Makes a directory the root of this mount namespace, and runs a command there as a user.

usage: enter.py ROOT USER DIRECTORY COMMAND [ARGUMENT]...

enter.sh starts this script. ROOT is a mount point, USER a numeric user id, DIRECTORY a path below ROOT.

It does not use chroot(2). A process that enters the mount namespace of another process gets the
root of that namespace. So with chroot(2), tests that run `nsenter` would leave ROOT.
"""

import ctypes
import os
import sys
import warnings  # noqa: F401 - os.execvp imports it, which would fail once the root has changed

MNT_DETACH = 2


def main() -> None:
    root, user, directory, *command = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    os.chdir(root)
    # pivot_root(2): the old root is mounted over the new one, and so is unmounted by the same name.
    for name, arguments in (("pivot_root", (b".", b".")), ("umount2", (b".", MNT_DETACH))):
        if getattr(libc, name)(*arguments):
            sys.exit(f"enter.py: {name} failed: {os.strerror(ctypes.get_errno())}")
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
    try:
        os.chdir(directory)
        os.execvp(command[0], command)
    except OSError as error:
        print(f"enter.py: {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


main()
