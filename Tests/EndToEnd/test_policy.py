"""The rules of [policy]: each broken and kept, alone and together. Needs PyPI for the distributions of policy-requirements.txt."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import unittest
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from spec_support import (
    NATIVE_TAG,
    SUFFIX,
    VERSION,
    SpecCase,
    compile_library,
    line_of,
    pack_command,
    pack_spec,
    paths,
    pinned,
    project,
    wheel,
    write_files,
)
from support import StrPath, noise, onefold, scratch, succeed

#: Of PyPI, for every version of Python.
LOCK = Path(__file__).with_name("policy-requirements.txt").read_text()


#: The system that files are packed for here.
TARGET = f"{platform.machine()}-linux"


def licensed(name: str, *headers: str, **options: Any) -> Path:
    module = name.replace("-", "_")
    return wheel(name, {f"{module}/__init__.py": ""}, headers=headers, **options)


class PolicyCase(SpecCase):
    def broken(
        self,
        directory: Path,
        *options: StrPath,
        environment: Optional[Mapping[str, Optional[StrPath]]] = None,
    ) -> list[dict[str, Any]]:
        """The rules that a build breaks. Each is told on stderr as well, and nothing else changes."""
        before = {path: (directory / path).read_bytes() for path in paths(directory)}
        result = pack_command(directory, "--no-smoke", *options, environment=environment)
        said = result.stderr.decode()
        self.assertEqual(result.returncode, 1, said)
        self.assertEqual({path: (directory / path).read_bytes() for path in paths(directory)}, before)
        self.assertEqual([name for name in os.listdir(directory) if name.startswith(".")], [])
        found = json.loads(result.stdout)["broken_rules"]
        lines = [f"{one['place']}: {one['message']}" for one in found]
        self.assertTrue(said.endswith("onefold pack: " + "\n".join(lines) + "\n"), said)
        spec = (directory / "onefold.toml").read_text().splitlines()
        for one in found:
            number = int(re.fullmatch(r".*/onefold\.toml:(\d+)", one["place"])[1])
            one["line"] = spec[number - 1].strip()
        return found

    def kept(self, directory: Path, *options: StrPath, **more: Any) -> dict[str, Any]:
        return pack_spec(directory, *options, **more).summary

    def policy(self, rules: str, requires: Sequence[Path] = (), **tables: Any) -> Path:
        """An application with the lines of a [policy]."""
        files = {"requirements.txt": pinned(*requires), **tables.pop("files", {})}
        dependencies = {"requirements": ["requirements.txt"], **tables.pop("dependencies", {})}
        directory = self.new_application(files, dependencies=dependencies, **tables)
        spec = directory / "onefold.toml"
        spec.write_text(f"{spec.read_text()}[policy]\n{rules}\n")
        return directory


class Licenses(PolicyCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        gpl = "Classifier: License :: OSI Approved :: GNU General Public License"
        cls.choice = licensed("lic-choice", "License-Expression: MIT OR GPL-3.0-only")
        cls.both = licensed("lic-both", "License-Expression: (MIT OR ISC) AND GPL-3.0-only")
        cls.excepted = licensed("lic-excepted", "License-Expression: GPL-3.0-or-later WITH GCC-exception-3.1")
        cls.classified = licensed("lic-classified", f"{gpl} v2 or later (GPLv2+)")
        cls.family = licensed("lic-family", f"{gpl} (GPL)")
        cls.text = licensed("lic-text", "License: GNU GPL v3")
        cls.odd = licensed("lic-odd", "License: Do what you like")
        cls.none = licensed("lic-none")
        cls.inner = licensed("lic-inner", "License-Expression: AGPL-3.0-only")
        cls.outer = licensed("lic-outer", "License: MIT", requires=["lic-inner"])
        cls.all = [
            *[cls.choice, cls.both, cls.excepted, cls.classified, cls.family, cls.text],
            *[cls.odd, cls.none, cls.inner, cls.outer],
        ]

    def denied(self, items: Sequence[str], *more: str) -> dict[str, dict[str, Any]]:
        """The broken rules of all distributions, by the component's name."""
        rules = "\n".join(["deny-licenses = [", *[f"  {json.dumps(item)}," for item in items], "]", *more])
        found = self.broken(self.policy(rules, self.all))
        self.assertEqual({one["rule"] for one in found}, {"deny-licenses"})
        return {one["component"].split()[0]: one for one in found}

    def test_a_family(self) -> None:
        found = self.denied(["AGPL-*", "gpl-*"])
        self.assertEqual(set(found), {"lic-both", "lic-classified", "lic-family", "lic-text", "lic-inner"})
        self.assertEqual({one["line"] for one in found.values()}, {'"AGPL-*",', '"gpl-*",'})
        for name, text in (
            ("lic-both", "has the licence GPL-3.0-only in '(MIT OR ISC) AND GPL-3.0-only' (app > lic-both 1.0)"),
            ("lic-classified", "has the licence GPL-2.0-or-later (app"),
            ("lic-family", "states the licence 'GNU General Public License (GPL)', which may be GPL-1.0-only, "),
            ("lic-text", "states the licence 'GNU GPL v3', which may be GPL-3.0-only, GPL-3.0-or-later (app"),
            (
                "lic-inner",
                "'policy.deny-licenses' has AGPL-*: lic-inner 1.0 has the licence AGPL-3.0-only "
                "(app > lic-outer 1.0 > lic-inner 1.0): exclude it, or name it in policy.license-exceptions",
            ),
        ):
            self.assertIn(text, found[name]["message"])

    def test_one_version_alone(self) -> None:
        self.assertEqual(set(self.denied(["GPL-2.0-or-later"])), {"lic-classified", "lic-family"})

    def test_an_exception_of_a_licence_is_another_licence(self) -> None:
        self.assertEqual(set(self.denied(["GPL-* WITH GCC-*"])), {"lic-excepted"})

    def test_unknown_licences_and_exceptions(self) -> None:
        found = self.denied(["Unknown"], 'license-exceptions = ["lib*.so.*"]')
        self.assertEqual(set(found), {"lic-odd", "lic-none"})
        self.assertIn("states the licence 'Do what you like', which is not in the SPDX list", found["lic-odd"]["message"])
        self.assertIn("states no licence (app > lic-none 1.0)", found["lic-none"]["message"])

    def test_kept(self) -> None:
        rules = """deny-licenses = ["AGPL-*", "GPL-*", "unknown"]\nlicense-exceptions = [
            "lib*.so.*", "LIC_*", "nothing-of-the-kind"]"""
        directory = self.policy(rules, self.all)
        summary = self.kept(directory)
        self.assertEqual(summary["policy"], {"kept": ["deny-licenses"], "unchecked": [], "against": None})
        unused = [text for text in summary["warnings"] if "license-exceptions" in text]
        self.assertEqual(len(unused), 1)
        self.assertIn("has 'nothing-of-the-kind', which is not in the file", unused[0])

    def test_all_components_count_and_the_project_has_no_unknown_licence(self) -> None:
        """The bootloader, and documents of other tools; also without a document in the file."""
        own = project(self.work / "own", "lic-own", {"lic_own/__init__.py": ""})
        document = self.work / "other.cdx.json"
        component = {"type": "library", "name": "left-pad", "licenses": [{"license": {"id": "WTFPL"}}]}
        document.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [component]}))
        rules = 'deny-licenses = [\n"WTFPL",\n"Apache-2.0",\n"unknown"]\nlicense-exceptions = ["lib*.so.*"]'
        directory = self.policy(rules, dependencies={"project": own})
        found = {one["component"].split()[0]: one for one in self.broken(directory, "--sbom", document)}
        self.assertEqual(set(found), {"left-pad", "onefold-bootloader", "openssl"})
        self.assertEqual(found["left-pad"]["chain"], ["app", "left-pad"])
        self.assertEqual([one.split()[0] for one in found["openssl"]["chain"]], ["app", "onefold-bootloader", "openssl"])
        found = {one["component"].split()[0]: one for one in self.broken(directory, "--no-sbom")}
        self.assertEqual(set(found), {"onefold-bootloader", "openssl"})


class Versions(PolicyCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.old = licensed("ver-old", version="1.26.5")
        cls.pre = licensed("ver-pre", version="2.1rc1")
        cls.user = wheel("ver-user", {"ver_user.py": ""}, requires=["Ver.Old", "ver-pre"])
        cls.requires = [cls.old, cls.pre, cls.user]

    def test_broken(self) -> None:
        items = ["Ver_Old<2.1", "ver-old==1.26.*", "ver-pre<2.1", "ver-pre<2.2", "ver-user", "ver-user>1", "python<3"]
        items += [f"python=={VERSION}", "absent"]
        found = self.broken(self.policy("deny = [\n" + "".join(f'"{item}",\n' for item in items) + "]", self.requires))
        # A pre-release is not before its release (PEP 440).
        self.assertEqual(
            [(one["line"].strip('",'), one["component"].lower()) for one in found],
            [
                ("Ver_Old<2.1", "ver-old 1.26.5"),
                ("ver-old==1.26.*", "ver-old 1.26.5"),
                ("ver-pre<2.2", "ver-pre 2.1rc1"),
                ("ver-user", "ver-user 1.0"),
                (f"python=={VERSION}", f"cpython {VERSION}"),
            ],
        )
        self.assertEqual({one["rule"] for one in found}, {"deny"})
        self.assertIn(
            "'policy.deny' has Ver_Old<2.1: ver-old 1.26.5 is in the tree (app > ver-user 1.0 > ver-old 1.26.5): "
            "exclude it or take another version",
            found[0]["message"],
        )

    def test_kept(self) -> None:
        directory = self.policy('deny = ["ver-old>=2", "ver-pre<2.1", "python<3", "absent"]', self.requires)
        self.assertEqual(self.kept(directory)["policy"]["kept"], ["deny"])

    def test_what_is_excluded_is_not_denied(self) -> None:
        directory = self.policy('deny = ["ver-old"]', [self.old], dependencies={"exclude": ["ver-old"]})
        self.kept(directory)


class Hashes(PolicyCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.one = licensed("hash-one")
        cls.two = licensed("hash-two")

    def loose(self, text: str, **tables: Any) -> list[tuple[str, str]]:
        """The components that have no hash, and the messages from the place on."""
        directory = self.policy("require-hashes = true", **tables)
        (directory / "requirements.txt").write_text(text)
        found = self.broken(directory)
        self.assertEqual({(one["rule"], one["line"]) for one in found}, {("require-hashes", "require-hashes = true")})
        start, end = "'policy.require-hashes': ", ": lock it with hashes"
        for one in found:
            self.assertTrue(one["message"].startswith(start) and one["message"].endswith(end), one)
        return [(one["component"], one["message"][len(start) : -len(end)]) for one in found]

    def test_none_has_a_hash(self) -> None:
        self.assertEqual(
            self.loose("# a comment\nhash-one==1.0\nhash-two\n"),
            [
                ("hash-one", "requirements.txt:2: hash-one has no hash"),
                ("hash-two", "requirements.txt:3: hash-two has no hash"),
            ],
        )

    def test_some_have_none(self) -> None:
        text = pinned(self.one) + "hash-two==1.0\n    # via\n    #   hash-one\n"
        expected = "requirements.txt:2: hash-two has no hash (required by hash-one)"
        self.assertEqual(self.loose(text), [("hash-two", expected)])

    def test_an_archive_and_a_commit(self) -> None:
        address = "git+https://user:secret@example.org/x.git@" + "0" * 40
        text = f"{pinned(self.one)}{self.two}\nhash-three @ {address}\n{address}\n"
        found = self.loose(text)
        self.assertEqual([name for name, _ in found][1], "hash-three")
        self.assertEqual(len(found), 3)
        self.assertNotIn("secret", str(found))
        self.assertIn(f"requirements.txt:2: {self.two} has no hash", found[0][1])

    def test_packages_of_the_spec(self) -> None:
        found = self.loose("", dependencies={"packages": ["hash-one"]})
        self.assertEqual([name for name, _ in found], ["hash-one"])
        self.assertRegex(found[0][1], r"^onefold\.toml:\d+: hash-one has no hash$")

    def test_what_a_project_requires(self) -> None:
        """As its file tells, or only its build backend."""
        own = project(self.work / "own", "hash-own", {"hash_own/__init__.py": ""}, requires=["hash-one"])
        self.assertEqual(self.loose("", dependencies={"project": own}), [("hash-one 1.0", "hash-one 1.0 has no hash")])
        file = own / "pyproject.toml"
        file.write_text(file.read_text() + "dependencies = ['hash-one']\n")
        found = self.loose("", dependencies={"project": own})
        expected = f"{file}:{len(file.read_text().splitlines())}: hash-one has no hash (required by hash-own)"
        self.assertEqual(found, [("hash-one", expected)])

    def test_a_commit_in_a_lock(self) -> None:
        """It is refused before anything is fetched."""
        lock = f"""version = 1
requires-python = ">=3.9"

[[package]]
name = "hash-own"
version = "1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "hash-outer" }}]

[package.metadata]
requires-dist = [{{ name = "hash-outer" }}]

[[package]]
name = "hash-outer"
version = "1.0"
source = {{ registry = "https://pypi.org/simple" }}
dependencies = [{{ name = "hash-inner" }}]
wheels = [{{ url = "https://example.org/hash_outer-1.0-py3-none-any.whl", hash = "sha256:{"0" * 64}" }}]

[[package]]
name = "hash-inner"
version = "1.0"
source = {{ git = "https://example.org/x.git?rev=main#{"0" * 40}" }}
"""
        project = "[project]\nname = 'hash-own'\nversion = '1.0'\ndependencies = ['hash-outer']\n"
        files = {"uv.lock": lock, "pyproject.toml": project}
        found = self.loose("", files=files, dependencies={"requirements": [], "lock": "uv.lock"})
        number = lock.splitlines().index('name = "hash-inner"') + 1
        ((name, message),) = found
        self.assertEqual(name, "hash-inner")
        self.assertRegex(message, rf"^uv\.lock:({number}|{number - 1}): hash-inner has no hash \(required by hash-outer\)$")

    def test_kept(self) -> None:
        """The project itself needs no hash."""
        own = project(self.work / "own", "hash-own", {"hash_own/__init__.py": ""}, requires=["hash-one"])
        directory = self.policy("require-hashes = true", [self.one, self.two], dependencies={"project": own})
        summary = self.kept(directory)
        self.assertEqual((summary["policy"]["kept"], summary["distributions"]), (["require-hashes"], 3))

    def test_kept_by_an_excluded_one_and_without_requirements(self) -> None:
        directory = self.policy("require-hashes = true", [self.one], dependencies={"exclude": ["hash-two"]})
        with (directory / "requirements.txt").open("a") as file:
            file.write("hash-two==1.0\n")
        result = pack_command(directory, "--no-smoke")
        self.assertNotIn(b"policy.require-hashes", result.stderr)
        self.assertEqual(self.kept(self.policy("require-hashes = true"))["policy"]["kept"], ["require-hashes"])


class Limits(PolicyCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.large = wheel("lim-large", {"lim_large/noise.bin": noise(900_000, "large"), "lim_large/__init__.py": ""})

    def test_size(self) -> None:
        directory = self.policy('max-size = "1 MB"', [self.large])
        (found,) = self.broken(directory)
        self.assertEqual((found["rule"], found["line"], found["component"]), ("max-size", 'max-size = "1 MB"', None))
        self.assertRegex(found["message"], r"has [0-9,]+ bytes, more than policy\.max-size allows \(1,000,000\): the most is "
                                           r"python \S+ \([0-9,]+ bytes\), lim_large 1\.0 \([0-9,]+ bytes\), ")
        directory = self.new_application(archive={"max-size": "1 MB"})
        (found,) = self.broken(directory)
        self.assertIn("more than archive.max-size allows (1,000,000): the most is python ", found["message"])
        self.assertTrue(found["place"].endswith(line_of(directory, "max-size")[:-2]), found)
        summary = self.kept(self.policy('max-size = "300 MB"', [self.large]))
        self.assertEqual(summary["policy"]["kept"], ["max-size"])

    def test_glibc(self) -> None:
        source = "#include <math.h>\ndouble f(double x) { return exp(x); }"
        place = scratch() / "policy" / f"fast{SUFFIX}"
        library = compile_library(source, place, "-lm", "-fno-builtin", "-Wl,--no-as-needed")
        files = {"lim_late/__init__.py": "", f"lim_late/fast{SUFFIX}": library}
        late = wheel("lim-late", files, tag=NATIVE_TAG)
        user = wheel("lim-user", {"lim_user.py": ""}, requires=["lim-late"])
        (found,) = self.broken(self.policy('max-glibc = "2.17"', [late, user]))
        self.assertEqual((found["rule"], found["line"]), ("max-glibc", 'max-glibc = "2.17"'))
        self.assertRegex(found["message"], r"needs glibc 2\.\d+ \(symbol \w+@GLIBC_2\.\d+\), newer than policy\.max-glibc")
        self.assertIn("of ", found["message"])
        self.assertEqual(self.kept(self.policy('max-glibc = "2.99"', [late]))["policy"]["kept"], ["max-glibc"])
        # Without an interpreter; a program of C needs nothing newer than 2.34.
        tree = self.new_application({"bin/run": library}, launch={"executable": "bin/run"})
        spec = "[app]\nname = 'app'\n[[data]]\nsource = 'bin'\n[launch]\nexecutable = 'bin/run'\n[policy]\nmax-glibc = '2.5'\n"
        (tree / "onefold.toml").write_text(spec)
        (tree / "bin/run").chmod(0o755)
        (found,) = self.broken(tree)
        self.assertIn("'bin/run' needs glibc 2.29 (symbol exp@GLIBC_2.29), newer than policy.max-glibc", found["message"])

    def test_update(self) -> None:
        def version(content: str, limit: str) -> Path:
            directory = self.policy(f'max-update = "{limit}"', files={"noise.bin": noise(2_000_000, content)},
                                    data=[{"source": "noise.bin"}])
            return directory

        # The spec's hash is in the document, so another spec is another file.
        directory = version("one", "0%")
        summary = self.kept(directory)
        self.assertEqual(summary["policy"], {"kept": [], "unchecked": ["max-update"], "against": None})
        (warning,) = [text for text in summary["warnings"] if "max-update" in text]
        self.assertIn("name the previous release with --against", warning)
        # The same again, from the file that is replaced.
        summary = self.kept(version("one", "0%"))
        self.assertEqual(summary["policy"]["kept"], ["max-update"])
        self.assertEqual(os.path.basename(summary["policy"]["against"]), "app")

        version("two", "5%")
        (found,) = self.broken(directory)
        self.assertEqual((found["rule"], found["line"]), ("max-update", 'max-update = "5%"'))
        self.assertRegex(found["message"], r"an update from '\S+' fetches \d+\.\d % of the file, and policy\.max-update allows "
                                           r"5\.0 %: the most is .+ \([0-9,]+ bytes\), ")
        old = self.work / "released"
        (directory / "app").rename(old)
        (found,) = self.broken(directory, "--against", old)
        self.assertIn(f"an update from '{old}' fetches", found["message"])
        version("two", "50%")
        self.assertEqual(self.kept(directory, "--against", old)["policy"]["kept"], ["max-update"])

    def test_against_what(self) -> None:
        directory = self.policy('max-update = "5%"')
        (self.work / "text").write_text("no onefile")
        self.assertFails(directory, "'" + str(self.work / "text") + "'", options=["--against", self.work / "text"])
        self.assertFails(directory, "nowhere", options=["--against", self.work / "nowhere"])
        other = self.new_application(app={"name": "other"})
        packed = pack_spec(other).path.rename(self.work / "packed")
        text = f"option '--against': '{packed}' holds 'other' for {TARGET}, not 'app' for {TARGET}: give an earlier file"
        self.assertFails(self.policy('max-update = "5%"'), text, options=["--against", packed])
        self.assertFails(self.policy(""), "option '--against' needs the rule 'policy.max-update'",
                         options=["--against", packed])
        # A file of another application, and a damaged one, are replaced, and not compared with.
        # The manifest is at the end.
        damaged = bytearray(pack_spec(self.policy("")).path.read_bytes())
        damaged[-20_000] ^= 1
        for content in (packed.read_bytes(), bytes(damaged), b"no onefile"):
            directory = self.policy('max-update = "0%"')
            (directory / "app").write_bytes(content)
            self.assertEqual(self.kept(directory)["policy"]["unchecked"], ["max-update"])
        result = onefold("pack", "--tree", directory, "--entry", "runner.py", "--against", packed)
        self.assertEqual(result.returncode, 2)


class Together(PolicyCase):
    """Distributions of PyPI, and all rules."""

    ONLINE = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": ""}

    def spec(self, rules: str, lock: str = LOCK, code: str = "") -> Path:
        directory = self.policy(rules, files={"code.bin": noise(1_500_000, code)}, data=[{"source": "code.bin"}])
        (directory / "requirements.txt").write_text(lock)
        return directory

    def test_before_installing(self) -> None:
        lock = re.sub(r"(certifi==\S+) \\\n(\s+--hash=\S+( \\)?\n)+", r"\1\n", LOCK)
        self.assertNotEqual(lock, LOCK)
        (found,) = self.broken(self.spec("require-hashes = true\ndeny = ['certifi']", lock), environment=self.ONLINE)
        number = next(number for number, line in enumerate(lock.splitlines(), 1) if line.startswith("certifi=="))
        self.assertEqual(
            found["message"],
            f"'policy.require-hashes': requirements.txt:{number}: certifi has no hash (required by requests): lock it with hashes",
        )

    def test_before_compressing(self) -> None:
        rules = """
deny-licenses = [
  "LGPL-*",
  "MPL-2.0",
  "Apache-2.0",
]
license-exceptions = ["onefold-bootloader", "requests"]
deny = ["idna>=2", "urllib3<1"]
require-hashes = true
max-size = 1
max-glibc = "2.4"
"""
        found = self.broken(self.spec(rules), environment=self.ONLINE)
        self.assertEqual(
            [(one["rule"], re.split(r"[ =]", one["line"].strip('", '))[0]) for one in found],
            [
                ("deny-licenses", "LGPL-*"),
                ("deny-licenses", "MPL-2.0"),
                ("deny-licenses", "Apache-2.0"),
                ("deny", "deny"),
                ("max-glibc", "max-glibc"),
            ],
        )
        for one, texts in zip(found, (
            ("chardet 5.2.0", "has the licence LGPL-2.0-or-later (app > chardet 5.2.0)"),
            ("certifi", "has the licence MPL-2.0 (app > requests 2.32.3 > certifi "),
            ("python-dateutil 2.9.0.post0 has the licence Apache-2.0 in ", "BSD License"),
            ("'policy.deny' has idna>=2: idna ", "(app > requests 2.32.3 > idna "),
            ("newer than policy.max-glibc allows (2.4)",),
        )):  # fmt: skip
            for text in texts:
                self.assertIn(text, one["message"])

    def test_after_compressing(self) -> None:
        directory = self.spec('deny = ["idna<2"]\nmax-size = "400 MB"\nmax-update = "100%"')
        released = self.work / "released"
        pack_spec(directory, environment=self.ONLINE).path.rename(released)
        directory = self.spec('max-size = "2 MB"\nmax-update = "1%"', code="other")
        found = self.broken(directory, "--against", released, environment=self.ONLINE)
        self.assertEqual([one["rule"] for one in found], ["max-size", "max-update"])
        self.assertIn("code.bin (1,4", found[1]["message"])

    def test_all_kept(self) -> None:
        rules = """
deny-licenses = ["AGPL-*", "GPL-*"]
deny = ["urllib3<1.26", "python<3"]
require-hashes = true
max-size = "400 MB"
max-glibc = "2.99"
max-update = "5%"
"""
        released = self.work / "released"
        pack_spec(self.spec(rules), environment=self.ONLINE).path.rename(released)
        summary = pack_spec(self.spec(rules), "--against", released, environment=self.ONLINE).summary
        self.assertEqual(
            summary["policy"],
            {
                "kept": ["deny-licenses", "deny", "require-hashes", "max-size", "max-glibc", "max-update"],
                "unchecked": [],
                "against": str(released),
            },
        )
        result = onefold("compare", "--max-update", "0", released, self.work / "application" / "app")
        succeed(result)


if __name__ == "__main__":
    unittest.main()
