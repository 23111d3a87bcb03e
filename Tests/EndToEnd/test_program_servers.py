"""Real servers of Python, each in one file: which code they run, what they see, and how they start themselves again."""

from __future__ import annotations

import functools
import http.client
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from examples import Server, free_port, pack_spec
from privileges import Privileges
from spec_support import SITE, SpecCase, application, pack_command
from support import Onefile, scratch, succeed, wait_until

LOCK = Path(__file__).with_name("servers-requirements.txt")

#: Runs the module that the first argument names, or the code after "exec". With "frozen" it takes sys.executable for the program,
#: as code for PyInstaller does.
SERVE = """
import os, runpy, sys
FROZEN = {frozen}
if __name__ == "__main__":
    if sys.argv[1] == "exec":
        exec(sys.argv[2])
    else:
        name = sys.argv[1]
        sys.argv[1:2] = []
        runpy.run_module(name, run_name="__main__", alter_sys=True)
"""

#: The application, for each interface of servers. What it answers tells who answers.
APP = """
import json, os, sys
import flask
WHERE = "packed"

def tell():
    return json.dumps({
        "where": WHERE, "pid": os.getpid(), "parent": os.getppid(), "path": sys.path, "argv": sys.argv,
        "writes": not sys.dont_write_bytecode,
        # Where the stack begins: another place whenever the process has executed something.
        "stack": open("/proc/self/stat").read().rpartition(")")[2].split()[25],
    }).encode()

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [tell()]

async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": tell()})
    elif scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": "lifespan.%s.complete" % kind})

app = flask.Flask(__name__)
app.add_url_rule("/", view_func=tell)
"""

TASKS = """
import celery
app = celery.Celery("tasks", broker="memory://")
print("tasks are packed", flush=True)
"""

TORNADO = """
import asyncio, os, sys, tornado.autoreload, tornado.web, app

class Tell(tornado.web.RequestHandler):
    def get(self):
        self.write(app.tell())

async def main():
    tornado.web.Application([("/", Tell)]).listen(int(sys.argv[1]), "127.0.0.1")
    tornado.autoreload.watch(sys.argv[2])
    tornado.autoreload.start(100)
    await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
"""

CHERRYPY = """
import sys, threading, cherrypy, app

class Root:
    def index(self):
        return app.tell()
    index.exposed = True
    def again(self):
        threading.Timer(0.2, cherrypy.engine.restart).start()
        return b"soon"
    again.exposed = True

if __name__ == "__main__":
    cherrypy.config.update({
        "server.socket_host": "127.0.0.1", "server.socket_port": int(sys.argv[1]), "engine.autoreload.on": False,
    })
    cherrypy.quickstart(Root())
"""

DJANGO = """
import os, pathlib, sys
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path
from django.utils.autoreload import autoreload_started
import app

settings.configure(DEBUG=True, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
urlpatterns = [path("", lambda request: HttpResponse(app.tell()))]
watched = pathlib.Path(os.environ["WATCHED"])
autoreload_started.connect(lambda sender, **more: sender.extra_files.add(watched), weak=False)
if __name__ == "__main__":
    execute_from_command_line(sys.argv)
"""

#: Starts processes by each method of each package, and prints what they computed.
POOLS = """
import importlib, json, sys

if __name__ == "__main__":
    found = {}
    for name in ("multiprocessing", "multiprocess", "billiard"):
        for method in ("spawn", "forkserver"):
            context = importlib.import_module(name).get_context(method)
            child = context.Process(target=abs, args=(-1,))
            child.start()
            child.join(60)
            with context.Pool(2) as pool:
                found[name + " " + method] = [child.exitcode, pool.map(len, ["a", "bb"])]
    import loky
    with loky.get_reusable_executor(2) as executor:
        found["loky"] = list(executor.map(abs, [-1, -2]))
    print(json.dumps(found))
"""

FILES = {
    "requirements.txt": LOCK.read_bytes(),
    "app.py": APP,
    "tasks.py": TASKS,
    "with_tornado.py": TORNADO,
    "with_cherrypy.py": CHERRYPY,
    "with_django.py": DJANGO,
    "pools.py": POOLS,
}

#: What makes up each packed file.
LAUNCHES: dict[str, dict[str, Any]] = {
    "plain": {"script": "serve.py"},
    "frozen": {"script": "frozen.py"},
    "gunicorn": {"module": "gunicorn", "arguments": ["--pythonpath", "{root}", "app:wsgi"]},
}


@functools.lru_cache(maxsize=None)
def packed(kind: str) -> Onefile:
    scripts = {"serve.py": SERVE.format(frozen=False)}
    scripts["frozen.py"] = SERVE.format(frozen='getattr(sys, "frozen", False)')
    directory = application(
        scratch() / "servers" / kind,
        {**FILES, **scripts},
        app={"name": kind},
        dependencies={"requirements": ["requirements.txt"]},
        prune={"remove": ["**/LC_MESSAGES"]},
        data=[{"source": name} for name in FILES if name.endswith(".py")],
        launch=LAUNCHES[kind],
        smoke={"imports": False},
    )
    return pack_spec(directory, directory / kind)


@functools.lru_cache(maxsize=None)
def warm() -> Path:
    """The cache that all tests here share."""
    return scratch() / "servers" / "cache"


class ServersCase(SpecCase):
    """A test that starts servers in a directory whose files have the names of modules of the tree."""

    packed = staticmethod(packed)
    NAMES = ("app", "tasks", "json", "http", "socket", "flask", "uvicorn", "gunicorn", "asyncio", "celery")

    def setUp(self) -> None:
        super().setUp()
        self.place = self.work / "place"
        self.place.mkdir()
        self.ran = self.work / "ran"
        for name in self.NAMES:
            (self.place / f"{name}.py").write_text(f"open({os.fspath(self.ran)!r}, 'a').write('{name} ')\n")
        self.watched = self.work / "watched" / "module.py"
        self.watched.parent.mkdir()
        self.watched.write_text("")
        self.count = 0

    def serve(self, kind: str, *arguments: str, **environment: Any) -> Server:
        """Starts it in that directory; "{port}" stands for a port."""
        port = free_port()
        self.count += 1
        server = Server(
            packed(kind).command(*(argument.replace("{port}", str(port)) for argument in arguments)),
            self.work / f"output-{self.count}",
            {"ONEFOLD_CACHE": warm(), "WATCHED": self.watched, **environment},
            port,
            cwd=self.place,
            start_new_session=True,
        )
        self.addCleanup(self.end, server)
        return server

    def end(self, server: Server) -> None:
        """Ends it with its reloader and workers, which clean up if they can."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(server.process.pid, number)
                server.process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        server.reap()

    def answer(self, server: Server) -> Any:
        return server.wait("/").json

    def again(self, server: Server, before: Any, *different: str, touches: bool = False) -> Any:
        """The first answer that differs from the one before in what is named. `touches`: after the watched file was changed; if
        nothing happens, again, because the server may not have looked at it before."""
        start = touched = time.monotonic()

        def look() -> Any:
            nonlocal touched
            if touches and (touched == start or time.monotonic() > touched + 5):
                touched = time.monotonic()
                self.touch()
            try:
                answer = server.request("GET", "/").json
            except (OSError, ValueError, http.client.HTTPException):
                return None
            return answer if all(answer[name] != before[name] for name in different) else None

        return wait_until(look, f"another answer than {before}: {server.last_lines()}")

    def touch(self) -> None:
        """Changes the watched file, with a time that no look at it has seen."""
        self.count += 1
        self.watched.write_text(f"CHANGED = {self.count}\n")
        os.utime(self.watched, (1_900_000_000 + self.count,) * 2)

    def assertPacked(self, answer: Any, inserts: bool) -> None:
        self.assertEqual((answer["where"], answer["writes"]), ("packed", False))
        self.assertFalse(self.ran.exists(), self.ran.exists() and self.ran.read_text())
        outside = [entry for entry in answer["path"] if not Path(entry).is_relative_to(warm())]
        if not inserts:
            self.assertEqual(outside, [])


class Isolation:
    """A file of the working directory takes the place of no module of the tree."""

    def test_servers_that_insert_the_working_directory(self) -> None:
        for arguments in (
            ["gunicorn", "--bind", "127.0.0.1:{port}", "app:wsgi"],
            ["uvicorn", "--port", "{port}", "app:asgi"],
            ["flask", "--app", "app", "run", "--port", "{port}"],
            ["hypercorn", "--bind", "127.0.0.1:{port}", "app:asgi"],
        ):
            with self.subTest(arguments[0]):
                server = self.serve("plain", *arguments)
                answer = self.answer(server)
                self.assertPacked(answer, inserts=True)
                # It is there, so what the tree lacks is found in it.
                self.assertTrue({"", ".", os.fspath(self.place)} & set(answer["path"]), answer)

    def test_celery(self) -> None:
        result = packed("plain").launch("celery", "-A", "tasks", "report", cache=warm(), cwd=self.place)
        self.assertSucceeded(result)
        self.assertIn(b"tasks are packed", result.stdout)
        self.assertFalse(self.ran.exists())

    def test_what_the_tree_lacks_is_found_elsewhere(self) -> None:
        files = {
            "plugin.py": "WHERE = 'user'", "places/__init__.py": "", "places/deep.py": "WHERE = 'user'",
            "loose/part.py": "WHERE = 'user'", "app.py": "WHERE = 'user'",
            "flask-0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: flask\nVersion: 0.1\n",
        }  # fmt: skip
        for path, content in files.items():
            (self.work / "own" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.work / "own" / path).write_text(content)
        code = f"""
import importlib, importlib.metadata, json, runpy, sys
sys.path.insert(0, {os.fspath(self.work / "own")!r})
names = ("plugin", "places.deep", "loose.part", "app")
before = importlib.metadata.version("flask")
# This replaces what finds distributions.
import importlib_metadata
print(json.dumps([
    [importlib.import_module(name).WHERE for name in names], runpy.run_module("plugin")["WHERE"],
    {{before, importlib.metadata.version("flask"), importlib_metadata.version("flask")}} - {{"0.1"}} == {{before}},
]))
"""
        said = self.python(packed("plain"), "exec", code.strip(), cache=warm())
        self.assertEqual(said, [["user", "user", "user", "packed"], "user", True])

    def test_children_are_isolated(self) -> None:
        look = "import json, app; import sys; print(json.dumps([app.WHERE, sys.path, sys.dont_write_bytecode]))"
        (self.work / "beside.py").write_text("WHERE = 'beside'")
        (self.work / "child.py").write_text("import beside\n" + look)
        code = f"""
import subprocess, sys
for arguments in (["-c", {look!r}], ["-"], [], ["-m", "app"], [{os.fspath(self.work / "child.py")!r}]):
    result = subprocess.run([sys.executable, *arguments], input={look!r}, stdout=subprocess.PIPE, text=True, check=True)
    sys.stdout.write(result.stdout)
"""
        options: Any = {"cache": warm(), "cwd": self.place}
        result = packed("plain").launch("exec", code, **options)
        self.assertSucceeded(result)
        answers = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([where for where, _, _ in answers], ["packed"] * 4)
        self.assertTrue(all(keeps for _, _, keeps in answers))
        tree = os.fspath(warm())
        outside = [[entry for entry in path if not entry.startswith(tree)] for _, path, _ in answers]
        self.assertEqual(outside, [[], [], [], [os.fspath(self.work)]])
        self.assertFalse(self.ran.exists())


#: Set by Docker files and units, and what the interpreter says of it.
HARMLESS = {
    "PYTHONUNBUFFERED": ("1", "sys.stdout.write_through", True),
    "PYTHONFAULTHANDLER": ("1", "__import__('faulthandler').is_enabled()", True),
    "PYTHONWARNINGS": ("error::ResourceWarning", "sys.warnoptions", ["error::ResourceWarning"]),
    "PYTHONASYNCIODEBUG": ("1", "__import__('asyncio').new_event_loop().get_debug()", True),
    "PYTHONUTF8": ("1", "sys.flags.utf8_mode", 1),
    "PYTHONDEVMODE": ("1", "sys.flags.dev_mode", True),
    "PYTHONHASHSEED": ("7", "[sys.flags.hash_randomization, hash('onefold')]", None),
    "PYTHONTRACEMALLOC": ("3", "__import__('tracemalloc').get_traceback_limit()", 3),
    "PYTHONIOENCODING": ("latin-1", "sys.stdout.encoding", "iso8859-1"),
}

WITHOUT = {"PYTHONINSPECT": "1", "PYTHONOPTIMIZE": "2"}


class Environment:
    def test_harmless_variables_count(self) -> None:
        for name, (value, expression, expected) in HARMLESS.items():
            with self.subTest(name):
                code = f"import json, sys; print(json.dumps({expression}))"
                options: Any = {"cache": warm(), "environment": {name: value}, "cwd": self.place}
                said = json.loads(succeed(packed("plain").launch("exec", code, **options)).stdout)
                again = json.loads(succeed(packed("plain").launch("exec", code, **options)).stdout)
                self.assertEqual(said, again if expected is None else expected)

    def test_others_do_not(self) -> None:
        code = "import json, os, sys; print(json.dumps([sys.flags.inspect, sys.flags.optimize, os.environ.get('PYTHONINSPECT')]))"
        options: Any = {"cache": warm(), "environment": WITHOUT}
        said = json.loads(succeed(packed("plain").launch("exec", code, **options)).stdout)
        self.assertEqual(said, [0, 0, None])

    def test_programs_of_the_tree_come_first(self) -> None:
        own = self.work / "bin"
        own.mkdir()
        (own / "celery").write_text("#!/bin/sh\necho another\n")
        (own / "celery").chmod(0o755)
        code = (
            "import json, os, shutil, subprocess\n"
            "print(json.dumps([shutil.which('celery'), subprocess.getoutput('celery --version'), os.environ['PATH']]))"
        )
        path = f"{own}:/usr/bin:/bin"
        which, version, searched = self.launch(code, PATH=path)
        tree = packed("plain").tree(warm())
        self.assertEqual((which, searched), (f"{tree}/bin/celery", f"{tree}/bin:{path}"))
        self.assertRegex(version, r"^5\.")
        # And where there is no PATH, programs of the system are found as before.
        self.assertEqual(self.launch(code, PATH="")[2], f"{tree}/bin:/usr/local/bin:/usr/bin:/bin")

    def launch(self, code: str, **environment: Any) -> Any:
        result = packed("plain").launch("exec", code, cache=warm(), environment=environment)
        return json.loads(succeed(result).stdout)


#: Starts itself again by each form; the second process tells about itself.
AGAIN = """
import __main__, json, os, subprocess, sys
if "AGAIN" in os.environ:
    print(json.dumps([sys.argv[1:2] + sys.argv[3:], sys.path, sys.dont_write_bytecode, os.environ["PATH"]]))
    sys.exit(3)
environment = {**os.environ, "AGAIN": "1"}
os.environ["AGAIN"] = "1"
run, program, arguments = sys.executable, [sys.executable], sys.argv[1:]
def start(command, **more):
    sys.exit(subprocess.Popen(command, **more).wait())
FORM
"""

FORMS = {
    "execv": "os.execv(run, program + sys.argv)",
    "execl": "os.execl(run, 'python', *sys.argv)",
    "execvpe": "os.execvpe(run, program + sys.argv, environment)",
    "execv of argv": "os.execv(run, sys.argv)",
    "execv of argv itself": "os.execv(sys.argv[0], sys.argv)",
    "execv of the file": "os.execv(run, program + [__main__.__file__] + arguments)",
    "orig_argv": "os.execv(run, sys.orig_argv)",
    "orig_argv after the interpreter": "os.execv(run, program + sys.orig_argv[1:])",
    "Popen": "start(program + sys.argv)",
    "Popen with an option": "start(program + ['-u'] + sys.argv)",
    "Popen without the environment": "start(program + sys.argv, env={'AGAIN': '1', 'ONEFOLD_CACHE': os.environ['ONEFOLD_CACHE']})",
    "Popen of argv": "start(sys.argv)",
    "spawnv": "sys.exit(os.spawnv(os.P_WAIT, run, program + sys.argv))",
    "posix_spawn": "sys.exit(os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn(run, program + sys.argv, environment), 0)[1]))",
    "ONEFOLD_EXE": "os.execv(os.environ['ONEFOLD_EXE'], sys.argv)",
}

#: Right where sys.executable is the program, which code that asks for sys.frozen takes it for.
FROZEN_FORMS = {
    **{form: FORMS[form] for form in ("execv", "orig_argv", "Popen")},
    "execv, frozen": "os.execv(run, program + arguments)",
    "execv of argv, frozen": "os.execv(run, sys.argv)",
    "Popen, frozen": "start(program + arguments)",
    "run, frozen": "sys.exit(subprocess.run([run, *arguments]).returncode)",
}


class Restarts:
    """Programs that start themselves again run the same program again, isolated as before."""

    def test_each_form(self) -> None:
        for kind, forms in (("plain", FORMS), ("frozen", FROZEN_FORMS)):
            tree = packed(kind).tree(warm())
            for form, source in forms.items():
                with self.subTest(form, kind=kind):
                    code = AGAIN.replace("FORM", source)
                    options: Any = {"cache": warm(), "cwd": self.place}
                    result = packed(kind).launch("exec", code, "--port", "8000", **options)
                    self.assertEqual((result.returncode, result.stderr), (3, b""))
                    arguments, path, keeps, searched = json.loads(result.stdout)
                    self.assertEqual((arguments, keeps), (["exec", "--port", "8000"], True))
                    self.assertEqual([e for e in path if not Path(e).is_relative_to(tree)], [])
                    self.assertEqual(searched.count(f"{tree}/bin"), 1)
        self.assertFalse(self.ran.exists())

    def test_a_file_that_is_gone_starts_its_tree_again(self) -> None:
        moved = packed("plain").copy(self.work / "moved")
        code = AGAIN.replace("FORM", "os.remove(sys.argv[0])\nos.execv(run, program + sys.argv)")
        result = moved.launch("exec", code, "x", cache=warm())
        self.assertEqual((result.returncode, result.stderr), (3, b""))
        self.assertEqual(json.loads(result.stdout)[0], ["exec", "x"])

    def test_the_interpreter_stays_one_for_what_needs_it(self) -> None:
        """Also for a program that takes sys.executable for itself."""
        (self.work / "script.py").write_text("print('script')")
        code = f"""
import subprocess, sys
def say(*arguments, **more):
    return subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True, **more).stdout.split()
print(say("-c", "print('code')"), say("-Im", "json.tool", "--help")[:1], say("-", input="print('input')"),
      say({os.fspath(self.work / "script.py")!r}), say("--version")[:1], say("-X", "utf8", "-c", "print(1)"))
"""
        expected = "['code'] ['usage:'] ['input'] ['script'] ['Python'] ['1']\n"
        for kind in ("plain", "frozen"):
            result = packed(kind).launch("exec", code, cache=warm())
            self.assertSucceeded(result, expected.encode())

    def test_gunicorn_by_signals(self) -> None:
        """In the form that `onefold init` writes."""
        pids = self.work / "pid"
        server = self.serve("gunicorn", "--bind", "127.0.0.1:{port}", "--pid", os.fspath(pids))
        first = self.answer(server)
        self.assertPacked(first, inserts=True)
        os.kill(server.process.pid, signal.SIGHUP)
        second = self.again(server, first, "pid")
        self.assertEqual(second["parent"], server.process.pid)
        os.kill(server.process.pid, signal.SIGUSR2)
        next_pids = Path(f"{pids}.2")
        wait_until(lambda: next_pids.exists() and next_pids.read_text().strip(), server.last_lines())
        master = int(next_pids.read_text())
        command = Path(f"/proc/{master}/cmdline").read_bytes().split(b"\0")
        self.assertEqual(command[1:6], [b"-s", b"-P", b"-B", b"-m", b"gunicorn"])
        os.kill(server.process.pid, signal.SIGQUIT)
        server.process.wait(60)
        third = self.again(server, second, "parent")
        self.assertEqual(third["parent"], master)
        self.assertPacked(third, inserts=True)
        self.assertEqual(third["argv"][1:], first["argv"][1:])

    def reload(self, *arguments: str, inserts: bool = False) -> None:
        server = self.serve("plain", *arguments)
        first = self.answer(server)
        second = self.again(server, first, "pid", touches=True)
        self.assertPacked(second, inserts)
        self.assertEqual(second["argv"], first["argv"])

    def test_reloader_of_werkzeug(self) -> None:
        run = ["run", "--port", "{port}", "--debug", "--extra-files", os.fspath(self.watched)]
        self.reload("flask", "--app", "app", *run, inserts=True)

    def test_reloader_of_uvicorn(self) -> None:
        directory = os.fspath(self.watched.parent)
        self.reload("uvicorn", "app:asgi", "--port", "{port}", "--reload", "--reload-dir", directory, inserts=True)

    def test_reloader_of_django(self) -> None:
        self.reload("with_django", "runserver", "127.0.0.1:{port}")

    def test_reloader_of_tornado(self) -> None:
        server = self.serve("plain", "with_tornado", "{port}", os.fspath(self.watched))
        first = self.answer(server)
        second = self.again(server, first, "stack", touches=True)
        self.assertPacked(second, inserts=False)
        self.assertEqual((second["pid"], second["argv"]), (first["pid"], first["argv"]))

    def test_restart_of_cherrypy(self) -> None:
        server = self.serve("plain", "with_cherrypy", "{port}")
        first = self.answer(server)
        self.assertEqual(server.get("/again"), b"soon")
        second = self.again(server, first, "stack")
        self.assertPacked(second, inserts=False)
        self.assertEqual((second["pid"], second["argv"]), (first["pid"], first["argv"]))


class Frozen:
    """PyInstaller's attributes of sys."""

    def test_it_is_set_only_where_own_sources_ask(self) -> None:
        code = "import json, sys; print(json.dumps([getattr(sys, 'frozen', None), sys._MEIPASS]))"
        for kind, expected in (("plain", None), ("frozen", True)):
            result = packed(kind).launch("exec", code, cache=warm())
            site = f"{packed(kind).tree(warm())}/{SITE}"
            self.assertEqual(json.loads(succeed(result).stdout), [expected, site])
        line = SERVE.splitlines().index("FROZEN = {frozen}") + 1
        self.assertEqual(packed("frozen").summary["frozen"], f"frozen.py:{line} asks for it")
        self.assertIsNone(packed("plain").summary["frozen"])

    def test_every_spawner(self) -> None:
        expected = {
            f"{name} {method}": [0, [1, 2]]
            for name in ("multiprocessing", "multiprocess", "billiard")
            for method in ("spawn", "forkserver")
        }
        for kind in ("plain", "frozen"):
            result = packed(kind).launch("pools", cache=warm())
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertEqual(json.loads(result.stdout), {**expected, "loky": [1, 2]})

    def test_arguments_of_a_frozen_programs_child(self) -> None:
        """The file, which could be taken for the program that PyInstaller makes, does not start itself again and again."""
        for kind in ("plain", "frozen"):
            code = "from multiprocessing.resource_tracker import main; print('served')"
            result = packed(kind).launch("-B", "-S", "-I", "-c", code, cache=warm())
            self.assertSucceeded(result, b"served\n")
            result = packed(kind).launch("--multiprocessing-fork", "pipe_handle=x", cache=warm())
            self.assertEqual((result.returncode, result.stdout), (2, b""))
            self.assertRegex(result.stderr, rb"^onefold: cannot start the child process of a frozen program: ")
        code = """
import multiprocessing, os
if __name__ == "__main__":
    multiprocessing.set_executable(os.environ["ONEFOLD_EXE"])
    from multiprocessing import spawn
    spawn.get_command_line = lambda **given: [os.fsdecode(spawn.get_executable()), "--multiprocessing-fork"] + ["%s=%r" % item for item in given.items()]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(len, ([1, 2],)))
"""
        result = packed("plain").launch("exec", code, cache=warm())
        self.assertSucceeded(result, b"2\n")


class Servers(Isolation, Environment, Restarts, Frozen, Privileges, ServersCase):
    """All of them in one class, which runs in one process: each file is packed once."""


class OwnSources(SpecCase):
    def test_the_directory_of_the_interpreter_is_not_the_programs(self) -> None:
        source = "import os, sys\nfrom pathlib import Path\n\nlog = os.path.join(os.path.dirname(sys.executable), 'app.log')\n"
        package = "import sys, pathlib\nHERE = pathlib.Path(sys.executable).resolve().parent\n"
        directory = self.new_application(
            {"main.py": source, "lib/paths.py": package, "lib/tests/test_x.py": package},
            data=[{"source": "lib"}],
            launch={"script": "main.py"},
        )
        result = succeed(pack_command(directory, "--no-smoke"))
        warnings = json.loads(result.stdout)["warnings"]
        places = [warning.partition(" takes the directory of sys.executable")[0] for warning in warnings]
        self.assertEqual(sorted(places), ["lib/paths.py:2", "main.py:4"])
