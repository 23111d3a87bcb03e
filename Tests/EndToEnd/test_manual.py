"""`onefold man`: a page that formatters have nothing against, with every option."""

from __future__ import annotations

import re
import unittest

from support import Case, needs_program, onefold, run, succeed
from test_completions import Table, help_of, options


class Manual(Case):
    def setUp(self) -> None:
        super().setUp()
        self.source = succeed(onefold("man")).stdout

    @needs_program("mandoc")
    def test_mandoc_accepts_it(self) -> None:
        result = run(["mandoc", "-Tlint", "-Wwarning"], input=self.source)
        self.assertEqual(result.stdout.decode() + result.stderr.decode(), "")
        self.assertEqual(result.returncode, 0)

    @needs_program("groff")
    def test_groff_accepts_it(self) -> None:
        shown = run(["groff", "-ww", "-man", "-Tutf8", "-P-c"], input=self.source)
        self.assertEqual((shown.returncode, shown.stderr), (0, b""))
        text = re.sub(r".\x08", "", shown.stdout.decode())
        table = Table.read()
        general = options(help_of("--help"))
        for command, known in table.options.items():
            with self.subTest(command):
                section = re.split(r"\n {0,3}(?=\S)", text.split(f"\n   {command}\n")[1])[0]
                named = re.findall(r"^       (-[^ ].*?)(?:  |$)", section, re.MULTILINE)
                found = {name for line in named for name in re.findall(r"(?:^|, )(--?\w[\w-]*)", line)}
                self.assertEqual(found, {name for name in known if name not in ("-h", "--help", *general)})
        for name in general:
            self.assertIn(name, text.split("COMMANDS")[0])


if __name__ == "__main__":
    unittest.main()
