"""The packer is one static program: it opens no library, locale or converter of the machine."""

from __future__ import annotations

import io
import os
import re
import struct
import tarfile

from spec_support import SpecCase, pack_environment
from support import ONEFOLD, Case, Trace, make_tree, onefold, program, succeed, trace

PT_DYNAMIC, PT_INTERP = 2, 3

#: What makes programs of glibc open files of the machine, and Swift's runtime load a library.
SETTINGS = {
    "LC_ALL": "de_DE.ISO-8859-15",
    "LANG": "de_DE.UTF-8",
    "LANGUAGE": "de",
    "CHARSET": "ISO-8859-15",
    "TZ": "Europe/Berlin",
    "SWIFT_DEBUG_LIB_PRESPECIALIZED_PATH": "libm.so.6",
    "SWIFT_DEBUG_ENABLE_LIB_PRESPECIALIZED_METADATA": "1",
}
#: Whose libraries, locales and databases they would be.
MACHINE = re.compile(r'"(/etc/|/usr/|/lib|[^"]*\.so[."]|[^"]*/(gconv|locale|nscd)/)')


class StaticProgram(Case):
    def test_no_loader_is_asked_for(self) -> None:
        header = ONEFOLD.read_bytes()[:4096]
        table, size, count = struct.unpack_from("<Q", header, 32)[0], *struct.unpack_from("<HH", header, 54)
        kinds = {struct.unpack_from("<I", header, table + i * size)[0] for i in range(count)}
        self.assertFalse(kinds & {PT_DYNAMIC, PT_INTERP})


class OpensNothing(SpecCase):
    def assertOpensNothing(self, traced: Trace, status: int) -> None:
        self.assertEqual(traced.result.returncode, status, traced.result.stderr)
        # Processes that the packer started are not static, and may open what they like.
        first, *others = traced.threads
        own = [first] + [calls for calls in others if all(c.name != "execve" for c in calls)]
        opened = [call for calls in own for call in calls if call.name.startswith("open")]
        self.assertTrue(opened)
        self.assertEqual([c.arguments for c in opened if MACHINE.search(c.arguments)], [])

    def test_packing_a_tree(self) -> None:
        tree = make_tree(self.work / "tree", {"bin/hello": program(), "naïve": b"text"})
        command = [ONEFOLD, "pack", "--tree", tree, "--entry", "bin/hello", "-o", self.work / "f"]
        self.assertOpensNothing(trace(command, "open,openat,execve", environment=SETTINGS), 0)

    def test_signing(self) -> None:
        """Neither is libcrypto's configuration read, whose providers are libraries of the machine."""
        tree = make_tree(self.work / "tree", {"bin/hello": program()})
        file, key = self.work / "f", self.work / "key"
        succeed(onefold("pack", "--tree", tree, "--entry", "bin/hello", "-o", file))
        configuration = self.work / "openssl.cnf"
        configuration.write_text("openssl_conf = none\n[none]\nproviders = none\n")
        environment = {**SETTINGS, "OPENSSL_CONF": os.fspath(configuration), "ONEFOLD_KEY_PASSWORD": "secret"}
        for command in (["keygen", key], ["sign", file, "--key", key], ["verify", file, "--public-key", f"{key}.pub"]):
            traced = trace([ONEFOLD, *command], "open,openat,execve", environment=environment)
            self.assertOpensNothing(traced, 0)
            self.assertEqual([c for c in traced.calls if "openssl.cnf" in c.arguments], [])

    def test_unpacking_an_archive(self) -> None:
        """The names of the archive are in UTF-8, and the locale is not."""
        path = self.work / "python.tar"
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            for name in ("python/naïve", "python/bin/python3"):
                info = tarfile.TarInfo(name)
                info.size, info.mode = 1, 0o644
                archive.addfile(info, io.BytesIO(b"x"))
        directory = self.new_application(python={"archive": path})
        command = [ONEFOLD, "pack", "--spec", directory / "onefold.toml"]
        environment = {**pack_environment(), **SETTINGS}
        traced = trace(command, "open,openat,execve", environment=environment, cwd=directory)
        self.assertOpensNothing(traced, 1)
        self.assertIn(b"python3", traced.result.stderr)
        written = [call.arguments for call in traced.calls if call.changes_files]
        name = "".join(f"\\{byte:o}" if byte > 126 else chr(byte) for byte in os.fsencode("naïve"))
        self.assertTrue(any(name in arguments for arguments in written), written)
