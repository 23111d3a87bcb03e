"""docs/examples/electron-shell: its process part under Node.js, and its main process with a chromium as the window."""

from __future__ import annotations

import json
import os
import select
import signal
import unittest
from pathlib import Path
from typing import Any, Optional

from browser import browser_program
from examples import EXAMPLES, free_port, node_program, request
from shell_support import Shell
from support import IS_ROOT, PATIENCE, executable, listing, onefold, processes, start, succeed, wait_until

EXAMPLE = EXAMPLES / "electron-shell"
#: The directory with the module that stands for Electron's.
STANDS_IN = Path(__file__).parent / "shells"

#: Evaluates each line of stdin, which may use a Sidecar and what it has told, and prints what it resolves with.
DRIVER = """
const { Sidecar, stopInstance } = require(process.argv[1]);
const server = new Sidecar(process.argv[2], JSON.parse(process.argv[3]));
const told = [], ended = [];
server.on('progress', (one) => told.push(one)).on('ended', ({ code, message }) => ended.push({ code, message }));
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const known = ({ code, exitCode, signal, message }) => ({ code, exitCode, signal, message });
  (async () => eval(line))().then((result) => ({ result: result ?? null }), (error) => ({ error: known(error) }))
    .then((answer) => console.log(JSON.stringify(answer)));
});
"""


class Lines:
    """A process that takes a line, and answers it by a line of JSON."""

    def __init__(self, test: unittest.TestCase, command: list[str], environment: dict[str, Any], log: Path) -> None:
        self.log = log
        self.received = b""
        with log.open("wb") as stderr:
            self.process = start(command, environment=environment, stderr=stderr)
        test.addCleanup(self.reap)

    def send(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout
        while b"\n" not in self.received:
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            data = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not data:
                raise AssertionError(f"no answer: {self.log.read_text()[-2000:]}")
            self.received += data
        line, self.received = self.received.split(b"\n", 1)
        return json.loads(line)

    def ask(self, line: str) -> Any:
        self.send(line)
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def reap(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


class Electron(Shell):
    @classmethod
    def setUpClass(cls) -> None:
        cls.node = node_program()
        super().setUpClass()

    # The process part

    def driver(self, file: Optional[Path] = None, cache: Optional[Path] = None, **options: Any) -> Lines:
        options.setdefault("health", "/api/health")
        module = EXAMPLE / "sidecar.js"
        command = [self.node, "-e", DRIVER, os.fspath(module), os.fspath(file or self.packed.path), json.dumps(options)]
        return Lines(self, command, self.environment(cache), self.work / "log")

    def test_it_starts_cold_stops_and_starts_again(self) -> None:
        driver = self.driver(cache=self.cache)
        for unpacked in (True, False):
            url = driver.ask("server.start()")["result"]
            told = driver.ask("told.splice(0)")["result"]
            events = [one["event"] for one in told]
            self.assertEqual(events[:2], ["listening", "start"])
            self.assertEqual(url, f"http://127.0.0.1:{told[0]['port']}")
            self.assertEqual((told[-1], "unpacking" in events), ({"event": "ready", "unpacked": unpacked}, unpacked))
            pid = driver.ask("server.pid")["result"]
            # The process that was started is the server.
            self.assertEqual(request(told[0]["port"], "/api/health").json["pid"], pid)
            self.assertEqual(driver.ask("server.start()")["error"]["code"], "ERR_SIDECAR_STARTED")
            self.assertEqual(driver.ask("server.stop()"), {"result": None})
            self.assertEqual(driver.ask("server.pid"), {"result": None})
            self.assertEqual(self.servers(self.cache), [])
        self.assertEqual(driver.ask("ended"), {"result": []})

    def test_a_taken_port_is_an_error_that_names_the_process(self) -> None:
        port = free_port()
        first = self.driver(listen=f"127.0.0.1:{port}")
        first.ask("server.start()")
        pid = first.ask("server.pid")["result"]
        second = self.driver(listen=f"127.0.0.1:{port}")
        error = second.ask("server.start()")["error"]
        self.assertEqual((error["code"], error["exitCode"]), ("ERR_SIDECAR_ADDRESS_TAKEN", 120))
        self.assertIn(f"127.0.0.1:{port}: pid {pid} (cortex-backend) has it", error["message"])
        self.assertIn("result", second.ask("server.options.listen = '127.0.0.1:0', server.start()"))

    def test_the_server_ends_with_a_shell_that_is_killed(self) -> None:
        driver = self.driver()
        driver.ask("server.start()")
        self.assertEqual(len(self.servers()), 1)
        driver.kill()
        self.wait_for_no_server()
        # By SIGTERM: it has closed what it had open.
        self.assertDatabaseClosed()

    def test_the_launcher_ends_with_a_shell_that_is_killed(self) -> None:
        with self.unpacking_by_another(self.cache):
            driver = self.driver(cache=self.cache)
            driver.send("server.start()")
            wait_until(lambda: self.servers(self.cache), "the launcher to run")
            wait_until(lambda: driver_told(driver, "waiting"), "the launcher to wait")
            driver.kill()
            self.wait_for_no_server(self.cache)
            self.assertEqual(listing(self.cache), [f"{self.packed.tree_name}.lock"])

    def test_a_stop_during_the_launch_ends_it(self) -> None:
        with self.unpacking_by_another(self.cache):
            driver = self.driver(cache=self.cache)
            driver.send("server.start()")
            wait_until(lambda: driver_told(driver, "waiting"), "the launcher to wait")
            driver.send("server.stop()")
            answers = [driver.answer(), driver.answer()]
            [error] = [answer["error"] for answer in answers if "error" in answer]
            self.assertEqual(error["code"], "ERR_SIDECAR_STOPPED")
            self.assertEqual(self.servers(self.cache), [])

    def test_a_server_that_ends_by_itself_is_told_and_starts_again(self) -> None:
        driver = self.driver()
        driver.ask("server.start()")
        os.kill(driver.ask("server.pid")["result"], signal.SIGKILL)
        ended = wait_until(lambda: driver.ask("ended")["result"], "the end to be told")
        self.assertEqual([one["code"] for one in ended], ["ERR_SIDECAR_ENDED"])
        self.assertIn("was ended by SIGKILL", ended[0]["message"])
        self.assertIn("result", driver.ask("server.start()"))
        self.assertEqual(driver.ask("server.stop(), ended.length"), {"result": 1})

    def test_a_start_that_fails_says_why(self) -> None:
        driver = self.driver(env={"ONEFOLD_CACHE": "/dev/null"})
        error = driver.ask("server.start()")["error"]
        self.assertEqual((error["code"], error["exitCode"]), ("ERR_SIDECAR_LAUNCH", 125))
        self.assertIn("/dev/null", error["message"])
        # The launcher's word for a setting that it refuses before it can tell progress comes on stderr.
        driver = self.driver(env={"ONEFOLD_CHECK": "nothing"})
        error = driver.ask("server.start()")["error"]
        self.assertIn("ONEFOLD_CHECK", error["message"])
        driver = self.driver(file=self.work / "none")
        self.assertIn("ENOENT", driver.ask("server.start()")["error"]["message"])
        # The server's own.
        driver = self.driver(args=["--database", "/proc/none/documents.db"])
        error = driver.ask("server.start()")["error"]
        self.assertEqual((error["code"], error["exitCode"]), ("ERR_SIDECAR_ENDED", 1))
        self.assertIn("cortex-backend: /proc/none/documents.db", error["message"])
        driver = self.driver(health="/nothing")
        self.assertEqual(driver.ask("server.start()")["error"]["code"], "ERR_SIDECAR_HEALTH")
        self.assertEqual(self.servers(), [])

    def test_one_instance_and_one_that_does_not_stop(self) -> None:
        stubborn = pack_stubborn(self.shared / "stubborn")
        first = self.driver(file=stubborn, stopSeconds=0.5)
        first.send("server.start()")
        wait_until(lambda: driver_told(first, "ready"), "the program to start")
        second = self.driver(file=stubborn)
        error = second.ask("server.start()")["error"]
        self.assertEqual((error["code"], error["exitCode"]), ("ERR_SIDECAR_RUNS_ALREADY", 121))
        self.assertRegex(error["message"], r"is already running: pid \d+")
        stop = f"stopInstance({json.dumps(os.fspath(stubborn))}, {{ seconds: SECONDS, kill: KILL }})"
        error = second.ask(stop.replace("SECONDS", "1").replace("KILL", "false"))["error"]
        self.assertEqual((error["code"], error["exitCode"]), ("ERR_SIDECAR_DOES_NOT_STOP", 122))
        # `stop` of the shell that started it does not wait for ever.
        first.send("server.stop()")
        answers = [first.answer(), first.answer()]
        [error] = [answer["error"] for answer in answers if "error" in answer]
        self.assertEqual((error["code"], error["signal"]), ("ERR_SIDECAR_STOPPED", "SIGKILL"))
        self.assertEqual(second.ask(stop.replace("SECONDS", "1").replace("KILL", "true")), {"result": False})
        first.send("server.start()")
        wait_until(lambda: driver_told(first, "ready", 2), "the program to start")
        self.assertEqual(second.ask(stop.replace("SECONDS", "0").replace("KILL", "true")), {"result": True})
        self.assertEqual(first.answer()["error"]["code"], "ERR_SIDECAR_ENDED")


    # The main process

    def shell(self, **variables: Any) -> Lines:
        """The example's main.js, with a chromium that has a profile of its own."""
        flags = [
            "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.work / 'profile'}", "--no-first-run",
            "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--window-size=800,600",
            *(["--no-sandbox"] if IS_ROOT else []), "--app=data:text/html,",
        ]  # fmt: skip
        environment = {
            **self.environment(variables.pop("cache", None)),
            "NODE_PATH": STANDS_IN,
            "TEST_CHROMIUM": json.dumps([browser_program(), *flags]),
            "DEMO_SERVER": self.packed.path,
            **variables,
        }
        # It ends after the main process, and writes to its profile until then.
        self.addCleanup(self.wait_for_no_browser)
        return Lines(self, [self.node, os.fspath(EXAMPLE / "main.js")], environment, self.work / "log")

    def evaluate(self, shell: Lines, code: str) -> Any:
        answer = shell.ask(json.dumps({"evaluate": code}))
        self.assertNotIn("error", answer)
        return answer["result"]

    def wait_for(self, shell: Lines, code: str) -> Any:
        """The code's first true value; while a page is replaced, there may be none."""
        return wait_until(lambda: shell.ask(json.dumps({"evaluate": code})).get("result"), code)

    def wait_for_page(self, shell: Lines) -> str:
        """The address of the server's page, which has asked the server."""
        return self.wait_for(shell, "document.getElementById('health')?.textContent && location.origin")

    def press(self, shell: Lines, button: str, *, last: bool = False) -> None:
        """`last` if the process may end before it answers."""
        code = f"[...document.querySelectorAll('button')].find((b) => b.textContent === '{button}').click()"
        shell.send(json.dumps({"evaluate": code})) if last else self.evaluate(shell, code)

    def browsers(self) -> list[int]:
        """The browser's processes, all of which have the environment of the test."""
        home = os.fsencode(self.work / "home")
        return [pid for pid in processes() if "chrom" in executable(pid) and home in environment_of(pid)]

    def wait_for_no_browser(self) -> None:
        wait_until(lambda: not self.browsers(), "the browser to end")

    def screenshot(self, shell: Lines, name: str) -> None:
        """For a person who looks at it, in a directory that the variable names."""
        if directory := os.environ.get("ONEFOLD_SCREENSHOTS"):
            shell.ask(json.dumps({"screenshot": os.path.join(directory, name)}))

    def test_splash_page_and_the_end_of_the_window(self) -> None:
        with self.unpacking_by_another(self.cache):
            shell = self.shell(cache=self.cache)
            self.wait_for(shell, "document.querySelector('p')?.textContent === 'Waiting for another instance'")
            self.screenshot(shell, "electron-splash.png")
        url = self.wait_for_page(shell)
        self.screenshot(shell, "electron-page.png")
        self.evaluate(shell, "document.querySelector('input').value = 'a window'; document.forms.add.requestSubmit()")
        self.wait_for(shell, "document.getElementById('health').textContent === 'version 1.0.0, 1 documents'")
        self.assertEqual(request(int(url.rsplit(":", 1)[1]), "/api/health").json["documents"], 1)
        shell.send('{"second": true}')
        self.assertEqual([shell.answer(), shell.answer()], ["focus", {"result": None}])
        shell.send('{"close": true}')
        self.assertEqual(shell.process.wait(timeout=PATIENCE), 0)
        self.assertEqual(self.servers(self.cache), [])
        self.assertIn("Application shutdown complete", (self.work / "log").read_text())
        self.assertDatabaseClosed()

    def test_a_taken_port_is_shown_and_a_free_one_is_taken(self) -> None:
        port = free_port()
        pid = self.other_server(port)
        shell = self.shell(DEMO_LISTEN=f"127.0.0.1:{port}")
        text = self.wait_for(shell, "document.querySelector('.failed p')?.textContent")
        self.assertIn(f"cannot listen on 127.0.0.1:{port}: pid {pid} (cortex-backend) has it", text)
        self.screenshot(shell, "electron-taken.png")
        self.press(shell, "Use a free port")
        self.assertNotEqual(self.wait_for_page(shell), f"http://127.0.0.1:{port}")

    def test_a_server_that_ends_is_shown_and_started_again(self) -> None:
        shell = self.shell()
        url = self.wait_for_page(shell)
        os.kill(request(int(url.rsplit(":", 1)[1]), "/api/health").json["pid"], signal.SIGKILL)
        text = self.wait_for(shell, "document.querySelector('.failed p')?.textContent")
        self.assertIn("was ended by SIGKILL", text)
        self.press(shell, "Try again")
        self.wait_for_page(shell)
        # A crash of the shell ends the server, and the window.
        shell.kill()
        self.wait_for_no_server()
        self.wait_for_no_browser()

    def test_quitting_from_the_splash(self) -> None:
        shell = self.shell(ONEFOLD_CACHE="/dev/null")
        self.wait_for(shell, "document.querySelector('.failed p')?.textContent")
        self.press(shell, "Quit", last=True)
        self.assertEqual(shell.process.wait(timeout=PATIENCE), 0)


def driver_told(driver: Lines, event: str, count: int = 1) -> bool:
    return driver.ask(f"told.filter((one) => one.event === '{event}').length")["result"] >= count


def pack_stubborn(directory: Path) -> Path:
    """A program of which one instance runs, and which SIGTERM does not end."""
    directory.mkdir()
    program = directory / "run"
    program.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n")
    program.chmod(0o755)
    (directory / "onefold.toml").write_text(
        '[app]\nname = "stubborn"\n\n[[data]]\nsource = "run"\n\n'
        '[launch]\nexecutable = "run"\ninstance = "single"\n'
    )
    succeed(onefold("pack", "-o", directory / "stubborn", cwd=directory))
    return directory / "stubborn"


def environment_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    unittest.main()
