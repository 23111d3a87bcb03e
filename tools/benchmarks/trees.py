"""Trees, and files made of them."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator, Optional

from .figures import figure
from .running import Failure, Part, REPOSITORY, WORK, launch, output_of, remove, say

# Where the default takes longer than the measuring is worth.
QUICK_LEVEL = 12

# For a file of makeself: to say nothing, and to open no window.
SELF_EXTRACTING = ["--quiet", "--nox11"]


@dataclass
class Packed:
    path: Path
    facts: dict  # what the packer says of it

    @property
    def codec(self) -> str:
        return f"{self.facts['codec']} {self.facts['level']}"

    @property
    def size(self) -> int:
        return self.path.stat().st_size


@dataclass
class Tree:
    name: str
    path: Path
    entry: str
    arguments: list[str] = field(default_factory=list)  # before the user's
    built: Optional[Packed] = None  # the file that it was unpacked from

    def items(self) -> Iterator[tuple[Path, os.stat_result]]:
        for item in sorted(self.path.rglob("*")):
            yield item, item.lstat()

    @property
    def size(self) -> int:
        return sum(facts.st_size for item, facts in self.items() if not item.is_dir())

    @property
    def counts(self) -> tuple[int, int]:
        """Files and directories."""
        directories = 1 + sum(item.is_dir() for item, _ in self.items())
        return sum(1 for _ in self.items()) + 1 - directories, directories

    @property
    def description(self) -> str:
        files, directories = self.counts
        return (
            f"**{self.name}** ({figure(self.size / 1e6)} MB, {figure(files)} files,"
            f" {figure(directories)} directories)"
        )

    @property
    def fingerprint(self) -> str:
        """Another one whenever packing the tree could give other bytes."""
        total = hashlib.sha256()
        for item, facts in self.items():
            line = f"{item.relative_to(self.path)} {facts.st_mode} {facts.st_size}"
            total.update(os.fsencode(f"{line} {facts.st_mtime_ns}\0"))
        return total.hexdigest()

    def command(self, root: Path) -> list[Part]:
        """What starts the tree's program where the tree is at `root`."""
        return [root / self.entry, *(a.format(root=root) for a in self.arguments)]


class Workshop:
    """Makes what is measured, and keeps what takes long to make."""

    def __init__(self, dist: Path) -> None:
        self.program = dist / "onefold"
        self.bootloader = dist / "bootloaders" / f"{platform.machine()}-linux"
        for path in (self.program, self.bootloader):
            if not path.exists():
                raise Failure(f"there is no {path.relative_to(dist)}: run tools/build")
        self.identity = "".join(
            hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (self.program, self.bootloader)
        )
        self.kept = WORK / "kept"
        self.kept.mkdir(parents=True, exist_ok=True)

    def keep(self, name: str, inputs: str, make: Callable[[Path], None]) -> Path:
        """The file that `make` made of these inputs, now or in an earlier run."""
        digest = hashlib.sha256(inputs.encode()).hexdigest()[:16]
        path = self.kept / f"{name}.{digest}"
        if not path.exists():
            for old in self.kept.glob(f"{name}.*"):
                old.unlink()
            fresh = self.kept / f"new-{name}"
            make(fresh)
            fresh.rename(path)
        return path

    def packing(
        self, tree: Tree, output: Path, *options: str, cache: Optional[Path] = None
    ) -> list[Part]:
        command: list[Part] = [self.program, "pack", "--tree", tree.path, "-o", output]
        command += ["--entry", tree.entry, "--bootloader", self.bootloader, "--json"]
        command += ["--cache", cache] if cache else ["--no-cache"]
        arguments = ["--", *tree.arguments] if tree.arguments else []
        return [*command, *options, *arguments]

    def pack(self, tree: Tree, output: Path, *options: str) -> Packed:
        facts = json.loads(output_of(self.packing(tree, output, *options)))
        return Packed(output, facts)

    def packed(self, tree: Tree, *options: str) -> Packed:
        """The same, kept; without options the file that the tree is from."""
        if tree.built and not options:
            return tree.built
        name = label(tree.name, *options)
        facts = self.kept / f"{name}-facts.json"

        def make(path: Path) -> None:
            say(f"packing {tree.name} {' '.join(options)}".rstrip())
            facts.write_text(json.dumps(self.pack(tree, path, *options).facts))

        path = self.keep(name, f"{tree.fingerprint} {self.identity} {options}", make)
        return Packed(path, json.loads(facts.read_text()))

    def inspect(self, file: Path) -> dict:
        return json.loads(output_of([self.program, "inspect", file, "--json"]))

    def archived(self, tree: Tree, *options: str) -> Path:
        """A tar file compressed by the program zstd, kept."""

        def make(path: Path) -> None:
            say(f"archiving {tree.name} with zstd {' '.join(options)}")
            compressor = " ".join(["zstd", *options])
            command = ["tar", "-C", tree.path, "-I", compressor, "-cf", path, "."]
            seconds.write_text(str(launch(command).processor / 1e3))

        name = label(tree.name, "archive", *options)
        seconds = self.kept / f"{name}-seconds"
        return self.keep(name, f"{tree.fingerprint} {options}", make)

    def seconds_of(self, archive: Path) -> float:
        """Of a processor, that making what `archived` gave took."""
        return float(archive.with_name(f"{archive.stem}-seconds").read_text())

    def self_extracting(self, tree: Tree) -> Path:
        """By makeself, kept."""
        compression = f"--zstd --complevel {QUICK_LEVEL} --nox11 --noprogress --quiet"

        def make(path: Path) -> None:
            say(f"archiving {tree.name} with makeself")
            command = ["makeself", *compression.split(), "--tar-quietly", tree.path]
            output_of([*command, path, tree.name, *tree.command(Path("."))])
            path.chmod(0o755)

        name = label(tree.name, "makeself")
        return self.keep(name, f"{tree.fingerprint} {compression}", make)

    def compiled(self, name: str) -> Path:
        """A program of bench-programs.c, static and small."""
        source = REPOSITORY / "tools" / "bench-programs.c"

        def make(path: Path) -> None:
            command: list[Part] = ["musl-gcc", "-static", "-Os", "-s", f"-D{name}"]
            output_of([*command, "-o", path, source])

        return self.keep(name.lower(), source.read_text(), make)


def label(*parts: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower())


def make_example(name: str, option: str) -> Path:
    tool = REPOSITORY / "tools" / "make-example"
    result = subprocess.run([tool, option, name], stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise Failure(f"tools/make-example {option} {name} failed")
    return Path(result.stdout.strip())


def many_files(workshop: Workshop, venv: Path) -> Tree:
    """All that was installed to build the FastAPI example, as pip left it."""
    [site] = venv.glob("lib/python3*/site-packages")
    tree = WORK / "many-files"
    stamp = WORK / "many-files.made-of"
    made_of = str((venv / "pyvenv.cfg").stat().st_mtime_ns)
    if not stamp.exists() or stamp.read_text() != made_of:
        stamp.unlink(missing_ok=True)
        remove(tree)
        tree.mkdir()
        shutil.copytree(site, tree / site.name, symlinks=True)
        shutil.copy(workshop.compiled("TARGET"), tree / "program")
        stamp.write_text(made_of)
    return Tree("many files", tree, "program")


def synthetic(
    workshop: Workshop, at: Path, directories: int, files: int, size: int
) -> Tree:
    """A tree of this many directories, each with this many files of random
    bytes, of this size in all; its program ends at once."""
    content = random.Random(1)
    places = [at]
    for number in range(1, directories):
        places.append(places[(number - 1) // 10] / f"directory-{number}")
    for place in places:
        place.mkdir()
        for number in range(files):
            (place / f"file-{number}").write_bytes(
                content.randbytes(size // directories // files)
            )
    return with_program(workshop, at)


def with_program(workshop: Workshop, at: Path) -> Tree:
    """The tree, with a program that ends at once."""
    shutil.copy(workshop.compiled("TARGET"), at / "program")
    return Tree(at.name, at, "program")
