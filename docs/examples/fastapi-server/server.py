#!/usr/bin/env python3
"""A small notes server: FastAPI on uvicorn, SQLite through SQLAlchemy.

It runs as a plain script, from a PyInstaller directory and from one file that
Onefold made of that directory; only `static_directory` has to know about it.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import aiosqlite
import cryptography
import fastapi
import httptools
import numpy
import pydantic
import sqlalchemy
import uvicorn
import uvloop
import websockets.version
from cryptography.fernet import Fernet, InvalidToken
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable

NAME = "fastapi-server"
VERSION = "1.0.0"
SHARE_SECONDS = 24 * 60 * 60
STOP_SECONDS = 10  # for the requests under way when the server is told to stop


# Where things are


def static_directory() -> Path:
    """The page's files: in the unpacked tree when frozen, else beside this script."""
    return Path(getattr(sys, "_MEIPASS", Path(__file__).resolve().parent)) / "static"


def default_database() -> Path:
    """The user's data directory.

    Never the unpacked tree: that is a cache, shared by every run of this
    version and replaced by the next one.
    """
    data_home = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(data_home) if os.path.isabs(data_home) else Path.home() / ".local/share"
    return base / NAME / "notes.db"


# The database


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    created: Mapped[int]  # Unix time; SQLite has no type for a date


class Setting(Base):
    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


async def open_database(path: Path) -> AsyncEngine:
    url = sqlalchemy.URL.create("sqlite+aiosqlite", database=str(path))
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            # create_all looks first and creates then, which two servers
            # started at once on a new database can do at the same time.
            for table in Base.metadata.sorted_tables:
                await connection.execute(CreateTable(table, if_not_exists=True))
    except BaseException:
        await engine.dispose()
        raise
    return engine


async def share_key(engine: AsyncEngine) -> Fernet:
    """The key of the share links, made on the first start.

    Insert-or-ignore, then read: two servers started at once on one database
    end up with the same key.
    """
    async with AsyncSession(engine) as session, session.begin():
        fresh = {"name": "share-key", "value": Fernet.generate_key().decode()}
        await session.execute(insert(Setting).values(fresh).on_conflict_do_nothing())
        setting = await session.get_one(Setting, "share-key")
        return Fernet(setting.value)


# The API


class NewNote(BaseModel):
    text: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)
    ]


class NoteView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    text: str
    created: int


class Share(BaseModel):
    path: str
    expires: int


class Statistics(BaseModel):
    count: int
    mean: float
    median: float
    deviation: float
    longest: int


def create_app(database: Path) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = await open_database(database)
        try:
            app.state.engine = engine
            app.state.fernet = await share_key(engine)
            yield
        finally:
            await engine.dispose()

    # FastAPI's documentation pages load their scripts from a CDN; a server in
    # one file should not need the network to show a page.
    app = FastAPI(
        title=NAME,
        version=VERSION,
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )

    def session() -> AsyncSession:
        return AsyncSession(app.state.engine)

    @app.exception_handler(SQLAlchemyError)
    async def database_failed(request: Request, error: SQLAlchemyError) -> JSONResponse:
        print(f"{NAME}: {request.method} {request.url.path}: {error}", file=sys.stderr)
        return JSONResponse(
            {"status": "error", "detail": "the database failed"}, status_code=503
        )

    @app.get("/api/health")
    async def health() -> dict[str, Any]:
        async with session() as db:
            notes = await db.scalar(select(sqlalchemy.func.count()).select_from(Note))
        return {
            "status": "ok",
            "version": VERSION,
            "notes": notes,
            "pid": os.getpid(),
            "ppid": os.getppid(),
            "meipass": getattr(sys, "_MEIPASS", None),
            "executable": sys.executable,
            # Onefold tells the server it starts where and what it is.
            "root": os.environ.get("ONEFOLD_ROOT"),
            "exe": os.environ.get("ONEFOLD_EXE"),
            "app_version": os.environ.get("ONEFOLD_APP_VERSION"),
        }

    @app.post("/api/notes", status_code=201)
    async def add_note(new: NewNote) -> NoteView:
        async with session() as db:
            note = Note(text=new.text, created=int(time.time()))
            db.add(note)
            await db.flush()
            view = NoteView.model_validate(note)
            await db.commit()
            return view

    @app.get("/api/notes")
    async def list_notes() -> list[NoteView]:
        async with session() as db:
            notes = await db.scalars(select(Note).order_by(Note.id.desc()).limit(100))
            return [NoteView.model_validate(note) for note in notes]

    @app.post("/api/notes/{note_id}/share", status_code=201)
    async def share_note(note_id: int) -> Share:
        """A link that shows one note to whoever holds it, for a day."""
        async with session() as db:
            if await db.get(Note, note_id) is None:
                raise HTTPException(404, "no such note")
        now = int(time.time())
        token = app.state.fernet.encrypt_at_time(str(note_id).encode(), now)
        return Share(path=f"/api/shared/{token.decode()}", expires=now + SHARE_SECONDS)

    @app.get("/api/shared/{token}")
    async def shared_note(token: str) -> NoteView:
        try:
            note_id = int(app.state.fernet.decrypt(token, ttl=SHARE_SECONDS))
        except InvalidToken:
            raise HTTPException(403, "the link is not valid, or has expired") from None
        async with session() as db:
            note = await db.get(Note, note_id)
            if note is None:
                raise HTTPException(404, "the note is gone")
            return NoteView.model_validate(note)

    @app.get("/api/statistics")
    async def statistics() -> Statistics:
        """How long the notes are, in characters."""
        async with session() as db:
            rows = await db.scalars(select(sqlalchemy.func.length(Note.text)))
            lengths = numpy.array(rows.all(), dtype=numpy.int64)
        if lengths.size == 0:
            return Statistics(count=0, mean=0, median=0, deviation=0, longest=0)
        return Statistics(
            count=lengths.size,
            mean=float(lengths.mean()),
            median=float(numpy.median(lengths)),
            deviation=float(lengths.std()),
            longest=int(lengths.max()),
        )

    # Last, as it answers every path that is left.
    app.mount("/", StaticFiles(directory=static_directory(), html=True))
    return app


# Running it


class Server(uvicorn.Server):
    """uvicorn's server, which also knows the address it really listens on."""

    address: tuple[str, int]

    def __init__(self, app: FastAPI, host: str, port: int, *, log_level: str) -> None:
        # Every log line goes to standard error; standard output carries the
        # one line that says the server is ready.
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level=log_level,
            access_log=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        super().__init__(config)

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self.address = (host, port)
            self.ready()

    def ready(self) -> None:
        host, port = self.address
        host = f"[{host}]" if ":" in host else host
        print(f"listening on http://{host}:{port}", flush=True)


def serve(host: str, port: int, database: Path) -> int:
    try:
        # The database holds the key of the share links, so it is its owner's alone.
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database.touch(mode=0o600)
    except OSError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return 1

    server = Server(create_app(database), host, port, log_level="info")
    # uvicorn shuts down gracefully on these signals, then raises them again;
    # with handlers of our own that second one does not kill the process, and
    # a requested stop exits with 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    server.run()
    return 0 if server.started else 3


class CheckFailed(Exception):
    pass


class CheckServer(Server):
    def ready(self) -> None:
        pass


def run_checks(address: tuple[str, int]) -> list[str]:
    """Uses every endpoint over HTTP, as a client would; returns what was checked."""

    def request(method: str, path: str, body: Any = None, expect: int = 200) -> bytes:
        # http.client rather than urllib: no proxy of the environment's may answer.
        connection = http.client.HTTPConnection(*address, timeout=30)
        try:
            data = None if body is None else json.dumps(body)
            headers = {"Content-Type": "application/json"} if data else {}
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status != expect:
            raise CheckFailed(
                f"{method} {path} answered {response.status}: {content!r}"
            )
        return content

    def call(method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        return json.loads(request(method, path, body, expect))

    def same(what: str, got: Any, wanted: Any) -> None:
        if got != wanted:
            raise CheckFailed(f"{what}: got {got!r}, wanted {wanted!r}")

    for path, file in (("/", "index.html"), ("/style.css", "style.css")):
        wanted = (static_directory() / file).read_bytes()
        same(f"GET {path}", request("GET", path), wanted)

    same("notes at first", call("GET", "/api/health")["notes"], 0)
    texts = ["one", "naïve", "seventeen letters"]
    notes = [call("POST", "/api/notes", {"text": text}, 201) for text in texts]
    same("notes", call("GET", "/api/notes"), notes[::-1])
    call("POST", "/api/notes", {"text": "  "}, expect=422)

    figures = call("GET", "/api/statistics")
    same("median", figures["median"], 5)
    same("longest", figures["longest"], 17)

    share = call("POST", f"/api/notes/{notes[1]['id']}/share", expect=201)
    same("shared note", call("GET", share["path"]), notes[1])
    call("GET", share["path"][:-8], expect=403)
    return ["page", "database", "validation", "statistics", "encryption"]


async def check() -> dict[str, Any]:
    """Runs the real server on a free port, with a database that is thrown away."""
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-check-") as directory:
        app = create_app(Path(directory) / "notes.db")
        server = CheckServer(app, "127.0.0.1", 0, log_level="error")
        serving = asyncio.create_task(server.serve())
        try:
            while not server.started:
                if serving.done():
                    await serving
                    raise CheckFailed("the server did not start")
                await asyncio.sleep(0.01)
            checked = await asyncio.to_thread(run_checks, server.address)
        finally:
            server.should_exit = True
            await serving
    return {
        "status": "ok",
        "checked": checked,
        "versions": {
            NAME: VERSION,
            "python": ".".join(map(str, sys.version_info[:3])),
            "aiosqlite": aiosqlite.__version__,
            "cryptography": cryptography.__version__,
            "fastapi": fastapi.__version__,
            "httptools": httptools.__version__,
            "numpy": numpy.__version__,
            "pydantic": pydantic.VERSION,
            "sqlalchemy": sqlalchemy.__version__,
            "sqlite": sqlite3.sqlite_version,
            "uvicorn": uvicorn.__version__,
            "uvloop": uvloop.__version__,
            "websockets": websockets.version.version,
        },
    }


def port_number(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


port_number.__name__ = "port"  # argparse names it in its message


def main() -> int:
    parser = argparse.ArgumentParser(prog=NAME, description="A small notes server.")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=8000,
        help="port to listen on, 0 for a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--database",
        type=Path,
        metavar="PATH",
        help=f"the notes (default: {NAME}/notes.db in the user's data directory)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="try every part once, print the result as JSON and exit",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
    arguments = parser.parse_args()

    if arguments.check:
        try:
            # The loop that uvicorn chooses by itself in serve().
            result = uvloop.run(check())
        except Exception as error:
            print(f"{NAME}: check failed: {error}", file=sys.stderr)
            return 1
        print(json.dumps(result, indent=2))
        return 0

    try:
        database = arguments.database or default_database()
    except RuntimeError as error:  # no home directory
        print(f"{NAME}: {error}; give --database", file=sys.stderr)
        return 2
    return serve(arguments.host, arguments.port, database.absolute())


if __name__ == "__main__":
    sys.exit(main())
