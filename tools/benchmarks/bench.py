"""What the sections share."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Callable, Iterator, Optional, Sequence

from .applications import FASTAPI, Application
from .contenders import onedir, pyinstaller, pyinstaller_venv, spec_build
from .figures import figure
from .places import Place
from .running import WORK, Part, Run, launch, output_of, remove, say
from .specs import SpecBuild
from .trees import Packed, Tree, Workshop, make_example, many_files


@dataclass
class Target:
    """A figure of the design, and what was measured."""

    section: str
    what: str
    value: float
    limit: float
    unit: str
    digits: int = 0
    at_least: bool = False

    def row(self) -> list[str]:
        enough = self.value >= self.limit if self.at_least else self.value <= self.limit
        reached = "reached" if enough else "**not reached**"
        bound = "at least" if self.at_least else "at most"
        value, limit = (
            f"{figure(v, self.digits)} {self.unit}".rstrip()
            for v in (self.value, self.limit)
        )
        return [self.what, f"{bound} {limit}", value, reached, self.section]


@dataclass
class Cost:
    """What a part of the run took."""

    what: str
    seconds: float = 0.0
    processor: float = 0.0  # seconds as well, of all processes that have ended


def processor_seconds() -> float:
    return sum(os.times()[:4])


@contextlib.contextmanager
def costing(what: str) -> Iterator[Cost]:
    cost = Cost(what)
    start, before = time.monotonic(), processor_seconds()
    yield cost
    cost.seconds = time.monotonic() - start
    cost.processor = processor_seconds() - before
    say(f"{what}: {cost.seconds:.0f} s, {cost.processor:.0f} of a processor")


@dataclass
class Bench:
    workshop: Workshop
    places: list[Place]
    turns: int
    quick: bool = False  # to try it: few turns, and of the long builds the shortest
    fresh: bool = False  # build again, once, what an earlier run kept
    section: str = ""  # that is being measured
    targets: list[Target] = field(default_factory=list)
    first_builds: dict[Path, SpecBuild] = field(
        default_factory=dict
    )  # by where they are
    rebuilt: set[str] = field(default_factory=set)
    costs: list[Cost] = field(default_factory=list)
    pictures: Optional[Path] = None  # where they are written

    @cached_property
    def fastapi(self) -> Tree:
        return self.tree_of(FASTAPI, spec_build(self, FASTAPI))

    def tree_of(self, application: Application, build: SpecBuild) -> Tree:
        """What the onefile that was packed from the application's spec unpacks."""
        root = WORK / "trees" / application.name
        remove(root)
        root.parent.mkdir(parents=True, exist_ok=True)
        output_of([self.workshop.program, "extract", build.file, root])
        record = self.workshop.inspect(build.file)
        packed = Packed(build.file, build.facts)
        title = application.title
        return Tree(title, root, record["entry"], record["arguments"], packed)

    @cached_property
    def frozen(self) -> Tree:
        """The same server by PyInstaller."""
        tree = onedir(self, FASTAPI)
        return Tree(f"{FASTAPI.title}, frozen", tree, FASTAPI.name)

    @property
    def pyinstaller_onefile(self) -> Path:
        return Path(pyinstaller(self, FASTAPI).command[0])

    @cached_property
    def many(self) -> Tree:
        pyinstaller(self, FASTAPI)
        return many_files(self.workshop, pyinstaller_venv(FASTAPI))

    @cached_property
    def node(self) -> Tree:
        tree = make_example("node-server", "--tree-only")
        return Tree("Node.js server", tree, "bin/node", ["{root}/server.mjs"])

    @property
    def trees(self) -> list[Tree]:
        return [self.fastapi, self.frozen, self.node, self.many]

    @property
    def disk(self) -> Place:
        """ext4 where there is one."""
        return self.places[-1]

    def check(self, *target, at_least: bool = False) -> None:
        self.targets.append(Target(self.section, *target, at_least=at_least))

    @contextlib.contextmanager
    def costing(self, what: str) -> Iterator[Cost]:
        """Has the report say how long it took."""
        with costing(what) as cost:
            yield cost
        self.costs.append(cost)

    def picture(self, name: str, svg: str, says: str) -> str:
        """A picture beside the report; nothing where the report is not a file."""
        if not self.pictures:
            return ""
        self.pictures.mkdir(exist_ok=True)
        (self.pictures / f"{name}.svg").write_text(svg)
        return f"\n![{says}]({self.pictures.name}/{name}.svg)\n"


def unpack_onefile(file: Path) -> Callable[[Path], Run]:
    """As a launch does; `ONEFOLD=prewarm` waits for the disk besides."""
    return lambda cache: launch([file], ONEFOLD="trace", ONEFOLD_CACHE=cache)


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
    copy = room / f"{len(list(room.iterdir()))}-{source.name}"
    output_of(["cp", "-a", source, copy])
    return copy
