"""The software bill of materials: what is in it, that the validators of others accept it, and what `inspect` tells from it.

Needs PyPI for the validators of sbom-requirements.txt, which are kept in .build.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import shutil
import unittest
import venv
import zlib
from pathlib import Path
from typing import Any, Optional

from spec_support import (
    VERSION,
    Files,
    SpecCase,
    application,
    extension_wheel,
    library_wheel,
    pack_spec,
    pinned,
    project,
    wheel,
    wheels,
    write_files,
)
from support import Onefile, StrPath, onefold, pack, run, succeed
from tool_packages import tool_environment

DOCUMENT = ".onefold/sbom.cdx.json"

VALIDATE = r"""
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

for path in sys.argv[1:]:
    if path.endswith(".cdx.json"):
        with open(path, encoding="utf-8") as file:
            error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read())
        problems = [error] if error else []
    else:
        problems = [one.validation_message for one in validate_full_spdx_document(parse_file(path))]
    for problem in problems:
        print(path, problem)
"""


def tools() -> Path:
    """The directory of cyclonedx-py, and of a Python with the validators."""
    return tool_environment("sbom")


def inspect(file: Path, *options: StrPath) -> bytes:
    return succeed(onefold("inspect", file, *options)).stdout


def document(onefile: Onefile) -> dict[str, Any]:
    return json.loads(inspect(onefile.path, "--sbom"))


def components(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Those at the top, by name. All names differ."""
    listed = found["components"]
    assert len({one["name"] for one in listed}) == len(listed), listed
    return {one["name"]: one for one in listed}


def properties(found: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in found.get("properties", ())}


def dependencies(found: dict[str, Any]) -> dict[str, set[str]]:
    """Names of what each component needs, by its name."""
    names = {}
    waiting = list(found["components"])
    if "component" in found["metadata"]:
        waiting.append(found["metadata"]["component"])
    while waiting:
        one = waiting.pop()
        names[one["bom-ref"]] = one["name"]
        waiting += one.get("components", ())
    return {
        names[one["ref"]]: {names[need] for need in one["dependsOn"]}
        for one in found["dependencies"]
        if "dependsOn" in one
    }


class SbomCase(SpecCase):
    def assertValid(self, onefile: Onefile) -> None:
        """The validators have nothing to say of the document in both formats."""
        directory = self.new_directory()
        (directory / "a.cdx.json").write_bytes(inspect(onefile.path, "--sbom"))
        (directory / "a.spdx.json").write_bytes(inspect(onefile.path, "--sbom", "--format", "spdx"))
        command = [tools() / "python", "-I", "-c", VALIDATE, "a.cdx.json", "a.spdx.json"]
        self.assertSucceeded(run(command, cwd=directory), b"")

    def assertInspectFails(self, file: Path, *options: StrPath, text: str, code: int = 1) -> None:
        result = onefold("inspect", file, *options)
        self.assertEqual((result.returncode, result.stdout), (code, b""), result.stderr)
        self.assertIn(text, result.stderr.decode())


class Spec(SbomCase):
    """An application with all kinds of components."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        library = {
            "sbom_base/__init__.py": "",
            "sbom_base-2.1.dist-info/licenses/LICENSE": "The text of the licence\n",
            "sbom_base-2.1.dist-info/licenses/vendored/COPYING": "Another text\n",
        }
        cls.base = wheel(
            "sbom-base",
            library,
            version="2.1",
            headers=["License-Expression: MIT OR Apache-2.0", "Author: Jane Doe", "Home-page: https://example.org"],
        )
        cls.middle = wheel(
            "sbom-middle",
            {"sbom_middle.py": ""},
            requires=["sbom-base>=2", "sbom-extra; extra == 'more'", "sbom-never; python_version < '3'"],
            extras=["more"],
            headers=["Classifier: License :: OSI Approved :: BSD License"],
        )
        cls.extra = wheel("sbom-extra", {"sbom_extra.py": ""}, requires=["sbom-middle"])
        cls.locked = [cls.base, cls.middle, cls.extra, extension_wheel(), library_wheel()]
        place = cls.shared / "application"
        source = project(
            place / "source", "sbom-own", {"sbom_own/__init__.py": ""}, requires=["sbom-middle[more]"]
        )
        cls.directory = application(
            place,
            {"requirements.txt": pinned(*cls.locked), "static/a.txt": "abc"},
            app={"version": "1.0"},
            dependencies={"requirements": ["requirements.txt"], "project": source.relative_to(place)},
            data=[{"source": "static"}],
        )
        git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
            succeed(run([*git, *words], cwd=place))
        cls.commit = succeed(run(["git", "rev-parse", "HEAD"], cwd=place)).stdout.decode().strip()
        cls.onefile = pack_spec(place)
        cls.document = document(cls.onefile)
        cls.components = components(cls.document)

    def test_validators_accept_it(self) -> None:
        self.assertValid(self.onefile)

    def test_the_file_itself_prints_it(self) -> None:
        self.assertSucceeded(self.onefile.launch(verb="sbom"), inspect(self.onefile.path, "--sbom"))
        self.assertRefused(self.onefile.launch("x", verb="sbom"), "takes no arguments")

    def test_it_is_a_file_of_the_tree(self) -> None:
        succeed(self.onefile.launch(verb="prewarm", cache=self.cache))
        file = self.onefile.tree(self.cache) / DOCUMENT
        self.assertEqual(file.read_bytes(), inspect(self.onefile.path, "--sbom"))

    def test_distributions(self) -> None:
        base = self.components["sbom-base"]
        self.assertEqual(base["purl"], "pkg:pypi/sbom-base@2.1")
        self.assertEqual(base["version"], "2.1")
        self.assertEqual(base["licenses"], [{"expression": "MIT OR Apache-2.0"}])
        self.assertEqual(base["authors"], [{"name": "Jane Doe"}])
        self.assertEqual(base["externalReferences"], [{"type": "website", "url": "https://example.org"}])
        digest = hashlib.sha256(self.base.read_bytes()).hexdigest()
        self.assertEqual(base["hashes"], [{"alg": "SHA-256", "content": digest}])
        self.assertEqual(self.components["sbom-middle"]["licenses"], [{"license": {"name": "BSD License"}}])
        own = self.components["sbom-own"]
        self.assertNotIn("purl", own)
        # Each build of its wheel has another hash.
        self.assertNotIn("hashes", own)
        self.assertEqual(properties(own), {"onefold:local": "true"})

    def test_dependencies(self) -> None:
        needs = dependencies(self.document)
        self.assertEqual(needs["sbom-own"], {"sbom-middle"})
        self.assertEqual(needs["sbom-middle"], {"sbom-base", "sbom-extra"})
        self.assertEqual(needs["sbom-extra"], {"sbom-middle"})
        self.assertLessEqual({"sbom-own", "CPython", "data files", "onefold-bootloader"}, needs["app"])
        self.assertEqual(needs["borrower"], {"libelsewhere.so.7"})

    def test_interpreter_and_data(self) -> None:
        python = self.components["CPython"]
        self.assertEqual(python["version"], VERSION)
        self.assertEqual(python["cpe"], f"cpe:2.3:a:python:python:{VERSION}:*:*:*:*:*:*:*")
        # The script and the data file.
        self.assertEqual(properties(self.components["data files"])["onefold:files"], "2")

    def test_copied_libraries(self) -> None:
        self.assertNotIn("version", self.components["libelsewhere.so.7"])
        copied = json.loads(json.dumps(self.onefile.summary["copied_libraries"]))
        self.assertLessEqual(set(copied), set(self.components))
        if shutil.which("dpkg-query") is None:
            self.skipTest("needs the program dpkg-query")
        library = self.components["libgcc_s.so.1"]
        version = succeed(run(["dpkg-query", "-W", "-f", "${Version}", "libgcc-s1"])).stdout.decode()
        self.assertEqual(library["version"], version)
        self.assertTrue(library["purl"].startswith("pkg:deb/"), library)

    def test_bootloader(self) -> None:
        bootloader = self.components["onefold-bootloader"]
        parts = {one["name"]: one for one in bootloader["components"]}
        self.assertEqual(set(parts), {"musl", "openssl", "swift", "xz", "zstd"})
        length = json.loads(inspect(self.onefile.path, "--json"))["bootloader_bytes"]
        digest = hashlib.sha256(self.onefile.path.read_bytes()[:length]).hexdigest()
        self.assertEqual(bootloader["hashes"][0]["content"], digest)
        for name in ("musl", "openssl", "xz", "zstd"):
            self.assertRegex(parts[name]["version"], r"^\d+\.\d+", name)
            self.assertTrue(parts[name]["licenses"][0]["license"]["text"]["content"], name)

    def test_provenance(self) -> None:
        found = properties(self.document["metadata"])
        spec = hashlib.sha256((self.directory / "onefold.toml").read_bytes()).hexdigest()
        lock = hashlib.sha256((self.directory / "requirements.txt").read_bytes()).hexdigest()
        self.assertEqual(
            found,
            {
                "onefold:spec:sha256": spec,
                "onefold:lock:requirements.txt:sha256": lock,
                "onefold:source:commit": self.commit,
                "onefold:source:modified": "false",
                "onefold:source-date-epoch": "1700000000",
            },
        )
        self.assertEqual(self.document["metadata"]["timestamp"], "2023-11-14T22:13:20Z")
        [tool] = self.document["metadata"]["tools"]["components"]
        version = succeed(onefold("--version")).stdout.decode().split()[1]
        self.assertEqual((tool["name"], tool["version"]), ("onefold", version))

    def test_nothing_of_the_machine(self) -> None:
        text = inspect(self.onefile.path, "--sbom").decode()
        for secret in (os.fspath(self.shared), os.fspath(wheels()), platform.node(), str(Path.home())):
            self.assertNotIn(secret, text)
        self.assertNotIn(f'"{getpass.getuser()}"', text)

    def test_it_is_small(self) -> None:
        """Its share is smaller than 0.3 % of this file, which has little beside an interpreter."""
        packed = len(zlib.compress(inspect(self.onefile.path, "--sbom"), 9))
        self.assertLess(packed, 0.003 * self.onefile.path.stat().st_size)

    def test_nothing_that_cyclonedx_bom_finds_is_missing(self) -> None:
        environment = self.work / "environment"
        venv.EnvBuilder(with_pip=True).create(environment)
        python = environment / "bin" / "python"
        install = ["-m", "pip", "install", "-q", "--no-index", "--find-links", wheels()]
        succeed(run([python, *install, *self.locked]))
        command = [tools() / "cyclonedx-py", "environment", "--sv", "1.6", "--of", "JSON", python]
        other = json.loads(succeed(run(command)).stdout)
        # The packer removes the installers.
        expected = {one["name"]: one for one in other["components"] if one["name"] not in ("pip", "setuptools")}
        self.assertEqual(len(expected), len(self.locked))
        for name, one in expected.items():
            self.assertEqual(self.components[name]["version"], one["version"])
        needs = dependencies(self.document)
        for name, found in dependencies(other).items():
            if name in expected:
                self.assertLessEqual(found, needs.get(name, set()), name)

    # What inspect tells

    def test_licenses(self) -> None:
        found = json.loads(inspect(self.onefile.path, "--licenses", "--json"))["components"]
        rows = {one["name"]: one for one in found}
        self.assertEqual(rows["sbom-base"]["licenses"], ["MIT OR Apache-2.0"])
        self.assertEqual(rows["sbom-base"]["texts"], ["LICENSE", "vendored/COPYING"])
        self.assertEqual(rows["native"]["licenses"], [])
        lines = inspect(self.onefile.path, "--licenses").decode().splitlines()
        self.assertIn(["sbom-base", "2.1", "MIT", "OR", "Apache-2.0"], [line.split() for line in lines])
        self.assertIn(["zstd", rows["zstd"]["version"], "BSD-3-Clause"], [line.split() for line in lines])
        [missing] = [line for line in lines if line.startswith("no licence: ")]
        self.assertIn("native 1.0", missing)
        self.assertNotIn("sbom-base", missing)

    def test_license_texts(self) -> None:
        directory = self.work / "texts"
        result = succeed(onefold("inspect", self.onefile.path, "--license-texts", directory))
        self.assertEqual(result.stdout, b"")
        self.assertEqual(
            (directory / "sbom-base-2.1" / "vendored-COPYING").read_text(), "Another text\n"
        )
        self.assertIn("Redistribution", next(directory.glob("zstd-*/*.txt")).read_text())
        index = json.loads((directory / "index.json").read_text())["components"]
        named = {text for one in index for text in one["texts"]}
        written = {os.path.relpath(os.path.join(place, name), directory)
                   for place, _, names in os.walk(directory) for name in names}  # fmt: skip
        self.assertEqual(written, named | {"index.json"})
        self.assertInspectFails(
            self.onefile.path, "--license-texts", directory, text="is not an empty directory"
        )
        self.assertEqual([path.name for path in self.work.iterdir()], ["texts"])

    def test_licences_of_copied_libraries_are_in_the_file(self) -> None:
        if not Path("/usr/share/doc/libgcc-s1/copyright").exists():
            self.skipTest("needs the copyright files of Debian's packages")
        found = json.loads(inspect(self.onefile.path, "--licenses", "--json"))["components"]
        [row] = [one for one in found if one["name"] == "libgcc_s.so.1"]
        self.assertEqual(row["texts"], ["copyright"])

    def test_requires(self) -> None:
        text = inspect(self.onefile.path, "--requires", "Sbom_Base").decode()
        self.assertEqual(text, "sbom-base 2.1\n  app 1.0 > sbom-own 1.0 > sbom-middle 1.0 > sbom-base 2.1\n")
        found = json.loads(inspect(self.onefile.path, "--requires", "libelsewhere.so.7", "--json"))
        [one] = found["components"]
        self.assertEqual(one["chains"], [["app 1.0", "borrower 1.0", "libelsewhere.so.7"]])
        self.assertInspectFails(
            self.onefile.path, "--requires", "sbom-bace", text="did you mean 'sbom-base'?"
        )


class Locks(SbomCase):
    def test_the_hash_of_the_wheel_that_was_chosen(self) -> None:
        """A lock names the wheels of other platforms too."""
        here = extension_wheel()
        digest = hashlib.sha256(here.read_bytes()).hexdigest()
        other = here.name.replace("linux_x86_64", "musllinux_1_2_x86_64")
        lines = ['lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "native"\nversion = "1.0"']
        for name, sha256 in ((other, "0" * 64), (here.name, digest)):
            lines.append(
                f'[[packages.wheels]]\nname = "{name}"\nurl = "https://example.org/{name}"\nhashes = {{sha256 = "{sha256}"}}'
            )
        directory = self.new_application(
            {"pylock.toml": "\n".join(lines) + "\n"}, dependencies={"lock": "pylock.toml"}
        )
        found = document(pack_spec(directory))
        self.assertEqual(components(found)["native"]["hashes"], [{"alg": "SHA-256", "content": digest}])
        self.assertIn("onefold:lock:pylock.toml:sha256", properties(found["metadata"]))

    def test_changed_sources(self) -> None:
        directory = self.new_application({"static/a.txt": "a"}, data=[{"source": "static"}])
        git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
            succeed(run([*git, *words], cwd=directory))
        (directory / "static" / "a.txt").write_text("changed")
        found = properties(document(pack_spec(directory))["metadata"])
        self.assertEqual(found["onefold:source:modified"], "true")


class Tree(SbomCase):
    """Trees that nothing else is known about."""

    def make_tree(self, tree: Path, files: Files) -> Path:
        write_files(tree, {"run": "#!/bin/sh\necho hello\n", **files})
        (tree / "run").chmod(0o755)
        return tree

    def pack(self, files: Files, *options: StrPath, tree: Optional[Path] = None) -> Onefile:
        tree = self.make_tree(tree or self.new_directory() / "tree", files)
        return pack(tree, self.new_directory() / "file", *options, sbom=True)

    def test_distributions_are_found(self) -> None:
        info = "app/one-1.dist-info"
        onefile = self.pack(
            {
                f"{info}/METADATA": "Name: one\nVersion: 1\nLicense: MIT\nRequires-Dist: two\n",
                "app/two-2.dist-info/METADATA": "Name: two\nVersion: 2\n",
                f"{info}/RECORD": "one.py,,\n",
                "app/one.py": "",
            }
        )
        self.assertValid(onefile)
        found = document(onefile)
        self.assertEqual(
            set(components(found)), {"one", "two", "data files", "onefold-bootloader"}
        )
        self.assertEqual(dependencies(found)["one"], {"two"})
        self.assertNotIn("two", dependencies(found)["run"])
        self.assertNotIn("timestamp", found["metadata"])

    def test_other_trees_have_their_programs_and_data(self) -> None:
        shutil.copy("/bin/true", self.work / "true")
        onefile = self.pack({"bin/true": (self.work / "true").read_bytes(), "a": "abc", "b": "de"})
        self.assertValid(onefile)
        found = components(document(onefile))
        digest = hashlib.sha256((self.work / "true").read_bytes()).hexdigest()
        self.assertEqual(found["bin/true"]["hashes"][0]["content"], digest)
        self.assertEqual(properties(found["data files"])["onefold:files"], "3")

    def test_the_tree_on_the_disk_is_left_alone(self) -> None:
        tree = self.work / "tree"
        onefile = self.pack({"a": "abc"}, tree=tree)
        self.assertEqual(sorted(os.listdir(tree)), ["a", "run"])
        self.assertLaunched(onefile.launch(cache=self.cache))
        succeed(onefold("verify", onefile.path))

    def test_a_document_in_the_tree_is_replaced(self) -> None:
        """As in a tree that was extracted from a onefile. It can be given with --sbom."""
        old = json.dumps({"bomFormat": "CycloneDX", "components": [{"name": "kept", "version": "1"}]})
        tree = self.work / "tree"
        onefile = self.pack({DOCUMENT: old, ".onefold/other": "x"}, tree=tree)
        self.assertEqual(set(components(document(onefile))), {"data files", "onefold-bootloader"})
        self.assertEqual((tree / DOCUMENT).read_text(), old)
        onefile = self.pack({}, "--sbom", tree / DOCUMENT, tree=tree)
        self.assertIn("kept", components(document(onefile)))
        self.assertValid(onefile)

    def test_without_one(self) -> None:
        tree = self.make_tree(self.work / "tree", {})
        onefile = pack(tree, self.work / "file")
        for options in (["--sbom"], ["--licenses"], ["--requires", "x"]):
            self.assertInspectFails(onefile.path, *options, text="holds no software bill of materials")
        self.assertRefused(onefile.launch(verb="sbom"), "holds no software bill of materials")

    def test_documents_of_other_tools(self) -> None:
        spdx = {
            "spdxVersion": "SPDX-2.3",
            "name": "other",
            "packages": [{"SPDXID": "SPDXRef-a", "name": "left-pad", "versionInfo": "1", "licenseDeclared": "MIT"}],
        }
        cyclonedx = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.4",
            "components": [
                {"type": "library", "name": "a", "version": "1", "bom-ref": "x", "purl": "pkg:npm/a@1"},
                {"type": "library", "name": "b", "version": "2", "bom-ref": "y"},
                {"type": "library", "name": "one", "version": "1", "purl": "pkg:pypi/one@1"},
            ],
            "dependencies": [{"ref": "x", "dependsOn": ["y"]}],
        }
        write_files(self.work, {"a.json": json.dumps(spdx), "b.json": json.dumps(cyclonedx)})
        onefile = self.pack(
            {"s/one-1.dist-info/METADATA": "Name: one\nVersion: 1\n"},
            *("--sbom", self.work / "a.json", "--sbom", self.work / "b.json"),
        )
        self.assertValid(onefile)
        found = document(onefile)
        self.assertEqual(
            set(components(found)), {"one", "left-pad", "a", "b", "data files", "onefold-bootloader"}
        )
        self.assertEqual(dependencies(found)["a"], {"b"})
        self.assertEqual(inspect(onefile.path, "--requires", "b").decode(), "b 2\n  run > a 1 > b 2\n")

    # Bad input

    def assertPackFails(self, *options: StrPath, text: str, code: int = 1) -> None:
        tree = self.work / "tree"
        self.make_tree(tree, {})
        output = self.work / "file"
        result = onefold("pack", "--tree", tree, "--entry", "run", "-o", output, *options)
        self.assertEqual((result.returncode, result.stdout), (code, b""), result.stderr)
        self.assertIn(text, result.stderr.decode())
        self.assertFalse(output.exists())

    def test_documents_that_are_none(self) -> None:
        write_files(self.work, {"text": "hello", "other.json": "{}", "new.json": '{"spdxVersion": "SPDX-3.0"}'})
        self.assertPackFails("--sbom", self.work / "text", text="text' is not a JSON document: give CycloneDX")
        self.assertPackFails("--sbom", self.work / "other.json", text="is neither CycloneDX nor SPDX")
        self.assertPackFails("--sbom", self.work / "new.json", text="is in SPDX-3.0")
        self.assertPackFails("--sbom", self.work / "gone", text="gone'")
        self.assertPackFails("--sbom", "x", "--no-sbom", text="does not go with '--no-sbom'", code=2)

    def test_a_file_in_the_place_of_the_directory(self) -> None:
        self.make_tree(self.work / "tree", {".onefold": "x"})
        self.assertPackFails(text="tree/.onefold' must be a directory")
        succeed(onefold("pack", "--tree", self.work / "tree", "--entry", "run", "--no-sbom", "-o", self.work / "f"))

    def test_metadata_of_all_kinds(self) -> None:
        long = "All rights reserved. " * 5000
        onefile = self.pack(
            {
                "s/bytes-1.dist-info/METADATA": b"Name: bytes\nVersion: 1\nAuthor: J\xfcrgen\n",
                "s/long-1.dist-info/METADATA": f"Name: long\nVersion: 1\nLicense: {long}\n",
                "s/ring-1.dist-info/METADATA": "Name: ring\nVersion: 1\nRequires-Dist: gnir\nRequires-Dist: ring\n",
                "s/gnir-1.dist-info/METADATA": "Name: gnir\nVersion: 1\nRequires-Dist: ring\n",
                "s/false-1.dist-info/METADATA": "Name: requests\nVersion: 7\n",
                "s/empty-1.dist-info/METADATA": "",
                "s/control-1.dist-info/METADATA": "Name: control\nVersion: 1\nAuthor: \x1b[31mred\n",
            }
        )
        self.assertValid(onefile)
        found = components(document(onefile))
        self.assertLessEqual({"bytes", "long", "ring", "gnir", "false", "empty", "control"}, set(found))
        self.assertEqual(found["false"]["version"], "1")
        self.assertLess(len(found["long"]["licenses"][0]["license"]["name"]), 300)
        self.assertEqual(
            inspect(onefile.path, "--requires", "ring").decode(), "ring 1\n  run > gnir 1 > ring 1\n"
        )
        self.assertNotIn(b"\x1b", inspect(onefile.path, "--sbom"))

    def test_warnings_name_the_file_and_the_fault(self) -> None:
        tree = self.work / "tree"
        self.make_tree(tree, {"s/false-1.dist-info/METADATA": b"Name: requests\nVersion: 1\nA: \xff\n"})
        result = succeed(onefold("pack", "-q", "--tree", tree, "--entry", "run", "-o", self.work / "file"))
        self.assertEqual(
            result.stderr.decode().splitlines(),
            [
                "onefold pack: warning: false-1.dist-info/METADATA is not UTF-8",
                "onefold pack: warning: false-1.dist-info/METADATA says that it is of 'requests'",
            ],
        )

    def test_options_that_show_one_thing(self) -> None:
        onefile = self.pack({})
        for options in (
            ["--sbom", "--licenses"], ["--sbom", "--files"], ["--sbom", "--json"], ["--format", "spdx"],
            ["--licenses", "--requires", "x"], ["--sbom", "--format", "xml"],
        ):  # fmt: skip
            self.assertInspectFails(onefile.path, *options, text="option", code=2)


if __name__ == "__main__":
    unittest.main()
