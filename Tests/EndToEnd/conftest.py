"""What the tests add to pytest: names as `unittest -k` takes them, and the last line."""

from __future__ import annotations

import fnmatch
from typing import Any


def pytest_addoption(parser: Any) -> None:
    parser.addoption(
        "--name", action="append", default=[], help="run tests whose MODULE.CLASS.NAME holds this text or matches it"
    )


def full_name(item: Any) -> str:
    """As unittest has it: MODULE.CLASS.NAME."""
    return ".".join([item.module.__name__, *item.nodeid.split("::")[1:]])


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    patterns = [name if "*" in name else f"*{name}*" for name in config.getoption("--name")]
    if patterns:
        items[:] = [one for one in items if any(fnmatch.fnmatchcase(full_name(one), p) for p in patterns)]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    stats = terminalreporter.stats
    passed, skipped = (len(stats.get(outcome, [])) for outcome in ("passed", "skipped"))
    # A test may fail, and its tear-down as well.
    failed = {report.nodeid for outcome in ("failed", "error") for report in stats.get(outcome, [])}
    line = f"{passed} passed, {len(failed)} failed, {skipped} skipped"
    terminalreporter.write_line(line)
