"""docs/guides/listening.md: each of its recipes, with the real server.

A client connects as soon as a first launch tells the address, while the launch stands still, and gets its answer.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import shutil
import signal
import sys
import unittest
from pathlib import Path
from typing import Any, Optional

from examples import GUIDES, node_program, pack_spec
from listen_support import Address, Launched, ListenCase, connect
from spec_support import application, toml, write_files
from support import Onefile, StrPath, run, scratch, wait_until

GUIDE = (GUIDES / "listening.md").read_text()
LOCK = Path(__file__).with_name("listening-requirements.txt")

#: What stands for the application in the guide.
SERVER = """
import http.server, json, os

def tell():
    return json.dumps({"pid": os.getpid(), "parent": os.getppid(), "file": __file__}).encode()

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

async def handle(request):
    from aiohttp import web
    return web.Response(body=tell())

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(tell())

def answer(client):
    client.recv(65536)
    client.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + tell())
"""
DJANGO = {
    "site_/__init__.py": "",
    "site_/settings.py": "SECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'site_.urls'\n",
    "site_/urls.py": "from django.http import HttpResponse\nfrom django.urls import path\nimport server\n"
    "urlpatterns = [path('', lambda request: HttpResponse(server.tell()))]\n",
}
for kind in ("asgi", "wsgi"):
    DJANGO[f"site_/{kind}.py"] = (
        "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_.settings')\n"
        f"from django.core.{kind} import get_{kind}_application\napplication = get_{kind}_application()\n"
    )
ANSWER = """
export function answer(request, response) {
  response.end(JSON.stringify({pid: process.pid, parent: process.ppid, file: import.meta.filename}));
}
"""


def rows() -> dict[str, dict[str, Any]]:
    """The launches of the guide's table, by the server."""
    found = re.findall(r"^\| ([^|]+) \| `(\w+)` \| `(\[.*\])` \|$", GUIDE, re.MULTILINE)
    return {name: {"module": module, "arguments": json.loads(arguments)} for name, module, arguments in found}


def code(heading: str, language: str = "python") -> str:
    """The code below a heading."""
    [section] = [part for part in re.split(r"\n##+ ", GUIDE) if part.startswith(f"{heading}\n")]
    [block] = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return block


@functools.lru_cache(maxsize=None)
def packed(name: str, launch: str = "") -> Onefile:
    """A server of the table, or one whose code the guide has below the heading of that name. `launch`: TOML of its own."""
    files = {"server.py": SERVER, "serve.py": "", "requirements.txt": LOCK.read_bytes(), **DJANGO}
    how = rows().get(name) or {"script": "serve.py"}
    if how.get("script") and not launch:
        files["serve.py"] = code(name)
    directory = application(
        scratch() / "recipes" / re.sub(r"\W+", "-", name),
        files,
        app={"name": "server"},
        dependencies={"requirements": ["requirements.txt"]},
        prune={"remove": ["**/LC_MESSAGES"]},
        data=[{"source": "server.py"}, {"source": "site_", "target": "site_"}],
        launch=how,
        launch_listen={"address": "127.0.0.1:0"},
        smoke={"imports": False},
        **({"smoke_http": {"path": "/", "contains": '"pid"'}} if name == "uvicorn" else {}),
    )
    if launch:
        spec = (directory / "onefold.toml").read_text()
        spec = re.sub(r"\[launch\]\n.*?(?=\n\[smoke)", lambda _: launch, spec, flags=re.DOTALL)
        (directory / "onefold.toml").write_text(spec)
    return pack_spec(directory, directory / "server")


@functools.lru_cache(maxsize=None)
def packed_node() -> Onefile:
    directory = scratch() / "recipes" / "node"
    spec = {
        "app": {"name": "server"},
        "data": [{"source": "bin"}, {"source": "server.mjs"}, {"source": "answer.mjs"}],
        "launch": {"executable": "bin/node", "arguments": ["{root}/server.mjs"]},
        "launch.listen": {"address": "127.0.0.1:0"},
    }
    write_files(directory, {"server.mjs": code("Node.js", "js"), "answer.mjs": ANSWER, "onefold.toml": toml(spec)})
    (directory / "bin").mkdir()
    shutil.copy(node_program(), directory / "bin" / "node")
    return pack_spec(directory, directory / "server")


class RecipeCase(ListenCase):
    def launch(self, onefile: Onefile, **environment: str) -> Launched:
        launched = self.begin(onefile, environment=environment, start_new_session=True)
        self.addCleanup(self.end, launched)
        return launched

    def end(self, launched: Launched) -> None:
        """With the workers."""
        try:
            os.killpg(launched.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def ask(self, client: Any) -> Any:
        response = http.client.HTTPResponse(client)
        response.begin()
        self.assertEqual(response.status, 200)
        return json.loads(response.read())

    def send(self, address: Address) -> Any:
        """A connection with a request."""
        client = connect(address)
        self.addCleanup(client.close)
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return client

    def assertAnswers(self, onefile: Onefile, clients: int = 5, **environment: str) -> Launched:
        """Clients of a first launch, from before it unpacks, and one of the running server."""
        launched = self.launch(onefile, ONEFOLD_CACHE=os.fspath(self.new_directory() / "cache"), **environment)
        where = launched.address()
        launched.process.send_signal(signal.SIGSTOP)
        waiting = [self.send(where) for _ in range(clients)]
        launched.process.send_signal(signal.SIGCONT)
        for client in [*waiting, None]:
            answer = self.ask(client or self.send(where))
            self.assertIn(launched.pid, (answer["pid"], answer["parent"]))
        self.assertEqual(launched.events, [launched.events[0]])
        launched.event("ready")
        self.assertTrue(launched.events[-1]["unpacked"])
        return launched


class Arguments(RecipeCase):
    def test_the_table(self) -> None:
        self.assertEqual(list(rows()), ["uvicorn", "gunicorn", "hypercorn", "Django, ASGI", "Django, WSGI"])
        for name in rows():
            with self.subTest(name):
                self.assertAnswers(packed(name))
                self.assertAnswers(packed(name), ONEFOLD_LISTEN=f"unix:{self.new_directory()}/socket")

    def test_the_first_spec_is_that_of_the_table(self) -> None:
        [first] = re.findall(r"```toml\n\[launch\]\nmodule = \"uvicorn\"\narguments = (\[.*?\])\n", GUIDE)
        self.assertEqual(json.loads(first), rows()["uvicorn"]["arguments"])

    def test_the_file_is_tested_when_it_is_packed(self) -> None:
        self.assertEqual(packed("uvicorn").summary["smoke"]["requests"], 1)

    def test_the_program_that_starts_it(self) -> None:
        (self.work / "server").symlink_to(packed("uvicorn").path)
        script = code("The program that starts it") + (
            "import urllib.request\nprint(urllib.request.urlopen(url).read().decode())\n"
            "print(server.pid)\nserver.terminate()\nserver.stderr.read()\nserver.wait()\n"
        )
        command: list[StrPath] = [sys.executable, "-c", script]
        result = run(command, environment=self.environment({}), cwd=self.work)
        self.assertEqual(result.returncode, 0, result.stderr)
        answer, pid = result.stdout.splitlines()[-2:]
        self.assertEqual(json.loads(answer)["pid"], int(pid))


class Code(RecipeCase):
    def test_code(self) -> None:
        for name in ("waitress", "aiohttp", "The standard library", "A socket"):
            with self.subTest(name):
                # The last one answers a client after the other.
                self.assertAnswers(packed(name))

    def test_node(self) -> None:
        self.assertAnswers(packed_node())

    def test_every_recipe_has_a_test(self) -> None:
        headings = re.findall(r"^### (.+)$", GUIDE, re.MULTILINE)
        self.assertEqual(headings, ["waitress", "aiohttp", "The standard library", "A socket", "Node.js"])

    def test_a_server_that_takes_only_a_port(self) -> None:
        onefile = packed("port", code("Servers that take only a port", "toml"))
        launched = self.launch(onefile)
        where = launched.address()
        client = wait_until(lambda: self.try_send(where), "the server")
        with client:
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.0 200 OK\r\n"))
        self.assertEqual(launched.process.poll(), None)

    def try_send(self, where: Address) -> Optional[Any]:
        try:
            return self.send(where)
        except ConnectionRefusedError:
            return None


if __name__ == "__main__":
    unittest.main()
