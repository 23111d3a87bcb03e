"""Section: building."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from .applications import CACHIBOT, FASTAPI, HEAVY, Application
from .bench import Bench, peak_of
from .cold import unpacked_on
from .contenders import tools
from .figures import figure, prose, table
from .packing import PACK_PEAK_MIB, compared
from .running import ENVIRONMENT, Failure, WORK, remove, say
from .sizes import HEADS, rivals_of, row_of
from .specs import (
    COMPRESSING,
    INSTALLING,
    TESTING,
    SpecBuild,
    build,
    cache_of,
    copied,
    edit_spec,
    first_build,
    room_of,
    seconds_of_installing,
)

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


def changed(bench: Bench, application: Application) -> Path:
    """The example with one source file that is not as it was in the first build."""
    directory = copied(bench, application, "changed")
    if application.script:
        script = directory / application.script
        script.write_text(script.read_text() + CHANGE)
    else:
        module, _, function = application.entry.partition(":")
        script = directory / "start.py"
        script.write_text(SCRIPT.format(module=module, function=function))
        edit_spec(directory, r"^function = .*$", f'script = "{script.name}"')
    return directory


def hash_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def builds_of(bench: Bench, application: Application) -> dict[str, SpecBuild]:
    room, source = room_of(bench, application), application.directory
    cache = ("--cache", cache_of(bench, application))
    builds = {"first": first_build(bench, application)}

    def add(what: str, directory: Path, *options) -> None:
        say(f"building: {application.name}, {what}")
        output = room / f"{application.name}-again"
        builds[what] = build(bench, application, directory, output, *options)
        if directory == source and hash_of(output) != hash_of(builds["first"].file):
            raise Failure(f"building {application.name} again gave other bytes")
        remove(output)

    add("again, nothing changed", source, *cache)
    add("one source file changed", changed(bench, application), *cache)
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
        row += [figure(one.seconds / first.seconds, 2)]
        row += [figure(seconds, 1) for seconds in named]
        row += [figure(one.seconds - sum(named), 1), frames]
        rows.append(
            [*row, "yes" if one.facts["reused_layer"] else "no", figure(one.peak)]
        )
    return rows


def check_ratio(
    bench: Bench, application: Application, builds: dict[str, SpecBuild]
) -> None:
    what = f"build after one changed source file, to the first, {application.title}"
    ratio = builds["one source file changed"].seconds / builds["first"].seconds
    bench.check(what, ratio, REPEATED_TO_FIRST, "", 2)


def unpacking_row(bench: Bench, application: Application) -> list[str]:
    """What a first launch of the first build needs."""
    one = first_build(bench, application)
    with bench.disk.room() as room:
        variables = {"ONEFOLD": "trace", "ONEFOLD_CACHE": room / "cache"}
        peak, run = peak_of(bench, [one.file], **variables)
    what = f"peak memory, unpacking, {application.title}"
    bench.check(what, peak, COLD_PEAK_MIB, "MiB", 1)
    row = [application.title, figure(one.facts["bytes_in"] / 1e6)]
    row += [figure(one.facts["bytes_out"] / 1e6, 1), figure(one.facts["files"])]
    return [*row, figure(run.wall), figure(peak, 1), figure(one.peak)]


@dataclass
class Installer:
    what: str
    name: str  # in the spec
    forgets: bool = False


INSTALLERS = [
    Installer("pip", "pip"),
    Installer("uv, empty cache", "uv", forgets=True),
    Installer("uv, its cache from before", "uv"),
]


def installing_row(bench: Bench, application: Application) -> list[str]:
    cache = WORK / "uv-cache"
    path = f"{tools()}:{ENVIRONMENT['PATH']}"
    row = [
        application.title,
        str(first_build(bench, application).facts["distributions"]),
    ]
    for installer in INSTALLERS:
        say(f"building: {application.name}, installing with {installer.what}")
        directory = copied(bench, application, "installing")
        setting = f'[dependencies]\ninstaller = "{installer.name}"'
        edit_spec(directory, r"^\[dependencies\]$", setting)
        if installer.forgets:
            remove(cache)
        seconds = seconds_of_installing(
            bench, application, directory, PATH=path, UV_CACHE_DIR=cache
        )
        row.append(figure(seconds, 1))
    return row


METHOD = """
    `onefold pack` of the spec, once each, on {place}. All wheels are in a
    directory beforehand, and no index is asked. The first build has an empty cache. Smoke tests are
    part of every build. *Installing*, *compressing* and *testing* are parts of the whole; the rest
    is the interpreter, pruning, relocating and compiling byte code, or copying what the cache has of
    them (*from cache*: the layer below the application). Builds of the same sources gave the same
    bytes. CachiBot's example has no source file of its own: what changed is what starts it, a script
    of two lines where the spec has a function. Peak memory is the resident set of the largest
    process of the build, which may be pip or the smoke test's.
"""


def building(bench: Bench) -> str:
    return built(bench, [FASTAPI] if bench.quick else [FASTAPI, CACHIBOT])


def heavy(bench: Bench) -> str:
    """The largest of the examples, in all that the others are measured in."""
    text = built(bench, [HEAVY])
    tree = bench.tree_of(HEAVY, first_build(bench, HEAVY))
    text += f"\n{table(HEADS, [row_of(bench, tree, rivals_of(bench, tree))])}"
    said, _ = unpacked_on(bench, bench.disk, tree, min(bench.turns, HEAVY_TURNS))
    text += said
    level = bench.workshop.packed(tree).facts["level"]
    with bench.disk.room() as room:
        said, peak = compared(bench, tree, level, room, turns=1)
    bench.check(f"peak memory, packing, {tree.name}", peak, PACK_PEAK_MIB, "MiB")
    return text + said


def built(bench: Bench, applications: list[Application]) -> str:
    builds, unpacking, installing = [], [], []
    for application in applications:
        all_builds = builds_of(bench, application)
        check_ratio(bench, application, all_builds)
        builds += build_rows(application, all_builds)
        unpacking.append(unpacking_row(bench, application))
        installing.append(installing_row(bench, application))
    heads = ["build", "s", "to the first", "installing, s", "compressing, s"]
    heads += ["testing, s", "rest, s", "frames from cache", "layer from cache"]
    text = f"{prose(METHOD.format(place=bench.disk.name))}\n{table([*heads, 'peak memory, MiB'], builds)}"
    heads = ["first launch", "tree, MB", "file, MB", "files", "ms", "peak memory, MiB"]
    heads.append("peak memory of packing, MiB")
    text += f"\n`ONEFOLD=trace` into an empty cache, once, on {bench.disk.name}:\n\n"
    text += table(heads, unpacking)
    heads = ["seconds of installing", "distributions", *(i.what for i in INSTALLERS)]
    text += "\n`dependencies.installer`, from the same directory of wheels:\n\n"
    return text + table(heads, installing)
