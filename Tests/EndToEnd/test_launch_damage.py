"""A damaged onefile is refused before anything is published or run."""

from __future__ import annotations

import contextlib
import os
import shutil
import unittest
from typing import Any, ContextManager, Iterable, Iterator, Sequence

from damage_support import DamagedBootloader, Flip, counts, spread
from support import (
    BOOTLOADER,
    READER,
    Case,
    File,
    Onefile,
    make_tree,
    needs_program,
    noise,
    onefold,
    pack,
    parts,
    program,
    run,
)

SIGNATURE = 65_536  # bytes that may be appended
HELP_TEXT = b"check every byte of the file"
MAGIC = b"\x89OFLD\r\n\x1a"


PACKING = ("--frame-size", "64", "--level", "3", "--app-version", "1.0")


def entries() -> dict[str, Any]:
    """What makes several frames, some compressed and some stored."""
    text = b"".join(b"%d lines\n" % i for i in range(20_000))
    return {"run": program(), "noise": noise(70_000), "text": text, "small": noise(100, "small")}


class Damage(Case):
    """The file is changed in place, launched with an empty cache, and put right again."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        tree = make_tree(cls.shared / "tree", entries())
        cls.packed = pack(tree, cls.shared / "packed", *PACKING, arguments=["a", "{root}"])
        cls.content = cls.packed.path.read_bytes()
        cls.parts = parts(cls.packed.path)

    def setUp(self) -> None:
        super().setUp()
        self.target = self.packed.copy(self.work / "packed")

    def regions(self) -> dict[str, tuple[int, int]]:
        """Where each part of the file begins and ends, bootloader and signature apart."""
        trailer = self.parts.trailer
        result = {"padding": (trailer.bootloader_length, trailer.payload_offset)}
        for number, frame in enumerate(self.parts.manifest.frames):
            start = trailer.payload_offset + frame.offset
            result[f"frame {number}"] = (start, start + frame.stored_length)
        result["manifest"] = (trailer.manifest_offset, trailer.record_offset)
        result["record"] = (trailer.record_offset, trailer.trailer_offset)
        result["trailer"] = (trailer.trailer_offset, trailer.trailer_offset + 256)
        return result

    def assertLaunchRefused(self) -> None:
        self.assertRefused(self.target.launch(cache=self.cache), self.target.path)
        self.assertNothingLeft()

    def assertRunsWell(self) -> None:
        self.assertLaunched(self.target.launch(cache=self.work / "good cache"))

    @contextlib.contextmanager
    def changed(self, offset: int, content: bytes) -> Iterator[None]:
        """The file with other bytes there, as a subtest."""
        with self.subTest(offset=offset, content=content[:32]):
            self.write(offset, content)
            try:
                yield
            finally:
                self.write(offset, self.content[offset : offset + len(content)])

    def flipped(self, offset: int, mask: int) -> ContextManager[None]:
        return self.changed(offset, bytes([self.content[offset] ^ mask]))

    def write(self, offset: int, content: bytes) -> None:
        with self.target.path.open("r+b") as file:
            file.seek(offset)
            file.write(content)


class Flips(Damage):
    def test_the_file_holds_what_can_be_damaged(self) -> None:
        codecs = {frame.codec for frame in self.parts.manifest.frames}
        self.assertEqual(codecs, {0, 1})
        start, end = self.regions()["padding"]
        self.assertGreater(end - start, 2)
        self.assertRunsWell()

    def check(self, offsets: Iterable[int], masks: Sequence[int] = (0x01, 0x80)) -> None:
        for offset in sorted(set(offsets)):
            for mask in masks:
                with self.flipped(offset, mask):
                    self.assertLaunchRefused()
        self.assertRunsWell()

    def spread(self, region: str, count: int) -> list[int]:
        start, end = self.regions()[region]
        steps = max(1, count - 1)
        return [start + (end - 1 - start) * step // steps for step in range(count)]

    def test_in_the_padding(self) -> None:
        self.check(self.spread("padding", 5))

    def test_in_each_frame(self) -> None:
        for number in range(len(self.parts.manifest.frames)):
            self.check(self.spread(f"frame {number}", 5))

    def test_in_the_manifest(self) -> None:
        self.check(self.spread("manifest", 40), masks=(0x10,))

    def test_in_every_byte_of_the_launch_record(self) -> None:
        self.check(range(*self.regions()["record"]), masks=(0x01,))

    def test_in_every_byte_of_the_trailer(self) -> None:
        self.check(range(*self.regions()["trailer"]), masks=(0x01, 0xFF))

    def test_in_parts_of_the_bootloader_that_do_not_run(self) -> None:
        """The text of the help, which no launch reads."""
        text = self.content.find(HELP_TEXT)
        self.assertGreater(text, 0)
        self.check([text, text + 20])

    def test_anywhere_in_the_bootloader(self) -> None:
        """It may end by any signal, but publishes and runs nothing but what was packed."""
        damaged = DamagedBootloader(self.packed, self.shared / "tree", self.work)
        length = self.parts.trailer.bootloader_length
        outcomes = [damaged.launch(flip) for flip in spread(0, length, 120)]
        self.assertEqual([one for one in outcomes if one.failure], [])
        # Code that no launch reaches is most of it, and is found by its hash.
        refused = sum(one.what == "refused" for one in outcomes)
        self.assertGreater(refused, 60, counts(outcomes))

    def test_a_damaged_tree_would_be_noticed(self) -> None:
        """What the test above looks for: here the packed tree is another one."""
        other = make_tree(self.work / "other", {**entries(), "small": b"another"})
        damaged = DamagedBootloader(self.packed, other, self.work)
        self.assertIsNotNone(damaged.launch(Flip(0, 0)).failure)

    def test_verify_refuses_them_too(self) -> None:
        for region in self.regions():
            for offset in self.spread(region, 3):
                with self.flipped(offset, 0x20):
                    result = onefold("verify", self.target.path)
                    self.assertRefused(
                        result, self.target.path, code=1, says=b"onefold verify: "
                    )
                    self.assertRefused(self.target.launch(verb="verify"), self.target.path)

    def test_the_second_reader_refuses_them_too(self) -> None:
        for region in self.regions():
            if region == "padding":
                continue  # It does not launch, and looks at what it reads alone.
            for offset in self.spread(region, 2):
                with self.flipped(offset, 0x20):
                    result = run([READER, "extract", self.target.path, self.work / "read"])
                    self.assertEqual((result.returncode, result.stdout), (1, b""), result.stderr)
                    self.assertIn(os.fsencode(self.target.path), result.stderr)
                    shutil.rmtree(self.work / "read", ignore_errors=True)


class Cuts(Damage):
    def lengths(self) -> list[int]:
        bootloader, size = self.parts.trailer.bootloader_length, len(self.content)
        boundaries = {edge for region in self.regions().values() for edge in region}
        lengths = {edge + near for edge in boundaries for near in (-1, 0, 1)}
        lengths |= {bootloader + (size - bootloader) * step // 100 for step in range(100)}
        lengths |= {size - cut for cut in (2, 3, 32, 33, 128, 223, 224, 255, 256, 257)}
        return sorted(length for length in lengths if bootloader <= length < size)

    def test_at_every_boundary_and_between(self) -> None:
        lengths = self.lengths()
        self.assertGreater(len(lengths), 120)
        # From the end, so that the file is only ever cut.
        for length in reversed(lengths):
            with self.subTest(length=length):
                os.truncate(self.target.path, length)
                self.assertLaunchRefused()

    def test_filled_up_with_zeros(self) -> None:
        """As a download that is not done, or a disk that was full."""
        for length in self.lengths()[::7]:
            with self.subTest(length=length):
                os.truncate(self.target.path, length)
                os.truncate(self.target.path, len(self.content))
                self.assertLaunchRefused()
                self.target.path.write_bytes(self.content)

    def test_the_bootloader_alone(self) -> None:
        bare = Onefile(BOOTLOADER, {})
        self.assertRefused(bare.launch(cache=self.cache), BOOTLOADER, "holds no payload")
        self.assertNothingLeft()

    @needs_program("strip")
    def test_stripped(self) -> None:
        run(["strip", self.target.path])
        self.assertLess(self.target.path.stat().st_size, len(self.content))
        self.assertRefused(self.target.launch(cache=self.cache), "holds no payload", "stripped")
        self.assertNothingLeft()


class Appended(Damage):
    def append(self, signature: bytes) -> None:
        self.target.path.write_bytes(self.content + signature)

    def test_a_signature_is_accepted(self) -> None:
        for length in (1, 8, 256, 4096, 8191, 8192, 8193, SIGNATURE - 1, SIGNATURE):
            with self.subTest(length=length):
                self.append(noise(length))
                self.assertRunsWell()
                self.assertEqual(onefold("verify", self.target.path).returncode, 0)
                shutil.rmtree(self.work / "good cache")

    def test_more_than_a_signature_is_refused(self) -> None:
        for length in (SIGNATURE + 1, 2 * SIGNATURE):
            with self.subTest(length=length):
                self.append(noise(length))
                self.assertLaunchRefused()

    def test_a_trailer_in_a_signature_is_skipped(self) -> None:
        trailer = self.content[-256:]
        for signature in (MAGIC, MAGIC * 100, trailer, trailer + noise(100), MAGIC + bytes(248)):
            with self.subTest(signature=signature[:16], length=len(signature)):
                self.append(signature)
                self.assertRunsWell()

    def test_a_forged_trailer_after_the_true_one_is_refused(self) -> None:
        """It says that it stands where it stands, and its hash is wrong."""
        trailer = bytearray(self.content[-256:])
        trailer[72:80] = len(self.content).to_bytes(8, "little")
        self.append(bytes(trailer))
        self.assertLaunchRefused()


class Mixtures(Damage):
    def test_a_payload_of_another_file_is_refused(self) -> None:
        """Each part is whole, and they are of two versions of one program."""
        tree = make_tree(self.work / "tree", {**entries(), "noise": File(noise(70_000, "new"))})
        other = pack(tree, self.work / "other", *PACKING, arguments=["a", "{root}"]).path
        theirs = other.read_bytes()
        self.assertEqual(len(theirs), len(self.content))
        for start, end in self.regions().values():
            if theirs[start:end] == self.content[start:end]:
                continue
            with self.changed(start, theirs[start:end]):
                self.assertLaunchRefused()
        self.assertRunsWell()


if __name__ == "__main__":
    unittest.main()
