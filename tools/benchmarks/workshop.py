"""Makes what is measured: each file once in a run."""

from __future__ import annotations

import atexit
import contextlib
import json
import platform
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Iterator, Optional

from common.basics import REPOSITORY, Failure

from .running import WORK, Part, output_of, say
from .timing import Cost, Run, costing, launch
from .trees import Packed, Tree

# The default level takes longer than the measuring is worth.
QUICK_LEVEL = 12

# For a file of makeself: to say nothing, and to open no window.
SELF_EXTRACTING = ["--quiet", "--nox11"]


class Workshop:
    """Knows the programs of one `dist`, what was made with them, and what that cost."""

    def __init__(self, dist: Path, fresh: bool = False) -> None:
        self.program = dist / "onefold"
        self.bootloader = dist / "bootloaders" / f"{platform.machine()}-linux"
        for path in (self.program, self.bootloader):
            if not path.exists():
                raise Failure(f"there is no {path.relative_to(dist)}: run tools/build")
        self.fresh = fresh  # build again what other tools made in an earlier run
        self.costs: list[Cost] = []
        self.room = WORK / "room"
        shutil.rmtree(self.room, ignore_errors=True)
        self.room.mkdir(parents=True)
        atexit.register(shutil.rmtree, self.room, ignore_errors=True)

    @contextlib.contextmanager
    def costing(self, what: str) -> Iterator[Cost]:
        """Has the report say how long it took."""
        with costing(what) as cost:
            yield cost
        self.costs.append(cost)

    def place(self, *names: str) -> Path:
        """Where something new is made."""
        name = re.sub(r"[^a-z0-9]+", "-", " ".join(names).lower())
        say(f"making {name}")
        return self.room / name

    def packing(
        self, tree: Tree, output: Path, *options: str, cache: Optional[Path] = None
    ) -> list[Part]:
        command: list[Part] = [self.program, "pack", "--tree", tree.path, "-o", output]
        command += ["--entry", tree.entry, "--bootloader", self.bootloader, "--json"]
        command += ["--cache", cache] if cache else ["--no-cache"]
        arguments = ["--", *tree.arguments] if tree.arguments else []
        return [*command, *options, *arguments]

    def pack(self, tree: Tree, output: Path, *options: str) -> Packed:
        return Packed(output, json.loads(output_of(self.packing(tree, output, *options))))

    @cache
    def packed(self, tree: Tree, *options: str) -> Packed:
        """The same, once; without options the file that the tree is from."""
        if tree.built and not options:
            return tree.built
        return self.pack(tree, self.place(tree.name, "onefile", *options), *options)

    @cache
    def least(self) -> Path:
        """A onefile of one small program."""
        program = self.compiled("TARGET")
        tree = Tree("least", program.parent, program.name)
        return self.packed(tree).path

    def extracted(self, title: str, packed: Packed) -> Tree:
        """The tree that a onefile unpacks."""
        root = self.place(title, "tree")
        output_of([self.program, "extract", packed.path, root])
        record = json.loads(output_of([self.program, "inspect", packed.path, "--json"]))
        return Tree(title, root, record["entry"], record["arguments"], packed)

    @cache
    def archived(self, tree: Tree, *options: str) -> tuple[Path, Run]:
        """A tar file compressed by the program zstd, and what that took."""
        file = self.place(tree.name, "archive", *options)
        zstd = " ".join(["zstd", *options])
        return file, launch(["tar", "-C", tree.path, "-I", zstd, "-cf", file, "."])

    @cache
    def self_extracting(self, tree: Tree) -> Path:
        """By makeself."""
        file = self.place(tree.name, "makeself")
        compression = f"--zstd --complevel {QUICK_LEVEL} --nox11 --noprogress --quiet"
        command: list[Part] = ["makeself", *compression.split(), "--tar-quietly", tree.path]
        output_of([*command, file, tree.name, *tree.command(Path("."))])
        file.chmod(0o755)
        return file

    @cache
    def compiled(self, name: str) -> Path:
        """A program of bench-programs.c, static and small, in a directory of its own."""
        directory = self.place(name)
        directory.mkdir()
        command: list[Part] = ["musl-gcc", "-static", "-Os", "-s", f"-D{name}"]
        output_of([*command, "-o", directory / name, REPOSITORY / "tools" / "bench-programs.c"])
        return directory / name

    def many_files(self, venv: Path) -> Tree:
        """All that a virtual environment has, as pip left it."""
        [site] = venv.glob("lib/python3*/site-packages")
        tree = self.place("many files", "tree")
        shutil.copytree(site, tree / site.name, symlinks=True)
        shutil.copy(self.compiled("TARGET"), tree / "program")
        return Tree("many files", tree, "program")


def make_example(name: str, option: str) -> Path:
    tool = REPOSITORY / "tools" / "make-example"
    result = subprocess.run([tool, option, name], stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise Failure(f"tools/make-example {option} {name} failed")
    return Path(result.stdout.strip())
