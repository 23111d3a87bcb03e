"""The words of the report, which are in texts.md by section."""

from __future__ import annotations

import re
import textwrap
from functools import lru_cache
from pathlib import Path

HEADING = re.compile(r"^## (.+)\n\n", re.MULTILINE)
NAME = re.compile(r"\{(\w+)\}")
WIDTH = 100


def parts_of(text: str) -> dict[str, str]:
    """The sections of a document, by title."""
    _, *pieces = HEADING.split(text)
    return {title: body.rstrip("\n") + "\n" for title, body in zip(pieces[::2], pieces[1::2])}


@lru_cache
def words() -> dict[str, str]:
    return parts_of(Path(__file__).with_name("texts.md").read_text())


def text(part: str, **values: object) -> str:
    """The paragraphs of a part, with values in place of their names in braces. A paragraph that is
    one name becomes the value as it is, such as a table, or nothing if it is empty."""
    paragraphs = []
    for paragraph in words()[part].strip().split("\n\n"):
        filled = NAME.sub(lambda name: str(values.get(name[1], name[0])), paragraph)
        if not NAME.fullmatch(paragraph):
            filled = textwrap.fill(filled, WIDTH, break_long_words=False, break_on_hyphens=False)
        paragraphs.append(filled.strip("\n"))
    return "\n\n".join(filter(None, paragraphs)) + "\n"
