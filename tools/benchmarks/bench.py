"""What the sections share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Optional

from common.documents import figure

from .applications import FASTAPI, Application
from .contenders import Contenders
from .places import Place
from .specs import SpecRoom, spec_room
from .trees import Tree
from .workshop import Workshop, make_example


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
            f"{figure(v, self.digits)} {self.unit}".rstrip() for v in (self.value, self.limit)
        )
        return [self.what, f"{bound} {limit}", value, reached, self.section]


@dataclass(eq=False)
class Bench:
    workshop: Workshop
    places: list[Place]
    turns: int
    quick: bool = False  # to try it: few turns, and the shortest of long builds
    section: str = ""  # that is being measured
    targets: list[Target] = field(default_factory=list)
    pictures: Optional[Path] = None  # where they are written

    @cache
    def contenders(self, application: Application) -> Contenders:
        return Contenders(self.workshop, application)

    @property
    def fastapi(self) -> Tree:
        """The tree of the FastAPI example that is packed from its spec."""
        return self.contenders(FASTAPI).tree

    @cached_property
    def frozen(self) -> Tree:
        """The same server by PyInstaller."""
        tree = self.contenders(FASTAPI).onedir
        return Tree(f"{FASTAPI.title}, frozen", tree, FASTAPI.name)

    @property
    def pyinstaller_onefile(self) -> Path:
        return self.contenders(FASTAPI).pyinstaller.path

    @cached_property
    def many(self) -> Tree:
        """All that was installed to build the FastAPI example."""
        return self.workshop.many_files(self.pyinstaller_onefile.with_name("venv"))

    @cached_property
    def node(self) -> Tree:
        tree = make_example("node-server", "--tree-only")
        return Tree("Node.js server", tree, "bin/node", ["{root}/server.mjs"])

    @property
    def trees(self) -> list[Tree]:
        return [self.fastapi, self.frozen, self.node, self.many]

    @property
    def disk(self) -> Place:
        """ext4 if there is one."""
        return self.places[-1]

    def at_most(self, turns: int) -> int:
        """The turns of what takes long."""
        return min(self.turns, turns)

    def spec_room(self, application: Application) -> SpecRoom:
        """On the file system that is measured: the machine's own may be slow at making files."""
        return spec_room(self.workshop, application, self.disk.path / "specs")

    def check(self, what: str, value: float, limit: float, unit: str = "", **options) -> None:
        """Has the report say whether a target is reached. Options are those of `Target`."""
        self.targets.append(Target(self.section, what, value, limit, unit, **options))

    def picture(self, name: str, svg: str, says: str) -> str:
        """A picture beside the report; nothing if the report is not a file."""
        if not self.pictures:
            return ""
        self.pictures.mkdir(exist_ok=True)
        (self.pictures / f"{name}.svg").write_text(svg)
        return f"\n![{says}]({self.pictures.name}/{name}.svg)\n"
