"""What the tests of signatures share: keys, and the program minisign."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Any, Optional

from support import Case, Result, StrPath, make_tree, noise, onefold, pack, program, run, succeed

PASSWORD = "correct horse battery staple"


def minisign(*arguments: StrPath, password: str = "", **options: Any) -> Result:
    """Runs minisign, which reads the password from a file."""
    return run(["minisign", *arguments], input=(password + "\n").encode() * 2, **options)


def new_key(path: Path) -> Path:
    """A key without a password, so that its use takes no time. The public key is at `public(path)`."""
    succeed(onefold("keygen", path, "--no-password"))
    return path


def public(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")


def base64_of(key: Path) -> str:
    return key.read_text().splitlines()[1]


def seed_of(key: Path) -> bytes:
    """The 32 secret bytes of a key without a password."""
    return base64.b64decode(base64_of(key))[62:94]


class SignatureCase(Case):
    """`self.file` is a copy of a small onefile, and nothing is beside it."""

    key: Path
    other: Path

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        tree = make_tree(cls.shared / "tree", {"run": program(), "data": noise(300_000)})
        options = ["--name", "notes", "--app-version", "1.2"]
        cls.packed = pack(tree, cls.shared / "notes", *options)
        cls.key, cls.other = new_key(cls.shared / "key"), new_key(cls.shared / "other")

    def setUp(self) -> None:
        super().setUp()
        self.place = self.work / "place"
        self.place.mkdir()
        self.file = self.place / "notes"
        shutil.copy(self.packed.path, self.file)
        self.detached = self.place / "notes.minisig"

    def sign(self, *options: StrPath, key: Optional[Path] = None, **running: Any) -> Result:
        return onefold("sign", self.file, "--key", key or self.key, *options, **running)

    def verify(self, key: StrPath = "", *options: StrPath) -> Result:
        return onefold("verify", self.file, "--public-key", key or public(self.key), *options)

    def assertVerified(self, key: StrPath = "") -> None:
        self.assertEqual(self.verify(key, "-q").stderr, b"")
        self.assertEqual(self.verify(key).returncode, 0)

    def assertNotVerified(self, *texts: StrPath, key: StrPath = "") -> None:
        self.assertRefused(self.verify(key, "--json"), *texts, code=1, says=b"onefold verify: ")

    def assertNotSigned(self, result: Result, *texts: StrPath) -> None:
        """One message, and nothing written."""
        before = self.packed.path.read_bytes()
        self.assertRefused(result, *texts, code=1, says=b"onefold sign: ")
        self.assertEqual(os.listdir(self.place), ["notes"])
        self.assertEqual(self.file.read_bytes(), before)
