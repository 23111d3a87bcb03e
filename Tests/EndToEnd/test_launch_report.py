"""What a launch tells of itself: progress as JSON lines, the trace; and how it ends with its parent."""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time
import unittest
from collections import Counter
from pathlib import Path
from typing import Any, Optional, Sequence

import catalogue
from support import (
    REPOSITORY,
    Case,
    Directory,
    File,
    Onefile,
    Result,
    StrPath,
    Symlink,
    assert_remains,
    bare_environment,
    listing,
    make_tree,
    noise,
    onefold,
    pack,
    probe,
    program,
    start,
    strace,
    wait_until,
)

DOCUMENT = REPOSITORY / "docs" / "launch.md"


def section(title: str) -> str:
    """Of docs/launch.md."""
    text = DOCUMENT.read_text("utf-8")
    [content] = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return content


def table(title: str, head: str) -> list[str]:
    """The names in the first column of the table with that head."""
    rows = section(title).partition(f"| {head} |")[2].partition("\n\n")[0].splitlines()
    return [re.findall(r"`([^`]+)`", row.split("|")[1])[0] for row in rows[2:]]


class ReportCase(Case):
    """A tree of several frames, of which two workers have something each."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.tree = make_tree(
            cls.shared / "tree",
            {
                "run": program(probe().read_bytes()),
                "large": noise(1_000_000),
                "directory/file": noise(100_000, "other"),
                "directory/link": Symlink("file"),
                b"directory/\xff": File(b"x", mode=0o600),
                "locked": Directory(0o700),
            },
        )
        cls.packed = cls.pack(cls.shared / "packed")

    @classmethod
    def pack(cls, output: Path, *options: StrPath) -> Onefile:
        name = ("--name", "app", "--app-version", "1 'β\"")
        return pack(cls.tree, output, "--frame-size", "64", *name, *options)

    def launch(self, *arguments: StrPath, packed: Optional[Onefile] = None, **options: Any) -> Result:
        options.setdefault("cache", self.cache)
        return (packed or self.packed).launch(*arguments, **options)

    def damage(self, size: int = 999_999) -> None:
        with open(self.packed.tree(self.cache) / "large", "r+b") as file:
            file.truncate(size)


class Progress(ReportCase):
    def lines(self, data: bytes) -> list[dict[str, Any]]:
        """The events; each line is one, in UTF-8, without a number twice."""
        self.assertTrue(data.endswith(b"\n"), data)
        events = [json.loads(line) for line in data.decode("utf-8").splitlines()]
        for event in events:
            self.assertEqual(next(iter(event)), "event")
        return events

    def told(self, *arguments: StrPath, code: int = 0, **options: Any) -> list[dict[str, Any]]:
        """The events of a launch on a descriptor of its own, and that it said nothing else."""
        ours, theirs = os.pipe()
        environment = {"ONEFOLD_PROGRESS": f"json:{theirs}", **options.pop("environment", {})}
        result = self.launch(
            *arguments, environment=environment, pass_fds=[theirs], **options
        )
        os.close(theirs)
        with open(ours, "rb") as file:
            data = file.read()
        self.assertEqual(result.returncode, code, result.stderr)
        self.result = result
        return self.lines(data)

    def assertOrder(self, events: list[dict[str, Any]], *names: str) -> None:
        """Each kind of work begins with nothing or little and, but for a check that failed, ends whole."""
        seen = [event["event"] for event in events]
        self.assertEqual([name for i, name in enumerate(seen) if seen[i - 1 : i] != [name]], [*names])
        for one, next_one in zip(events, events[1:]):
            if one["event"] == next_one["event"]:
                self.assertLess(one["done"], next_one["done"])
                self.assertEqual(one["total"], next_one["total"])
        for event in events:
            if event["event"] in ("unpacking", "repairing", "checking"):
                self.assertEqual(sorted(event), ["done", "event", "total"])
                self.assertLessEqual(event["done"], event["total"])
        if names[-1] == "ready" and names[-2] != "start":
            self.assertEqual(events[-2]["done"], events[-2]["total"])

    START = {"event": "start", "name": "app", "version": "1 'β\""}

    def test_of_a_first_and_a_second_launch(self) -> None:
        events = self.told()
        self.assertOrder(events, "start", "unpacking", "ready")
        self.assertEqual(events[0], self.START)
        self.assertEqual(events[1]["done"], 0)
        size = sum(len(noise(count, seed)) for count, seed in ((1_000_000, "noise"), (100_000, "other")))
        self.assertEqual(events[1]["total"], size + 1 + len(probe().read_bytes()))
        self.assertEqual(events[-1], {"event": "ready", "unpacked": True})
        self.assertEqual(self.result.stdout, b"hello\n")
        ready = {"event": "ready", "unpacked": False}
        self.assertEqual(self.told(), [self.START, ready])

    def test_of_checks_and_repairs(self) -> None:
        self.launch()
        events = self.told(environment={"ONEFOLD_CHECK": "full"})
        self.assertOrder(events, "start", "checking", "ready")
        self.damage()
        events = self.told(environment={"ONEFOLD_CHECK": "full"})
        names = [event["event"] for event in events]
        self.assertIn("repairing", names)
        self.assertNotIn("unpacking", names)
        self.assertEqual(names[-1], "ready")
        self.assertEqual(events[-2]["done"], events[-2]["total"])

    def test_of_waiting(self) -> None:
        slow = strace(self.new_directory(), self.packed.command(), "pwrite64", ["pwrite64:delay_enter=20000"])
        first = start(slow, environment={"ONEFOLD_CACHE": self.cache})
        wait_until(lambda: any(name.endswith(".lock") for name in listing(self.cache)), "the lock")
        events = self.told()
        first.communicate()
        self.assertEqual([event["event"] for event in events], ["start", "waiting", "ready"])
        self.assertFalse(events[-1]["unpacked"])

    def test_on_stderr_there_is_no_line_for_a_terminal(self) -> None:
        slow = strace(self.work, self.packed.command(), "pwrite64", ["pwrite64:delay_enter=50000"])
        ours, theirs = os.openpty()
        environment = {"ONEFOLD_CACHE": self.cache, "ONEFOLD_PROGRESS": "json"}
        process = start(slow, environment=environment, stderr=theirs)
        output, _ = process.communicate()
        os.close(theirs)
        shown = b""
        while select.select([ours], [], [], 0)[0]:
            try:
                shown += os.read(ours, 65_536).replace(b"\r\n", b"\n")
            except OSError:
                break
        os.close(ours)
        self.assertEqual((process.returncode, output), (0, b"hello\n"))
        self.assertNotIn(b"\r", shown)
        events = self.lines(shown)
        self.assertOrder(events, "start", "unpacking", "ready")
        # 20 and more frames of 50 ms each, which two workers write.
        self.assertGreater(len(events), 5)

    def test_of_verbs(self) -> None:
        for verb, names in (
            ("extract", ["start", "unpacking", "ready"]),
            ("prewarm", ["start", "unpacking", "ready"]),
            ("prewarm", ["start", "ready"]),
            ("verify", ["start", "checking", "ready"]),
            ("trace", ["start", "ready"]),
        ):
            with self.subTest(verb):
                arguments = [self.work / "new"] if verb == "extract" else []
                self.assertOrder(self.told(*arguments, verb=verb), *names)

    def test_of_failures(self) -> None:
        copy = self.packed.copy(self.work / "copy")
        with open(copy.path, "r+b") as file:
            file.truncate(copy.path.stat().st_size - 5000)
        [event] = self.told(packed=copy, code=125)
        self.assertEqual((event["event"], event["code"]), ("failed", 125))
        self.assertIn("holds no payload", event["message"])
        self.assertEqual(self.result.stderr, f"onefold: {event['message']}\n".encode())
        [event] = self.told(code=125, verb="no verb")
        self.assertEqual((event["event"], event["code"]), ("failed", 125))

    def test_of_paths_that_are_not_utf_8(self) -> None:
        cache = os.fsencode(self.work) + b'/\xff"\\\n\'\xc3\xa9'
        Path(os.fsdecode(cache)).write_bytes(b"")
        events = self.told(cache=cache, code=125)
        self.assertOrder(events, "start", "failed")
        self.assertIn('\\xff"\\x5c\\x0a\\x27é', events[-1]["message"])
        self.assertIn(events[-1]["message"].encode(), self.result.stderr)

    def test_of_an_entry_that_can_not_be_executed(self) -> None:
        tree = make_tree(self.work / "tree", {"run": program(b"#!/no/such/interpreter\n")})
        events = self.told(packed=pack(tree, self.work / "packed"), code=126)
        self.assertEqual([event["event"] for event in events][-2:], ["ready", "failed"])
        self.assertEqual(events[-1]["code"], 126)

    def test_of_a_signal(self) -> None:
        ours, theirs = os.pipe()
        environment = {"ONEFOLD_PROGRESS": f"json:{theirs}"}
        traced = self.packed.trace(
            cache=self.cache, calls="pwrite64", inject=["pwrite64:signal=SIGTERM:when=2"],
            environment=environment, pass_fds=[theirs],
        )  # fmt: skip
        os.close(theirs)
        with open(ours, "rb") as file:
            events = self.lines(file.read())
        self.assertEqual(traced.result.returncode, -signal.SIGTERM)
        self.assertEqual((events[-1]["event"], events[-1]["signal"]), ("failed", signal.SIGTERM))
        self.assertNothingLeft()

    # The reader

    def test_it_sees_the_end_when_the_program_starts(self) -> None:
        for kind in ("pipe", "socket"):
            with self.subTest(kind):
                if kind == "pipe":
                    ours, theirs = os.pipe()
                else:
                    ours, theirs = (end.detach() for end in socket.socketpair())
                environment = {"ONEFOLD_PROGRESS": f"json:{theirs}"}
                process = self.packed.start(
                    "wait", cache=self.cache, environment=environment, pass_fds=[theirs]
                )
                os.close(theirs)
                with open(ours, "rb") as file:
                    events = self.lines(file.read())
                self.assertEqual(events[-1]["event"], "ready")
                # The program runs on.
                self.assertIsNone(process.poll())
                process.communicate()

    def test_one_that_does_not_read_is_not_waited_for(self) -> None:
        """Until the end, where it may be about to: then for a second."""
        for blocking in (True, False):
            with self.subTest(blocking=blocking):
                ours, theirs = os.pipe()
                os.set_blocking(theirs, False)
                while True:
                    try:
                        os.write(theirs, b"." * 65_536)
                    except BlockingIOError:
                        break
                os.set_blocking(theirs, blocking)
                environment = {"ONEFOLD_PROGRESS": f"json:{theirs}"}
                result = self.launch(environment=environment, pass_fds=[theirs])
                self.assertLaunched(result)
                os.close(theirs)
                with open(ours, "rb") as file:
                    self.assertEqual(set(file.read()), {ord(".")})

    def test_one_that_reads_late_gets_the_end_of_it(self) -> None:
        ours, theirs = os.pipe()
        os.set_blocking(theirs, False)
        count = 0
        while True:
            try:
                count += os.write(theirs, b"." * 65_536)
            except BlockingIOError:
                break
        os.set_blocking(theirs, True)
        slow = strace(self.new_directory(), self.packed.command("hello"), "poll", ["poll:delay_enter=100000"])
        environment = {"ONEFOLD_CACHE": self.cache, "ONEFOLD_PROGRESS": f"json:{theirs}"}
        process = start(slow, environment=environment, pass_fds=[theirs])
        os.close(theirs)
        # The launch has reached the last of its lines when the tree is there.
        wait_until(lambda: self.packed.tree(self.cache).exists(), "the tree")
        data = b""
        with open(ours, "rb") as file:
            data = file.read()
        output, _ = process.communicate()
        self.assertEqual((process.returncode, output), (0, b"hello\n"))
        events = self.lines(data[count:])
        self.assertEqual(events[-1], {"event": "ready", "unpacked": True})

    def test_one_that_has_gone_is_ignored(self) -> None:
        for kind in ("pipe", "socket"):
            for cache in (self.cache, self.cache, self.work / "file"):
                with self.subTest(kind=kind, cache=cache.name):
                    if kind == "pipe":
                        ours, theirs = os.pipe()
                    else:
                        ours, theirs = (end.detach() for end in socket.socketpair())
                    os.close(ours)
                    (self.work / "file").write_bytes(b"")
                    result = self.launch(
                        "report",
                        cache=cache,
                        environment={"ONEFOLD_PROGRESS": f"json:{theirs}"},
                        pass_fds=[theirs],
                        restore_signals=True,
                    )
                    os.close(theirs)
                    if cache == self.cache:
                        self.assertEqual((result.returncode, result.stderr), (0, b""))
                        # Neither ignored nor blocked nor pending.
                        signals = dict(line.split() for line in result.stdout.splitlines() if line.startswith(b"Sig"))
                        for name in (b"SigIgn", b"SigBlk", b"SigPnd"):
                            self.assertEqual(int(bytes.fromhex(signals[name].decode()), 16), 0)
                    else:
                        self.assertRefused(result, "no directory to unpack to")

    def test_a_file_that_may_not_grow_is_no_harm(self) -> None:
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
        self.launch()
        with open(self.work / "lines", "wb") as file:
            result = self.launch(
                environment={"ONEFOLD_PROGRESS": f"json:{file.fileno()}"},
                pass_fds=[file.fileno()],
                prepare=limit,
            )
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.work / "lines").read_bytes(), b'{"event":"')

    # What is refused

    def test_unknown_values_are_refused(self) -> None:
        for value in ("yes", "JSON", "json:", "json:x", "json:-1", "json: 3", "json:1:2", "json:99999999999"):
            with self.subTest(value):
                result = self.launch(environment={"ONEFOLD_PROGRESS": value})
                self.assertRefused(result, "ONEFOLD_PROGRESS", "json or json:FD")
        self.assertFalse(self.cache.exists())

    def test_descriptors_that_are_not_open_for_writing_are_refused(self) -> None:
        with open(os.devnull, "rb") as file:
            for number in (7, 999_999_999, file.fileno()):
                result = self.launch(
                    environment={"ONEFOLD_PROGRESS": f"json:{number}"}, pass_fds=[file.fileno()]
                )
                self.assertRefused(result, f"descriptor {number} is not open for writing")
        self.assertFalse(self.cache.exists())

    def test_an_empty_value_is_none(self) -> None:
        self.assertLaunched(self.launch(environment={"ONEFOLD_PROGRESS": ""}))

    def test_events_are_documented(self) -> None:
        names = table("Progress", "event")
        self.assertEqual(sorted(names), sorted(catalogue.events()))


class Tracing(ReportCase):
    def setUp(self) -> None:
        super().setUp()
        self.file = self.work / "trace.json"

    def traced(self, *arguments: StrPath, code: int = 0, **options: Any) -> list[dict[str, Any]]:
        environment = {"ONEFOLD_TRACE": self.file, **options.pop("environment", {})}
        self.result = self.launch(*arguments, environment=environment, **options)
        self.assertEqual(self.result.returncode, code, self.result.stderr)
        return self.events()

    def events(self) -> list[dict[str, Any]]:
        return json.loads(self.file.read_text("utf-8"))

    def phases(self, events: list[dict[str, Any]]) -> list[str]:
        """Checks all events, and returns the names of the phases."""
        meta = [event for event in events if event["ph"] == "M"]
        complete = [event for event in events if event["ph"] == "X"]
        self.assertEqual(len(meta) + len(complete), len(events))
        [process] = {event["pid"] for event in events}
        named = {event["tid"] for event in meta if event["name"] == "thread_name"}
        self.assertEqual({event["tid"] for event in complete} - named, set())
        phases = [event for event in complete if event["cat"] == "phase"]
        work = [event for event in complete if event["cat"] == "work"]
        self.assertEqual(len(phases) + len(work), len(complete))
        self.assertEqual({event["tid"] for event in phases}, {process})
        # One begins where the one before it ends; floating-point numbers hold nanoseconds.
        for one, next_one in zip(phases, phases[1:]):
            self.assertAlmostEqual(one["ts"] + one["dur"], next_one["ts"], delta=0.002)
        whole = phases[-1]["ts"] + phases[-1]["dur"] - phases[0]["ts"]
        self.assertAlmostEqual(sum(event["dur"] for event in phases), whole, delta=0.01)
        self.assertWork(work, phases)
        self.assertLessEqual({event["name"] for event in phases}, set(table("Trace", "phase")))
        self.assertLessEqual({event["name"] for event in work}, set(table("Trace", "work")))
        return [event["name"] for event in phases]

    def assertWork(self, work: list[dict[str, Any]], phases: list[dict[str, Any]]) -> None:
        """Each step is in its frame, and each frame, and what belongs to none, in a phase."""
        inside = lambda a, b: (
            b["ts"] - 0.002 <= a["ts"] and a["ts"] + a["dur"] <= b["ts"] + b["dur"] + 0.002
        )
        frames = {event["args"]["frame"]: event for event in work if event["name"] == "frame"}
        for event in work:
            number = event["args"].get("frame")
            if event["name"] == "frame" or number is None:
                self.assertIn(event["name"], ("frame", "prepare"))
                self.assertTrue(any(inside(event, phase) for phase in phases), event)
            elif number in frames:
                frame = frames[number]
                self.assertEqual(event["tid"], frame["tid"])
                self.assertTrue(inside(event, frame), (event, frame))

    def test_of_a_first_launch(self) -> None:
        before = time.monotonic()
        events = self.traced()
        after = time.monotonic()
        self.assertEqual(self.result.stdout, b"hello\n")
        phases = self.phases(events)
        self.assertEqual((phases[0], phases[1], phases[-1]), ("read", "find", "exec"))
        for name in ("check", "plan", "lock", "unpack", "seal", "publish"):
            self.assertIn(name, phases)
        # All within what was seen from outside, by the same clock.
        self.assertGreater(events[-1]["ts"], before * 1e6)
        self.assertLess(max(e["ts"] + e["dur"] for e in events if e["ph"] == "X"), after * 1e6)
        work = [event for event in events if event.get("cat") == "work"]
        counts = Counter(event["name"] for event in work)
        frames = self.packed.summary["frames"]
        self.assertEqual(counts["frame"], frames)
        self.assertEqual(counts["read"], frames)
        self.assertEqual(counts["hash"], frames)
        self.assertEqual(counts["write"], frames)
        prepared = [e for e in work if e["name"] == "prepare" and "frame" not in e["args"]]
        self.assertEqual(len(prepared), 1)
        total = 1_100_001 + len(probe().read_bytes())
        for name in ("frame", "write"):
            self.assertEqual(sum(e["args"]["bytes"] for e in work if e["name"] == name), total)
        [unpack] = [e for e in events if e["name"] == "unpack"]
        self.assertEqual(unpack["args"]["bytes"], total)
        [title] = [e["args"]["name"] for e in events if e["name"] == "process_name"]
        self.assertEqual(title, "app")

    def test_of_a_second_launch(self) -> None:
        self.launch()
        self.assertEqual(self.phases(self.traced()), ["read", "find", "check", "exec"])

    def test_of_a_repair(self) -> None:
        self.launch()
        self.damage()
        phases = self.phases(self.traced(environment={"ONEFOLD_CHECK": "full"}))
        self.assertIn("unpack", phases)
        self.assertEqual(phases[-1], "exec")
        self.assertCacheHolds(self.packed, self.tree)

    def test_of_launches_that_fail(self) -> None:
        (self.work / "file").write_bytes(b"")
        phases = self.phases(self.traced(cache=self.work / "file", code=125))
        self.assertEqual(phases, ["read", "find"])
        copy = self.packed.copy(self.work / "copy")
        with open(copy.path, "r+b") as file:
            file.seek(copy.path.stat().st_size // 2)
            file.write(bytes(8))
        phases = self.phases(self.traced(packed=copy, code=125))
        self.assertEqual(phases[-2:], ["unpack", "clean up"])
        self.assertNothingLeft()
        self.assertEqual(self.phases(self.traced(verb="no verb", code=125)), ["read"])

    def test_of_a_launch_that_a_signal_ends(self) -> None:
        traced = self.packed.trace(
            cache=self.cache, calls="pwrite64", inject=["pwrite64:signal=SIGTERM:when=2"],
            environment={"ONEFOLD_TRACE": self.file},
        )  # fmt: skip
        self.assertEqual(traced.result.returncode, -signal.SIGTERM)
        self.assertIn("clean up", self.phases(self.events()))

    def test_of_verbs(self) -> None:
        for verb, names in (
            ("extract", {"read", "plan", "unpack", "publish"}),
            ("verify", {"read", "check"}),
            ("path", {"read"}),
        ):
            with self.subTest(verb):
                arguments = [self.work / "new"] if verb == "extract" else []
                self.assertEqual(set(self.phases(self.traced(*arguments, verb=verb))), names)

    def test_the_file_is_made_for_its_owner_or_written_anew(self) -> None:
        self.traced(umask=0)
        self.assertEqual(oct(self.file.stat().st_mode & 0o777), oct(0o600))
        self.file.write_bytes(b"x" * 1_000_000)
        self.file.chmod(0o644)
        self.phases(self.traced())
        self.assertEqual(oct(self.file.stat().st_mode & 0o777), oct(0o644))
        link = self.work / "link"
        link.symlink_to("trace.json")
        self.file.write_bytes(b"")
        self.launch(environment={"ONEFOLD_TRACE": "link"}, cwd=self.work)
        self.phases(self.events())
        self.assertTrue(link.is_symlink())

    def test_a_file_that_can_not_be_opened_is_refused_before_anything_is_done(self) -> None:
        for path in (self.work, self.work / "none" / "file"):
            result = self.launch(environment={"ONEFOLD_TRACE": path})
            self.assertRefused(result, path, "ONEFOLD_TRACE")
        self.assertFalse(self.cache.exists())

    def test_a_fifo_is_not_waited_for(self) -> None:
        os.mkfifo(self.file)
        result = self.launch(environment={"ONEFOLD_TRACE": self.file})
        self.assertRefused(result, self.file, "ONEFOLD_TRACE")
        reader = os.open(self.file, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        result = self.launch("exit", "0", environment={"ONEFOLD_TRACE": self.file})
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.phases(json.loads(os.read(reader, 1 << 16)))

    def test_a_file_that_can_not_be_written_is_a_warning(self) -> None:
        result = self.launch(environment={"ONEFOLD_TRACE": "/dev/full"})
        self.assertEqual((result.returncode, result.stdout), (0, b"hello\n"))
        self.assertRegex(result.stderr, rb"\Aonefold: cannot write '/dev/full': [^\n]+\n\Z")

    def test_it_does_not_reach_the_program(self) -> None:
        self.traced("report")
        descriptors = [l for l in self.result.stdout.splitlines() if l.startswith(b"fd-")]
        self.assertEqual(len(descriptors), 5)

    def test_the_verb_shows_a_table_and_runs_nothing(self) -> None:
        for moment in ("first", "second"):
            with self.subTest(moment):
                traced = self.packed.trace(cache=self.cache, verb="trace")
                self.assertEqual((traced.result.returncode, traced.result.stderr), (0, b""))
                self.assertEqual(traced.count("execve"), 1)
                self.assertCacheHolds(self.packed, self.tree)
                phases, _, work = traced.result.stdout.decode().partition("\n\n")
                head, *rows = phases.splitlines()
                self.assertEqual(head.split(), ["phase", "ms", "share", "bytes", "MB/s"])
                self.assertRows(rows)
                self.assertEqual(moment == "first", bool(work))
                if work:
                    title, *rows = work.splitlines()
                    self.assertRegex(title, r"\Aworkers: \d+; together\Z")
                    names = self.assertRows(rows)
                    self.assertLessEqual({"read", "hash", "write"}, set(names))

    def assertRows(self, rows: list[str]) -> list[str]:
        """Times that add up to the total, but for what is rounded off."""
        pattern = r"([a-z ]+?) +(\d+\.\d{3}) +(\d+\.\d) %(?: +([\d,]+) +(\d+))?"
        parsed = [re.fullmatch(pattern, row) for row in rows]
        self.assertNotIn(None, parsed, rows)
        times = [float(match[2]) for match in parsed]
        self.assertEqual(parsed[-1][1], "total")
        self.assertAlmostEqual(sum(times[:-1]), times[-1], delta=0.001 * len(rows))
        self.assertEqual(len({match.end(2) for match in parsed}), 1)
        return [match[1] for match in parsed]

    def test_names_are_documented(self) -> None:
        documented = table("Trace", "phase") + table("Trace", "work")
        self.assertEqual(sorted({*documented}), sorted(catalogue.texts("timeline")))


class Files(ReportCase):
    def test_lists_what_onefold_inspect_lists(self) -> None:
        result = self.launch(verb="files")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        inspected = onefold("inspect", "--files", self.packed.path)
        _, _, entries = inspected.stdout.partition(b"\n\n")
        self.assertEqual(result.stdout, entries)
        self.assertIn(b" 600               1 directory/\\xff\n", result.stdout)
        self.assertIn(b" 755               0 ./\n", result.stdout)
        self.assertIn(b" directory/link -> file\n", result.stdout)
        self.assertFalse(self.cache.exists())

    def test_lists_many(self) -> None:
        tree = make_tree(self.work / "tree", {"run": program(), **{f"{i:0200}": b"" for i in range(1000)}})
        packed = pack(tree, self.work / "packed")
        result = self.launch(packed=packed, verb="files")
        self.assertEqual(len(result.stdout.splitlines()), 1002)


class Settings(ReportCase):
    def test_they_do_not_reach_the_program(self) -> None:
        environment = {
            "ONEFOLD": "",
            "ONEFOLD_PROGRESS": "json:1",
            "ONEFOLD_TRACE": os.devnull,
            "ONEFOLD_DIE_WITH_PARENT": "0",
            "ONEFOLD_CHECK": "dirs",
            "ONEFOLD_TRACER": "not ours",
        }
        result = self.launch("report", environment=environment)
        lines = [line.split() for line in result.stdout.splitlines() if line.startswith(b"environment ")]
        given = {bytes.fromhex(words[1].decode()) for words in lines}
        expected = {
            b"PATH=" + os.fsencode(bare_environment({})["PATH"]),
            b"ONEFOLD_CACHE=" + os.fsencode(self.cache),
            b"ONEFOLD_CHECK=dirs",
            b"ONEFOLD_TRACER=not ours",
            b"ONEFOLD_EXE=" + os.fsencode(self.packed.path),
            b"ONEFOLD_ROOT=" + os.fsencode(self.packed.tree(self.cache)),
            b"ONEFOLD_APP_NAME=app",
            b"ONEFOLD_APP_VERSION=" + "1 'β\"".encode(),
            b"ONEFOLD_ARGV0=" + os.fsencode(self.packed.path),
        }
        self.assertEqual(given, expected)
        self.assertEqual(len(lines), len(expected))


#: Starts its arguments and waits, until it is killed. The first line on its stderr is the number of the process.
PARENT = """
import subprocess, sys
process = subprocess.Popen(sys.argv[1:])
print(process.pid, file=sys.stderr, flush=True)
process.wait()
"""


class DeathWithParent(ReportCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.kept = cls.shared / "cache"
        cls.packed.launch(cache=cls.kept)

    def begin(
        self, command: Sequence[StrPath], environment: dict[str, StrPath]
    ) -> tuple[subprocess.Popen[bytes], int]:
        """A parent, and the process that it started."""
        parent = start([sys.executable, "-c", PARENT, *command], environment=environment)
        self.addCleanup(parent.communicate)
        self.addCleanup(parent.kill)  # Cleanups run from the last to the first.
        assert parent.stderr
        child = int(parent.stderr.readline())
        self.addCleanup(self.end, child)
        return parent, child

    @staticmethod
    def end(pid: int) -> None:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def serve(self, packed: Optional[Onefile] = None, **environment: StrPath) -> tuple[Any, int]:
        packed = packed or self.packed
        given = {"ONEFOLD_CACHE": self.kept, **environment}
        parent, child = self.begin(packed.command("wait"), given)
        self.assertEqual(parent.stdout.readline(), b"waiting\n")
        return parent, child

    def kill(self, parent: subprocess.Popen[bytes]) -> None:
        parent.send_signal(signal.SIGKILL)
        parent.wait()

    @staticmethod
    def is_gone(pid: int) -> bool:
        """Or waits for its new parent to take note."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return True

    def assertGone(self, pid: int) -> None:
        # Within a second, says the document; a machine under load may take longer.
        wait_until(lambda: self.is_gone(pid), "the end of the program")

    def assertStays(self, parent: subprocess.Popen[bytes], child: int) -> None:
        """It had its parent's death told, and lives."""
        wait_until(lambda: self.parent_of(child) != parent.pid, "the new parent")
        assert_remains(lambda: not self.is_gone(child), "the program")

    @staticmethod
    def parent_of(pid: int) -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    def test_the_program_dies_with_it(self) -> None:
        for value in ("1", "kill", "term"):
            with self.subTest(value):
                parent, child = self.serve(ONEFOLD_DIE_WITH_PARENT=value)
                self.kill(parent)
                self.assertGone(child)

    def test_it_stays_where_that_is_not_asked_for(self) -> None:
        for environment in ({}, {"ONEFOLD_DIE_WITH_PARENT": "0"}, {"ONEFOLD_DIE_WITH_PARENT": ""}):
            with self.subTest(environment):
                parent, child = self.serve(**environment)
                self.kill(parent)
                self.assertStays(parent, child)

    def test_the_record_asks_for_it_and_the_variable_overrides_it(self) -> None:
        kill, term = (
            self.pack(self.work / signal, "--die-with-parent", signal) for signal in ("kill", "term")
        )
        for packed in (kill, term):
            parent, child = self.serve(packed)
            self.kill(parent)
            self.assertGone(child)
            parent, child = self.serve(packed, ONEFOLD_DIE_WITH_PARENT="0")
            self.kill(parent)
            self.assertStays(parent, child)

    def asked_for(self, packed: Optional[Onefile] = None, value: str = "") -> list[str]:
        """The signals that a launch asks for, in their order."""
        environment = {"ONEFOLD_DIE_WITH_PARENT": value} if value else {}
        packed = packed or self.packed
        traced = packed.trace(cache=self.kept, environment=environment, calls="prctl,getppid")
        self.assertLaunched(traced.result)
        self.assertEqual(traced.count("getppid") > 0, traced.count("prctl") > 0)
        calls = [call.arguments for call in traced.main if call.name == "prctl"]
        return [re.sub(r"PR_SET_PDEATHSIG, (\w+).*", r"\1", call) for call in calls]

    def test_the_signal_is_that_of_the_variable_or_the_record(self) -> None:
        kill, term = (
            self.pack(self.work / signal, "--die-with-parent", signal) for signal in ("kill", "term")
        )
        for packed, value, last in (
            (None, "1", "SIGKILL"), (None, "kill", "SIGKILL"), (None, "term", "SIGTERM"),
            (kill, "", "SIGKILL"), (term, "", "SIGTERM"), (term, "1", "SIGTERM"),
            (term, "kill", "SIGKILL"), (kill, "term", "SIGTERM"),
        ):  # fmt: skip
            with self.subTest(packed=packed and packed.path.name, value=value):
                self.assertEqual(self.asked_for(packed, value), ["SIGTERM", last])
        self.assertEqual(self.asked_for(), [])
        self.assertEqual(self.asked_for(value="0"), [])
        self.assertEqual(self.asked_for(kill, "0"), [])

    def test_while_it_unpacks_nothing_is_left(self) -> None:
        for value in ("kill", "term"):
            with self.subTest(value):
                cache = self.new_directory() / "cache"
                slow = strace(
                    self.new_directory(), self.packed.command(), "pwrite64",
                    ["pwrite64:delay_enter=1500000"],
                )  # fmt: skip
                # Long enough for the parent to be killed before the tree is published, also under load;
                # strace must not be the parent that ends: -D makes it a grandchild.
                slow.insert(1, "-DDD")
                parent, child = self.begin(
                    slow, {"ONEFOLD_CACHE": cache, "ONEFOLD_DIE_WITH_PARENT": value}
                )
                staged = lambda: [n for n in listing(cache) if n.startswith(".")]
                wait_until(staged, "the staging directory")
                self.kill(parent)
                wait_until(lambda: not listing(cache), "the clean-up")
                self.assertGone(child)
                self.assertNothingLeft(cache)

    def test_a_parent_that_has_died_before_the_signal_was_asked_for_is_noticed(self) -> None:
        """Its number is another one by then."""
        for when in (2, 3):
            with self.subTest(when=when):
                traced = self.packed.trace(
                    cache=self.kept, calls="getppid", inject=[f"getppid:retval=1:when={when}"],
                    environment={"ONEFOLD_DIE_WITH_PARENT": "kill"},
                )  # fmt: skip
                number = signal.SIGTERM if when == 2 else signal.SIGKILL
                self.assertEqual((traced.result.returncode, traced.result.stdout), (-number, b""))

    def test_children_of_the_program_do_not_inherit_it(self) -> None:
        script = b'#!/bin/sh\nsleep 1000 & echo $!; exec cat\n'
        packed = pack(make_tree(self.work / "tree", {"run": program(script)}), self.work / "packed")
        environment = {"ONEFOLD_CACHE": self.cache, "ONEFOLD_DIE_WITH_PARENT": "kill"}
        parent, child = self.begin(packed.command(), environment)
        grandchild = int(parent.stdout.readline())
        self.addCleanup(self.end, grandchild)
        self.kill(parent)
        self.assertGone(child)
        assert_remains(lambda: not self.is_gone(grandchild), "the program's child")

    def test_workers_end_with_a_server_that_ends_them(self) -> None:
        """By `term` a server can end its own processes."""
        script = b"#!/bin/sh\ntrap 'kill $worker; exit 0' TERM\nsleep 1000 & worker=$!\necho $worker\nwait\n"
        packed = pack(make_tree(self.work / "tree", {"run": program(script)}), self.work / "packed")
        environment = {"ONEFOLD_CACHE": self.cache, "ONEFOLD_DIE_WITH_PARENT": "term"}
        parent, child = self.begin(packed.command(), environment)
        worker = int(parent.stdout.readline())
        self.addCleanup(self.end, worker)
        # Until then it is the shell, which forgets a signal that it traps by executing something else.
        name = Path(f"/proc/{worker}/comm")
        wait_until(lambda: name.read_text() == "sleep\n", "the worker")
        self.kill(parent)
        self.assertGone(child)
        self.assertGone(worker)

    def test_unknown_values_are_refused(self) -> None:
        for value in ("yes", "KILL", "9", "SIGTERM", "2"):
            result = self.launch(environment={"ONEFOLD_DIE_WITH_PARENT": value})
            self.assertRefused(result, repr(value), "1, kill, term, fd:N, fd:N:kill, fd:N:term or 0")
        self.assertFalse(self.cache.exists())


if __name__ == "__main__":
    unittest.main()
