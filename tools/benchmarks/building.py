"""Section: building."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from common.basics import Failure
from common.documents import figure, table

from .applications import CACHIBOT, FASTAPI, HEAVY, Application
from .bench import Bench
from .cold import unpacked_on
from .contenders import tools
from .packing import PACK_PEAK_MIB, compared
from .running import ENVIRONMENT, WORK, remove, say
from .sizes import HEADS, rivals_of, row_of
from .specs import COMPRESSING, INSTALLING, TESTING, SpecBuild, SpecRoom
from .texts import text
from .timing import launch

# The figures of the design.
REPEATED_TO_FIRST = 0.25
COLD_PEAK_MIB = 64

HEAVY_TURNS = 5

CHANGE = "\nCHANGED = True\n"

# For an example without a source of its own: what its spec's function does.
SCRIPT = """\
from {module} import {function}

{function}()
"""


def changed(specs: SpecRoom) -> Path:
    """The example with one source file that is not as it was in the first build."""
    application = specs.application
    if application.script:
        directory = specs.copied("changed")
        script = directory / application.script
        script.write_text(script.read_text() + CHANGE)
    else:
        directory = specs.copied("changed", r"^function = .*$", 'script = "start.py"')
        module, _, function = application.entry.partition(":")
        (directory / "start.py").write_text(SCRIPT.format(module=module, function=function))
    return directory


def builds_of(specs: SpecRoom) -> dict[str, SpecBuild]:
    application, source = specs.application, specs.application.directory
    builds = {"first": specs.first}

    def add(what: str, directory: Path, *options) -> None:
        say(f"building: {application.name}, {what}")
        output = specs.path / f"{application.name}-again"
        builds[what] = specs.build(directory, output, *options)
        if directory == source and not filecmp.cmp(output, specs.first.file, shallow=False):
            raise Failure(f"building {application.name} again gave other bytes")
        remove(output)

    add("again, nothing changed", source, *specs.cache)
    add("one source file changed", changed(specs), *specs.cache)
    if application.small:  # compressing all of it again takes as long as the first time
        add("without a cache (`--no-cache`)", source, "--no-cache")
    return builds


def build_rows(application: Application, builds: dict[str, SpecBuild]) -> list[list]:
    first = builds["first"]
    rows = []
    for what, one in builds.items():
        named = [one.phase(name) for name in (INSTALLING, COMPRESSING, TESTING)]
        frames = f"{one.facts['frames_from_cache']} of {one.facts['frames']}"
        row = [f"{application.title}: {what}", figure(one.seconds, 1)]
        row.append(figure(one.seconds / first.seconds, 2))
        row += [figure(seconds, 1) for seconds in (*named, one.seconds - sum(named))]
        layer = "yes" if one.facts["reused_layer"] else "no"
        rows.append([*row, frames, layer, figure(one.peak)])
    return rows


def unpacking_row(bench: Bench, application: Application, one: SpecBuild) -> list[str]:
    """What a first launch of a build needs."""
    with bench.disk.room() as room:
        helper, cache = bench.workshop.compiled("PEAK"), room / "cache"
        run = launch([one.file], helper, ONEFOLD="trace", ONEFOLD_CACHE=cache)
    what = f"peak memory, unpacking, {application.title}"
    bench.check(what, run.peak, COLD_PEAK_MIB, "MiB", digits=1)
    row = [application.title, figure(one.facts["bytes_in"] / 1e6)]
    row += [figure(one.facts["bytes_out"] / 1e6, 1), figure(one.facts["files"])]
    return [*row, figure(run.wall), figure(run.peak, 1), figure(one.peak)]


# By column, the installer's name in the spec.
INSTALLERS = {"pip": "pip", "uv, empty cache": "uv", "uv, its cache from before": "uv"}


def installing_row(specs: SpecRoom) -> list[str]:
    cache = WORK / "uv-cache"
    shutil.rmtree(cache, ignore_errors=True)
    path = f"{tools()}:{ENVIRONMENT['PATH']}"
    application = specs.application
    row = [application.title, str(specs.first.facts["distributions"])]
    for what, name in INSTALLERS.items():
        say(f"building: {application.name}, installing with {what}")
        setting = f'[dependencies]\ninstaller = "{name}"'
        directory = specs.copied("installing", r"^\[dependencies\]$", setting)
        seconds = specs.seconds_of_installing(directory, PATH=path, UV_CACHE_DIR=cache)
        row.append(figure(seconds, 1))
    return row


def building(bench: Bench) -> str:
    return built(bench, [FASTAPI] if bench.quick else [FASTAPI, CACHIBOT])


def heavy(bench: Bench) -> str:
    """The largest of the examples, measured as the others are in several sections."""
    result = built(bench, [HEAVY])
    specs = bench.spec_room(HEAVY)
    tree = bench.workshop.extracted(HEAVY.title, specs.first.packed)
    result += f"\n{table(HEADS, [row_of(bench, tree, rivals_of(bench, tree))])}"
    said, _ = unpacked_on(bench, bench.disk, tree, min(bench.turns, HEAVY_TURNS))
    result += said
    level = bench.workshop.packed(tree).facts["level"]
    with bench.disk.room() as room:
        said, peak = compared(bench, tree, level, room, turns=1)
    bench.check(f"peak memory, packing, {tree.name}", peak, PACK_PEAK_MIB, "MiB")
    return result + said


def built(bench: Bench, applications: list[Application]) -> str:
    builds, unpacking, installing = [], [], []
    for application in applications:
        specs = bench.spec_room(application)
        all_builds = builds_of(specs)
        what = f"build after one changed source file, to the first, {application.title}"
        ratio = all_builds["one source file changed"].seconds / specs.first.seconds
        bench.check(what, ratio, REPEATED_TO_FIRST, "", digits=2)
        builds += build_rows(application, all_builds)
        unpacking.append(unpacking_row(bench, application, specs.first))
        installing.append(installing_row(specs))
    heads = ["build", "s", "to the first", "installing, s", "compressing, s", "testing, s"]
    heads += ["rest, s", "frames from cache", "layer from cache", "peak memory, MiB"]
    firsts = ["first launch", "tree, MB", "file, MB", "files", "ms", "peak memory, MiB"]
    firsts.append("peak memory of packing, MiB")
    installers = ["seconds of installing", "distributions", *INSTALLERS]
    tables = {"builds": table(heads, builds), "unpacking": table(firsts, unpacking)}
    tables["installing"] = table(installers, installing)
    return text("building", place=bench.disk.name, **tables)
