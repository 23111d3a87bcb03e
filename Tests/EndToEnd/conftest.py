"""What the tests add to pytest: their order, names as `unittest -k` takes them, and the last line."""

from __future__ import annotations

import fnmatch
from typing import Any


#: Modules that take more than half a minute, the longest classes first: begun at the end, one would run there alone.
LONGEST = (
    "test_example_cachibot",
    "test_spec_errors",
    "test_spec_times",
    "test_spec_prune",
    "test_slim",
    "test_guide_ci",
    "test_distributions",
    "test_program_servers",
    "test_example_django",
    "test_example_langgraph",
    "test_example_fastapi",
    "test_spec_repeat",
    "test_spec_archive",
    "test_spec_locks",
    "test_pack_without_spec",
    "test_servers",
    "test_inspect_page",
    "test_listen_recipes",
    "test_example_heavy",
    "test_shell_electron",
    "test_shell_tauri",
    "test_spec_launch",
    "test_applications",
    "test_target",
    "test_spec_uv",
    "test_spec_distributions",
    "test_spec_signals",
    "test_pack",
    "test_sweep_fault",
    "test_wheel",
    "test_signatures",
    "test_patchelf",
    "test_completions",
    # It starts what tests of the examples packed.
    "test_guides",
)


def pytest_addoption(parser: Any) -> None:
    parser.addoption(
        "--name", action="append", default=[], help="run tests whose MODULE.CLASS.NAME holds this text or matches it"
    )


def full_name(item: Any) -> str:
    """As unittest has it: MODULE.CLASS.NAME."""
    return ".".join([item.module.__name__, *item.nodeid.split("::")[1:]])


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    patterns = [name if "*" in name else f"*{name}*" for name in config.getoption("--name")]
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.module.__name__, len(ranks)))
    if patterns:
        items[:] = [one for one in items if any(fnmatch.fnmatchcase(full_name(one), p) for p in patterns)]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    stats = terminalreporter.stats
    passed, skipped = (len(stats.get(outcome, [])) for outcome in ("passed", "skipped"))
    # A test may fail, and its tear-down as well.
    failed = {report.nodeid for outcome in ("failed", "error") for report in stats.get(outcome, [])}
    line = f"{passed} passed, {len(failed)} failed, {skipped} skipped"
    terminalreporter.write_line(line)
