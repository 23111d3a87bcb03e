"""What `onefold pack` says of bytes that a maker may not expect. All kinds are in Tests/Insight."""

from __future__ import annotations

import re
import unittest

from spec_support import SITE, SpecCase, application, compile_library, pack_environment, wheel
from support import Case, make_tree, noise, onefold, pack, program, run, succeed


class Trees(Case):
    def summary(self, entries: dict) -> str:
        """What is said of a tree from the first surprise on; empty if there is none."""
        tree = make_tree(self.new_directory() / "tree", {"run": program(), **entries})
        command = ["pack", "--tree", tree, "--entry", "run", "-o", self.work / "packed", "--level", "1"]
        said = succeed(onefold(*command)).stderr.decode()
        return said[said.index("  surprises:\n") :] if "surprises" in said else ""

    def test_none(self) -> None:
        entries = {f"{number}.py": noise(50_000, str(number)) for number in range(20)}
        self.assertEqual(self.summary(entries), "")
        tree = make_tree(self.work / "tree", {"run": program(), **entries})
        self.assertEqual(pack(tree, self.work / "packed").summary["surprises"], [])

    def test_the_largest_three_are_named(self) -> None:
        entries = {
            "a/tests/test_x.py": noise(3_000_000, "a"),
            "lib/libx.a": noise(2_500_000, "b"),
            "include/x.h": noise(2_000_000, "c"),
            "lib/main.js.map": noise(1_500_000, "d"),
            "program.so": noise(9_000_000, "e"),
        }
        # Files that share frames share their bytes.
        said = re.sub(r"[\d.]+ MB in the file", "N MB in the file", self.summary(entries))
        self.assertEqual(
            said,
            "  surprises:\n"
            "    tests of a/: N MB in the file, 3.0 MB unpacked\n"
            "      to drop it: remove from the tree a/tests\n"
            "    static libraries and object files of lib/: N MB in the file, 2.5 MB unpacked\n"
            "      to drop it: remove from the tree lib/**/*.a\n"
            "    sources and headers in C and the like of include/: N MB in the file, 2.0 MB unpacked\n"
            "      to drop it: remove from the tree include/**/*.h\n"
            "    1 more surprise: see 'onefold inspect --html'\n",
        )

    def test_equal_files_cost_only_unpacked_bytes(self) -> None:
        content = noise(2_000_000)
        said = self.summary({"a.so": content, "b.so": content, "c.so": content})
        self.assertIn("    3 files with the content of a.so: 4.0 MB unpacked, and nothing in the file\n", said)
        self.assertIn("remove from the tree b.so, c.so\n", said)

    def test_debug_information_is_found_in_compiled_files(self) -> None:
        path = self.work / "libdebug.so"
        stripped = compile_library("int f(void) { return 1; }\n", path, "-s")
        extra = self.work / "extra"
        extra.write_bytes(noise(3_000_000))
        succeed(run(["objcopy", "--add-section", f".debug_info={extra}", path]))
        said = self.summary({"libdebug.so": path.read_bytes()})
        title = "debug information and symbols of programs and libraries"
        self.assertRegex(said, rf"    {title}: (3.0|2.9) MB in the file, 3\.0 MB unpacked\n")
        self.assertIn("      to drop it: strip the files\n", said)
        succeed(run(["strip", path]))
        self.assertAlmostEqual(path.stat().st_size, len(stripped), delta=1000)
        self.assertEqual(self.summary({"libdebug.so": path.read_bytes()}), "")


class Spec(SpecCase):
    def test_the_message_of_a_limit_names_them(self) -> None:
        wheel("surprising", {"surprising/__init__.py": "", "surprising/locale/xx.mo": noise(2_500_000, "surprising")})
        directory = application(
            self.work / "application", dependencies={"packages": ["surprising"]}, archive={"max-size": "1 MB"}
        )
        result = onefold("pack", "--spec", directory, environment=pack_environment(), cwd=directory)
        self.assertEqual((result.returncode, result.stdout), (1, b""), result.stderr)
        said = result.stderr.decode()
        self.assertIn("archive.max-size", said)
        self.assertIn("  surprises:\n    translations of surprising 1.0: ", said)
        self.assertIn(f'      to drop it: [prune] remove = ["{SITE}/surprising/locale"]\n', said)


if __name__ == "__main__":
    unittest.main()
