"""What the sections share."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Sequence

from .figures import figure
from .places import Place
from .running import Part, Run, launch, output_of
from .trees import Tree, Workshop, make_example, many_files

if TYPE_CHECKING:
    from .specs import SpecBuild


@dataclass
class Target:
    """A figure of the design, and what was measured."""

    section: str
    what: str
    value: float
    limit: float
    unit: str
    digits: int = 0

    def row(self) -> list[str]:
        reached = "reached" if self.value <= self.limit else "**not reached**"
        value, limit = (
            f"{figure(v, self.digits)} {self.unit}".rstrip()
            for v in (self.value, self.limit)
        )
        return [self.what, f"at most {limit}", value, reached, self.section]


@dataclass
class Bench:
    workshop: Workshop
    places: list[Place]
    turns: int
    quick: bool = False  # to try it: few turns, and of the long builds the shortest
    fresh: bool = False  # build again, once, what an earlier run kept
    section: str = ""  # that is being measured
    targets: list[Target] = field(default_factory=list)
    first_builds: dict[Path, SpecBuild] = field(default_factory=dict)  # by where they are
    rebuilt: set[str] = field(default_factory=set)

    @cached_property
    def fastapi(self) -> Tree:
        tree = make_example("fastapi-server", "--tree-only")
        return Tree("FastAPI server", tree, "fastapi-server")

    @cached_property
    def pyinstaller_onefile(self) -> Path:
        return make_example("fastapi-server", "--onefile")

    @cached_property
    def many(self) -> Tree:
        self.fastapi  # its packages are what many_files copies
        return many_files(self.workshop)

    @cached_property
    def node(self) -> Tree:
        tree = make_example("node-server", "--tree-only")
        return Tree("Node.js server", tree, "bin/node", ["{root}/server.mjs"])

    @property
    def trees(self) -> list[Tree]:
        return [self.fastapi, self.many, self.node]

    @property
    def disk(self) -> Place:
        """ext4 where there is one."""
        return self.places[-1]

    def check(self, *target) -> None:
        self.targets.append(Target(self.section, *target))


def prewarm(file: Path) -> Callable[[Path], Run]:
    return lambda cache: launch([file], ONEFOLD="prewarm", ONEFOLD_CACHE=cache)


def copying(source: Path) -> Callable[[Path], Run]:
    return lambda target: launch(["cp", "-a", source, target])


def peak_of(
    bench: Bench, command: Sequence[Part], **variables: Part
) -> tuple[float, Run]:
    """MiB of resident memory at most, and the run."""
    with tempfile.NamedTemporaryFile("r") as result:
        run = launch(
            [bench.workshop.compiled("PEAK"), result.name, *command], **variables
        )
        return int(result.read()) / 1024, run


def brought(source: Path, room: Path) -> Path:
    """A copy on the file system that is measured."""
    output_of(["cp", "-a", source, room / source.name])
    return room / source.name
