#!/usr/bin/env python3
"""Reads a onefile: a second reader, written from docs/format.md alone.

usage: tools/read-payload.py list [--json] FILE
       tools/read-payload.py extract FILE DIR
       tools/read-payload.py info FILE

list     one line for each entry. With --json, each line is an object: "path"
         (the root is "."), "type", "mode", "size", "mtime" (in nanoseconds)
         and "target", with null for what the type does not have. Bytes that
         are not UTF-8 are lone surrogates, as os.fsencode takes them.
extract  writes the tree to DIR, which must be empty or not exist. What cannot
         be checked without decoding is checked while writing, so that DIR is
         incomplete after a failure.
info     the trailer and the launch record, as JSON.

Needs the program `zstd`. Exits with 1 if the file is refused or a system call
fails, with 2 on wrong usage.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import itertools
import json
import lzma
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
from typing import BinaryIO, Iterator, NamedTuple, NoReturn

MAXIMUM_SIGNATURE = 65_536
MAXIMUM_MANIFEST = 268_435_456
MAXIMUM_RECORD = 65_536
MAXIMUM_FRAME_STORED = 17_825_792
MAXIMUM_FRAME_RAW = 16_777_216
MAXIMUM_PATH = 3_072
MAXIMUM_NAME = 255
MAXIMUM_TARGET = 4_095
MAXIMUM_REFERENCES = 16_777_216
MAXIMUM_SIZE = 2**40

STORE, ZSTD, XZ = CODECS = range(3)
NONE, X86, ARM64 = FILTERS = (0, 1, 3)
CODEC_NAMES = ("store", "zstd", "xz")

DIRECTORY, FILE, SYMLINK, HARD_LINK = range(4)
TYPE_NAMES = ("directory", "file", "symlink", "hardlink")

HOLE = 0xFFFF_FFFF
CHUNK = 1 << 20


class Refused(Exception):
    """The file breaks a rule of the format."""


def need(condition: bool, message: str) -> None:
    if not condition:
        raise Refused(message)


# Trailer


class Trailer(NamedTuple):
    magic: bytes
    version: int
    length: int
    manifest_codec: int
    reserved_1: bytes
    bootloader_length: int
    payload_offset: int
    manifest_offset: int
    manifest_stored_length: int
    manifest_raw_length: int
    record_offset: int
    record_length: int
    trailer_offset: int
    prefix_hash: bytes
    manifest_hash: bytes
    record_hash: bytes
    reserved_2: bytes
    trailer_hash: bytes


TRAILER = struct.Struct("<8sHHB3s8Q32s32s32s48s32s")
TRAILER_MAGIC = b"\x89OFLD\r\n\x1a"


def find_trailer(file: BinaryIO) -> Trailer:
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - TRAILER.size - MAXIMUM_SIGNATURE)
    tail = read_exactly(file, start, size - start)
    at = tail.rfind(TRAILER_MAGIC)
    while at >= 0:
        data = tail[at : at + TRAILER.size]
        if len(data) == TRAILER.size and struct.unpack_from("<Q", data, 72) == (start + at,):
            return parse_trailer(data, start + at)
        # The magic cannot overlap itself, so that nothing is passed over.
        at = tail.rfind(TRAILER_MAGIC, 0, at)
    raise Refused("no trailer: not a onefile, or cut short")


def parse_trailer(data: bytes, position: int) -> Trailer:
    need(len(data) == TRAILER.size, "trailer: wrong length")
    trailer = Trailer._make(TRAILER.unpack(data))
    need(trailer.magic == TRAILER_MAGIC, "trailer: wrong magic")
    need(trailer.version == 1, f"format version {trailer.version} is not supported")
    need(sha256(data[:224]) == trailer.trailer_hash, "trailer: wrong hash")
    need(trailer.length == TRAILER.size, "trailer: wrong length field")
    need(not any(trailer.reserved_1 + trailer.reserved_2), "trailer: reserved bytes are not zero")
    need(trailer.bootloader_length >= 64, "trailer: bootloader length out of range")
    need(
        trailer.payload_offset == (trailer.bootloader_length + 4095) // 4096 * 4096,
        "trailer: payload offset does not follow the bootloader",
    )
    need(
        trailer.manifest_offset >= trailer.payload_offset,
        "trailer: manifest offset is before the payload",
    )
    need(
        1 <= trailer.manifest_stored_length <= MAXIMUM_MANIFEST,
        "trailer: manifest stored length out of range",
    )
    need(
        112 <= trailer.manifest_raw_length <= MAXIMUM_MANIFEST,
        "trailer: manifest raw length out of range",
    )
    check_codec(
        trailer.manifest_codec,
        trailer.manifest_stored_length,
        trailer.manifest_raw_length,
        "manifest",
    )
    need(
        trailer.record_offset == trailer.manifest_offset + trailer.manifest_stored_length,
        "trailer: record offset does not follow the manifest",
    )
    need(
        12 <= trailer.record_length <= MAXIMUM_RECORD, "trailer: record length out of range"
    )
    need(
        trailer.trailer_offset == trailer.record_offset + trailer.record_length == position,
        "trailer: trailer offset does not follow the launch record",
    )
    return trailer


# Launch record


class Field(NamedTuple):
    name: str
    once: bool  # At most once, and not any number of times.
    required: bool
    critical: bool


FIELDS: dict[int, Field] = {
    1: Field("name", once=True, required=True, critical=True),
    2: Field("version", once=True, required=False, critical=False),
    3: Field("entry", once=True, required=True, critical=True),
    4: Field("argument", once=False, required=False, critical=True),
    5: Field("set", once=False, required=False, critical=True),
    6: Field("unset", once=False, required=False, critical=True),
    7: Field("target", once=True, required=True, critical=True),
    8: Field("packer", once=True, required=False, critical=False),
    10: Field("glibc", once=True, required=False, critical=False),
    11: Field("check", once=True, required=False, critical=False),
    12: Field("keep", once=True, required=False, critical=False),
    13: Field("die-with-parent", once=True, required=False, critical=False),
    14: Field("reuse", once=True, required=False, critical=False),
    15: Field("listen", once=True, required=False, critical=False),
    16: Field("handover", once=True, required=False, critical=False),
    17: Field("if-taken", once=True, required=False, critical=False),
    18: Field("instance", once=True, required=False, critical=False),
    19: Field("instance-key", once=True, required=False, critical=False),
    20: Field("command", once=False, required=False, critical=False),
}

RECORD_HEADER = struct.Struct("<4sHHI")
FIELD_HEADER = struct.Struct("<HHI")

NAME_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-")
CHOICES = {
    "target": (b"x86_64-linux", b"aarch64-linux"),
    "check": (b"seal", b"dirs", b"files", b"full"),
    "die-with-parent": (b"kill", b"term"),
    "reuse": (b"no",),
    "handover": (b"descriptor", b"port"),
    "if-taken": (b"fail", b"free"),
    "instance": (b"single", b"replace"),
}
DAYS = re.compile(rb"0|[1-9][0-9]{0,4}")
MAXIMUM_DAYS = 36_500
GLIBC = re.compile(rb"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})")


def parse_record(data: bytes) -> dict[str, list[bytes]]:
    """The values of the known fields, by name."""
    need(RECORD_HEADER.size <= len(data) <= MAXIMUM_RECORD, "record: length out of range")
    magic, version, reserved, count = RECORD_HEADER.unpack_from(data)
    need(magic == b"OFLR", "record: wrong magic")
    need(version == 1, f"record: version {version} is not supported")
    need(reserved == 0, "record: reserved bytes are not zero")
    need(count <= 8_192, "record: too many fields")

    values: dict[str, list[bytes]] = {field.name: [] for field in FIELDS.values()}
    at, last_tag = RECORD_HEADER.size, 0
    for _ in range(count):
        need(len(data) - at >= FIELD_HEADER.size, "record: cut short")
        tag, flags, length = FIELD_HEADER.unpack_from(data, at)
        at += FIELD_HEADER.size
        need(tag >= last_tag, "record: fields are not in order")
        need(flags & ~1 == 0, "record: reserved flags are set")
        need(len(data) - at >= length, "record: a field goes beyond the end")
        value = data[at : at + length]
        at, last_tag = at + length, tag
        field = FIELDS.get(tag)
        if field is None:
            need(flags == 0, f"record: unknown critical field {tag}")
            continue
        need(flags == field.critical, f"record: {field.name}: wrong critical flag")
        need(not (field.once and values[field.name]), f"record: {field.name} is there twice")
        need(is_valid_value(field.name, value), f"record: {field.name}: not a valid value")
        values[field.name].append(value)
    need(at == len(data), "record: bytes after the last field")
    names = [command.split(b"\0")[0] for command in values["command"]]
    need(len(set(names)) == len(names), "record: two commands have one name")
    for field in FIELDS.values():
        need(bool(values[field.name]) or not field.required, f"record: no {field.name}")
    return values


def is_valid_value(field: str, value: bytes) -> bool:
    if field == "command":
        *parts, end = value.split(b"\0")
        return not end and len(parts) >= 2 and is_valid_value("name", parts[0]) and is_valid_path(parts[1])
    if 0 in value:
        return False
    if field in CHOICES:
        return value in CHOICES[field]
    if field == "name":
        return 1 <= len(value) <= 64 and NAME_BYTES.issuperset(value) and value[0] not in b".-"
    if field in ("version", "packer"):
        return len(value) <= 128 and all(byte >= 0x20 and byte != 0x7F for byte in value)
    if field == "entry":
        return is_valid_path(value)
    if field == "glibc":
        version, space, path = value.partition(b" ")
        return bool(GLIBC.fullmatch(version) and space) and is_valid_path(path)
    if field == "keep":
        return bool(DAYS.fullmatch(value)) and int(value) <= MAXIMUM_DAYS
    if field == "set":
        return value.find(b"=") > 0
    if field == "unset":
        return value != b"" and b"=" not in value
    return True


def is_valid_path(path: bytes) -> bool:
    return len(path) <= MAXIMUM_PATH and all(map(is_valid_name, path.split(b"/")))


def is_valid_name(name: bytes) -> bool:
    return (
        1 <= len(name) <= MAXIMUM_NAME
        and name not in (b".", b"..")
        and b"/" not in name
        and 0 not in name
    )


# Manifest


class Frame(NamedTuple):
    offset: int
    stored_length: int
    raw_length: int
    codec: int
    filter: int
    reserved: bytes
    hash: bytes


class Entry(NamedTuple):
    type: int
    reserved_1: int
    mode: int
    parent: int
    name_offset: int
    name_length: int
    reserved_2: int
    seconds: int
    nanoseconds: int
    link: int
    size: int
    first_segment: int
    segment_count: int
    hash: bytes

    @property
    def mtime(self) -> int:
        return self.seconds * 10**9 + self.nanoseconds


class Segment(NamedTuple):
    frame: int
    reserved: int
    offset: int
    length: int


MANIFEST_HEADER = struct.Struct("<4sHHII")
SECTION = struct.Struct("<IIQQ")
FRAME = struct.Struct("<QQQBB6s32s")
ENTRY = struct.Struct("<BBHIIHHqIIQII32s")
SEGMENT = struct.Struct("<IIQQ")

NO_HASH = bytes(32)


class Manifest(NamedTuple):
    frames: list[Frame]
    entries: list[Entry]
    segments: list[Segment]
    strings: bytes

    def name(self, entry: Entry) -> bytes:
        return self.strings[entry.name_offset : entry.name_offset + entry.name_length]

    def target(self, symlink: Entry) -> bytes:
        return self.strings[symlink.link : symlink.link + symlink.size]

    def path(self, index: int) -> bytes:
        names = []
        while index != 0:
            names.append(self.name(self.entries[index]))
            index = self.entries[index].parent
        return b"/".join(reversed(names)) or b"."

    def segments_of(self, file: Entry) -> list[Segment]:
        return self.segments[file.first_segment : file.first_segment + file.segment_count]


def parse_manifest(data: bytes) -> Manifest:
    sections = parse_sections(data)
    for row_size, section in ((FRAME.size, 1), (ENTRY.size, 2), (SEGMENT.size, 3)):
        need(len(sections[section]) % row_size == 0, "manifest: a table ends within a row")
    manifest = Manifest(
        [Frame._make(row) for row in FRAME.iter_unpack(sections[1])],
        [Entry._make(row) for row in ENTRY.iter_unpack(sections[2])],
        [Segment._make(row) for row in SEGMENT.iter_unpack(sections[3])],
        sections[4],
    )
    check_frames(manifest.frames)
    check_segments(manifest)
    check_tree(manifest)
    check_contents(manifest)
    return manifest


def parse_sections(data: bytes) -> dict[int, bytes]:
    """The known sections, by tag."""
    need(112 <= len(data) <= MAXIMUM_MANIFEST, "manifest: length out of range")
    magic, version, reserved_1, count, reserved_2 = MANIFEST_HEADER.unpack_from(data)
    need(magic == b"OFMF", "manifest: wrong magic")
    need(version == 1, f"manifest: version {version} is not supported")
    need(reserved_1 == reserved_2 == 0, "manifest: reserved bytes are not zero")
    need(4 <= count <= 64, "manifest: number of sections out of range")
    end = MANIFEST_HEADER.size + count * SECTION.size
    need(len(data) >= end, "manifest: the section table is cut short")

    sections: dict[int, bytes] = {}
    last_tag = -1
    for tag, flags, offset, length in SECTION.iter_unpack(data[MANIFEST_HEADER.size : end]):
        need(tag > last_tag, "manifest: sections are not in order")
        need(flags & ~1 == 0, "manifest: reserved section flags are set")
        need(offset == end, "manifest: a section is not where the one before ends")
        last_tag, end = tag, offset + length
        need(end <= len(data), "manifest: a section goes beyond the end")
        if 1 <= tag <= 4:
            need(flags == 1, f"manifest: section {tag} is not critical")
            sections[tag] = data[offset:end]
        else:
            need(flags == 0, f"manifest: unknown critical section {tag}")
    need(end == len(data), "manifest: bytes after the last section")
    need(len(sections) == 4, "manifest: a section is missing")
    return sections


def check_frames(frames: list[Frame]) -> None:
    end = 0
    for index, frame in enumerate(frames):
        what = f"frame {index}"
        need(frame.offset == end, f"{what}: not where the one before ends")
        need(
            1 <= frame.stored_length <= MAXIMUM_FRAME_STORED,
            f"{what}: stored length out of range",
        )
        need(1 <= frame.raw_length <= MAXIMUM_FRAME_RAW, f"{what}: raw length out of range")
        check_codec(frame.codec, frame.stored_length, frame.raw_length, what)
        need(frame.filter in FILTERS, f"{what}: unknown filter")
        need(frame.filter == NONE or frame.codec != STORE, f"{what}: stored with a filter")
        need(not any(frame.reserved), f"{what}: reserved bytes are not zero")
        end += frame.stored_length


def check_codec(codec: int, stored_length: int, raw_length: int, what: str) -> None:
    need(codec in CODECS, f"{what}: unknown codec {codec}")
    need(codec != STORE or stored_length == raw_length, f"{what}: stored with unequal lengths")


def check_segments(manifest: Manifest) -> None:
    for index, segment in enumerate(manifest.segments):
        what = f"segment {index}"
        need(segment.reserved == 0, f"{what}: reserved bytes are not zero")
        need(segment.length >= 1, f"{what}: empty")
        if segment.frame == HOLE:
            need(segment.offset == 0, f"{what}: a hole with an offset")
            need(segment.length <= MAXIMUM_SIZE, f"{what}: the hole is too long")
        else:
            need(segment.frame < len(manifest.frames), f"{what}: no such frame")
            need(
                segment.offset + segment.length <= manifest.frames[segment.frame].raw_length,
                f"{what}: goes beyond its frame",
            )


def check_tree(manifest: Manifest) -> None:
    """Everything of the entries but what files hold."""
    entries = manifest.entries
    need(len(entries) > 0, "manifest: no root")
    path_lengths: list[int] = []
    depths: list[int] = []
    last: tuple[int, bytes] = (0, b"")
    for index, entry in enumerate(entries):
        what = f"entry {index}"
        need(entry.type <= HARD_LINK, f"{what}: unknown type {entry.type}")
        need(
            entry.reserved_1 == entry.reserved_2 == 0, f"{what}: reserved bytes are not zero"
        )
        if index == 0:
            need(entry.type == DIRECTORY, "the root is not a directory")
            need(
                entry.parent == entry.name_offset == entry.name_length == 0,
                "the root has a parent or a name",
            )
            path_lengths.append(0)
            depths.append(0)
        else:
            need(
                entry.parent < index and entries[entry.parent].type == DIRECTORY,
                f"{what}: the parent is not an earlier directory",
            )
            need(
                entry.name_offset + entry.name_length <= len(manifest.strings),
                f"{what}: the name is outside of the strings",
            )
            name = manifest.name(entry)
            need(is_valid_name(name), f"{what}: not a valid name")
            need((entry.parent, name) > last, f"{what}: not in order, or there twice")
            last = (entry.parent, name)
            path_lengths.append(
                len(name) + (path_lengths[entry.parent] + 1 if entry.parent != 0 else 0)
            )
            need(path_lengths[index] <= MAXIMUM_PATH, f"{what}: the path is too long")
            depths.append(depths[entry.parent] + 1)
        check_fields(manifest, index, what)
        if entry.type == SYMLINK:
            need(
                entry.link + entry.size <= len(manifest.strings),
                f"{what}: the target is outside of the strings",
            )
            need(
                is_valid_target(manifest.target(entry), depths[entry.parent]),
                f"{what}: not a valid symlink target",
            )


def check_fields(manifest: Manifest, index: int, what: str) -> None:
    """The fields of an entry that depend on its type."""
    entry = manifest.entries[index]
    if entry.type in (DIRECTORY, FILE):
        need(entry.mode <= 0o777, f"{what}: mode out of range")
    else:
        need(entry.mode == 0, f"{what}: has a mode")
    if entry.type == HARD_LINK:
        need(entry.seconds == entry.nanoseconds == 0, f"{what}: has an mtime")
        need(
            entry.link < index and manifest.entries[entry.link].type == FILE,
            f"{what}: is not a link to an earlier file",
        )
    else:
        need(entry.nanoseconds <= 999_999_999, f"{what}: nanoseconds out of range")
    if entry.type in (DIRECTORY, FILE):
        need(entry.link == 0, f"{what}: has a link")
    if entry.type in (DIRECTORY, HARD_LINK):
        need(entry.size == 0, f"{what}: has a size")
    if entry.type == SYMLINK:
        need(1 <= entry.size <= MAXIMUM_TARGET, f"{what}: target length out of range")
    if entry.type != FILE:
        need(
            entry.first_segment == entry.segment_count == 0 and entry.hash == NO_HASH,
            f"{what}: has content",
        )


def is_valid_target(target: bytes, depth: int) -> bool:
    """Whether a symlink in a directory of that depth stays in the tree, as text."""
    if 0 in target or target.startswith(b"/"):
        return False
    for component in target.split(b"/"):
        if component == b"..":
            depth -= 1
            if depth < 0:
                return False
        elif component not in (b"", b"."):
            depth += 1
    return True


def check_contents(manifest: Manifest) -> None:
    ends = [0, *itertools.accumulate(segment.length for segment in manifest.segments)]
    references = total = 0
    for index, entry in enumerate(manifest.entries):
        if entry.type != FILE:
            continue
        what = f"entry {index}"
        first, end = entry.first_segment, entry.first_segment + entry.segment_count
        need(end <= len(manifest.segments), f"{what}: no such segments")
        need(entry.segment_count > 0 or first == 0, f"{what}: a first segment of none")
        references += entry.segment_count
        need(references <= MAXIMUM_REFERENCES, "manifest: too many references to segments")
        need(ends[end] - ends[first] == entry.size, f"{what}: the segments are not the size")
        total += entry.size
        need(total <= MAXIMUM_SIZE, "manifest: the files' sizes add up to too much")


# Stored bytes


def read_exactly(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    data = file.read(length)
    need(len(data) == length, "the file is cut short")
    return data


def read_checked(file: BinaryIO, offset: int, length: int, digest: bytes, what: str) -> bytes:
    data = read_exactly(file, offset, length)
    need(sha256(data) == digest, f"{what}: wrong hash")
    return data


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hash_file(file: BinaryIO, length: int) -> bytes:
    """The hash of the next bytes of the file, of fewer if it ends before."""
    digest = hashlib.sha256()
    while length > 0:
        data = file.read(min(CHUNK, length))
        if not data:
            break
        digest.update(data)
        length -= len(data)
    return digest.digest()


def decode(codec: int, stored: bytes, raw_length: int, what: str) -> bytes:
    if codec == ZSTD:
        raw = decode_zstd(stored, raw_length, what)
    elif codec == XZ:
        raw = decode_xz(stored, raw_length, what)
    else:
        raw = stored
    need(len(raw) == raw_length, f"{what}: does not decode to its raw length")
    return raw


# An opcode, perhaps an operand, and an address.
X86_ADDRESS = re.compile(
    rb"(?:\xE8|[\x89\x8B\x8D\x8F\xFF][\x05\x0D\x15\x1D\x25\x2D\x35\x3D])....",
    re.DOTALL,
)


def undo_x86(filtered: bytes) -> bytes:
    raw = bytearray(filtered)
    for found in X86_ADDRESS.finditer(filtered):
        if found.start() + 64 > len(raw):
            break
        end = found.end()
        value = int.from_bytes(raw[end - 4 : end], "little", signed=True)
        if -(2**26) <= value < 2**26:
            value = (value - end + 2**26) % 2**27 - 2**26
            raw[end - 4 : end] = value.to_bytes(4, "little", signed=True)
    return bytes(raw)


# The highest byte of BL and of ADRP.
ARM64_INSTRUCTION = re.compile(rb"[\x94-\x97\x90\xB0\xD0\xF0]")


def undo_arm64(filtered: bytes) -> bytes:
    raw = bytearray(filtered)
    for found in ARM64_INSTRUCTION.finditer(filtered[3::4]):
        place = 4 * found.start()
        word = int.from_bytes(filtered[place : place + 4], "little")
        if word >> 26 == 0x25:
            word = 0x94000000 | (word - place // 4) % 2**26
        else:
            page = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
            page = (page - place // 4096) % 2**21
            word = word & 0x9000001F | (page & 3) << 29 | page >> 2 << 5
        raw[place : place + 4] = word.to_bytes(4, "little")
    return bytes(raw)


UNDO = {NONE: bytes, X86: undo_x86, ARM64: undo_arm64}


def decode_zstd(stored: bytes, raw_length: int, what: str) -> bytes:
    need(is_zstd(stored), f"{what}: not complete zstd frames")
    with tempfile.TemporaryFile() as source:
        source.write(stored)
        source.seek(0)
        with subprocess.Popen(
            ["zstd", "-dc", "--long=31"],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            raw = process.stdout.read(raw_length + 1)
            if len(raw) > raw_length:
                process.kill()
        need(process.returncode == 0, f"{what}: does not decode")
    return raw


def is_zstd(stored: bytes) -> bool:
    """Whether frames of RFC 8878 without a dictionary fill the bytes, by their headers.

    The program would decode other formats as well, even after such a frame.
    """
    at = 0
    try:
        while at < len(stored):
            (magic,) = struct.unpack_from("<I", stored, at)
            if magic & 0xFFFF_FFF0 == 0x184D_2A50:  # Skippable.
                at += 8 + struct.unpack_from("<I", stored, at + 4)[0]
                continue
            descriptor = stored[at + 4]
            single_segment = descriptor >> 5 & 1
            if magic != 0xFD2F_B528 or descriptor & 3 != 0:
                return False
            content_size = (single_segment, 2, 4, 8)[descriptor >> 6]
            at += 5 + (1 - single_segment) + content_size
            is_last = False
            while not is_last:
                block = int.from_bytes(stored[at : at + 3], "little")
                is_last, is_run = block & 1 == 1, block >> 1 & 3 == 1
                at += 3 + (1 if is_run else block >> 3)
                if at > len(stored):
                    return False
            at += 4 if descriptor & 4 else 0  # The checksum.
    except (IndexError, struct.error):
        return False
    return at == len(stored)


def decode_xz(stored: bytes, raw_length: int, what: str) -> bytes:
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    try:
        raw = decoder.decompress(stored, max_length=raw_length + 1)
    except lzma.LZMAError as error:
        raise Refused(f"{what}: does not decode: {error}") from error
    need(decoder.eof and not decoder.unused_data, f"{what}: not one complete xz stream")
    return raw


# Whole file


class Onefile:
    """An open onefile. All is checked but the frames' hashes and what is in the frames."""

    def __init__(self, path: bytes) -> None:
        self.file = open(path, "rb")
        self.trailer = trailer = find_trailer(self.file)
        self.file.seek(0)
        need(
            hash_file(self.file, trailer.payload_offset) == trailer.prefix_hash,
            "bootloader: wrong hash",
        )
        padding = trailer.payload_offset - trailer.bootloader_length
        need(
            not any(read_exactly(self.file, trailer.bootloader_length, padding)),
            "the padding of the bootloader is not zero",
        )
        self.record = parse_record(
            read_checked(
                self.file,
                trailer.record_offset,
                trailer.record_length,
                trailer.record_hash,
                "record",
            )
        )
        stored = read_checked(
            self.file,
            trailer.manifest_offset,
            trailer.manifest_stored_length,
            trailer.manifest_hash,
            "manifest",
        )
        self.manifest = parse_manifest(
            decode(trailer.manifest_codec, stored, trailer.manifest_raw_length, "manifest")
        )
        end = sum(frame.stored_length for frame in self.manifest.frames)
        need(
            trailer.payload_offset + end == trailer.manifest_offset,
            "the last frame does not end where the manifest starts",
        )

    def stored_frame(self, index: int) -> bytes:
        frame = self.manifest.frames[index]
        offset = self.trailer.payload_offset + frame.offset
        return read_checked(
            self.file, offset, frame.stored_length, frame.hash, f"frame {index}"
        )

    def raw_frame(self, index: int) -> bytes:
        frame = self.manifest.frames[index]
        stored = self.stored_frame(index)
        raw = decode(frame.codec, stored, frame.raw_length, f"frame {index}")
        return UNDO[frame.filter](raw)


# Commands


def list_entries(onefile: Onefile, as_json: bool) -> None:
    for item in listing(onefile.manifest):
        if as_json:
            print(json.dumps(item))
            continue
        mode = "-" if item["mode"] is None else format(item["mode"], "03o")
        size = "-" if item["size"] is None else item["size"]
        mtime = "-" if item["mtime"] is None else in_seconds(item["mtime"])
        path = printable(item["path"])
        target = "" if item["target"] is None else " -> " + printable(item["target"])
        print(f"{item['type']:9} {mode:>3} {size:>12} {mtime:>20} {path}{target}")


def in_seconds(nanoseconds: int) -> str:
    sign = "-" if nanoseconds < 0 else ""
    return sign + "%d.%09d" % divmod(abs(nanoseconds), 10**9)


def listing(manifest: Manifest) -> Iterator[dict]:
    for index, entry in enumerate(manifest.entries):
        target = None
        if entry.type == SYMLINK:
            target = text(manifest.target(entry))
        elif entry.type == HARD_LINK:
            target = text(manifest.path(entry.link))
        yield {
            "path": text(manifest.path(index)),
            "type": TYPE_NAMES[entry.type],
            "mode": entry.mode if entry.type in (DIRECTORY, FILE) else None,
            "size": entry.size if entry.type == FILE else None,
            "mtime": entry.mtime if entry.type != HARD_LINK else None,
            "target": target,
        }


def extract(onefile: Onefile, directory: bytes) -> None:
    if os.path.isdir(directory) and os.listdir(directory):
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), directory)
    manifest = onefile.manifest
    for index in range(len(manifest.frames)):
        onefile.stored_frame(index)

    os.umask(0o077)
    if not os.path.isdir(directory):
        os.mkdir(directory)
    # Relative paths from here on: those of the tree may be almost as long as paths can be.
    os.chdir(directory)
    os.chmod(b".", 0o700)

    for index, entry in enumerate(manifest.entries[1:], 1):
        path = manifest.path(index)
        if entry.type == DIRECTORY:
            os.mkdir(path)
        elif entry.type == FILE:
            with open(path, "xb") as file:
                file.truncate(entry.size)
        elif entry.type == SYMLINK:
            os.symlink(manifest.target(entry), path)
        else:
            os.link(manifest.path(entry.link), path, follow_symlinks=False)

    for frame, pieces in pieces_by_frame(manifest).items():
        raw = memoryview(onefile.raw_frame(frame))
        for index, same_file in itertools.groupby(pieces, key=lambda piece: piece[0]):
            with open(manifest.path(index), "r+b") as file:
                for _, offset, segment in same_file:
                    file.seek(offset)
                    file.write(raw[segment.offset : segment.offset + segment.length])

    # Backwards, so that what is in a directory is finished before the directory is.
    for index, entry in reversed(list(enumerate(manifest.entries))):
        path = manifest.path(index)
        if entry.type == FILE:
            with open(path, "rb") as file:
                need(hash_file(file, entry.size) == entry.hash, f"entry {index}: wrong hash")
        if entry.type in (DIRECTORY, FILE):
            os.chmod(path, entry.mode)
        if entry.type != HARD_LINK:
            os.utime(path, ns=(entry.mtime, entry.mtime), follow_symlinks=False)


def pieces_by_frame(manifest: Manifest) -> dict[int, list[tuple[int, int, Segment]]]:
    """For each frame that is needed, what goes where: entry, offset in its content, segment."""
    pieces: dict[int, list[tuple[int, int, Segment]]] = {}
    for index, entry in enumerate(manifest.entries):
        offset = 0
        for segment in manifest.segments_of(entry):
            if segment.frame != HOLE:
                pieces.setdefault(segment.frame, []).append((index, offset, segment))
            offset += segment.length
    return dict(sorted(pieces.items()))


def info(onefile: Onefile) -> None:
    trailer, record = onefile.trailer, onefile.record
    fields = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in trailer._asdict().items()
        if not name.startswith(("magic", "reserved"))
    }
    fields["manifest_codec"] = CODEC_NAMES[trailer.manifest_codec]
    result = {
        "tree_id": trailer.manifest_hash.hex(),
        "trailer": fields,
        "record": {
            field.name: first_text(record[field.name])
            if field.once
            else [text(value) for value in record[field.name]]
            for field in FIELDS.values()
        },
    }
    print(json.dumps(result, indent=2))


def first_text(values: list[bytes]) -> str | None:
    return text(values[0]) if values else None


def text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def printable(value: str) -> str:
    """The text with the bytes of what could disturb a terminal, or a line, as \\xNN."""
    return "".join(
        character
        if character.isprintable() and character != "\\"
        else "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
        for character in value
    )


def fail(message: str) -> NoReturn:
    sys.exit("read-payload: " + printable(message))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="read-payload", description="Reads a file that onefold wrote."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    lister = commands.add_parser("list", help="list the entries")
    lister.add_argument("--json", action="store_true", help="one JSON object a line")
    lister.add_argument("file", metavar="FILE", type=os.fsencode)
    extractor = commands.add_parser("extract", help="write the tree to a directory")
    extractor.add_argument("file", metavar="FILE", type=os.fsencode)
    extractor.add_argument("directory", metavar="DIR", type=os.fsencode)
    commands.add_parser("info", help="show the trailer and the launch record").add_argument(
        "file", metavar="FILE", type=os.fsencode
    )
    arguments = parser.parse_args()

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    try:
        onefile = Onefile(arguments.file)
        if arguments.command == "list":
            list_entries(onefile, arguments.json)
        elif arguments.command == "extract":
            extract(onefile, arguments.directory)
        else:
            info(onefile)
    except Refused as error:
        fail(f"{os.fsdecode(arguments.file)}: {error}")
    except OSError as error:
        what = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        fail(f"{what}{error.strerror}")


if __name__ == "__main__":
    main()
