"""Section: sources."""

from __future__ import annotations

from .applications import CACHIBOT, FASTAPI, Application
from .bench import Bench, unpack_onefile
from .contenders import Contender
from .figures import SPREAD, figure, prose, spread, table, take_turns
from .running import say
from .servers import COLD, HELP, SERVER_TURNS, WARM, Start, cases_of
from .specs import (
    SpecBuild,
    build,
    cache_of,
    copied,
    edit_spec,
    first_build,
    room_of,
)

UNPACKING = "unpacking"


def dropped(bench: Bench, application: Application) -> SpecBuild:
    """The example's file without sources."""
    directory = copied(bench, application, "dropped")
    edit_spec(directory, r"^\[launch\]$", '[prune]\nsources = "drop"\n\n[launch]')
    output = room_of(bench, application) / f"{application.name}-dropped"
    cache = ("--cache", cache_of(bench, application))
    return build(bench, application, directory, output, *cache)


def sources(bench: Bench) -> str:
    application = FASTAPI if bench.quick else CACHIBOT
    say(f"sources: building {application.name}")
    builds = {
        "`keep`": first_build(bench, application),
        "`drop`": dropped(bench, application),
    }
    turns = min(bench.turns, SERVER_TURNS)
    with bench.disk.room() as room:
        cases = {}
        for name, one in builds.items():
            contender = Contender(name, [one.file], kept_in="ONEFOLD_CACHE", size=0)
            start = Start(application, contender.in_room(room), room)
            cases.update(cases_of(bench, start))
            unpack = unpack_onefile(contender.command[0])
            cases[f"{name}: {UNPACKING}"] = bench.disk.fresh(unpack)
        runs = take_turns(cases, turns, warm_up=0)
    rows = []
    for name, one in builds.items():
        facts = one.facts
        row = [name, figure(facts["files"]), figure(facts["bytes_in"] / 1e6, 1)]
        row.append(figure(facts["bytes_out"] / 1e6, 1))
        for what in (UNPACKING, COLD, WARM, HELP):
            wall = runs[f"{name}: {what}"].wall
            row += [figure(wall.median), spread(wall)]
        rows.append(row)
    heads = ["`prune.sources`", "files", "tree, MB", "file, MB"]
    for what in ("unpacking", "cold", "warm", "`--help`"):
        heads += [f"{what}, ms", SPREAD]
    text = f"""
        {application.title}, with and without the sources of its modules; both have their byte code.
        *Unpacking* is `ONEFOLD=trace` into an empty cache; *cold*, *warm* and `--help` are as for
        the Python servers. {turns} turns on {bench.disk.name}.
    """
    return f"{prose(text)}\n{table(heads, rows)}"
