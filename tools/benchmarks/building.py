"""Sections: building, a gigabyte of libraries."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from common.basics import Failure

from .applications import CACHIBOT, FASTAPI, HEAVY, Application
from .bench import Bench
from .contenders import tools
from .figures import Row, cells, table_of
from .packing import PACK_PEAK_MIB, archive_of, compared, size_row
from .running import ENVIRONMENT, WORK, remove, say
from .specs import COMPRESSING, INSTALLING, TESTING, SpecBuild, SpecRoom
from .texts import text
from .timing import launch
from .unpacking import unpacked_on
from .warm import COLD_PEAK_MIB

# The figure of the design.
REPEATED_TO_FIRST = 0.25

HEAVY_TURNS = 5

# By column, the installer's name in the spec.
INSTALLERS = {"pip": "pip", "uv, empty cache": "uv", "uv, its cache from before": "uv"}


def builds_of(specs: SpecRoom) -> dict[str, SpecBuild]:
    application, source = specs.application, specs.application.directory
    builds = {"first": specs.first}

    def add(what: str, directory: Path, *options) -> None:
        say(f"building: {application.name}, {what}")
        output = specs.path / f"{application.name}-again"
        builds[what] = specs.build(directory, output, *options)
        if directory == source and not filecmp.cmp(output, specs.first.path, shallow=False):
            raise Failure(f"building {application.name} again gave other bytes")
        remove(output)

    add("again, nothing changed", source, *specs.cache)
    add("one source file changed", specs.changed(), *specs.cache)
    if application.small:  # compressing all of it again takes as long as the first time
        add("without a cache (`--no-cache`)", source, "--no-cache")
    return builds


def build_row(name: str, build: SpecBuild, first: SpecBuild) -> Row:
    phases = [build.phases.get(phase, 0) for phase in (INSTALLING, COMPRESSING, TESTING)]
    row = cells("build | s:1 | to the first:2", name, build.seconds, build.seconds / first.seconds)
    heads = "installing, s:1 | compressing, s:1 | testing, s:1 | rest, s:1"
    row += cells(heads, *phases, build.seconds - sum(phases))
    frames = f"{build.facts['frames_from_cache']} of {build.facts['frames']}"
    layer = "yes" if build.facts["reused_layer"] else "no"
    heads = "frames from cache | layer from cache | peak memory, MiB:0"
    return row + cells(heads, frames, layer, build.peak)


def unpacking_row(bench: Bench, application: Application, build: SpecBuild) -> Row:
    """What a first launch of a build needs."""
    with bench.disk.room() as room:
        helper = bench.workshop.compiled("PEAK")
        run = launch([build.path], helper, ONEFOLD="trace", ONEFOLD_CACHE=room / "cache")
    what = f"peak memory, unpacking, {application.title}"
    bench.check(what, run.peak, COLD_PEAK_MIB, "MiB", digits=1)
    tree, file, files = (build.facts[name] for name in ("bytes_in", "bytes_out", "files"))
    heads = "first launch | tree, MB:0 | file, MB:1 | files:0 | ms:0 | peak memory, MiB:1"
    row = cells(heads, application.title, tree / 1e6, file / 1e6, files, run.wall, run.peak)
    return row + cells("peak memory of packing, MiB:0", build.peak)


def installing_row(specs: SpecRoom) -> Row:
    application, cache = specs.application, WORK / "uv-cache"
    shutil.rmtree(cache, ignore_errors=True)
    path = f"{tools()}/bin:{ENVIRONMENT['PATH']}"
    heads, count = "seconds of installing | distributions:0", specs.first.facts["distributions"]
    row = cells(heads, application.title, count)
    for what, name in INSTALLERS.items():
        say(f"building: {application.name}, installing with {what}")
        setting = f'[dependencies]\ninstaller = "{name}"'
        directory = specs.copied("installing", r"^\[dependencies\]$", setting)
        seconds = specs.seconds_of_installing(directory, PATH=path, UV_CACHE_DIR=cache)
        row += cells(f"{what}:1", seconds)
    return row


def built(bench: Bench, applications: list[Application]) -> str:
    builds, unpacking, installing = [], [], []
    for application in applications:
        specs = bench.spec_room(application)
        all_builds = builds_of(specs)
        what = f"build after one changed source file, to the first, {application.title}"
        ratio = all_builds["one source file changed"].seconds / specs.first.seconds
        bench.check(what, ratio, REPEATED_TO_FIRST, digits=2)
        for name, build in all_builds.items():
            builds.append(build_row(f"{application.title}: {name}", build, specs.first))
        unpacking.append(unpacking_row(bench, application, specs.first))
        installing.append(installing_row(specs))
    tables = {"builds": builds, "unpacking": unpacking, "installing": installing}
    values = {name: table_of(rows) for name, rows in tables.items()}
    return text("building", place=bench.disk.name, **values)


def building(bench: Bench) -> str:
    return built(bench, [FASTAPI] if bench.quick else [FASTAPI, CACHIBOT])


def heavy(bench: Bench) -> str:
    """The largest of the examples, measured as the others are in several sections."""
    result = built(bench, [HEAVY])
    tree = bench.workshop.extracted(HEAVY.title, bench.spec_room(HEAVY).first)
    result += f"\n{table_of([size_row(bench, tree, archive_of(bench, tree))])}"
    said, _ = unpacked_on(bench, bench.disk, tree, bench.at_most(HEAVY_TURNS))
    result += said
    level = bench.workshop.packed(tree).facts["level"]
    with bench.disk.room() as room:
        said, peak = compared(bench, tree, level, room, turns=1)
    bench.check(f"peak memory, packing, {tree.name}", peak, PACK_PEAK_MIB, "MiB")
    return result + said
