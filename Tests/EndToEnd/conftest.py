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
    def count(*outcomes: str) -> int:
        return sum(len(terminalreporter.stats.get(outcome, [])) for outcome in outcomes)

    failed = {report.nodeid for key in ("failed", "error") for report in terminalreporter.stats.get(key, [])}
    line = f"{count('passed')} passed, {len(failed)} failed, {count('skipped')} skipped"
    terminalreporter.write_line(line)
