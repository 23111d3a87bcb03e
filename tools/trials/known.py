"""The applications of docs/guides/applications.md: small projects as people have them, and distributions that are one."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Project:
    name: str
    #: Texts by path; none where `package` is packed.
    files: dict[str, str] = field(default_factory=dict)
    #: What `onefold pack --package` is given.
    package: str = ""
    #: Run in its directory first, such as the tool that writes its lock.
    prepare: tuple[str, ...] = ()
    #: The user's arguments, with {port} and {work}, a directory of the user's.
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    #: What is asked for, and what the answer has; no path is for a program of the command line, whose output has it.
    path: str = ""
    contains: str = ""
    #: Of a server that can't be told its port.
    port: int = 0
    #: Commands before the server: their arguments, each.
    commands: tuple[tuple[str, ...], ...] = ()
    #: The file of a version of it, for the table: a distribution's name.
    distribution: str = ""
    #: What its user should know.
    remark: str = ""


FASTAPI = """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
def health():
    return {"answer": "fastapi"}
"""

STARLETTE = """\
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def index(request):
    return PlainTextResponse("starlette")


app = Starlette(routes=[Route("/", index)])
"""

LITESTAR = """\
from litestar import Litestar, get


@get("/")
async def index() -> str:
    return "litestar"


app = Litestar([index])
"""

QUART = """\
from quart import Quart

app = Quart(__name__)


@app.route("/")
async def index():
    return "quart"
"""

FLASK = """\
from flask import Flask

app = Flask(__name__)


@app.route("/")
def index():
    return "flask"


if __name__ == "__main__":
    app.run(debug=True)
"""

DASH = """\
from dash import Dash, html

app = Dash(__name__)
server = app.server
app.layout = html.Div("dash")

if __name__ == "__main__":
    app.run(debug=False)
"""

AIOHTTP = """\
import os

from aiohttp import web


async def index(request):
    return web.Response(text="aiohttp")


app = web.Application()
app.router.add_get("/", index)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
"""

STREAMLIT = """\
import pandas as pd
import streamlit as st

st.title("streamlit")
st.line_chart(pd.DataFrame({"x": [1, 2, 3]}))
"""

GRADIO = """\
import gradio as gr


def greet(name):
    return f"Hello {name}"


demo = gr.Interface(greet, "text", "text")

if __name__ == "__main__":
    demo.launch()
"""

CELERY = """\
from celery import Celery

app = Celery("tasks", broker="memory://", backend="cache+memory://")


@app.task
def add(x, y):
    return x + y
"""

TYPER = """\
import typer

app = typer.Typer()


@app.command()
def hello(name: str = "typer"):
    print(f"Hello {name}")


if __name__ == "__main__":
    app()
"""

FIXED = """\
import flask

app = flask.Flask(__name__)


@app.route("/ping")
def ping():
    return "fixed"


if __name__ == "__main__":
    app.run(port=48173)
"""

MANAGE = """\
import os
import sys


def main():
    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)


if __name__ == '__main__':
    main()
"""

URLS = '''\
"""The `urlpatterns` list routes URLs to views.

    1. Add a URL to urlpatterns:  path('', views.home, name='home')
"""
from django.contrib import admin
from django.urls import path

urlpatterns = [
    path('admin/', admin.site.urls),
]
'''

#: Those of `django-admin startproject`, as far as they count, with the database where the user says.
SETTINGS = """\
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = 'only for this table'
DEBUG = True
ALLOWED_HOSTS = []
INSTALLED_APPS = [
    'django.contrib.admin', 'django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions',
    'django.contrib.messages', 'django.contrib.staticfiles',
]
MIDDLEWARE = [
    'django.middleware.security.SecurityMiddleware', 'django.contrib.sessions.middleware.SessionMiddleware',
    'django.middleware.common.CommonMiddleware', 'django.middleware.csrf.CsrfViewMiddleware',
    'django.contrib.auth.middleware.AuthenticationMiddleware', 'django.contrib.messages.middleware.MessageMiddleware',
]
ROOT_URLCONF = 'mysite.urls'
TEMPLATES = [{
    'BACKEND': 'django.template.backends.django.DjangoTemplates', 'APP_DIRS': True, 'DIRS': [],
    'OPTIONS': {'context_processors': [
        'django.template.context_processors.request', 'django.contrib.auth.context_processors.auth',
        'django.contrib.messages.context_processors.messages',
    ]},
}]
DATABASES = {'default': {
    'ENGINE': 'django.db.backends.sqlite3', 'NAME': os.environ.get('DATABASE', BASE_DIR / 'db.sqlite3'),
}}
STATIC_URL = 'static/'
DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'
"""

GATEWAY = """\
import os

from django.core.{kind} import get_{kind}_application

os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')
application = get_{kind}_application()
"""


def django(server: str, arguments: tuple[str, ...]) -> Project:
    files = {
        "manage.py": MANAGE,
        "mysite/__init__.py": "",
        "mysite/settings.py": SETTINGS,
        "mysite/urls.py": URLS,
        "mysite/wsgi.py": GATEWAY.format(kind="wsgi"),
        "mysite/asgi.py": GATEWAY.format(kind="asgi"),
        "requirements.txt": f"django\n{server}\n",
    }
    return Project(
        f"Django, {server or 'runserver'}",
        files,
        arguments=arguments,
        environment={"DATABASE": "{work}/db.sqlite3"},
        path="/admin/login/",
        contains="Django",
        commands=(("migrate",), ("check",)),
        distribution="django",
        remark="`./mysite migrate` runs a command of Django's; the database belongs outside of the tree",
    )


def simple(name: str, file: str, text: str, requirements: str, **more: object) -> Project:
    distribution = str(more.pop("distribution", requirements.split()[0].partition("[")[0]))
    files = {file: text, "requirements.txt": requirements.replace(" ", "\n") + "\n"}
    return Project(name, files, distribution=distribution, **more)  # type: ignore[arg-type]


PORT = ("--port", "{port}")
BIND = ("--bind", "127.0.0.1:{port}")

POETRY = """\
[tool.poetry]
name = "poetry-app"
version = "1.0"
package-mode = false

[tool.poetry.dependencies]
python = "^3.10"
fastapi = "*"
uvicorn = "*"
"""

UV = """\
[project]
name = "uv-app"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["fastapi", "uvicorn"]
"""

SCRIPT = """\
# /// script
# requires-python = ">=3.9"
# dependencies = ["httpx"]
# ///
import sys

import httpx

print("script", httpx.__version__, *sys.argv[1:])
"""

NODE = """\
const http = require('http');
http.createServer((request, response) => response.end('node')).listen(process.env.PORT || 3000, '127.0.0.1');
"""

PROJECTS = [
    simple("FastAPI", "main.py", FASTAPI, "fastapi uvicorn", arguments=PORT, path="/health", contains="fastapi"),
    simple("Starlette", "app.py", STARLETTE, "starlette uvicorn", arguments=PORT, path="/", contains="starlette"),
    simple("Litestar", "app.py", LITESTAR, "litestar[standard]", arguments=PORT, path="/", contains="litestar"),
    simple("Quart", "app.py", QUART, "quart", arguments=BIND, path="/", contains="quart"),
    simple("Flask, gunicorn", "app.py", FLASK, "flask gunicorn", arguments=BIND, path="/", contains="flask"),
    simple(
        "Flask, waitress", "app.py", FLASK, "flask waitress", arguments=("--port={port}",), path="/", contains="flask"
    ),
    simple("Flask, a fixed port", "server.py", FIXED, "flask", port=48173, path="/ping", contains="fixed"),
    django("gunicorn", BIND),
    django("uvicorn", PORT),
    django("waitress", ("--port={port}",)),
    django("", ("127.0.0.1:{port}",)),
    simple("aiohttp", "server.py", AIOHTTP, "aiohttp", environment={"PORT": "{port}"}, path="/", contains="aiohttp"),
    simple(
        "Streamlit", "app.py", STREAMLIT, "streamlit", arguments=("--server.port={port}",), path="/", contains="Streamlit"
    ),
    simple(
        "Gradio", "app.py", GRADIO, "gradio", environment={"GRADIO_SERVER_PORT": "{port}"}, path="/", contains="gradio"
    ),
    simple("Dash", "app.py", DASH, "dash gunicorn", arguments=BIND, path="/_dash-layout", contains="dash"),
    simple(
        "Celery", "tasks.py", CELERY, "celery", arguments=("--version",), contains="No such option",
        remark="a worker; `./tasks --pool solo`",
    ),
    simple("Typer", "hello.py", TYPER, "typer", arguments=("--name", "you"), contains="Hello you"),
    Project(
        "Poetry, package-mode = false", {"pyproject.toml": POETRY, "main.py": FASTAPI}, arguments=PORT, path="/health",
        contains="fastapi", distribution="fastapi",
    ),
    Project(
        "uv, with a lock", {"pyproject.toml": UV, "main.py": FASTAPI}, prepare=("uv", "lock"), arguments=PORT,
        path="/health", contains="fastapi", distribution="fastapi",
    ),
    Project(
        "a script with inline metadata", {"hello.py": SCRIPT}, arguments=("a",), contains="script 0",
        distribution="httpx",
    ),
    Project(
        "Node.js", {"package.json": '{"main": "server.js"}', "server.js": NODE},
        environment={"PORT": "{port}"}, path="/", contains="node",
        remark="the `node` of the `PATH`; that of nodejs.org needs glibc and libstdc++ alone",
    ),
    Project(
        "datasette", package="datasette", arguments=PORT, path="/-/versions.json", contains="datasette",
        distribution="datasette",
    ),
    Project(
        "datasette, a project", {"requirements.txt": "datasette\n"}, arguments=PORT, path="/-/versions.json",
        contains="datasette", distribution="datasette",
    ),
    Project(
        "Jupyter Server", {"requirements.txt": "jupyter_server\n"},
        arguments=("--no-browser", "--allow-root", "--port={port}"), path="/api", contains="version",
        distribution="jupyter_server",
    ),
    Project(
        "JupyterLab", {"requirements.txt": "jupyterlab\n"},
        arguments=("--no-browser", "--allow-root", "--port={port}"), path="/api", contains="version",
        distribution="jupyterlab",
        remark="a kernelspec of the user's wins over the packed one, unless `JUPYTER_PREFER_ENV_PATH=1`",
    ),
    Project(
        "MLflow", {"requirements.txt": "mlflow\n"}, arguments=("--port", "{port}", "--workers", "1"), path="/health",
        contains="OK", distribution="mlflow", remark="keeps its database in the working directory",
    ),
    Project(
        "HTTPie", package="httpie", arguments=("--version",), contains="3.", distribution="httpie",
    ),
]  # fmt: skip
