"""docs/launch.md says what a launch says: its messages are compared in both directions.

The texts come from a snapshot that Tests/Launcher makes of the code, and from the bootloader itself: no text with words in it may be
in the bootloader that neither the snapshot nor the document has. Variables, verbs and exit codes are compared in Tests/OnefoldCLI.
"""

from __future__ import annotations

import re
import unittest
from pathlib import Path

import catalogue
from support import BOOTLOADER, REPOSITORY

LAUNCH = REPOSITORY / "docs" / "launch.md"
FORMAT = REPOSITORY / "docs" / "format.md"

#: What the document has for a path or a value, for other text, and for a number.
PLACEHOLDER = re.compile(r"'\.\.\.'|\.\.\.|\bN\b")
#: Texts of the bootloader that are no messages: parts of what `help`, `inspect`, `trace` and the file in a cache directory show, and
#: what is never shown, and a text that the launcher looks for in glibc.
OTHERS = [
    ", packed by ", " or newer, for ", " bytes in ", "the program ends with it, by ", "no files of older trees", " after the trailer", "; together ",
    "phase            ms   share           bytes      MB/s", "Onefold unpacked this directory, and removes it when it is not used.",
    "interrupted by signal ", ", if taken ", "a path has 107 bytes at most", " release version ", "tree id",
]  # fmt: skip
#: Words of the bootloader that the documents do not show as code: labels of `inspect`, codecs, JSON, files of /proc.
WORDS = {"appended", "day", "second", "directories", "frames", "none", "store", "zstd", "true", "false", "cmdline", "cwd", "maps"}
#: What a C library tells of errors begins with a capital letter; these two are of the tools that made the bootloader.
FOREIGN = ("clang version ", "block transform for x86_64")


def rows(head: str, document: Path = LAUNCH) -> list[str]:
    """What stands as code in the first column of all tables with that head."""
    tables = re.findall(rf"^\| {head} \|.*\n\|.*\n((?:\|.*\n)+)", document.read_text("utf-8"), re.MULTILINE)
    cells = [line.split(" | ")[0] for table in tables for line in table.splitlines()]
    return [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]


def codes(document: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", document.read_text("utf-8"))


def strings(program: bytes) -> set[str]:
    """The strings of a program: printable, and with a NUL after them."""
    return {text.decode() for text in re.findall(rb"(?<![ -~])[ -~\n]{3,}(?=\0)", program)}


class Messages(unittest.TestCase):
    program: bytes

    @classmethod
    def setUpClass(cls) -> None:
        cls.program = BOOTLOADER.read_bytes()

    def has(self, text: str) -> bool:
        """Whether the bootloader has a string that ends with `text`."""
        return f"{text}\0".encode() in self.program

    def compare(self, head: str, texts: list[str]) -> None:
        documented = rows(head)
        self.assertEqual(sorted(documented), sorted(set(documented)), f"{head}: a row stands twice")
        self.assertEqual(set(texts) - set(documented), set(), f"{head}: without a row in docs/launch.md")
        self.assertEqual(set(documented) - set(texts), set(), f"{head}: no source says that")

    def test_every_message_has_a_row_and_every_row_a_message(self) -> None:
        # C code says it.
        memory = "cannot allocate memory"
        self.assertTrue(self.has(f"onefold: {memory}\n"))
        self.compare("message", [*catalogue.texts("message"), memory])
        self.compare("on stderr", catalogue.texts("on stderr"))
        self.compare("on a terminal", catalogue.texts("on a terminal"))
        damage = catalogue.texts("damage")
        self.compare("damage", damage)
        document = LAUNCH.read_text("utf-8")
        for text in (*catalogue.texts("warning"), *catalogue.texts("interrupted")):
            self.assertIn(f"`{text}`", document)

    def test_operations_and_reasons_are_in_the_bootloader(self) -> None:
        for head in ("OPERATION", "reason", "REASON"):
            texts = rows(head)
            self.assertGreater(len(texts), 5)
            parts = [part for text in texts for part in PLACEHOLDER.split(text.replace("'...'", "...")) if part]
            self.assertEqual([part for part in parts if not self.has(part)], [], head)

    def test_every_text_of_the_bootloader_is_known(self) -> None:
        """Its words are those of a message, of the document, or of what verbs show."""
        known = [
            *(text for _, text in catalogue.lines()), *(text.partition(": ")[0] for _, text in catalogue.lines()),
            *codes(LAUNCH), *OTHERS,
        ]  # fmt: skip
        unknown = []
        for string in sorted(strings(self.program)):
            for line in string.removeprefix("onefold: ").splitlines():
                words = re.search(r"[a-z]{2}\S* [a-z(]", line) and re.match(r"\s*(Onefold|ONEFOLD|Other|[^A-Z])", line)
                if words and not any(foreign in line for foreign in FOREIGN) and not any(line.strip() in text for text in known):
                    unknown.append(line)
        self.assertEqual(unknown, [], "texts that neither docs/launch.md nor the snapshot has")

    def test_every_word_of_the_bootloader_is_known(self) -> None:
        """Operations of one word among them."""
        known = {word for code in codes(LAUNCH) + codes(FORMAT) for word in re.findall(r"[a-z]+", code)} | WORDS
        words = {word.decode() for word in re.findall(rb"(?<=\0)[a-z]{3,}(?=\0)", self.program)}
        self.assertGreater(len(words), 50)
        self.assertEqual(sorted(words - known), [])

    def test_every_message_says_what_it_means_and_what_to_do(self) -> None:
        for head in ("message", "reason"):
            for table in re.findall(rf"^\| {head} \|.*\n\|.*\n((?:\|.*\n)+)", LAUNCH.read_text(), re.MULTILINE):
                for line in table.splitlines():
                    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
                    self.assertEqual((len(cells), all(cells)), (3, True), line)

    def test_every_fault_is_in_the_format(self) -> None:
        texts = list(catalogue.faults().values())
        self.assertGreater(len(texts), 60)
        lines = FORMAT.read_text("utf-8").partition("## What readers say")[2].partition("\n## ")[0].splitlines()
        cells = [line.split(" | ")[1] for line in lines if line.startswith("| [")]
        self.assertEqual([text for cell in cells for text in re.findall(r"`([^`]+)`", cell)], texts)

    def test_members_of_events_are_documented(self) -> None:
        [table] = re.findall(r"^\| event \|.*\n\|.*\n((?:\|.*\n)+)", LAUNCH.read_text(), re.MULTILINE)
        cells = [re.split(r" \|(?= )", line) for line in table.splitlines()]
        documented = {event.strip("| `"): sorted(re.findall(r"`(\w+)`", members)) for event, members, *_ in cells}
        self.assertEqual(documented, catalogue.events())


if __name__ == "__main__":
    unittest.main()
