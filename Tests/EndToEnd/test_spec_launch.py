"""Packing from a spec: what a launch runs, and what the running program finds."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from spec_support import (
    PREFIX,
    SHORT,
    SITE,
    VERSION,
    SpecCase,
    application,
    line_of,
    pack_command,
    pack_spec,
    project,
    unpacked,
    wheel,
)
from support import Onefile, onefold, parts, run, succeed

TELL = """
import json, os, sys
def main():
    print(json.dumps({
        "argv": sys.argv, "name": __name__, "file": __file__, "exe": os.environ["ONEFOLD_EXE"],
        "environment": dict(os.environ), "flags": [sys.flags.utf8_mode, sys.flags.optimize],
        "version": sys.version.split()[0], "warnings": sys.warnoptions,
    }))
    return 7
"""


class Launches(SpecCase):
    """Each way to name what is launched."""

    def tell(self, onefile: Onefile, *arguments: str, status: int = 0, **options) -> dict:
        result = onefile.launch(*arguments, cache=self.cache, **options)
        self.assertEqual((result.returncode, result.stderr), (status, b""))
        return json.loads(result.stdout)

    def test_a_script_with_its_arguments_environment_and_options(self) -> None:
        directory = self.new_application(
            {"tell.py": TELL + "if __name__ == '__main__': main()\n", "VERSION": "4.5\nsecond\n"},
            app={"name": "notes", "version": {"file": "VERSION"}},
            launch={
                "script": "tell.py",
                "arguments": ["--root={root}", "--exe={exe}", "{port}", "{data}/tell.py", "{{data}}"],
                "environment": {
                    **{"PLAIN": "a b", "TREE": "{root}/x", "LAUNCHED": "{exe}"},
                    **{"DATA": "{data}:{{{data}}}:{env:OTHER}"},
                },
                "unset": ["SECRET"],
                "python-options": ["-X", "utf8", "-W", "error::ResourceWarning", "-O"],
            },
        )
        packed = pack_spec(directory)
        self.assertEqual(packed.path, directory / "notes")
        environment = {"SECRET": "1", "OTHER": "2", "PLAIN": "the user's"}
        said = self.tell(packed, "--help", "two words", environment=environment)
        root = os.fspath(packed.tree(self.cache))
        file = os.fspath(packed.path)
        self.assertEqual(
            said["argv"],
            [
                *(file, f"--root={root}", f"--exe={file}", "{port}", f"{root}/{SITE}/tell.py"),
                *("{data}", "--help", "two words"),
            ],
        )
        self.assertEqual(said["name"], "__main__")
        self.assertEqual(said["file"], f"{root}/{SITE}/tell.py")
        self.assertEqual(said["flags"], [1, 1])
        self.assertEqual(said["warnings"], ["error::ResourceWarning"])
        self.assertEqual(said["version"], VERSION)
        given = said["environment"]
        self.assertNotIn("SECRET", given)
        self.assertEqual(given["OTHER"], "2")
        self.assertEqual(given["PLAIN"], "a b")
        self.assertEqual(given["TREE"], f"{root}/x")
        self.assertEqual(given["LAUNCHED"], file)
        self.assertEqual(given["DATA"], f"{root}/{SITE}:{{{{data}}}}:2")
        self.assertEqual(given["ONEFOLD_APP_NAME"], "notes")
        self.assertEqual(given["ONEFOLD_APP_VERSION"], "4.5")
        self.assertEqual(given["ONEFOLD_ROOT"], root)
        self.assertNotIn("LD_LIBRARY_PATH", given)

        inspected = succeed(packed.launch(cache=self.cache, verb="inspect")).stdout.decode()
        self.assertRegex(inspected, r"\bnotes\b")
        self.assertRegex(inspected, r"\b4\.5\b")
        summary = json.loads(succeed(onefold("inspect", "--json", packed.path)).stdout)
        self.assertEqual((summary["name"], summary["version"]), ("notes", "4.5"))
        self.assertEqual(packed.summary["python"], VERSION)

    def test_a_function_of_a_project_gives_the_exit_status(self) -> None:
        source = project(self.work / "project", "teller", {"teller/__init__.py": TELL})
        directory = self.new_application(
            dependencies={"project": source}, launch={"function": "teller:main"}
        )
        packed = pack_spec(directory)
        said = self.tell(packed, "one", status=7)
        self.assertEqual(said["argv"], [os.fspath(packed.path), "one"])
        self.assertEqual(said["name"], "teller")

    def test_a_method_of_a_class_is_a_function(self) -> None:
        source = "class App:\n    @classmethod\n    def run(cls): print(cls.__name__); return 3\n"
        directory = self.new_application(
            {"tool.py": source}, data=[{"source": "tool.py"}], launch={"function": "tool:App.run"}
        )
        result = pack_spec(directory).launch(cache=self.cache)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (3, b"App\n", b""))

    def test_a_module_and_a_package_are_run_as_main(self) -> None:
        files = {"single.py": TELL + "main()\n", "pack/__main__.py": TELL + "main()\n"}
        for module, file in (("single", "single.py"), ("pack", "pack/__main__.py")):
            directory = self.new_application(
                files,
                data=[{"source": "single.py"}, {"source": "pack"}],
                launch={"module": module, "arguments": ["first"]},
            )
            packed = pack_spec(directory)
            said = self.tell(packed, "second")
            self.assertEqual(said["name"], "__main__")
            self.assertEqual(said["argv"][1:], ["first", "second"])
            self.assertEqual(said["file"], f"{packed.tree(self.cache)}/{SITE}/{file}")

    def test_an_executable_of_the_tree_finds_its_interpreter(self) -> None:
        wheel("told", {"told.py": TELL}, scripts=["tell-me = told:main"])
        directory = self.new_application(
            {"requirements.txt": "told"},
            dependencies={"requirements": ["requirements.txt"]},
            launch={"executable": "bin/tell-me", "arguments": ["first"]},
        )
        packed = pack_spec(directory)
        said = self.tell(packed, "second", status=7)
        tree = packed.tree(self.cache)
        self.assertEqual(said["argv"], [f"{tree}/bin/tell-me", "first", "second"])
        # Also by a link from elsewhere, and with a user's interpreter first on the PATH.
        link = self.work / "link"
        link.symlink_to(tree / "bin/tell-me")
        result = run([link], environment={"ONEFOLD_EXE": "x", "PYTHONPATH": "/nowhere"})
        self.assertEqual((result.returncode, result.stderr), (7, b""))

    def test_help_shows_the_name_of_the_file(self) -> None:
        source = (
            "import argparse\n"
            "def main():\n"
            "    argparse.ArgumentParser(description='a server').parse_args()\n"
        )
        for launch in (
            {"script": "tool.py"},
            {"function": "tool:main"},
        ):
            directory = self.new_application(
                {"tool.py": source + "if __name__ == '__main__': main()\n"},
                app={"name": "renamed"},
                data=[{"source": "tool.py"}],
                launch=launch,
            )
            packed = pack_spec(directory)
            result = packed.launch("--help", cache=self.cache)
            self.assertSucceeded(result)
            self.assertTrue(result.stdout.startswith(b"usage: renamed [-h]"), result.stdout)

    def test_an_exception_of_the_script_is_shown_with_its_place(self) -> None:
        directory = self.new_application(
            {"bad.py": "def f():\n    1 / 0\nf()\n"}, launch={"script": "bad.py"}
        )
        packed = pack_spec(directory)
        result = packed.launch(cache=self.cache)
        self.assertEqual(result.returncode, 1)
        place = f'File "{packed.tree(self.cache)}/{SITE}/bad.py", line 2, in f'
        self.assertIn(place, result.stderr.decode())
        self.assertIn("    1 / 0\n", result.stderr.decode())

    def test_an_interpreter_is_looked_up_by_its_version(self) -> None:
        directory = self.new_application(python={"version": SHORT})
        packed = pack_spec(directory, environment={"PATH": f"{PREFIX}/bin:/usr/bin:/bin"})
        self.assertTrue(packed.summary["python"].startswith(SHORT + "."))
        self.assertTrue(packed.summary["interpreter"].startswith(os.fspath(PREFIX.resolve())))

    def test_a_virtual_environment_stands_for_its_interpreter(self) -> None:
        environment = self.work / "environment"
        succeed(run([sys.executable, "-m", "venv", "--without-pip", environment]))
        directory = self.new_application(python={"prefix": environment, "version": VERSION})
        packed = pack_spec(directory)
        said = self.python(packed, "import json, sys; print(json.dumps([sys.prefix, sys.version]))")
        self.assertEqual(said, [os.fspath(packed.tree(self.cache)), sys.version])

    def test_the_spec_may_be_a_table_of_the_project(self) -> None:
        source = project(self.work / "project", "tell-me", {"teller/__init__.py": TELL})
        text = (source / "pyproject.toml").read_text()
        text += f"[tool.onefold.python]\nprefix = '{PREFIX}'\n[tool.onefold.archive]\nlevel = 1\n"
        text += "[tool.onefold.dependencies]\nproject = '.'\ninstaller = 'pip'\n"
        text += "[tool.onefold.launch]\nfunction = 'teller:main'\n"
        (source / "pyproject.toml").write_text(text)
        packed = pack_spec(source)
        self.assertEqual(packed.path, source / "tell-me")
        said = self.tell(packed, status=7)
        self.assertEqual(said["environment"]["ONEFOLD_APP_VERSION"], "1.0")


class Policies(SpecCase):
    """What the launch record says of checking, keeping and ending."""

    def test_they_are_in_the_record(self) -> None:
        trees = set()
        for policies, expected in (
            ({}, {}),
            (
                {"check": "files", "keep": 7, "die-with-parent": True},
                {"check": [b"files"], "keep": [b"7"], "die-with-parent": [b"kill"]},
            ),
            (
                {"check": "seal", "keep": 0, "die-with-parent": "term", "reuse": False},
                {"check": [b"seal"], "keep": [b"0"], "die-with-parent": [b"term"], "reuse": [b"no"]},
            ),
            (
                {"check": "full", "keep": 36500, "die-with-parent": "kill"},
                {"check": [b"full"], "keep": [b"36500"], "die-with-parent": [b"kill"]},
            ),
            ({"check": "dirs", "die-with-parent": False}, {"check": [b"dirs"]}),
        ):
            with self.subTest(policies):
                launch = {"script": "runner.py", **policies}
                # The bill of materials has the hash of the spec.
                packed = pack_spec(self.new_application(launch=launch), "--no-sbom")
                record = parts(packed.path).record
                names = ("check", "keep", "die-with-parent", "reuse")
                said = {name: record[name] for name in names if record[name]}
                self.assertEqual(said, expected)
                self.assertEqual(self.python(packed, "print(6 * 7)"), 42)
                trees.add(packed.tree_name)
        # What is launched otherwise is no other tree.
        self.assertEqual(len(trees), 1)

    def test_errors_tell_the_line_and_what_was_meant(self) -> None:
        for key, value, text in (
            ("check", "fulll", "not 'fulll'; did you mean 'full'?"),
            ("keep", 36501, "must be 0 to 36500, not 36501"),
            ("die-with-parent", "tern", "not 'tern'; did you mean 'term'?"),
            ("die_with_parent", True, "did you mean 'launch.die-with-parent'?"),
        ):
            with self.subTest(key, value=value):
                directory = self.new_application(launch={"script": "runner.py", key: value})
                self.assertFails(directory, line_of(directory, key), text)


FIND = """
import json, sys, importlib.resources, importlib.metadata, pathlib
import found
root = pathlib.Path(sys._MEIPASS)
def read(path):
    return path.read_text() if path.exists() else None
metadata = importlib.metadata
distribution = metadata.distribution("found")
print(json.dumps({
    "root": str(root),
    "below": sorted(str(p.relative_to(root / "assets")) for p in (root / "assets").rglob("*") if p.is_file()),
    "page": read(root / "web" / "page.html"),
    "settings": read(root / "settings.ini"),
    "beside": read(pathlib.Path(__file__).parent / "settings.ini"),
    "resource": importlib.resources.files("found").joinpath("data/inner.txt").read_text(),
    "resource of a namespace": importlib.resources.files("found.data").joinpath("inner.txt").read_text(),
    "frozen": sys.frozen,
    "version": metadata.version("found"),
    "files": sorted(str(f) for f in distribution.files if not f.locate().exists()),
    "entry points": [e.load()() for e in metadata.entry_points(group="found.plugins")],
    "scripts": [e.name for e in distribution.entry_points if e.group == "console_scripts"],
    "name": metadata.packages_distributions()["found"],
}))
"""

WORKERS = """
import os, sys, multiprocessing, concurrent.futures

def double(number):
    return [number * 2, sys._MEIPASS, sys.frozen, sys.executable]

def fill(queue, number):
    queue.put(double(number))
"""

SPAWN = """
import json, multiprocessing, sys
import workers
if __name__ == "__main__":
    multiprocessing.freeze_support()
    context = multiprocessing.get_context(sys.argv[2])
    queue = context.Queue()
    child = context.Process(target=workers.fill, args=(queue, 4))
    child.start()
    one = queue.get()
    child.join()
    with context.Pool(2) as pool:
        several = [number for number, *_ in pool.map(workers.double, range(3))]
    print(json.dumps([one, several, child.exitcode]))
"""


class Finds(SpecCase):
    """What the program finds, in one packed file for all tests."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        wheel(
            "found",
            {
                "found/__init__.py": "def plugin():\n    return 'loaded'\n",
                "found/data/inner.txt": "inner",
            },
            version="2.5",
            scripts=["found-tool = found:plugin"],
            entry_points="[found.plugins]\none = found:plugin",
        )
        directory = application(
            cls.shared / "application",
            {
                "requirements.txt": "found",
                "find.py": FIND,
                "workers.py": WORKERS,
                "spawn.py": SPAWN,
                "settings.ini": "settings",
                "static/page.html": "page",
                "static/draft.html": "draft",
                "static/deep/draft.html": "deep draft",
                "static/deep/more.css": "css",
                "static/__pycache__/x.pyc": "stale",
                "static/node_modules/big.js": "js",
                "alone/one.txt": "one",
            },
            dependencies={"requirements": ["requirements.txt"]},
            data=[
                {"source": "static", "target": "web"},
                {"source": "static", "target": "assets", "exclude": ["draft.html", "**/*.css"]},
                {"source": "settings.ini"},
                {"source": "settings.ini", "target": "deep/er/renamed.ini"},
                {"source": "alone", "target": "."},
                {"source": "find.py"},
                {"source": "spawn.py"},
                {"source": "workers.py"},
            ],
        )
        cls.packed = pack_spec(directory)
        cls.warm = cls.shared / "cache"
        cls.tree = unpacked(cls.packed, cls.warm)

    def test_data_files_resources_and_metadata_are_found(self) -> None:
        said = self.python(
            self.packed, "import runpy; runpy.run_module('find', run_name='__main__')",
            cache=self.warm, cwd=self.work,
        )  # fmt: skip
        self.assertEqual(
            said,
            {
                "root": f"{self.tree}/{SITE}",
                # A pattern without "**" is for the top level alone.
                "below": ["deep/draft.html", "node_modules/big.js", "page.html"],
                "page": "page",
                "settings": "settings",
                "beside": "settings",
                "resource": "inner",
                "resource of a namespace": "inner",
                "frozen": True,
                "version": "2.5",
                "files": [],
                "entry points": ["loaded"],
                "scripts": ["found-tool"],
                "name": ["found"],
            },
        )

    def test_targets_of_data(self) -> None:
        site = self.tree / SITE
        self.assertEqual((site / "deep/er/renamed.ini").read_text(), "settings")
        self.assertEqual((site / "one.txt").read_text(), "one")
        self.assertEqual((site / "web/deep/more.css").read_text(), "css")
        self.assertFalse((site / "alone").exists())
        self.assertFalse((site / "web/__pycache__/x.pyc").exists())

    def spawn(self, method: str, packed: Onefile, cache: Path) -> list:
        code = "import runpy; runpy.run_module('spawn', run_name='__main__', alter_sys=True)"
        return self.python(packed, code, method, cache=cache, cwd=self.work)

    def test_multiprocessing(self) -> None:
        for method in ("spawn", "forkserver", "fork"):
            with self.subTest(method):
                one, several, status = self.spawn(method, self.packed, self.warm)
                program = f"{self.tree}/bin/python{SHORT}"
                self.assertEqual(one, [8, f"{self.tree}/{SITE}", True, program])
                self.assertEqual(several, [0, 2, 4])
                self.assertEqual(status, 0)

    def test_a_script_that_is_main_spawns_what_it_defines(self) -> None:
        source = """
import json, multiprocessing, concurrent.futures, sys

def square(number):
    return number * number, sys.frozen, __name__

if __name__ == "__main__":
    multiprocessing.freeze_support()
    multiprocessing.set_start_method(sys.argv[1])
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        print(json.dumps(list(pool.map(square, [2, 3]))))
"""
        directory = self.new_application({"main.py": source}, launch={"script": "main.py"})
        packed = pack_spec(directory)
        for method in ("spawn", "forkserver"):
            with self.subTest(method):
                result = packed.launch(method, cache=self.cache)
                self.assertSucceeded(result)
                answers = json.loads(result.stdout)
                self.assertEqual([(a, b) for a, b, _ in answers], [(4, True), (9, True)])

    def test_the_interpreter_runs_modules_for_the_program(self) -> None:
        code = """
import json, subprocess, sys
run = lambda *a: subprocess.run([sys.executable, *a], capture_output=True, text=True, check=True).stdout
print(json.dumps([
    sys.executable, run("-m", "json.tool", "--help").split()[:2],
    run("-c", "import found, sys; print(found.plugin(), sys._MEIPASS)").split(),
]))
"""
        said = self.python(self.packed, code, cache=self.warm)
        program = f"{self.tree}/bin/python{SHORT}"
        self.assertEqual(said[0], program)
        self.assertEqual(said[1][0], "usage:")
        self.assertEqual(said[2], ["loaded", f"{self.tree}/{SITE}"])

    def test_without_the_contract_nothing_of_it_is_there(self) -> None:
        directory = self.new_application(
            {"spawn.py": SPAWN, "workers.py": WORKERS.replace("sys._MEIPASS, sys.frozen", "1, 2")},
            data=[{"source": "spawn.py"}, {"source": "workers.py"}],
            launch={"script": "runner.py", "pyinstaller": False},
        )
        packed = pack_spec(directory)
        code = "import json, sys; print(json.dumps([hasattr(sys, 'frozen'), hasattr(sys, '_MEIPASS')]))"
        self.assertEqual(self.python(packed, code), [False, False])
        one, several, status = self.spawn("spawn", packed, self.cache)
        self.assertEqual((one[:3], several, status), ([8, 1, 2], [0, 2, 4], 0))

    def test_modules_of_the_standard_library_work(self) -> None:
        code = """
import json, ssl, sqlite3, ctypes, lzma, bz2, zlib, hashlib, uuid, decimal, asyncio
database = sqlite3.connect(":memory:")
print(json.dumps([
    database.execute("select 6 * 7").fetchone()[0],
    zlib.decompress(zlib.compress(b"z")).decode(), bz2.decompress(bz2.compress(b"b")).decode(),
    lzma.decompress(lzma.compress(b"l")).decode(), hashlib.new("sha256", b"").hexdigest()[:4],
    ctypes.CDLL(None).getpid() > 0, asyncio.run(asyncio.sleep(0, "slept")),
]))
"""
        said = self.python(self.packed, code, cache=self.warm)
        self.assertEqual(said, [42, "z", "b", "l", "e3b0", True, "slept"])

    def test_nothing_of_the_packing_machine_is_named_in_the_tree(self) -> None:
        """The directory where it was staged is nowhere in it."""
        stage = os.fsencode(self.packed.path.parent)
        for path in self.tree.rglob("*"):
            if path.is_file() and not path.is_symlink():
                self.assertNotIn(stage, path.read_bytes(), path)


class Names(SpecCase):
    """What the packed file is called."""

    def test_placeholders_of_the_option(self) -> None:
        directory = self.new_application(app={"name": "notes", "version": "1.2/rc"})
        packed = pack_spec(directory, "-o", "{name}_{version}_{target}.run")
        self.assertEqual(packed.path.name, "notes_1.2-rc_x86_64-linux.run")
        self.assertTrue(packed.path.exists())

    def test_the_spec_names_the_file_and_sidecars(self) -> None:
        directory = self.new_application(
            app={"name": "notes", "version": "3"},
            output={"file": "out/{name}-v{version}", "sidecar": True},
        )
        (directory / "out").mkdir()
        result = succeed(
            pack_command(directory, "--no-smoke", "--target", "x86_64-unknown-linux-gnu")
        )
        expected = directory / "out/notes-v3-x86_64-unknown-linux-gnu"
        self.assertEqual(json.loads(result.stdout)["output"], os.fspath(expected))
        self.assertTrue(expected.exists())

    def test_a_sidecar_by_option(self) -> None:
        directory = self.new_application()
        packed = pack_spec(directory, "--sidecar", "-o", self.work / "server")
        self.assertEqual(packed.path, self.work / "server-x86_64-unknown-linux-gnu")
        self.assertTrue(packed.path.exists())

    def test_other_targets_are_refused(self) -> None:
        directory = self.new_application()
        for target, why in (
            ("x86_64-pc-windows-msvc", "makes Linux programs only"),
            ("aarch64-apple-darwin", "makes Linux programs only"),
            ("aarch46-linux", "did you mean 'aarch64-linux'?"),
            ("sparc64-solaris", "give 'x86_64-linux' or 'aarch64-linux'"),
        ):
            with self.subTest(target):
                self.assertFails(directory, target, why, options=["--target", target])

    def test_bad_names_are_refused(self) -> None:
        directory = self.new_application()
        self.assertFails(directory, "needs a version", options=["-o", "{name}-{version}"])
        self.assertFails(directory, "{arch}", options=["-o", "{name}-{arch}"])

    def test_a_file_of_that_name_is_replaced_and_a_directory_is_not(self) -> None:
        directory = self.new_application()
        (directory / "app").write_text("old")
        packed = pack_spec(directory)
        self.assertEqual(self.python(packed, "print(1)"), 1)
        (directory / "taken").mkdir()
        said = self.assertFails(directory, "'taken' is a directory", options=["-o", "taken"])
        # It is told at once.
        self.assertNotIn("interpreter", said)
