"""docs/guides/privileges.md: servers that change their user, with the commands of the guide.

A part of test_program_servers.py, which packs each file once.
"""

from __future__ import annotations

import os
import pwd
import shlex
import signal
from pathlib import Path
from typing import Any

from examples import GUIDES, Server, free_port
from support import IS_ROOT, Mounts, Onefile, remove_tree, run, succeed, wait_until

#: Where the guide has the tree.
SHARED = "/var/cache/onefold"

#: Uncommon, so that no user has it.
RANDOM = 1000730000


def blocks(heading: str, language: str) -> list[str]:
    """The code below a heading of the guide, of that language."""
    text = (GUIDES / "privileges.md").read_text()
    [section] = [part for part in text.split("\n## ") if part.startswith(f"{heading}\n")]
    return [part.partition("```")[0] for part in section.split(f"```{language}\n")[1:]]


class Privileges:
    """Together they take about 25 s."""

    def enter(self: Any, onefile: Onefile) -> None:
        """Makes a machine: one of root's own directories for HOME, empty shared directories, and `./server`."""
        if not IS_ROOT:
            self.skipTest("needs root")
        self.mounts = Mounts(self)
        for path in ("/var/cache", "/var/tmp"):
            self.mounts.tmpfs(Path(path), "mode=1777" if path == "/var/tmp" else "mode=0755")
        self.home = self.work / "home"
        self.home.mkdir(mode=0o700)
        (self.place / "server").symlink_to(onefile.path)

    def inside(self: Any, *command: str) -> list[str]:
        """In that machine, beside `./server` and hostile modules."""
        return self.mounts.command(["sh", "-c", 'cd "$0" && exec "$@"', os.fspath(self.place), *command])

    def shell(self: Any, script: str) -> None:
        succeed(run(self.inside("sh", "-ec", script), environment={"HOME": self.home}))

    def start_inside(self: Any, command: str, *more: str) -> Server:
        """A command of the guide, with another port."""
        port = free_port()
        words = [word.replace("8000", str(port)) for word in [*shlex.split(command), *more]]
        self.count += 1
        server = Server(
            self.inside(*words), self.work / f"inside-{self.count}", {"HOME": self.home}, port, start_new_session=True
        )
        self.addCleanup(self.end, server)
        return server

    def assertUser(self: Any, pid: int, user: int, group: int) -> None:
        """A process has no other user and group, whether real, effective or saved."""
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        found = {line.split(":")[0]: line.split()[1:] for line in status}
        self.assertEqual((found["Uid"], found["Gid"]), ([str(user)] * 4, [str(group)] * 4))

    def assertFromShared(self: Any, answer: Any) -> None:
        self.assertEqual(answer["where"], "packed")
        self.assertTrue(any(entry.startswith(f"{SHARED}/") for entry in answer["path"]), answer["path"])
        self.assertFalse(self.ran.exists())

    def assertUnreadable(self: Any, server: Server) -> None:
        """The server says that its tree can't be read, and took none of the modules beside it."""
        said = server.stderr.read_text()
        self.assertIn("No module named ", said)
        self.assertIn(f": can't read the packed files in {self.home}/.cache/onefold/", said)
        self.assertIn("; unpack them with ONEFOLD=prewarm where user ", said)
        self.assertFalse(self.ran.exists())

    def test_gunicorn_changes_its_user(self: Any) -> None:
        self.enter(self.packed("gunicorn"))
        [command] = blocks("gunicorn", "sh")
        name = shlex.split(command)[2]
        user = pwd.getpwnam(name)
        # The tree is root's alone, so the workers can't load the application.
        server = self.start_inside(command)
        wait_until(lambda: server.process.poll() is not None, "a server that can't read its tree")
        self.assertNotEqual(server.process.returncode, 0)
        self.assertUnreadable(server)
        remove_tree(self.home / ".cache")

        self.shell(blocks("Prewarm", "sh")[0])
        server = self.start_inside(command)
        first = self.answer(server)
        self.assertFromShared(first)
        self.assertUser(first["pid"], user.pw_uid, user.pw_gid)
        self.assertUser(server.process.pid, 0, 0)
        self.assertTrue((self.home / ".gunicorn").is_dir())
        os.kill(server.process.pid, signal.SIGHUP)
        second = self.again(server, first, "pid")
        self.assertFromShared(second)
        os.kill(server.process.pid, signal.SIGUSR2)
        os.kill(server.process.pid, signal.SIGWINCH)
        third = self.again(server, second, "parent")
        self.assertFromShared(third)
        self.assertUser(third["pid"], user.pw_uid, user.pw_gid)
        # Nothing was unpacked for root.
        self.assertFalse((self.home / ".cache").exists())

    def test_uwsgi_changes_its_user(self: Any) -> None:
        [source] = blocks("uWSGI", "python")
        [command] = blocks("uWSGI", "sh")
        user = pwd.getpwnam(shlex.split(command)[4])
        self.enter(self.packed("plain"))
        self.shell(blocks("Prewarm", "sh")[0])
        # As a launch of the guide's function calls it.
        code = f"import sys\ndel sys.argv[1:3]\n{source}\nmain()"
        program, *arguments = shlex.split(command)
        server = self.start_inside(shlex.join([program, "exec", code, *arguments]))
        answer = self.answer(server)
        self.assertFromShared(answer)
        self.assertUser(answer["pid"], user.pw_uid, user.pw_gid)
        server.process.terminate()
        self.assertEqual(server.process.wait(60), 0)

    def test_celery_changes_its_user(self: Any) -> None:
        [command] = blocks("Celery", "sh")
        user = pwd.getpwnam(shlex.split(command)[3])
        self.enter(self.packed("plain"))
        program, *arguments = shlex.split(command)
        words = shlex.join([program, "celery", "-A", "tasks", *arguments, "--loglevel", "info"])
        server = self.start_inside(words)
        wait_until(lambda: server.process.poll() is not None, "a worker that can't read its tree")
        self.assertNotEqual(server.process.returncode, 0)
        self.assertUnreadable(server)

        self.shell(blocks("Prewarm", "sh")[0])
        server = self.start_inside(words)
        wait_until(lambda: b" ready." in server.stderr.read_bytes(), "the worker")
        self.assertIn(b"tasks are packed", server.stdout.read_bytes())
        self.assertUser(server.process.pid, user.pw_uid, user.pw_gid)
        server.process.terminate()
        self.assertEqual(server.process.wait(60), 0)

    def test_an_unknown_user(self: Any) -> None:
        self.enter(self.packed("gunicorn"))
        [command] = blocks("Random users", "sh")
        self.assertIn(f"--reuid {RANDOM} ", command)
        own = self.mounts.inside(f"/var/tmp/onefold-{RANDOM}")

        def launch() -> str:
            """What it says to stderr."""
            result = run(self.inside(*shlex.split(command), "--version"))
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(b"gunicorn", result.stdout)
            return result.stderr.decode()

        self.assertEqual((launch(), own.is_dir()), ("", True))
        remove_tree(own)
        self.shell(blocks("Prewarm", "sh")[0])
        server = self.start_inside(command, "--bind", "127.0.0.1:8000")
        answer = self.answer(server)
        self.assertFromShared(answer)
        self.assertUser(answer["pid"], RANDOM, 0)
        self.assertEqual((launch(), own.exists()), ("", False))
        # As images are made to fit, and the guide's remedy.
        self.shell(f"chmod -R g=u {SHARED}")
        self.assertIn(f"'{SHARED}' is not used: it can be written to by others", launch())
        self.assertTrue(own.is_dir())
        remove_tree(own)
        self.shell(f"chmod -R go-w {SHARED}")
        self.assertEqual((launch(), own.exists()), ("", False))
