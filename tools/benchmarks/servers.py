"""Sections: a small and a large Python server, by several tools."""

from __future__ import annotations

from pathlib import Path

from common.basics import Failure
from common.documents import figure, table

from .applications import CACHIBOT, FASTAPI, Application, python_version
from .bench import Bench
from .contenders import Contender, Contenders
from .figures import SPREAD, Sample
from .launches import SERVER_TURNS, Launches, Metrics
from .pictures import Bar, Group, Range, bar_chart
from .running import last_line, output_of, say
from .texts import text

HELP_TURNS = 2

COLD, WARM, HELP = "cold", "warm", "help"


def launches_of(bench: Bench, application: Application, files: list[Path], room: Path) -> Launches:
    """Starts with one home and one temporary directory."""
    variables = dict(application.variables)
    for name in ("HOME", "TMPDIR"):
        variables[name] = room / name.lower()
        (room / name.lower()).mkdir(exist_ok=True)
    turns = min(bench.turns, SERVER_TURNS)
    launches = Launches(files, room, turns, arguments=application.serve, variables=variables)
    launches.until_health = True
    return launches


def starts_and_helps(bench: Bench, launches: Launches) -> list[Metrics]:
    """What `onefold bench` measures until the servers answer, and as `help` the warm launches with
    `--help`."""
    results = launches.measured(bench.workshop)
    launches.until_health = False
    launches.arguments = ["--help"]
    launches.rounds, launches.warm_up = min(bench.turns, HELP_TURNS), 0
    for metrics, helps in zip(results, launches.measured(bench.workshop)):
        metrics[HELP] = helps[WARM]
    return results


def usable(all_of: list[Contender], launches: Launches, missing: list[str]) -> list[Contender]:
    """Those that can be started. `onefold bench` measures nothing if one of them fails."""
    found = []
    for contender in all_of:
        say(f"servers: trying {contender.name}")
        try:
            variables = {name: launches.directory / name for name in launches.cache_variables}
            output_of([*contender.line, "--help"], **{**launches.variables, **variables})
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
        made, reasons = Contenders(bench.workshop, application).all(room / "uv-cache")
        missing += reasons
        ours, *others = (contender.in_room(room) for contender in made)
        launches = launches_of(bench, application, [Path(ours.command[0])], room)
        launches.cache_variables = sorted({one.kept_in for one in others if one.kept_in})
        others = usable(others, launches, missing)
        launches.against = [one.line for one in others]
        launches.reset = "; ".join(one.reset for one in others if one.reset)
        return [ours, *others], starts_and_helps(bench, launches)


def sample(contender: Contender, metrics: Metrics, what: str) -> Sample:
    """What unpacks at each launch has no cold start of its own."""
    return metrics[WARM if what == COLD and not contender.keeps else what]


def drawing(
    bench: Bench, application: Application, measured: list[Contender], results: list[Metrics]
) -> str:
    groups = []
    for what, name in ((COLD, "First start"), (WARM, "Start")):
        samples = [sample(one, metrics, what) for one, metrics in zip(measured, results)]
        bars = [
            Bar(one.name, Range.of(it), one is measured[0]) for one, it in zip(measured, samples)
        ]
        groups.append(Group(name, bars))
    chart = bar_chart(f"{application.title}: until it answers", "ms", groups)
    says = f"Bars: milliseconds until the {application.title} answers, by what made its file"
    return bench.picture(f"start-{application.name}", chart, says)


def row_of(contender: Contender, metrics: Metrics, ours: Metrics) -> list[str]:
    row = [contender.name]
    row.append("" if contender.size is None else figure(contender.size / 1e6, 1))
    row.append("" if contender.seconds is None else figure(contender.seconds))
    for what in (COLD, WARM, HELP):
        times = sample(contender, metrics, what)
        row += [*times.cells(), figure(times.over(ours[what]).median, 2)]
    return row


def compared(bench: Bench, application: Application) -> str:
    """The table, its picture, and why contenders are missing."""
    missing: list[str] = []
    measured, results = measure(bench, application, missing)
    heads = ["what", "file, MB", "build, s"]
    for what in ("cold", "warm", "`--help`"):
        heads += [f"{what}, ms", SPREAD, "to Onefold"]
    rows = [row_of(one, metrics, results[0]) for one, metrics in zip(measured, results)]
    said = f"{application.title}:\n\n{table(heads, rows)}"
    said += drawing(bench, application, measured, results)
    reasons = "".join(f"- not measured: {reason}\n" for reason in missing)
    return f"{said}\n{reasons}" if missing else said


def section(bench: Bench, name: str, application: Application) -> str:
    starting = text(
        "of servers, starting",
        python=python_version(),
        turns=min(bench.turns, SERVER_TURNS),
        helps=min(bench.turns, HELP_TURNS),
        place=bench.disk.name,
    )
    say(f"{name}: {application.name}")
    results = compared(bench, application)
    return text(name, starting=starting, building=text("of servers, building"), results=results)


def servers(bench: Bench) -> str:
    return section(bench, "servers", FASTAPI)


def cachibot(bench: Bench) -> str:
    return section(bench, "cachibot", CACHIBOT)
