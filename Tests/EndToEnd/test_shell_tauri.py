"""docs/examples/tauri-shell: a real Tauri shell on a display, with the packed LangGraph server as its sidecar."""

from __future__ import annotations

import ctypes.util
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from examples import EXAMPLES, free_port, pack_spec, request
from screen import Screen
from shell_support import Shell
from support import PATIENCE, StrPath, executable, listing, start, wait_until
from tool_packages import tool_environment

EXAMPLE = EXAMPLES / "tauri-shell"
#: The splash's backgrounds: while it starts, and when it has failed.
STARTING, FAILED = (0x1D, 0x35, 0x57), (0x6D, 0x1A, 0x26)


class Tauri(Shell):
    @classmethod
    def setUpClass(cls) -> None:
        if ctypes.util.find_library("webkit2gtk-4.1") is None:
            raise unittest.SkipTest("needs the library libwebkit2gtk-4.1-0")
        if sys.version_info[:2] != (3, 11):
            raise unittest.SkipTest("needs Python 3.11, for which the example's requirements are")
        super().setUpClass()
        cls.screen = Screen(cls.shared / "screen")
        cls.addClassCleanup(cls.screen.end)
        address = session_bus(cls)
        packages = tool_environment("tauri", EXAMPLE / "requirements.txt")
        # Tauri looks for a sidecar beside the interpreter, so the environment has a copy of that of its own.
        cls.python = cls.shared / "bin" / "python3"
        cls.python.parent.mkdir()
        shutil.copy((packages / "python3").resolve(), cls.python)
        shutil.copy(packages.parent / "pyvenv.cfg", cls.shared)
        (cls.shared / "lib").symlink_to(packages.parent / "lib")
        cls.sidecar = cls.packed.copy(cls.python.with_name("cortex-backend")).path
        cls.desktop = {
            **cls.screen.environment,
            "DBUS_SESSION_BUS_ADDRESS": address,
            "GDK_BACKEND": "x11",
            "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
            "NO_AT_BRIDGE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def environment(self, cache: Optional[Path] = None) -> dict[str, Any]:
        return {**self.desktop, **super().environment(cache)}

    def start_shell(self, listen: str = "127.0.0.1:0", cache: Optional[Path] = None) -> subprocess.Popen[bytes]:
        """The example, with another address if the test wants one."""
        place = self.work / "shell"
        if not place.exists():
            shutil.copytree(EXAMPLE, place)
            script = place / "ui" / "splash.js"
            text, count = re.subn("^const LISTEN = '.*';$", f"const LISTEN = '{listen}';", script.read_text(), flags=re.M)
            self.assertEqual(count, 1)
            script.write_text(text)
        return self.begin([self.python, place / "shell.py"], self.environment(cache))

    def begin(self, command: Sequence[StrPath], environment: dict[str, Any]) -> subprocess.Popen[bytes]:
        with (self.work / "log").open("ab") as log:
            self.shell = start(command, environment=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(self.shell.wait)
        self.addCleanup(self.shell.kill)
        return self.shell

    def window(self, title: str) -> str:
        """The number of the window whose title begins so, when it is visible."""
        return wait_until(lambda: self.while_running(lambda: self.screen.find(title)), f"the window {title!r}")

    def while_running(self, value: Callable[[], Any]) -> Any:
        if self.shell.poll() is not None:
            self.fail(f"the shell ended with {self.shell.returncode}: {(self.work / 'log').read_text()}")
        return value()

    def wait_for_page(self) -> str:
        """The number of the window that shows the server's page, on which nothing of the splash is left."""
        window = wait_until(
            lambda: self.while_running(lambda: self.screen.find("Cortex", "800x600")), "the server's page"
        )
        wait_until(lambda: self.screen.pixels().share((255, 255, 255)) > 0.4, "the page to be drawn")
        self.assertEqual(self.screen.pixels().share(STARTING), 0)
        return window

    def server(self, cache: Optional[Path] = None) -> tuple[int, int]:
        """Its pid and its port."""
        [pid] = self.servers(cache)
        return pid, listening_port(pid)

    def screenshot(self, name: str) -> None:
        """For a person who looks at it, in a directory that the variable names."""
        if directory := os.environ.get("ONEFOLD_SCREENSHOTS"):
            self.screen.pixels().write(Path(directory, name))

    def test_splash_page_a_second_start_and_the_end_of_the_window(self) -> None:
        with self.unpacking_by_another(self.cache):
            shell = self.start_shell(cache=self.cache)
            self.window("Cortex: Waiting for another instance")
            wait_until(lambda: self.screen.pixels().share(STARTING) > 0.1, "the splash to be drawn")
            self.screenshot("tauri-splash.png")
        window = self.wait_for_page()
        _, port = self.server(self.cache)
        # Into the upper field.
        self.screen.type(window, 300, 118, "a window")
        wait_until(lambda: request(port, "/api/health").json["documents"] == 1, "the page to add a document")
        self.screenshot("tauri-page.png")
        second = self.start_shell(cache=self.cache)
        self.assertEqual(second.wait(timeout=PATIENCE), 0)
        self.assertEqual(len(self.servers(self.cache)), 1)
        self.screen.close(window)
        self.assertEqual(shell.wait(timeout=PATIENCE), 0)
        self.assertEqual(self.servers(self.cache), [])
        self.assertDatabaseClosed()

    def test_a_taken_port_is_shown_and_a_free_one_is_taken(self) -> None:
        port = free_port()
        pid = self.other_server(port)
        self.start_shell(f"127.0.0.1:{port}")
        window = self.window(f"Cortex: cannot listen on 127.0.0.1:{port}: pid {pid} (cortex-backend) has it")
        wait_until(lambda: self.screen.pixels().share(FAILED) > 0.1, "the failure to be drawn")
        self.screenshot("tauri-taken.png")
        self.assertEqual(self.servers(), [])
        # From "Try again" to "Use a free port".
        self.screen.press(window, "Tab", "Return")
        self.wait_for_page()
        self.assertNotEqual(self.server()[1], port)

    def test_a_server_that_ends_is_shown_and_started_again_and_ends_with_the_shell(self) -> None:
        shell = self.start_shell()
        self.wait_for_page()
        os.kill(self.server()[0], signal.SIGKILL)
        window = self.window("Cortex: The server ended by signal 9")
        self.screen.press(window, "Return")
        self.wait_for_page()
        self.assertEqual(len(self.servers()), 1)
        shell.kill()
        self.wait_for_no_server()
        # By SIGTERM: it has closed what it had open.
        self.assertDatabaseClosed()

    def test_the_launcher_ends_with_a_shell_that_is_killed_and_with_a_splash_that_is_closed(self) -> None:
        with self.unpacking_by_another(self.cache):
            for end in (lambda shell, _: shell.kill(), lambda _, window: self.screen.close(window)):
                shell = self.start_shell(cache=self.cache)
                window = self.window("Cortex: Waiting for another instance")
                end(shell, window)
                shell.wait(timeout=PATIENCE)
                self.wait_for_no_server(self.cache)
                wait_until(lambda: not self.screen.windows(), "the window to go")
            self.assertEqual(shell.returncode, 0)
            self.assertEqual(listing(self.cache), [f"{self.packed.tree_name}.lock"])


    def test_the_shell_packed_with_its_sidecar_is_one_file(self) -> None:
        source = shutil.copytree(EXAMPLE, self.work / "source")
        shutil.copy(self.packed.path, source / "cortex-backend")
        packed = pack_spec(source, self.work / "cortex")
        shutil.rmtree(source)
        self.begin(packed.command(), self.environment(self.cache))
        self.wait_for_page()
        tree = packed.tree(self.cache)
        inner = tree / "bin" / "cortex-backend"
        self.assertEqual(inner.read_bytes(), self.packed.path.read_bytes())
        self.assertEqual([path for path in tree.rglob("*") if "webkit" in path.name], [])
        running = {Path(executable(pid)).relative_to(self.cache).parts[0] for pid in self.servers(self.cache)}
        self.assertEqual(running, {packed.tree_name, self.packed.tree_name})
        self.shell.kill()
        self.wait_for_no_server(self.cache)
        self.assertDatabaseClosed()


def session_bus(test: type[unittest.TestCase]) -> str:
    """The address of a D-Bus of its own, by which the second start of an application finds the first."""
    if shutil.which("dbus-daemon") is None:
        raise unittest.SkipTest("needs the program dbus-daemon")
    bus = start(["dbus-daemon", "--session", "--nofork", "--print-address"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert bus.stdout
    test.addClassCleanup(bus.stdout.close)
    test.addClassCleanup(bus.wait)
    test.addClassCleanup(bus.kill)
    return bus.stdout.readline().decode().strip()


def listening_port(pid: int) -> int:
    """The port at which the process listens."""
    links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in links:
            return int(fields[1].split(":")[1], 16)
    raise AssertionError(f"process {pid} does not listen")


if __name__ == "__main__":
    unittest.main()
