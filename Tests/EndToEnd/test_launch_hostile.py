"""A onefile that was made to do harm is refused, by the same words whoever reads it, and touches nothing.

Every hash in these files is right, and the bootloader is the real one: it is the format's rules that
refuse them (docs/format.md), or what the machine can hold.
"""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
import unittest
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

from catalogue import faults
from support import (
    BOOTLOADER,
    GOLDEN,
    ONEFOLD,
    Case,
    Mounts,
    Onefile,
    Result,
    needs_program,
    noise,
    onefold,
    start,
    tree_state,
    vectors,
    wait_until,
)

PAGE = 4096
CANARY = b"must stay"


def digest(data: bytes) -> bytes:
    return vectors().sha256(data)


def zstd(raw: bytes) -> bytes:
    return subprocess.run(
        ["zstd", "-1", "-c"], input=raw, stdout=subprocess.PIPE, check=True
    ).stdout


@functools.lru_cache(maxsize=None)
def prefix() -> bytes:
    bootloader = BOOTLOADER.read_bytes()
    return bootloader + bytes(-len(bootloader) % PAGE)


def record() -> bytes:
    make = vectors()
    fields = (make.NAME, b"app"), (make.ENTRY, b"run"), (make.TARGET, b"x86_64-linux")
    return make.record(*(make.field(*field) for field in fields))


def encode(
    manifest: bytes,
    frames: bytes = b"",
    launch_record: Optional[bytes] = None,
    stored_manifest: Optional[bytes] = None,
) -> bytes:
    """A whole onefile of these parts; the manifest is stored as it is where it is not given as zstd."""
    make = vectors()
    launch_record = record() if launch_record is None else launch_record
    stored = manifest if stored_manifest is None else stored_manifest
    start = prefix() + frames
    trailer = make.trailer(
        codec=make.STORE if stored_manifest is None else make.ZSTD,
        bootloader=BOOTLOADER.stat().st_size,
        payload=len(prefix()),
        manifest=len(start),
        manifest_stored=len(stored),
        manifest_raw=len(manifest),
        record=len(start) + len(stored),
        record_length=len(launch_record),
        trailer=len(start) + len(stored) + len(launch_record),
        prefix_hash=digest(prefix()),
        manifest_hash=digest(stored),
        record_hash=digest(launch_record),
    )
    return start + stored + launch_record + trailer


class Hostile(Case):
    """A file beside what it must not touch, and every way to read it."""

    def setUp(self) -> None:
        super().setUp()
        self.cache.mkdir(mode=0o700)
        self.target = self.work / "target"
        canary = self.work / "canary"
        canary.mkdir()
        (canary / "file").write_bytes(CANARY)
        (self.work / "file").write_bytes(CANARY)

    def write(self, content: bytes, name: str = "hostile") -> Onefile:
        path = self.work / name
        path.write_bytes(content)
        path.chmod(0o755)
        return Onefile(path, {})

    def readers(self, onefile: Onefile) -> Iterator[tuple[str, Callable[[], Result], str, int]]:
        """Name, call, what its errors begin with and end with, exit code."""
        for verb, arguments in (
            ("", ()), ("extract", (self.target,)), ("verify", ()), ("inspect", ()), ("prewarm", ()),
        ):  # fmt: skip
            call = functools.partial(onefile.launch, *arguments, cache=self.cache, verb=verb)
            yield f"ONEFOLD={verb}", call, "onefold: ", 125
        for command, arguments in (
            ("extract", (self.target,)), ("verify", ()), ("inspect", ()),
        ):  # fmt: skip
            call = functools.partial(onefold, command, onefile.path, *arguments)
            yield f"onefold {command}", call, f"onefold {command}: ", 1

    def assertAllRefuse(self, onefile: Onefile, text: str, but: tuple[str, ...] = ()) -> None:
        """Each reader says the same in one line, and nothing else is there afterwards. Those in `but` do
        not come across what is wrong."""
        before = self.state()
        said = set()
        for name, call, says, code in self.readers(onefile):
            if name in but:
                continue
            with self.subTest(reader=name):
                result = call()
                self.assertRefused(result, text, code=code, says=says.encode())
                line = result.stderr[len(says) :].rstrip(b"\n")
                said.add(line.split(b"; ")[0])
        self.assertEqual(len(said), 1, said)
        self.assertEqual(self.state(), before)
        self.assertNothingLeft()

    def state(self) -> dict[bytes, tuple[Any, ...]]:
        """Of all but the directories where a lock, or what was begun to be unpacked, comes and goes."""
        state = tree_state(self.work)
        del state[b""], state[b"cache"]
        return state


class GoldenVectors(Hostile):
    """Every invalid vector, in a whole file, is refused by all readers for the rule that it breaks."""

    def check(
        self, kind: str, make: Callable[[bytes], bytes], shortest: int, longest: int, short: str
    ) -> None:
        paths = sorted((GOLDEN / kind).glob("invalid-*.bin"))
        self.assertGreater(len(paths), 80)
        for path in paths:
            content = path.read_bytes()
            fault = re.match(r"invalid-(\w+)", path.stem)[1]  # type: ignore[index]
            # What the trailer does not allow is not looked at.
            if len(content) < shortest or len(content) > longest:
                fault = short
            with self.subTest(vector=path.stem):
                self.assertAllRefuse(self.write(make(content)), faults()[fault])

    def test_manifests(self) -> None:
        frames = noise(110)
        self.check("manifest", lambda one: encode(one, frames), 112, 2**28, "trailerManifest")

    def test_records(self) -> None:
        manifest = vectors().tree()
        self.check("record", lambda one: encode(manifest, b"", one), 12, 65_536, "trailerRecord")

    def test_trailers(self) -> None:
        """In files that are as long as these trailers say, almost all of it a hole."""
        position = vectors().TRAILER_POSITION
        unseen = ("trailerTooShort", "trailerMagic", "trailerOffset")
        for path in sorted((GOLDEN / "trailer").glob("invalid-*.bin")):
            fault = re.match(r"invalid-(\w+)", path.stem)[1]  # type: ignore[index]
            onefile = self.write(prefix())
            with onefile.path.open("r+b") as file:
                file.seek(position)
                file.write(path.read_bytes())
                file.truncate()
            text = "holds no payload" if fault in unseen else faults()[fault]
            before = listing_of(self.work)
            for name, call, says, code in self.readers(onefile):
                with self.subTest(vector=path.stem, reader=name):
                    self.assertRefused(call(), text, code=code, says=says.encode())
            self.assertEqual(listing_of(self.work), before)


def listing_of(directory: Path) -> list[str]:
    return sorted(str(path) for path in directory.rglob("*"))


class Escapes(Hostile):
    """Trees that would write outside of the target, with contents that are all there."""

    def setUp(self) -> None:
        super().setUp()
        self.make = vectors()
        self.content = b"#!/bin/sh\necho escaped\n"

    def manifest(self) -> Any:
        """With one stored frame, of which the whole content of a file can be taken."""
        manifest = self.make.Manifest()
        manifest.frame(
            len(self.content), len(self.content), codec=self.make.STORE, hash=digest(self.content)
        )
        manifest.segment(0, 0, len(self.content))
        return manifest

    def file(self, manifest: Any, parent: int, name: bytes) -> int:
        hash = digest(self.content)
        return manifest.file(parent, name, 0, 1, mode=0o755, hash=hash)

    def whole(self, manifest: Any) -> Onefile:
        return self.write(encode(manifest.encoded(), self.content))

    def test_the_same_tree_without_harm_is_launched(self) -> None:
        """So that what is refused below is refused for the harm alone."""
        manifest = self.manifest()
        box = manifest.directory(0, b"box")
        run = self.file(manifest, 0, b"run")
        manifest.symlink(0, b"symlink", b"box/other")
        manifest.hard_link(0, b"twin", run)
        self.file(manifest, box, b"other")
        onefile = self.whole(manifest)
        self.assertSucceeded(onefile.launch(cache=self.cache), b"escaped\n")
        self.assertEqual(onefold("verify", onefile.path).returncode, 0)
        self.assertEqual(onefold("extract", onefile.path, self.target).returncode, 0)
        self.assertEqual(os.readlink(self.target / "symlink"), "box/other")
        self.assertTrue(os.path.samefile(self.target / "twin", self.target / "run"))

    def test_names(self) -> None:
        absolute = os.fsencode(self.work / "canary" / "new")
        for name in (
            b"..", b".", b"../file", b"../canary/new", b"../../file", b"/", absolute, b"box/../../file",
            b"", b"a\0", b"\0", b"run/", b"n" * 256,
        ):  # fmt: skip
            manifest = self.manifest()
            self.file(manifest, 0, name)
            with self.subTest(name=name[:40]):
                self.assertAllRefuse(self.whole(manifest), faults()["entryName"])

    def test_directories_with_such_names(self) -> None:
        for name in (b"..", b"../canary", b"/tmp"):
            manifest = self.manifest()
            self.file(manifest, manifest.directory(0, name), b"new")
            with self.subTest(name=name):
                self.assertAllRefuse(self.whole(manifest), faults()["entryName"])

    def test_symlinks_that_lead_out(self) -> None:
        for target in (b"/", b"/etc", b"..", b"../canary", b"a/../../canary", b"./../canary"):
            manifest = self.manifest()
            manifest.symlink(0, b"link", target)
            self.file(manifest, 0, b"run")
            with self.subTest(target=target):
                self.assertAllRefuse(self.whole(manifest), faults()["entryTargetOutside"])

    def test_a_path_through_a_symlink(self) -> None:
        """A file whose parent is a symlink, and one that the symlink's name stands for as well."""
        manifest = self.manifest()
        link = manifest.symlink(0, b"link", b"box")
        self.file(manifest, link, b"new")
        self.assertAllRefuse(self.whole(manifest), faults()["entryParent"])
        for first in ("symlink", "directory"):
            manifest = self.manifest()
            if first == "symlink":
                manifest.symlink(0, b"link", b"box")
                self.file(manifest, manifest.directory(0, b"link"), b"new")
            else:
                directory = manifest.directory(0, b"link")
                manifest.symlink(0, b"link", b"box")
                self.file(manifest, directory, b"new")
            with self.subTest(first=first):
                self.assertAllRefuse(self.whole(manifest), faults()["entryOrder"])

    def test_a_chain_of_symlinks_that_leads_out_is_not_followed(self) -> None:
        """The format allows it, because no text in it climbs out: nothing is written through it."""
        manifest = self.manifest()
        deep = manifest.directory(0, b"deep")
        # Entries are in the order of their parents: the root's first.
        manifest.symlink(0, b"out", b"deep/up/../canary")
        self.file(manifest, 0, b"run")
        manifest.symlink(deep, b"up", b"..")
        onefile = self.whole(manifest)
        before = tree_state(self.work / "canary")
        self.assertEqual(onefold("extract", onefile.path, self.target).returncode, 0)
        self.assertSucceeded(onefile.launch(cache=self.cache), b"escaped\n")
        self.assertSameTree(self.work / "canary", before)
        self.assertEqual(os.readlink(self.target / "out"), "deep/up/../canary")

    def test_names_twice(self) -> None:
        for kinds in (("file", "file"), ("directory", "file"), ("symlink", "file")):
            manifest = self.manifest()
            for kind in kinds:
                if kind == "file":
                    self.file(manifest, 0, b"same")
                elif kind == "directory":
                    manifest.directory(0, b"same")
                else:
                    manifest.symlink(0, b"same", b"other")
            with self.subTest(kinds=kinds):
                self.assertAllRefuse(self.whole(manifest), faults()["entryOrder"])

    def test_hard_links_that_lead_to_no_file_of_the_tree(self) -> None:
        for target in ("root", "directory", "symlink", "itself", "later", "none"):
            manifest = self.manifest()
            directory = manifest.directory(0, b"a")
            symlink = manifest.symlink(0, b"b", b"a")
            number = {
                "root": 0, "directory": directory, "symlink": symlink, "itself": 3, "later": 4, "none": 99,
            }[target]  # fmt: skip
            manifest.hard_link(0, b"c", number)
            self.file(manifest, 0, b"d")
            with self.subTest(target=target):
                self.assertAllRefuse(self.whole(manifest), faults()["entryHardLink"])

    def test_unknown_entry_types(self) -> None:
        """Device nodes, FIFOs and sockets can't be said, nor set-uid bits."""
        for change, fault in (
            ({"type": 4}, "entryType"),
            ({"type": 0o20}, "entryType"),
            ({"type": 255}, "entryType"),
            ({"mode": 0o4755}, "entryMode"),
            ({"mode": 0o60644}, "entryMode"),
        ):
            manifest = self.manifest()
            manifest.entries[self.file(manifest, 0, b"run")].update(change)
            with self.subTest(change=change):
                self.assertAllRefuse(self.whole(manifest), faults()[fault])

    def test_parents_in_a_circle(self) -> None:
        manifest = self.manifest()
        first, second = manifest.directory(0, b"a"), manifest.directory(0, b"b")
        manifest.entries[first]["parent"] = second
        manifest.entries[second]["parent"] = first
        self.assertAllRefuse(self.whole(manifest), faults()["entryParent"])

    def test_a_file_as_parent(self) -> None:
        manifest = self.manifest()
        self.file(manifest, self.file(manifest, 0, b"run"), b"below")
        self.assertAllRefuse(self.whole(manifest), faults()["entryParent"])

    def test_frames_that_overlap_or_leave_the_file(self) -> None:
        length = len(self.content)
        for offset in (0, length - 1, 2**63, 2**64 - 1):
            manifest = self.manifest()
            manifest.frame(
                length, length, codec=self.make.STORE, hash=digest(self.content), offset=offset
            )
            self.file(manifest, 0, b"run")
            with self.subTest(offset=offset):
                self.assertAllRefuse(self.whole(manifest), faults()["frameOffset"])

    def test_an_entry_that_is_no_file_is_not_run(self) -> None:
        """That is no rule of the format but of the launch: the tree is whole, and is kept."""
        manifest = self.manifest()
        manifest.directory(0, b"run")
        onefile = self.whole(manifest)
        result = onefile.launch(cache=self.cache)
        self.assertRefused(result, "cannot execute", code=126)

    def test_an_entry_that_leads_out_of_the_tree_is_not_run(self) -> None:
        """It is no path in a tree, so the record is not valid."""
        for entry in (b"../canary/file", b"/bin/sh", b"run/../../../bin/sh"):
            manifest = self.manifest()
            self.file(manifest, 0, b"run")
            make = self.make
            fields = (make.NAME, b"app"), (make.ENTRY, entry), (make.TARGET, b"x86_64-linux")
            fields = make.record(*(make.field(*field) for field in fields))
            with self.subTest(entry=entry):
                onefile = self.write(encode(manifest.encoded(), self.content, fields))
                self.assertAllRefuse(onefile, faults()["recordEntry"])


class Sizes(Hostile):
    """Files of which a few bytes ask for more than a machine has."""

    def setUp(self) -> None:
        super().setUp()
        self.make = vectors()

    def zeros(self, frame: bytes, raw: int, files: int, references: int) -> Onefile:
        """Files that consist of one frame, often."""
        manifest = self.make.Manifest()
        manifest.frame(len(frame), raw, hash=digest(frame))
        for _ in range(references):
            manifest.segment(0, 0, raw)
        for number in range(files):
            manifest.file(0, b"%04d" % number, 0, references)
        return self.write(encode(manifest.encoded(), frame))

    @needs_program("zstd")
    def test_more_content_than_a_onefile_may_hold(self) -> None:
        onefile = self.zeros(zstd(bytes(2**24)), 2**24, 64, 1025)
        self.assertAllRefuse(onefile, faults()["entryTotal"])

    @needs_program("zstd")
    def test_more_content_than_there_is_room(self) -> None:
        """Almost a tebibyte in less than 2 MB: refused before anything is written."""
        mounts = Mounts(self)
        small = mounts.tmpfs(self.work / "small", "mode=0700,size=64m")
        onefile = self.zeros(zstd(bytes(2**24)), 2**24, 63, 1024)
        self.assertLess(onefile.path.stat().st_size, 2_000_000)
        result = mounts.launch(onefile, cache=small / "cache")
        self.assertRefused(result, "not enough space", small, "ONEFOLD_CACHE")
        result = mounts.launch(onefile, small / "target", verb="extract")
        self.assertRefused(result, "not enough space", small, "free some, or extract to another file system")
        self.assertEqual(os.listdir(mounts.inside(small / "cache")), [])
        self.assertEqual(os.listdir(mounts.inside(small)), ["cache"])

    @needs_program("zstd")
    def test_a_frame_that_decodes_to_more_than_it_says(self) -> None:
        for raw in (2**24 + 1, 2**28):
            with self.subTest(raw=raw):
                onefile = self.zeros(zstd(bytes(raw)), 2**24, 1, 1)
                text = "frame 0 does not decode to what it should hold"
                unaware = ("ONEFOLD=inspect", "onefold inspect")
                self.assertAllRefuse(onefile, text, but=unaware)

    @needs_program("zstd")
    def test_a_manifest_that_decodes_to_more_than_it_says(self) -> None:
        manifest = self.make.tree()
        for more in (bytes(1), bytes(2**28)):
            stored = zstd(manifest + more)
            with self.subTest(more=len(more)):
                onefile = self.write(encode(manifest, stored_manifest=stored))
                self.assertAllRefuse(onefile, "the manifest does not decode to its length")

    @needs_program("zstd")
    def test_the_longest_manifest_of_nothing(self) -> None:
        zeros = bytes(2**28)
        onefile = self.write(encode(zeros, stored_manifest=zstd(zeros)))
        self.assertLess(onefile.path.stat().st_size, 500_000)
        self.assertAllRefuse(onefile, faults()["manifestMagic"])

    def test_holes(self) -> None:
        for lengths, fault in (
            ((2**40 + 1,), "segmentLength"),
            ((2**62,), "segmentLength"),
            ((2**64 - 1,), "segmentLength"),
            ((2**40, 1), "entryTotal"),
        ):
            onefile = self.write(encode(self.make.holes(*lengths).encoded()))
            with self.subTest(lengths=lengths):
                self.assertAllRefuse(onefile, faults()[fault])

    def test_hashing_the_longest_hole_ends_by_a_signal(self) -> None:
        """It takes many minutes, and is valid until its hash is known."""
        onefile = self.write(encode(self.make.holes(2**40).encoded()))
        commands = (
            (["env", "ONEFOLD=verify", onefile.path], "ONEFOLD=verify"),
            ([ONEFOLD, "verify", onefile.path], "onefold verify"),
        )
        for command, name in commands:
            with self.subTest(reader=name), start(command) as process:
                wait_until(lambda: processor_seconds(process.pid) > 0.2, "the hashing")
                process.send_signal(signal.SIGTERM)
                process.wait()
                self.assertEqual(process.returncode, -signal.SIGTERM)


def processor_seconds(pid: int) -> float:
    """Of all threads, in user mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    unittest.main()
