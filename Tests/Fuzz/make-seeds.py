#!/usr/bin/env python3
"""Writes the first inputs of the targets that have no golden vectors, for tools/fuzz.

usage: Tests/Fuzz/make-seeds.py DIRECTORY

DIRECTORY gets a folder for each target. Needs gcc and zstd.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import lzma
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True


def load_vectors() -> Any:
    path = HERE.parent / "Golden" / "make-vectors.py"
    specification = importlib.util.spec_from_file_location("make_vectors", path)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


make = load_vectors()


# Archives, in the container that Archive.swift tells of


def container(record: bytes, frames: bytes, manifest: bytes) -> bytes:
    return struct.pack("<HH", len(record), len(frames)) + record + frames + manifest


def zstd(raw: bytes) -> bytes:
    return subprocess.run(
        ["zstd", "-19", "-c"], input=raw, stdout=subprocess.PIPE, check=True
    ).stdout


def xz(raw: bytes) -> bytes:
    return lzma.compress(raw, check=lzma.CHECK_NONE)


def archives() -> Iterator[bytes]:
    fields = ((make.NAME, b"app"), (make.ENTRY, b"run"), (make.TARGET, b"x86_64-linux"))
    record = make.record(*(make.field(*field) for field in fields))
    yield container(record, b"", make.tree())

    text = b"some text, " * 40
    for codec, stored in ((make.STORE, text), (make.ZSTD, zstd(text)), (make.XZ, xz(text))):
        manifest = make.Manifest()
        manifest.frame(len(stored), len(text), codec=codec, hash=make.sha256(stored))
        manifest.segment(0, 0, 11)
        manifest.segment(0, 11, len(text) - 11)
        manifest.segment(make.HOLE, 0, 70_000)
        manifest.directory(0, b"a")
        whole = make.sha256(text + bytes(70_000))
        program = manifest.file(0, b"run", 0, 3, mode=0o755, hash=whole)
        manifest.file(0, b"small", 0, 1, hash=make.sha256(text[:11]))
        manifest.symlink(0, b"symlink", b"a/../run")
        deep = manifest.directory(1, b"b", mode=0)
        manifest.file(1, b"empty", mode=0)
        manifest.hard_link(1, b"twin", program)
        manifest.symlink(deep, b"up", b"../../small")
        yield container(record, stored, manifest.encoded())
    for path in sorted((HERE.parent / "Golden" / "manifest").glob("*.bin")):
        if path.stat().st_size < 1500:
            yield container(record, bytes(110), path.read_bytes())


# Seals


def seal(version: int, rows: list[tuple[int, bytes]], name: bytes, app_version: bytes) -> bytes:
    table = b"".join(
        struct.pack("<qIHH", 1_700_000_000, 5, mode, len(path) + 1) + path + b"\0"
        for mode, path in rows
    )
    owner = struct.pack("<HBBQ", 30, len(name), len(app_version), 1000) if version == 2 else b""
    header = struct.pack("<4sHHII", b"OFSL", version, 1, len(rows), len(table))
    header += make.sha256(b"tree") + bytes(range(16)) + bytes(4) + owner
    # The hash and the checksum are put in by the target.
    return header.ljust(128, b"\0") + table + (name + app_version if version == 2 else b"")


def seals() -> Iterator[bytes]:
    for version in (1, 2):
        yield seal(version, [], b"", b"")
        yield seal(version, [(0o755, b"."), (0o700, b"canary")], b"app", b"1.0")
        yield seal(version, [(0o755, b"a" * 255), (0, b"no/such")], b"n" * 64, b"v" * 128)


# Libraries


LIBRARY = "int f(void) { return 1; } int g(void) { return f(); }"
VERSIONS = "GLIBC_2.2.5 { global: f; local: *; }; GLIBC_2.36 { global: g; } GLIBC_2.2.5;"


def libraries(directory: Path) -> Iterator[bytes]:
    source, versions = directory / "source.c", directory / "versions"
    source.write_text(LIBRARY)
    versions.write_text(VERSIONS)
    small = ("-nostdlib", "-Os", "-Wl,-z,noseparate-code,-z,max-page-size=64,--build-id=none,--hash-style=sysv")
    script = f"-Wl,--version-script={versions},-soname,libc.so.6,-rpath,$ORIGIN:/lib"
    for options in (
        ("-shared", script, "-s"),
        ("-shared", script, "-g"),
        ("-shared", "-Wl,--disable-new-dtags,-rpath,/lib", "-s"),
        ("-shared", "-Wl,-z,pack-relative-relocs", "-s"),
        ("-static", "-Wl,-e,f", "-s"),
        ("-pie", "-Wl,-e,f,-dynamic-linker,/lib/ld.so", "-s"),
        ("-c",),
    ):
        output = directory / "library"
        command = ["gcc", "-o", output, source, *small, *options]
        subprocess.run(command, check=True)
        yield output.read_bytes()
    # Of another byte order, and of 32 bits, as far as a header tells.
    yield bytes.fromhex("7f454c46010201") + bytes(9) + bytes.fromhex("00020014") + bytes(60)
    yield bytes.fromhex("7f454c46010101") + bytes(9) + bytes.fromhex("02000300") + bytes(60)


# Specs


def specs() -> Iterator[bytes]:
    examples = HERE.parents[1] / "docs" / "examples"
    for path in sorted([*examples.glob("*/onefold*.toml"), *examples.glob("*/pyproject.toml")]):
        yield path.read_bytes()
    yield b"[project]\nname = 'a'\nversion = '1'\n[tool.onefold]\npython.version = \"3.11\"\n"
    yield b"\xef\xbb\xbfa.b = [1, -0x1, 1e3, true, 1979-05-27T07:32:00Z, {c = \"\"\"\\\n \\u00e9\"\"\"}]\r\n[[d]]\n"


# Signatures and keys


def signatures() -> Iterator[bytes]:
    # An Ed25519 key pair: RFC 8032, section 7.1, test 1.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    number = bytes(range(8))

    def text(*lines: bytes, end: bytes = b"\n") -> bytes:
        return end.join(lines) + end

    def comment(content: str = "a", kind: str = "untrusted") -> bytes:
        return f"{kind} comment: {content}".encode()

    trusted = comment("timestamp:1700000000\tfile:é\tversion:1", "trusted")
    for algorithm in (b"ED", b"Ed", b"XX"):
        first = base64.b64encode(algorithm + number + bytes(64))
        for end in (b"\n", b"\r\n"):
            yield text(comment(), first, trusted, base64.b64encode(bytes(64)), end=end)
    yield text(comment("\x1b"), first, trusted)
    yield text(comment(), first, b"trusted comment: \xff", first)
    yield text(comment(), base64.b64encode(b"Ed" + number + public))

    checksum = hashlib.blake2b(b"Ed" + number + seed + public, digest_size=32).digest()
    for sum in (checksum, bytes(32), b"x" * 32):
        content = b"Ed" + bytes(2) + b"B2" + bytes(48) + number + seed + public + sum
        yield text(comment(), base64.b64encode(content))
    for operations, memory in ((1 << 25, 1 << 30), (1 << 63, 1 << 63), (0, 0)):
        content = b"EdScB2" + bytes(32) + struct.pack("<QQ", operations, memory) + bytes(104)
        yield text(comment(), base64.b64encode(content))


# Software bills of materials, and METADATA of distributions


def inventories() -> Iterator[bytes]:
    yield (
        b'{"bomFormat": "CycloneDX", "metadata": {"timestamp": "2026-01-02T03:04:05Z", "component": {"name": "a", "bom-ref": "0"}},'
        b' "components": [{"name": "b", "bom-ref": "1", "licenses": [{"license": {"id": "MIT", "text": {"content": "x"}}}],'
        b' "components": [{"name": "c", "bom-ref": "2", "licenses": [{"expression": "MIT OR (0BSD AND Zlib)"}]}]}],'
        b' "dependencies": [{"ref": "0", "dependsOn": ["1"]}, {"ref": "1", "dependsOn": ["2", "1"]}]}'
    )
    yield (
        b'{"spdxVersion": "SPDX-2.3", "packages": [{"SPDXID": "SPDXRef-a", "name": "a", "licenseDeclared": "LicenseRef-x",'
        b' "checksums": [{"algorithm": "SHA256", "checksumValue": "00"}]}], "hasExtractedLicensingInfos": [{"licenseId":'
        b' "LicenseRef-x", "name": "X"}], "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType":'
        b' "DESCRIBES", "relatedSpdxElement": "SPDXRef-a"}]}'
    )
    for text in (
        '{"bomFormat": "CycloneDX", "components": [{"name": "a"}, {"name": "a"}, {"name": ""}, {}, 7, null]}',
        '{"bomFormat": "CycloneDX", "metadata": {"tools": {"components": [{"name": "t"}]}, "properties": [{"name": "n",'
        ' "value": "v"}]}, "components": []}',
        '{"bomFormat": "CycloneDX", "dependencies": [{"ref": "application", "dependsOn": ["x", "y"]}],'
        ' "components": [{"name": "a", "bom-ref": "x", "hashes": [{"alg": "SHA-256", "content": "%s"}]},'
        ' {"name": "b", "bom-ref": "y", "externalReferences": [{"type": "vcs", "url": "https://example.org"}]}]}' % ("aB" * 32),
        '{"bomFormat": "CycloneDX", "components": [{"name": "a", "evidence": {"occurrences": [{"location": "x"}]},'
        ' "author": "\\u0000\\ud83d\\ude00", "purl": "pkg:a/b@1", "cpe": "cpe:2.3:a:b:c:1:*:*:*:*:*:*:*"}]}',
        '{"spdxVersion": "SPDX-2.2", "name": "x", "documentDescribes": ["SPDXRef-a"], "packages": [{"SPDXID": "SPDXRef-a",'
        ' "name": "a", "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:a/b"}]}]}',
        '{"spdxVersion": "SPDX-3.0"}',
        "Name: demo\nRequires-Dist: a; (((os_name == 'a')))\nLicense-Expression: ((MIT))\n",
        "Name: demo\r\nLicense: MIT\r\n\tmore\r\nRequires-Dist: demo\r\nRequires-Dist: b; python_version ~= '3.9'\r\n",
        "Name: other\nVersion: 2\nProject-URL: ,\nProject-URL: Source,ftp://x\nClassifier: License :: Other\n",
    ):
        yield text.encode()
    yield (
        b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nLicense-Expression: MIT AND Apache-2.0 WITH LLVM-exception\n"
        b"Classifier: License :: OSI Approved :: MIT License\nLicense: one\n        two\nAuthor: J\xfcrgen\n"
        b"Project-URL: Source, https://example.org/\nRequires-Dist: a[b,c] (>=1) ; python_version < '3' and (extra == 'x')\n"
        b"Requires-Dist: demo @ https://example.org/a;b ; os_name in 'posix'\n\nText\n"
    )


def write(directory: Path, inputs: Iterator[bytes]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(inputs):
        (directory / f"{number:03}").write_bytes(content)


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    root = Path(sys.argv[1])
    write(root / "archive", archives())
    write(root / "seal", seals())
    write(root / "spec", specs())
    write(root / "signature", signatures())
    write(root / "inventory", inventories())
    with tempfile.TemporaryDirectory() as directory:
        made = list(libraries(Path(directory)))
    write(root / "elf", iter(made))
    write(root / "glibc", (one for one in made if one[16:18] == b"\3\0"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
