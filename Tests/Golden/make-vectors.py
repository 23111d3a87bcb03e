#!/usr/bin/env python3
"""Writes the golden vectors beside it; README.md tells what they are.

usage: Tests/Golden/make-vectors.py [--check]

With --check nothing is written; what is different, missing or unexpected is listed, and
the exit status is 1 if there is any.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from pathlib import Path
from typing import Any, Callable, Iterable

GOLDEN = Path(__file__).resolve().parent

# Where every trailer says that it stands. So far back that each length can be at its limit,
# or just above it, while all the other fields agree with one another.
TRAILER_POSITION = 536_880_404

U16, U32, U64 = 2**16 - 1, 2**32 - 1, 2**64 - 1
HOLE = U32
DIRECTORY, FILE, SYMLINK, HARD_LINK = range(4)
STORE, ZSTD, XZ = range(3)
NO_HASH = bytes(32)

Vectors = dict[str, bytes]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Layout:
    """A row or header: named fields of fixed places."""

    def __init__(self, layout: str, names: str) -> None:
        self.struct = struct.Struct("<" + layout)
        self.names = names.split()

    def pack(self, fields: dict[str, Any]) -> bytes:
        assert fields.keys() == set(self.names), fields.keys() ^ set(self.names)
        return self.struct.pack(*(fields[name] for name in self.names))

    def patched(self, data: bytes, at: int, changes: dict[str, Any]) -> bytes:
        fields = dict(zip(self.names, self.struct.unpack_from(data, at)))
        return data[:at] + self.pack({**fields, **changes}) + data[at + self.struct.size :]


# Trailer

TRAILER = Layout(
    "8sHHB3sQQQQQQQQ32s32s32s48s",
    "magic version length codec reserved_1 bootloader payload manifest manifest_stored"
    " manifest_raw record record_length trailer prefix_hash manifest_hash record_hash reserved_2",
)


def trailer(**changes: Any) -> bytes:
    """A trailer with these fields, the others so that all fit together where that is possible."""
    fields: dict[str, Any] = {
        "magic": b"\x89OFLD\r\n\x1a",
        "version": 1,
        "length": 256,
        "codec": ZSTD,
        "reserved_1": bytes(3),
        "bootloader": 5000,
        "payload": 8192,
        "manifest_stored": 1000,
        "manifest_raw": 4000,
        "record_length": 300,
        "trailer": TRAILER_POSITION,
        "prefix_hash": sha256(b"prefix"),
        "manifest_hash": sha256(b"manifest"),
        "record_hash": sha256(b"record"),
        "reserved_2": bytes(48),
        **changes,
    }
    fields.setdefault("record", TRAILER_POSITION - fields["record_length"])
    fields.setdefault("manifest", fields["record"] - fields["manifest_stored"])
    data = TRAILER.pack(fields)
    return data + sha256(data)


def trailers() -> Vectors:
    last = TRAILER_POSITION - 1300  # The payload offset if there is no frame.
    return {
        "valid-base": trailer(),
        "valid-store": trailer(codec=STORE, manifest_raw=1000),
        "valid-xz": trailer(codec=XZ),
        "valid-smallest": trailer(
            bootloader=64, payload=4096, manifest_stored=1, manifest_raw=112, record_length=12
        ),
        "valid-largest": trailer(manifest_stored=2**28, manifest_raw=2**28, record_length=65_536),
        "valid-aligned-bootloader": trailer(bootloader=8192),
        "valid-no-frames": trailer(bootloader=last - 4095, payload=last),
        "invalid-trailerTooShort": trailer()[:255],
        "invalid-trailerTooShort-empty": b"",
        "invalid-trailerMagic": trailer(magic=b"\x89OFLD\r\n\x1b"),
        "invalid-trailerMagic-text-mode": trailer(magic=b"\x89OFLD\n\x1a\x00"),
        "invalid-trailerMagic-7-bit": trailer(magic=b"\x09OFLD\r\n\x1a"),
        "invalid-trailerVersion-0": trailer(version=0),
        "invalid-trailerVersion-2": trailer(version=2),
        "invalid-trailerVersion-257": trailer(version=257),
        "invalid-trailerLength-0": trailer(length=0),
        "invalid-trailerLength-255": trailer(length=255),
        "invalid-trailerLength-512": trailer(length=512),
        "invalid-trailerReserved-13": trailer(reserved_1=b"\1\0\0"),
        "invalid-trailerReserved-15": trailer(reserved_1=b"\0\0\1"),
        "invalid-trailerReserved-176": trailer(reserved_2=b"\1" + bytes(47)),
        "invalid-trailerReserved-223": trailer(reserved_2=bytes(47) + b"\1"),
        "invalid-trailerCodec-3": trailer(codec=3),
        "invalid-trailerCodec-255": trailer(codec=255),
        "invalid-trailerBootloader-0": trailer(bootloader=0, payload=0),
        "invalid-trailerBootloader-63": trailer(bootloader=63, payload=4096),
        "invalid-trailerBootloader-not-rounded": trailer(payload=5000),
        "invalid-trailerBootloader-rounded-down": trailer(payload=4096),
        "invalid-trailerBootloader-extra-page": trailer(payload=12_288),
        "invalid-trailerBootloader-aligned-extra-page": trailer(bootloader=8192, payload=12_288),
        "invalid-trailerBootloader-overflow": trailer(bootloader=U64, payload=0),
        "invalid-trailerManifest-in-prefix": trailer(bootloader=last + 1, payload=last + 4096),
        "invalid-trailerManifest-stored-0": trailer(manifest_stored=0),
        "invalid-trailerManifest-stored-too-long": trailer(manifest_stored=2**28 + 1),
        "invalid-trailerManifest-stored-overflow": trailer(manifest_stored=U64, manifest=8192),
        "invalid-trailerManifest-raw-111": trailer(manifest_raw=111),
        "invalid-trailerManifest-raw-too-long": trailer(manifest_raw=2**28 + 1),
        "invalid-trailerManifest-raw-overflow": trailer(manifest_raw=U64),
        "invalid-trailerManifest-store-not-raw-length": trailer(codec=STORE, manifest_raw=1001),
        "invalid-trailerManifest-offset-overflow": trailer(manifest=U64 - 999, record=0),
        "invalid-trailerRecord-gap": trailer(manifest=last - 1),
        "invalid-trailerRecord-overlap": trailer(manifest=last + 1),
        "invalid-trailerRecord-too-short": trailer(record_length=11),
        "invalid-trailerRecord-too-long": trailer(record_length=65_537),
        "invalid-trailerRecord-ends-early": trailer(record_length=299, record=last + 1000),
        "invalid-trailerRecord-ends-late": trailer(record_length=301, record=last + 1000),
        "invalid-trailerRecord-overflow": trailer(record_length=U64, record=last + 1000),
        "invalid-trailerOffset-before": trailer(trailer=TRAILER_POSITION - 1),
        "invalid-trailerOffset-after": trailer(trailer=TRAILER_POSITION + 1),
        "invalid-trailerOffset-0": trailer(trailer=0),
        "invalid-trailerOffset-overflow": trailer(trailer=U64),
    }


# Launch record

RECORD = Layout("4sHHI", "magic version reserved count")
FIELD = Layout("HHI", "tag flags length")
(NAME, VERSION, ENTRY, ARGUMENT, SET, UNSET, TARGET, PACKER) = range(1, 9)
(GLIBC, CHECK, KEEP, PARENT_DEATH, REUSE) = range(10, 15)
(LISTEN, HANDOVER, IF_TAKEN, INSTANCE, INSTANCE_KEY, COMMAND) = range(15, 21)
UNCRITICAL = (VERSION, PACKER, *range(GLIBC, COMMAND + 1))

Field = tuple[int, int, bytes]


def field(tag: int, value: bytes) -> Field:
    return (tag, 0 if tag in UNCRITICAL else 1, value)


def record(*fields: Field, **header: Any) -> bytes:
    start = {"magic": b"OFLR", "version": 1, "reserved": 0, "count": len(fields), **header}
    return RECORD.pack(start) + b"".join(
        FIELD.pack({"tag": tag, "flags": flags, "length": len(value)}) + value
        for tag, flags, value in fields
    )


REQUIRED = [field(NAME, b"app"), field(ENTRY, b"bin/app"), field(TARGET, b"x86_64-linux")]


def with_fields(*more: Field) -> bytes:
    """The required fields, and these where they belong."""
    return record(*sorted([*REQUIRED, *more], key=lambda one: one[0]))


def with_value(tag: int, value: bytes) -> bytes:
    """That value in place of the field's, or as one more field."""
    return record(
        *sorted(
            [*(one for one in REQUIRED if one[0] != tag), field(tag, value)],
            key=lambda one: one[0],
        )
    )


def without(tag: int) -> bytes:
    return record(*(one for one in REQUIRED if one[0] != tag))


def records() -> Vectors:
    plain = record(*REQUIRED)
    first = RECORD.struct.size  # Where the first field, the name, is.
    name_255 = b"n" * 255
    path_3072 = b"/".join([name_255] * 11 + [b"n" * 128, b"n" * 127])
    room = 65_536 - len(plain) - FIELD.struct.size
    many = (65_536 - len(plain)) // FIELD.struct.size
    unknown = (9, 0, b"of a later release\0\xff")

    vectors = {
        "valid-minimal": plain,
        "valid-all-fields": with_fields(
            field(VERSION, b"1.2.3"),
            field(ARGUMENT, b"serve"),
            field(ARGUMENT, b""),
            field(ARGUMENT, b"--name=\xff\n\xfe"),
            field(SET, b"MODE=a=b"),
            field(SET, b"EMPTY="),
            field(UNSET, b"LD_PRELOAD"),
            field(PACKER, b"onefold 0.1.0"),
        ),
        "valid-placeholders": with_fields(
            field(ARGUMENT, b"--home={root}/share"),
            field(ARGUMENT, b"{{root}}{exe}{{exe}}"),
            field(ARGUMENT, b"{{{root}}} {} { } {roots} {other} {{ }} {root"),
            field(SET, b"PATH={root}/bin:{exe}"),
            field(SET, b"{root}={{root}}"),
            field(UNSET, b"{exe}"),
        ),
        "valid-aarch64": with_value(TARGET, b"aarch64-linux"),
        "valid-name-64": with_value(NAME, b"_+AZaz09.-".ljust(64, b".")),
        "valid-version-128": with_fields(field(VERSION, b"\xff ~".ljust(128, b"v"))),
        "valid-version-empty": with_fields(field(VERSION, b""), field(PACKER, b"")),
        "valid-entry-255": with_value(ENTRY, name_255),
        "valid-entry-3072": with_value(ENTRY, path_3072),
        "valid-entry-dots": with_value(ENTRY, b".../..a/.b/\xff\n"),
        "valid-unknown-field": with_fields(unknown, unknown, (U16, 0, b"")),
        "valid-unknown-field-first": with_fields((0, 0, b"")),
        "valid-glibc": with_fields(field(GLIBC, b"2.36 lib/python3.11/lib-dynload/_ssl.so")),
        "valid-glibc-after-all": with_fields(
            field(VERSION, b"1"), field(PACKER, b"p"), unknown, field(GLIBC, b"0.0 .a/ \xff\n")
        ),
        "valid-glibc-largest": with_fields(field(GLIBC, b"999.999 " + path_3072)),
        "valid-policies": with_fields(
            field(CHECK, b"files"), field(KEEP, b"30"), field(PARENT_DEATH, b"kill")
        ),
        "valid-policies-after-all": with_fields(
            field(VERSION, b"1"),
            field(PACKER, b"p"),
            unknown,
            field(GLIBC, b"2.36 bin/app"),
            field(CHECK, b"full"),
            field(KEEP, b"36500"),
            field(PARENT_DEATH, b"term"),
            (U16, 0, b"of a later release"),
        ),
        "valid-check-seal": with_value(CHECK, b"seal"),
        "valid-check-dirs": with_value(CHECK, b"dirs"),
        "valid-keep-0": with_value(KEEP, b"0"),
        "valid-service": with_fields(
            field(REUSE, b"no"),
            field(LISTEN, b"unix:{env:DIR}/a \xff"),
            field(HANDOVER, b"port"),
            field(IF_TAKEN, b"free"),
            field(INSTANCE, b"replace"),
            field(INSTANCE_KEY, b"{env:DIR}\n"),
            field(COMMAND, b"migrate\0bin/app\0-m\0\0\xff\n\0"),
            field(COMMAND, b"shell\0bin/sh\0"),
        ),
        "valid-service-defaults": with_fields(
            field(LISTEN, b""), field(HANDOVER, b"descriptor"), field(IF_TAKEN, b"fail"), field(INSTANCE, b"single")
        ),
        "valid-65536-bytes": with_fields(field(ARGUMENT, b"a" * room)),
        "valid-most-fields": with_fields(*[field(ARGUMENT, b"")] * many),
        "invalid-recordTooShort": plain[:11],
        "invalid-recordTooShort-empty": b"",
        "invalid-recordTooShort-too-long": with_fields(field(ARGUMENT, b"a" * (room + 1))),
        "invalid-recordMagic": record(*REQUIRED, magic=b"OFMF"),
        "invalid-recordVersion-0": record(*REQUIRED, version=0),
        "invalid-recordVersion-2": record(*REQUIRED, version=2),
        "invalid-recordReserved": record(*REQUIRED, reserved=1),
        "invalid-recordReserved-high": record(*REQUIRED, reserved=0x8000),
        "invalid-recordFieldCount": record(*REQUIRED, count=8_193),
        "invalid-recordFieldCount-overflow": record(*REQUIRED, count=U32),
        "invalid-recordFieldCut-no-header": record(*REQUIRED, count=4),
        "invalid-recordFieldCut-in-header": record(*REQUIRED, count=4) + bytes(7),
        "invalid-recordFieldCut-in-value": plain[:-1],
        "invalid-recordFieldCut-overflow": FIELD.patched(plain, first, {"length": U32}),
        "invalid-recordFieldCut-overflow-signed": FIELD.patched(plain, first, {"length": 2**31}),
        "invalid-recordFieldFlags-reserved": FIELD.patched(plain, first, {"flags": 3}),
        "invalid-recordFieldFlags-reserved-high": FIELD.patched(plain, first, {"flags": 0x8001}),
        "invalid-recordFieldFlags-unknown-field": with_fields((9, 2, b"")),
        "invalid-recordFieldFlags-name-not-critical": FIELD.patched(plain, first, {"flags": 0}),
        "invalid-recordFieldFlags-argument-not-critical": with_fields((ARGUMENT, 0, b"a")),
        "invalid-recordFieldFlags-version-critical": with_fields((VERSION, 1, b"1")),
        "invalid-recordFieldFlags-glibc-critical": with_fields((GLIBC, 1, b"2.36 bin/app")),
        "invalid-recordFieldFlags-check-critical": with_fields((CHECK, 1, b"dirs")),
        "invalid-recordFieldFlags-keep-critical": with_fields((KEEP, 1, b"30")),
        "invalid-recordFieldFlags-parent-death-critical": with_fields((PARENT_DEATH, 1, b"kill")),
        "invalid-recordFieldFlags-listen-critical": with_fields((LISTEN, 1, b"80")),
        "invalid-recordFieldFlags-command-critical": with_fields((COMMAND, 1, b"a\0b\0")),
        "invalid-recordNul-listen": with_value(LISTEN, b"80\0"),
        "invalid-recordNul-instance-key": with_value(INSTANCE_KEY, b"\0"),
        "invalid-recordFieldOrder": record(REQUIRED[1], REQUIRED[0], REQUIRED[2]),
        "invalid-recordFieldOrder-after-unknown": record(*REQUIRED, unknown, (8, 0, b"packer")),
        "invalid-recordFieldOrder-policies": record(
            *REQUIRED, field(KEEP, b"30"), field(CHECK, b"dirs")
        ),
        "invalid-recordFieldUnknown": with_fields((9, 1, b"")),
        "invalid-recordFieldUnknown-0": with_fields((0, 1, b"")),
        "invalid-recordFieldUnknown-last": with_fields((U16, 1, b"")),
        "invalid-recordFieldMissing-all": record(),
        "invalid-recordTrailing": plain + b"\0",
        "invalid-recordTrailing-count": record(*REQUIRED, field(PACKER, b"p"), count=3),
        "invalid-recordTrailing-no-field": record(*REQUIRED, count=0),
        "invalid-recordNul-unset": with_fields(field(UNSET, b"A\0B")),
        "invalid-recordNul-set": with_fields(field(SET, b"A=b\0")),
        "invalid-recordNul-argument": with_fields(field(ARGUMENT, b"a\0b")),
        "invalid-recordNul-entry": with_value(ENTRY, b"bin/app\0"),
        "invalid-recordNul-glibc": with_value(GLIBC, b"2.36 bin/app\0"),
        "invalid-recordNul-name": with_value(NAME, b"app\0"),
        "invalid-recordNul-check": with_value(CHECK, b"dirs\0"),
        "invalid-recordNul-keep": with_value(KEEP, b"3\x000"),
        "invalid-recordNul-parent-death": with_value(PARENT_DEATH, b"\0kill"),
        "invalid-recordVariable-set-no-name": with_fields(field(SET, b"=value")),
        "invalid-recordVariable-set-no-value": with_fields(field(SET, b"NAME")),
        "invalid-recordVariable-set-empty": with_fields(field(SET, b"")),
        "invalid-recordVariable-unset-empty": with_fields(field(UNSET, b"")),
        "invalid-recordVariable-unset-value": with_fields(field(UNSET, b"NAME=value")),
    }
    for what, tag in (("name", NAME), ("entry", ENTRY), ("target", TARGET)):
        vectors[f"invalid-recordFieldMissing-{what}"] = without(tag)
    for what, one in zip(("name", "entry", "target"), REQUIRED):
        vectors[f"invalid-recordFieldRepeated-{what}"] = with_fields(one)
    for what, tag in (("version", VERSION), ("packer", PACKER)):
        vectors[f"invalid-recordFieldRepeated-{what}"] = with_fields(*[field(tag, b"1")] * 2)
    vectors["invalid-recordFieldRepeated-glibc"] = with_fields(
        *[field(GLIBC, b"2.36 bin/app")] * 2
    )
    for what, tag, value in (
        ("check", CHECK, b"dirs"),
        ("keep", KEEP, b"30"),
        ("parent-death", PARENT_DEATH, b"kill"),
    ):
        vectors[f"invalid-recordFieldRepeated-{what}"] = with_fields(*[field(tag, value)] * 2)
    for what, value in {
        "empty": b"",
        "no-path": b"2.36",
        "empty-path": b"2.36 ",
        "no-version": b" bin/app",
        "no-minor": b"2 bin/app",
        "empty-minor": b"2. bin/app",
        "empty-major": b".36 bin/app",
        "three-numbers": b"2.2.5 bin/app",
        "four-digits": b"2.1000 bin/app",
        "leading-zero": b"2.036 bin/app",
        "signed": b"+2.36 bin/app",
        "name": b"GLIBC_2.36 bin/app",
        "tab": b"2.36\tbin/app",
        "absolute": b"2.36 /bin/app",
        "outside": b"2.36 ../app",
        "3073-bytes": b"2.36 " + path_3072 + b"n",
    }.items():
        vectors[f"invalid-recordGlibc-{what}"] = with_value(GLIBC, value)
    for what, tag, value in (
        ("check-empty", CHECK, b""),
        ("check-unknown", CHECK, b"none"),
        ("check-upper-case", CHECK, b"Dirs"),
        ("check-begins-alike", CHECK, b"dirs "),
        ("check-cut", CHECK, b"file"),
        ("check-of-the-other", CHECK, b"kill"),
        ("keep-empty", KEEP, b""),
        ("keep-leading-zero", KEEP, b"030"),
        ("keep-two-zeros", KEEP, b"00"),
        ("keep-too-long", KEEP, b"36501"),
        ("keep-six-digits", KEEP, b"100000"),
        ("keep-overflow", KEEP, b"18446744073709551646"),
        ("keep-signed", KEEP, b"+30"),
        ("keep-negative", KEEP, b"-1"),
        ("keep-fraction", KEEP, b"1.5"),
        ("keep-unit", KEEP, b"30d"),
        ("keep-space", KEEP, b" 30"),
        ("keep-hexadecimal", KEEP, b"0x1e"),
        ("keep-other-digits", KEEP, "٣".encode()),
        ("parent-death-empty", PARENT_DEATH, b""),
        ("parent-death-true", PARENT_DEATH, b"true"),
        ("parent-death-signal", PARENT_DEATH, b"SIGTERM"),
        ("parent-death-number", PARENT_DEATH, b"9"),
        ("parent-death-upper-case", PARENT_DEATH, b"KILL"),
        ("parent-death-begins-alike", PARENT_DEATH, b"killed"),
        ("parent-death-of-the-other", PARENT_DEATH, b"dirs"),
        ("handover-empty", HANDOVER, b""),
        ("handover-number", HANDOVER, b"3"),
        ("if-taken-other", IF_TAKEN, b"wait"),
        ("instance-upper-case", INSTANCE, b"Single"),
    ):
        vectors[f"invalid-recordPolicy-{what}"] = with_value(tag, value)
    for what, value in {
        "empty": b"",
        "name-alone": b"a\0",
        "no-end": b"a\0b",
        "argument-without-end": b"a\0b\0c",
        "empty-name": b"\0b\0",
        "name-with-slash": b"a/b\0b\0",
        "name-of-65-bytes": b"a" * 65 + b"\0b\0",
        "empty-entry": b"a\0\0",
        "absolute-entry": b"a\0/b\0",
        "dot-dot": b"a\0../b\0",
    }.items():
        vectors[f"invalid-recordCommand-{what}"] = with_value(COMMAND, value)
    vectors["invalid-recordCommand-name-twice"] = with_fields(
        field(COMMAND, b"a\0b\0"), field(COMMAND, b"b\0b\0"), field(COMMAND, b"a\0c\0")
    )
    for what, name in {
        "empty": b"",
        "65-bytes": b"a" * 65,
        "hidden": b".app",
        "option": b"-app",
        "dot-dot": b"..",
        "slash": b"a/b",
        "space": b"a b",
        "control": b"a\x1bb",
        "not-ascii": "é".encode(),
    }.items():
        vectors[f"invalid-recordName-{what}"] = with_value(NAME, name)
    for what, tag, value in (
        ("129-bytes", VERSION, b"v" * 129),
        ("newline", VERSION, b"1\n2"),
        ("escape", VERSION, b"\x1b[2J"),
        ("delete", VERSION, b"1\x7f"),
        ("packer", PACKER, b"p\x1f"),
        ("target-empty", TARGET, b""),
        ("target-slash", TARGET, b"x86_64/linux"),
    ):
        vectors[f"invalid-recordText-{what}"] = with_value(tag, value)
    for what, path in {
        "empty": b"",
        "absolute": b"/bin/sh",
        "dot": b".",
        "dot-dot": b"..",
        "outside": b"../app",
        "back": b"a/../app",
        "here": b"bin/./app",
        "double-slash": b"bin//app",
        "slash-after": b"bin/app/",
        "slash": b"/",
        "name-of-256": b"n" * 256,
        "3073-bytes": path_3072 + b"n",
    }.items():
        vectors[f"invalid-recordEntry-{what}"] = with_value(ENTRY, path)
    return vectors


# Manifest

MANIFEST = Layout("4sHHII", "magic version reserved_1 count reserved_2")
SECTION = Layout("IIQQ", "tag flags offset length")
FRAME = Layout("QQQBB6s32s", "offset stored raw codec filter reserved hash")
ROW = Layout(
    "BBHIIHHqIIQII32s",
    "type reserved_1 mode parent name name_length reserved_2 seconds nanoseconds link size"
    " first count hash",
)
SEGMENT = Layout("IIQQ", "frame reserved offset length")

FRAMES_TAG, ENTRIES_TAG, SEGMENTS_TAG, STRINGS_TAG = range(1, 5)


class Manifest:
    """Rows that are packed at the end, so that an edit can make any of them invalid."""

    def __init__(self, **root: Any) -> None:
        self.frames: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        self.segments: list[dict[str, Any]] = []
        self.strings = b""
        self.more_sections: list[tuple[int, bytes]] = []
        self.entry(DIRECTORY, 0, b"", **{"mode": 0o755, "seconds": 1_700_000_000, **root})

    def string(self, value: bytes) -> int:
        self.strings += value
        return len(self.strings) - len(value)

    def frame(self, stored: int, raw: int, **changes: Any) -> int:
        number = len(self.frames)
        offset = sum(frame["stored"] for frame in self.frames)
        self.frames.append(
            {
                "offset": offset,
                "stored": stored,
                "raw": raw,
                "codec": ZSTD,
                "filter": 0,
                "reserved": bytes(6),
                "hash": sha256(b"frame %d" % number),
                **changes,
            }
        )
        return number

    def segment(self, frame: int, offset: int, length: int) -> int:
        self.segments.append({"frame": frame, "reserved": 0, "offset": offset, "length": length})
        return len(self.segments) - 1

    def entry(self, type: int, parent: int, name: bytes, **changes: Any) -> int:
        self.entries.append(
            {
                "type": type,
                "reserved_1": 0,
                "mode": 0,
                "parent": parent,
                "name": self.string(name) if name else 0,
                "name_length": len(name),
                "reserved_2": 0,
                "seconds": 0,
                "nanoseconds": 0,
                "link": 0,
                "size": 0,
                "first": 0,
                "count": 0,
                "hash": NO_HASH,
                **changes,
            }
        )
        return len(self.entries) - 1

    def directory(self, parent: int, name: bytes, **changes: Any) -> int:
        fields = {"mode": 0o755, "seconds": 1_700_000_000, "nanoseconds": 123_456_789, **changes}
        return self.entry(DIRECTORY, parent, name, **fields)

    def file(self, parent: int, name: bytes, first: int = 0, count: int = 0, **changes: Any) -> int:
        fields = {
            "mode": 0o644,
            "seconds": 1_700_000_000,
            "size": sum(one["length"] for one in self.segments[first : first + count]),
            "first": first,
            "count": count,
            "hash": sha256(b"segments %d+%d" % (first, count) if count else b""),
            **changes,
        }
        return self.entry(FILE, parent, name, **fields)

    def symlink(self, parent: int, name: bytes, target: bytes, **changes: Any) -> int:
        index = self.entry(SYMLINK, parent, name, seconds=1_700_000_000, size=len(target))
        self.entries[index]["link"] = self.string(target)
        self.entries[index].update(changes)
        return index

    def hard_link(self, parent: int, name: bytes, file: int) -> int:
        return self.entry(HARD_LINK, parent, name, link=file)

    def encoded(self) -> bytes:
        sections = [
            (FRAMES_TAG, 1, b"".join(map(FRAME.pack, self.frames))),
            (ENTRIES_TAG, 1, b"".join(map(ROW.pack, self.entries))),
            (SEGMENTS_TAG, 1, b"".join(map(SEGMENT.pack, self.segments))),
            (STRINGS_TAG, 1, self.strings),
            *((tag, 0, data) for tag, data in self.more_sections),
        ]
        start = {
            "magic": b"OFMF",
            "version": 1,
            "reserved_1": 0,
            "count": len(sections),
            "reserved_2": 0,
        }
        table = MANIFEST.pack(start)
        offset = len(table) + len(sections) * SECTION.struct.size
        for tag, flags, data in sections:
            table += SECTION.pack(
                {"tag": tag, "flags": flags, "offset": offset, "length": len(data)}
            )
            offset += len(data)
        return table + b"".join(data for _, _, data in sections)


# What the invalid manifests are made from: its entries, by the indices that the edits use.
ROOT, BOX, CONTENT, LINK, TWIN, EMPTY, INNER_LINK = range(7)


def base() -> Manifest:
    manifest = Manifest()
    manifest.frame(60, 100)
    manifest.frame(50, 50, codec=STORE)
    manifest.segment(0, 0, 100)
    manifest.segment(HOLE, 0, 65_536)
    manifest.segment(1, 10, 40)
    manifest.directory(0, b"box")
    manifest.file(0, b"content", 0, 3)
    manifest.symlink(0, b"link", b"box/empty")
    manifest.hard_link(0, b"twin", CONTENT)
    manifest.file(BOX, b"empty")
    manifest.symlink(BOX, b"link", b"../content")
    return manifest


def rich() -> Manifest:
    """All that a manifest can hold, in canonical order."""
    manifest = Manifest(mode=0o700, seconds=-1, nanoseconds=999_999_999)
    manifest.frame(3_000, 16_777_216, filter=1)
    manifest.frame(1_000, 1_000, codec=STORE)
    manifest.frame(17_825_792, 16_777_216, codec=XZ)
    shared = manifest.segment(1, 0, 10)
    manifest.segment(0, 0, 16_777_216)
    manifest.segment(HOLE, 0, 131_072)
    manifest.segment(2, 16_777_215, 1)
    manifest.segment(HOLE, 0, 2**38)
    manifest.segment(1, 990, 10)

    manifest.file(0, b"\x01\n\x7f", shared, 1, mode=0)
    manifest.directory(0, b"-")
    one = manifest.file(0, b"...", shared, 1, mode=0o777, seconds=-(2**63))
    manifest.file(0, b"a", seconds=2**63 - 1, nanoseconds=999_999_999)
    manifest.file(0, b"a b", 1, 5, mode=0o111)
    sub = manifest.directory(0, b"b", mode=0)
    manifest.hard_link(0, b"c", one)
    manifest.file(0, b"d" * 255, 4, 1)
    manifest.symlink(0, b"e", b"b/.././/c/", seconds=-5, nanoseconds=1)
    manifest.symlink(0, b"f", b"./" * 2047 + b"g")
    manifest.symlink(0, b"g", b"no such \xff\nfile")
    manifest.symlink(0, b"h", b".../..")
    manifest.file(0, "é".encode())
    manifest.directory(0, b"\xff\xfe")
    deep = manifest.directory(sub, b"a", mode=0o777)
    manifest.hard_link(sub, b"b", one)
    manifest.symlink(sub, b"c", b"..")
    manifest.symlink(deep, b"up", b"../../b/a/../..")
    return manifest


def deep(*lengths: int) -> Manifest:
    """Nested directories with names of these lengths."""
    manifest = Manifest()
    parent = 0
    for length in lengths:
        parent = manifest.directory(parent, b"d" * length)
    return manifest


def deep_file(length: int) -> Manifest:
    """A file with a name of that length: 127 makes its path the longest valid one."""
    manifest = deep(*[255] * 11, 128)
    manifest.file(len(manifest.entries) - 1, b"f" * length)
    return manifest


def sharing(files: int, segments: int) -> Manifest:
    """Files that all have the same many segments."""
    manifest = Manifest()
    frame = manifest.frame(1, segments)
    for offset in range(segments):
        manifest.segment(frame, offset, 1)
    for number in range(files):
        manifest.file(0, b"%04d" % number, 0, segments, hash=NO_HASH, size=segments)
    return manifest


def holes(*lengths: int, files: int = 1) -> Manifest:
    """Files that all consist of the same holes."""
    manifest = Manifest()
    for length in lengths:
        manifest.segment(HOLE, 0, length)
    for number in range(files):
        manifest.file(0, b"%d" % number, 0, len(lengths))
    return manifest


def not_canonical() -> Manifest:
    """Strings and segments in another order than a writer's, overlapping, and unused."""
    manifest = Manifest()
    manifest.frame(10, 10)
    manifest.frame(20, 20)
    manifest.string(b"unused")
    manifest.segment(HOLE, 0, 1)
    manifest.segment(0, 5, 5)
    manifest.segment(0, 0, 8)
    manifest.file(0, b"ab", 2, 1)
    manifest.file(0, b"cd", 1, 2)
    manifest.entries[1].update(name=4, name_length=2)
    manifest.entries[2].update(name=0, name_length=1)
    return manifest


Edit = Callable[[Manifest], Any]


def edited(manifest: Manifest, edits: Iterable[Edit]) -> bytes:
    for edit in edits:
        edit(manifest)
    return manifest.encoded()


def made(*edits: Edit) -> bytes:
    """The base with these edits."""
    return edited(base(), edits)


def tree(*edits: Edit) -> bytes:
    """A root with what the edits add."""
    return edited(Manifest(), edits)


def entry(index: int, **changes: Any) -> Edit:
    return lambda manifest: manifest.entries[index].update(changes)


def frame(index: int, **changes: Any) -> Edit:
    return lambda manifest: manifest.frames[index].update(changes)


def segment(index: int, **changes: Any) -> Edit:
    return lambda manifest: manifest.segments[index].update(changes)


def name(index: int, value: bytes) -> Edit:
    return lambda manifest: manifest.entries[index].update(
        name=manifest.string(value), name_length=len(value)
    )


def target(index: int, value: bytes) -> Edit:
    return lambda manifest: manifest.entries[index].update(
        link=manifest.string(value), size=len(value)
    )


def header(**changes: Any) -> bytes:
    return MANIFEST.patched(made(), 0, changes)


def section_at(index: int) -> int:
    return MANIFEST.struct.size + index * SECTION.struct.size


def section(data: bytes, index: int, **changes: Any) -> bytes:
    """That manifest with changes in a row of its section table."""
    return SECTION.patched(data, section_at(index), changes)


def with_sections(*sections: tuple[int, bytes]) -> bytes:
    return made(lambda manifest: manifest.more_sections.extend(sections))


def resized(index: int, change: int) -> bytes:
    """The base with that section longer or shorter by some bytes, and the later ones in place."""
    data = made()
    _, _, offset, length = SECTION.struct.unpack_from(data, section_at(index))
    end = offset + length
    body = data[:end] + bytes(change) if change > 0 else data[: end + change]
    result = section(body + data[end:], index, length=length + change)
    for later in range(index + 1, 4):
        offset = SECTION.struct.unpack_from(data, section_at(later))[2]
        result = section(result, later, offset=offset + change)
    return result


def manifests() -> Vectors:
    return {
        "valid-minimal": tree(),
        "valid-base": made(),
        "valid-rich": rich().encoded(),
        "valid-filter-arm64": made(frame(0, filter=3)),
        "valid-path-of-3072": deep_file(127).encoded(),
        "valid-not-canonical": not_canonical().encoded(),
        "valid-unknown-section": with_sections((5, b"of a later release"), (U32, b"")),
        "valid-64-sections": with_sections(*((tag, b"") for tag in range(5, 65))),
        "valid-most-bytes": holes(2**40).encoded(),
        "valid-most-references": sharing(2048, 8192).encoded(),
        **invalid_sections(),
        **invalid_frames_and_segments(),
        **invalid_rows(),
        **invalid_tree(),
    }


def invalid_sections() -> Vectors:
    data = made()
    strings = len(data) - len(base().strings)
    vectors = {
        "manifestTooShort-empty": b"",
        "manifestTooShort-111": tree()[:111],
        "manifestTooShort-header": data[:16],
        "manifestTooShort-in-table": with_sections((5, b""), (6, b""))[:159],
        "manifestMagic": header(magic=b"OFLR"),
        "manifestVersion-0": header(version=0),
        "manifestVersion-2": header(version=2),
        "manifestReserved-6": header(reserved_1=1),
        "manifestReserved-12": header(reserved_2=1),
        "manifestReserved-15": header(reserved_2=2**31),
        "manifestSectionCount-0": header(count=0),
        "manifestSectionCount-3": header(count=3),
        "manifestSectionCount-65": with_sections(*((tag, b"") for tag in range(5, 66))),
        "manifestSectionCount-overflow": header(count=U32),
        "sectionOrder-twice": section(data, 1, tag=1),
        "sectionOrder-swapped": section(section(data, 2, tag=4), 3, tag=3),
        "sectionOrder-unknown-twice": with_sections((5, b""), (5, b"")),
        "sectionFlags-reserved": section(data, 0, flags=3),
        "sectionFlags-reserved-high": section(data, 3, flags=2**31 + 1),
        "sectionFlags-unknown-reserved": section(with_sections((5, b"")), 4, flags=2),
        "sectionBounds-in-table": section(data, 0, offset=0),
        "sectionBounds-overlap": section(data, 3, offset=strings - 1),
        "sectionBounds-gap": section(data + b"\0", 3, offset=strings + 1),
        "sectionBounds-offset-overflow": section(data, 1, offset=U64),
        "sectionBounds-length-overflow": section(data, 3, length=U64),
        "sectionBounds-length-signed": section(data, 3, length=2**63),
        "sectionBounds-cut": data[:-1],
        "sectionBounds-trailing": data + b"\0",
        "sectionUnknown": section(with_sections((5, b"")), 4, flags=1),
        "sectionUnknown-last": section(with_sections((U32, b"")), 4, flags=1),
        # Under tags that readers pass over.
        "sectionMissing-strings": section(data, 3, tag=5, flags=0),
        "sectionMissing-segments": section(section(data, 2, tag=4), 3, tag=5, flags=0),
        "sectionRows-frames-long": resized(0, 1),
        "sectionRows-entries-short": resized(1, -1),
        "sectionRows-segments-long": resized(2, 23),
    }
    for index, what in enumerate(("frames", "entries", "segments", "strings")):
        vectors[f"sectionFlags-{what}-not-critical"] = section(data, index, flags=0)
    return {f"invalid-{what}": vector for what, vector in vectors.items()}


def invalid_frames_and_segments() -> Vectors:
    vectors = {
        "frameOffset-first": made(frame(0, offset=1)),
        "frameOffset-gap": made(frame(1, offset=61)),
        "frameOffset-overlap": made(frame(1, offset=59)),
        "frameOffset-overflow": made(frame(1, offset=U64)),
        "frameStoredLength-0": made(frame(0, stored=0)),
        "frameStoredLength-too-long": made(frame(0, stored=17 * 2**20 + 1)),
        "frameStoredLength-overflow": made(frame(0, stored=U64)),
        "frameStoredLength-not-raw-length": made(frame(1, stored=49)),
        "frameRawLength-0": made(frame(0, raw=0)),
        "frameRawLength-too-long": made(frame(0, raw=16 * 2**20 + 1)),
        "frameRawLength-signed": made(frame(0, raw=2**63)),
        "frameRawLength-overflow": made(frame(0, raw=U64)),
        "frameCodec-3": made(frame(0, codec=3)),
        "frameCodec-255": made(frame(0, codec=255)),
        "frameFilter": made(frame(0, filter=2)),
        "frameFilter-stored": made(frame(1, filter=1)),
        "frameFilter-high": made(frame(1, filter=0x80)),
        "frameReserved-26": made(frame(0, reserved=b"\1" + bytes(5))),
        "frameReserved-31": made(frame(1, reserved=bytes(5) + b"\1")),
        "segmentFrame": made(segment(0, frame=2)),
        "segmentFrame-almost-hole": made(segment(0, frame=U32 - 1)),
        "segmentFrame-signed": made(segment(0, frame=2**31)),
        "segmentReserved": made(segment(0, reserved=1)),
        "segmentReserved-hole": made(segment(1, reserved=2**31)),
        "segmentBounds-length": made(segment(0, length=101)),
        "segmentBounds-offset": made(segment(2, offset=11)),
        "segmentBounds-offset-at-end": made(segment(2, offset=50, length=1)),
        "segmentBounds-offset-signed": made(segment(0, offset=2**63)),
        "segmentBounds-overflow": made(segment(0, offset=U64 - 98)),
        "segmentBounds-overflow-by-1": made(segment(0, offset=U64, length=2)),
        "segmentLength-0": made(segment(0, length=0)),
        "segmentLength-hole-0": made(segment(1, length=0)),
        "segmentLength-hole-too-long": made(segment(1, length=2**40 + 1)),
        "segmentLength-hole-signed": made(segment(1, length=2**63)),
        "segmentLength-hole-overflow": made(segment(1, length=U64)),
        "segmentHole": made(segment(1, offset=1)),
        "segmentHole-overflow": made(segment(1, offset=U64)),
    }
    return {f"invalid-{what}": vector for what, vector in vectors.items()}


def invalid_rows() -> Vectors:
    """Fields of one entry that are wrong by themselves."""
    strings_end = len(base().strings)
    vectors = {
        "entryType-4": made(entry(EMPTY, type=4)),
        "entryType-255": made(entry(BOX, type=255)),
        "entryReserved-1": made(entry(CONTENT, reserved_1=1)),
        "entryReserved-14": made(entry(LINK, reserved_2=1)),
        "entryReserved-15": made(entry(ROOT, reserved_2=0x8000)),
        "entryMode-sticky": made(entry(BOX, mode=0o1777)),
        "entryMode-set-gid": made(entry(CONTENT, mode=0o2755)),
        "entryMode-set-uid": made(entry(CONTENT, mode=0o4755)),
        "entryMode-file-type": made(entry(CONTENT, mode=0o100644)),
        "entryMode-root": made(entry(ROOT, mode=0o1000)),
        "entryTime": made(entry(CONTENT, nanoseconds=1_000_000_000)),
        "entryTime-symlink": made(entry(LINK, nanoseconds=1_000_000_000)),
        "entryTime-root": made(entry(ROOT, nanoseconds=U32)),
        "entryNameBounds-length": made(entry(EMPTY, name=strings_end - 4, name_length=5)),
        "entryNameBounds-offset": made(entry(EMPTY, name=strings_end + 1, name_length=1)),
        "entryNameBounds-overflow": made(entry(EMPTY, name=U32 - 3, name_length=5)),
        "entryTarget-empty": made(entry(LINK, size=0)),
        "entryTarget-4096-bytes": made(target(LINK, b"./" * 2048)),
        "entryTarget-overflow": made(entry(LINK, size=U64)),
        "entryTarget-signed": made(entry(LINK, size=2**63)),
        "entryTarget-nul": made(target(LINK, b"box\0/../..")),
        "entryTargetBounds-length": made(entry(LINK, link=strings_end - 4, size=5)),
        "entryTargetBounds-offset": made(entry(LINK, link=strings_end + 1, size=1)),
        "entryTargetBounds-overflow": made(entry(LINK, link=U32, size=4095)),
        "entrySegments-count": made(entry(CONTENT, count=4)),
        "entrySegments-first": made(entry(CONTENT, first=4)),
        "entrySegments-count-overflow": made(entry(CONTENT, count=U32)),
        "entrySegments-overflow": made(entry(CONTENT, first=U32, count=4)),
        "entrySegments-empty-file": made(entry(EMPTY, first=1)),
        "entrySegments-empty-file-at-end": made(entry(EMPTY, first=3)),
        "entrySize-short": made(entry(CONTENT, size=65_675)),
        "entrySize-long": made(entry(CONTENT, size=65_677)),
        "entrySize-zero": made(entry(CONTENT, size=0)),
        "entrySize-empty-file": made(entry(EMPTY, size=1)),
        "entrySize-signed": made(entry(CONTENT, size=2**63)),
        "entrySize-overflow": made(entry(EMPTY, size=U64)),
    }
    for what, value in {
        "empty": b"",
        "dot": b".",
        "dot-dot": b"..",
        "slash": b"/",
        "path": b"a/b",
        "outside": b"../x",
        "absolute": b"/etc",
        "slash-after": b"a/",
        "nul": b"a\0",
        "nul-only": b"\0",
        "dot-dot-nul": b"..\0",
        "256-bytes": b"n" * 256,
        "65535-bytes": b"n" * 65_535,
    }.items():
        vectors[f"entryName-{what}"] = made(name(EMPTY, value))
    for what, value in {
        "absolute": b"/etc/passwd",
        "slash": b"/",
        "up": b"..",
        "up-and-down": b"../x",
        "down-and-up": b"a/../../x",
        "here-and-up": b"./..",
        "empty-and-up": b"a//../..",
        "slash-after": b"../",
        "late": b"a/b/../../../a/b/c",
    }.items():
        vectors[f"entryTargetOutside-{what}"] = made(target(LINK, value))
    vectors["entryTargetOutside-in-directory"] = made(target(INNER_LINK, b"../../x"))

    wrong_hash = NO_HASH[:-1] + b"\1"
    for what, index, unused in (
        ("directory", BOX, ("link", "size", "first", "count", "hash")),
        ("root", ROOT, ("link", "size")),
        ("file", CONTENT, ("link",)),
        ("symlink", LINK, ("mode", "first", "count", "hash")),
        (
            "hard-link",
            TWIN,
            ("mode", "seconds", "nanoseconds", "size", "first", "count", "hash"),
        ),
    ):
        for field_name in unused:
            value: Any = wrong_hash if field_name == "hash" else 1
            vectors[f"entryUnused-{what}-{field_name}"] = made(entry(index, **{field_name: value}))
    vectors["entryUnused-symlink-mode-777"] = made(entry(LINK, mode=0o777))
    vectors["entryUnused-directory-size-overflow"] = made(entry(BOX, size=U64))
    vectors["entryUnused-hard-link-seconds-negative"] = made(entry(TWIN, seconds=-1))
    return {f"invalid-{what}": vector for what, vector in vectors.items()}


def invalid_tree() -> Vectors:
    """Entries that don't fit together."""
    no_entry = Manifest()
    no_entry.entries.clear()
    root_file = Manifest()
    root_file.entries[0].update(type=FILE, hash=sha256(b""))
    root_symlink = Manifest()
    root_symlink.entries[0].update(type=SYMLINK, mode=0, link=root_symlink.string(b"x"), size=1)
    root_hard_link = Manifest()
    root_hard_link.entries[0].update(type=HARD_LINK, mode=0, seconds=0)
    one_more = holes(2**40)
    one_more.segment(HOLE, 0, 1)
    one_more.file(0, b"1", 1, 1)
    too_many = sharing(2048, 8192)
    too_many.file(0, b"more", 0, 1)

    vectors = {
        "entryNone": no_entry.encoded(),
        "entryRoot-file": root_file.encoded(),
        "entryRoot-symlink": root_symlink.encoded(),
        "entryRoot-hard-link": root_hard_link.encoded(),
        "entryRoot-name": made(entry(ROOT, name_length=1)),
        "entryRoot-name-offset": made(entry(ROOT, name=1)),
        "entryRoot-parent": made(entry(ROOT, parent=1)),
        "entryRoot-parent-overflow": made(entry(ROOT, parent=U32)),
        "entryParent-file": made(entry(INNER_LINK, parent=CONTENT)),
        "entryParent-symlink-to-directory": made(
            target(LINK, b"box"), entry(EMPTY, parent=LINK), entry(INNER_LINK, parent=LINK)
        ),
        "entryParent-hard-link": made(entry(INNER_LINK, parent=TWIN)),
        "entryParent-self": made(entry(BOX, parent=BOX)),
        "entryParent-self-file": made(entry(INNER_LINK, parent=INNER_LINK)),
        "entryParent-after": made(
            lambda manifest: manifest.directory(0, b"z"), entry(INNER_LINK, parent=7)
        ),
        "entryParent-none": made(entry(INNER_LINK, parent=7)),
        "entryParent-overflow": made(entry(INNER_LINK, parent=U32)),
        "entryOrder-twice": made(name(LINK, b"content")),
        "entryOrder-twice-in-directory": made(name(INNER_LINK, b"empty")),
        "entryOrder-directory-twice": tree(
            lambda manifest: manifest.directory(0, b"a"),
            lambda manifest: manifest.directory(0, b"a"),
        ),
        "entryOrder-symlink-then-directory": tree(
            lambda manifest: manifest.symlink(0, b"a", b"b"),
            lambda manifest: manifest.directory(0, b"a"),
            lambda manifest: manifest.file(2, b"x"),
        ),
        "entryOrder-directory-then-symlink": tree(
            lambda manifest: manifest.directory(0, b"a"),
            lambda manifest: manifest.symlink(0, b"a", b"b"),
            lambda manifest: manifest.file(1, b"x"),
        ),
        "entryOrder-names": made(name(LINK, b"after")),
        "entryOrder-prefix": made(name(LINK, b"conten")),
        "entryOrder-unsigned": made(name(EMPTY, b"\x80")),
        "entryOrder-parents": made(
            entry(INNER_LINK, parent=ROOT), name(INNER_LINK, b"z"), target(INNER_LINK, b"box")
        ),
        "entryDepth": deep_file(128).encoded(),
        "entryDepth-directory": deep(*[255] * 13).encoded(),
        "entryHardLink-root": made(entry(TWIN, link=ROOT)),
        "entryHardLink-directory": made(entry(TWIN, link=BOX)),
        "entryHardLink-symlink": made(entry(TWIN, link=LINK)),
        "entryHardLink-self": made(entry(TWIN, link=TWIN)),
        "entryHardLink-after": made(entry(TWIN, link=EMPTY)),
        "entryHardLink-hard-link": made(lambda manifest: manifest.hard_link(BOX, b"twin", TWIN)),
        "entryHardLink-none": made(entry(TWIN, link=7)),
        "entryHardLink-overflow": made(entry(TWIN, link=U32)),
        "entryTotal-bytes": one_more.encoded(),
        "entryTotal-bytes-in-file": holes(2**40, 2**39).encoded(),
        "entryTotal-bytes-shared": holes(2**40, files=2).encoded(),
        "entryTotal-references": too_many.encoded(),
    }
    return {f"invalid-{what}": vector for what, vector in vectors.items()}


def main() -> int:
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    vectors = {
        GOLDEN / folder / f"{what}.bin": data
        for folder, group in (
            ("trailer", trailers()),
            ("record", records()),
            ("manifest", manifests()),
        )
        for what, data in group.items()
    }
    if sys.argv[1:] == ["--check"]:
        return check(vectors)
    for path, data in vectors.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return 0


def check(vectors: dict[Path, bytes]) -> int:
    found = set(GOLDEN.glob("*/*.bin"))
    problems = [f"missing: {path.relative_to(GOLDEN)}" for path in vectors.keys() - found]
    problems += [f"unexpected: {path.relative_to(GOLDEN)}" for path in found - vectors.keys()]
    problems += [
        f"different: {path.relative_to(GOLDEN)}"
        for path in vectors.keys() & found
        if path.read_bytes() != vectors[path]
    ]
    for problem in sorted(problems):
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
