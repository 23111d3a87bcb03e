#!/usr/bin/env python3
"""A backend that answers from its own documents: FastAPI, LangGraph and sqlite-vec.

It needs no network and no model. Texts become vectors by hashing their words,
sqlite-vec finds the nearest, and a small graph turns what it found into an answer.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import math
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict

import sqlite_vec
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel, StringConstraints

# Not the interpreter's own sqlite3: many are built without loadable extensions.
from pysqlite3 import dbapi2 as sqlite3

NAME = "cortex-backend"
VERSION = os.environ.get("ONEFOLD_APP_VERSION", "0.0.0+source")
DIMENSIONS = 256  # as in migrations/0001-documents.sql
NEAREST = 3
FARTHEST = 1.3  # two unit vectors without a common word are sqrt(2) apart
STOP_SECONDS = 5  # for the requests under way when the server is told to stop


# Where things are


def data_directory(name: str) -> Path:
    """In the unpacked tree when packed, else beside this script."""
    return Path(getattr(sys, "_MEIPASS", Path(__file__).resolve().parent)) / name


def default_database() -> Path:
    """In the user's data directory: the unpacked tree is a cache, and is replaced."""
    data_home = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(data_home) if os.path.isabs(data_home) else Path.home() / ".local/share"
    return base / NAME / "documents.db"


# The database


class DatabaseError(Exception):
    """The database can't be used; the message says why."""


class Store:
    """Documents and their vectors in one SQLite file. Each call has a connection of its own."""

    def __init__(self, path: Path, embeddings: Embeddings) -> None:
        self.path = path
        self.embeddings = embeddings

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=10)) as connection:
            connection.enable_load_extension(True)
            sqlite_vec.load(connection)
            connection.enable_load_extension(False)
            with connection:
                yield connection

    def migrate(self) -> None:
        """Applies the migrations that the database has not seen, in the order of their names.

        `user_version` counts those applied. A database that counts more than there are
        belongs to a newer version of this program, which is not to be spoilt.
        """
        scripts = sorted(data_directory("migrations").glob("*.sql"))
        with self.connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            (applied,) = connection.execute("PRAGMA user_version").fetchone()
            if applied > len(scripts):
                raise DatabaseError(
                    f"{self.path} was made by a newer version of {NAME}"
                    f" (it has {applied} migrations, {VERSION} knows {len(scripts)});"
                    " use that version, or another --database"
                )
            for script in scripts[applied:]:
                # Not executescript(), which would commit before it begins.
                for statement in statements(script.read_text("utf-8")):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(scripts)}")

    def add(self, text: str) -> int:
        vector = sqlite_vec.serialize_float32(self.embeddings.embed_query(text))
        with self.connect() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO documents (text) VALUES (?)", (text,)
            )
            (key,) = connection.execute(
                "SELECT id FROM documents WHERE text = ?", (text,)
            ).fetchone()
            connection.execute("DELETE FROM vectors WHERE document_id = ?", (key,))
            connection.execute("INSERT INTO vectors VALUES (?, ?)", (key, vector))
        return key

    def nearest(self, text: str) -> list[Document]:
        vector = sqlite_vec.serialize_float32(self.embeddings.embed_query(text))
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT document_id, distance, documents.text FROM vectors"
                " JOIN documents ON documents.id = document_id"
                " WHERE embedding MATCH ? AND k = ? ORDER BY distance",
                (vector, NEAREST),
            ).fetchall()
        return [
            Document(text, metadata={"id": key, "distance": distance})
            for key, distance, text in rows
            if distance <= FARTHEST
        ]

    def remember(self, question: str, answer: str) -> None:
        with self.connect() as connection:
            connection.execute(
                "INSERT INTO questions (text, answer) VALUES (?, ?)", (question, answer)
            )

    def state(self) -> dict[str, Any]:
        with self.connect() as connection:
            (extension,) = connection.execute("SELECT vec_version()").fetchone()
            (documents,) = connection.execute(
                "SELECT count(*) FROM documents"
            ).fetchone()
            (migrations,) = connection.execute("PRAGMA user_version").fetchone()
        return {
            "sqlite_vec": extension,
            "documents": documents,
            "migrations": migrations,
        }


def statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


class HashedWords(Embeddings):
    """Each word adds to one of the vector's dimensions, which its hash chooses."""

    def embed_query(self, text: str) -> list[float]:
        vector = [0.0] * DIMENSIONS
        for word in re.findall(r"\w+", text.lower()):
            digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
            number = int.from_bytes(digest, "little")
            vector[number % DIMENSIONS] += 1.0 if number >> 63 else -1.0
        length = math.hypot(*vector)
        return [value / length for value in vector] if length else vector

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


# The graph


class State(TypedDict, total=False):
    question: str
    found: list[Document]
    answer: str


def create_graph(store: Store) -> Any:
    """question -> retrieve -> answer, or apologize where nothing is near -> remember"""

    def retrieve(state: State) -> State:
        return {"found": store.nearest(state["question"])}

    def answer(state: State) -> State:
        return {"answer": state["found"][0].page_content}

    def apologize(state: State) -> State:
        return {"answer": "no document is about that"}

    def remember(state: State) -> State:
        store.remember(state["question"], state["answer"])
        return {}

    graph = StateGraph(State)
    for node in (retrieve, answer, apologize, remember):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "retrieve")
    graph.add_conditional_edges(
        "retrieve", lambda state: "answer" if state["found"] else "apologize"
    )
    graph.add_edge("answer", "remember")
    graph.add_edge("apologize", "remember")
    graph.add_edge("remember", END)
    return graph.compile()


# The API

Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)
]


class NewDocument(BaseModel):
    text: Text


class Question(BaseModel):
    question: Text


class Source(BaseModel):
    id: int
    distance: float
    text: str


class Answer(BaseModel):
    answer: str
    sources: list[Source]


def create_app(store: Store) -> FastAPI:
    # The documentation pages load their scripts from a CDN.
    app = FastAPI(title=NAME, version=VERSION, docs_url=None, redoc_url=None)
    graph = create_graph(store)

    # Plain functions: FastAPI runs them in threads, where SQLite may wait.
    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(data_directory("page") / "index.html")

    @app.get("/api/health")
    def health() -> dict[str, Any]:
        return {"status": "ok", "version": VERSION, "pid": os.getpid(), **store.state()}

    @app.post("/api/documents", status_code=201)
    def add_document(new: NewDocument) -> dict[str, int]:
        return {"id": store.add(new.text)}

    @app.post("/api/ask")
    def ask(asked: Question) -> Answer:
        state = graph.invoke({"question": asked.question})
        sources = [
            Source(text=found.page_content, **found.metadata)
            for found in state["found"]
        ]
        return Answer(answer=state["answer"], sources=sources)

    return app


# Running it


def fail(message: object, status: int) -> int:
    print(f"{NAME}: {message}", file=sys.stderr)
    return status


def reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is taken; is it running already? --port 0 takes a free one"
    return error.strerror or str(error)


def open_listener(host: str, port: int) -> socket.socket:
    """The socket that the launcher or a service manager passed (`sd_listen_fds(3)`), else a new one."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        return socket.socket(fileno=3)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def serve(host: str, port: int, database: Path) -> int:
    store = Store(database, HashedWords())
    try:
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        store.migrate()
    except DatabaseError as error:
        return fail(error, 1)
    except (OSError, sqlite3.Error) as error:
        return fail(f"{database}: {error}", 1)

    try:
        # Before uvicorn starts, so that this is the last line that the shell sees.
        listener = open_listener(host, port)
    except OSError as error:
        return fail(f"cannot listen on {host} port {port}: {reason(error)}", 3)

    config = uvicorn.Config(
        create_app(store),
        log_level="info",
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = Server(config)
    # uvicorn raises the signals again after it has stopped; a stop that was asked for
    # is to exit with 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    server.run(sockets=[listener])
    return 0 if server.started else 1


class Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            print(f"listening on {address_of(sockets[0])}", flush=True)


def address_of(listener: socket.socket) -> str:
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"http://{host}:{name[1]}"


def port_number(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


port_number.__name__ = "port"  # argparse names it in its message


def main() -> int:
    parser = argparse.ArgumentParser(
        prog=NAME, description="Answers from its own documents."
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=8742,
        help="port to listen on, 0 for a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--database",
        type=Path,
        metavar="PATH",
        help=f"the documents (default: {NAME}/documents.db in the user's data directory)",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
    arguments = parser.parse_args()
    try:
        database = arguments.database or default_database()
    except RuntimeError as error:  # no home directory
        return fail(f"{error}; give --database", 2)
    return serve(arguments.host, arguments.port, database.absolute())


if __name__ == "__main__":
    sys.exit(main())
