"""`onefold bench` with real files: few rounds, and no times are asserted."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from browser import Browser
from support import (
    AS_NOBODY,
    Case,
    ONEFOLD,
    StrPath,
    needs_program,
    needs_root,
    noise,
    onefold,
    pack,
    program,
    make_tree,
    start,
    wait_until,
)

#: A server that is not ready at first, and that SIGTERM ends.
SERVER = b"""#!/usr/bin/env python3
import http.server, os, sys
count = 0
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global count
        count += 1
        ready = self.path == "/health" and count > 2
        self.send_response(200 if ready else 503)
        self.end_headers()
    def log_message(self, *arguments): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ.get("PORT") or sys.argv[1])), Handler).serve_forever()
"""
#: Says what it was given, to a file: once for each launch.
RECORDER = b"""#!/bin/sh
{ echo "$0|$*|$ONEFOLD|$ONEFOLD_TRACE|$ONEFOLD_ROOT|$ONEFOLD_CACHE|$EXTRA|$SET"; } >> "$RECORD"
"""


class BenchCase(Case):
    def setUp(self) -> None:
        super().setUp()
        self.caches = self.work / "caches"
        self.caches.mkdir()
        # As /tmp: a launch refuses a directory below one that others can write to without a sticky bit.
        self.caches.chmod(0o1777)

    def bench(self, *arguments: StrPath, rounds: int = 2, **options: Any) -> Any:
        """Runs it, and expects that it leaves no cache."""
        command = ["bench", "--directory", self.caches, "--runs", str(rounds), *arguments]
        result = onefold(*command, **options)
        self.assertEqual(os.listdir(self.caches), [])
        return result

    def report(self, *arguments: StrPath, **options: Any) -> Any:
        result = self.bench("--json", *arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return json.loads(result.stdout)

    def onefile(self, content: bytes = b"#!/bin/sh\n", name: str = "app", **options: Any) -> Any:
        entries = {"run": program(content), "data/a": b"a line\n" * 50_000, "data/b": noise(100)}
        tree = make_tree(self.work / f"tree of {name}", entries)
        return pack(tree, self.work / name, **options)


class TestBench(BenchCase):
    def test_what_is_measured(self) -> None:
        file = self.onefile()
        report = self.report(file.path, "--count-calls", "--warm-up", "0", rounds=3)
        self.assertEqual((report["until"], report["rounds"], report["warm_up"]), ("exit", 3, 0))
        (subject,) = report["subjects"]
        metrics = subject["metrics"]
        for name in (
            "cold warm direct cold-overhead warm-overhead cold-to-direct warm-to-direct cold-launch"
            " warm-launch cold-phase-plan cold-phase-unpack cold-phase-seal cold-phase-publish"
            " warm-phase-check work-hash-sum work-hash-wall work-decode-sum work-write-wall"
            " cold-memory warm-memory direct-memory cold-faults"
        ).split():
            samples = metrics[name]["samples"]
            self.assertEqual(len(samples), 3, name)
            self.assertLessEqual(metrics[name]["least"], metrics[name]["median"])
            if "over" not in name:
                self.assertGreater(min(samples), 0, name)
        self.assertNotIn("warm-phase-unpack", metrics)
        for round in range(3):
            cold, warm, direct = (metrics[n]["samples"][round] for n in ("cold", "warm", "direct"))
            self.assertEqual(metrics["cold-overhead"]["samples"][round], cold - direct)
            self.assertEqual(metrics["warm-overhead"]["samples"][round], warm - direct)
            self.assertAlmostEqual(
                metrics["warm-to-direct"]["samples"][round], warm / direct, delta=0.002
            )
        for fact in ("processors", "kernel", "file_system"):
            self.assertTrue(report["machine"][fact])

    def test_written_files_are_those_of_the_cache(self) -> None:
        file = self.onefile()
        self.assertSucceeded(file.launch(cache=self.cache))
        files = [path for path in self.cache.rglob("*") if path.is_file() and not path.is_symlink()]
        (subject,) = self.report(file.path)["subjects"]
        written = subject["metrics"]["written-files"]
        self.assertEqual((written["least"], written["most"]), (len(files), len(files)))
        self.assertEqual(
            subject["metrics"]["written-bytes"]["median"], sum(f.stat().st_size for f in files)
        )

    @needs_program("strace")
    def test_system_calls_are_those_that_strace_counts(self) -> None:
        file = self.onefile()
        report = self.report(file.path, "--count-calls")
        metrics = report["subjects"][0]["metrics"]
        if "warm-launch-calls" not in metrics:
            self.assertIn("ptrace", "".join(report["notes"]))
            self.skipTest("system calls can't be counted here")
        self.assertSucceeded(file.launch(cache=self.cache))
        counted = len(file.trace(cache=self.cache).main)
        # Environment and paths are longer or shorter, and with them what is allocated.
        self.assertAlmostEqual(metrics["warm-launch-calls"]["median"], counted, delta=6)
        self.assertGreater(metrics["cold-launch-calls"]["median"], counted)
        self.assertGreater(metrics["direct-calls"]["median"], 3)

    def test_the_unpacked_entry_is_given_what_a_launch_gives(self) -> None:
        record = self.work / "record"
        self.onefile(RECORDER, name="recorder")
        packed = pack(
            self.work / "tree of recorder", self.work / "second", "--env", "EXTRA={exe}",
            "--unset-env", "SET", arguments=["{root}/x", "own"],
        )  # fmt: skip
        environment = {"RECORD": os.fspath(record), "SET": "set", "ONEFOLD_TRACE": "/nowhere/x"}
        link = self.work / "link"
        link.symlink_to(packed.path)
        result = self.bench(link, "--warm-up", "0", "--", "a b", "c", rounds=1, environment=environment)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        lines = record.read_text().splitlines()
        # The first, cold, cold with a trace, warm, the entry, warm with a trace.
        self.assertEqual(len(lines), 6)
        warm, direct = lines[3], lines[4]
        self.assertEqual(warm, direct)
        fields = direct.split("|")
        root = fields[4]
        self.assertEqual(fields[0], f"{root}/run")
        self.assertEqual(fields[1], f"{root}/x own a b c")
        self.assertEqual(fields[2:4], ["", ""])
        self.assertEqual(fields[6:], [os.fspath(packed.path), ""])
        self.assertTrue(root.startswith(f"{fields[5]}/"))
        # Cold launches had caches of their own.
        self.assertEqual(lines[0], direct)
        self.assertNotEqual(lines[1].split("|")[5], fields[5])

    def test_other_programs(self) -> None:
        file = self.onefile()
        other = self.work / "other"
        # Slower and larger where its cache is empty.
        other.write_text(
            '#!/bin/sh\ntest "$2" = "two words" || exit 9\n'
            'test -e "$CACHE/kept" && echo warm >> "$RECORD" || echo cold >> "$RECORD"\n'
            'echo 12345 > "$CACHE/kept"\n'
        )
        other.chmod(0o755)
        record = self.work / "record"
        report = self.report(
            file.path, file.path, "--against", f"'{other}' one 'two words'",
            "--cache-variable", "CACHE", "--warm-up", "1",
            environment={"RECORD": os.fspath(record)},
        )  # fmt: skip
        names = [subject["name"] for subject in report["subjects"]]
        self.assertEqual(names, ["app", "app (2)", "other"])
        self.assertEqual([s["onefile"] for s in report["subjects"]], [True, True, False])
        metrics = report["subjects"][2]["metrics"]
        self.assertEqual(metrics["written-files"]["samples"], [1, 1])
        self.assertEqual(metrics["written-bytes"]["samples"], [6, 6])
        self.assertNotIn("direct", metrics)
        for kind in ("cold", "warm"):
            first = report["subjects"][0]["metrics"][kind]["samples"]
            for mine, others, ratio in zip(
                metrics[kind]["samples"], first, metrics[f"{kind}-to-first"]["samples"]
            ):
                self.assertAlmostEqual(ratio, mine / others, delta=0.002)
        # The first launch fills the cache of the warm ones.
        self.assertEqual(record.read_text().split(), ["cold"] + ["cold", "warm"] * 3)

    def test_reset_makes_cold(self) -> None:
        file = self.onefile()
        record = self.work / "record"
        script = f"echo launch >> '{record}'"
        report = self.report(
            file.path, "--against", f"sh -c \"{script}\"", "--warm-up", "0",
            "--reset", f"echo reset >> '{record}'", rounds=2,
        )  # fmt: skip
        lines = record.read_text().split()
        self.assertEqual(lines, ["launch"] + ["reset", "launch", "launch"] * 2)
        self.assertIn("cold", report["subjects"][1]["metrics"])

    def test_without_a_way_to_make_it_cold_it_says_so(self) -> None:
        report = self.report(self.onefile().path, "--against", "true")
        self.assertNotIn("cold", report["subjects"][1]["metrics"])
        self.assertIn("warm", report["subjects"][1]["metrics"])
        self.assertIn("--cache-variable", report["notes"][0])

    def test_servers(self) -> None:
        file = self.onefile(SERVER)
        for options in (["--env", "PORT={port}"], ["--", "{port}"]):
            at = options.index("--") if "--" in options else len(options)
            report = self.report(
                file.path, "--http", "/health", *options[:at], "--warm-up", "0", *options[at:],
                rounds=1,
            )  # fmt: skip
            self.assertEqual(report["until"], "answer")
            metrics = report["subjects"][0]["metrics"]
            for name in ("cold", "warm", "direct", "cold-launch", "warm-memory"):
                self.assertGreater(metrics[name]["median"], 0)

    def test_servers_that_do_not_answer(self) -> None:
        file = self.onefile(SERVER)
        options = ["--http", "/other", "--env", "PORT={port}", "--timeout", "5"]
        result = self.bench(file.path, *options)
        self.assertRefused(
            result, "has not answered to GET /other", "it answers with status 503",
            code=1, says=b"onefold bench: ",
        )  # fmt: skip
        ended = self.onefile(b"#!/bin/sh\necho no such luck >&2\nexit 3\n", name="ended")
        result = self.bench(ended.path, "--http", "/", "--port", "1")
        self.assertRefused(
            result, "ended with status 3 before it answered: no such luck",
            code=1, says=b"onefold bench: ",
        )  # fmt: skip

    @needs_root
    def test_the_page_cache(self) -> None:
        file = self.onefile()
        report = self.report(file.path, "--page-cache", "drop", "--warm-up", "0", rounds=1)
        self.assertIn("dropped", report["method"]["page_cache"])
        self.assertIn("drop_caches", report["method"]["page_cache"])

    @needs_root
    def test_the_page_cache_without_rights(self) -> None:
        file = self.onefile()
        file.path.chmod(0o755)
        report = self.report(
            file.path, "--page-cache", "drop", "--warm-up", "0", rounds=1, **AS_NOBODY
        )
        self.assertIn("posix_fadvise", report["method"]["page_cache"])

    # Formats

    def test_formats(self) -> None:
        file = self.onefile()
        page = self.work / "page.html"
        result = self.bench(file.path, "--csv", "--html", page, "--against", "true")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        rows = list(csv.DictReader(io.StringIO(result.stdout.decode())))
        cold = next(row for row in rows if row["metric"] == "cold")
        self.assertEqual((cold["program"], cold["unit"], cold["samples"]), ("app", "ns", "2"))
        self.assertEqual(len(cold["values"].split()), 2)
        self.check_page(page.read_text())
        result = self.bench(file.path, "--markdown", rounds=1)
        self.assertIn(b"| phases of the cold launch | median |", result.stdout)
        result = self.bench(file.path, rounds=1)
        self.assertIn(b"\nphases of the cold launch\n", result.stdout)
        # Bars are for terminals.
        self.assertNotIn("█".encode(), result.stdout)

    def test_the_page_in_a_browser(self) -> None:
        """On a page without a script, keys scroll, and texts, pictures and tables are for everybody."""
        file = self.onefile()
        page = self.work / "page.html"
        self.assertEqual(self.bench(file.path, "--html", page, "--against", "true").returncode, 0)
        browser = Browser(self.work / "profile")
        self.addCleanup(browser.close)
        grounds = set()
        for scheme in ("light", "dark"):
            browser.prefer(scheme)
            browser.open(page)
            ratio, text = browser.lowest_contrast()
            self.assertGreaterEqual(ratio, 4.5, (scheme, text))
            grounds.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
        self.assertEqual(len(grounds), 2)
        roles = browser.roles()
        pictures = [name for role, name in roles if role == "image"]
        self.assertIn("Cold launch", pictures)
        self.assertIn("Timeline of a cold launch", pictures)
        self.assertGreaterEqual([role for role, _ in roles].count("table"), 3)
        browser.click("document.body")
        browser.press("End")
        browser.wait("scrollY > 0 && scrollY + innerHeight >= document.documentElement.scrollHeight - 1")
        self.assertEqual(browser.evaluate("document.querySelector('dl').getBoundingClientRect().top < innerHeight"), True)
        browser.press("Home")
        browser.wait("scrollY === 0")
        # Pictures and tables scroll by themselves on a narrow screen.
        browser.call("Emulation.setDeviceMetricsOverride", width=420, height=900, deviceScaleFactor=1, mobile=False)
        browser.wait("innerWidth === 420")
        self.assertEqual(browser.widest(), "")
        self.assertTrue(browser.evaluate("[...document.querySelectorAll('.picture')].some(e => e.scrollWidth > e.clientWidth)"))
        self.assertEqual(([url for url in browser.requests if url != page.as_uri()], browser.problems), ([], []))
        browser.evaluate("(() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s); })()")
        self.assertIsNone(browser.evaluate("window.hacked"))

    def check_page(self, text: str) -> None:
        elements: list[str] = []

        class Parser(HTMLParser):
            def handle_starttag(self, tag: str, attributes: Any) -> None:
                elements.append(tag)

        Parser().feed(text)
        self.assertGreaterEqual(elements.count("svg"), 4)
        self.assertEqual(elements.count("script"), 0)
        self.assertIn("A dot is a round", text)

    def test_an_unwritable_page_is_reported_at_once(self) -> None:
        file = self.onefile()
        result = self.bench(file.path, "--html", self.work / "missing" / "page.html")
        self.assertRefused(result, "missing/page.html", code=1, says=b"onefold bench: ")

    def test_a_page_stays_as_it_was_where_measuring_fails(self) -> None:
        bad = self.onefile(b"#!/bin/sh\nexit 1\n")
        page, new = self.work / "page.html", self.work / "new.html"
        page.write_text("before")
        for path in (page, new):
            result = self.bench(bad.path, "--html", path)
            self.assertRefused(result, "ended with status 1", code=1, says=b"onefold bench: ")
        self.assertEqual(page.read_text(), "before")
        self.assertFalse(new.exists())

    # Gates

    def test_limits(self) -> None:
        file = self.onefile()
        kept = ["--fail-over", "cold>100s", "--fail-over", "app:written-files>1000"]
        self.assertEqual(self.bench(file.path, *kept).returncode, 0)
        result = self.bench(
            file.path, *kept, "--fail-over", "cold>1ns", "--fail-over", "warm>2ns",
            "--fail-over", "warm-calls>9", "--json",
        )  # fmt: skip
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.decode().splitlines()
        self.assertEqual(len(lines), 3)
        for line, start_ in zip(lines, ("cold>1ns: app: cold is ", "warm>2ns: app: warm is ")):
            self.assertTrue(line.startswith(f"onefold bench: {start_}"), line)
        self.assertIn("was not measured", lines[2])
        # All of it was printed.
        self.assertEqual(json.loads(result.stdout)["bench"], 1)

    def test_a_baseline(self) -> None:
        file = self.onefile()
        first = self.bench(file.path, "--json")
        baseline = self.work / "baseline.json"
        baseline.write_bytes(first.stdout)
        result = self.bench(file.path, "--baseline", baseline, "--tolerance", "1000")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        report = json.loads(first.stdout)
        metrics = report["subjects"][0]["metrics"]
        metrics["written-bytes"]["median"] //= 2
        report["machine"]["kernel"] = "Linux 1"
        baseline.write_text(json.dumps(report))
        result = self.bench(file.path, "--baseline", baseline, "--tolerance", "90")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"warning: the baseline is of another machine: kernel was", result.stderr)
        self.assertRegex(result.stderr, rb"\nonefold bench: baseline: app: written-bytes is ")
        baseline.write_text("{}")
        result = self.bench(file.path, "--baseline", baseline)
        self.assertRefused(result, "is not a report", code=1, says=b"onefold bench: ")

    # Failures

    def test_failures(self) -> None:
        said = b"onefold bench: "
        text = self.work / "text"
        text.write_text("no onefile")
        self.assertRefused(self.bench(text), "text", code=1, says=said)
        self.assertRefused(self.bench(self.work / "missing"), "missing", code=1, says=said)
        bad = self.onefile(b"#!/bin/sh\necho out\necho 'first\nlast' >&2\nexit 4\n", name="bad")
        self.assertRefused(
            self.bench(bad.path), "bad ended with status 4, not 0: first | last", code=1, says=said
        )
        self.assertEqual(self.bench(bad.path, "--status", "4").returncode, 0)
        slow = self.onefile(b"#!/bin/sh\nsleep 1000\n", name="slow")
        self.assertRefused(
            self.bench(slow.path, "--timeout", "1"), "has not ended after 1 s", code=1, says=said
        )
        good = self.onefile(name="good").path
        self.assertRefused(
            self.bench(good, "--against", "/nowhere/program"), "/nowhere/program", code=1, says=said
        )
        self.assertRefused(
            self.bench(good, "--against", "true", "--reset", "echo broken >&2; exit 5"),
            "'--reset' ended with status 5: broken", code=1, says=said,
        )  # fmt: skip
        result = onefold("bench", good, "--directory", self.work / "nowhere")
        self.assertRefused(result, "nowhere", code=1, says=said)

    def test_signals_leave_nothing(self) -> None:
        pids = self.work / "pids"
        slow = self.onefile(
            b'#!/bin/sh\necho $$ >> "$PIDS"\nsleep 1000 &\necho $! >> "$PIDS"\nwait\n', name="slow"
        )
        page = self.work / "page.html"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            pids.unlink(missing_ok=True)
            command = [ONEFOLD, "bench", slow.path, "--directory", self.caches, "--html", page]
            process = start(command, environment={"PIDS": os.fspath(pids)})
            wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the program")
            process.send_signal(number)
            out, errors = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out, errors), (-number, b"", b""))
            self.assertEqual(os.listdir(self.caches), [])
            self.assertFalse(page.exists())
            wait_until(
                lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids.read_text().split()),
                "the end of the program",
            )
