"""`onefold init` translates spec files of PyInstaller, without running them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from spec_support import SpecCase, pack_command, paths, wheel, write_files
from support import REPOSITORY, Onefile, Result, onefold, succeed

HELPER = REPOSITORY / "Sources" / "PythonStaging" / "Python" / "pyinstaller_spec.py"

SPEC = """\
# -*- mode: python ; coding: utf-8 -*-
import os, sys
from PyInstaller.utils.hooks import collect_all, collect_data_files, collect_submodules

raise_if_run = None
datas, binaries, hidden = collect_all("plain")
found = collect_all("other")
datas += found[0]; binaries += found[1]
datas.append((os.path.join(SPECPATH, "VERSION"), "."))
datas += [("conf/*.ini", "conf")] + collect_data_files("certifi")
if sys.platform == "win32":
    datas += [("server.dll", ".")]
else:
    binaries.extend([("vendor/libx.so", "vendor")])

a = Analysis(
    ["server.py"],
    pathex=["lib"],
    binaries=binaries,
    datas=datas + [(f"{'frontend'}/dist", "web")],
    hiddenimports=hidden + collect_submodules("plain") + ["plain.more"],
    excludes=["Unwanted_Thing", "tkinter", "xmlrpc", "plain.tests"],
    cipher=None,
    noarchive=False,
)
a.datas += Tree("frontend", prefix="all")
pyz = PYZ(a.pure)
options = [("X utf8", None, "OPTION"), ("u", None, "OPTION")]
exe = EXE(pyz, a.scripts, a.binaries, a.datas, options, name="my server", strip=True, upx=True, console=False)
"""

FILES = {
    "server.py": "import json, os, sys, helper, plain\n"
    "walk = [os.path.relpath(os.path.join(d, n), sys._MEIPASS) for d, _, ns in os.walk(sys._MEIPASS) for n in ns]\n"
    "print(json.dumps([helper.X, plain.ANSWER, sys.flags.utf8_mode, sorted(walk)]))\n",
    "lib/helper.py": "X = 7\n",
    "VERSION": "1.2\n",
    "conf/a.ini": "",
    "conf/b.ini": "",
    "conf/c.txt": "",
    "vendor/libx.so": "",
    "frontend/dist/index.html": "",
    "requirements.txt": "plain\n",
}


class Translated(SpecCase):
    """6 s."""

    def test_a_spec_file_is_packed(self) -> None:
        wheel("plain", {"plain.py": "ANSWER = 42\n"})
        write_files(self.work, {"server.spec": SPEC, **FILES})
        said = succeed(onefold("init", "--no-schema", cwd=self.work)).stderr.decode()
        self.assertIn("  server.spec of PyInstaller\n", said)
        self.assertNotIn("missing", said)
        text = (self.work / "onefold.toml").read_text()
        for line in (
            'name = "my-server"',
            'version = { file = "VERSION" }',
            'exclude = ["unwanted-thing"]',
            'python-options = ["-X", "utf8", "-u"]',
            "# server.spec:6: collect_all('plain'): nothing to do: distributions are installed whole",
            "# hiddenimports (plain.more): nothing to do: distributions are installed whole",
            "# excludes: tkinter is left out unless the application's own sources import it",
            "# excludes: xmlrpc is of the standard library: a path in 'remove' leaves it out",
            '# excludes: remove = ["**/plain/tests", "**/plain/tests.py"] leaves the module plain.tests out',
            "#   console: a program has the terminal it is started from, or none",
        ):
            self.assertIn(f"\n{line}\n", text)
        (self.work / "onefold.toml").write_text(text.replace("[archive]", "[archive]\nlevel = 1"))
        result = succeed(pack_command(self.work))
        packed = Onefile(self.work / "my-server", json.loads(result.stdout))
        helper, answer, utf8, files = json.loads(succeed(packed.launch(cache=self.cache)).stdout)
        self.assertEqual((helper, answer, utf8), (7, 42, 1))
        expected = {"VERSION", "conf/a.ini", "conf/b.ini", "vendor/libx.so", "web/index.html", "all/dist/index.html"}
        self.assertLessEqual(expected, set(files))
        self.assertFalse({"conf/c.txt", "server.dll"} & set(files))

    def test_the_guide_has_what_init_writes(self) -> None:
        guide = (REPOSITORY / "docs" / "guides" / "from-pyinstaller.md").read_text()
        [source] = re.findall(r"```python\n(# server\.spec\n.*?)```", guide, re.DOTALL)
        [shown] = re.findall(r"```toml\n(# onefold\.toml\n.*?)```", guide, re.DOTALL)
        names = ["server.py", "VERSION", "frontend/dist/index.html", "vendor/vec0.so", "utf8_hook.py", "requirements.txt"]
        write_files(self.work, {"server.spec": source, ".python-version": "3.11\n", **dict.fromkeys(names, "")})
        said = succeed(self.init()).stderr.decode()
        self.assertIn("missing: server.spec: the runtime hook 'utf8_hook.py' is not run: see [launch]\n", said)
        self.assertEqual(said.count("missing: "), 1)
        written = [line for line in (self.work / "onefold.toml").read_text().splitlines() if line and line[0] != "#"]
        # It has a comment alone.
        written.remove("[prune]")
        written = written[: written.index("[smoke]")]
        expected = [line for line in shown.splitlines() if line and line[0] != "#"]
        self.assertEqual(expected[: expected.index("[smoke.http]")], written)

    def init(self, *options: str) -> Result:
        (self.work / "onefold.toml").unlink(missing_ok=True)
        return onefold("init", "--no-schema", *options, cwd=self.work)

    def test_which_file(self) -> None:
        write_files(self.work, {"a.spec": "a = Analysis(['a.py'])", "rpm.spec": "Name: x\n", "a.py": "", "b.py": ""})
        succeed(self.init())
        self.assertIn('script = "a.py"', (self.work / "onefold.toml").read_text())
        write_files(self.work, {"b.spec": "a = Analysis(['b.py'])"})
        result = self.init()
        message = "onefold init: there are several spec files of PyInstaller: 'a.spec', 'b.spec': name one with --pyinstaller\n"
        self.assertEqual((result.returncode, result.stderr.decode()), (1, message))
        self.assertFalse((self.work / "onefold.toml").exists())
        succeed(self.init("--pyinstaller", "b.spec"))
        self.assertIn('script = "b.py"', (self.work / "onefold.toml").read_text())

    def test_a_missing_file(self) -> None:
        for text, message in (
            ("x = 1\na = Analysis(['a.py'],\n", "s.spec:2: is not valid Python: "),
            ("print 'Analysis('\n", "s.spec:1: is not valid Python: "),
            ("# Analysis(\n", "s.spec: there is no Analysis(...) in it that could be read"),
        ):
            write_files(self.work, {"s.spec": text})
            result = self.init()
            self.assertEqual(result.returncode, 1)
            self.assertTrue(result.stderr.decode().startswith("onefold init: " + message), result.stderr)
            self.assertEqual(result.stderr.count(b"\n"), 1)
            self.assertEqual(paths(self.work), {"s.spec"})
        result = self.init("--pyinstaller", "gone.spec")
        self.assertEqual(result.stderr, b"onefold init: gone.spec: cannot be read: No such file or directory\n")

    def test_code_is_named_and_not_run(self) -> None:
        text = (
            "import os\nopen('it-ran', 'w')\ndef data():\n    return [('x', '.')]\n"
            "datas = []\nfor name in os.listdir('conf'):\n    datas.append((name, '.'))\n"
            "if os.environ.get('DEBUG'):\n    datas.append(('debug', '.'))\n"
            "a = Analysis(['app.py'], datas=datas + data(), runtime_hooks=['hook.py'])\n"
            "exe = EXE(a.scripts, name='app', frobnicate=1)\ntool = EXE(a.scripts, name='tool')\n"
        )
        write_files(self.work, {"s.spec": text, "app.py": "", "conf/a": ""})
        said = succeed(self.init()).stderr.decode()
        problems = [
            "s.spec:10: not understood: 'data()', among the datas",
            "s.spec: the runtime hook 'hook.py' is not run: see [launch]",
            "s.spec:11: 'frobnicate' of EXE is not known: look whether anything must follow",
            "s.spec:12: a further program 'tool' needs a spec of its own",
            "s.spec:2: not understood: 'open('it-ran', 'w')', which is not run",
            "s.spec:6: not understood: a loop ('for name in os.listdir('conf')')",
            "s.spec:8: not understood: a condition ('if os.environ.get('DEBUG')')",
        ]
        lines = [line[len("missing: ") :] for line in said.splitlines() if line.startswith("missing: s.spec")]
        self.assertEqual(lines, problems)
        spec = (self.work / "onefold.toml").read_text()
        for problem in problems:
            self.assertIn(f"# TODO {problem}\n", spec)
        self.assertIn('script = "app.py"', spec)
        self.assertFalse((self.work / "it-ran").exists())


class Versions(SpecCase):
    """The helper says the same with each Python of this machine."""

    def test_every_python(self) -> None:
        write_files(self.work, {"server.spec": SPEC, **FILES})
        said = {}
        for minor in range(8, 20):
            found = shutil.which(f"python3.{minor}")
            places = [Path(found)] if found else []
            places += sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3"))[:1]
            for python in places:
                command = [python, "-IB", HELPER, "server.spec", "."]
                done = subprocess.run(command, cwd=self.work, capture_output=True, text=True)
                if done.returncode == 0 or "pyenv" not in done.stderr:
                    said[python] = (done.returncode, done.stdout, done.stderr)
        self.assertEqual(len(set(said.values())), 1, said)
        self.assertEqual(next(iter(said.values()))[0], 0)
