"""Container images without a container engine: Dockerfiles are built and run with roots of tools/in-root.

As an engine does, each instruction makes a layer, which keeps times in whole seconds; COPY gives what it copies to root;
a container has nothing but its image, /proc and /dev.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional, Sequence

from examples import PACKING_PATIENCE
from support import REPOSITORY, Result, StrPath, remove_tree, run, succeed

sys.path.insert(0, str(REPOSITORY / "tools"))

from distros.roots import PATH, Bind, Root, environment, root  # noqa: E402

#: Where an image's files are exchanged with the machine, while it is built.
EXCHANGE = "/exchange"


def run_patiently(command: Sequence[str], variables: dict[str, str]) -> Result:
    """Runs what may pack an application."""
    return subprocess.run(
        command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, timeout=PACKING_PATIENCE
    )


class Image:
    """A stage of a Dockerfile: its files and its settings."""

    def __init__(self, directory: Path, base: Optional[Root]) -> None:
        self.directory = directory
        #: What the stage adds to the files of the base; None for `scratch`.
        self.base = base
        self.changes = directory / "changes"
        self.files = directory / "files"
        self.variables: dict[str, str] = {}
        self.place, self.user = "/", "0:0"
        self.entry: list[str] = []
        self.arguments: list[str] = []
        (self.changes / "upper").mkdir(parents=True)
        self.files.mkdir()

    @property
    def upper(self) -> Path:
        return self.changes / "upper" if self.base else self.files

    def run(self, command: Sequence[str], *binds: Bind, **variables: str) -> None:
        assert self.base, "an image from scratch has nothing to run"
        all_variables = {**environment(False, self.variables), **variables}
        wanted = self.base.command(command, changes=self.changes, binds=binds, directory=self.place)
        succeed(run_patiently(wanted, all_variables))

    def copy_in(self, source: Path, target: str) -> None:
        """The content of a directory, or a file."""
        if self.base:
            name = shlex.quote(target)
            script = f"mkdir -p {name}; cp -a {EXCHANGE}/. {name}; chown -R 0:0 {name}"
            if source.is_file():
                script = f"mkdir -p $(dirname {name}); cp -p {EXCHANGE} {name}; chown 0:0 {name}"
            self.run(["sh", "-ec", script], Bind(source, EXCHANGE))
        else:
            assert source.is_dir() and target == "/", "only whole directories go to an image from scratch"
            succeed(run(["cp", "-a", f"{source}/.", self.files]))
            succeed(run(["chown", "-R", "0:0", self.files]))

    def copy_out(self, source: str, target: Path) -> Path:
        """What is at the path in the image, at a new path of the machine."""
        target.mkdir()
        self.run(["cp", "-a", source.rstrip("/"), f"{EXCHANGE}/copied"], Bind(target, EXCHANGE, True))
        return target / "copied"

    def end_layer(self) -> None:
        for directory, folders, names in os.walk(self.upper):
            for name in [*folders, *names, "."]:
                path = os.path.join(directory, name)
                seconds = int(os.lstat(path).st_mtime)
                os.utime(path, (seconds, seconds), follow_symlinks=False)

    def command(self, *arguments: str) -> list[StrPath]:
        """Runs the image, read-only, with these arguments or its own."""
        command = [*self.entry, *(arguments or self.arguments)]
        assert command, "the image has no ENTRYPOINT and no CMD"
        chroot = ["chroot", f"--userspec={self.user}", "--groups="]
        if self.base:
            inside = f'mount -o remount,ro / && exec {shlex.join(chroot)} / "$@"'
            return [*self.base.command(["sh", "-c", inside, "sh", *command], changes=self.changes, directory="/")]
        script = f"""cd "$0"; mkdir -p proc dev; mount --bind . .; cd "$0"
            mount -t proc proc proc; mount --bind /dev dev; mount -o remount,bind,ro .
            exec {shlex.join(chroot)} . "$@" """
        options = ["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        return ["unshare", *options, "sh", "-ec", script, self.files, *command]

    def environment(self) -> dict[str, str]:
        return {"PATH": PATH, **self.variables}


def build(
    dockerfile: str,
    context: Path,
    directory: Path,
    bases: dict[str, Root],
    binds: Sequence[Bind],
    **variables: str,
) -> Image:
    """The last stage. `binds` and `variables` are there for every RUN, and no part of the image."""
    stages: dict[str, Image] = {}
    image: Any = None
    for line in dockerfile.replace("\\\n", " ").splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if not instruction or instruction.startswith("#"):
            continue
        words = shlex.split(rest) if instruction not in ("RUN", "ENTRYPOINT", "CMD") else []
        if instruction == "FROM":
            assert words[0] == "scratch" or words[0] in bases, f"FROM {words[0]}"
            image = Image(directory / str(len(stages)), bases.get(words[0]))
            stages[words[2] if len(words) == 3 else str(len(stages))] = image
        elif instruction == "COPY" and words[0].startswith("--from="):
            stage, source, target = stages[words[0].split("=")[1]], words[1], words[2]
            copied = stage.copy_out(source, directory / "copied")
            image.copy_in(copied, target)
            remove_tree(directory / "copied")
        elif instruction == "COPY":
            assert words == [".", "."] or (context / words[0]).is_file(), rest
            image.copy_in(context / words[0], image.place if words[1] == "." else words[1])
        elif instruction == "RUN":
            image.run(["sh", "-ec", rest], *binds, **variables)
        elif instruction == "ENV":
            image.variables.update(word.split("=", 1) for word in words)
        elif instruction == "WORKDIR":
            image.place = words[0]
            (image.upper / words[0].strip("/")).mkdir(parents=True, exist_ok=True)
        elif instruction == "USER":
            # A user that the image does not know is in root's group.
            image.user = words[0] if ":" in words[0] else f"{words[0]}:0"
        elif instruction in ("ENTRYPOINT", "CMD"):
            setattr(image, "entry" if instruction == "ENTRYPOINT" else "arguments", json.loads(rest))
        else:
            raise AssertionError(f"the tests do not know {instruction}")
        image.end_layer()
    return image
