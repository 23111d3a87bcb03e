"""Signatures: what minisign signs, Onefold verifies, and the reverse; and what is refused."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import time
import unittest
from pathlib import Path
from typing import Any

from signing import PASSWORD, SignatureCase, base64_of, minisign, public, seed_of
from support import (
    NOBODY,
    ONEFOLD,
    READER,
    Case,
    Onefile,
    listing,
    needs_program,
    needs_root,
    onefold,
    run,
    start,
    succeed,
    wait_until,
)
from test_completions import Terminal

#: Prints "echo" or "-echo".
ECHOES = r'stty -a | tr " " "\n" | grep -x -- "-\?echo;\?"'
#: Room for a signature after the trailer.
ROOM = 65_536


@needs_program("minisign")
class Minisign(SignatureCase):
    """The program of Debian, in both directions."""

    def assertMinisignVerifies(self, file: Path, key: Path) -> bytes:
        result = run(["minisign", "-V", "-H", "-p", public(key), "-m", file])
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_it_verifies_what_onefold_signs(self) -> None:
        shown = json.loads(succeed(self.sign("--json")).stdout)
        text = self.assertMinisignVerifies(self.file, self.key).decode()
        self.assertIn(f"Trusted comment: {shown['trusted_comment']}\n", text)
        self.assertEqual(shown["signature"], os.fspath(self.detached))
        fields = dict(field.split(":", 1) for field in shown["trusted_comment"].split("\t"))
        self.assertLess(abs(int(fields.pop("timestamp")) - time.time()), 600)
        tree = self.packed.summary["tree_id"]
        self.assertEqual(fields, {"file": "notes", "name": "notes", "version": "1.2", "tree-id": tree})

    def test_it_verifies_an_appended_signature_that_is_cut_off(self) -> None:
        succeed(self.sign("--append"))
        length = json.loads(succeed(onefold("inspect", "--json", self.file)).stdout)["appended_bytes"]
        content = self.file.read_bytes()
        copy = self.place / "copy"
        copy.write_bytes(content[:-length])
        (self.place / "copy.minisig").write_bytes(content[-length:])
        self.assertMinisignVerifies(copy, self.key)
        self.assertEqual(copy.read_bytes(), self.packed.path.read_bytes())

    def test_both_signatures_of_one_file(self) -> None:
        succeed(self.sign("--append"))
        succeed(self.sign(key=self.other))
        self.assertMinisignVerifies(self.file, self.other)
        self.assertVerified(public(self.other))
        self.assertVerified(public(self.key))

    def test_onefold_verifies_what_it_signs(self) -> None:
        for options in ([], ["-l"]):
            with self.subTest(options):
                comment = ["-t", "größer\tals: zwei", "-c", "untrusted"]
                succeed(minisign("-S", *options, "-s", self.key, "-m", self.file, *comment))
                shown = json.loads(succeed(self.verify("", "--json")).stdout)
                self.assertEqual(shown["signature"]["trusted_comment"], "größer\tals: zwei")
                self.assertNotVerified("was made with the key", key=public(self.other))
                self.file.write_bytes(self.file.read_bytes()[:-1] + b"\0")
                # The trailer's hash is wrong, too.
                self.assertNotVerified("trailer")
                shutil.copy(self.packed.path, self.file)

    def test_its_keys_and_passwords(self) -> None:
        key = self.work / "key"
        succeed(minisign("-G", "-p", public(key), "-s", key, password=PASSWORD))
        key.chmod(0o600)
        self.assertNotSigned(
            self.sign(key=key, environment={"ONEFOLD_KEY_PASSWORD": "wrong"}), key, "password", "is wrong"
        )
        self.assertSucceeded(self.sign("-q", key=key, environment={"ONEFOLD_KEY_PASSWORD": PASSWORD}))
        self.assertMinisignVerifies(self.file, key)
        self.assertVerified(base64_of(public(key)))

    def test_its_keys_without_a_password(self) -> None:
        key = self.work / "key"
        succeed(minisign("-G", "-W", "-p", public(key), "-s", key))
        key.chmod(0o600)
        self.assertSucceeded(self.sign("-q", key=key))
        self.assertMinisignVerifies(self.file, key)

    def test_it_signs_with_keys_of_onefold(self) -> None:
        key = self.work / "key"
        succeed(onefold("keygen", key, environment={"ONEFOLD_KEY_PASSWORD": PASSWORD}))
        succeed(minisign("-S", "-s", key, "-m", self.file, password=PASSWORD))
        self.assertVerified(public(key))
        again = self.work / "again.pub"
        succeed(minisign("-R", "-s", key, "-p", again, password=PASSWORD))
        self.assertEqual(base64_of(again), base64_of(public(key)))
        self.assertNotEqual(minisign("-S", "-s", key, "-m", self.file, password="wrong").returncode, 0)


class Keygen(Case):
    def setUp(self) -> None:
        super().setUp()
        self.key = self.work / "key"

    def refused(self, *texts: Any, options: tuple[Any, ...] = (), left: tuple[str, ...] = (), **running: Any) -> None:
        running.setdefault("start_new_session", True)
        result = onefold("keygen", self.key, *options, **running)
        self.assertRefused(result, *texts, code=1, says=b"onefold keygen: ")
        self.assertEqual(listing(self.work), sorted(left))

    def test_the_files(self) -> None:
        shown = json.loads(
            succeed(onefold("keygen", self.key, "--no-password", "--json", prepare=without_mask)).stdout
        )
        self.assertEqual(stat.S_IMODE(self.key.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(public(self.key).stat().st_mode), 0o666)
        self.assertEqual(shown["public_key"], base64_of(public(self.key)))
        self.assertEqual(shown["secret_key_file"], os.fspath(self.key))
        self.assertEqual(shown["public_key_file"], os.fspath(public(self.key)))
        comment = public(self.key).read_text().splitlines()[0]
        self.assertEqual(comment, f"untrusted comment: minisign public key {shown['key_id']}")
        self.assertEqual(listing(self.work), ["key", "key.pub"])

    def test_another_place_for_the_public_key(self) -> None:
        succeed(onefold("keygen", self.key, "--no-password", "--public-key", self.work / "open"))
        self.assertEqual(listing(self.work), ["key", "open"])

    def test_no_file_is_replaced(self) -> None:
        self.key.write_text("precious")
        self.refused(self.key, "exists", options=("--no-password",), left=("key",))
        self.assertEqual(self.key.read_text(), "precious")
        self.key.rename(public(self.key))
        self.refused(public(self.key), "exists", options=("--no-password",), left=("key.pub",))
        public(self.key).unlink()
        self.key.symlink_to("elsewhere")
        self.refused(self.key, "exists", options=("--no-password",), left=("key",))

    def test_places_that_are_none(self) -> None:
        nowhere = self.work / "nowhere" / "key"
        self.refused("does not exist", options=("--no-password", "--public-key", nowhere))
        result = onefold("keygen", self.key, "--no-password", "--public-key", self.key)
        self.assertEqual(result.returncode, 2)

    def test_passwords_that_are_none(self) -> None:
        long = "x" * 1025
        self.refused("more than 1024 bytes", environment={"ONEFOLD_KEY_PASSWORD": long})
        self.refused("more than 1024 bytes", options=("--password-fd", "0"), input=long.encode())
        self.refused("is empty", options=("--password-fd", "0"), input=b"\nsecret\n")
        self.refused("no terminal", "--password-fd", environment={"ONEFOLD_KEY_PASSWORD": ""})
        self.refused("descriptor 77", "Bad file descriptor", options=("--password-fd", "77"))
        for options in (("--password-fd", "x"), ("--no-password", "--password-fd", "0")):
            self.assertEqual(onefold("keygen", self.key, *options).returncode, 2)
        self.assertEqual(listing(self.work), [])


class Sign(SignatureCase):
    def test_a_signature_is_replaced(self) -> None:
        succeed(self.sign(key=self.other))
        self.assertVerified(public(self.other))
        succeed(self.sign())
        self.assertVerified()
        self.assertEqual(listing(self.place), ["notes", "notes.minisig"])

    def test_the_same_file_gives_the_same_signature(self) -> None:
        environment = {"SOURCE_DATE_EPOCH": "1700000000"}
        succeed(self.sign(environment=environment))
        first = self.detached.read_bytes()
        self.assertIn(b"\ntrusted comment: timestamp:1700000000\t", first)
        succeed(self.sign(environment=environment))
        self.assertEqual(self.detached.read_bytes(), first)

    def test_the_key_comes_by_a_pipe(self) -> None:
        key = self.key.read_text()
        script = 'exec "$0" sign "$1" -q --key <(printf %s "$2")'
        self.assertSucceeded(run(["bash", "-c", script, ONEFOLD, self.file, key]))
        self.assertVerified()

    def test_secret_keys_that_others_can_read(self) -> None:
        key = self.work / "key"
        shutil.copy(self.key, key)
        for mode in (0o640, 0o604, 0o644, 0o660):
            key.chmod(mode)
            self.assertNotSigned(self.sign(key=key), key, "others can read", f"{mode:o}", "chmod 600")

    @needs_root
    def test_secret_keys_of_others(self) -> None:
        key = self.work / "key"
        shutil.copy(self.key, key)
        os.chown(key, NOBODY, NOBODY)
        self.assertNotSigned(self.sign(key=key), key, "belongs to another user")

    def test_files_that_are_no_secret_key(self) -> None:
        for content, text in (
            (b"", "it ends before line 1"),
            (public(self.key).read_bytes(), "line 2 is not the base64 of 158 bytes"),
            (self.key.read_bytes() * 2, "there is text after line 2"),
            (b"untrusted comment: \xff\nRWQ=\n", "the comment in line 1 is not UTF-8"),
            (b"x" * 100_000, "it has more than 4096 bytes"),
            (self.key.read_bytes().replace(b"RWQ", b"RWR", 1), "unknown algorithm"),
            (self.damaged_key(), "is damaged: its parts do not match"),
        ):
            key = self.work / "key"
            key.write_bytes(content)
            key.chmod(0o600)
            with self.subTest(text):
                self.assertNotSigned(self.sign(key=key), key, text)
        self.assertNotSigned(self.sign(key=self.work / "none"), "none", "No such file")
        self.assertNotSigned(self.sign(key=self.work), self.work, "is a directory")

    def damaged_key(self) -> bytes:
        content = bytearray(self.key.read_bytes())
        # Another letter of base64.
        content[-60] = ord("B") if content[-60] == ord("A") else ord("A")
        return bytes(content)

    def test_files_that_are_no_onefile(self) -> None:
        succeed(self.sign())
        # A signature in the place of the trailer: alone, and after a file that lost its trailer.
        text = self.detached.read_bytes()
        for content in (text, self.file.read_bytes()[:-256] + text, b""):
            self.file.write_bytes(content)
            self.detached.unlink(missing_ok=True)
            for option in ((), ("--append",)):
                result = self.sign(*option)
                self.assertRefused(result, self.file, "holds no payload", code=1, says=b"onefold sign: ")
                self.assertEqual(listing(self.place), ["notes"])
                self.assertEqual(self.file.read_bytes(), content)
            self.assertNotVerified("holds no payload")

    def test_a_damaged_onefile_is_not_signed(self) -> None:
        content = bytearray(self.file.read_bytes())
        content[-200_000] ^= 1
        self.file.write_bytes(content)
        for option in ((), ("--append",)):
            result = self.sign(*option)
            self.assertRefused(result, self.file, "is damaged", code=1, says=b"onefold sign: ")
            self.assertEqual(listing(self.place), ["notes"])
            self.assertEqual(self.file.read_bytes(), content)

    def test_a_directory_in_the_place_of_the_signature(self) -> None:
        self.detached.mkdir()
        self.assertRefused(self.sign(), self.detached, "is a directory", code=1, says=b"onefold sign: ")

    def test_the_command_line(self) -> None:
        for options in (["sign", self.file], ["sign", self.file, "--key"], ["sign", "--key", self.key]):
            self.assertEqual(onefold(*options).returncode, 2)


class Append(SignatureCase):
    def setUp(self) -> None:
        super().setUp()
        self.bare = self.file.read_bytes()

    def test_everything_that_reads_a_onefile_still_works(self) -> None:
        self.file.chmod(0o750)
        succeed(self.sign("--append"))
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o750)
        self.assertEqual(listing(self.place), ["notes"])
        self.assertTrue(self.file.read_bytes().startswith(self.bare + b"untrusted comment: "))
        signed = Onefile(self.file, self.packed.summary)
        for _ in range(2):
            self.assertLaunched(signed.launch(cache=self.cache))
        for verb in ("inspect", "files", "verify", "prewarm"):
            self.assertEqual(signed.launch(cache=self.cache, verb=verb).returncode, 0, verb)
        shown = json.loads(succeed(onefold("inspect", "--json", self.file)).stdout)
        self.assertEqual(shown["appended_bytes"], len(self.file.read_bytes()) - len(self.bare))
        self.assertSucceeded(onefold("extract", "-q", self.file, self.work / "out"))
        self.assertTrue(json.loads(succeed(onefold("compare", "--json", self.packed.path, self.file)).stdout)["same_build"])
        succeed(run([READER, "info", self.file]))
        self.assertSucceeded(onefold("fetch", "-q", self.file, "-o", self.work / "fetched"))
        self.assertEqual((self.work / "fetched").read_bytes(), self.file.read_bytes())

    def test_a_signature_is_replaced(self) -> None:
        succeed(self.sign("--append", key=self.other))
        succeed(self.sign("--append"))
        self.assertVerified()
        self.assertNotVerified("was made with the key", key=public(self.other))
        self.assertEqual(self.file.read_bytes().count(b"untrusted comment: "), 1)

    def test_other_bytes_after_the_trailer_are_kept(self) -> None:
        for appended in (b"xy", b"\n" * 4, b"untrusted comment: x\n", os.urandom(ROOM)):
            self.file.write_bytes(self.bare + appended)
            result = self.sign("--append")
            text = f"has {len(appended):,} bytes after its trailer that are not a signature"
            self.assertRefused(result, self.file, text, f"truncate -s {len(self.bare)}", code=1, says=b"onefold sign: ")
            self.assertEqual(self.file.read_bytes(), self.bare + appended)
            self.assertNotVerified("is not a valid signature")
            succeed(self.sign())
            self.assertVerified()
            self.detached.unlink()

    def test_more_than_there_is_room_for(self) -> None:
        self.file.write_bytes(self.bare + b"\n" * (ROOM + 1))
        self.assertNotVerified("holds no payload")
        self.assertRefused(self.sign("--append"), "holds no payload", code=1, says=b"onefold sign: ")

    def test_a_symlink_is_followed(self) -> None:
        link = self.work / "link"
        link.symlink_to(self.file)
        succeed(onefold("sign", link, "--key", self.key, "--append"))
        self.assertTrue(link.is_symlink())
        self.assertVerified()

    def test_a_signature_of_another_file(self) -> None:
        succeed(self.sign("--append"))
        text = self.file.read_bytes()[len(self.bare) :]
        succeed(onefold("pack", "--tree", self.shared / "tree", "--entry", "run", "-o", self.work / "second", "-q"))
        self.file.write_bytes((self.work / "second").read_bytes() + text)
        self.assertNotVerified(self.file, "is wrong", "signature of another file")

    def test_what_is_signed_by_minisign_can_be_appended(self) -> None:
        if not shutil.which("minisign"):
            self.skipTest("needs the program minisign")
        for options in ([], ["-l"]):
            succeed(minisign("-S", *options, "-s", self.key, "-m", self.file))
            self.file.write_bytes(self.bare + self.detached.read_bytes())
            self.detached.unlink()
            self.assertVerified()
            self.file.write_bytes(self.bare)


class Verify(SignatureCase):
    def setUp(self) -> None:
        super().setUp()
        succeed(self.sign())
        self.lines = self.detached.read_bytes().split(b"\n")

    def with_line(self, number: int, content: bytes) -> None:
        lines = list(self.lines)
        lines[number - 1] = content
        self.detached.write_bytes(b"\n".join(lines))

    def test_the_key_is_a_text_or_a_file(self) -> None:
        self.assertVerified(public(self.key))
        self.assertVerified(base64_of(public(self.key)))

    def test_keys_that_are_none(self) -> None:
        key = self.work / "key"
        for content, text in (
            (b"", "it ends before line 1"),
            (b"untrusted comment: x\nRWQ=\n", "line 2 is not the base64 of a public key"),
            (b"untrusted comment: \xc3\nRWQ=\n", "is not UTF-8"),
            (b"untrusted comment: \x1b[2J\nRWQ=\n", "control characters"),
            (self.key.read_bytes(), "line 2 is not the base64 of a public key"),
            (self.detached.read_bytes(), "there is text after line 2"),
        ):
            key.write_bytes(content)
            with self.subTest(content):
                self.assertNotVerified(key, "is not a public key", text, key=key)
        self.assertNotVerified("No such file", key="RWQshort")

    def test_a_file_without_a_signature(self) -> None:
        self.detached.unlink()
        self.assertNotVerified(self.file, "is not signed", self.detached)
        # Without a key, nobody asks.
        self.assertSucceeded(onefold("verify", self.file, "-q"))

    def test_another_key(self) -> None:
        self.assertNotVerified(self.detached, "was made with the key", key=public(self.other))

    def test_a_key_with_the_number_of_another(self) -> None:
        succeed(self.sign(key=self.other))
        lines = self.detached.read_bytes().split(b"\n")
        # Algorithm and number are in the first 13 digits and a part of the next.
        self.with_line(2, self.lines[1][:14] + lines[1][14:])
        self.assertNotVerified("is wrong")

    def test_damaged_signatures(self) -> None:
        middle = bytearray(self.lines[1])
        middle[50] = ord("A") if middle[50] != ord("A") else ord("B")
        self.with_line(2, bytes(middle))
        self.assertNotVerified(self.detached, self.file, "was changed, or it is the signature of another file")
        for number, content, text in (
            (1, b"comment", "line 1 does not begin with"),
            (1, b"untrusted comment: \xff", "the comment in line 1 is not UTF-8"),
            (2, b"RUQ=", "line 2 is not the base64 of 74 bytes"),
            (2, b"RUY" + self.lines[1][3:], "unknown algorithm"),
            (3, b"trusted comment: \xe2\x82", "the comment in line 3 is not UTF-8"),
            (3, b"trusted comment: \x1b]0;x\x07", "control characters"),
            (3, b"trusted comment: " + b"x" * 8174, "more than 8173 bytes"),
            (4, b"", "line 4 is not the base64 of 64 bytes"),
            (4, self.lines[3] + b"\nmore", "there is text after line 4"),
        ):
            with self.subTest(text):
                self.with_line(number, content)
                self.assertNotVerified(self.detached, text)

    def test_a_changed_trusted_comment(self) -> None:
        self.with_line(3, self.lines[2].replace(b"version:1.2", b"version:1.3"))
        self.assertNotVerified("its trusted comment was changed")
        line = self.lines[3]
        self.with_line(4, line[:40] + (b"B" if line[40:41] == b"A" else b"A") + line[41:])
        self.assertNotVerified("its trusted comment was changed")
        self.with_line(1, b"untrusted comment: anything")
        self.assertVerified()

    def test_a_signature_file_that_is_too_large(self) -> None:
        self.detached.write_bytes(self.detached.read_bytes() + b"\n" * ROOM)
        self.assertNotVerified(self.detached, "it has more than 65536 bytes")

    def test_a_damaged_file_with_right_hashes_of_its_own(self) -> None:
        succeed(onefold("pack", "--tree", self.shared / "tree", "--entry", "run", "-o", self.file, "-q"))
        self.assertSucceeded(onefold("verify", self.file, "-q"))
        self.assertNotVerified(self.file, "signature of another file")

    def test_comments_cannot_forge_output(self) -> None:
        result = succeed(self.verify())
        self.assertEqual(len(result.stderr.splitlines()), 3)
        self.assertRegex(result.stderr, rb"\n  trusted comment: timestamp:\d+  file:notes  name:notes ")


class Prompt(SignatureCase):
    """The password on a terminal."""

    def on_terminal(self, *arguments: Any, script: str = f'"$@"; echo "status $?"; {ECHOES}; echo done') -> Terminal:
        command = ["bash", "-c", script, "bash", ONEFOLD, *arguments]
        # Otherwise a debug build would print where SIGQUIT met it.
        quiet = {"SWIFT_BACKTRACE": "enable=no"}
        terminal = Terminal([os.fspath(part) for part in command], self.place, self.work, **quiet)
        self.addCleanup(terminal.__exit__)
        return terminal

    def assertEchoes(self, terminal: Terminal, status: int) -> str:
        shown = terminal.until("done\r\n")
        self.assertIn(f"status {status}\r\necho", shown)
        self.assertNotIn(PASSWORD, shown)
        return shown

    def test_it_is_asked_for_and_not_shown(self) -> None:
        terminal = self.on_terminal("keygen", "key")
        terminal.until("new password of 'key': ")
        terminal.type(PASSWORD + "\n")
        terminal.until("the same again: ")
        terminal.type(PASSWORD + "\n")
        self.assertIn("wrote the secret key", self.assertEchoes(terminal, 0))
        for password, status in (("wrong", 1), (PASSWORD, 0)):
            terminal = self.on_terminal("sign", "notes", "--key", "key")
            self.assertNotIn("new", terminal.until("password of 'key': "))
            terminal.type(password + "\n")
            self.assertEchoes(terminal, status)
        self.assertVerified(self.place / "key.pub")

    def test_two_that_differ(self) -> None:
        for first, second, text in ((PASSWORD, "x", "differ"), ("", "", "is empty"), ("x" * 1100, "", "1024")):
            terminal = self.on_terminal("keygen", "key")
            terminal.until("new password of 'key': ")
            terminal.type(first + "\n")
            if text != "1024":
                terminal.until("the same again: ")
                terminal.type(second + "\n")
            self.assertIn(text, self.assertEchoes(terminal, 1))
            self.assertEqual(listing(self.place), ["notes"])

    def test_a_signal_restores_the_terminal(self) -> None:
        for name in ("INT", "TERM", "HUP", "QUIT"):
            with self.subTest(name):
                terminal = self.on_terminal("keygen", "key")
                terminal.until("new password of 'key': ")
                number = getattr(signal, f"SIG{name}")
                os.kill(child_of(terminal.pid), number)
                self.assertEchoes(terminal, 128 + number)
                self.assertEqual(listing(self.place), ["notes"])

    def test_a_key_interrupts(self) -> None:
        """The shell gets the signal too, and ends."""
        terminal = self.on_terminal("keygen", "key")
        terminal.until("new password of 'key': ")
        terminal.type("\x03")
        wait_until(lambda: child_of(terminal.pid) == 0, "the end of the command")
        self.assertEqual(listing(self.place), ["notes"])

    def test_a_stop_shows_what_is_typed_and_it_goes_on(self) -> None:
        # With job control, as in an interactive shell.
        script = f'set -m; "$@"; {ECHOES}; echo stopped; fg >/dev/null; echo "status $?"; {ECHOES}; echo done'
        terminal = self.on_terminal("keygen", "key", script=script)
        terminal.until("new password of 'key': ")
        terminal.type("typed\x1a")
        self.assertRegex(terminal.until("stopped\r\n"), r"\n *echo;?\r\nstopped")
        terminal.until("new password of 'key': ")
        terminal.type(PASSWORD + "\n")
        terminal.until("the same again: ")
        terminal.type(PASSWORD + "\n")
        self.assertEchoes(terminal, 0)


class Memory(SignatureCase):
    """No secret is in the memory of the process when it has signed."""

    def test_it_is_overwritten(self) -> None:
        # Long and random, so that no piece of it is in memory by chance.
        password = os.urandom(300).hex()
        environment = {"ONEFOLD_KEY_PASSWORD": password}
        key = self.work / "key"
        succeed(onefold("keygen", key, environment=environment))
        self.check(self.key, {}, [seed_of(self.key), base64_of(self.key)[85:128].encode()])
        self.check(key, environment, [password.encode(), base64_of(key)[85:170].encode()])

    def check(self, key: Path, environment: dict[str, str], secrets: list[bytes]) -> None:
        # It waits at the end, because its output is full.
        reading, writing = os.pipe()
        fcntl.fcntl(writing, 1031, 4096)  # F_SETPIPE_SZ
        os.write(writing, bytes(4096))
        command = [ONEFOLD, "sign", self.file, "--key", key, "--json"]
        process = start(command, environment=environment, stdout=writing, stdin=subprocess.DEVNULL)
        os.close(writing)
        try:
            wait_until(self.detached.exists, "the signature")
            wait_until(lambda: state_of(process.pid) == "S", "the output")
            memory = memory_of(process.pid)
            # What is no secret is there, so the search finds something.
            self.assertIn(os.fsencode(self.file), memory)
            # Later allocations may have overwritten a part of it by chance, but seldom all of it.
            pieces = [secret[start : start + 8] for secret in secrets for start in range(len(secret) - 7)]
            self.assertEqual([piece for piece in pieces if piece in memory], [])
            shown = Path(f"/proc/{process.pid}/environ").read_bytes()
            self.assertEqual([piece for piece in pieces if piece in shown], [])
        finally:
            os.close(reading)
            process.kill()
            process.communicate()
        self.detached.unlink()


def without_mask() -> None:
    os.umask(0)


def child_of(pid: int) -> int:
    """The only child, or 0."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return int((children.read_text().split() or ["0"])[0])
    except OSError:
        return 0


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def memory_of(pid: int) -> bytes:
    """All that the process can write to."""
    content = b""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                begin, end = int(found[1], 16), int(found[2], 16)
                memory.seek(begin)
                content += memory.read(end - begin)
    return content


if __name__ == "__main__":
    unittest.main()
