"""Tables in Markdown, and the documents that hold them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Iterable, Optional, Sequence

from .basics import REPOSITORY, Failure

END = "<!-- end -->\n"


def table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], figures: Optional[Sequence[str]] = None
) -> str:
    """The columns of `figures` are aligned to the right; None stands for all but the first."""
    marks = []
    for index, head in enumerate(heads):
        is_figure = index > 0 if figures is None else head in figures
        marks.append("---:" if is_figure else "---")
    lines = [heads, marks, *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def figure(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A count and its noun: "1 file", "1,234 files"."""
    return f"{figure(number)} {noun if number == 1 else plural or noun + 's'}"


def with_section(path: Path, document: str, marker: str, body: str) -> str:
    """The document with another text between a marker, which must be there once, and the next
    `<!-- end -->`.

    Parameters:
      path: where the document is, for the message of a failure.
      marker: `TOOL: SECTION`.
    """
    begin = f"<!-- {marker} -->\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(END), re.DOTALL)
    if len(pattern.findall(document)) != 1:
        raise Failure(f"{path.relative_to(REPOSITORY)} has no single place for {begin.strip()}")
    return pattern.sub(lambda _: begin + body + END, document)


def commit_without(written: Iterable[Path]) -> str:
    """The commit that is checked out, and whether more was changed than the paths in `written`.
    A report that is being written does not change what it tells of."""
    others = [f":/!{path.relative_to(REPOSITORY)}" for path in written]
    commit = git("describe", "--always")
    if commit and git("status", "--porcelain", "--untracked-files=no", "--", ":/", *others):
        commit += ", with changes"
    return commit or "no commit"


def git(*arguments: str) -> str:
    """What git prints of this repository; nothing if it fails."""
    command = ["git", "-C", str(REPOSITORY), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
