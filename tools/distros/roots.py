"""Root directories of other distributions, made once, and commands in them.

A root is a directory of .build/roots:

    NAME/root     made by debootstrap, and never changed after that
    NAME/changes  an empty directory, over which a command's changes are mounted
    NAME/about    the packages that were added, one a line

A root appears by one rename, so it is whole or not there. To renew the roots, remove .build/roots.
Making a root and running a command in it need root's rights.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple, Optional, Sequence, Union

from common.basics import REPOSITORY, Failure, index_variables, locked

ROOTS = REPOSITORY / ".build" / "roots"
SCRIPTS = Path("/usr/share/debootstrap/scripts")
ENTER = Path(__file__).with_name("enter.sh")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

#: The suites of Debian that are tried, the oldest first.
SUITES = ("bullseye", "bookworm", "trixie", "forky")
#: A root with musl's dynamic loader and busybox, and nothing else.
MUSL = "musl"

#: The ordinary user that every root has.
USER = 1000
USER_NAME = "user"

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: Settings of pip that say where packages come from, and how they are reached.
PIP_SETTINGS = (
    "index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "proxy",
    "default-timeout", "timeout",
)  # fmt: skip

StrPath = Union[str, "os.PathLike[str]"]


class Bind(NamedTuple):
    """A file or directory of this machine that a command sees in its root."""

    source: Path
    #: The path in the root; the same one if it is not given.
    target: Optional[StrPath] = None
    writable: bool = False


def say(message: str) -> None:
    print(f"roots: {message}", file=sys.stderr, flush=True)


def require_root() -> None:
    if os.geteuid() != 0:
        raise Failure("roots of other distributions need mounts and chroot: run this as root")
    for program in ("unshare", "mount", "chroot"):
        if shutil.which(program, path=PATH) is None:
            raise Failure(f"there is no program {program}: install util-linux and coreutils")


# Running a command in a root


class Root:
    """A root directory that stays as it is, whatever a command in it does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "root"

    def command(
        self,
        command: Sequence[StrPath],
        *,
        user: bool = False,
        changes: Optional[Path] = None,
        binds: Sequence[Bind] = (),
        directory: Optional[StrPath] = None,
        host_devices: bool = False,
    ) -> list[str]:
        """A command of this machine that runs `command` in the root.

        The command has this machine's network, certificates and pip settings. It runs as root, or
        as an ordinary user. It ends with everything that it started; its exit status is passed on.

        Parameters:
          user: run as the user 1000, not as root.
          changes: a directory that keeps what the command writes, for a later command; it must not
            be on an overlay file system. Without it, memory takes what is written.
          binds: what the command sees of this machine.
          directory: the working directory, a path in the root; default: the user's home.
          host_devices: show all of this machine's /dev and /sys.

        The caller passes `environment()` or `bare_environment()` as the environment, and kills with SIGKILL.
        """
        require_root()
        further = [*binds, *network_binds()]
        mounts: list[str] = []
        if host_devices:
            mounts += ["rbind", "/dev", "/dev", "rbind", "/sys", "/sys"]
        elif Path("/sys/kernel").is_dir():
            mounts += ["ro", "/sys", "/sys"]
        for bind in further:
            target = bind.source if bind.target is None else bind.target
            mounts += ["rw" if bind.writable else "ro", os.fspath(bind.source), os.fspath(target)]
        if changes is None:
            over = "mount -t tmpfs -o mode=0755 tmpfs changes"
        else:
            changes.mkdir(parents=True, exist_ok=True)
            over = 'mount --bind "$1" changes'
        script = f'cd "$0" && {over} && shift && exec /bin/sh "$@"'
        identity, place = str(USER) if user else "root", directory or home(user)
        enter = [ENTER, sys.executable, identity, place, *mounts, "--", *command]
        return private(["sh", "-c", script, self.directory, changes or "", *enter])

    def run(
        self,
        command: Sequence[StrPath],
        *,
        variables: Optional[dict[str, str]] = None,
        capture: bool = False,
        **options: object,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end; its output goes to standard error, or is captured."""
        return subprocess.run(
            self.command(command, **options),  # type: ignore[arg-type]
            env=environment(bool(options.get("user")), variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else sys.stderr,
            stderr=subprocess.PIPE if capture else None,
            text=True,
            errors="replace",
        )


def home(user: bool) -> str:
    return f"/home/{USER_NAME}" if user else "/root"


def bare_environment(user: bool) -> dict[str, str]:
    """The environment that a login gives."""
    name = USER_NAME if user else "root"
    return {"PATH": PATH, "HOME": home(user), "USER": name, "LOGNAME": name, "LANG": "C.UTF-8"}


def environment(user: bool, variables: Optional[dict[str, str]] = None) -> dict[str, str]:
    """The environment of a command in a root: nothing of the caller's but the network's."""
    result = bare_environment(user)
    if CERTIFICATES.exists():
        result.update(SSL_CERT_FILE=os.fspath(CERTIFICATES), PIP_CERT=os.fspath(CERTIFICATES))
    return {**result, **network_variables(), **(variables or {})}


def network_variables() -> dict[str, str]:
    """What says how the network and the package index are reached from this machine."""
    installers = ("PIP_", "UV_")
    other = {k: v for k, v in index_variables().items() if not k.startswith(installers)}
    return {**other, **pip_variables()}


@functools.lru_cache(maxsize=None)
def pip_variables() -> dict[str, str]:
    """This machine's settings of pip, as variables."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    variables = {}
    for line in listed.stdout.splitlines():
        key, equals, value = line.partition("=")
        # `global.index-url='...'`; what the environment says comes as `:env:.index-url`.
        setting = key.rpartition(".")[2]
        if equals and setting in PIP_SETTINGS:
            name = "PIP_" + setting.upper().replace("-", "_")
            variables[name] = value.strip("'\"").replace("\\n", " ").strip()
    return variables


def network_binds() -> list[Bind]:
    """The files of this machine that reaching the network and pip's index needs."""
    paths = [Path("/etc/resolv.conf"), Path("/etc/hosts"), CERTIFICATES]
    for value in network_variables().values():
        paths += [Path(word) for word in value.split() if word.startswith("/")]
    binds = {path: Bind(path.resolve(), path) for path in paths if path.exists()}
    return list(binds.values())


# Making roots


def root(suite: str, packages: Sequence[str] = (), architecture: Optional[str] = None) -> Root:
    """The root of a suite with further packages, which is made if it is not there.

    Parameters:
      suite: one of Debian's suites, or `musl`.
      packages: Debian packages that `debootstrap --variant=minbase` leaves out.
      architecture: Debian's name of another architecture, whose programs this machine can run.
    """
    require_root()
    name = suite if architecture is None else f"{suite}-{architecture}"
    if packages:
        wanted = "\n".join(sorted(set(packages)))
        name += "-" + hashlib.sha256(wanted.encode()).hexdigest()[:12]
    final = ROOTS / name
    if final.is_dir():
        return Root(final)
    ROOTS.mkdir(parents=True, exist_ok=True)
    with locked(ROOTS / f".{name}.lock", say):
        if final.is_dir():
            return Root(final)
        for abandoned in ROOTS.glob(f".{name}.new-*"):
            remove(abandoned)
        stage = Path(tempfile.mkdtemp(prefix=f".{name}.new-", dir=ROOTS))
        try:
            stage.chmod(0o755)
            (stage / "changes").mkdir()
            if packages:
                add_packages(root(suite, (), architecture), stage, packages)
            elif suite == MUSL:
                make_musl(stage)
            else:
                debootstrap(suite, stage, architecture)
            (stage / "about").write_text("".join(f"{p}\n" for p in sorted(set(packages))))
            stage.rename(final)
        except BaseException:
            remove(stage)
            raise
    return Root(final)


def remove(directory: Path) -> None:
    # One file system only: what else is mounted there is somebody's.
    subprocess.run(["rm", "-rf", "--one-file-system", "--", directory], check=True)


def private(command: Sequence[StrPath]) -> list[str]:
    """The command in namespaces of its own: no mount and no process outlives it."""
    namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    return ["unshare", *namespaces, *map(os.fspath, command)]


def check(command: Sequence[StrPath], what: str) -> None:
    """Runs a command that makes a root; its output is shown only if it fails."""
    result = subprocess.run(
        command,
        env={"PATH": PATH, "HOME": "/root", "LC_ALL": "C", **network_variables()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if result.returncode != 0:
        lines = result.stdout.strip().splitlines()[-15:]
        raise Failure(f"{what} ended with {result.returncode}:\n  " + "\n  ".join(lines))


def debootstrap(suite: str, stage: Path, architecture: Optional[str]) -> None:
    if shutil.which("debootstrap", path=PATH) is None:
        raise Failure("there is no program debootstrap: run tools/setup --tests")
    # A debootstrap older than the suite has no script for it. Suites differ little by now.
    script = SCRIPTS / suite if (SCRIPTS / suite).exists() else SCRIPTS / "sid"
    options = ["--variant=minbase"]
    if architecture is not None:
        options.append(f"--arch={architecture}")
    say(f"making {suite}")
    target = stage / "root"
    command = ["debootstrap", *options, suite, target, mirror(), script]
    check(private(command), f"debootstrap of {suite}")
    add_user(target)


def add_user(target: Path) -> None:
    user = ["useradd", "--create-home", "--uid", str(USER), "--shell", "/bin/sh", USER_NAME]
    check(["chroot", target, *user], "useradd")


def mirror() -> str:
    """The Debian archive that $DEBIAN_MIRROR names, else that of this machine's own apt."""
    named = os.environ.get("DEBIAN_MIRROR")
    if named:
        return named
    found = archives()
    if not found:
        # apt tells only what it has downloaded.
        check(["apt-get", "update", "-q"], "apt-get update")
        found = archives()
    if not found:
        raise Failure(
            "apt on this machine has no Debian archive: set DEBIAN_MIRROR to the URL of one"
        )
    return found[0]


def archives() -> list[str]:
    if shutil.which("apt-get", path=PATH) is None:
        return []
    form = "$(ORIGIN)|$(COMPONENT)|$(RELEASE)|$(REPO_URI)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    listed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    result = []
    for line in listed.stdout.splitlines():
        origin, component, release, address = line.split("|", 3)
        # Updates, backports and security are not whole suites.
        if (origin, component) == ("Debian", "main") and "-" not in release:
            result.append(address)
    return result


def add_packages(base: Root, stage: Path, packages: Sequence[str]) -> None:
    say(f"adding {' '.join(packages)} to {base.directory.name}")
    check(["cp", "-a", "--reflink=auto", base.path, stage], "copying a root")
    changed = Root(stage)
    # Mirrors may lag behind the dates in Release files, and debootstrap ignores them as well.
    update = "apt-get update -q -o Acquire::Check-Valid-Until=false"
    install = "apt-get install -q -y --no-install-recommends"
    script = f'{update} && {install} "$@" && apt-get clean && rm -rf /var/lib/apt/lists/*'
    in_root(changed, ["sh", "-c", script, "sh", *packages], "installing packages")


def in_root(target: Root, command: Sequence[StrPath], what: str) -> None:
    """Runs a command whose changes stay in the root: only while it is made."""
    script = (
        'cp /etc/resolv.conf "$0/etc/resolv.conf" && mount -t proc proc "$0/proc" && '
        'exec chroot "$0" env DEBIAN_FRONTEND=noninteractive "$@"'
    )
    check(private(["sh", "-c", script, target.path, *command]), what)


def make_musl(stage: Path) -> None:
    """Unpacks musl's dynamic loader and a static busybox, and installs neither."""
    say("making musl")
    target = stage / "root"
    for name in ("bin", "etc", "lib", "proc", "dev", "sys", "tmp", "root", f"home/{USER_NAME}"):
        (target / name).mkdir(parents=True)
    packages = stage / "packages"
    names = ["busybox-static", "musl"]
    command = [REPOSITORY / "tools" / "debian-packages", "bookworm", "amd64", packages, *names]
    check(command, "tools/debian-packages")
    shutil.copy(packages / "bin" / "busybox", target / "bin")
    library = packages / "lib" / "x86_64-linux-musl" / "libc.so"
    shutil.copy(library, target / "lib" / "ld-musl-x86_64.so.1")
    remove(packages)
    check(["chroot", target, "/bin/busybox", "--install", "-s", "/bin"], "busybox --install")
    (target / "etc" / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\n"
        f"{USER_NAME}:x:{USER}:{USER}::/home/{USER_NAME}:/bin/sh\n"
    )
    (target / "etc" / "group").write_text(f"root:x:0:\n{USER_NAME}:x:{USER}:\n")
    os.chown(target / "home" / USER_NAME, USER, USER)
    (target / "tmp").chmod(0o1777)
