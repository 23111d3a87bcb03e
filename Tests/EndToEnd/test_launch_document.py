"""docs/launch.md says what a launch says: its messages are compared in both directions.

Failures of reading, unpacking and the cache come from a snapshot that Tests/CacheDirectory makes of the code. The other texts are
collected from the sources.

Each message has to have a row in a table, each row has to be what the sources can put together, and no text with words in it that the
bootloader is made of may be left over. Variables, verbs and exit codes are compared in Tests/OnefoldCLI, events and phases in
test_launch_report.py.
"""

from __future__ import annotations

import re
import unittest
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple

from support import BOOTLOADER, REPOSITORY

LAUNCH = REPOSITORY / "docs" / "launch.md"
FORMAT = REPOSITORY / "docs" / "format.md"

#: What the bootloader is made of.
ROOMS = [
    "Bootloader",
    "Bootloader/Launcher",
    "Sources/CacheDirectory",
    "Sources/ContentHash",
    "Sources/CPosix",
    "Sources/CTrimmed",
    "Sources/PayloadFormat",
    "Sources/PayloadReader",
    "Sources/Posix",
    "Sources/Reporting",
]
#: The failures as the code makes them, a line "KIND: TEXT" each, and the files that make them.
SNAPSHOT = REPOSITORY / "Tests" / "CacheDirectory" / "Snapshots" / "failures.txt"
RECORDED = {"CacheFailures.swift", "FormatError.swift", "PayloadFailures.swift"}
#: Where texts with words stand that are no messages: what `help`, `inspect` and `trace` show, a call that the packer alone makes, and
#: what a launch that ends by a signal does not say.
OTHERS = {
    ("Verbs.swift", "summary"),
    ("Verbs.swift", "helpText"),
    ("Verbs.swift", "showHelp"),
    ("Inspection.swift", "inspectionText"),
    ("Timeline.swift", "table"),
    ("FileDescriptor.swift", "openUnnamed"),
}
UNSAID = "interrupted by signal ..."

#: How a call of the system that failed is told: with the path, where there is one; and apart from others, with exit codes of its own,
#: the execution of the program.
FAILURES = {"cannot OPERATION '...': REASON", "cannot OPERATION: REASON", "cannot execute '...': REASON"}

#: What the document has for what a message is filled with.
PLACEHOLDER = re.compile(r" ?'\.\.\.'|\.\.\.|N|REASON|OPERATION")

FUNCTION = re.compile(r"\bfunc (\w+)|\bvar (\w+): \w+\?? \{|(?<!\.)\b(init)\(|^\w[\w *]*?(\w+)\(.*\{$", re.MULTILINE)
CASE = re.compile(r"\bcase ((?:\.\w+(?:\([^)]*\))?(?: where \w+)?(?:,\s*)?)+):|\bdefault:|\bfunc\b|(?<!\.)\binit\(")


class Literal(NamedTuple):
    """A string literal, or several that are joined by +."""

    file: str
    #: The function or property that it stands in.
    function: str
    #: The code before it.
    context: str
    #: The labels of the `case` that it stands in.
    labels: frozenset[str]
    #: The text between interpolations.
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "...".join(self.parts)

    @property
    def pattern(self) -> str:
        pattern = "(.*?)".join(map(re.escape, self.parts))
        # The path that an operation failed on, if it has one.
        return pattern.replace("(.*?)(.*?)", r"(.*?)( '\.\.\.'|)")

    @property
    def has_words(self) -> bool:
        return any(re.search(r"[a-z]{2}\S* [a-z(]", part) for part in self.parts)


def literals(path: Path) -> Iterator[Literal]:
    # Blanks, so that places stay the same.
    text = re.sub(r"(?m)^\s*//.*$|^#(?:.*\\\n)*.*$", lambda match: " " * len(match[0]), path.read_text("utf-8"))
    position = 0
    while (start := text.find('"', position)) >= 0:
        parts: list[str] = []
        position = read_literal(text, start, parts)
        while joined := re.compile(r'\s*\+\s*"').match(text, position):
            more: list[str] = []
            position = read_literal(text, joined.end() - 1, more)
            parts[-1:] = [parts[-1] + more[0], *more[1:]]
        parts[0] = parts[0].removeprefix("onefold: ")
        before = text[:start]
        names = [next(filter(None, found), "") for found in FUNCTION.findall(before)]
        cases = CASE.findall(before)
        labels = re.findall(r"\.(\w+)", cases[-1]) if cases else []
        yield Literal(
            path.name, names[-1] if names else "", before[-200:].rstrip(), frozenset(labels), tuple(parts)
        )


def read_literal(text: str, start: int, parts: list[str]) -> int:
    """Returns where the literal that begins at `start` ends; `parts` gets its text."""
    quote = '"""' if text.startswith('"""', start) else '"'
    part, position = "", start + len(quote)
    while not text.startswith(quote, position):
        if text.startswith("\\(", position):
            parts.append(part)
            part, depth, position = "", 1, position + 2
            while depth:
                if text[position] == '"':
                    position = read_literal(text, position, [])
                else:
                    depth += {"(": 1, ")": -1}.get(text[position], 0)
                    position += 1
        else:
            length = 2 if text[position] == "\\" else 1
            part += text[position : position + length].replace("\\n", "")
            position += length
    parts.append(part)
    return position + len(quote)


def recorded(*kinds: str) -> list[Literal]:
    """The snapshot's failures of some kinds; of all but damage and faults without one."""
    result = []
    for line in SNAPSHOT.read_text("utf-8").splitlines():
        kind, _, text = line.partition(": ")
        if kind in kinds or not (kinds or kind in ("damage", "fault")):
            # Faults have no placeholder; some have a number.
            parts = [text] if kind == "fault" else re.split(r"'\.\.\.'|\.\.\.|\bN\b", text)
            result.append(Literal(SNAPSHOT.name, kind, "", frozenset([kind]), tuple(parts)))
    return result


class Sources:
    """The texts of the bootloader, by how they are used."""

    def __init__(self) -> None:
        files = [file for room in ROOMS for file in sorted((REPOSITORY / room).iterdir())]
        self.all = [
            literal
            for file in files
            if file.suffix in (".swift", ".c") and file.name not in RECORDED
            for literal in literals(file)
        ]
        self.errors = recorded()
        #: They say what to do, after the text of an error with one of their labels.
        self.advice = [literal for literal in self.of("LaunchFailures.swift") if literal.has_words]
        advised = {label for literal in self.advice for label in literal.labels}
        self.failures = [literal for literal in self.of("Failure.swift") if literal.parts[0] == "cannot "]
        self.messages = [
            *self.before(r"(\bfail|\.(refused|notExecutable))\(|message\[\] ="),
            *self.advice,
            *(literal for literal in self.errors if not literal.labels & advised),
            *self.failures,
        ]
        self.lines = [literal for literal in self.before(r"\bwriteText\(") if literal.file == "Verbs.swift"]
        self.labels = self.before(r"\breport\.(show|waiting)\((\.\w+,)?")
        self.progress = [
            *(literal for literal in self.of("TerminalProgress.swift") if " % (" in str(literal)),
            *(literal for literal in self.labels if str(literal).startswith("waiting ")),
        ]
        places = self.of("Candidates.swift", "Next.swift", "Above.swift")
        self.reasons = [literal for literal in places if literal.has_words]
        self.damage = recorded("damage")
        self.faults = recorded("fault")
        # The linker leaves out what the bootloader never calls.
        program = BOOTLOADER.read_bytes()
        self.operations = [
            literal
            for literal in self.before(r"\b(Failure|error|call)\(")
            if f"{literal}\0".encode() in program
        ]

    def of(self, *files: str) -> list[Literal]:
        return [literal for literal in self.all if literal.file in files]

    def before(self, pattern: str) -> list[Literal]:
        return [literal for literal in self.all if re.search(rf"({pattern})\s*$", literal.context)]


def rows(head: str, document: Path = LAUNCH) -> list[str]:
    """What stands as code in the first column of all tables with that head."""
    tables = re.findall(rf"^\| {head} \|.*\n\|.*\n((?:\|.*\n)+)", document.read_text("utf-8"), re.MULTILINE)
    cells = [line.split(" | ")[0] for table in tables for line in table.splitlines()]
    return [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]


class Chart(unittest.TestCase):
    """The chart of a launch and the function that follows it have the same boxes, in the same order."""

    BOX = r"\b[A-Z]{3,}(?: [A-Z]{3,})*\b"

    def test_the_function_follows_the_chart(self) -> None:
        chart = LAUNCH.read_text("utf-8").split("```")[1]
        boxes = list(dict.fromkeys(re.findall(self.BOX, chart.replace("ONEFOLD", ""))))
        function = (REPOSITORY / "Sources" / "CacheDirectory" / "OpenTree.swift").read_text("utf-8").partition("func followChart")[2]
        heads = re.findall(rf"(?m)^ *// ({self.BOX}(?:, {self.BOX})*)(?::.*)?$", function)
        self.assertGreater(len(boxes), 10)
        self.assertEqual(list(dict.fromkeys(", ".join(heads).split(", "))), boxes)

    def test_the_table_of_files_has_each_box(self) -> None:
        table = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8").partition("| box | file |")[2].partition("\n\n")[0]
        cells = [row.split(" | ")[0] for row in table.splitlines()[2:]]
        chart = LAUNCH.read_text("utf-8").split("```")[1].replace("ONEFOLD", "")
        self.assertEqual(set(re.findall(self.BOX, " ".join(cells))), set(re.findall(self.BOX, chart)))


class Messages(unittest.TestCase):
    sources: Sources

    @classmethod
    def setUpClass(cls) -> None:
        cls.sources = Sources()

    def derive(self, row: str, texts: Iterable[Literal]) -> set[str]:
        """The texts that `row` is put together of, beginning with one of `texts`; none where it can't be."""
        for text in texts:
            match = re.fullmatch(text.pattern, row)
            if not match:
                continue
            used = {str(text)}
            for filling in match.groups():
                if not filling:
                    used.add(filling)
                elif not PLACEHOLDER.fullmatch(filling):
                    further = self.derive(filling, self.fillings(text))
                    # Of a list the document shows the beginning.
                    further = further or self.derive(filling.removesuffix("..."), self.fillings(text))
                    if not further:
                        break
                    used |= further
            else:
                return used
        return set()

    def fillings(self, text: Literal) -> list[Literal]:
        sources = self.sources
        if text in sources.advice:
            return [error for error in sources.errors if error.labels & text.labels]
        errors = [error for error in sources.errors if error.has_words and error.labels >= text.labels]
        return [*errors, *sources.damage, *sources.operations, *sources.labels, *sources.failures]

    def compare(self, head: str, texts: list[Literal], *together: tuple[Literal, Literal]) -> set[str]:
        """Returns what the rows are put together of; some row has to have both of each of `together`."""
        documented = rows(head)
        self.assertEqual(sorted(documented), sorted(set(documented)), f"{head}: a row stands twice")
        derived = [self.derive(row, texts) for row in documented]
        unknown = [row for row, used in zip(documented, derived) if not used]
        self.assertEqual(unknown, [], f"{head}: no source says that")
        used = set().union(*derived)
        for one, other in together:
            has_both = any({str(one), str(other)} <= row for row in derived)
            self.assertTrue(has_both, f"{head}: without a row in docs/launch.md: {other} with {one}")
        missing = {str(text) for text in texts} - used
        self.assertEqual(missing, set(), f"{head}: without a row in docs/launch.md")
        return used

    def test_every_message_has_a_row_and_every_row_a_message(self) -> None:
        sources = self.sources
        used = {str(literal) for literal in sources.faults} | {UNSAID}
        # Which advice follows on an old or missing glibc depends on what was found.
        advised = [
            (advice, error)
            for advice in sources.advice
            for error in sources.errors
            if (error.has_words or not str(error)) and error.labels & advice.labels - {"glibc"}
        ]
        used |= self.compare("message", sources.messages, *advised)
        self.assertLessEqual(FAILURES, set(rows("message")))
        used |= self.compare("OPERATION", sources.operations)
        used |= self.compare("reason", sources.reasons)
        used |= self.compare("damage", sources.damage)
        used |= self.compare("on stderr", sources.lines)
        labelled = [(sources.progress[0], label) for label in sources.labels if label not in sources.progress]
        used |= self.compare("on a terminal", sources.progress, *labelled)
        document = LAUNCH.read_text("utf-8")
        left = [
            f"{literal.file}, {literal.function}: {literal}"
            for literal in sources.all
            if literal.has_words
            and str(literal) not in used
            and (literal.file, literal.function) not in OTHERS
            and f"`{literal}`" not in document
        ]
        self.assertEqual(left, [], "texts that are in no table")

    def test_every_message_says_what_it_means_and_what_to_do(self) -> None:
        for head in ("message", "reason"):
            for table in re.findall(rf"^\| {head} \|.*\n\|.*\n((?:\|.*\n)+)", LAUNCH.read_text(), re.MULTILINE):
                for line in table.splitlines():
                    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
                    self.assertEqual((len(cells), all(cells)), (3, True), line)

    def test_reasons_of_the_system_are_those_of_the_c_library(self) -> None:
        program = BOOTLOADER.read_bytes()
        texts = rows("REASON")
        self.assertGreater(len(texts), 5)
        self.assertEqual([text for text in texts if f"{text}\0".encode() not in program], [])

    def test_what_is_damaged_is_in_the_format(self) -> None:
        texts = [str(literal) for literal in self.sources.faults]
        self.assertGreater(len(texts), 60)
        lines = FORMAT.read_text("utf-8").partition("## What readers say")[2].partition("\n## ")[0].splitlines()
        cells = [line.split(" | ")[1] for line in lines if line.startswith("| [")]
        self.assertEqual([text for cell in cells for text in re.findall(r"`([^`]+)`", cell)], texts)

    def test_members_of_events_are_documented(self) -> None:
        source = (REPOSITORY / "Sources/Reporting/ProgressLines.swift").read_text("utf-8")
        known = {}
        for event, code in re.findall(r"\bbegin\(([^)]+)\)\)?\n(.*?)\n  \}", source, re.DOTALL):
            members = re.findall(r'"(\w+)"', " ".join(re.findall(r"member: (?:\w+ \? [^,]+|[^,]+)", code)))
            works = re.findall(r'case \.\w+: "(\w+)"', source)
            for name in works if event == "work.name" else [event.strip('"')]:
                known[name] = sorted(members)
        [table] = re.findall(r"^\| event \|.*\n\|.*\n((?:\|.*\n)+)", LAUNCH.read_text(), re.MULTILINE)
        cells = [re.split(r" \|(?= )", line) for line in table.splitlines()]
        self.assertEqual(
            {event.strip("| `"): sorted(re.findall(r"`(\w+)`", members)) for event, members, *_ in cells}, known
        )


if __name__ == "__main__":
    unittest.main()
