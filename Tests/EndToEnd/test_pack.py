"""What is packed comes out again, byte for byte, and the same tree gives the same file."""

from __future__ import annotations

import json
import os
import resource
import shutil
import unittest
from pathlib import Path
from typing import Any

from support import (
    BOOTLOADER,
    HELLO,
    IS_ROOT,
    MTIME,
    ONEFOLD,
    READER,
    REPOSITORY,
    Case,
    Directory,
    File,
    HardLink,
    Onefile,
    Sparse,
    Symlink,
    hash_file,
    listing,
    make_tree,
    noise,
    onefold,
    pack,
    parts,
    program,
    reader,
    run,
    succeed,
    tree_state,
)

BLOCK = 65_536  # of which holes are made
TEXT = b"".join(b"line %d of a text that compresses well\n" % i for i in range(30_000))


def modes() -> dict[Any, Any]:
    # Only root reads files without the permission to.
    readable = [0o400, 0o444, 0o600, 0o640, 0o664, 0o755, 0o777]
    return {
        f"modes/{mode:03o}": File(b"%o" % mode, mode=mode)
        for mode in readable + ([0, 0o111, 0o222] if IS_ROOT else [])
    }


def names() -> dict[Any, Any]:
    unusual = [
        b"n" * 255,
        b"\xff\xfe not UTF-8",
        "é 日本 🦆".encode(),
        b"line\nbreak",
        b"tab\tbell\a",
        b"'single' \"double\" `back` $(dollar)",
        b"-rf",
        b" space ",
        b"back\\slash",
        b"*?[a-z]{root}",
        b"...",
        b".hidden",
        b"\x01\x7f",
    ]
    entries: dict[Any, Any] = {b"names/" + name: name for name in unusual}
    entries.update({b"names of directories/" + name + b"/file": b"" for name in unusual})
    # The longest path that the format carries: 3,072 bytes.
    deep = "/".join(f"{level:0>254}" for level in range(12))
    entries[deep + "/" + "x" * (3072 - len(deep) - 1)] = b"deep"
    return entries


def links() -> dict[Any, Any]:
    return {
        "links/file": b"file",
        "links/to file": Symlink("file"),
        "links/to directory": Symlink("../modes"),
        "links/to itself": Symlink("to itself"),
        "links/to nothing": Symlink("nothing/at/all"),
        "links/to here": Symlink("."),
        "links/to the root": Symlink("../", mtime=-1),
        "links/not UTF-8": Symlink(b"\xff\n"),
        "links/long": Symlink("a/../" * 818 + "file", mtime=MTIME + 1),
        "links/second name": HardLink("links/file"),
        "other/third name": HardLink("links/file"),
        "a name before the others": HardLink("links/file"),
        "empty twin": File(mode=0o600),
        "empty twin's second name": HardLink("empty twin"),
    }


def times() -> dict[Any, Any]:
    second = 10**9
    unusual = [0, 1, 999_999_999, -1, -second, -3 * second // 2, 2**31 * second, 2**33 * second]
    entries: dict[Any, Any] = {
        f"times/{mtime}": File(b"%d" % mtime, mtime=mtime) for mtime in unusual
    }
    entries.update(
        {f"times of directories/{mtime}": Directory(mtime=mtime) for mtime in unusual}
    )
    return entries


def sparse() -> dict[Any, Any]:
    return {
        "sparse/nothing but a hole": Sparse(40 * BLOCK),
        "sparse/short hole": Sparse(BLOCK + 1),
        "sparse/no hole": Sparse(BLOCK),
        "sparse/at the start": Sparse(20 * BLOCK + 3, [(20 * BLOCK, b"end")]),
        "sparse/at the end": Sparse(20 * BLOCK, [(0, b"start")]),
        "sparse/in the middle": Sparse(
            64 * BLOCK, [(0, noise(BLOCK)), (40 * BLOCK + 5, noise(100_000))]
        ),
        "sparse/zeros that are stored": File(bytes(8 * BLOCK) + b"x"),
    }


def contents() -> dict[Any, Any]:
    return {
        "empty file": b"",
        "empty directory": Directory(),
        "empty/directories/in directories": Directory(0o700),
        "read-only": Directory(0o555, mtime=MTIME + 5),
        "read-only/file": File(b"in a directory that can't be written to", mode=0o444),
        "private": Directory(0o500 if not IS_ROOT else 0),
        "private/file": b"private",
        "large/noise": noise(3_000_000),
        "large/text": TEXT,
        "large/exactly one frame": noise(BLOCK),
        "large/one byte more": noise(BLOCK + 1),
        "twins/a": noise(10_000, "twins"),
        "twins/b": File(noise(10_000, "twins"), mode=0o755),
        "twins/large noise": File(noise(3_000_000), mtime=5),
    }


def everything() -> dict[Any, Any]:
    return {
        "run": program(),
        **modes(),
        **names(),
        **links(),
        **times(),
        **sparse(),
        **contents(),
    }


class RoundTrip(Case):
    """One tree that holds all there can be in a tree."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.tree = make_tree(cls.shared / "tree", everything(), of_root=Directory(0o751, -5))
        cls.state = tree_state(cls.tree)

    def check(self, codec: str, *options: str) -> Onefile:
        packed = pack(self.tree, self.work / "packed", "--codec", codec, *options)
        self.assertEqual(packed.summary["codec"], codec)
        self.assertSucceeded(onefold("verify", packed.path, "--json"))
        succeed(onefold("extract", packed.path, self.work / "extracted"))
        self.assertSameTree(self.work / "extracted", self.state)
        self.assertRegex(inspection(packed)["frames"], rf"\(.*\d+ {codec}\)")
        return packed

    def check_second_reader(self, packed: Onefile) -> None:
        succeed(run([READER, "extract", packed.path, self.work / "read"]))
        self.assertSameTree(self.work / "read", self.state)
        listed = succeed(run([READER, "list", "--json", packed.path])).stdout
        lines = [json.loads(line) for line in listed.splitlines()]
        paths = {os.fsencode(line["path"]) for line in lines}
        self.assertEqual(paths, {path or b"." for path in self.state})

    def test_zstd_gives_back_the_tree(self) -> None:
        self.check("zstd", "--level", "3")

    def test_small_zstd_frames_give_back_the_tree_also_to_the_second_reader(self) -> None:
        packed = self.check("zstd", "--level", "1", "--frame-size", "64")
        self.assertGreater(packed.summary["frames"], 3_000_000 / BLOCK)
        self.check_second_reader(packed)

    def test_xz_gives_back_the_tree_also_to_the_second_reader(self) -> None:
        self.check_second_reader(self.check("xz", "--level", "0"))

    def test_store_gives_back_the_tree_also_to_the_second_reader(self) -> None:
        self.check_second_reader(self.check("store"))

    def test_the_onefile_gives_back_the_tree_by_itself(self) -> None:
        packed = pack(self.tree, self.work / "packed")
        result = packed.launch(self.work / "extracted", verb="extract")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertSameTree(self.work / "extracted", self.state)
        self.assertLaunched(packed.launch(cache=self.cache))
        # In a cache nobody but the owner may write.
        closed = {
            path: (value[0], oct(int(value[1], 8) & ~0o022), *value[2:])
            if value[0] != "symlink"
            else value
            for path, value in self.state.items()
        }
        self.assertCacheHolds(packed, closed)

    def test_holes_stay_holes(self) -> None:
        packed = pack(self.tree, self.work / "packed")
        for name, command in {
            "onefold": [ONEFOLD, "extract", packed.path],
            "reader": [READER, "extract", packed.path],
        }.items():
            target = self.work / name
            succeed(run([*command, target]))
            for path in (target / "sparse").iterdir():
                with self.subTest(by=name, path=path.name):
                    status = path.stat()
                    stored = (self.tree / "sparse" / path.name).read_bytes()
                    blocks = [stored[at : at + BLOCK] for at in range(0, len(stored), BLOCK)]
                    filled = sum(any(block) for block in blocks)
                    if len(blocks) > 1:
                        self.assertLessEqual(status.st_blocks * 512, filled * BLOCK)

    def test_a_listing_has_every_property_of_an_entry(self) -> None:
        packed = pack(self.tree, self.work / "packed")
        inspected = onefold("inspect", packed.path, "--json", "--files")
        self.assertSucceeded(inspected)
        entries = json.loads(inspected.stdout)["entries"]
        listed = {}
        for entry in entries:
            path = exact(entry, "path")
            mtime = entry.get("mtime", 0)
            self.assertEqual(entry.get("mtime_nanoseconds", 0), 0)
            mode = "0o" + entry.get("mode", "")
            if entry["type"] == "directory":
                listed[path] = ("directory", mode, mtime)
            elif entry["type"] == "symlink":
                listed[path] = ("symlink", mtime, exact(entry, "target"))
            elif entry["type"] == "file":
                sum_of = entry["sha256"]
                listed[path] = ("file", mode, mtime, entry["size"], sum_of, path)
            else:
                first = listed[exact(entry, "target")]
                listed[path] = (*first[:4], "", first[5])
        self.assertEqual(listed.keys(), self.state.keys())
        # The first name of a file is the first in the onefile, which goes by depth.
        groups = {value[-1]: path for path, value in listed.items() if value[0] == "file"}
        self.assertEqual(len(groups), len({v[-1] for v in self.state.values() if v[0] == "file"}))
        for path, value in self.state.items():
            if value[0] != "file":
                self.assertEqual(listed[path], value)
            elif value[4] and listed[path][4]:
                self.assertEqual(listed[path][:5], value[:5])


def exact(entry: dict[str, str], name: str) -> bytes:
    """The bytes of a path in the JSON of `inspect`; the root's is empty."""
    if f"{name}_hex" in entry:
        return bytes.fromhex(entry[f"{name}_hex"])
    return entry[name].encode()


def inspection(packed: Onefile) -> dict[str, str]:
    """What `inspect` prints: labels and values."""
    lines = succeed(onefold("inspect", packed.path)).stdout.decode().splitlines()
    return {line[:12].strip(): line[12:] for line in lines}


class SameBytes(Case):
    """The same tree gives the same file."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.tree = make_tree(cls.shared / "tree", everything())
        cls.packed = cls.pack_as(cls.tree, cls.shared / "packed")
        cls.hash = hash_file(cls.packed.path)

    @staticmethod
    def pack_as(tree: Path, output: Path, *options: str, **running: Any) -> Onefile:
        # Small frames, so that there are many to be put in order.
        return pack(tree, output, "--level", "3", "--frame-size", "256", *options, **running)

    def assertSameBytes(self, tree: Path, *options: str, **running: Any) -> None:
        packed = self.pack_as(tree, self.new_directory() / "other name", *options, **running)
        self.assertEqual(packed.summary["tree_id"], self.packed.summary["tree_id"])
        self.assertEqual(hash_file(packed.path), self.hash)

    def test_when_packed_twice(self) -> None:
        self.assertSameBytes(self.tree)

    def test_for_each_number_of_threads(self) -> None:
        for jobs in ("1", "2", "3", "16"):
            with self.subTest(jobs=jobs):
                self.assertSameBytes(self.tree, "-j", jobs)

    def test_for_each_umask(self) -> None:
        for umask in (0, 0o027, 0o077):
            with self.subTest(umask=oct(umask)):
                self.assertSameBytes(self.tree, umask=umask)

    def test_in_each_environment(self) -> None:
        strange = {"TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8", "HOME": "/nowhere"}
        self.assertSameBytes(self.tree, environment=strange)

    def test_by_each_path_to_the_tree(self) -> None:
        (self.work / "link").symlink_to(self.tree)
        relative = os.path.relpath(self.tree, self.work)
        for path in (f"{self.tree}/", self.work / "link", relative, f"./{relative}//."):
            with self.subTest(path=path):
                self.assertSameBytes(path, cwd=self.work)  # type: ignore[arg-type]

    def test_for_a_copy_on_another_file_system(self) -> None:
        copy = self.new_directory() / "copy"
        if os.access("/var/tmp", os.W_OK):
            directory = Path(succeed(run(["mktemp", "-d", "-p", "/var/tmp"])).stdout.decode()[:-1])
            self.addCleanup(run, ["rm", "-rf", directory])
            copy = directory / "copy"
        succeed(run(["cp", "-a", self.tree, copy]))
        self.assertSameBytes(copy)

    def test_for_entries_made_in_reverse_order(self) -> None:
        self.assertSameBytes(make_tree(self.work / "tree", everything(), reverse=True))

    def test_for_a_tree_without_holes(self) -> None:
        copy = self.work / "copy"
        succeed(run(["cp", "-a", "--sparse=never", self.tree, copy]))
        self.assertSameBytes(copy)

    def test_after_extraction(self) -> None:
        for name, command in {"ours": [ONEFOLD], "second": [READER]}.items():
            with self.subTest(reader=name):
                target = self.work / name
                succeed(run([*command, "extract", self.packed.path, target]))
                self.assertSameBytes(target)

    def test_for_each_time_later_than_the_source_date(self) -> None:
        hashes = set()
        for later in (1, 5 * 10**9 + 3):
            entries = {
                "run": program()._replace(mtime=MTIME + later),
                "old": File(b"old", mtime=MTIME - 10**9),
                "directory": Directory(mtime=MTIME + 2 * later),
                "link": Symlink("run", mtime=MTIME + 3 * later),
            }
            of_root = Directory(mtime=MTIME + later)
            tree = make_tree(self.new_directory() / "tree", entries, of_root=of_root)
            date = {"SOURCE_DATE_EPOCH": str(MTIME // 10**9)}
            packed = pack(tree, self.work / "packed", environment=date)
            hashes.add(hash_file(packed.path))
            succeed(onefold("extract", packed.path, self.work / f"{later}"))
            extracted = self.work / f"{later}"
            times = {
                name: os.lstat(extracted / name).st_mtime_ns
                for name in (".", "run", "old", "directory", "link")
            }
            self.assertEqual(times.pop("old"), (MTIME // 10**9 - 1) * 10**9)
            self.assertEqual(set(times.values()), {MTIME // 10**9 * 10**9})
        self.assertEqual(len(hashes), 1)

    def test_a_tree_id_for_all_names_versions_and_arguments(self) -> None:
        other = pack(
            self.tree,
            self.work / "other",
            *("--level", "3", "--frame-size", "256", "--name", "other", "--app-version", "2"),
            *("--env", "A=B", "--unset-env", "C"),
            arguments=["argument"],
        )
        self.assertEqual(other.summary["tree_id"], self.packed.summary["tree_id"])
        self.assertNotEqual(hash_file(other.path), self.hash)

    def test_other_content_gives_another_tree_id(self) -> None:
        ids = set()
        base = {"run": program(), "file": File(b"content")}
        for change in (
            {},
            {"file": File(b"contenT")},
            {"file": File(b"content", mode=0o600)},
            {"file": File(b"content", mtime=MTIME + 10**9)},
            {"file": Symlink("run")},
            {"more": b""},
        ):
            tree = make_tree(self.new_directory() / "tree", {**base, **change})
            ids.add(pack(tree, self.work / "packed").summary["tree_id"])
        self.assertEqual(len(ids), 6)


class Sizes(Case):
    """`inspect --sizes` of a tree as pip installs one."""

    SITE = "lib/python3.11/site-packages"

    def packed_tree(self, *options: str) -> Onefile:
        entries: dict[Any, Any] = {
            "run": program(),
            "lib/python3.11/os.py": noise(100_000, "os"),
            "static/page.html": noise(50_000, "page"),
            "static/twin": noise(90_000, "0/0"),
            "static/again": HardLink("static/page.html"),
        }
        for number in range(30):
            files = {f"p{number}/{i}.py": noise(90_000, f"{number}/{i}") for i in range(2)}
            entries.update({f"{self.SITE}/{path}": data for path, data in files.items()})
            record = "".join(f"{path},sha256=x,90000\n" for path in files)
            entries[f"{self.SITE}/p{number}-1.{number}.dist-info/RECORD"] = record.encode()
        tree = make_tree(self.work / "tree", entries)
        return pack(tree, self.work / "packed", *options)

    def test_rows_are_all_there_is(self) -> None:
        for options in (["--frame-size", "64"], ["--frame-size", "16384"], ["--codec", "store"]):
            with self.subTest(options):
                packed = self.packed_tree(*options)
                result = succeed(onefold("inspect", "--sizes", "--json", packed.path))
                shown = json.loads(result.stdout)
                rows = {row["name"]: row for row in shown["sizes"]}
                expected = {f"p{i} 1.{i}" for i in range(30)} | {"python 3.11", "static/", "run"}
                self.assertEqual(rows.keys(), expected)
                self.assertEqual(sum(row["unpacked"] for row in rows.values()), shown["bytes"])
                self.assertEqual(sum(row["packed"] for row in rows.values()), shown["frame_bytes"])
                self.assertEqual(sum(row["files"] for row in rows.values()), shown["files"])
                # What does not compress weighs what it is; a twin weighs nothing.
                self.assertAlmostEqual(rows["p7 1.7"]["packed"], 180_000, delta=1000)
                self.assertEqual(rows["static/"]["unpacked"], 140_000)
                both = rows["static/"]["packed"] + rows["p0 1.0"]["packed"]
                self.assertAlmostEqual(both, 230_000, delta=2000)
            shutil.rmtree(self.work / "tree")

    def test_text(self) -> None:
        packed = self.packed_tree()
        lines = succeed(onefold("inspect", "--sizes", packed.path)).stdout.decode().splitlines()
        table = lines[lines.index("") + 1 :]
        self.assertEqual(table[0].split(), ["unpacked", "packed", "files", "name"])
        self.assertIn("1 other", table[-2])
        self.assertEqual(table[-1].split()[4:], ["94", "total"])


class Content(Case):
    def pack_entries(self, entries: dict[Any, Any], *options: str) -> Onefile:
        directory = self.new_directory()
        tree = make_tree(directory / "tree", {"run": program(), **entries})
        packed = pack(tree, directory / "packed", *options)
        succeed(onefold("extract", packed.path, directory / "extracted"))
        self.assertSameTree(directory / "extracted", tree)
        return packed

    def test_a_tree_of_nothing_but_the_entry(self) -> None:
        packed = self.pack_entries({})
        self.assertEqual(packed.summary["files"], 1)
        self.assertLaunched(packed.launch(cache=self.cache))

    def test_an_entry_without_content_leaves_no_frame(self) -> None:
        tree = make_tree(self.work / "tree", {"run": program(b"")})
        packed = pack(tree, self.work / "packed")
        self.assertEqual(packed.summary["frames"], 0)
        self.assertSucceeded(onefold("verify", packed.path, "--json"))
        succeed(onefold("extract", packed.path, self.work / "extracted"))
        self.assertSameTree(self.work / "extracted", tree)

    def test_identical_contents_are_stored_once(self) -> None:
        content = noise(1_000_000)
        one = self.pack_entries({"a": content})
        five = self.pack_entries({f"{i}/{i}": File(content, mode=0o600 + i) for i in range(5)})
        self.assertEqual(five.summary["contents"], one.summary["contents"])
        self.assertEqual(five.summary["bytes_in"] - one.summary["bytes_in"], 4_000_000)
        self.assertLess(five.summary["bytes_out"] - one.summary["bytes_out"], 2_000)

    def test_incompressible_content_does_not_grow(self) -> None:
        for codec in ("zstd", "xz", "store"):
            with self.subTest(codec=codec):
                packed = self.pack_entries({"noise": noise(2_000_000)}, "--codec", codec)
                overhead = packed.summary["bytes_out"] - 2_000_000 - BOOTLOADER.stat().st_size
                self.assertLess(overhead, 8_192)

    def test_zeros_cost_nothing(self) -> None:
        packed = self.pack_entries({"zeros": File(bytes(30 * BLOCK))}, "--codec", "store")
        self.assertLess(packed.summary["bytes_out"] - BOOTLOADER.stat().st_size, 8_192)

    def test_twenty_thousand_small_files(self) -> None:
        packed = self.pack_entries(
            {f"{i // 100}/{i}.txt": b"%d" % i for i in range(20_000)}, "--level", "3"
        )
        self.assertEqual(packed.summary["files"], 20_001)
        self.assertEqual(packed.summary["directories"], 201)
        self.assertLaunched(packed.launch(cache=self.cache))

    def test_two_thousand_nested_and_parallel_directories(self) -> None:
        deep = {"/".join("d" for _ in range(depth)) + "/file": b"deep" for depth in range(1, 1001)}
        wide = {f"wide/{number}/file": b"wide" for number in range(1000)}
        packed = self.pack_entries({**deep, **wide})
        self.assertEqual(packed.summary["directories"], 2002)
        few_descriptors = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        target = self.work / "extracted"
        succeed(onefold("extract", packed.path, target, prepare=few_descriptors))
        self.assertSameTree(target, packed.path.with_name("tree"))

    def test_a_file_of_more_than_four_gibibytes(self) -> None:
        size = 2**32 + 2**27
        pieces = [(0, b"start"), (2**32 - 2, b"over"), (2**32 + 99_999_999, noise(300_000))]
        tree = make_tree(
            self.work / "tree", {"run": program(), "large": Sparse(size, pieces)}
        )
        if (tree / "large").stat().st_blocks > 10_000:
            self.skipTest("needs a file system with sparse files")
        packed = pack(tree, self.work / "packed", "--frame-size", "1024")
        self.assertEqual(packed.summary["bytes_in"], size + len(HELLO))
        self.assertLess(packed.summary["bytes_out"], 2_000_000)
        self.assertSucceeded(onefold("verify", packed.path, "--json"))
        succeed(onefold("extract", packed.path, self.work / "extracted"))
        extracted = self.work / "extracted" / "large"
        self.assertEqual(extracted.stat().st_size, size)
        self.assertLess(extracted.stat().st_blocks * 512, 2_000_000)
        with extracted.open("rb") as file:
            for offset, piece in pieces:
                file.seek(offset)
                self.assertEqual(file.read(len(piece)), piece)
        recorded = json.loads(onefold("inspect", packed.path, "--json", "--files").stdout)
        [large] = [entry for entry in recorded["entries"] if entry["path"] == "large"]
        self.assertEqual((large["size"], large["sha256"]), (size, hash_file(tree / "large")))


class GoldenVectors(unittest.TestCase):
    """tools/read-payload.py accepts and refuses what the parsers of the launcher do."""

    #: Where trailers of Tests/Golden say that they stand.
    POSITION = 536_880_404

    def test_the_second_reader_agrees_with_them(self) -> None:
        second = reader()
        for folder, parse in (
            ("trailer", lambda data: second.parse_trailer(data, self.POSITION)),
            ("record", second.parse_record),
            ("manifest", second.parse_manifest),
        ):
            vectors = sorted((REPOSITORY / "Tests" / "Golden" / folder).glob("*.bin"))
            self.assertGreater(len(vectors), 40)
            for vector in vectors:
                with self.subTest(vector.name, of=folder):
                    if vector.name.startswith("valid-"):
                        parse(vector.read_bytes())
                    else:
                        with self.assertRaises(second.Refused):
                            parse(vector.read_bytes())


class Command(Case):
    """What the commands print, and where."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.tree = make_tree(
            cls.shared / "tree",
            {
                "bin/run": program(),
                "a/file": noise(1000),
                "a/twin": noise(1000),
                "a/link": Symlink("file"),
                "a/again": HardLink("a/file"),
                b"a/\xff\n": b"",
            },
        )
        cls.packed = pack(
            cls.tree,
            cls.shared / "packed",
            *("--name", "app", "--app-version", "1.2 β", "--env", "LANG=C", "--env", "R={root}"),
            *("--unset-env", "GONE", "--level", "7", "--frame-size", "128"),
            entry="bin/run",
            arguments=["first", "{root}/x", "--"],
        )

    def test_summary_as_json_counts_what_was_packed(self) -> None:
        summary = dict(self.packed.summary)
        self.assertRegex(summary.pop("tree_id"), r"\A[0-9a-f]{64}\Z")
        self.assertGreaterEqual(summary.pop("seconds"), 0)
        size = self.packed.path.stat().st_size
        bytes_in = len(HELLO) + 2 * 1000
        # In thousandths, rounded down.
        self.assertEqual(summary.pop("ratio"), size * 1000 // bytes_in / 1000)
        self.assertEqual(
            summary,
            {
                "output": str(self.packed.path),
                "name": "app",
                "version": "1.2 β",
                "files": 4,
                "directories": 3,
                "symlinks": 1,
                "hard_links": 1,
                "contents": 2,
                "frames": 1,
                "frames_from_cache": 0,
                "frames_from_remote_cache": 0,
                "bytes_in": bytes_in,
                "bytes_out": size,
                "codec": "zstd",
                "level": 7,
                "frame_size": 128 << 10,
                "glibc": None,
                "glibc_file": None,
                "surprises": [],
            },
        )

    def test_summary_as_text_goes_to_stderr(self) -> None:
        output = self.work / "packed"
        result = onefold("pack", "--tree", self.tree, "--entry", "bin/run", "--no-sbom", "-o", output)
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        self.assertRegex(result.stderr, rb"\Apacked '[^']*/packed'\n  4 files, 3 directories, ")
        self.assertIn(b"tree id " + self.packed.summary["tree_id"].encode(), result.stderr)

    def test_output_is_named_after_the_application_or_the_entry(self) -> None:
        tree = os.path.abspath(self.tree)
        for options, name in (([], "run"), (["--name", "other"], "other")):
            result = onefold("pack", "--tree", tree, "--entry", "bin/run", *options, cwd=self.work)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertTrue((self.work / name).exists())
        self.assertEqual(listing(self.work), ["other", "run"])

    def test_output_may_be_executed_by_whom_the_umask_allows(self) -> None:
        for umask, mode in ((0o022, 0o755), (0o077, 0o700), (0, 0o777)):
            packed = pack(self.tree, self.work / oct(umask), entry="bin/run", umask=umask)
            self.assertEqual(oct(packed.path.stat().st_mode & 0o7777), oct(mode))

    def test_output_replaces_the_file_that_a_link_points_to_and_not_other_names_of_it(self) -> None:
        (self.work / "target").write_bytes(b"target")
        (self.work / "link").symlink_to("target")
        os.link(self.work / "target", self.work / "second name")
        pack(self.tree, self.work / "link", entry="bin/run")
        self.assertTrue((self.work / "link").is_symlink())
        self.assertGreater((self.work / "target").stat().st_size, len(b"target"))
        self.assertEqual((self.work / "second name").read_bytes(), b"target")

    def test_a_running_onefile_can_be_replaced(self) -> None:
        output = self.work / "packed"
        shutil.copy("/bin/sh", output)
        running = run([output, "-c", '"$@"', "sh", ONEFOLD, "pack", "--tree", self.tree,
                       "--entry", "bin/run", "-o", output])  # fmt: skip
        self.assertEqual(running.returncode, 0, running.stderr)
        self.assertLaunched(Onefile(output, {}).launch(cache=self.cache))

    def test_an_entry_may_be_a_symlink(self) -> None:
        tree = make_tree(self.work / "tree", {"run": Symlink("real"), "real": program()})
        packed = pack(tree, self.work / "packed")
        self.assertLaunched(packed.launch(cache=self.cache))

    def test_inspect_as_text_shows_the_launch_and_the_sizes(self) -> None:
        shown = inspection(self.packed)
        self.assertEqual(shown["name"], "app")
        self.assertEqual(shown["version"], "1.2 β")
        self.assertEqual(shown["entry"], "bin/run")
        self.assertEqual(shown["unset"], "GONE")
        self.assertEqual(shown["tree id"], self.packed.summary["tree_id"])
        self.assertIn("4 files, 3 directories, 1 symlink, 1 hard link", shown["tree"])

    def test_inspect_as_json_shows_the_launch_and_the_sizes(self) -> None:
        result = onefold("inspect", "--json", self.packed.path)
        self.assertSucceeded(result)
        shown = json.loads(result.stdout)
        onefile = parts(self.packed.path)
        expected = {
            "format": 1,
            "name": "app",
            "version": "1.2 β",
            "entry": "bin/run",
            "arguments": ["first", "{root}/x", "--"],
            "environment": ["LANG=C", "R={root}"],
            "unset": ["GONE"],
            "tree_id": self.packed.summary["tree_id"],
            "bootloader_bytes": BOOTLOADER.stat().st_size,
            "manifest_bytes": onefile.trailer.manifest_stored_length,
            "frame_bytes": onefile.trailer.manifest_offset - onefile.trailer.payload_offset,
            "appended_bytes": 0,
            "files": 4,
            "symlinks": 1,
            "hard_links": 1,
            "bytes": len(HELLO) + 2000,
        }
        self.assertEqual({key: shown[key] for key in expected}, expected)
        self.assertNotIn("entries", shown)

    def test_policies_are_in_the_record_and_shown(self) -> None:
        names = ("check", "keep", "die-with-parent", "reuse")
        for options, values, lines in (
            ([], [[], [], [], []], [None, None, None, None]),
            (
                ["--check=files", "--keep", "365", "--die-with-parent", "term"],
                [[b"files"], [b"365"], [b"term"], []],
                ["files", "365 days", "the program ends with it, by SIGTERM", None],
            ),
            (
                ["--die-with-parent=kill", "--keep=0", "--no-reuse"],
                [[], [b"0"], [b"kill"], [b"no"]],
                [None, "0 days", "the program ends with it, by SIGKILL", "no files of older trees"],
            ),
        ):
            with self.subTest(options):
                packed = pack(self.tree, self.work / "packed", *options, entry="bin/run")
                record = parts(packed.path).record
                self.assertEqual([record[name] for name in names], values)
                shown = inspection(packed)
                labels = ("check", "keep", "parent", "reuse")
                self.assertEqual([shown.get(label) for label in labels], lines)
                # The file says the same of itself.
                inspected = onefold("inspect", packed.path).stdout
                self.assertSucceeded(packed.launch(verb="inspect"), inspected)
                self.assertEqual(packed.tree_name, self.packed.tree_name)

    def test_inspect_lists_files_on_demand_and_escapes_invalid_text(self) -> None:
        result = onefold("inspect", "--files", self.packed.path)
        self.assertSucceeded(result)
        lines = result.stdout.decode().partition("\n\n")[2].splitlines()
        self.assertEqual(len(lines), 9)
        self.assertTrue(lines[0].endswith(" ./"), lines[0])
        self.assertTrue(any(line.endswith("a/link -> file") for line in lines), lines)
        self.assertTrue(any(line.endswith("a/file = a/again") for line in lines), lines)
        self.assertTrue(any(r"\xff" in line for line in lines), lines)

    def test_verify_and_extract_tell_on_stderr_or_as_json(self) -> None:
        for index, (command, verb) in enumerate(
            (command, verb)
            for command in (["verify"], ["extract"])
            for verb in ([], ["--json"])
        ):
            with self.subTest(command=command, options=verb):
                target = [str(self.work / str(index))] if command == ["extract"] else []
                result = onefold(*command, self.packed.path, *target, *verb)
                self.assertEqual(result.returncode, 0, result.stderr)
                word = {"verify": "verified", "extract": "extracted"}[command[0]]
                if verb:
                    self.assertEqual(result.stderr, b"")
                    told = json.loads(result.stdout)
                    self.assertIs(told[word], True)
                    self.assertEqual((told["files"], told["bytes"]), (4, len(HELLO) + 2000))
                else:
                    self.assertEqual(result.stdout, b"")
                    self.assertIn(word.encode(), result.stderr)

    def test_extract_fills_an_empty_directory_and_no_other(self) -> None:
        (self.work / "empty").mkdir()
        succeed(onefold("extract", self.packed.path, self.work / "empty"))
        self.assertSameTree(self.work / "empty", self.tree)
        for name, content in (("full", "mine"), ("file", "")):
            target = self.work / name
            if content:
                target.mkdir()
                (target / content).write_bytes(b"mine")
            else:
                target.write_bytes(b"mine")
            before = tree_state(self.work)
            result = onefold("extract", self.packed.path, target)
            self.assertRefused(result, target, code=1, says=b"onefold extract: ")
            self.assertSameTree(self.work, before)

    def test_extract_of_a_damaged_file_leaves_nothing(self) -> None:
        onefile = parts(self.packed.path)
        damaged = self.packed.copy(self.work / "damaged").path
        with damaged.open("r+b") as file:
            file.seek(onefile.trailer.payload_offset + 20)
            file.write(b"damage")
        result = onefold("extract", damaged, self.work / "extracted")
        self.assertRefused(result, damaged, "frame 0", code=1, says=b"onefold extract: ")
        self.assertEqual(listing(self.work), ["damaged"])

    def test_a_file_that_is_not_a_onefile_is_refused(self) -> None:
        for path in (BOOTLOADER, Path(os.devnull), self.tree, self.work / "missing"):
            for command in (["inspect"], ["verify"], ["extract", self.work / "target"]):
                with self.subTest(path=path, command=command[0]):
                    result = onefold(command[0], path, *command[1:])
                    says = f"onefold {command[0]}: ".encode()
                    self.assertRefused(result, path, code=1, says=says)
        self.assertEqual(listing(self.work), [])

    def test_bootloader_is_taken_from_option_environment_or_where_the_program_is(self) -> None:
        moved = self.work / "program" / "onefold"
        moved.parent.mkdir()
        shutil.copy(ONEFOLD, moved)
        copy = self.work / "bootloader"
        shutil.copy(BOOTLOADER, copy)
        command = [moved, "pack", "--tree", self.tree, "--entry", "bin/run", "-o"]
        missing = run([*command, self.work / "none"])
        self.assertRefused(missing, "ONEFOLD_BOOTLOADER", code=1, says=b"onefold pack: ")
        by_option = run([*command, self.work / "a", "--bootloader", copy])
        self.assertEqual(by_option.returncode, 0, by_option.stderr)
        given = {"ONEFOLD_BOOTLOADER": os.fspath(copy)}
        by_environment = run([*command, self.work / "b"], environment=given)
        self.assertEqual(by_environment.returncode, 0, by_environment.stderr)
        self.assertEqual(hash_file(self.work / "a"), hash_file(self.work / "b"))
        for place in ("program/bootloaders", "share/onefold/bootloaders"):
            installed = self.work / place / BOOTLOADER.name
            installed.parent.mkdir(parents=True)
            copy.rename(installed)
            found = run([*command, self.work / "c"])
            self.assertEqual(found.returncode, 0, found.stderr)
            self.assertEqual(hash_file(self.work / "c"), hash_file(self.work / "a"))
            installed.rename(copy)


if __name__ == "__main__":
    unittest.main()
