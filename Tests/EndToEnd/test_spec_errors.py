"""Packing from a spec: what is wrong is told with the spec's line, and nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from spec_support import (
    PREFIX,
    SHORT,
    SITE,
    bundled_wheels,
    SpecCase,
    compile_library,
    line_of,
    pack_command,
    pack_environment,
    pack_spec,
    processes_with,
    project,
    unpacked,
    wheel,
    wheels,
)
from support import ONEFOLD, Mounts, listing, onefold, run, scratch

SERVER = """
import http.server, os, signal, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if mode == "500" else 200)
        self.end_headers()
        self.wfile.write(b"it is up")

    def log_message(self, *arguments):
        pass

mode, port = sys.argv[1], int(sys.argv[2] if sys.argv[2:] else os.environ["PORT"])
print("mode is", mode, file=sys.stderr, flush=True)
if mode == "ends":
    sys.exit("the port is taken")
if mode == "killed":
    os.kill(os.getpid(), signal.SIGABRT)
if mode == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "forks":
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pause()
if mode == "silent":
    import time
    time.sleep(1000)
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


class Dependencies(SpecCase):
    def requiring(self, text: str, **more: Any) -> Path:
        return self.new_application(
            {"requirements.txt": text}, dependencies={"requirements": ["requirements.txt"], **more}
        )

    def test_a_requirement_that_nobody_has(self) -> None:
        directory = self.requiring("no-such-thing==1.0\n")
        self.assertFails(directory, line_of(directory, "requirements"), "no-such-thing==1.0")

    def test_requirements_that_contradict_each_other(self) -> None:
        wheel("wants-one", {"wants_one.py": ""}, requires=["wanted==1.0"])
        wheel("wants-two", {"wants_two.py": ""}, requires=["wanted==2.0"])
        wheel("wanted", {"wanted.py": ""}, version="1.0")
        wheel("wanted", {"wanted.py": ""}, version="2.0")
        directory = self.requiring("wants-one\nwants-two\n")
        self.assertFails(directory, line_of(directory, "requirements"), "conflict")

    def test_wheels_for_another_python_or_processor(self) -> None:
        for name, tag, files in (
            ("for-python", "cp27-cp27mu-linux_x86_64", {"for_python.py": ""}),
            ("for-processor", "py3-none-linux_aarch64", {"for_processor.py": ""}),
        ):
            path = wheel(name, files, tag=tag, directory=self.work)
            for text in (f"{path}\n", f"{name}\n"):
                directory = self.requiring(text)
                options = {"PIP_FIND_LINKS": os.fspath(self.work)}
                line = line_of(directory, "requirements")
                said = self.assertFails(directory, line, environment=options)
                self.assertIn(name, said.replace("_", "-"))

    def test_a_wheel_that_lies_about_its_processor(self) -> None:
        library = compile_library("int x;\n", self.work / "fast.so")
        foreign = library[:18] + (183).to_bytes(2, "little") + library[20:]  # aarch64
        tag = f"cpython-{SHORT.replace('.', '')}-aarch64-linux-gnu"
        wheel("liar", {"liar/__init__.py": "", f"liar/fast.{tag}.so": foreign})
        self.assertFails(self.requiring("liar\n"), "aarch64", "liar")

    def test_a_project_that_cannot_be_built(self) -> None:
        source = project(self.work / "source", "broken", {"broken/__init__.py": ""})
        (source / "backend.py").write_text("raise RuntimeError('the backend is broken')\n")
        directory = self.new_application(dependencies={"project": source})
        self.assertFails(directory, line_of(directory, "project"), "the backend is broken")

    def test_the_installer_that_is_asked_for_is_missing(self) -> None:
        directory = self.requiring("whatever\n", installer="uv")
        environment = {"PATH": "/usr/bin:/bin"}
        if shutil.which("uv", path=environment["PATH"]) is None:
            self.assertFails(directory, "no uv beside onefold or on the PATH", environment=environment)


class Interpreters(SpecCase):
    def prefix(self, program: str) -> Path:
        prefix = self.work / "prefix"
        (prefix / "bin").mkdir(parents=True, exist_ok=True)
        path = prefix / "bin/python3"
        path.unlink(missing_ok=True)
        path.write_text(program)
        path.chmod(0o755)
        return prefix

    def refused(self, python: dict, key: str, *texts: str) -> None:
        directory = self.new_application(python=python)
        self.assertFails(directory, line_of(directory, key), *texts)

    def test_it_does_not_start(self) -> None:
        prefix = self.prefix("#!/bin/sh\necho broken interpreter >&2\nexit 1\n")
        self.refused({"prefix": prefix}, "prefix", "does not start", "broken interpreter")

    def test_it_is_not_a_program(self) -> None:
        self.refused({"prefix": self.prefix("not a program")}, "prefix", "bin/python3")

    def test_it_is_not_there(self) -> None:
        self.refused({"prefix": self.work / "no such"}, "prefix", "no such")
        (self.work / "empty").mkdir()
        self.refused({"prefix": self.work / "empty"}, "prefix", "bin/python3 is missing")

    def test_it_has_another_version(self) -> None:
        python = {"prefix": PREFIX, "version": "3.99"}
        self.refused(python, "version", "3.99", SHORT)
        directory = self.new_application(python={"version": "3.99"})
        self.assertFails(directory, line_of(directory, "version"), "no Python 3.99", "install")

    def test_it_is_too_old(self) -> None:
        lines = "executable /x\nprefix /x\nversion 3.7.1\nstdlib /x/lib\nimplementation cpython"
        prefix = self.prefix(f"#!/bin/sh\necho '{lines}'\n")
        self.refused({"prefix": prefix}, "prefix", "3.7.1", "3.8 is the oldest")

    def test_it_is_another_implementation(self) -> None:
        lines = "executable /x\nprefix /x\nversion 3.9.1\nstdlib /x/lib\nimplementation pypy"
        prefix = self.prefix(f"#!/bin/sh\necho '{lines}'\n")
        self.refused({"prefix": prefix}, "prefix", "pypy", "only CPython")


class Sources(SpecCase):
    def test_the_module_is_missing(self) -> None:
        for launch in (
            {"function": "nowhere:main"},
            {"module": "nowhere"},
            {"module": "json.nowhere"},
        ):
            directory = self.new_application(launch=launch)
            self.assertFails(
                directory, line_of(directory, next(iter(launch))), "nowhere", "dependencies"
            )

    def test_the_function_is_missing(self) -> None:
        directory = self.new_application(
            {"tool.py": "def main(): pass\n"},
            data=[{"source": "tool.py"}],
            launch={"function": "tool:mian"},
        )
        self.assertFails(directory, line_of(directory, "function"), "mian")

    def test_an_attribute_of_the_function_is_missing(self) -> None:
        directory = self.new_application(
            {"tool.py": "class App: pass\n"},
            data=[{"source": "tool.py"}],
            launch={"function": "tool:App.run"},
        )
        self.assertFails(directory, line_of(directory, "function"), "run")

    def test_the_module_of_the_function_cannot_be_imported(self) -> None:
        directory = self.new_application(
            {"tool.py": "import nowhere\ndef main(): pass\n"},
            data=[{"source": "tool.py"}],
            launch={"function": "tool:main"},
        )
        self.assertFails(directory, line_of(directory, "function"), "No module named 'nowhere'")

    def test_files_are_missing(self) -> None:
        directory = self.new_application(data=[{"source": "no-such-directory"}])
        self.assertFails(directory, line_of(directory, "source"), "no-such-directory")
        directory = self.new_application(launch={"script": "no-such.py"})
        self.assertFails(directory, line_of(directory, "script"), "no-such.py")
        directory = self.new_application(launch={"executable": "bin/no-such"})
        self.assertFails(directory, line_of(directory, "executable"), "no-such")

    def test_a_data_source_that_is_not_a_file(self) -> None:
        directory = self.new_application({"static/x": ""}, data=[{"source": "static"}])
        os.mkfifo(directory / "static/pipe")
        self.assertFails(directory, line_of(directory, "source"), "static/pipe")


class Smoke(SpecCase):
    maxDiff = None
    def test_failed_imports_are_listed(self) -> None:
        broken = {
            "raises": "raise ValueError('no luck')",
            "exits": "import sys; sys.exit(3)",
            "leaves": "import os; os._exit(0)",
            "crashes": "import ctypes; ctypes.string_at(0)",
            "hangs": "import time; time.sleep(1000)",
            "fine": "print('noise', flush=True)\nimport os; os.write(1, b'more noise\\nfailed x\\n')",
            "last": "import os.nowhere",
            "optional": "import nowhere.sub",
        }
        for name, source in broken.items():
            wheel(f"smoke-{name}", {f"smoke_{name}.py": source})
        directory = self.new_application(
            {"requirements.txt": "".join(f"smoke-{name}\n" for name in broken)},
            dependencies={"requirements": ["requirements.txt"]},
            smoke={"timeout": 1},
        )
        said = self.assertFails(directory, "6 of 8 modules can't be imported", "skip-imports")
        for name, why in (
            ("raises", "ValueError: no luck"), ("exits", "SystemExit: 3"),
            ("leaves", "ended with status 0"), ("crashes", "signal 11"),
            ("hangs", "longer than 1 s"), ("last", "No module named 'os.nowhere'"),
        ):  # fmt: skip
            pattern = rf"smoke_{name} \(smoke-{name} 1\.0\): .*{re.escape(why)}"
            self.assertRegex(said, pattern)
        # They are named, or not tested.
        spec = directory / "onefold.toml"
        text = spec.read_text()
        # What the author of a distribution made optional without a word.
        self.assertNotIn("smoke_optional", said)
        names = [f"smoke_{name}" for name in broken if name not in ("fine", "optional")]
        skipped = f"{text}skip-imports = {json.dumps(names)}\n"
        for edited, warned in ((skipped, 1), (f"{text}imports = false\n", 0)):
            spec.write_text(edited)
            summary = pack_spec(directory, smoke=True).summary
            found = [line for line in summary["warnings"] if "smoke_optional" in line]
            self.assertEqual(len(found), warned, summary["warnings"])
            for line in found:
                self.assertIn("needs a module 'nowhere', which no distribution of the file has", line)
        self.assertEqual(pack_command(directory, "--no-smoke").returncode, 0)

    def test_distributions_are_imported_by_themselves(self) -> None:
        bundled = bundled_wheels()
        # Those and no others: other tests make wheels of these names.
        installers = [
            "==".join(path.name.split("-")[:2])
            for name in ("pip", "setuptools")
            for path in bundled.glob(f"{name}-*.whl")
        ]
        sources = {
            # Fails where the other one was imported before, as setuptools does after pip.
            "hinders": ("import builtins; builtins.hindered = True", []),
            "hindered": ("import builtins; assert not hasattr(builtins, 'hindered')", []),
            "needs-both": ("import os, hindered, hinders", ["hinders", "hindered", *installers]),
            # A process with threads is not forked.
            "threads": ("import threading, time\nt = threading.Thread(target=time.sleep, args=[99])\n"
                        "t.daemon = True; t.start()", []),
            "above-threads": ("import threads; assert threads.t.is_alive()", ["threads"]),
            # Imported at the first try only after something else, at the second alone.
            "fails-once": ("import os\np = os.path.expanduser('~/tried')\n"
                           "if not os.path.exists(p): open(p, 'w').close(); os.abort()", []),
            "above-once": ("import fails_once", ["fails-once"]),
        }  # fmt: skip
        for name, (source, requires) in sources.items():
            wheel(name, {f"{name.replace('-', '_')}.py": source + "\n"}, requires=requires)
        environment = {"PIP_FIND_LINKS": f"{wheels()} {bundled}"}
        directory = self.new_application(
            {"requirements.txt": "".join(f"{name}\n" for name in sources)},
            dependencies={"requirements": ["requirements.txt"]},
        )
        packed = pack_spec(directory, smoke=True, environment=environment)
        # With pip, and setuptools, pkg_resources and _distutils_hack, where the interpreter brings them.
        self.assertTrue(installers[0].startswith("pip=="))
        count = len(sources) + 1 + 3 * (len(installers) - 1)
        self.assertEqual(packed.summary["smoke"]["imports"], count)
        # The script imports nothing but the standard library, and nothing was started.
        self.assertEqual(packed.summary["smoke"]["application"], "imported")

    def test_what_a_script_or_module_imports(self) -> None:
        prepared = "import sys, os\nsys.path.insert(0, os.getcwd())\nimport elsewhere\n"
        handled = (
            "from __future__ import annotations\nimport json, typing\ntry:\n    import missing_fast\n"
            "except ImportError:\n    missing_fast = None\nif typing.TYPE_CHECKING:\n    import missing_types\n"
            "if json.x:\n    import missing_later\ndef f():\n    import missing_lazily\nsys.exit('was run')\n"
        )
        for source, texts in (
            ("import json\n\nimport nowhere.sub\n", ["line 3: ModuleNotFoundError", "'nowhere'"]),
            ("import os\nfrom json import nothing\nprint(1)\nimport nowhere",
             ["line 2: ImportError", "line 4: ModuleNotFoundError"]),
            ("if __name__ == '__main__':\n    import crashing\n", ["line 2: the interpreter", "signal 6"]),
            ("import (", ["line 1: SyntaxError"]),
            (handled, []), (prepared, []), ("print(1)\n", []),
        ):  # fmt: skip
            with self.subTest(source):
                directory = self.new_application(
                    {"serve.py": source, "data/crashing.py": "import os; os.abort()"},
                    launch={"script": "serve.py"}, data=[{"source": "data", "target": "."}],
                )  # fmt: skip
                if texts:
                    line = line_of(directory, "script")
                    said = self.assertFails(directory, line, "serve.py", "smoke.skip-imports", *texts)
                    self.assertNotIn("Traceback", said)
                    continue
                packed = pack_spec(directory, smoke=True)
                state = "untested" if "print" in source else "imported"
                self.assertEqual(packed.summary["smoke"]["application"], state)
        directory = self.new_application(
            {"serving/__main__.py": "from . import part\nfrom . import nothing\n", "serving/part.py": ""},
            launch={"module": "serving"}, data=[{"source": "serving"}],
        )  # fmt: skip
        self.assertFails(directory, line_of(directory, "module"), "line 2: ImportError", "'nothing'")
        spec = directory / "onefold.toml"
        spec.write_text(f"{spec.read_text()}[smoke]\nimports = false\n")
        result = onefold("pack", "--spec", directory, environment=pack_environment(), cwd=directory)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("not tested: the application itself; add [[smoke.command]]", result.stderr.decode())

    def test_files_that_programs_write_and_load_are_reported(self) -> None:
        place = scratch() / "foreign"
        for name in ("libforeign", "libbelow", "libown", "libgranted"):
            below = [place / "libbelow.so.1", f"-Wl,-rpath,{place}"] if name == "libforeign" else []
            if name == "libforeign":
                compile_library("int b(void) { return 1; }", place / "libbelow.so.1", "-Wl,-soname,libbelow.so.1")
            elif name == "libbelow":
                continue
            compile_library(
                f"int b(void); int {name}(void) {{ return {'b()' if below else '2'}; }}",
                place / f"{name}.so.1", f"-Wl,-soname,{name}.so.1", *below,
            )  # fmt: skip
        load = "import ctypes; ctypes.CDLL(%r)\n"
        wheel("borrows", {
            "borrows.py": load % str(place / "libforeign.so.1") + load % str(place / "libgranted.so.1")
        })  # fmt: skip
        wheel("borrows-too", {"borrows_too.py": "import borrows\n"}, requires=["borrows"])
        wheel("writes", {
            "writes/__init__.py": "import os\ndef save(path):\n    with open(path, 'w') as file: file.write('x')\n"
            "save(os.path.join(os.path.dirname(__file__), 'seed'))\n"
        })  # fmt: skip
        server = (
            "import os, sqlite3, subprocess, sys\nimport http.server\n"
            "here = os.path.dirname(__file__)\n"
            "if sys.argv[1] == 'once':\n"
            "    code = 'import sys, child; child.run(sys.argv[1])'\n"
            "    sys.exit(subprocess.call([sys.executable, '-c', code, here]))\n"
            "import writes\nwrites.save(here + '/deep.txt')\n"
            "sqlite3.connect('file:%s/app.db' % here, uri=True).execute('create table t (a)')\n"
            "with open(here + '/static.txt', 'a') as file: file.write('more')\n"
            "open(os.path.expanduser('~/fine'), 'w').close()\n"
            "import ctypes\nctypes.CDLL(sys.argv[2])\n"
            "class Handler(http.server.BaseHTTPRequestHandler):\n"
            "    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n"
            "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n"
        )
        child = "def run(here):\n    open(here + '/of child', 'w').close()\n    open(here + '/gone', 'w').close()\n"
        child += "    import os; os.remove(here + '/gone')\n"
        directory = self.new_application(
            {"server.py": server, "child.py": child, "static.txt": "as packed", "requirements.txt": "borrows-too\nwrites\n"},
            python={"prefix": PREFIX, "system-libraries": ["libgranted.so.1"]},
            dependencies={"requirements": ["requirements.txt"]},
            data=[{"source": "child.py"}, {"source": "static.txt"}],
            launch={"script": "server.py"},
            smoke_command=[{"arguments": ["once"]}],
            smoke_http={"arguments": ["{port}", place / "libown.so.1"]},
        )  # fmt: skip
        packed = pack_spec(directory, smoke=True)
        smoke = packed.summary["smoke"]
        written = {
            one["path"]: (one["packed"], one["writer"], one["distribution"]) for one in smoke["written"]
        }
        self.assertEqual(
            written,
            {
                f"{SITE}/writes/seed": (False, "server.py:7", "writes 1.0"),
                f"{SITE}/deep.txt": (False, "server.py:8", "writes 1.0"),
                f"{SITE}/app.db": (False, "server.py:9", None),
                f"{SITE}/static.txt": (True, "server.py:10", None),
                f"{SITE}/of child": (False, "child.py:2", None),
            },
        )
        libraries = [(one["name"], one["distributions"]) for one in smoke["libraries"]]
        self.assertEqual(
            libraries,
            [("libbelow.so.1", ["borrows"]), ("libforeign.so.1", ["borrows"]), ("libown.so.1", [])],
        )
        said = "\n".join(packed.summary["warnings"])
        self.assertIn("app.db: written by server.py:9 in the unpacked tree", said)
        self.assertIn("static.txt: written by server.py:10", said)
        self.assertIn("restored by later launches", said)
        self.assertRegex(said, "libforeign.so.1 and 1 library that they need: .* by borrows, .* python.libraries")
        self.assertIn("libown.so.1: taken from this machine by the application", said)
        # The packed file knows nothing of it.
        tree = unpacked(packed, self.cache)
        self.assertEqual((tree / SITE / "__onefold__.pth").read_text(), "import _onefold_runtime\n")
        self.assertFalse((tree / SITE / "writes/seed").exists())

    def command(self, code: str, **keys: Any) -> Path:
        return self.new_application(
            smoke={"timeout": 2}, **{"smoke.command": [{"arguments": [code], **keys}]}
        )

    def test_commands_that_fail(self) -> None:
        for code, keys, texts in (
            ("print('last\\nwords: ü \\'x\\' \\x1b[31m'); sys.exit(3)", {},
             ["status 0", "status 3", "\n  last\n  words: ü 'x' \\x1b[31m\n"]),
            ("print('fine')", {"status": 3}, ["status 3", "status 0", "fine"]),
            ("print('other')", {"output": "wanted"}, ["'wanted'", "other"]),
            ("import os; os.abort()", {}, ["signal 6"]),
            ("1 / 0", {}, ["ZeroDivisionError"]),
            ("print('begun', flush=True); import time; time.sleep(1000)", {}, ["within 2 s", "begun"]),
            ("import os, time; os.fork() or time.sleep(1000); time.sleep(1000)", {}, ["within 2 s"]),
        ):  # fmt: skip
            with self.subTest(code):
                directory = self.command(code, **keys)
                self.assertFails(directory, line_of(directory, "[[smoke.command]]"), *texts)

    def test_commands_that_succeed(self) -> None:
        directory = self.command(
            "import os; print(os.environ['HOME'], file=sys.stderr); sys.exit(4)",
            status=4, output="/smoke/home",
        )  # fmt: skip
        result = pack_command(directory)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(
            json.loads(result.stdout)["smoke"],
            {"imports": 0, "commands": 1, "requests": 0, "application": "started", "written": [], "libraries": []},
        )

    def serving(self, mode: str, **keys: Any) -> Path:
        return self.new_application(
            {"server.py": SERVER},
            launch={"script": "server.py"},
            smoke={"timeout": 3},
            smoke_http={"arguments": [mode, "{port}"], "path": "/health", **keys},
        )

    def test_servers_that_fail(self) -> None:
        for mode, keys, texts in (
            ("500", {}, ["status 500", "it is up"]),
            ("up", {"status": 404}, ["status 200", "it is up"]),
            ("up", {"contains": "absent"}, ["it is up"]),
            ("ends", {}, ["ended with status 1", "the port is taken"]),
            ("killed", {}, ["signal 6"]),
            ("silent", {}, ["after 3 s", "no answer"]),
            ("deaf", {}, ["SIGTERM"]),
        ):  # fmt: skip
            with self.subTest(mode):
                directory = self.serving(mode, **keys)
                line = line_of(directory, "[smoke.http]")
                self.assertFails(directory, line, *texts, f"mode is {mode}")

    def test_servers_that_succeed(self) -> None:
        for mode, keys in (
            ("up", {"contains": "is up", "environment": {"OTHER": "1"}}),
            ("up", {"arguments": ["up"], "environment": {"PORT": "{port}"}}),
            ("500", {"status": 500}),
            ("forks", {}),
        ):
            with self.subTest(mode):
                directory = self.serving(mode, **keys)
                mark = f"{self.id()}-{mode}"
                result = pack_command(directory, environment={"ONEFOLD_TEST_MARK": mark})
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(processes_with(mark), [])
                self.assertEqual(json.loads(result.stdout)["smoke"]["requests"], 1)

    def test_a_file_that_was_there_stays(self) -> None:
        directory = self.command("sys.exit(1)")
        (directory / "app").write_text("the last good one")
        self.assertFails(directory)
        self.assertEqual((directory / "app").read_text(), "the last good one")

    def test_the_stage_is_kept_where_that_is_asked(self) -> None:
        directory = self.command("sys.exit(1)")
        result = pack_command(directory, "--keep-stage")
        self.assertEqual(result.returncode, 1)
        found = re.search(rb"the stage is kept in '([^']+)'", result.stderr)
        self.assertIsNotNone(found)
        assert found
        stage = Path(os.fsdecode(found[1]))
        self.assertTrue((stage / f"tree/bin/python{SHORT}").exists())
        self.assertTrue((stage / "packed/app").exists())
        self.assertFalse((directory / "app").exists())


class Outputs(SpecCase):
    def test_directories_that_are_not_there(self) -> None:
        directory = self.new_application()
        self.assertFails(directory, "no-such", options=["-o", "no-such/app"])

    def test_directories_that_may_not_be_written(self) -> None:
        mounts = Mounts(self)
        directory = self.new_application()
        place = mounts.tmpfs(self.work / "locked", "ro")
        self.refused_in(mounts, directory, place, b"Read-only file system")

    def refused_in(self, mounts: Mounts, directory: Path, place: Path, why: bytes) -> None:
        command = [ONEFOLD, "pack", "--spec", directory, "--no-smoke", "--no-cache"]
        result = run(mounts.command([*command, "-o", place / "app"]))
        self.assertEqual((result.returncode, result.stdout), (1, b""), result.stderr)
        self.assertIn(why, result.stderr)
        self.assertEqual(listing(mounts.inside(place)), [])

    def test_a_file_system_that_is_full(self) -> None:
        mounts = Mounts(self)
        directory = self.new_application()
        for size in ("1m", "60m"):
            place = mounts.tmpfs(self.work / f"small {size}", f"size={size}")
            self.refused_in(mounts, directory, place, b"No space left on device")
