"""Packing from a spec what needs no Python."""

from __future__ import annotations

import os
import shutil
import unittest
from pathlib import Path

from spec_support import SpecCase, pack_command, pack_spec, toml, unpacked, write_files
from support import probe


class OtherPrograms(SpecCase):
    def other(self, **tables: object) -> Path:
        directory = self.work / "application"
        write_files(directory, {"share/page.html": "page", "share/cache/x": "x"})
        (directory / "bin").mkdir(exist_ok=True)
        shutil.copy(probe(), directory / "bin" / "server")
        spec = {
            "app": {"name": "other", "version": "3"},
            "data": [
                {"source": "bin"},
                {"source": "share", "target": "share/other", "exclude": ["cache"]},
            ],
            "launch": {"executable": "bin/server", "arguments": ["hello"]},
            "archive": {"level": 1},
            **tables,
        }
        (directory / "onefold.toml").write_text(toml(spec))
        return directory

    def test_the_tree_is_the_data_files(self) -> None:
        packed = pack_spec(self.other())
        tree = unpacked(packed, self.cache)
        found = sorted(
            os.path.relpath(os.path.join(directory, name), tree)
            for directory, _, names in os.walk(tree)
            for name in names
        )
        self.assertEqual(found, [".onefold/sbom.cdx.json", "bin/server", "share/other/page.html"])
        self.assertEqual(packed.summary["python"], "")
        self.assertLaunched(packed.launch(cache=self.cache))

    def test_it_is_tested(self) -> None:
        directory = self.other(**{"smoke.command": [{"output": "hello"}]})
        packed = pack_spec(directory, smoke=True)
        self.assertEqual(packed.summary["smoke"], {
            **{"imports": 0, "commands": 1, "requests": 0, "application": "started", "written": [], "libraries": []},
        })  # fmt: skip

    def test_an_executable_that_is_not_there(self) -> None:
        directory = self.other(launch={"executable": "bin/none"})
        self.assertFails(directory, "onefold.toml:", "there is no 'bin/none' in the tree")

    def test_other_ways_to_launch_need_an_interpreter(self) -> None:
        directory = self.other(launch={"module": "json.tool"})
        result = pack_command(directory)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"[python]", result.stderr)


if __name__ == "__main__":
    unittest.main()
