"""onefold compare: what an update costs, counted a second time from what tools/read-payload.py reads."""

from __future__ import annotations

import json
import os
import unittest
from pathlib import Path
from typing import Any

from support import Case, Onefile, Symlink, make_tree, noise, onefold, pack, program, reader, succeed

SITE = "lib/python3.11/site-packages"


def distribution(name: str, version: str, content: str) -> dict[str, bytes]:
    files = {f"{name}/{i}.py": noise(60_000, f"{name} {content} {i}") for i in range(3)}
    record = "".join(f"{path},,\n" for path in files)
    entries = {f"{SITE}/{path}": data for path, data in files.items()}
    return {**entries, f"{SITE}/{name}-{version}.dist-info/RECORD": record.encode()}


class Compare(Case):
    """Two builds of one application, which differ in every way that there is."""

    OLD = {
        "run": program(),
        "app.py": noise(30_000, "app 1"),
        "same": b"same",
        "link": Symlink("same"),
        "directory-or-file/x": b"",
        "mode": b"mode",
        **distribution("kept", "1.0", "1"),
        **distribution("bumped", "1.0", "1"),
        **distribution("gone", "3.0", "1"),
    }
    NEW = {
        "run": program(),
        "same": b"same",
        "app.py": noise(30_000, "app 2"),
        "link": Symlink("run"),
        "directory-or-file": b"",
        "mode": program(b"mode"),
        **distribution("kept", "1.0", "1"),
        **distribution("bumped", "1.1", "2"),
        **distribution("came", "0.1", "1"),
    }

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        options = ["--frame-size", "64", "--name", "notes"]
        trees = [make_tree(cls.shared / f"{name} tree", getattr(cls, name.upper())) for name in ("old", "new")]
        cls.old, cls.new, cls.again = (
            pack(tree, cls.shared / name, *options, "--app-version", version)
            for tree, name, version in ((trees[0], "old", "1.0"), (trees[1], "new", "1.1"), (trees[0], "again", "1.0"))
        )

    def compare(self, old: Onefile, new: Onefile, *options: str) -> Any:
        return json.loads(succeed(onefold("compare", "--json", "--files", *options, old.path, new.path)).stdout)

    def fetched(self, old: Onefile, new: Onefile) -> tuple[int, int]:
        """Bytes of the parts of the new file whose hashes the old one has not, and how many frames are in both."""
        before, after = (reader().Onefile(os.fsencode(onefile.path)) for onefile in (old, new))
        known = {frame.hash for frame in before.manifest.frames}
        lacking = [frame.stored_length for frame in after.manifest.frames if frame.hash not in known]
        a, b = before.trailer, after.trailer
        total = sum(lacking) + (a != b) * 256
        total += (a.prefix_hash != b.prefix_hash) * b.payload_offset
        total += (a.manifest_hash != b.manifest_hash) * b.manifest_stored_length
        total += (a.record_hash != b.record_hash) * b.record_length
        return total, len(after.manifest.frames) - len(lacking)

    def test_the_cost_is_what_the_old_file_lacks(self) -> None:
        for old, new in ((self.old, self.new), (self.new, self.old), (self.old, self.again)):
            shown = self.compare(old, new)
            expected, reused = self.fetched(old, new)
            self.assertEqual((shown["fetched_bytes"], shown["reused_frames"]), (expected, reused))
            self.assertEqual(shown["bytes"], new.path.stat().st_size)
            self.assertEqual(sum(cause["bytes"] for cause in shown["causes"]), expected)

    def test_each_difference_is_shown(self) -> None:
        shown = self.compare(self.old, self.new)
        self.assertFalse(shown["same_build"])
        self.assertEqual((shown["old"]["version"], shown["new"]["version"]), ("1.0", "1.1"))
        self.assertEqual(
            shown["distributions"],
            [
                {"name": "bumped", "old": "1.0", "new": "1.1"},
                {"name": "came", "old": None, "new": "0.1"},
                {"name": "gone", "old": "3.0", "new": None},
            ],
        )
        found = {entry["path"]: entry["difference"] for entry in shown["differences"]}
        expected = {"app.py": "content", "link": "target", "directory-or-file": "type", "mode": "mode"}
        expected |= {f"{SITE}/bumped/{i}.py": "content" for i in range(3)}
        self.assertEqual({path: found.get(path) for path in expected}, expected)
        self.assertEqual(found["directory-or-file/x"], "removed")
        self.assertEqual(found[f"{SITE}/gone"], "removed")
        self.assertEqual(found[f"{SITE}/came/0.py"], "added")
        self.assertFalse({f"{SITE}/kept/0.py", "same", "run"} & found.keys())
        self.assertEqual(sum(shown["entries"].values()) - shown["entries"]["same"], len(found))
        causes = {cause["name"]: cause["bytes"] for cause in shown["causes"]}
        # What does not compress costs what it is; what was there costs nothing.
        for name, size in (("bumped 1.1", 180_000), ("came 0.1", 180_000), ("app.py", 30_000)):
            self.assertAlmostEqual(causes[name], size, delta=1500)
        self.assertFalse({"kept 1.0", "run", "(bootloader)"} & causes.keys())
        self.assertTrue({"(manifest)", "(launch record)", "(trailer)"} <= causes.keys())

    def test_the_same_build(self) -> None:
        shown = self.compare(self.old, self.again)
        self.assertTrue(shown["same_build"])
        self.assertEqual((shown["fetched_bytes"], shown["differences"], shown["distributions"]), (0, [], []))
        result = onefold("compare", "--max-update", "0", self.old.path, self.again.path)
        text = f"'{self.again.path}' is the same build as '{self.old.path}'\n"
        self.assertSucceeded(result, text.encode())

    def test_times_alone(self) -> None:
        tree = make_tree(self.work / "tree", self.OLD)
        os.utime(tree / "app.py", (10**9, 10**9))
        late = pack(tree, self.work / "late", "--frame-size", "64", "--name", "notes", "--app-version", "1.0")
        shown = self.compare(self.old, late)
        found = {entry["path"]: entry["difference"] for entry in shown["differences"]}
        self.assertEqual(found["app.py"], "time")
        self.assertEqual(shown["reused_frames"], shown["frames"])
        self.assertEqual({cause["name"] for cause in shown["causes"]}, {"(manifest)", "(trailer)"})

    def test_text_shows_ten_of_each(self) -> None:
        result = succeed(onefold("compare", self.old.path, self.new.path))
        lines = result.stdout.decode().splitlines()
        self.assertEqual(lines[0], f"'{self.new.path}' is a different build from '{self.old.path}'")
        self.assertEqual(lines[1:6], [
            "  notes 1.0 -> notes 1.1", "  distributions that differ: 3", "    bumped 1.0 -> 1.1", "    added came 0.1",
            "    removed gone 3.0",
        ])  # fmt: skip
        [total] = [line for line in lines if line.startswith("  to fetch: ")]
        shown = self.compare(self.old, self.new)
        share = -(-shown["fetched_bytes"] * 1000 // shown["bytes"])
        self.assertEqual(
            total, f"  to fetch: {shown['fetched_bytes']:,} of {shown['bytes']:,} bytes ({share / 10:.1f} %)"
        )
        entries = [line for line in lines if line.startswith(("    added: ", "    of ", "    removed: "))]
        self.assertEqual(len(entries), 10)
        self.assertIn(f"    {len(shown['differences']) - 10} more entries: see --files", lines)
        every = succeed(onefold("compare", "--files", self.old.path, self.new.path)).stdout.decode()
        self.assertNotIn("see --files", every)
        self.assertIn(f"    removed: {SITE}/gone/2.py\n", every)

    def test_a_limit_fails_and_names_the_causes(self) -> None:
        share = -(-self.compare(self.old, self.new)["fetched_bytes"] * 1000 // self.new.path.stat().st_size)
        for limit in (f"{share / 10}", f"{share / 10}%", "100", "100.0 %"):
            self.assertEqual(onefold("compare", "--max-update", limit, self.old.path, self.new.path).returncode, 0)
        for limit in (f"{(share - 1) / 10}%", "0", "5"):
            result = onefold("compare", "--max-update", limit, self.old.path, self.new.path)
            self.assertEqual(result.returncode, 1)
            self.assertIn(b"  to fetch: ", result.stdout)
            said = result.stderr.decode()
            self.assertIn(f"fetches {share / 10:.1f} % of it, and '--max-update' allows {float(limit.strip('%')):.1f} %", said)
            self.assertRegex(said, r"the most is \w+ \d\.\d \(18\d,\d\d\d bytes\), \w+ \d\.\d \(")

    def test_bad_input(self) -> None:
        for limit in ("", "-1", "101", "100.1", "5.25", "five", "5%%", ".5", "1e1", "99999999999999999999"):
            with self.subTest(limit):
                result = onefold("compare", "--max-update", limit, self.old.path, self.new.path)
                self.assertEqual((result.returncode, result.stdout), (2, b""))
                self.assertIn(b"'--max-update'", result.stderr)
        other = self.work / "other"
        other.write_bytes(b"no onefile")
        for old, new in ((self.old.path, other), (other, self.old.path), (self.work / "none", self.old.path)):
            result = onefold("compare", old, new)
            self.assertEqual((result.returncode, result.stdout), (1, b""))
            self.assertIn(str(other if other in (old, new) else old).encode(), result.stderr)
        self.assertEqual(onefold("compare", self.old.path).returncode, 2)
        damaged = Path(self.work / "damaged")
        data = bytearray(self.new.path.read_bytes())
        data[reader().Onefile(os.fsencode(self.new.path)).trailer.manifest_offset + 40] ^= 1
        damaged.write_bytes(data)
        result = onefold("compare", self.old.path, damaged)
        self.assertEqual((result.returncode, result.stdout), (1, b""))
        self.assertIn(b"is damaged", result.stderr)


if __name__ == "__main__":
    unittest.main()
