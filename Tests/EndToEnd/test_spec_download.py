"""Archives of interpreters that are downloaded, and the oldest system that a file may be for.

A server on the loopback interface answers, also with TLS. One test gets a wheel from PyPI.
"""

from __future__ import annotations

import hashlib
import http.server
import functools
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

from spec_support import SUFFIX, SHORT, SpecCase, compile_library, line_of, pack_spec
from support import needs_program, onefold, run, scratch, succeed

CONTENT = os.urandom(1 << 18)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the file's name says."""

    server: Server

    def do_GET(self) -> None:
        name = self.path.split("?")[0].rsplit("/", 1)[-1].split(".")[0]
        self.server.requests.append((self.path, self.headers.get("Range")))
        if name == "missing":
            self.send_error(404)
            return
        if name == "slow":
            time.sleep(3)
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        partial = start > 0 and name != "whole"
        content = self.server.content[start:] if partial else self.server.content
        self.send_response(206 if partial else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = name == "short" or (name in ("resumed", "whole") and len(self.server.requests) == 1)
        self.wfile.write(content[: len(content) // 2] if cut else content)

    def log_message(self, *arguments: Any) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.requests: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *arguments: Any) -> None:
        """A client that goes away is no news."""


@functools.lru_cache(maxsize=None)
def certificates() -> Path:
    """A directory with the certificate of an authority, ca.pem, and one for 127.0.0.1 with its key, server.pem."""
    place = scratch() / "certificates"
    place.mkdir()
    openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    authority = [*openssl, "-subj", "/CN=authority", "-keyout", place / "ca.key", "-out", place / "ca.pem"]
    # Python 3.13 refuses an authority that may not sign.
    succeed(run([*authority, "-addext", "keyUsage=critical,keyCertSign,cRLSign"]))
    signed = [*openssl, "-CA", place / "ca.pem", "-CAkey", place / "ca.key", "-subj", "/CN=server"]
    signed += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:false"]
    succeed(run([*signed, "-keyout", place / "key", "-out", place / "certificate"]))
    both = (place / "certificate").read_text() + (place / "key").read_text()
    (place / "server.pem").write_text(both)
    return place


class Downloads(SpecCase):
    def setUp(self) -> None:
        super().setUp()
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.packers = self.work / "packers"
        self.environment = {"ONEFOLD_PACK_CACHE": self.packers, "no_proxy": "127.0.0.1"}

    def specify(self, name: str, digest: str = DIGEST) -> Path:
        return self.new_application(
            python={"archive": f"{self.server.url}/releases/{name}", "sha256": digest}
        )

    def assertRefused(self, directory: Path, key: str, *texts: str, **environment: Any) -> None:
        said = self.assertFails(
            directory, line_of(directory, key), *texts, environment={**self.environment, **environment}
        )
        messages = [line for line in said.splitlines() if "onefold.toml:" in line]
        self.assertEqual((len(messages), said.splitlines()[-1]), (1, messages[0]), said)
        downloads = self.packers / "downloads"
        self.assertEqual(os.listdir(downloads) if downloads.exists() else [], [])

    def test_a_missing_file(self) -> None:
        self.assertRefused(self.specify("missing.tar"), "archive", "answers 404", "missing.tar")
        self.assertEqual(len(self.server.requests), 1)

    def test_a_wrong_hash(self) -> None:
        directory = self.specify("ok.tar", "0" * 64)
        self.assertRefused(directory, "sha256", DIGEST, "correct python.sha256")

    def test_a_truncated_download(self) -> None:
        self.assertRefused(self.specify("short.tar"), "archive", "ended after", "of 262144 bytes")
        self.assertEqual(len(self.server.requests), 3)

    def test_a_slow_server(self) -> None:
        directory = self.specify("slow.tar")
        self.assertRefused(
            directory, "archive", "did not answer within 0.2 seconds", ONEFOLD_DOWNLOAD_TIMEOUT="0.2"
        )

    def test_no_network(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.server.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.assertRefused(self.specify("ok.tar"), "archive", "Connection refused", "its path")
        self.server.url = "http://no-such-host.invalid"
        self.assertRefused(self.specify("ok.tar"), "archive", "no-such-host.invalid", "the host is unknown")

    def test_no_program_that_downloads(self) -> None:
        empty = self.work / "empty"
        empty.mkdir()
        self.assertRefused(self.specify("ok.tar"), "archive", "python3 (with TLS) or curl is needed", PATH=empty)

    def test_without_a_hash(self) -> None:
        directory = self.new_application(python={"archive": f"{self.server.url}/ok.tar"})
        self.assertFails(directory, line_of(directory, "archive"), "needs 'python.sha256'")
        self.assertEqual(self.server.requests, [])

    def fetched(self, name: str, **environment: Any) -> None:
        """What is downloaded is no archive, which is the next message; it is kept under its hash."""
        directory = self.specify(name)
        self.assertFails(
            directory,
            line_of(directory, "archive"),
            "cannot unpack",
            environment={**self.environment, **environment},
        )
        self.assertEqual(os.listdir(self.packers / "downloads"), [f"{DIGEST}.tar"])
        self.assertEqual((self.packers / f"downloads/{DIGEST}.tar").read_bytes(), CONTENT)

    def test_a_download_that_goes_on(self) -> None:
        self.fetched("resumed.tar")
        self.assertEqual([range for _, range in self.server.requests], [None, "bytes=131072-"])

    def test_a_server_that_starts_again(self) -> None:
        self.fetched("whole.tar")
        self.assertEqual([range for _, range in self.server.requests], [None, "bytes=131072-"])

    def test_once(self) -> None:
        self.fetched("ok.tar?download=1#x")
        self.fetched("ok.tar")
        self.assertEqual(len(self.server.requests), 1)
        (self.packers / f"downloads/{DIGEST}.tar").write_bytes(b"damaged")
        self.fetched("ok.tar")
        self.assertEqual(len(self.server.requests), 2)

    def test_a_mirror(self) -> None:
        mirror = f"{self.server.url}/mirror/"
        self.server.url = "https://no-such-host.invalid"
        self.fetched("ok.tar", ONEFOLD_PYTHON_MIRROR=mirror)
        self.assertEqual(self.server.requests, [("/mirror/releases/ok.tar", None)])

    def test_a_proxy(self) -> None:
        proxy, self.server.url = self.server.url, "http://no-such-host.invalid"
        self.fetched("ok.tar", http_proxy=proxy)
        self.assertEqual(self.server.requests[0][0], "http://no-such-host.invalid/releases/ok.tar")

    def use_tls(self) -> dict[str, Path]:
        """The variables with which a client trusts the server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates() / "server.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.url = self.server.url.replace("http:", "https:")
        return {"SSL_CERT_FILE": certificates() / "ca.pem"}

    def programs(self, *names: str) -> Path:
        """A directory with these programs of this machine, to be the PATH."""
        directory = self.new_directory()
        for name in names:
            (directory / name).symlink_to(shutil.which(name) or name)
        return directory

    @needs_program("openssl")
    def test_tls(self) -> None:
        trusted = self.use_tls()
        self.assertRefused(self.specify("ok.tar"), "archive", "CERTIFICATE_VERIFY_FAILED")
        self.fetched("ok.tar", **trusted)

    @needs_program("curl")
    @needs_program("openssl")
    def test_tls_with_curl(self) -> None:
        trusted = self.use_tls()
        curl = self.programs("curl")
        self.assertRefused(self.specify("ok.tar"), "archive", "curl: (60)", PATH=curl)
        self.fetched("ok.tar", PATH=curl, **trusted)

    @needs_program("curl")
    def test_curl_fails(self) -> None:
        curl = self.programs("curl")
        self.assertRefused(self.specify("missing.tar"), "archive", "error: 404", PATH=curl)
        self.assertRefused(self.specify("ok.tar", "0" * 64), "sha256", DIGEST, PATH=curl)
        self.assertRefused(self.specify("short.tar"), "archive", "curl: (18)", PATH=curl)

    @needs_program("curl")
    @needs_program("openssl")
    def test_a_python_without_tls(self) -> None:
        import _ssl

        trusted = self.use_tls()
        listed = run(["ldd", _ssl.__file__]).stdout.decode()
        broken = self.new_directory()
        (broken / re.search(r"libssl\.so[.\d]*", listed)[0]).write_bytes(b"")
        path = self.programs("curl")
        python = Path(sys.base_prefix, "bin/python3")
        (path / "python3").write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={broken} exec {python} "$@"\n')
        (path / "python3").chmod(0o755)
        self.fetched("ok.tar", PATH=path, **trusted)
        (path / "curl").unlink()
        shutil.rmtree(self.packers)
        directory = self.specify("ok.tar")
        self.assertRefused(directory, "archive", "python3 (with TLS) or curl is needed", PATH=path, **trusted)

    def test_old_archives_are_removed(self) -> None:
        """Of holes, which take no disk space."""
        downloads = self.packers / "downloads"
        downloads.mkdir(parents=True)
        now, hour = time.time(), 3600
        ages = {"1.tar": 9, "2.tar.gz": 8, "3.tar.xz": 7, "4.tar": 6, ".left": 5, ".new": 0.5, "used.tar": 0.5}
        for name, hours in ages.items():
            (downloads / name).touch()
            os.truncate(downloads / name, 400 << 20)
            os.utime(downloads / name, times=(now, now - hours * hour))
        directory = self.specify("ok.tar")
        environment = {**self.environment}
        self.assertFails(directory, "cannot unpack", environment=environment)
        # 800 MiB were used within the hour. What a killed packer left goes whatever its size.
        self.assertEqual(sorted(os.listdir(downloads)), sorted([".new", "used.tar", f"{DIGEST}.tar"]))
        (downloads / ".new").unlink()
        os.utime(downloads / "used.tar", times=(now, now - 2 * hour))
        os.utime(downloads / f"{DIGEST}.tar", times=(now, now - 3 * hour))
        self.assertFails(directory, "cannot unpack", environment=environment)
        self.assertEqual(sorted(os.listdir(downloads)), sorted(["used.tar", f"{DIGEST}.tar"]))
        self.assertGreater((downloads / f"{DIGEST}.tar").stat().st_mtime, now - hour)

    def test_two_at_once(self) -> None:
        directory = self.specify("ok.tar")
        failures: list[BaseException] = []

        def attempt() -> None:
            try:
                result = onefold("pack", "--spec", directory, environment=self.environment)
                self.assertIn(b"cannot unpack", result.stderr)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=attempt) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(os.listdir(self.packers / "downloads"), [f"{DIGEST}.tar"])


class OldestSystem(SpecCase):
    def test_an_interpreter_that_needs_more(self) -> None:
        directory = self.new_application(python={"prefix": sys.base_prefix, "max-glibc": "2.17"})
        said = self.assertFails(
            directory, line_of(directory, "max-glibc"), "@GLIBC_2.", "python.max-glibc allows (2.17)"
        )
        self.assertIn("take a relocatable interpreter", said)

    def test_a_limit_that_holds(self) -> None:
        directory = self.new_application(python={"prefix": sys.base_prefix, "max-glibc": "2.99"})
        summary = pack_spec(directory).summary
        self.assertRegex(summary["glibc"], r"^2\.\d+$")
        self.assertTrue(summary["glibc_file"])

    def test_a_wheel_of_pypi(self) -> None:
        """cryptography's for manylinux_2_28 asks for a newer glibc than that of 2012."""
        place = self.new_directory()
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64", "--abi", "abi3"]
        command += ["--python-version", SHORT, "-d", place, "cryptography==43.0.3"]
        subprocess.run(command, check=True, timeout=300)
        tree = self.work / "tree"
        with zipfile.ZipFile(next(place.glob("*.whl"))) as archive:
            archive.extractall(tree / f"lib/python{SHORT}/site-packages")
        (tree / "run").write_text("#!/bin/sh\n")
        (tree / "run").chmod(0o755)
        command = ["pack", "--tree", tree, "--entry", "run", "-o", self.work / "out", "--max-glibc"]
        result = onefold(*command, "2.17")
        said = result.stderr.decode()
        self.assertEqual(result.returncode, 1, said)
        for text in ("_rust.abi3.so' of the distribution cryptography 43.0.3", "@GLIBC_2.28"):
            self.assertIn(text, said)
        self.assertFalse((self.work / "out").exists())
        succeed(onefold(*command, "2.28", "--level", "1"))

    def test_a_wrong_version(self) -> None:
        for text in ("2", "2.x", "02.31", "2.31.1", ""):
            directory = self.new_application(python={"prefix": sys.base_prefix, "max-glibc": text})
            self.assertFails(directory, line_of(directory, "max-glibc"), "must be such as 2.31")

    def test_a_distribution_of_a_tree(self) -> None:
        tree = self.work / "tree"
        site = tree / f"lib/python{SHORT}/site-packages"
        for name, function in (("late", "exp"), ("early", "cos")):
            compile_library(
                f"#include <math.h>\ndouble f(double x) {{ return {function}(x); }}",
                site / f"{name}/fast{SUFFIX}",
                "-lm",
                "-fno-builtin",
            )
            info = site / f"{name}-1.5.dist-info"
            info.mkdir()
            (info / "RECORD").write_text(f"{name}/fast{SUFFIX},,\n")
        (tree / "run").write_text("#!/bin/sh\n")
        (tree / "run").chmod(0o755)
        command = ["pack", "--tree", tree, "--entry", "run", "-o", self.work / "out", "--json"]
        result = onefold(*command, "--max-glibc", "2.28")
        said = result.stderr.decode()
        self.assertEqual((result.returncode, result.stdout), (1, b""), said)
        for text in (f"late/fast{SUFFIX}' of the distribution late 1.5", "symbol exp@GLIBC_2.29"):
            self.assertIn(text, said)
        self.assertNotIn("more files", said)
        self.assertFalse((self.work / "out").exists())
        self.assertIn(b'"glibc":"2.29"', succeed(onefold(*command)).stdout.replace(b": ", b":"))
        result = onefold(*command, "--max-glibc", "new")
        self.assertEqual(result.returncode, 2)
