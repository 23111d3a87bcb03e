"""Documents of which a tool writes parts: those between a marker and the next `<!-- end -->`."""

from __future__ import annotations

import re
from pathlib import Path

from .running import REPOSITORY, Failure

END = "<!-- end -->\n"


def with_section(path: Path, document: str, marker: str, body: str) -> str:
    """The document with another text after the marker, which must be there once.

    Parameters:
      path: where the document is, for the message of a failure.
      marker: `TOOL: SECTION`.
    """
    begin = f"<!-- {marker} -->\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(END), re.DOTALL)
    if len(pattern.findall(document)) != 1:
        raise Failure(f"{path.relative_to(REPOSITORY)} has no single place for {begin.strip()}")
    return pattern.sub(lambda _: begin + body + END, document)
