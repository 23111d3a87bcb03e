"""What tools/bench makes of its figures: the report and its pictures. It measures nothing here."""

from __future__ import annotations

import ast
import json
import re
import sys
import unittest
import xml.etree.ElementTree as XML
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from support import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tools"))

import benchmarks  # noqa: E402
from benchmarks import report  # noqa: E402
from benchmarks.bench import Bench, Target  # noqa: E402
from benchmarks.figures import SPREAD, Sample, cells, fit, table_of  # noqa: E402
from benchmarks.launches import Launches  # noqa: E402
from benchmarks.pictures import bar_chart, log_chart  # noqa: E402
from benchmarks.running import kept  # noqa: E402
from benchmarks.texts import text, words  # noqa: E402
from benchmarks.timing import Cost  # noqa: E402
from common.documents import table  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
KEPT, MEASURED = "A large Python server", "Sizes"


def example() -> str:
    """A report with a section that is measured on request, and one that is not."""
    rows = [["large", "at most 1", "2", "**not reached**", KEPT]]
    rows.append(["small", "at most 1", "1", "reached", MEASURED])
    parts = {
        report.TARGETS: table(report.TARGET_HEADS, rows),
        report.MACHINE: "- processors: 2 × any\n- memory: 1 GiB\n",
        MEASURED: "*Onefold 1, first.*\n\nsmall\n",
        KEPT: "*Onefold 1, first.*\n\n## not a heading of ours\nlarge\n",
    }
    return report.document(parts)


class Document(unittest.TestCase):
    def test_what_is_written_is_read(self):
        parts = report.parts_of(example())
        self.assertEqual(parts[MEASURED], "*Onefold 1, first.*\n\nsmall\n")
        self.assertEqual(report.document(parts), example())
        self.assertEqual(report.machine_of(parts[report.MACHINE])["memory"], "1 GiB")

    def test_a_whole_run_keeps_what_is_measured_on_request(self):
        text = report.kept(example())
        parts = report.parts_of(text)
        self.assertIn("large", parts[KEPT])
        self.assertNotIn(MEASURED, parts)
        rows = report.rows_of(parts[report.TARGETS])
        self.assertEqual([row[0] for row in rows], ["large"])

    def test_the_head_names_what_is_measured_on_request(self):
        head = " ".join(example().split("\n## ")[0].split())
        for name in report.ON_REQUEST:
            self.assertIn(f"*{report.SECTIONS[name][0]}*", head)

    def test_of_another_machine_nothing_is_kept(self):
        self.assertIn("processors", report.other_machine(example()))

    def test_the_repository_has_a_report_of_known_sections(self):
        text = (REPOSITORY / "docs" / "benchmarks.md").read_text()
        for name in report.ON_REQUEST:
            title = report.SECTIONS[name][0]
            if title in report.parts_of(text):
                self.assertIn(title, report.parts_of(report.kept(text)))

    def test_costs_stand_at_the_end(self):
        costs = [Cost("`tools/build`", 12.4, 20.1), Cost("all of it", 1_234, 2_000)]
        text = report.with_costs(costs, example())
        body = text.split("\n## ")[-1]
        self.assertTrue(body.startswith(report.COSTS))
        self.assertIn("| `tools/build` | 12 | 20 |", body)
        self.assertIn("| all of it | 1,234 | 2,000 |", body)

    def test_targets_have_a_direction(self):
        least = Target("s", "w", 5, 4, "", 0, at_least=True).row()
        most = Target("s", "w", 5, 4, "", 0).row()
        self.assertEqual(least[1:4], ["at least 4", "5", "reached"])
        self.assertEqual(most[1:4], ["at most 4", "5", "**not reached**"])


    def test_a_name_in_braces_becomes_a_value_or_stays(self):
        body = text("servers", starting="one", building="", results="\n| a |\n| b |\n")
        self.assertTrue(body.startswith("one\n\nPyInstaller"))
        self.assertTrue(body.endswith("theirs.\n\n| a |\n| b |\n"))
        self.assertIn("{CACHE_DIR}", body)

    def test_each_section_has_words(self):
        # What "heavy" measures is said by the words of the sections that it repeats.
        self.assertEqual(set(report.SECTIONS) - set(words()), {"heavy"})


class Modules(unittest.TestCase):
    def test_a_module_imports_modules_of_lower_levels_only(self):
        drawn = re.findall(r"^ +(\d+)  (\w.*)$", benchmarks.__doc__, re.MULTILINE)
        levels = {name: int(level) for level, names in drawn for name in names.split()}
        sources = Path(benchmarks.__file__).parent.glob("[!_]*.py")
        self.assertEqual(set(levels), {path.stem for path in sources})
        for name, level in levels.items():
            tree = ast.parse((Path(benchmarks.__file__).parent / f"{name}.py").read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.level == 1:
                    self.assertLess(levels[node.module], level, f"{name} imports {node.module}")


class Kept(unittest.TestCase):
    def test_it_is_made_again_of_other_inputs_only(self):
        made = []

        def make(directory: Path) -> None:
            self.assertEqual(list(directory.iterdir()), [])
            (directory / "file").touch()
            made.append(directory)

        with TemporaryDirectory() as parent:
            for inputs in ("a", "a", "b", "b"):
                self.assertTrue((kept(Path(parent) / "one", inputs, make) / "file").exists())
        self.assertEqual(len(made), 2)


class DrivenBench(unittest.TestCase):
    REPORT = {
        "notes": [],
        "subjects": [
            {"metrics": {"warm": {"unit": "ns", "samples": [2_500_000, 1_000_000]}}},
            {"metrics": {"warm-memory": {"unit": "B", "samples": [1 << 21]}}},
        ],
    }

    def test_its_figures_are_milliseconds_and_mebibytes(self):
        with TemporaryDirectory() as directory:
            program = Path(directory) / "onefold"
            program.write_text(f"#!/bin/sh\necho '{json.dumps(self.REPORT)}'\n")
            program.chmod(0o755)
            workshop = SimpleNamespace(program=program)
            first, second = Launches([Path("file")], Path(directory), 2).measured(workshop)
        self.assertEqual(first, {"warm": Sample([2.5, 1.0])})
        self.assertEqual(second, {"warm-memory": Sample([2.0])})

    def test_options_come_before_the_arguments_of_programs(self):
        launches = Launches([Path("a")], Path("/d"), 3, against=[["/b c", "--x=$1"]])
        launches.cache_variables, launches.reset = ["PEX_ROOT"], "rm -rf e"
        launches.until_health, launches.arguments = True, ["--port", "{port}"]
        words_of_line = [str(part) for part in launches.command(Path("onefold"))]
        self.assertEqual(words_of_line[:2], ["onefold", "bench"])
        self.assertEqual(words_of_line[-3:], ["--", "--port", "{port}"])
        expected = [["--against", "'/b c' '--x=$1'"], ["--cache-variable", "PEX_ROOT"]]
        expected += [["--reset", "rm -rf e"], ["--http", "/api/health"]]
        pairs = [list(pair) for pair in zip(words_of_line, words_of_line[1:])]
        for pair in expected:
            self.assertIn(pair, pairs)


class Figures(unittest.TestCase):
    def test_a_row_has_a_cell_for_each_head(self):
        row = cells("what | files:0 | MB:1 | empty:1", "`a`", 1_234, 5.67, None)
        row += Sample([10, 20, 40]).cells("ms")
        lines = table_of([row]).splitlines()
        self.assertEqual(lines[0], f"| what | files | MB | empty | ms | {SPREAD} |")
        self.assertEqual(lines[2], "| `a` | 1,234 | 5.7 |  | 20 | 10 / 15 / 30 |")
        with self.assertRaises(ValueError):
            cells("one | two", "1")

    def test_a_line_is_found(self):
        for found, expected in zip(fit([(x, 3 + 2 * x) for x in (1, 100, 9_000)]), (2, 3)):
            self.assertAlmostEqual(found, expected)

    def test_small_rows_count_as_large_ones(self):
        _, start = fit([(1, 3), (10, 3), (100, 3), (1_000_000, 1_000_100)])
        self.assertLess(abs(start - 3), 1)


class Pictures(unittest.TestCase):
    def drawn(self, svg: str) -> XML.Element:
        root = XML.fromstring(svg)
        self.assertEqual(root.tag, f"{SVG}svg")
        self.assertEqual(root.get("role"), "img")
        return root

    def test_bars(self):
        bars = {"`a & b` <c>": Sample([10, 20, 40]), "onefile": Sample([5])}
        root = self.drawn(bar_chart("Two", "ms", {"all": bars}))
        widths = [float(bar.get("width")) for bar in root.iter(f"{SVG}rect")]
        self.assertAlmostEqual(widths[0] / widths[1], 4, places=1)
        words = root.findtext(f"{SVG}desc")
        self.assertIn("a & b <c> 20.0 ms", words)
        self.assertEqual(len(list(root.iter(f"{SVG}line"))) > 1, True)

    def test_lines(self):
        lines = {"up": [(10, 1), (100, 10), (1_000, 100)], "none": [(10, 0)]}
        root = self.drawn(log_chart("Line", "files", "ms", lines))
        [line] = root.iter(f"{SVG}polyline")
        points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        steps = [b[0] - a[0] for a, b in zip(points, points[1:])]
        self.assertAlmostEqual(steps[0], steps[1], places=0)
        self.assertGreater(points[0][1], points[2][1])

    def test_they_are_written_beside_the_report(self):
        with TemporaryDirectory() as directory:
            place = Path(directory) / "report"
            bench = Bench(None, [], 1, pictures=place)
            link = bench.picture("one", "<svg/>", "Words")
            self.assertEqual(link, "\n![Words](report/one.svg)\n")
            self.assertEqual((place / "one.svg").read_text(), "<svg/>")
        self.assertEqual(Bench(None, [], 1).picture("one", "<svg/>", "Words"), "")


if __name__ == "__main__":
    unittest.main()
