"""Section: Python servers."""

from __future__ import annotations

from pathlib import Path

from .applications import CACHIBOT, FASTAPI, Application, python_version, until_health
from .bench import Bench
from .contenders import Contender, contenders
from .figures import (
    SPREAD,
    Case,
    Runs,
    Sample,
    figure,
    prose,
    spread,
    table,
    take_turns,
)
from .pictures import Bar, Group, Range, bar_chart
from .running import Failure, Part, Run, last_line, launch, say

SERVER_TURNS = 5
HELP_TURNS = 2

COLD, WARM, HELP = "cold", "warm", "help"

STARTING = """
    The same server, the same lock, the same interpreter (CPython {python}), one file of each tool.
    *Cold* and *warm* are from spawning the file until the server has answered `GET /api/health`:
    cold with an empty cache of the tool, warm with the cache that earlier launches left; `--help`
    is warm, until its end, in {helps} turns. Home and temporary directory are empty each time.
    {turns} turns on {place}; the page cache is warm; programs and caches lie on that file system.
    PyInstaller's file, Nuitka's with a temporary directory and makeself's unpack at every launch, and
    PyInstaller's directory never: cold and warm are the same figure.
"""

BUILDING = """
    *Build* is from the lock to the file, once, on the machine's own file system. All wheels are in
    one directory beforehand, and no index is asked; every other cache is empty. Onefold's contains
    its smoke tests; PyInstaller's contains making its virtual environment. The tools are installed
    beforehand. Files of others than Onefold may have been built by an earlier run (`--fresh` builds
    them again), with the time that it took then.
"""

TOOLS = """
    PyInstaller has the options of tools/make-example and docs/guides/cachibot.md. Nuitka does not
    compile the server: with all that it imports that is more than 700 C files. It compiles a
    small program, which executes the tree of PyInstaller's `--onedir`; that tree is in its
    onefile as raw data (`--include-raw-dir`), with its temporary directory (for the small server
    alone) and with `--onefile-tempdir-spec={CACHE_DIR}/...` (cached). Nuitka's time is without
    PyInstaller's; its two files are built side by side, a processor each. makeself's file holds the
    tree that Onefold unpacks, at zstd 12, and starts the same program in it. pex's file is made with `--venv`; without, it is the same file with `PEX_VENV=0`.
    shiv has its defaults. `uv run --with-requirements` has no file: it is given the lock, and is
    offline. Its cache has all wheels, unpacked, before the cold start as well, which makes the
    environment of hard links to them. The files of pex and shiv hold no interpreter, and run only
    where there is one; the others hold theirs.
"""

OTHERS = """
    PyInstaller has the options of docs/guides/cachibot.md. pex's file is made with `--venv`;
    without, it is the same file with `PEX_VENV=0`; it holds no interpreter. Nuitka, shiv and `uv run` are compared with the
    small server alone: here each takes many minutes.
"""


class Start:
    """Starts a contender in an empty home, so that nothing of another run is found."""

    def __init__(
        self, application: Application, contender: Contender, room: Path
    ) -> None:
        self.application = application
        self.contender = contender
        self.kept = room / f"kept-{contender.name}".replace("`", "").replace(" ", "-")
        self.forgotten = self.kept.with_name(f"{self.kept.name}-cold")

    def variables(self, directory: Path, kept: Path) -> dict[str, Part]:
        for name in ("home", "tmp"):
            (directory / name).mkdir(parents=True)
        result: dict[str, Part] = {
            **self.application.variables,
            **self.contender.variables,
            "HOME": directory / "home",
            "TMPDIR": directory / "tmp",
        }
        if self.contender.kept_in:
            result[self.contender.kept_in] = kept
        return result

    def health(self, directory: Path, kept: Path) -> Run:
        variables = self.variables(directory, kept)
        return until_health(self.application, self.contender.command, variables)

    def cold(self, directory: Path) -> Run:
        """A first start. What it kept is forgotten before the file system is synchronised."""
        try:
            return self.health(directory, self.forgotten)
        finally:
            self.contender.forget(self.forgotten)

    def warm(self, directory: Path) -> Run:
        return self.health(directory, self.kept)

    def help(self, directory: Path) -> Run:
        variables = self.variables(directory, self.kept)
        return launch([*self.contender.command, "--help"], **variables)


def cases_of(bench: Bench, start: Start) -> dict[str, Case]:
    """First launches warm up everything that a case keeps."""
    name, fresh = start.contender.name, bench.disk.fresh
    cases = {f"{name}: {WARM}": fresh(start.warm), f"{name}: {HELP}": fresh(start.help)}
    if start.contender.kept_in:
        cases[f"{name}: {COLD}"] = fresh(start.cold)
    for case in cases.values():
        case()
    return cases


def samples(contender: Contender, runs: dict[str, Runs], what: str) -> Sample:
    # What unpacks at each launch has no other start.
    found = runs.get(f"{contender.name}: {what}")
    return found.wall if found else runs[f"{contender.name}: {WARM}"].wall


def drawing(
    bench: Bench,
    application: Application,
    measured: list[Contender],
    runs: dict[str, Runs],
) -> str:
    groups = []
    for what, name in ((COLD, "First start"), (WARM, "Start")):
        bars = []
        for one in measured:
            bar = Bar(one.name, Range.of(samples(one, runs, what)), one is measured[0])
            bars.append(bar)
        groups.append(Group(name, bars))
    title = f"{application.title}: until it answers"
    says = f"Bars: milliseconds until the {application.title} answers, by what made its file"
    return bench.picture(
        f"start-{application.name}", bar_chart(title, "ms", groups), says
    )


def row_of(
    contender: Contender, runs: dict[str, Runs], base: dict[str, Sample]
) -> list[str]:
    row = [contender.name]
    row.append("" if contender.size is None else figure(contender.size / 1e6, 1))
    row.append("" if contender.seconds is None else figure(contender.seconds))
    for what in (COLD, WARM, HELP):
        wall = samples(contender, runs, what)
        row += [figure(wall.median), spread(wall)]
        row.append(figure(wall.over(base[what]).median, 2))
    return row


def measure(
    bench: Bench, application: Application, made: list[Contender], missing: list[str]
) -> tuple[list[Contender], dict[str, Runs]]:
    """Those that could be started, and their runs; adds the others to `missing`."""
    cases: dict[str, Case] = {}
    measured = []
    with bench.disk.room() as room:
        for contender in made:
            say(f"servers: starting {contender.name}")
            start = Start(application, contender.in_room(room), room)
            try:
                cases.update(cases_of(bench, start))
                measured.append(contender)
            except Failure as failure:
                if contender is made[0]:
                    raise
                say(f"{contender.name}: {failure}")
                missing.append(f"{contender.name}: {last_line(failure)}")
        helps = {name: cases.pop(name) for name in list(cases) if name.endswith(HELP)}
        runs = take_turns(cases, min(bench.turns, SERVER_TURNS), warm_up=0)
        runs |= take_turns(helps, min(bench.turns, HELP_TURNS), warm_up=0)
        return measured, runs


def compared(bench: Bench, application: Application) -> str:
    say(f"servers: {application.name}")
    made, missing = contenders(bench, application)
    measured, runs = measure(bench, application, made, missing)
    onefold = measured[0].name
    base = {what: runs[f"{onefold}: {what}"].wall for what in (COLD, WARM, HELP)}
    heads = ["what", "file, MB", "build, s"]
    for what in ("cold", "warm", "`--help`"):
        heads += [f"{what}, ms", SPREAD, "to Onefold"]
    rows = [row_of(contender, runs, base) for contender in measured]
    text = f"\n{application.title}:\n\n{table(heads, rows)}"
    text += drawing(bench, application, measured, runs)
    if missing:
        text += "\n" + "".join(f"- not measured: {reason}\n" for reason in missing)
    return text


def servers(bench: Bench) -> str:
    return text(bench, FASTAPI, BUILDING, TOOLS)


def cachibot(bench: Bench) -> str:
    return text(bench, CACHIBOT, BUILDING, OTHERS)


def text(bench: Bench, application: Application, *paragraphs: str) -> str:
    turns = min(bench.turns, SERVER_TURNS)
    starting = STARTING.format(
        python=python_version(),
        turns=turns,
        helps=min(bench.turns, HELP_TURNS),
        place=bench.disk.name,
    )
    said = "\n".join(prose(paragraph) for paragraph in (starting, *paragraphs))
    return said + compared(bench, application)
