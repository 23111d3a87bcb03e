"""Imports the modules of each distribution by themselves: no process has those of a distribution that this one does not require.

usage: import_groups.py SECONDS PLAN

PLAN has a line "distribution NAME FILES" for each, then "requires NAME" and "module NAME" for what it requires and has; FILES is the number
of its files. Prints "ok MODULE" for each that could be imported, in any order. What is missing there must be tried again alone: it could
not be imported, took longer than SECONDS, or ended its process. Prints "library DISTRIBUTION PATH" for each shared library from
outside of the tree that its imports mapped; "-" is the standard library.

What other distributions require is imported once: the process that has imported it is forked for each of them
(docs/decisions/0033-smoke-imports.md).
"""

import faulthandler
import fcntl
import gc
import importlib
import os
import sys
import tempfile
import time

SECONDS = int(sys.argv[1])
# What a module prints when it is imported, or what it starts, must not mix with the report.
OUT = os.dup(1)
CPUS = len(os.sched_getaffinity(0))
# A locked byte for each CPU: the kernel unlocks that of a process that ends.
SLOTS = tempfile.TemporaryFile()
ROOT = os.path.realpath(sys.prefix) + os.sep

#: Modules of the standard library that most programs import: they need not be imported in each process.
COMMON = """
argparse asyncio base64 bisect calendar collections.abc concurrent.futures configparser contextlib contextvars copy csv
ctypes dataclasses datetime decimal difflib email.message email.parser email.utils enum fractions functools getpass gettext
glob gzip hashlib heapq hmac html http.client http.cookies http.server importlib.metadata importlib.util inspect ipaddress
json locale logging.config logging.handlers mimetypes multiprocessing numbers pathlib pickle pkgutil platform pprint queue
random secrets selectors shlex shutil signal socketserver sqlite3 ssl statistics string subprocess tarfile tempfile textwrap
threading tokenize traceback typing unittest.mock urllib.request uuid warnings weakref xml.etree.ElementTree zipfile
"""


class Distribution:
    def __init__(self, name, files):
        self.name = name
        self.files = files
        self.requires = set()
        self.modules = []
        #: All that it requires, directly or not.
        self.closure = set()


def read_plan(path):
    found = {}
    with open(path, encoding="utf-8", errors="surrogateescape") as plan:
        for line in plan:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "distribution":
                name, _, files = rest.partition(" ")
                one = found[name] = Distribution(name, int(files))
            elif word == "requires":
                one.requires.add(rest)
            else:
                one.modules.append(rest)
    for one in found.values():
        todo = [one.name]
        while todo:
            for name in found[todo.pop()].requires & found.keys() - one.closure - {one.name}:
                one.closure.add(name)
                todo.append(name)
    return found


def say(word, *values):
    os.write(OUT, os.fsencode(" ".join((word,) + values) + "\n"))


def take_slot():
    while True:
        for number in range(CPUS):
            try:
                fcntl.lockf(SLOTS, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
                return number
            except OSError:
                continue
        time.sleep(0.003)


def import_modules(modules):
    """Imports them one after another; whether each could be."""
    slot = take_slot()
    is_whole = True
    for name in modules:
        # It is a thread of its own in C, which also ends what never gives the interpreter's lock back.
        faulthandler.dump_traceback_later(SECONDS, exit=True, file=2)
        try:
            importlib.import_module(name)
            say("ok", name)
        except BaseException:
            is_whole = False
        finally:
            faulthandler.cancel_dump_traceback_later()
    fcntl.lockf(SLOTS, fcntl.LOCK_UN, 1, slot)
    return is_whole


def foreign_libraries():
    """The shared libraries that are mapped from outside of the tree."""
    found = set()
    with open("/proc/self/maps", "rb") as maps:
        for line in maps:
            fields = line.rstrip(b"\n").split(None, 5)
            path = os.fsdecode(fields[5]) if len(fields) > 5 else ""
            if b"x" in fields[1] and path.startswith("/") and not path.startswith(ROOT):
                found.add(path)
    return found


class Process:
    """What this process has imported, and the children that it forks."""

    def __init__(self):
        self.loaded = set()
        self.libraries = foreign_libraries()
        #: By process id: what a child imports, and those for which it is forked again.
        self.running = {}
        #: What others can't be forked from: it fails, or it starts threads.
        self.avoided = set()

    def explore(self, todo):
        """Has the distributions imported in processes that have nothing which they do not require."""
        while todo or self.running:
            if not todo or len(self.running) >= CPUS:
                todo += self.wait()
                continue
            one = self.most_required(todo)
            users = [other for other in todo if one.name in other.closure and other is not one]
            if one.name in self.avoided:
                users = []
            todo = [other for other in todo if other is not one and other not in users]
            self.fork(one, users)

    def most_required(self, todo):
        """What saves most where it is imported once for all that require it. Files stand for the time that imports take."""

        def saved(one):
            if one.name in self.avoided:
                return (0, one.name)
            users = sum(one.name in other.closure for other in todo)
            new = ({one.name} | one.closure) - self.loaded
            return (users * sum(sizes.get(name, 0) for name in new), one.name)

        return max(todo, key=saved)

    def fork(self, one, users):
        """Imports one in a process of its own, and from there those that require it."""
        number = os.fork()
        if number:
            self.running[number] = (one, users)
            return
        status = 1
        try:
            self.running = {}
            is_whole = import_modules(one.modules)
            libraries = foreign_libraries()
            for path in libraries - self.libraries:
                say("library", one.name, path)
            self.libraries = libraries
            if is_whole and users and len(os.listdir("/proc/self/task")) == 1:
                self.loaded |= {one.name} | one.closure
                gc.freeze()
                self.explore(users)
                users = []
            status = 1 if users else 0
        finally:
            # Threads and exit handlers of what was imported are not tested here.
            os._exit(status)

    def wait(self):
        """Waits for a child; returns those that must be imported without what it has."""
        number, status = os.wait()
        one, users = self.running.pop(number, (None, []))
        if status == 0 or not users:
            return []
        self.avoided.add(one.name)
        return users


distributions = read_plan(sys.argv[2])
sizes = {one.name: one.files for one in distributions.values()}
null = os.open(os.devnull, os.O_WRONLY)
os.dup2(null, 1)
os.dup2(null, 2)
# Objects that are imported stay, and looking at them would copy them in each child.
gc.disable()
for module in COMMON.split():
    try:
        importlib.import_module(module)
    except Exception:
        pass
gc.freeze()
for path in foreign_libraries():
    say("library", "-", path)
Process().explore([one for one in distributions.values() if one.modules])
os._exit(0)
