"""Sections: updates, large-updates."""

from __future__ import annotations

import filecmp
import gzip
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from common.basics import Failure, index_variables
from common.static_server import StaticServer

from .applications import CACHIBOT, FASTAPI, downloaded
from .bench import Bench
from .contenders import tools
from .figures import SPREAD, Row, cells, table_of
from .running import Part, brought, output_of, remove, say, words_of
from .specs import SpecRoom, replace_once
from .texts import text
from .timing import Case, Run, Runs, launch, take_turns, unpack_onefile

# The figures of the design, in percent of the file; that of a distribution is beside its wheel.
TARGETS = {"one line": 1.5, "one distribution": 3.0}
# Of a first launch beside the old tree to one without it, and the share of the disk space, in percent. Of the files
# of these updates, 95 % and more are equal.
SHARING, NEW_ON_DISK = 0.35, 10
NOTHING = "nothing equal"
COMPARING = 1.02

TURNS = 5

OLDER = Path(__file__).with_name("older.txt")
CHUNKS = Path(__file__).with_name("chunks.py")
# Pure Python of 0.1 MB, as most dependencies are.
ONE = "click"
# A real application by two of its releases, whose dependencies are those of the same day.
PACKAGE, RELEASES = "datasette", ("0.65.4", "0.65.5")

# Windows of the other tools that hold the largest of the files.
WINDOW, LONG = str(1 << 28), "--long=28"

# What a publisher makes beside the file `new`.
PUBLISHING = f"""
    zsyncmake -u {{url}}/new -o {{room}}/map {{room}}/new
    xdelta3 -e -9 -B {WINDOW} -s {{old}} {{room}}/new {{room}}/delta
    zstd -q -19 {LONG} --patch-from={{old}} {{room}}/new -o {{room}}/patch"""
# How a client makes `target`. zsync renames its result from the working directory.
FETCH = "`onefold fetch`"
WAYS = {
    FETCH: "{onefold} fetch --quiet {url}/new --seed {old} -o {room}/target",
    "zsync": "env -C {room} zsync -q -i {old} -o {room}/target {url}/map",
    "xdelta3": f"""
        curl -sfo {{room}}/got {{url}}/delta
        xdelta3 -d -B {WINDOW} -s {{old}} {{room}}/got {{room}}/target""",
    "`zstd --patch-from`": f"""
        curl -sfo {{room}}/got {{url}}/patch
        zstd -dq {LONG} --patch-from={{old}} {{room}}/got -o {{room}}/target""",
    "whole": "curl -sfo {room}/target {url}/new",
}


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


def with_older(specs: SpecRoom, names: list[str]) -> Path:
    """The example with earlier releases of some distributions in its lock."""
    directory = specs.copied(f"older-{len(names)}")
    for name in names:
        # The line that counts for this interpreter has no marker, or the last of several.
        pattern = rf"^{name}==(?![^\n]*< '3.11')[^\n]*\n(?:    --hash=[^\n]*\n)+"
        line = older()[name].replace(" ", " \\\n    ") + "\n"
        replace_once(directory / specs.application.requirements.name, pattern, line)
    return directory


def pairs_of(specs: SpecRoom) -> list[Pair]:
    application, new = specs.application, specs.first.path
    olds = {"one line": specs.changed(), "one distribution": with_older(specs, [ONE])}
    olds["ten distributions"] = with_older(specs, list(older()))
    pairs: list[Pair] = []
    wheels = downloaded("older", OLDER)
    for what, directory in olds.items():
        say(f"updates: packing {application.name}, {what}")
        old = specs.path / f"old-{len(pairs)}"
        specs.build(directory, old, "--no-smoke", *specs.cache, wheels=wheels)
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


def block_map(pair: Pair) -> int:
    """The bytes of a compressed map of the new file's content-defined chunks, and of those that the
    old one lacks."""
    have, wanted = (
        json.loads(output_of([tools() / "bin/python", CHUNKS, file]))
        for file in (pair.old, pair.new)
    )
    document = json.dumps({"sizes": list(wanted.values()), "checksums": list(wanted)})
    missing = sum(size for name, size in wanted.items() if name not in have)
    return missing + len(gzip.compress(document.encode(), 9))


def measure(bench: Bench, pair: Pair, room: Path) -> tuple[dict[str, Runs], dict[str, int]]:
    """Runs of each way to update a file of this pair, and the bytes that the server sent for it."""
    new, target, sent = room / "new", room / "target", {}
    shutil.copy(pair.new, new)
    with StaticServer(room) as server:
        values: dict[str, Part] = {"url": server.url, "room": room, "old": pair.old}
        values["onefold"] = bench.workshop.program
        for command in PUBLISHING.strip().splitlines():
            output_of(words_of(command, **values))

        def case(name: str) -> Case:
            commands = [words_of(line, **values) for line in WAYS[name].strip().splitlines()]

            def run() -> Run:
                before = server.bytes_sent()
                total = sum(map(launch, commands), Run(0))
                sent[name] = server.bytes_sent() - before
                if not filecmp.cmp(target, new, shallow=False):
                    raise Failure(f"{name} made another file of {pair.name}")
                for made in (target, room / "got"):
                    remove(made)
                return total

            return run

        runs = take_turns({name: case(name) for name in WAYS}, bench.at_most(TURNS))
    return runs, sent


def update_rows(bench: Bench, pair: Pair, room: Path) -> list[Row]:
    say(f"updates: {pair.name}")
    runs, sent = measure(bench, pair, room)
    sent["block map"] = block_map(pair)
    rows, size = [], pair.new.stat().st_size
    check_target(bench, pair, sent[FETCH] / size * 100, size)
    for name, count in sorted(sent.items(), key=lambda item: item[1]):
        share = f"{count / size * 100:.1f} %"
        row = cells("update | way | bytes:0 | of the file", pair.name, name, count, share)
        if name in runs:
            row += runs[name].wall.cells("ms") + cells("CPU, ms:0", runs[name].processor.median)
        else:
            row += cells(f"ms | {SPREAD} | CPU, ms", None, None, None)
        rows.append(row)
    return rows


def check_target(bench: Bench, pair: Pair, share: float, size: int) -> None:
    """`share` is what was fetched, in percent."""
    limit = TARGETS.get(pair.what, 0.0)
    if pair.what == "one distribution":
        [wheel] = downloaded("older", OLDER).glob(f"{ONE}-*.whl")
        limit += wheel.stat().st_size / size * 100
    if limit:
        bench.check(f"fetched for {pair.name}", share, limit, "%", digits=1)


# The first launch afterwards


def nothing_equal(bench: Bench, pair: Pair, room: Path) -> Pair:
    """As an old file one with the new file's tree, but another time of every file."""
    program, tree, old = bench.workshop.program, room / "unlike", room / "unlike-onefile"
    launch([pair.new, tree], ONEFOLD="extract")
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink():
            later = path.stat().st_mtime + 86_400
            os.utime(path, (later, later))
    about = json.loads(output_of([program, "inspect", "--json", pair.new]))
    command: list[Part] = [program, "pack", "--tree", tree, "--entry", about["entry"], "--name", about["name"]]
    output_of([*command, "--level", "1", "-o", old, "--bootloader", bench.workshop.bootloader])
    remove(tree)
    return Pair(pair.application, NOTHING, old, pair.new)


def blocks(directory: Path) -> int:
    """Bytes on the disk; a file with several names counts once."""
    return int(output_of(["du", "-s", "--block-size=1", directory]).split()[0])


def first_launches(bench: Bench, pair: Pair, room: Path) -> Row:
    """What a first launch of the new file needs, beside the old one's tree and without it."""
    old, new = (brought(file, room) for file in (pair.old, pair.new))
    added: dict[str, float] = {}  # MB on the disk

    def alone(cache: Path) -> Run:
        result = unpack_onefile(new)(cache)
        added["alone"] = blocks(cache) / 1e6
        return result

    def beside(cache: Path) -> Run:
        launch([old], ONEFOLD="prewarm", ONEFOLD_CACHE=cache)
        bench.disk.settle()
        before = blocks(cache)
        result = unpack_onefile(new)(cache)
        added["beside"] = (blocks(cache) - before) / 1e6
        return result

    cases = {"beside": bench.disk.fresh(beside), "alone": bench.disk.fresh(alone)}
    runs = take_turns(cases, bench.at_most(TURNS))
    times, other = runs["alone"].wall, runs["beside"].wall
    ratio, new = other.over(times).median, added["beside"] / added["alone"] * 100
    if pair.what == NOTHING:
        bench.check(f"first launch beside the old tree, {pair.name}", ratio, COMPARING, digits=2)
    elif pair.what in TARGETS:
        bench.check(f"first launch beside the old tree, {pair.name}", ratio, SHARING, digits=2)
        bench.check(f"new on disk, {pair.name}", new, NEW_ON_DISK, "%", digits=1)
    figures = (pair.name, times.median, other.median, ratio)
    row = cells("update | without the old tree, ms:0 | beside it, ms:0 | ratio:2", *figures)
    share = f"{new:.1f} %"
    heads = "new on disk without, MB:1 | beside it, MB:1 | share"
    return row + cells(heads, added["alone"], added["beside"], share)


def section(bench: Bench, name: str, pairs: list[Pair], room: Path) -> str:
    rows, launches = [], []
    for number, pair in enumerate(pairs):
        own = room / str(number)
        own.mkdir()
        rows += update_rows(bench, pair, own)
        launches.append(first_launches(bench, pair, own))
        remove(own)
    own = room / "nothing"
    own.mkdir()
    launches.append(first_launches(bench, nothing_equal(bench, pairs[0], own), own))
    remove(own)
    values = {"turns": bench.at_most(TURNS), "place": bench.disk.name}
    return text(name, **values, table=table_of(rows), launches=table_of(launches))


def updates(bench: Bench) -> str:
    with bench.disk.room() as room:
        pairs = [*pairs_of(bench.spec_room(FASTAPI)), releases(bench, room)]
        return section(bench, "updates", pairs, room)


def large_updates(bench: Bench) -> str:
    with bench.disk.room() as room:
        return section(bench, "large-updates", pairs_of(bench.spec_room(CACHIBOT)), room)
