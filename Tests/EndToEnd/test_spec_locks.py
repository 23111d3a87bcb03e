"""Packing from locks and requirements files as people have them, with an index that tells what it was asked for."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import threading
import unittest
import zipfile
from pathlib import Path
from typing import Optional, Sequence

from spec_support import (
    SITE,
    SpecCase,
    pack_spec,
    paths,
    project,
    unpacked,
    wheel,
    write_files,
)
from support import Onefile
from test_spec_uv import uv_directory


class Index:
    """A package index of one directory of wheels, and of other files below /files/. It keeps what it was asked for."""

    def __init__(self, directory: Path, password: Optional[str] = None) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        self.asked: set[str] = set()
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer()

            def do_GET(self) -> None:
                self.wfile.write(self.answer())

            def answer(self) -> bytes:
                secret = base64.b64encode(f"user:{password}".encode()).decode()
                if password and self.headers.get("Authorization") != f"Basic {secret}":
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="x"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return b""
                content = index.content(self.path.split("?")[0])
                self.send_response(404 if content is None else 200)
                kind = "text/html" if self.path.endswith("/") else "application/octet-stream"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                return content or b""

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{host}"
        self.url_with_password = f"http://user:{password}@{host}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def content(self, path: str) -> Optional[bytes]:
        name = path.strip("/").split("/")[-1]
        if path.startswith("/files/"):
            file = self.directory / name
            return file.read_bytes() if file.is_file() else None
        self.asked.add(name)
        links = [
            f'<a href="/files/{one.name}#sha256={sha256(one)}">{one.name}</a>'
            for one in sorted(self.directory.glob("*.whl"))
            if one.name.split("-")[0].replace("_", "-") == name
        ]
        return "\n".join(links).encode() if links else None


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def local_project(
    directory: Path,
    name: str,
    requires: Sequence[str] = (),
    *,
    more: str = "",
    build: Sequence[str] = (),
    code: str = "",
) -> Path:
    """A project whose `pyproject.toml` says what it requires."""
    project(directory, name, {f"{name}/__init__.py": code}, requires=requires)
    text = (
        f"[build-system]\nrequires = {json.dumps(list(build))}\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        f"[project]\nname = '{name}'\nversion = '1.0'\ndependencies = {json.dumps(list(requires))}\n{more}"
    )
    write_files(directory, {"pyproject.toml": text})
    return directory


class IndexCase(SpecCase):
    def index(self, password: Optional[str] = None) -> Index:
        index = Index(self.work / f"index{bool(password)}", password)
        self.addCleanup(index.close)
        return index

    def environment(self, index: Optional[Index] = None, installer: str = "pip") -> dict[str, str]:
        """Without the directory of links and the settings that other tests have."""
        settings = self.work / "uv.toml"
        settings.write_text("")
        pip = self.work / "pip.conf"
        pip.write_text("")
        url = f"{index.url}/simple/" if index else ""
        found = {
            "PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": url, "PIP_CONFIG_FILE": os.fspath(pip),
            "PIP_CACHE_DIR": os.fspath(self.work / "pip-cache"),
        }  # fmt: skip
        if installer == "uv":
            found["PATH"] = f"{uv_directory()}:{os.environ['PATH']}"
            found["UV_CONFIG_FILE"] = os.fspath(settings)
            found["UV_CACHE_DIR"] = os.fspath(self.work / "uv-cache")
            if url:
                found["UV_DEFAULT_INDEX"] = url
        return found

    def modules(self, packed: Onefile, *names: str) -> list[object]:
        """The attribute `NAME` of modules, None where there is no such module."""
        code = (
            "import importlib.util, json, sys\n"
            "print(json.dumps([importlib.import_module(n).NAME if importlib.util.find_spec(n) else None"
            " for n in sys.argv[2:]]))"
        )
        return list(self.python(packed, code, *names))


UV_LOCK = """version = 1
revision = 1
requires-python = ">=3.8"

[[package]]
name = "app"
version = "1.0"
source = {{ editable = "." }}
dependencies = [{{ name = "core" }}, {{ name = "public" }}]

[package.dev-dependencies]
tools = [{{ name = "tooling" }}]

[package.metadata]
requires-dist = [{{ name = "core", editable = "core" }}, {{ name = "public", specifier = ">=1" }}]

[[package]]
name = "core"
version = "1.0"
source = {{ editable = "core" }}
dependencies = [{{ name = "second" }}]
"""


class Locks(IndexCase):
    """app needs core (local) and public; core needs second; public excludes the locked version of second."""

    def setUp(self) -> None:
        super().setUp()
        self.server = self.index()
        directory = self.server.directory
        self.wheels = [
            wheel("public", {"public.py": "NAME = 1"}, requires=["second<1"], directory=directory),
            wheel("second", {"second.py": "NAME = 2"}, directory=directory),
            wheel("tooling", {"tooling.py": "NAME = 3"}, directory=directory),
        ]
        wheel("public", {"public.py": "NAME = 99"}, version="9.0", directory=directory)
        # What someone else put there.
        for name in ("core", "app", "maker"):
            wheel(name, {f"{name}/__init__.py": "NAME = 'evil'"}, version="99.0", directory=directory)
        self.application = self.work / "application"
        sources = "[tool.uv.sources]\ncore = { path = 'core' }\n[dependency-groups]\ntools = ['tooling']\n"
        local_project(
            self.application, "app", ["core", "public>=1"], more=sources, code="NAME = 'app'"
        )
        self.core = local_project(
            self.application / "core", "core", ["second"], build=["maker"], code="NAME = 'core'",
            more="[tool.uv.sources]\nmaker = { path = '../maker' }\n",
        )  # fmt: skip
        local_project(self.application / "maker", "maker", code="NAME = 'maker'")

    def lock(self, **changes: str) -> str:
        text = UV_LOCK.format()
        for path in self.wheels:
            name, version = path.name.split("-")[:2]
            text += (
                f'\n[[package]]\nname = "{name}"\nversion = "{version}"\n'
                f'source = {{ registry = "{self.server.url}/simple" }}\n'
                f'wheels = [{{ url = "{self.server.url}/files/{path.name}", hash = "sha256:{sha256(path)}" }}]\n'
            )
        return text

    def pylock(self) -> str:
        text = 'lock-version = "1.0"\ncreated-by = "test"\n'
        for path in [*self.wheels[:2], self.core]:
            name, version = (*path.name.split("-"), "1.0")[:2]
            text += f'\n[[packages]]\nname = "{name}"\n'
            if path is self.core:
                text += '[packages.directory]\npath = "core"\n'
                continue
            text += (
                f'version = "{version}"\n[[packages.wheels]]\nname = "{path.name}"\n'
                f'url = "{self.server.url}/files/{path.name}"\nhashes = {{ sha256 = "{sha256(path)}" }}\n'
            )
        return text

    def pack(self, files: dict[str, str], installer: str = "pip", **dependencies: object) -> Onefile:
        directory = self.new_application(
            files,
            app={"name": "packed"},
            dependencies={"installer": installer, "project": ".", **dependencies},
        )
        before = paths(directory)
        self.server.asked.clear()
        packed = pack_spec(
            directory, environment=self.environment(self.server, installer), timeout=600
        )
        # Nothing is left in the projects, and no local name was asked of the index.
        self.assertEqual(paths(directory) - before - {"packed"}, set())
        self.assertEqual(self.server.asked & {"app", "core", "maker"}, set())
        return packed

    def test_a_lock_of_uv(self) -> None:
        names = ("app", "core", "public", "second", "tooling", "maker")
        for installer in ("pip", "uv"):
            # It is found beside the project.
            packed = self.pack({"uv.lock": self.lock()}, installer)
            self.assertEqual(self.modules(packed, *names), ["app", "core", 1, 2, None, None])
            # A conflict that the lock knows better about is told, and is no error.
            warnings = [one for one in packed.summary["warnings"] if "conflict" in one]
            self.assertEqual(len(warnings), 1, packed.summary["warnings"])
            self.assertRegex(warnings[0], "public.*second<1.*1.0")
            # Whoever takes part in it may be named.
            name = "Second" if installer == "pip" else "public"
            packed = self.pack({"uv.lock": self.lock()}, installer, **{"allow-conflicts": [name]})
            self.assertEqual([one for one in packed.summary["warnings"] if "conflict" in one], [])
        directory = self.application
        (directory / "uv.lock").write_text(self.lock().replace(sha256(self.wheels[0]), 64 * "0"))
        said = self.assertFails(
            directory, "onefold.toml:", "installing the requirements failed",
            environment=self.environment(self.server, "uv"),
        )  # fmt: skip
        self.assertIn("hash", said.lower())

    def test_a_group_of_a_pylock_and_of_a_lock(self) -> None:
        packed = self.pack({"uv.lock": self.lock()}, lock="uv.lock", groups=["tools"])
        self.assertEqual(self.modules(packed, "tooling"), [3])
        packed = self.pack({"pylock.toml": self.pylock(), "uv.lock": ""}, lock="pylock.toml")
        names = ("app", "core", "public", "second", "tooling", "maker")
        self.assertEqual(self.modules(packed, *names), ["app", "core", 1, 2, None, None])
        site = unpacked(packed, self.cache) / SITE
        # Nothing tells of the build machine.
        for metadata in site.glob("*.dist-info/METADATA"):
            self.assertNotIn("file:", metadata.read_text())

    def test_without_a_lock_no_index_is_asked_for_local_names(self) -> None:
        wheel("second", {"second.py": "NAME = 0"}, version="0.5", directory=self.server.directory)
        for installer in ("pip", "uv"):
            packed = self.pack({"requirements.txt": "core\n"}, installer, requirements=["requirements.txt"])
            names = ("app", "core", "public", "second", "maker")
            self.assertEqual(self.modules(packed, *names), ["app", "core", 99, 2, None])
            self.assertIn("public", self.server.asked)

    def test_what_uv_exports(self) -> None:
        text = "-e .\n-e ./core\n    # via app\n"
        for path in self.wheels[:2]:
            name, version = path.name.split("-")[:2]
            text += f"{name}=={version} \\\n    --hash=sha256:{sha256(path)}\n    # via app\n"
        packed = self.pack({"requirements.txt": text}, requirements=["requirements.txt"])
        self.assertEqual(self.modules(packed, "app", "core", "public"), ["app", "core", 1])
        # What is missing is an error all the same.
        shorter = text[: text.index("second==")]
        directory = self.new_application(
            {"requirements.txt": shorter}, app={"name": "packed"},
            dependencies={"project": ".", "requirements": ["requirements.txt"]},
        )
        environment = self.environment(self.server)
        self.assertFails(directory, "not complete", "core 1.0 requires second", environment=environment)


class Files(IndexCase):
    def test_a_private_index_and_files_on_a_server(self) -> None:
        """A file in UTF-16 on a server that wants a password, an index with a password, links beside the file, and
        distributions that are left out."""
        server = self.index("s3cret-word")
        directory = server.directory
        wheel("outer", {"outer.py": "NAME = 1"}, requires=["inner", "linked"], directory=directory)
        wheel("inner", {"inner.py": "NAME = 2"}, directory=directory)
        links = self.work / "application" / "more" / "links"
        links.mkdir(parents=True)
        wheel("linked", {"linked.py": "NAME = 3"}, directory=links)
        (directory / "far.txt").write_bytes("outer==1.0  # größer\r\n".encode("utf-16"))
        first = f"--index-url {server.url_with_password}/simple/\n--find-links links\n"
        first += f"-r {server.url_with_password}/files/far.txt\n"
        for installer in ("pip", "uv"):
            application = self.new_application(
                {"more/requirements.txt": first},
                dependencies={
                    "installer": installer, "requirements": ["more/requirements.txt"], "exclude": ["inner"],
                },
            )  # fmt: skip
            environment = self.environment(None, installer)
            del environment["PIP_INDEX_URL"]
            packed = pack_spec(application, environment=environment, timeout=600)
            self.assertEqual(packed.summary["excluded"], ["inner"])
            self.assertEqual(self.modules(packed, "outer", "inner", "linked"), [1, None, 3])
            tree = unpacked(packed, self.cache)
            for path in paths(tree):
                self.assertNotIn(b"s3cret-word", (tree / path).read_bytes(), path)
        for old, new in (("far.txt", "no.txt"), ("s3cret-word@", "wrong@")):
            (application / "more/requirements.txt").write_text(first.replace(old, new))
            said = self.assertFails(application, "more/requirements.txt:3: cannot read http://", environment=environment)
            self.assertNotIn("s3cret-word", said)
            self.assertIn("the server answers 40", said)


class Builds(IndexCase):
    """Source distributions of PyPI. Needs the network."""

    LOCK = (
        "docopt==0.6.2 --hash=sha256:49b3a825280bd66b3aa83585ef59c4a8c82f2c8a522dbe754a8bc8d08c85c491\n"
        "jieba==0.42.1 --hash=sha256:055ca12f62674fafed09427f176506079bc135638a14e23e25be909131928db2\n"
        "langdetect==1.0.9 --hash=sha256:cbc1fef89f8d062739774bd51eda3da3274006b3661d199c2655f6b3f6d605a0\n"
        "sgmllib3k==1.0.0 --hash=sha256:7868fb1c8bfa764c1ac563d3cf369c381d1325d36124933a726f29fcdaa812e9\n"
        "six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274\n"
    )

    def owners(self, site: Path) -> dict[str, set[str]]:
        """Of each distribution the names at the top level of what its RECORD lists."""
        found = {}
        for record in site.glob("*.dist-info/RECORD"):
            names = {line.split(",")[0].split("/")[0] for line in record.read_text().splitlines()}
            names -= {"..", "__pycache__", record.parent.name}
            found[record.parent.name.split("-")[0]] = names
        return found

    def test_each_is_built_by_itself(self) -> None:
        files = {
            "requirements.txt": self.LOCK,
            "pyproject.toml": "[project]\nname = 'mine'\nversion = '1'\n[build-system]\nrequires = ['setuptools']\n"
            "build-backend = 'setuptools.build_meta'\n",
            "src/mine/__init__.py": "",
            # What an earlier build left there.
            "build/lib/stale.py": "",
        }
        for installer in ("pip", "uv"):
            directory = self.new_application(
                files, dependencies={"installer": installer, "requirements": ["requirements.txt"], "project": "."}
            )
            before = paths(directory)
            environment = {
                **self.environment(None, installer),
                "ONEFOLD_PACK_CACHE": os.fspath(self.work / f"cache-{installer}"),
                # The machine's certificate authorities, as pip is told of them in pip.conf; the name before uv 0.11.
                "UV_SYSTEM_CERTS": "1",
                "UV_NATIVE_TLS": "1",
            }
            for name in ("PIP_INDEX_URL", "PIP_CONFIG_FILE"):
                del environment[name]
            first = pack_spec(directory, environment=environment, timeout=600)
            self.assertEqual(paths(directory) - before - {"app"}, set())
            again = pack_spec(directory, environment=environment, timeout=600)
            self.assertEqual((first.summary["reused_layer"], again.summary["reused_layer"]), (False, True))
            self.assertEqual(first.summary["tree_id"], again.summary["tree_id"])
            self.assertEqual(
                self.owners(unpacked(first, self.cache) / SITE),
                {"docopt": {"docopt.py"}, "jieba": {"jieba"}, "langdetect": {"langdetect"}, "mine": {"mine"},
                 "sgmllib3k": {"sgmllib.py"}, "six": {"six.py"}},
            )  # fmt: skip
        # What pip keeps for others.
        kept = list((self.work / "pip-cache").glob("wheels/**/*.whl"))
        self.assertGreaterEqual(len(kept), 4)
        for path in kept:
            with zipfile.ZipFile(path) as archive:
                names = {name.split("/")[0] for name in archive.namelist() if ".dist-info" not in name}
            self.assertEqual(len(names), 1, path)


if __name__ == "__main__":
    unittest.main()
