"""Section: sources."""

from __future__ import annotations

from common.documents import figure, table

from .applications import CACHIBOT, FASTAPI
from .bench import Bench
from .figures import SPREAD
from .launches import SERVER_TURNS
from .running import brought, say
from .servers import COLD, HELP, WARM, launches_of, starts_and_helps
from .texts import text


def sources(bench: Bench) -> str:
    application = FASTAPI if bench.quick else CACHIBOT
    say(f"sources: building {application.name}")
    specs = bench.spec_room(application)
    without = specs.copied("dropped", r"^\[launch\]$", '[prune]\nsources = "drop"\n\n[launch]')
    dropped = specs.build(without, specs.path / f"{application.name}-dropped", *specs.cache)
    builds = {"`keep`": specs.first, "`drop`": dropped}
    with bench.disk.room() as room:
        files = [brought(build.file, room) for build in builds.values()]
        results = starts_and_helps(bench, launches_of(bench, application, files, room))
    rows = []
    for (name, build), metrics in zip(builds.items(), results):
        facts = build.facts
        row = [name, figure(facts["files"]), figure(facts["bytes_in"] / 1e6, 1)]
        row.append(figure(facts["bytes_out"] / 1e6, 1))
        for what in ("cold-launch", COLD, WARM, HELP):
            row += metrics[what].cells()
        rows.append(row)
    heads = ["`prune.sources`", "files", "tree, MB", "file, MB"]
    for what in ("unpacking", "cold", "warm", "`--help`"):
        heads += [f"{what}, ms", SPREAD]
    turns = min(bench.turns, SERVER_TURNS)
    values = {"application": application.title, "turns": turns, "place": bench.disk.name}
    return text("sources", **values, table=table(heads, rows))
