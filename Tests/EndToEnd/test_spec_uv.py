"""Packing from a spec with uv as the installer: the same tree as with pip."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

from spec_support import SpecCase, extension_wheel, pack_spec, pinned, unpacked, wheel, wheels
from support import REPOSITORY, scratch, tree_state

REQUIREMENTS = REPOSITORY / "tools" / "benchmarks" / "requirements.txt"


@functools.lru_cache(maxsize=None)
def uv_directory() -> Path:
    """Where a program uv is: the machine's, or one that is fetched."""
    found = shutil.which("uv")
    if found:
        return Path(found).parent
    pin = re.search(r"^uv==[^\n]*\\\n(?:    --hash=\S+(?: \\)?\n)+", REQUIREMENTS.read_text(), re.M)
    assert pin, f"{REQUIREMENTS} does not pin uv"
    target = scratch() / "uv"
    lock = scratch() / "uv.txt"
    lock.write_text(pin[0])
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    result = subprocess.run(
        [*command, "--target", target, "-r", lock], stderr=subprocess.PIPE, timeout=300
    )
    if result.returncode != 0:
        raise unittest.SkipTest("needs uv, which can't be fetched here")
    return target / "bin"


class UV(SpecCase):
    def environment(self) -> dict[str, str]:
        settings = self.work / "uv.toml"
        settings.write_text(f"[pip]\nno-index = true\nfind-links = ['{wheels()}']\n")
        return {
            "PATH": f"{uv_directory()}:{os.environ['PATH']}",
            "UV_CONFIG_FILE": os.fspath(settings),
            "UV_CACHE_DIR": os.fspath(scratch() / "uv-cache"),
        }

    def pack(self, installer: str, requirements: str, **dependencies: object) -> Path:
        directory = self.new_application(
            {"requirements.txt": requirements},
            dependencies={
                "requirements": ["requirements.txt"], "installer": installer, **dependencies,
            },
        )  # fmt: skip
        packed = pack_spec(directory, smoke=True, environment=self.environment())
        self.assertRegex(packed.summary["installer"], rf"^{installer} \d")
        self.packed = packed
        return unpacked(packed, self.cache)

    def test_it_makes_the_tree_that_pip_makes(self) -> None:
        lock = pinned(
            wheel("uv-data", {"uv_data/__init__.py": "", "uv_data/data.txt": "data"},
                  scripts=["uv-data = uv_data:f"]),
            extension_wheel(),
        )  # fmt: skip
        trees = {}
        for installer in ("pip", "uv"):
            state = tree_state(self.pack(installer, lock))
            # Each writes a console script in its own words.
            trees[installer] = {
                path: entry
                for path, entry in state.items()
                if path != b"bin/uv-data" and not path.endswith(b"uv_data-1.0.dist-info/RECORD")
                # It has the hash of the spec, which names the installer.
                and path != b".onefold/sbom.cdx.json"
            }
        self.assertEqual(trees["pip"], trees["uv"])

    def test_excluded_distributions_go_with_their_own_dependencies(self) -> None:
        wheel("uv-a", {"uv_a.py": ""}, requires=["uv-b", "uv-d"])
        wheel("uv-b", {"uv_b.py": ""}, requires=["uv-c", "uv-d"])
        wheel("uv-c", {"uv_c.py": ""})
        wheel("uv-d", {"uv_d.py": ""})
        self.pack("uv", "uv-a\n", exclude=["uv-b"])
        self.assertEqual(self.packed.summary["excluded"], ["uv-b", "uv-c"])
        self.assertEqual(self.packed.summary["distributions"], 2)

    def test_a_failed_resolution_names_the_spec(self) -> None:
        directory = self.new_application(
            {"requirements.txt": "no-such-distribution\n"},
            dependencies={"requirements": ["requirements.txt"], "installer": "uv"},
        )
        self.assertFails(
            directory, "onefold.toml:", "no-such-distribution", environment=self.environment()
        )


if __name__ == "__main__":
    unittest.main()
