"""Version 1 of a server runs, version 2 is launched and cleans up: version 1 can still import what
it had not touched."""

from __future__ import annotations

import functools
import os
import random
import sys
import time
import unittest
from typing import Callable, Iterable, Sequence

from examples import Server
from points import Points
from spec_support import SpecCase, application, pack_spec
from support import Onefile, Result, bare_environment, listing, remove_tree, scratch, tree_state

#: A server that imports a module when it is asked to, and says where from.
SERVER = """
import http.server, importlib, json, os, sys, version

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        loaded = sorted(sys.modules)
        said = {"version": version.VERSION, "pid": os.getpid(), "root": os.environ["ONEFOLD_ROOT"]}
        if self.path != "/":
            name = self.path[1:]
            said["was_loaded"] = name in loaded
            module = importlib.import_module(name)
            said["file"] = module.__file__
            said["value"] = getattr(module, "VALUE", None)
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""

#: Modules of the interpreter that the server does not need: in Python, and shared libraries.
LATE = (
    *("xml.dom.minidom", "_lsprof", "wave", "_sqlite3", "tomllib", "_multiprocessing", "colorsys"),
    *(
        "zipapp",
        "_elementtree",
        "sndhdr" if sys.version_info < (3, 13) else "sched",
        "xmlrpc.client",
    ),
    *("plistlib", "graphlib", "fileinput", "cmd", "csv"),
)

DAY = 86_400
#: For how long a tree is kept that nobody uses, and how many of an application in any case
#: (docs/launch.md).
KEEP_DAYS, KEEP_NEWEST = 30, 2


@functools.lru_cache(maxsize=None)
def packed_version(version: str) -> Onefile:
    modules = {f"late_{i}.py": f"VALUE = {version!r}\n" for i in range(len(LATE))}
    directory = application(
        scratch() / "upgraded" / version,
        {"server.py": SERVER, "version.py": f"VERSION = {version!r}\n", **modules},
        app={"name": "upgraded", "version": version},
        data=[{"source": name} for name in ("version.py", *modules)],
        launch={"script": "server.py"},
    )
    return pack_spec(directory)


class Versions(Points, SpecCase):
    """Versions of a server, and what runs of them."""

    numbers: Sequence[str]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.packed = {version: packed_version(version) for version in cls.numbers}

    def setUp(self) -> None:
        super().setUp()
        #: How many late modules each server was asked for.
        self.asked: dict[int, int] = {}
        self.started = 0

    def serve(self, version: str) -> Server:
        """Launches it; it serves."""
        self.started += 1
        directory = self.work / f"output {self.started}"
        environment = bare_environment({"ONEFOLD_CACHE": self.cache, "HOME": self.work})
        server = Server(self.packed[version].command(), directory, environment)
        self.addCleanup(server.reap)
        self.assertEqual(server.wait("/").status, 200)
        self.assertServes(server, version)
        return server

    def assertServes(self, server: Server, version: str) -> None:
        """It imports what it had not touched, and gets its own version's."""
        number = self.asked.get(server.process.pid, 0)
        self.asked[server.process.pid] = number + 1
        tree = os.fspath(self.packed[version].tree(self.cache))
        own = f"late_{number}"
        for name in (own, LATE[number]):
            answer = server.request("GET", f"/{name}")
            self.assertEqual(answer.status, 200, (name, server.last_lines()))
            said = answer.json
            self.assertEqual((said["version"], said["pid"]), (version, server.process.pid))
            self.assertEqual((said["root"], said["was_loaded"]), (tree, False), name)
            self.assertTrue(said["file"].startswith(f"{tree}/"), said)
            if name == own:
                self.assertEqual(said["value"], version)

    def ask(self, version: str, verb: str) -> Result:
        return self.packed[version].launch(cache=self.cache, verb=verb)

    def assertTrees(self, versions: Iterable[str]) -> None:
        names = [self.packed[version].tree_name for version in versions]
        self.assertEqual(listing(self.cache), sorted(names))

    def unused(self, days: float, *versions: str) -> None:
        """As if they had been launched last so many days ago."""
        now = time.time()
        for version in versions:
            os.utime(self.cache / self.packed[version].tree_name, (now, now - days * DAY))


class Upgrade(Versions):
    numbers = ("1.0", "2.0", "3.0")

    def test_versions_have_trees_of_their_own(self) -> None:
        first = self.serve("1.0")
        before = tree_state(self.packed["1.0"].tree(self.cache))
        second = self.serve("2.0")
        self.assertTrees(["1.0", "2.0"])
        # The interpreter is one file in both trees.
        roots = [self.packed[version].tree(self.cache) for version in ("1.0", "2.0")]
        programs = [next((root / "bin").glob("python3.*")) for root in roots]
        self.assertTrue(programs[0].samefile(programs[1]))
        self.assertServes(first, "1.0")
        # The old version can't be removed by hand while it runs, and can after that.
        self.assertRefused(self.ask("1.0", "clean"), "is in use")
        self.assertSameTree(self.packed["1.0"].tree(self.cache), before)
        self.assertServes(first, "1.0")
        first.end()
        self.assertEqual(self.ask("1.0", "clean").returncode, 0)
        self.assertTrees(["2.0"])
        self.assertServes(second, "2.0")
        # And back again.
        self.assertServes(self.serve("1.0"), "1.0")
        self.assertTrees(["1.0", "2.0"])

    # Clean-up

    def collect(self, version: str) -> None:
        result = self.ask(version, "gc")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_first_launch_cleans_up_and_leaves_what_runs(self) -> None:
        first = self.serve("1.0")
        self.serve("2.0").end()
        # Old, and not among the newest two once the third is there.
        self.unused(40, "1.0")
        self.unused(35, "2.0")
        before = tree_state(self.packed["1.0"].tree(self.cache))
        third = self.serve("3.0")
        self.assertTrees(["1.0", "2.0", "3.0"])
        self.assertSameTree(self.packed["1.0"].tree(self.cache), before)
        self.assertServes(first, "1.0")
        self.assertServes(third, "3.0")
        # Nobody uses it any more: the next clean-up removes it, and what is among the newest two
        # stays.
        first.end()
        self.collect("3.0")
        self.assertTrees(["2.0", "3.0"])
        self.assertServes(third, "3.0")

    def test_the_next_first_launch_removes_what_nobody_uses(self) -> None:
        for version in ("1.0", "2.0"):
            self.serve(version).end()
        self.unused(41, "1.0")
        self.unused(40, "2.0")
        third = self.serve("3.0")
        self.assertTrees(["2.0", "3.0"])
        self.assertServes(third, "3.0")

    def test_recently_used_trees_stay_and_a_launch_is_a_use(self) -> None:
        for version in ("1.0", "2.0", "3.0"):
            self.serve(version).end()
        self.unused(29, "1.0")
        self.collect("3.0")
        self.assertTrees(["1.0", "2.0", "3.0"])
        self.unused(40, "1.0")
        self.serve("1.0").end()
        self.collect("3.0")
        self.assertTrees(["1.0", "2.0", "3.0"])


class Walk(Versions):
    """Versions are launched, end, grow old and are cleaned up in random order. A model says which
    trees have to be there."""

    what = "random upgrades of a Python server"
    numbers = ("1.0", "2.0", "3.0", "4.0")
    steps = 14

    def setUp(self) -> None:
        super().setUp()
        self.running: dict[Server, str] = {}
        #: Days for which each tree that is there was not used.
        self.ages: dict[str, float] = {}
        self.counts = {"launches": 0, "imports": 0, "removed": 0}

    def note(self) -> str:
        counts = self.counts
        return (
            f"{self.steps} steps each; {counts['launches']} launches, {counts['imports']} late imports,"
            f" {counts['removed']} trees removed"
        )

    def points(self, full: bool) -> Iterable[str]:
        return map(str, range(40 if full else 1))

    def attempt(self, point: str) -> bool:
        random_number = random.Random(point)
        removed = self.counts["removed"]
        try:
            for _ in range(self.steps):
                random_number.choice(self.actions())(random_number)
                self.assertTrees(self.ages)
                for server, version in self.running.items():
                    self.assertServes(server, version)
                    self.counts["imports"] += 2
        finally:
            for server in self.running:
                server.reap()
            self.running.clear()
            self.ages.clear()
            if self.cache.exists():
                remove_tree(self.cache)
        return self.counts["removed"] > removed

    def actions(self) -> Sequence[Callable[[random.Random], None]]:
        launches, ages = [self.launch_one] * 3, [self.age] * 2
        return [*launches, *ages, self.end, self.end, self.collect, self.clean]

    def launch_one(self, random_number: random.Random) -> None:
        if len(self.running) == 3:
            return
        version = random_number.choice(self.numbers)
        is_first = version not in self.ages
        self.running[self.serve(version)] = version
        self.counts["launches"] += 1
        self.ages[version] = 0
        if is_first:
            self.expect_clean_up()

    def end(self, random_number: random.Random) -> None:
        if self.running:
            server = random_number.choice(list(self.running))
            server.end()
            del self.running[server]

    def age(self, random_number: random.Random) -> None:
        """Time goes by."""
        for version in self.ages:
            # Never two alike, so that it is certain which one is the newest.
            self.ages[version] += random_number.choice((2, 20, 50)) + random_number.random()
            self.unused(self.ages[version], version)

    def collect(self, random_number: random.Random) -> None:
        if self.ages:
            self.assertEqual(self.ask(random_number.choice(self.numbers), "gc").returncode, 0)
            self.expect_clean_up()

    def clean(self, random_number: random.Random) -> None:
        version = random_number.choice(self.numbers)
        result = self.ask(version, "clean")
        if version in self.running.values():
            self.assertRefused(result, "is in use")
        else:
            self.assertEqual(result.returncode, 0, result.stderr)
            if self.ages.pop(version, None) is not None:
                self.counts["removed"] += 1

    def expect_clean_up(self) -> None:
        newest = sorted(self.ages, key=self.ages.__getitem__)[:KEEP_NEWEST]
        for version, days in list(self.ages.items()):
            is_kept = version in newest or version in self.running.values()
            if days > KEEP_DAYS and not is_kept:
                del self.ages[version]
                self.counts["removed"] += 1

    def test_random_upgrades(self) -> None:
        self.try_some()


if __name__ == "__main__":
    unittest.main()
