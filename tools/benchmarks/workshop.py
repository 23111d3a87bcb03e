"""Makes what is measured, and keeps what takes long to make."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional

from common.basics import REPOSITORY, Failure

from .running import WORK, Cost, Part, costing, kept, launch, output_of, remove, say
from .trees import Packed, Tree

# The default level takes longer than the measuring is worth.
QUICK_LEVEL = 12

# For a file of makeself: to say nothing, and to open no window.
SELF_EXTRACTING = ["--quiet", "--nox11"]


@dataclass
class Kept:
    path: Path
    seconds: float  # of making it
    processor: float  # the same, in seconds of a CPU


class Workshop:
    """Knows the programs of one `dist`, what was made with them, and what that cost."""

    def __init__(self, dist: Path, fresh: bool = False) -> None:
        self.program = dist / "onefold"
        self.bootloader = dist / "bootloaders" / f"{platform.machine()}-linux"
        for path in (self.program, self.bootloader):
            if not path.exists():
                raise Failure(f"there is no {path.relative_to(dist)}: run tools/build")
        self.identity = hash_of(*(path.read_bytes() for path in (self.program, self.bootloader)))
        self.fresh = fresh  # make again, once, what other tools made in an earlier run
        self.remade: set[str] = set()
        self.costs: list[Cost] = []

    @contextlib.contextmanager
    def costing(self, what: str) -> Iterator[Cost]:
        """Has the report say how long it took."""
        with costing(what) as cost:
            yield cost
        self.costs.append(cost)

    def keep(
        self, name: str, inputs: str, make: Callable[[Path], Path], costs: bool = False
    ) -> Kept:
        """The file that `make` made of these inputs in a directory, now or in an earlier run. With
        `costs` the report tells what it took."""

        def make_timed(directory: Path) -> None:
            say(f"making {name}")
            with self.costing(f"building {name}") if costs else costing(f"making {name}") as cost:
                file = make(directory)
            facts = [os.path.relpath(file, directory), cost.seconds, cost.processor]
            (directory / "made.json").write_text(json.dumps(facts))
            self.remade.add(name)

        directory = WORK / "made" / name
        if self.fresh and costs and name not in self.remade:
            shutil.rmtree(directory, ignore_errors=True)
        kept(directory, hash_of(inputs.encode()), make_timed)
        file, *cost = json.loads((directory / "made.json").read_text())
        return Kept(directory / file, *cost)

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

    def packed(self, tree: Tree, *options: str) -> Packed:
        """The same, kept; without options the file that the tree is from."""
        if tree.built and not options:
            return tree.built

        def make(directory: Path) -> Path:
            packed = self.pack(tree, directory / "onefile", *options)
            (directory / "facts.json").write_text(json.dumps(packed.facts))
            return packed.path

        inputs = f"{tree.fingerprint} {self.identity} {options}"
        file = self.keep(label(tree.name, *options), inputs, make).path
        return Packed(file, json.loads(file.with_name("facts.json").read_text()))

    def extracted(self, title: str, packed: Packed) -> Tree:
        """The tree that a onefile unpacks."""
        root = WORK / "trees" / packed.path.name
        remove(root)
        root.parent.mkdir(parents=True, exist_ok=True)
        output_of([self.program, "extract", packed.path, root])
        record = json.loads(output_of([self.program, "inspect", packed.path, "--json"]))
        return Tree(title, root, record["entry"], record["arguments"], packed)

    def archived(self, tree: Tree, *options: str) -> Kept:
        """A tar file compressed by the program zstd."""

        def make(directory: Path) -> Path:
            file = directory / "archive"
            launch(["tar", "-C", tree.path, "-I", " ".join(["zstd", *options]), "-cf", file, "."])
            return file

        name = label(tree.name, "archive", *options)
        return self.keep(name, f"{tree.fingerprint} {options}", make)

    def self_extracting(self, tree: Tree) -> Path:
        """By makeself."""
        compression = f"--zstd --complevel {QUICK_LEVEL} --nox11 --noprogress --quiet"

        def make(directory: Path) -> Path:
            file = directory / "file"
            command: list[Part] = ["makeself", *compression.split(), "--tar-quietly", tree.path]
            output_of([*command, file, tree.name, *tree.command(Path("."))])
            file.chmod(0o755)
            return file

        inputs = f"{tree.fingerprint} {compression}"
        return self.keep(label(tree.name, "makeself"), inputs, make).path

    def compiled(self, name: str) -> Path:
        """A program of bench-programs.c, static and small."""
        source = REPOSITORY / "tools" / "bench-programs.c"

        def make(directory: Path) -> Path:
            command: list[Part] = ["musl-gcc", "-static", "-Os", "-s", f"-D{name}"]
            output_of([*command, "-o", directory / name, source])
            return directory / name

        return self.keep(name.lower(), source.read_text(), make).path

    def many_files(self, venv: Path) -> Tree:
        """All that a virtual environment has, as pip left it."""
        [site] = venv.glob("lib/python3*/site-packages")

        def make(directory: Path) -> Path:
            shutil.copytree(site, directory / "tree" / site.name, symlinks=True)
            shutil.copy(self.compiled("TARGET"), directory / "tree" / "program")
            return directory / "tree"

        made_of = str((venv / "pyvenv.cfg").stat().st_mtime_ns)
        return Tree("many files", self.keep("many-files-tree", made_of, make).path, "program")


def hash_of(*contents: bytes) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


def label(*parts: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower())


def make_example(name: str, option: str) -> Path:
    tool = REPOSITORY / "tools" / "make-example"
    result = subprocess.run([tool, option, name], stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise Failure(f"tools/make-example {option} {name} failed")
    return Path(result.stdout.strip())
