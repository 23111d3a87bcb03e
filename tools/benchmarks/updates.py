"""Sections: updates, large-updates."""

from __future__ import annotations

import filecmp
import gzip
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from common.basics import Failure, index_variables
from common.documents import figure, table
from common.static_server import StaticServer

from .applications import CACHIBOT, FASTAPI, python
from .bench import Bench
from .building import changed
from .contenders import tools
from .figures import SPREAD
from .running import WORK, Part, brought, output_of, remove, say
from .specs import SpecRoom
from .texts import text
from .timing import Case, Run, launch, take_turns, unpack_onefile

# The figures of the design, as percentages of the file; that of a distribution is beside the distribution itself.
TARGETS = {"one line": 1.5, "one distribution": 3.0}

TURNS = 5

OLDER = Path(__file__).with_name("older.txt")
CHUNKS = Path(__file__).with_name("chunks.py")
# Pure Python of 0.1 MB, as most dependencies are.
ONE = ["click"]
# A real application by two of its releases, whose dependencies are those of the same day.
PACKAGE, RELEASES = "datasette", ("0.65.4", "0.65.5")

FETCH = "`onefold fetch`"
# Windows of the other tools that hold the largest of the files.
SOURCE_WINDOW = 1 << 28
LONG = "--long=28"


@dataclass
class Pair:
    """A file that somebody has, and the one that follows it."""

    application: str
    what: str
    old: Path
    new: Path

    @property
    def name(self) -> str:
        return f"{self.application}, {self.what}"


# The files


def older() -> dict[str, str]:
    """Lines of a lock by the name of the distribution."""
    lines = [line for line in OLDER.read_text().splitlines() if "==" in line]
    return {line.partition("==")[0]: line for line in lines}


def older_wheels() -> Path:
    directory = WORK / "wheels" / "older"
    if not directory.exists():
        say("downloading the wheels of earlier releases")
        unfinished = directory.with_name("older-unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [python(), "-m", "pip", "download", "--quiet", "-d", unfinished, "--no-deps"]
        command += ["--require-hashes", "--only-binary", ":all:", "-r", OLDER]
        output_of(command, **index_variables())
        unfinished.rename(directory)
    return directory


def wheel_size(name: str) -> int:
    [wheel] = older_wheels().glob(f"{name.replace('-', '_')}-*.whl")
    return wheel.stat().st_size


def with_older(specs: SpecRoom, names: list[str]) -> Path:
    """The example with earlier releases of some distributions in its lock."""
    directory = specs.copied(f"older-{len(names)}")
    lock = directory / specs.application.requirements.name
    for name in names:
        # The line that counts for this interpreter has no marker, or the last of several.
        pattern = rf"^{name}==(?![^\n]*< '3.11')[^\n]*\n(?:    --hash=[^\n]*\n)+"
        line = older()[name].replace(" ", " \\\n    ") + "\n"
        changed_text, count = re.subn(pattern, lambda _: line, lock.read_text(), flags=re.M)
        if count != 1:
            raise Failure(f"{lock} has {count} entries of {name}, not one")
        lock.write_text(changed_text)
    return directory


def pairs_of(specs: SpecRoom) -> list[Pair]:
    application = specs.application
    new = specs.first.file
    olds = {"one line": changed(specs), "one distribution": with_older(specs, ONE)}
    olds["ten distributions"] = with_older(specs, list(older()))
    pairs = []
    for what, directory in olds.items():
        say(f"updates: packing {application.name}, {what}")
        old = specs.path / f"old-{len(pairs)}"
        specs.build(directory, old, "--no-smoke", *specs.cache, wheels=older_wheels())
        pairs.append(Pair(application.title, what, old, new))
    return pairs


def releases(bench: Bench, room: Path) -> Pair:
    files = []
    for version in RELEASES:
        say(f"updates: packing {PACKAGE} {version}")
        file = room / f"{PACKAGE}-{version}"
        command: list[Part] = [bench.workshop.program, "pack", "--package", f"{PACKAGE}=={version}"]
        command += ["-o", file, "--bootloader", bench.workshop.bootloader, "--no-smoke"]
        output_of([*command, "--cache", room / "cache"], **index_variables())
        files.append(file)
    return Pair(PACKAGE, " to ".join(RELEASES), *files)


# The ways to update


def chunks(file: Path) -> dict[str, int]:
    """The lengths of content-defined chunks by their hashes."""
    return json.loads(output_of([tools() / "python", CHUNKS, file]))


def block_map(pair: Pair) -> int:
    """The bytes of a compressed map of the new file's chunks, and of those that the old one lacks."""
    have, wanted = chunks(pair.old), chunks(pair.new)
    document = json.dumps({"sizes": list(wanted.values()), "checksums": list(wanted)})
    missing = sum(size for name, size in wanted.items() if name not in have)
    return missing + len(gzip.compress(document.encode(), 9))


@dataclass
class Published:
    """The new file of a pair on a server, with what other ways need beside it."""

    pair: Pair
    server: StaticServer
    room: Path
    program: Path

    def __post_init__(self) -> None:
        pair, room = self.pair, self.room
        self.new = room / "new"
        shutil.copy(pair.new, self.new)
        self.zsync_map, self.delta, self.patch = (room / name for name in ("map", "delta", "patch"))
        output_of(["zsyncmake", "-u", self.url(self.new), "-o", self.zsync_map, self.new])
        window = ["-B", str(SOURCE_WINDOW), "-s", pair.old]
        output_of(["xdelta3", "-e", "-9", *window, self.new, self.delta])
        output_of(["zstd", "-q", "-19", LONG, f"--patch-from={pair.old}", self.new, "-o", self.patch])
        # What a client makes.
        self.got, self.target = room / "got", room / "target"

    def url(self, file: Path) -> str:
        return f"{self.server.url}/{file.name}"

    def ways(self) -> dict[str, Callable[[], tuple[Run, int]]]:
        old = self.pair.old
        fetch: list[Part] = [self.program, "fetch", "--quiet", self.url(self.new)]
        # It renames its result from the working directory.
        zsync: list[Part] = ["env", "-C", self.room, "zsync", "-q", "-i", old, "-o", self.target]
        curl: list[Part] = ["curl", "-sfo"]
        get = self.url
        delta: list[Part] = ["xdelta3", "-d", "-B", str(SOURCE_WINDOW), "-s", old]
        patch: list[Part] = ["zstd", "-dq", LONG, f"--patch-from={old}", self.got, "-o"]
        return {
            FETCH: lambda: self.run([*fetch, "--seed", old, "-o", self.target]),
            "zsync": lambda: self.run([*zsync, get(self.zsync_map)]),
            "xdelta3": lambda: self.run(
                [*curl, self.got, get(self.delta)], [*delta, self.got, self.target]
            ),
            "`zstd --patch-from`": lambda: self.run(
                [*curl, self.got, get(self.patch)], [*patch, self.target]
            ),
            "whole": lambda: self.run([*curl, self.target, get(self.new)]),
        }

    def run(self, *commands: list[Part]) -> tuple[Run, int]:
        """The time of these programs together, and the bytes that the server sent to them."""
        before = self.server.bytes_sent()
        total = Run(0)
        for command in commands:
            total = total + launch(command)
        if not filecmp.cmp(self.target, self.new, shallow=False):
            raise Failure(f"{commands[-1][0]} made another file of {self.pair.name}")
        remove(self.target)
        self.got.unlink(missing_ok=True)
        return total, self.server.bytes_sent() - before


def update_rows(bench: Bench, pair: Pair, room: Path) -> list[list[str]]:
    """A row for each way to update a file of this pair."""
    with StaticServer(room) as server:
        say(f"updates: {pair.name}")
        ways = Published(pair, server, room, bench.workshop.program).ways()
        sent: dict[str, int] = {}

        def case(name: str) -> Case:
            def run() -> Run:
                result, sent[name] = ways[name]()
                return result

            return run

        runs = take_turns({name: case(name) for name in ways}, min(bench.turns, TURNS))
    sent["block map"] = block_map(pair)
    size = pair.new.stat().st_size
    if pair.what in TARGETS:
        limit = TARGETS[pair.what]
        if pair.what == "one distribution":
            limit += sum(wheel_size(name) for name in ONE) / size * 100
        share = sent[FETCH] / size * 100
        bench.check(f"fetched for {pair.name}", share, limit, "%", digits=1)
    rows = []
    for name, count in sorted(sent.items(), key=lambda item: item[1]):
        row = [pair.name, name, figure(count), f"{count / size * 100:.1f} %"]
        if name in runs:
            row += [*runs[name].wall.cells(), figure(runs[name].processor.median)]
        rows.append(row + [""] * (len(HEADS) - len(row)))
    return rows


HEADS = ["update", "way", "bytes", "of the file", "ms", SPREAD, "CPU, ms"]


# The first launch afterwards


def blocks(directory: Path) -> int:
    """Bytes on the disk; a file with several names counts once."""
    return int(output_of(["du", "-s", "--block-size=1", directory]).split()[0])


def first_launches(bench: Bench, pair: Pair, room: Path) -> list[str]:
    """What a first launch of the new file needs, beside the old one's tree and without it."""
    files = [brought(file, room) for file in (pair.old, pair.new)]
    added: dict[bool, int] = {}

    def case(has_old: bool) -> Case:
        def run(cache: Path) -> Run:
            if has_old:
                launch([files[0]], ONEFOLD="prewarm", ONEFOLD_CACHE=cache)
                bench.disk.settle()
            before = blocks(cache) if has_old else 0
            result = unpack_onefile(files[1])(cache)
            added[has_old] = blocks(cache) - before
            return result

        return bench.disk.fresh(run)

    names = {"beside": case(True), "alone": case(False)}
    runs = take_turns(names, min(bench.turns, TURNS))
    ratio = runs["beside"].wall.over(runs["alone"].wall).median
    row = [pair.name, figure(runs["alone"].wall.median), figure(runs["beside"].wall.median)]
    row += [figure(ratio, 2), figure(added[False] / 1e6, 1), figure(added[True] / 1e6, 1)]
    return [*row, f"{added[True] / added[False] * 100:.0f} %"]


LAUNCH_HEADS = ["update", "without the old tree, ms", "beside it, ms", "ratio"]
LAUNCH_HEADS += ["new on disk without, MB", "beside it, MB", "share"]


def updates(bench: Bench) -> str:
    with bench.disk.room() as room:
        pairs = [*pairs_of(bench.spec_room(FASTAPI)), releases(bench, room)]
        return text("updates", **tables_of(bench, pairs, room))


def large_updates(bench: Bench) -> str:
    with bench.disk.room() as room:
        pairs = pairs_of(bench.spec_room(CACHIBOT))
        return text("large-updates", **tables_of(bench, pairs, room))


def tables_of(bench: Bench, pairs: list[Pair], room: Path) -> dict[str, object]:
    rows, launches = [], []
    for number, pair in enumerate(pairs):
        own = room / str(number)
        own.mkdir()
        rows += update_rows(bench, pair, own)
        launches.append(first_launches(bench, pair, own))
        remove(own)
    values = {"turns": min(bench.turns, TURNS), "place": bench.disk.name}
    return {**values, "table": table(HEADS, rows), "launches": table(LAUNCH_HEADS, launches)}
