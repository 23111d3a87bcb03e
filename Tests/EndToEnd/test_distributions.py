"""The packer on Debian 13: what a person installs and packs there, and where the files run.

tools/distributions does the same on every distribution of docs/portability.md, with more examples.
"""

from __future__ import annotations

import os
import sys
import tempfile
import unittest
from pathlib import Path

from support import REPOSITORY, needs_program, needs_root, run, scratch

sys.path.insert(0, str(REPOSITORY / "tools"))

from common.documents import with_section  # noqa: E402
from distros.matrix import Matrix, current_wheel, is_new_enough  # noqa: E402
from distros.packing import NOTIFY, STATIC, Packed, facts_of, role  # noqa: E402
from distros.report import REPORT, tables  # noqa: E402
from distros.roots import MUSL, root  # noqa: E402

SUITE = "trixie"
#: A ninth of the time of the spec's level 19, and within its `max-size`.
LEVEL = 12


@needs_root
@needs_program("debootstrap")
class Debian13(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        work = Path(tempfile.mkdtemp(dir=scratch()))
        systems = {suite: facts_of(suite) for suite in (SUITE, MUSL)}
        cls.matrix = Matrix(current_wheel(), systems, work, LEVEL)
        for user in (False, True):
            cls.matrix.pack(SUITE, user, (NOTIFY, STATIC))

    def setUp(self) -> None:
        if self.matrix.failures:
            self.fail("\n".join(self.matrix.failures))

    def files(self, folder: str) -> list[Packed]:
        found = [packed for packed in self.matrix.packed if packed.example.folder == folder]
        self.assertEqual([packed.user for packed in found], [False, True])
        return found

    def assertLaunches(self, suite: str, folder: str, runs: bool) -> None:
        for packed in self.files(folder):
            self.matrix.launch(packed, suite)
        self.assertEqual(self.matrix.failures, [])
        self.assertEqual(self.matrix.runs[SUITE, suite, folder], runs)

    def test_a_process_that_enters_the_namespace_of_another_stays_in_the_root(self) -> None:
        entered = 'nsenter --target $$ --mount cat /etc/debian_version'
        result = root(SUITE).run(["sh", "-c", entered], capture=True)
        self.assertRegex(result.stdout, "^13", result.stderr)

    def test_root_and_a_user_pack_the_same_bytes(self) -> None:
        self.matrix.compare(SUITE)
        self.assertEqual(self.matrix.failures, [])

    def test_a_server_of_the_systems_python_runs_there_cold_and_warm(self) -> None:
        self.assertLaunches(SUITE, "notify", True)

    def test_without_glibc_it_is_refused(self) -> None:
        self.assertLaunches(MUSL, "notify", False)

    def test_a_static_server_runs_with_and_without_glibc(self) -> None:
        self.assertLaunches(SUITE, "static", True)
        self.assertLaunches(MUSL, "static", True)

    def test_on_this_machine_it_runs_or_is_refused(self) -> None:
        """Debian 12, where most run the tests, is older than what Debian 13's Python needs."""
        present = os.confstr("CS_GNU_LIBC_VERSION").split()[-1]
        for packed in self.files("notify"):
            with self.subTest(role(packed.user)), tempfile.TemporaryDirectory() as home:
                result = run([packed.path, "--version"], environment={"HOME": home})
                if is_new_enough(packed.glibc, present):
                    self.assertEqual((result.returncode, result.stdout), (0, b"notify 1.0.0\n"))
                    continue
                self.assertEqual(result.returncode, 125)
                needed = f"this program needs glibc {packed.glibc} or newer ("
                self.assertIn(needed, result.stderr.decode())
                self.assertIn(f"; this system has glibc {present}: ", result.stderr.decode())
                left = [path for path in Path(home).rglob("*") if not path.is_dir()]
                self.assertEqual(left, [])

    def test_the_report_has_a_place_for_each_table(self) -> None:
        for folder in (NOTIFY.folder, STATIC.folder):
            for suite in self.matrix.systems:
                self.matrix.runs.setdefault((SUITE, suite, folder), True)
        report = REPORT.read_text()
        for name, body in tables(self.matrix).items():
            self.assertIn(body, with_section(REPORT, report, f"distributions: {name}", body))


if __name__ == "__main__":
    unittest.main()
