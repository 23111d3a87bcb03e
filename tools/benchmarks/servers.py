"""Sections: a small and a large Python server, by several tools; and their sources."""

from __future__ import annotations

from pathlib import Path

from common.basics import Failure

from .applications import CACHIBOT, FASTAPI, Application, python_version
from .bench import Bench
from .contenders import Contender
from .figures import Row, Sample, cells, table_of
from .launches import SERVER_TURNS, Launches, Metrics
from .pictures import bar_chart
from .running import brought, last_line, output_of, say
from .texts import text

HELP_TURNS = 2

COLD, WARM, HELP = "cold", "warm", "`--help`"


def launches_of(bench: Bench, application: Application, files: list[Path], room: Path) -> Launches:
    """Starts until the servers answer, with one home and one temporary directory."""
    variables = dict(application.variables)
    for name in ("HOME", "TMPDIR"):
        variables[name] = room / name.lower()
        (room / name.lower()).mkdir(exist_ok=True)
    launches = Launches(files, room, bench.at_most(SERVER_TURNS), variables=variables)
    launches.arguments, launches.until_health = application.serve, True
    return launches


def starts_and_helps(bench: Bench, launches: Launches) -> list[Metrics]:
    """What `onefold bench` measures until the servers answer, and as HELP the warm launches with
    `--help`."""
    results = launches.measured(bench.workshop)
    launches.until_health, launches.arguments = False, ["--help"]
    launches.rounds, launches.warm_up = bench.at_most(HELP_TURNS), 0
    for metrics, helps in zip(results, launches.measured(bench.workshop)):
        metrics[HELP] = helps[WARM]
    return results


# By several tools


def usable(all_of: list[Contender], launches: Launches, missing: list[str]) -> list[Contender]:
    """Those that can be started. `onefold bench` measures nothing if one of them fails."""
    found = []
    caches = {name: launches.directory / name for name in launches.cache_variables}
    for contender in all_of:
        say(f"servers: trying {contender.name}")
        try:
            output_of([*contender.line, "--help"], **{**launches.variables, **caches})
            found.append(contender)
        except Failure as failure:
            say(f"{contender.name}: {failure}")
            missing.append(f"{contender.name}: {last_line(failure)}")
    return found


def measure(
    bench: Bench, application: Application, missing: list[str]
) -> tuple[list[Contender], list[Metrics]]:
    """Those that could be made and started, and what was measured; adds the others to `missing`."""
    with bench.disk.room() as room:
        made, reasons = bench.contenders(application).all(room / "uv-cache")
        missing += reasons
        ours, *others = (contender.in_room(room) for contender in made)
        launches = launches_of(bench, application, [Path(ours.command[0])], room)
        launches.cache_variables = sorted({one.kept_in for one in others if one.kept_in})
        others = usable(others, launches, missing)
        launches.against = [one.line for one in others]
        launches.reset = "; ".join(one.reset for one in others if one.reset)
        return [ours, *others], starts_and_helps(bench, launches)


def times_of(contender: Contender, metrics: Metrics) -> dict[str, Sample]:
    """What unpacks at each launch has no cold start of its own."""
    cold = metrics[COLD if contender.keeps else WARM]
    return {COLD: cold, WARM: metrics[WARM], HELP: metrics[HELP]}


def row_of(contender: Contender, times: dict[str, Sample], ours: dict[str, Sample]) -> Row:
    megabytes = contender.size / 1e6 if contender.size else None
    figures = (contender.name, megabytes, contender.seconds)
    row = cells("what | file, MB:1 | build, s:0", *figures)
    for what, sample in times.items():
        row += sample.cells(f"{what}, ms")
        row += cells("to Onefold:2", sample.over(ours[what]).median)
    return row


def section(bench: Bench, name: str, application: Application) -> str:
    say(f"{name}: {application.name}")
    missing: list[str] = []
    measured, results = measure(bench, application, missing)
    times = [times_of(one, metrics) for one, metrics in zip(measured, results)]
    rows = [row_of(one, its, times[0]) for one, its in zip(measured, times)]
    groups = {
        head: {one.name: its[what] for one, its in zip(measured, times)}
        for head, what in (("First start", COLD), ("Start", WARM))
    }
    chart = bar_chart(f"{application.title}: until it answers", "ms", groups)
    says = f"Bars: milliseconds until the {application.title} answers, by what made its file"
    said = f"{application.title}:\n\n{table_of(rows)}"
    said += bench.picture(f"start-{application.name}", chart, says)
    reasons = "".join(f"- not measured: {reason}\n" for reason in missing)
    starting = text(
        "of servers, starting",
        python=python_version(),
        turns=bench.at_most(SERVER_TURNS),
        helps=bench.at_most(HELP_TURNS),
        place=bench.disk.name,
    )
    values = {"starting": starting, "building": text("of servers, building")}
    return text(name, **values, results=f"{said}\n{reasons}")


def servers(bench: Bench) -> str:
    return section(bench, "servers", FASTAPI)


def cachibot(bench: Bench) -> str:
    return section(bench, "cachibot", CACHIBOT)


# With and without sources


def sources(bench: Bench) -> str:
    application = FASTAPI if bench.quick else CACHIBOT
    say(f"sources: building {application.name}")
    specs = bench.spec_room(application)
    without = specs.copied("dropped", r"^\[launch\]$", '[prune]\nsources = "drop"\n\n[launch]')
    dropped = specs.build(without, specs.path / f"{application.name}-dropped", *specs.cache)
    builds = {"`keep`": specs.first, "`drop`": dropped}
    with bench.disk.room() as room:
        files = [brought(build.path, room) for build in builds.values()]
        results = starts_and_helps(bench, launches_of(bench, application, files, room))
    rows = []
    for (name, build), metrics in zip(builds.items(), results):
        facts = build.facts
        figures = (name, facts["files"], facts["bytes_in"] / 1e6, facts["bytes_out"] / 1e6)
        row = cells("`prune.sources` | files:0 | tree, MB:1 | file, MB:1", *figures)
        row += metrics["cold-launch"].cells("unpacking, ms")
        for what in (COLD, WARM, HELP):
            row += metrics[what].cells(f"{what}, ms")
        rows.append(row)
    values = {"application": application.title, "turns": bench.at_most(SERVER_TURNS)}
    return text("sources", **values, place=bench.disk.name, table=table_of(rows))
