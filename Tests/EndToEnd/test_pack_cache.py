"""The packer's cache of compressed frames: never in the output, never a failure."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from pathlib import Path
from typing import Any, Sequence

from support import (
    AS_NOBODY,
    ONEFOLD,
    Case,
    Mounts,
    StrPath,
    hash_file,
    listing,
    make_tree,
    needs_root,
    noise,
    onefold,
    program,
    run,
    start,
    succeed,
    wait_until,
)

FRAME = 65_536
COUNT = 24


def compressible(count: int, seed: str) -> bytes:
    return bytes(byte & 15 for byte in noise(count, seed))


def entries(frames: Path) -> list[Path]:
    return sorted(path for path in frames.glob("*/*"))


class FrameCase(Case):
    """A tree of many frames, which is packed with several caches."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        files = {f"file {i:02}": compressible(FRAME, f"{i}") for i in range(COUNT)}
        cls.tree = make_tree(cls.shared / "tree", {"run": program(), **files})
        output = cls.shared / "without"
        succeed(onefold(*cls.command(cls.tree, output, "--no-cache")))
        cls.expected = hash_file(output)

    @staticmethod
    def command(
        tree: Path, output: Path, *options: StrPath, level: int = 1
    ) -> Sequence[StrPath]:
        return (
            *("pack", "--json", "--tree", tree, "--entry", "run", "-o", output),
            *("--level", str(level), "--frame-size", "64", *options),
        )

    def pack(self, *options: StrPath, warns: str = "", **running: Any) -> dict[str, Any]:
        """The summary; the output is what it is without a cache."""
        output = self.work / "packed"
        command = self.command(self.tree, output, *options)
        result = succeed(onefold(*command, **running))
        if warns:
            self.assertRegex(
                result.stderr.decode(), rf"\Aonefold pack: warning: [^\n]*{warns}[^\n]*[^\n.]\n\Z"
            )
        else:
            self.assertEqual(result.stderr, b"")
        self.assertEqual(hash_file(output), self.expected)
        return json.loads(result.stdout)


class FrameCache(FrameCase):
    def assertCached(self, summary: dict[str, Any]) -> None:
        self.assertEqual(summary["frames_from_cache"], summary["frames"])

    def test_the_second_packing_compresses_nothing(self) -> None:
        cache = ("--cache", self.work / "cache")
        self.assertEqual(self.pack(*cache)["frames_from_cache"], 0)
        self.assertCached(self.pack(*cache))
        self.assertEqual(self.pack("--no-cache")["frames_from_cache"], 0)

    def test_places(self) -> None:
        home = self.work / "home"
        home.mkdir()
        given, variable, xdg = self.work / "given", self.work / "variable", self.work / "xdg"
        everything = {
            "ONEFOLD_PACK_CACHE": os.fspath(variable),
            "XDG_CACHE_HOME": os.fspath(xdg),
            "HOME": os.fspath(home),
        }
        xdg.mkdir()
        default = home / ".cache" / "onefold-pack"
        for place, removed, options in (
            (given, [], ["--cache", given]),
            (variable, [], []),
            (xdg / "onefold-pack", ["ONEFOLD_PACK_CACHE"], []),
            (default, ["XDG_CACHE_HOME"], []),
        ):
            for name in removed:
                del everything[name]
            with self.subTest(place=place):
                self.assertFalse(place.exists())
                self.pack(*options, environment=everything)
                self.assertEqual(len(entries(place / "frames")), COUNT + 1)
                self.assertEqual(stat.S_IMODE((place / "frames").stat().st_mode), 0o700)
                self.assertCached(self.pack(*options, environment=everything))

    def test_no_place(self) -> None:
        missing = os.fspath(self.work / "missing")
        for environment in (
            {},
            {"HOME": "home", "XDG_CACHE_HOME": "cache"},
            {"HOME": ""},
            {"HOME": missing},
            {"XDG_CACHE_HOME": missing},
        ):
            self.assertEqual(self.pack(environment=environment)["frames_from_cache"], 0)
        self.assertEqual(listing(self.work), ["packed"])

    @needs_root
    def test_root_writes_nothing_to_the_home_of_another(self) -> None:
        home = self.work / "home"
        home.mkdir()
        os.chown(home, AS_NOBODY["user"], AS_NOBODY["group"])
        self.pack(environment={"HOME": os.fspath(home)})
        self.assertEqual(listing(home), [])

    @needs_root
    def test_a_directory_of_another_user_is_not_used(self) -> None:
        cache = self.work / "cache"
        self.pack("--cache", cache)
        os.chown(cache / "frames", AS_NOBODY["user"], AS_NOBODY["group"])
        self.pack("--cache", cache, warns="others can write to it")

    @needs_root
    def test_a_directory_that_can_not_be_written_to_is_read(self) -> None:
        cache = self.work / "cache"
        self.pack("--cache", cache)
        for path in [cache, cache / "frames", *cache.glob("frames/*")]:
            path.chmod(0o755)
        for path in entries(cache / "frames"):
            path.chmod(0o644)
        output = self.new_directory()
        output.chmod(0o777)
        command = self.command(self.tree, output / "packed", "--cache", cache)
        result = succeed(onefold(*command, **AS_NOBODY))
        self.assertEqual(result.stderr, b"")
        self.assertCached(json.loads(result.stdout))
        # Another level is nowhere to be found.
        command = self.command(self.tree, output / "other", "--cache", cache, level=2)
        result = succeed(onefold(*command, **AS_NOBODY))
        self.assertIn(b"is not added to: ", result.stderr)
        self.assertEqual(json.loads(result.stdout)["frames_from_cache"], 0)

    def test_a_full_disk_is_a_warning(self) -> None:
        mounts = Mounts(self)
        cache = mounts.tmpfs(self.work / "cache", "mode=0700,size=200k")
        output = self.work / "packed"
        command = mounts.command([ONEFOLD, *self.command(self.tree, output, "--cache", cache)])
        for _ in range(2):
            result = succeed(run(command))
            self.assertRegex(result.stderr, rb"\Aonefold pack: warning: .* is not added to: ")
            self.assertIn(b"No space left on device", result.stderr)
            self.assertEqual(hash_file(output), self.expected)
        # What found room is used, and nothing is half there.
        self.assertGreater(json.loads(result.stdout)["frames_from_cache"], 0)
        for path in entries(mounts.inside(cache) / "frames"):
            self.assertGreater(path.stat().st_size, 88)

    def test_simultaneous_packers_share(self) -> None:
        cache = self.work / "cache"
        running = [
            start([ONEFOLD, *self.command(self.tree, self.work / f"out{i}", "--cache", cache)])
            for i in range(6)
        ]
        for number, process in enumerate(running):
            _, errors = process.communicate()
            self.assertEqual((process.returncode, errors), (0, b""))
            self.assertEqual(hash_file(self.work / f"out{number}"), self.expected)
        self.assertEqual(len(entries(cache / "frames")), COUNT + 1)
        self.assertCached(self.pack("--cache", cache))

    def test_a_killed_packer_leaves_only_whole_entries(self) -> None:
        files = {f"{i:03}": compressible(FRAME, f"{i}") for i in range(200)}
        tree = make_tree(self.work / "tree", {"run": program(), **files})
        output, cache = self.work / "killed", self.work / "cache"
        options = ("--cache", cache, "--jobs", "2")
        killed = start([ONEFOLD, *self.command(tree, output, *options)])
        wait_until(lambda: len(entries(cache / "frames")) > 20, "the first entries")
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        kept = len(entries(cache / "frames"))
        self.assertFalse(output.exists())
        summary = json.loads(succeed(onefold(*self.command(tree, output, *options))).stdout)
        # Each of them could be used.
        self.assertEqual(summary["frames_from_cache"], kept)
        self.assertEqual(len(entries(cache / "frames")), 201)
        self.assertSucceeded(onefold("verify", output, "--json"))

    def test_a_use_is_noted(self) -> None:
        cache = self.work / "cache"
        self.pack("--cache", cache)
        long_ago = time.time() - 10**6
        for path in entries(cache / "frames"):
            os.utime(path, (long_ago, long_ago))
        self.pack("--cache", cache)
        for path in entries(cache / "frames"):
            self.assertGreater(path.stat().st_mtime, long_ago + 1000)
