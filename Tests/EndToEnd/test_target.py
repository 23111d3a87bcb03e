"""Packing for another architecture: Debian's arm64 Python and wheels for aarch64, packed on x86_64, tested under qemu-user.

Takes about 60 seconds, and what unpacking 40 Debian packages takes the first time.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import unittest
from pathlib import Path
from typing import Any, Optional

from arm64 import EMULATED, PLAIN, require_emulation
from spec_support import (
    SHORT,
    SpecCase,
    application,
    compile_library,
    extension_wheel,
    line_of,
    pack_environment,
    paths,
    project,
    wheel,
    wheels,
    write_files,
)
from support import BOOTLOADER, DIST, ONEFOLD, REPOSITORY, onefold, run, scratch, start, succeed
from test_spec_uv import uv_directory

TARGET = "aarch64-linux"
ARM64 = DIST / "bootloaders" / TARGET
#: That of Debian's interpreter.
SITE = f"local/lib/python{SHORT}/dist-packages"

SERVER = """
import os, platform, sys
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

class Health(BaseModel):
    machine: str
    executable: str

app = FastAPI()

@app.get("/health")
def health() -> Health:
    return Health(machine=platform.machine(), executable=sys.executable)

if sys.argv[1:] == ["--version"]:
    print("server on", platform.machine())
else:
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
"""

#: What FastAPI and uvicorn need, as the example's lock has it for both architectures.
NAMES = """annotated-doc annotated-types anyio click fastapi h11 idna opentelemetry-api pydantic pydantic-core
starlette typing-extensions typing-inspection uvicorn""".split()


@functools.lru_cache(maxsize=None)
def debian() -> Path:
    """The root of an arm64 system with Python, which is kept for the next run."""
    directory = REPOSITORY / ".build" / "arm64" / "python-root"
    command = [REPOSITORY / "tools/debian-packages", "--with-dependencies", "bookworm", "arm64"]
    # The first time takes longer than anything that is tested.
    subprocess.run([*command, directory, "python3"], check=True, capture_output=True, timeout=600)
    return directory


def lock() -> str:
    """The example's requirements of these names, with their hashes."""
    text = (REPOSITORY / "docs/examples/fastapi-server/requirements.txt").read_text()
    blocks = re.findall(r"^([\w-]+)(==.*\\\n(?: {4}--hash=\S+(?: \\)?\n)+)", text, re.MULTILINE)
    return "".join(name + rest for name, rest in blocks if name in NAMES)


@unittest.skipUnless(platform.machine() == "x86_64", "packs for aarch64 on x86_64")
@unittest.skipUnless(ARM64.exists(), f"needs {ARM64}")
@unittest.skipUnless(SHORT == "3.11", "needs the version of Python that Debian 12 has")
class TargetCase(SpecCase):
    def new_application(self, files: Any = None, **tables: Any) -> Path:
        tables.setdefault("python", {"version": SHORT})
        tables.setdefault("python_aarch64-linux", {"prefix": debian() / "usr"})
        return super().new_application(files, **tables)

    def pack(self, directory: Path, *options: str, where: Any = (), **environment: str) -> Any:
        """The summary of packing for aarch64."""
        command = [*where, ONEFOLD, "pack", "--json", "--spec", directory, "--target", TARGET]
        process = start(
            [*command, *options], environment=self.environment(**environment), cwd=directory
        )
        output, errors = process.communicate(timeout=900)
        self.assertEqual(process.returncode, 0, errors.decode())
        self.said = errors.decode()
        return json.loads(output)

    def environment(self, **more: str) -> dict[str, Any]:
        # The tests' own interpreter is the one that compiles.
        path = f"{sys.base_prefix}/bin:{os.environ['PATH']}"
        return pack_environment({"PATH": path, **more})

    def extracted(self, file: Path) -> Path:
        succeed(onefold("extract", file, self.work / "extracted"))
        return self.work / "extracted"

    def assertRefused(self, directory: Path, *texts: str, options: Any = None) -> None:
        given = ("--target", TARGET) if options is None else options
        environment = self.environment()
        self.assertFails(directory, *texts, options=given, environment=environment)


class Servers(TargetCase):
    def setUp(self) -> None:
        super().setUp()
        require_emulation(self)

    def test_a_server_is_packed_and_tested(self) -> None:
        directory = self.new_application(
            {"server.py": SERVER, "requirements.txt": lock()},
            dependencies={"requirements": ["requirements.txt"]},
            launch={"script": "server.py"},
            smoke={"timeout": 300},
            smoke_command=[{"arguments": ["--version"], "output": "server on aarch64"}],
            smoke_http={
                "environment": {"PORT": "{port}"}, "path": "/health",
                "contains": '"machine":"aarch64"',
            },
        )  # fmt: skip
        summary = self.pack(directory, "--sidecar", where=EMULATED, PIP_NO_INDEX="")
        self.assertEqual(summary["target"], TARGET)
        self.assertEqual(summary["output"], "app-aarch64-unknown-linux-gnu")
        self.assertRegex(summary["python"], r"^3\.11\.\d+$")
        self.assertEqual(summary["distributions"], len(NAMES))
        self.assertEqual((summary["smoke"]["commands"], summary["smoke"]["requests"]), (1, 1))
        self.assertGreaterEqual(summary["smoke"]["imports"], len(NAMES))
        self.assertEqual((summary["untested"], summary["smoke_command"]), (None, None))
        self.assertEqual(summary["warnings"], [])
        self.assertIn("libssl.so.3", summary["copied_libraries"])
        file = directory / summary["output"]
        shown = json.loads(succeed(onefold("inspect", "--json", file)).stdout)
        self.assertEqual(shown["target"], TARGET)
        self.assertEqual(shown["glibc"]["version"], summary["glibc"])
        self.assertIsForTarget(self.extracted(file))

    def assertIsForTarget(self, tree: Path) -> None:
        machines = set()
        names = (f"{debian()}", f"{self.work}", f"{sys.base_prefix}/")
        for path in sorted(paths(tree)):
            if (tree / path).is_symlink():
                continue
            content = (tree / path).read_bytes()
            if content.startswith(b"\x7fELF"):
                machines.add(int.from_bytes(content[18:20], "little"))
            for name in names:
                self.assertNotIn(name.encode(), content, path)
        self.assertEqual(machines, {183})
        script = (tree / "bin/uvicorn").read_bytes()
        self.assertTrue(script.startswith(b"#!/bin/sh\n'''exec' \"$(dirname"), script[:80])
        self.assertTrue((tree / SITE / "fastapi/__pycache__/routing.cpython-311.pyc").exists())

    def test_untested_files_are_tested_on_the_target(self) -> None:
        wheel("there", {"there.py": "import platform\nassert platform.machine() == 'aarch64'\n"})
        files = {
            "requirements.txt": "there",
            "run.py": "import sys\nprint('it says', *sys.argv[1:])\n",
        }
        tables: dict[str, Any] = {
            "dependencies": {"requirements": ["requirements.txt"]},
            "launch": {"script": "run.py"},
            "smoke_command": [{"arguments": ["it's"], "output": "it says it's"}],
        }
        directory = self.new_application(files, **tables)
        summary = self.pack(directory, where=PLAIN)
        self.assertIsNone(summary["smoke"])
        self.assertIn("does not start aarch64 programs", summary["untested"])
        environment = {
            "ONEFOLD_CACHE": self.cache, "HOME": self.work, "QEMU_LD_PREFIX": debian(),
        }  # fmt: skip
        command = [*EMULATED, "sh", "-c", summary["smoke_command"]]
        tested = run(command, cwd=directory, environment=environment)
        said = (tested.returncode, tested.stdout, tested.stderr)
        self.assertEqual(said, (0, b"tested: 1 import, 1 command, 0 requests\n", b""))

        tables["smoke_command"] = [{"arguments": ["x"], "output": "something else"}]
        directory = self.new_application(files, **tables)
        summary = self.pack(directory, where=PLAIN)
        tested = run(command, cwd=directory, environment=environment)
        self.assertEqual(tested.returncode, 1)
        self.assertIn(b"'x' does not print 'something else':\n  it says x", tested.stderr)
        self.assertIn("'x' does not print", self.failing(directory))

    def failing(self, directory: Path) -> str:
        """What packing says whose smoke tests fail here."""
        command = [*EMULATED, ONEFOLD, "pack", "--spec", directory, "--target", TARGET]
        result = run(command, environment=self.environment(), cwd=directory)
        self.assertEqual(result.returncode, 1, result.stderr)
        return result.stderr.decode()


class Requirements(TargetCase):
    MARKED = {
        "for-arm": 'platform_machine == "aarch64"',
        "for-x86": 'platform_machine == "x86_64"',
        # Debian 12 has 3.11.2.
        "for-old": 'python_full_version < "3.11.3"',
        "for-new": 'python_full_version >= "3.11.3"',
    }

    def names(self, installer: str, requirements: str, **environment: str) -> set[str]:
        directory = self.new_application(
            {"requirements.txt": requirements},
            dependencies={"requirements": ["requirements.txt"], "installer": installer},
        )
        summary = self.pack(directory, "--no-smoke", **environment)
        tree = self.extracted(directory / summary["output"])
        shutil.rmtree(tree / "bin")
        found = {path.name.split("-")[0] for path in (tree / SITE).glob("*.dist-info")}
        shutil.rmtree(tree)
        return found

    def test_markers_are_those_of_the_target(self) -> None:
        for name in self.MARKED:
            wheel(name, {f"{name.replace('-', '_')}.py": ""})
        wheel("marked", {"marked.py": ""}, requires=[f"{n}; {m}" for n, m in self.MARKED.items()])
        direct = "".join(f"{name}; {marker}\n" for name, marker in self.MARKED.items())
        settings = self.work / "uv.toml"
        settings.write_text(f"[pip]\nno-index = true\nfind-links = ['{wheels()}']\n")
        uv = {
            "PATH": f"{sys.base_prefix}/bin:{uv_directory()}:{os.environ['PATH']}",
            "UV_CONFIG_FILE": os.fspath(settings),
            "UV_CACHE_DIR": os.fspath(scratch() / "uv-cache"),
        }  # fmt: skip
        for installer, environment in (("pip", {}), ("uv", uv)):
            with self.subTest(installer):
                self.assertEqual(self.names(installer, direct, **environment), {"for_arm", "for_old"})
                found = self.names(installer, "marked", **environment)
                self.assertEqual(found, {"marked", "for_arm", "for_old"})

    def test_a_project_and_what_it_brings(self) -> None:
        project(
            self.work / "application/source", "built",
            {"built/__init__.py": "def main():\n    pass\n"}, scripts=["built = built:main"],
        )  # fmt: skip
        directory = self.new_application(
            dependencies={"project": "source"}, launch={"module": "built"}
        )
        summary = self.pack(directory, "--no-smoke")
        tree = self.extracted(directory / summary["output"])
        self.assertIn("../../../../bin/built,sha256=", (tree / SITE / "built-1.0.dist-info/RECORD").read_text())
        self.assertTrue((tree / "bin/built").read_bytes().startswith(b"#!/bin/sh\n"))
        other = self.new_application(dependencies={"project": "source"}, launch={"module": "bulit"})
        self.assertRefused(other, line_of(other, "module"), "'bulit' that is launched is not in the tree")

    def requiring(self, line: str) -> Path:
        return self.new_application(
            {"requirements.txt": line}, dependencies={"requirements": ["requirements.txt"]}
        )

    def test_wheels_for_another_architecture(self) -> None:
        name = extension_wheel().name
        self.assertRefused(self.requiring(f"{extension_wheel()}\n"), name, "not a supported wheel")
        self.assertRefused(self.requiring("native\n"), "native", "wheels are needed for aarch64")
        directory = self.new_application(dependencies={"project": extension_wheel()})
        self.assertRefused(directory, line_of(directory, "project"), name, "one for aarch64 is needed")
        # One that says it is for any.
        library = compile_library("int x;", self.work / "liar.so")
        wheel("x86-liar", {"x86_liar/__init__.py": "", "x86_liar/x.abi3.so": library})
        self.assertRefused(self.requiring("x86-liar\n"), "is for x86_64", "x86_liar 1.0", "aarch64")

    def test_what_is_missing(self) -> None:
        wheel("incomplete", {"incomplete.py": ""}, requires=['no-such; platform_machine == "aarch64"'])
        lines = f"incomplete==1.0 --hash=sha256:{'0' * 64}\n"
        self.assertRefused(self.requiring(lines), "requirements.txt:1", "hash")
        path = wheels() / "incomplete-1.0-py3-none-any.whl"
        lines = lines.replace("0" * 64, hashlib.sha256(path.read_bytes()).hexdigest())
        self.assertRefused(self.requiring(lines), "incomplete 1.0 requires no-such", "not installed")


class Interpreters(TargetCase):
    def test_those_of_another_architecture(self) -> None:
        directory = self.new_application(**{"python_aarch64-linux": {"prefix": sys.base_prefix}})
        where = line_of(directory, "prefix")
        self.assertRefused(directory, where, "is an interpreter for x86_64, not for aarch64")
        directory = self.new_application(python={"prefix": debian() / "usr"}, **{"python_aarch64-linux": {"prefix": "."}})
        self.assertRefused(directory, "is an interpreter for aarch64, not for x86_64", "--target", options=())

    def test_an_archive(self) -> None:
        """Relocatable: its libraries are its own, and it belongs to no system."""

        def own(entry: tarfile.TarInfo) -> Optional[tarfile.TarInfo]:
            return None if entry.linkname.startswith("/") else entry

        archive = self.work / "python.tar"
        with tarfile.open(archive, "w") as tar:
            for name in ("bin/python3", "bin/python3.11", "lib/python3.11"):
                tar.add(debian() / "usr" / name, f"python/{name}", filter=own)
            for path in (debian() / "usr/lib/aarch64-linux-gnu").glob("lib*.so.*"):
                tar.add(path, f"python/lib/{path.name}")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        table = {"archive": archive, "sha256": digest}
        directory = self.new_application(**{"python_aarch64-linux": table})
        summary = self.pack(directory, "--no-smoke")
        self.assertEqual(summary["interpreter"], os.fspath(archive))
        self.assertIn("libssl.so.3", summary["copied_libraries"])
        # libdb-5.3.so, which is not in the archive, is no library of this machine's either.
        self.assertEqual(len(summary["warnings"]), 1)
        self.assertIn("_dbm can't be imported", summary["warnings"][0])
        table["sha256"] = "0" * 64
        directory = self.new_application(**{"python_aarch64-linux": table})
        self.assertRefused(directory, line_of(directory, "sha256"), digest)

    def test_one_that_needs_a_newer_glibc_than_allowed(self) -> None:
        """No glibc for aarch64 is older than 2.17, so Debian's interpreter needs newer symbols than these."""
        directory = self.new_application(python={"version": SHORT, "max-glibc": "2.17"})
        self.assertRefused(
            directory, line_of(directory, "max-glibc"), "'lib/lib", "@GLIBC_2.", "allows (2.17)"
        )

    def test_a_version_alone(self) -> None:
        directory = application(self.work / "application", python={"version": SHORT})
        self.assertRefused(directory, line_of(directory, "version"), "give its prefix or archive")

    def test_files_that_are_not_interpreters(self) -> None:
        (self.work / "empty").mkdir()
        directory = self.new_application(**{"python_aarch64-linux": {"prefix": self.work / "empty"}})
        self.assertRefused(directory, line_of(directory, "prefix"), "there is no interpreter in")
        write_files(self.work / "empty", {"bin/python3": "#!/bin/sh\n"})
        self.assertRefused(directory, line_of(directory, "prefix"), "is not a program for aarch64")

    def future(self, prefix: Path) -> Path:
        """An interpreter that no machine has, as far as its files tell."""
        library = prefix / "lib/python3.99"
        write_files(
            prefix,
            {
                "bin/python3.99": (debian() / "usr/bin/python3.11").read_bytes(),
                "include/python3.99/patchlevel.h": '#define PY_VERSION "3.99.1"\n',
            },
        )
        files = {"os.py": "", "site.py": "", "_sysconfigdata_x.py": "build_time_vars = {'SOABI': 'cpython-399'}"}
        write_files(library, files)
        (prefix / "bin/python3.99").chmod(0o755)
        return prefix

    def test_without_one_that_compiles(self) -> None:
        prefix = self.future(self.work / "future")
        python = {"python": {"version": "3.99"}, "python_aarch64-linux": {"prefix": prefix}}
        directory = self.new_application(**python)
        where = line_of(directory, "prefix")
        self.assertRefused(directory, where, "no Python 3.99 on this machine to compile", "prune.byte-code")
        directory = self.new_application(**python, prune={"byte-code": "drop"})
        summary = self.pack(directory, "--no-smoke")
        self.assertEqual(summary["python"], "3.99.1")
        tree = self.extracted(directory / summary["output"])
        self.assertEqual([path for path in paths(tree) if path.endswith(".pyc")], [])
        both = self.new_application(**python, prune={"byte-code": "drop", "sources": "drop"})
        self.assertRefused(both, line_of(both, "byte-code"), "can't both be")


class Targets(TargetCase):
    def test_unknown_ones(self) -> None:
        directory = self.new_application()
        for name, why in (
            ("aarch46-linux", "did you mean 'aarch64-linux'?"),
            ("s390x", "give 'x86_64-linux' or 'aarch64-linux'"),
            ("x86_64-pc-windows-msvc", "makes Linux programs only"),
        ):
            with self.subTest(name):
                self.assertRefused(directory, f"'{name}'", why, options=("--target", name))
        directory = self.new_application(output={"target": "arm46-linux"})
        self.assertRefused(directory, line_of(directory, "target"), "did you mean 'arm64-linux'?", options=())

    def test_bootloaders(self) -> None:
        directory = self.new_application()
        options = ("--target", TARGET, "--bootloader", os.fspath(BOOTLOADER))
        self.assertRefused(directory, "is for x86_64-linux, not for aarch64-linux", options=options)
        program = self.work / "elsewhere/onefold"
        program.parent.mkdir()
        shutil.copy2(ONEFOLD, program)
        for found in (False, True):
            if found:
                (program.parent / "bootloaders").mkdir()
                shutil.copy2(BOOTLOADER, program.parent / "bootloaders")
            command = [program, "pack", "--spec", directory, "--target", TARGET]
            result = run(command, environment=self.environment(), cwd=directory)
            said = result.stderr.decode()
            self.assertEqual(result.returncode, 1, said)
            self.assertIn("there is no bootloader for aarch64-linux", said)
            self.assertEqual("(only x86_64-linux)" in said, found)

    def test_the_spec_chooses_and_the_option_overrides(self) -> None:
        output = {"target": "aarch64-unknown-linux-gnu", "file": "app-{target}"}
        directory = self.new_application(output=output)
        for options, target in (((), TARGET), (("--target", "amd64-linux"), "x86_64-linux")):
            command = ["pack", "--json", "--no-smoke", "--spec", directory, *options]
            result = succeed(onefold(*command, environment=self.environment(), cwd=directory))
            summary = json.loads(result.stdout)
            self.assertEqual(summary["target"], target)
            self.assertEqual(Path(summary["output"]).name, f"app-{target}")

    def test_trees(self) -> None:
        tree = self.work / "tree"
        write_files(tree, {"run": (debian() / "usr/bin/python3.11").read_bytes()})
        (tree / "run").chmod(0o755)
        for options, status in (((), 1), (("--target", "x86_64-linux"), 1), (("--target", "arm64-linux"), 0)):
            command = ["pack", "--level", "1", "--no-cache", "--tree", tree, "--entry", "run", "-o", self.work / "out"]
            result = onefold(*command, *options)
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertEqual((self.work / "out").exists(), status == 0)
            if status:
                self.assertIn(b"pack with --target aarch64-linux", result.stderr)
        shown = json.loads(succeed(onefold("inspect", "--json", self.work / "out")).stdout)
        self.assertEqual(shown["target"], TARGET)


if __name__ == "__main__":
    unittest.main()
