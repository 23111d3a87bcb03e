"""What the tests of packing from a spec share: wheels and projects made here, specs, builds.

No test needs the network: pip gets no index and finds the wheels in one directory.
"""

from __future__ import annotations

import base64
import csv
import ensurepip
import functools
import hashlib
import json
import os
import shutil
import site
import sys
import sysconfig
import time
import unittest
import zipfile
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

from support import Case, Onefile, Result, StrPath, onefold, run, scratch, succeed

#: The interpreter that is packed: the one that runs the tests.
PREFIX = Path(sys.base_prefix)
SHORT = "%d.%d" % sys.version_info[:2]
VERSION = "%d.%d.%d" % sys.version_info[:3]
LIBRARY = f"lib/python{SHORT}"
#: Where this interpreter has distributions installed: Debian's in local/lib/python3.N/dist-packages.
SITE = os.path.relpath(site.getsitepackages([os.fspath(PREFIX)])[0], PREFIX)
TAG = f"cpython-{sys.version_info[0]}{sys.version_info[1]}"

Content = Union[str, bytes]
Files = Mapping[str, Content]


# Wheels


def data(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content


@functools.lru_cache(maxsize=None)
def wheels() -> Path:
    """The directory where pip finds the wheels that `wheel` makes."""
    path = scratch() / "wheels"
    path.mkdir()
    return path


def wheel(
    name: str,
    files: Files,
    *,
    version: str = "1.0",
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    scripts: Sequence[str] = (),
    entry_points: str = "",
    executables: Sequence[str] = (),
    tag: str = "py3-none-any",
    directory: Optional[Path] = None,
    headers: Sequence[str] = (),
) -> Path:
    """Makes a wheel. Each of `scripts` is "NAME = MODULE:FUNCTION", each of `executables` one of `files`, each of `headers` a
    line of METADATA."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in extras]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    metadata += headers
    if scripts:
        entry_points += "\n[console_scripts]\n" + "\n".join(scripts)
    all_files = {path: data(content) for path, content in files.items()}
    all_files[f"{info}/METADATA"] = data("\n".join(metadata) + "\n")
    pure = "true" if tag.endswith("-none-any") else "false"
    all_files[f"{info}/WHEEL"] = data(
        f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
    )
    if entry_points:
        all_files[f"{info}/entry_points.txt"] = data(entry_points + "\n")
    record = "".join(f"{path},{record_hash(all_files[path])}\n" for path in sorted(all_files))
    all_files[f"{info}/RECORD"] = data(record + f"{info}/RECORD,,\n")
    result = (directory or wheels()) / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(result, "w") as archive:
        for path, content in all_files.items():
            # Without a date of its own, so that the wheel is the same in each run.
            entry = zipfile.ZipInfo(path)
            mode = 0o100755 if path in executables else 0o644
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    return result


def bundled_wheels() -> Path:
    """The directory of ensurepip's wheels, which Debian has in a place of its own."""
    place = sysconfig.get_config_var("WHEEL_PKG_DIR")
    return Path(place) if place else Path(ensurepip.__file__).with_name("_bundled")


def record_hash(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(content)}"


def pinned(*paths: Path) -> str:
    """A locked requirements file."""
    lines = []
    for path in paths:
        name, version = path.name.split("-")[:2]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{name}=={version} --hash=sha256:{digest}\n")
    return "".join(lines)


#: A build backend that makes a wheel of the packages beside it; `project` puts it into a project.
BACKEND = r"""
import base64, hashlib, json, os, zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "backend.json")) as file:
    PROJECT = json.load(file)
STEM = "%s-%s" % (PROJECT["name"].replace("-", "_"), PROJECT["version"])


def contents(editable):
    metadata = "Metadata-Version: 2.1\nName: %(name)s\nVersion: %(version)s\n" % PROJECT
    metadata += "".join("Provides-Extra: %s\n" % extra for extra in PROJECT["extras"])
    metadata += "".join("Requires-Dist: %s\n" % one for one in PROJECT["requires"])
    scripts = "[console_scripts]\n" + "\n".join(PROJECT["scripts"]) + "\n"
    yield "METADATA", metadata
    yield "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    yield "entry_points.txt", scripts


def write(directory, editable):
    name = STEM + "-py3-none-any.whl"
    files = {"%s.dist-info/%s" % (STEM, name): text.encode() for name, text in contents(editable)}
    if editable:
        files[STEM + ".pth"] = (HERE + "\n").encode()
    else:
        for package in PROJECT["packages"]:
            for root, _, names in os.walk(os.path.join(HERE, package)):
                for one in names:
                    path = os.path.join(root, one)
                    with open(path, "rb") as file:
                        files[os.path.relpath(path, HERE)] = file.read()
    record = "".join("%s,,\n" % path for path in sorted(files))
    files[STEM + ".dist-info/RECORD"] = (record + STEM + ".dist-info/RECORD,,\n").encode()
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        for path in sorted(files):
            archive.writestr(path, files[path])
    return name


def build_wheel(directory, settings=None, metadata=None):
    return write(directory, False)


def build_editable(directory, settings=None, metadata=None):
    return write(directory, True)
"""


def project(
    directory: Path,
    name: str,
    files: Files,
    *,
    version: str = "1.0",
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    scripts: Sequence[str] = (),
) -> Path:
    """Makes a project that pip can build without any other distribution."""
    packages = sorted({path.split("/")[0] for path in files if "/" in path})
    description = {
        **{"name": name, "version": version, "packages": packages, "scripts": list(scripts)},
        **{"requires": list(requires), "extras": list(extras)},
    }
    write_files(directory, files)
    write_files(
        directory,
        {
            "backend.py": BACKEND,
            "backend.json": json.dumps(description),
            "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\n"
            f"backend-path = ['.']\n[project]\nname = '{name}'\nversion = '{version}'\n",
        },
    )
    return directory


def compiler() -> str:
    found = shutil.which("gcc")
    if found is None:
        raise unittest.SkipTest("needs the program gcc")
    return found


def compile_library(source: str, output: Path, *options: StrPath) -> bytes:
    """Compiles C to a shared library, and returns it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    file = output.with_suffix(".c")
    file.write_text(source)
    include = sysconfig.get_path("include")
    command = [compiler(), "-shared", "-fPIC", "-I", include, "-o", output, file, *options]
    succeed(run(command))
    return output.read_bytes()


EXTENSION = """
#include <Python.h>
{declarations}
static PyObject *answer(PyObject *self, PyObject *none) {{ return PyLong_FromLong({answer}); }}
static PyMethodDef methods[] = {{{{"answer", answer, METH_NOARGS, ""}}, {{0}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", "", -1, methods}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&module); }}
"""

NATIVE_TAG = f"{TAG.replace('cpython-', 'cp')}-{TAG.replace('cpython-', 'cp')}-linux_x86_64"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


@functools.lru_cache(maxsize=None)
def extension_wheel() -> Path:
    """The distribution `native`, with the extension module `native.fast`."""
    source = EXTENSION.format(name="fast", answer="42", declarations="")
    module = compile_library(source, scratch() / "native" / f"fast{SUFFIX}", "-g")
    files = {"native/__init__.py": "from .fast import answer\n", f"native/fast{SUFFIX}": module}
    return wheel("native", files, tag=NATIVE_TAG)


@functools.lru_cache(maxsize=None)
def library_wheel() -> Path:
    """The distribution `borrower`, whose extension module needs the library libelsewhere.so.7, which
    is in a directory of this machine that no other has."""
    place = scratch() / "elsewhere"
    library = place / "libelsewhere.so.7"
    compile_library(
        "int elsewhere(void) { return 77; }\n", library, "-Wl,-soname,libelsewhere.so.7"
    )
    source = EXTENSION.format(
        name="borrower", answer="elsewhere()", declarations="int elsewhere(void);"
    )
    output = scratch() / "borrower" / f"borrower{SUFFIX}"
    module = compile_library(source, output, library, f"-Wl,-rpath,{place}")
    return wheel("borrower", {f"borrower{SUFFIX}": module}, tag=NATIVE_TAG)


# Specs


def toml(tables: Mapping[str, Any]) -> str:
    """The tables as TOML: of each name a table, or a list of them."""
    lines = []
    for name, table in tables.items():
        for one in table if isinstance(table, list) else [table]:
            lines.append(f"[[{name}]]" if isinstance(table, list) else f"[{name}]")
            lines += [f"{toml_key(key)} = {toml_value(value)}" for key, value in one.items()]
    return "\n".join(lines) + "\n"


def toml_key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() else json.dumps(key)


def toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_key(k)} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return json.dumps(os.fspath(value))


def write_files(directory: Path, files: Files) -> None:
    for path, content in files.items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data(content))


#: Runs the code that its first argument is.
RUNNER = "import sys\nif __name__ == '__main__':\n    exec(sys.argv[1])\n"


def application(directory: Path, files: Optional[Files] = None, **tables: Any) -> Path:
    """Makes a directory with files and an onefold.toml; without `launch` it runs code (`RUNNER`).
    An underscore in a table's name stands for a dot."""
    spec: dict[str, Any] = {
        "app": {"name": "app"},
        "python": {"prefix": PREFIX},
        "dependencies": {"installer": "pip"},
        "archive": {"level": 1},
        "launch": {"script": "runner.py"},
    }
    for name, table in tables.items():
        name = name.replace("_", ".")
        merges = name in ("app", "dependencies", "archive")
        spec[name] = {**spec[name], **table} if merges else table
    write_files(directory, {"runner.py": RUNNER, **(files or {}), "onefold.toml": toml(spec)})
    return directory


def line_of(directory: Path, text: str) -> str:
    """Where the spec has a line that begins so, as messages name it."""
    lines = (directory / "onefold.toml").read_text().splitlines()
    numbers = [number for number, line in enumerate(lines, 1) if line.startswith(text)]
    assert len(numbers) == 1, (text, lines)
    return f"onefold.toml:{numbers[0]}: "


# Packing


#: Seconds since 1970.
RELEASE = "1700000000"


def pack_environment(more: Optional[Mapping[str, StrPath]] = None) -> dict[str, StrPath]:
    """Layers and frames are shared by all tests."""
    return {
        "ONEFOLD_PACK_CACHE": scratch() / "pack-cache",
        "HOME": scratch() / "home",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": os.fspath(wheels()),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **(more or {}),
    }


def pack_command(
    directory: Path,
    *options: StrPath,
    environment: Optional[Mapping[str, Optional[StrPath]]] = None,
    **running: Any,
) -> Result:
    """`onefold pack` with the directory's spec, in that directory. The application's files have the time `RELEASE`, unless
    `environment` has another one, or None: then that of the newest."""
    command = ["pack", "--json", "--spec", directory, *options]
    given = {"SOURCE_DATE_EPOCH": RELEASE, **(environment or {})}
    variables = pack_environment({name: value for name, value in given.items() if value is not None})
    return onefold(*command, environment=variables, cwd=directory, **running)


def pack_spec(directory: Path, *options: StrPath, **running: Any) -> Onefile:
    """Packs, without smoke tests unless `smoke=True`."""
    if not running.pop("smoke", False):
        options = ("--no-smoke", *options)
    result = succeed(pack_command(directory, *options, **running))
    summary = json.loads(result.stdout)
    return Onefile(directory / summary["output"], summary)


def unpacked(onefile: Onefile, cache: Path) -> Path:
    succeed(onefile.launch(cache=cache, verb="prewarm"))
    return onefile.tree(cache)


def records_of(tree: Path) -> set[str]:
    """What the RECORD files list, from the tree's root; each must be there as it is listed."""
    place = tree / SITE
    listed = set()
    for record in place.glob("*.dist-info/RECORD"):
        with open(record, newline="") as file:
            for path, digest, size in csv.reader(file):
                full = place / path
                if not full.is_file():
                    raise AssertionError(f"{record} lists {path}, which is not there")
                if digest and f"{digest},{size}" != record_hash(full.read_bytes()):
                    raise AssertionError(f"{record} has a wrong hash of {path}")
                listed.add(os.path.relpath(os.path.realpath(full), os.path.realpath(tree)))
    return listed


def paths(tree: Path) -> set[str]:
    """What a tree has, but for directories, from its root."""
    found = set()
    for directory, _, names in os.walk(tree):
        found |= {os.path.relpath(os.path.join(directory, name), tree) for name in names}
    return found


def processes_with(marker: str) -> list[str]:
    """The running processes whose environment holds the text."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


class SpecCase(Case):
    """A test that packs from a spec."""

    def new_application(self, files: Optional[Files] = None, **tables: Any) -> Path:
        """Another one of the same test takes its place."""
        return application(self.work / "application", files, **tables)

    def python(self, onefile: Onefile, code: str, *arguments: StrPath, **options: Any) -> Any:
        """What the code, run by the onefile, prints as JSON."""
        options.setdefault("cache", self.cache)
        result = onefile.launch(code, *arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, b""), code)
        return json.loads(result.stdout)

    def assertFails(
        self,
        directory: Path,
        *texts: str,
        options: Sequence[StrPath] = (),
        environment: Optional[Mapping[str, StrPath]] = None,
    ) -> str:
        """Packing ends with status 1 and a message that holds the texts, and leaves nothing: no
        file, no stage, no process. Returns the message."""
        before = sorted(paths(directory))
        marker = f"ONEFOLD_TEST_MARK={id(self)}-{time.monotonic_ns()}"
        name, _, value = marker.partition("=")
        result = pack_command(directory, *options, environment={**(environment or {}), name: value})
        said = result.stderr.decode()
        self.assertEqual((result.returncode, result.stdout), (1, b""), said)
        for text in texts:
            self.assertIn(text, said)
        self.assertEqual(sorted(paths(directory)), before)
        self.assertEqual(processes_with(marker), [])
        return said

    def assertRecordsAreComplete(self, tree: Path, *more: str) -> None:
        """Together they list all of `SITE` but what is the packer's and the application's own,
        by names without suffixes."""
        own = {path for path in paths(tree) if path.startswith(SITE + "/")} - records_of(tree)
        names = {path.split("/")[-1].split(".")[0] for path in own}
        packers = {"__onefold__", "_onefold_runtime", "_onefold_restart", "_onefold_main", "runner"}
        self.assertEqual(names, packers | set(more))
