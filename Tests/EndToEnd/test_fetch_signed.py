"""onefold fetch --public-key: what is not signed by the key, or older, does not replace anything."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from fetch_support import FetchCase, Odd
from signing import base64_of, new_key, public
from support import Result, StrPath, make_tree, onefold, pack, program, succeed


def sign(file: Path, key: Path, *options: StrPath, time: int = 1_700_000_000) -> None:
    succeed(onefold("sign", file, "--key", key, *options, environment={"SOURCE_DATE_EPOCH": str(time)}))


class SignedCase(FetchCase):
    """Servers have two versions with a signature beside each; `self.file` is the old one, unsigned."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.key, cls.other = new_key(cls.shared / "key"), new_key(cls.shared / "other")
        for file in (cls.old, cls.new):
            sign(file, cls.key)

    def setUp(self) -> None:
        super().setUp()
        self.odd = Odd(self, self.served)
        self.copies = self.work / "copies"
        self.copies.mkdir()

    def fetch(self, source: StrPath, *options: StrPath, **running: Any) -> Result:
        if "--public-key" not in options:
            options = ("--public-key", public(self.key), *options)
        return super().fetch(source, *options, **running)

    def copy(self, file: Path, name: str = "notes") -> Path:
        """A copy without a signature, in a directory of its own."""
        return Path(shutil.copy(file, self.copies / name))

    def served_by(self, what: str, root: Path) -> str:
        return f"{Odd(self, root).url}/{what}"


class Signed(SignedCase):
    def test_the_signature_is_beside_the_file(self) -> None:
        for source in (self.new, f"{self.odd.url}/plain/notes-2"):
            with self.subTest(source):
                shutil.copy(self.old, self.file)
                shown = self.fetched(source)
                self.assertUpdated(self.new)
                self.assertFalse(shown["signature"]["appended"])
                self.assertIn("\tversion:2.0\t", shown["signature"]["trusted_comment"])
        # The tail, the missing parts, and the signature.
        self.assertLessEqual(shown["requests"], 6)
        self.assertEqual(self.odd.counts["plain"], shown["requests"])

    def test_the_signature_is_appended(self) -> None:
        new = self.copy(self.new)
        sign(new, self.key, "--append")
        for source in (new, self.served_by("plain/notes", self.copies)):
            shutil.copy(self.old, self.file)
            self.assertTrue(self.fetched(source, "--public-key", base64_of(public(self.key)))["signature"]["appended"])
            self.assertUpdated(new)
            self.assertEqual(self.fetched(source)["updated"], False)

    def test_a_server_without_ranges(self) -> None:
        self.assertFalse(self.fetched(f"{self.odd.url}/no-ranges/notes-2")["ranges"])
        self.assertUpdated(self.new)
        new = self.copy(self.new)
        sign(new, self.key, "--append")
        self.fetched(self.served_by("no-ranges/notes", self.copies))
        self.assertUpdated(new)

    def test_a_query_stays_after_the_name(self) -> None:
        source = f"{self.odd.url}/query/notes-2?token=x"
        self.fetched(source)
        self.assertUpdated(self.new)

    def test_a_new_file(self) -> None:
        self.file.unlink()
        self.fetched(self.new)
        self.assertUpdated(self.new)

    def test_what_is_there_already_must_be_signed_too(self) -> None:
        shutil.copy(self.new, self.file)
        self.assertFalse(self.fetched(self.new)["updated"])
        new = self.copy(self.new)
        result = self.fetch(new)
        self.assertRefused(result, new, "is not signed", code=1, says=b"onefold fetch: ")
        self.assertUpdated(self.new)

    def test_the_summary_names_the_key(self) -> None:
        text = succeed(self.fetch(self.new)).stderr.decode()
        self.assertRegex(text, r"\n  key: [0-9A-F]{16}\n  trusted comment: timestamp:1700000000  file:notes-2  ")


class Refused(SignedCase):
    def assertLeavesNothing(self, source: StrPath, *texts: StrPath, options: tuple[StrPath, ...] = ()) -> None:
        self.assertFails(self.fetch(source, *options), *texts)
        self.assertUntouched()

    def test_without_a_signature(self) -> None:
        new = self.copy(self.new)
        self.assertLeavesNothing(new, new, "is not signed", f"{new}.minisig")
        for what in ("plain", "no-ranges"):
            url = self.served_by(f"{what}/notes", self.copies)
            self.assertLeavesNothing(url, "is not signed", f"{url}.minisig")
        # It is refused before it is downloaded.
        odd = Odd(self, self.copies)
        self.assertLeavesNothing(f"{odd.url}/plain/notes", "is not signed")
        self.assertLess(odd.sent, 70_000)

    def test_by_another_key(self) -> None:
        new = self.copy(self.new)
        for options in ((), ("--append",)):
            sign(new, self.other, *options)
            for source in (new, self.served_by("plain/notes", self.copies)):
                self.assertLeavesNothing(source, "was made with the key")

    def test_a_signature_of_another_file(self) -> None:
        new = self.copy(self.new)
        shutil.copy(f"{self.old}.minisig", f"{new}.minisig")
        for source in (new, *(self.served_by(f"{what}/notes", self.copies) for what in ("plain", "no-ranges"))):
            self.assertLeavesNothing(source, source, "is the signature of another file")

    def test_a_file_that_was_changed_and_hashed_anew(self) -> None:
        tree = make_tree(self.work / "tree", {"run": program(b"#!/bin/sh\necho evil\n")})
        evil = pack(tree, self.copies / "notes", "--name", "notes", "--app-version", "9.0").path
        shutil.copy(f"{self.new}.minisig", f"{evil}.minisig")
        self.assertLeavesNothing(evil, "is the signature of another file")

    def test_texts_that_are_no_signature(self) -> None:
        new = self.copy(self.new)
        text = Path(f"{self.new}.minisig").read_bytes()
        detached = Path(f"{new}.minisig")
        url = self.served_by("plain/notes", self.copies)
        for content, reason in (
            (b"", "it ends before line 1"),
            (b"<!DOCTYPE html>\n" * 4, "line 1 does not begin with"),
            (text.replace(b"trusted comment: t", b"trusted comment: \xff"), "is not UTF-8"),
            (text.replace(b"version:2.0", b"version:2.1"), "its trusted comment was changed"),
            (text + b"\n" * 65_536, "it has more than 65536 bytes"),
            (b"x" * 3_000_000, "it has more than 65536 bytes"),
        ):
            detached.write_bytes(content)
            for source in (new, url):
                with self.subTest(reason=reason, source=source):
                    self.assertLeavesNothing(source, f"{source}.minisig" if "changed" not in reason else "", reason)

    def test_a_server_that_fails_for_the_signature(self) -> None:
        self.assertLeavesNothing(f"{self.odd.url}/no-signature/notes-2", "notes-2.minisig", "the server answers 500")

    def test_keys_that_are_none(self) -> None:
        self.assertLeavesNothing(self.new, "No such file", options=("--public-key", "RWQx"))
        self.assertLeavesNothing(self.new, "is not a public key", options=("--public-key", self.key))


class Older(SignedCase):
    def repacked(self, version: str, *, name: str = "notes", text: bytes = b"echo", time: int = 5, append: bool = True) -> Path:
        directory = self.new_directory()
        tree = make_tree(directory / "tree", {"run": program(b"#!/bin/sh\n" + text)})
        options = ["--app-version", version] if version else []
        file = pack(tree, directory / "notes", "--name", name, *options).path
        sign(file, self.key, *(["--append"] if append else []), time=time)
        return file

    def assertTakes(self, old: Path, new: Path, *options: StrPath) -> None:
        shutil.copy(old, self.file)
        self.fetched(new, *options)
        self.assertUpdated(new)

    def assertRefuses(self, old: Path, new: Path, *texts: StrPath) -> None:
        shutil.copy(old, self.file)
        result = self.fetch(new)
        self.assertRefused(result, *texts, code=1, says=b"onefold fetch: ")
        self.assertUpdated(old)
        self.assertTakes(old, new, "--allow-older")

    def test_versions_decide(self) -> None:
        versions = ["1.9.dev1", "1.9a2", "1.9rc1", "1.9", "1.10", "2!0.1"]
        files = [self.repacked(version, time=100 - index) for index, version in enumerate(versions)]
        for old, new in zip(files, files[1:]):
            self.assertTakes(old, new)
            self.assertRefuses(new, old, old, "is older than", self.file, "--allow-older")

    def test_over_http(self) -> None:
        shutil.copy(self.new, self.file)
        odd = Odd(self, self.served)
        for what in ("plain", "no-ranges"):
            result = self.fetch(f"{odd.url}/{what}/notes-1")
            self.assertRefused(result, "'notes 1.0'", "is older than 'notes 2.0'", code=1, says=b"onefold fetch: ")
            self.assertUpdated(self.new)
        self.fetched(f"{odd.url}/plain/notes-1", "--allow-older")
        self.assertUpdated(self.old)

    def test_the_time_of_the_signature_decides_for_one_version(self) -> None:
        first = self.repacked("1.0", text=b"one", time=10)
        second = self.repacked("1.0", text=b"two", time=20)
        self.assertTakes(first, second)
        self.assertRefuses(second, first, "is older than")
        # Without that of the old file, nothing says that it is newer.
        unsigned = self.repacked("1.0", text=b"two", append=False)
        self.assertTakes(unsigned, first)

    def test_versions_without_an_order(self) -> None:
        first, second = self.repacked("blue", time=10), self.repacked("green", time=20)
        self.assertTakes(first, second)
        self.assertRefuses(second, first, "is older than")
        unsigned = self.repacked("red", append=False)
        self.assertRefuses(unsigned, second, "cannot tell whether 'notes green'", "--allow-older")
        none = self.repacked("", append=False)
        self.assertRefuses(none, second, "'notes' without a version", "--allow-older")

    def test_another_application_of_the_same_key(self) -> None:
        other = self.repacked("9.0", name="mail")
        shutil.copy(self.old, self.file)
        for options in ((), ("--allow-older",)):
            result = self.fetch(other, *options)
            self.assertRefused(result, other, "'mail 9.0'", "'notes 1.0'", code=1, says=b"onefold fetch: ")
            self.assertUntouched()

    def test_without_a_key_any_version_is_taken(self) -> None:
        shutil.copy(self.new, self.file)
        succeed(onefold("fetch", self.old, "-o", self.file))
        self.assertUpdated(self.old)

    def test_the_command_line(self) -> None:
        for options in (
            [self.old, "-o", self.file, "--allow-older"],
            ["--rollback", self.file, "--public-key", public(self.key)],
        ):
            self.assertEqual(onefold("fetch", *options).returncode, 2)
