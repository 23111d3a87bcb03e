"""docs/launch.md, "One instance": the lock, status, stop and replace."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import signal
import subprocess
import time
import unittest
from pathlib import Path
from typing import Any, Mapping

from listen_support import LOCAL, Launched, ListenCase, ask, listening, packed_server
from support import (
    AS_NOBODY, NOBODY, Mounts, Onefile, listing, needs_program, needs_root, noise, run, start, succeed, wait_until,
)  # fmt: skip

NAME = "onefold-server.instance"


def packed(policy: str = "single", version: str = "1.2", **tables: Mapping[str, Any]) -> Onefile:
    launch = {"instance": policy, **tables.pop("launch", {})}
    return packed_server(version=version, launch=launch, **tables)


def packed_listening(policy: str = "single", **more: Any) -> Onefile:
    return packed(policy, launch_listen=listening(), **more)


class InstanceCase(ListenCase):
    def status(self, onefile: Onefile, **options: Any) -> dict[str, Any]:
        result = self.run_file(onefile, "json", verb="status", **options)
        found = json.loads(result.stdout)
        self.assertEqual(result.returncode, 0 if found["running"] else 3, result.stderr)
        return found

    def stop(self, onefile: Onefile, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[bytes]":
        return self.run_file(onefile, *arguments, verb="stop", **options)

    def assertRunning(self, onefile: Onefile, pid: int, **options: Any) -> None:
        self.assertEqual(self.status(onefile, **options).get("pid"), pid)

    def assertNotRunning(self, onefile: Onefile, **options: Any) -> None:
        self.assertEqual(self.status(onefile, **options), {"running": False, "name": "server"})

    def assertIsRunning(self, result: Any, place: str) -> None:
        self.assertRefused(result, f"server is already running: {place}; ONEFOLD=stop ends it", code=121)


class Single(InstanceCase):
    def test_a_second_launch_says_where_the_first_is(self) -> None:
        first = self.begin(packed_listening())
        host, port = first.address()
        first.serving()
        before = listing(self.cache)
        self.assertIsRunning(self.run_file(packed_listening()), f"pid {first.pid} at {host}:{port}")
        second = self.begin(packed_listening())
        self.assertEqual(second.finished(), 121)
        [event] = second.events
        self.assertEqual((event["event"], event["code"]), ("failed", 121))
        self.assertEqual(listing(self.cache), before)
        self.assertEqual(ask((host, port)), str(first.pid))
        first.end()
        self.assertNotRunning(packed_listening())
        self.serve(packed_listening())

    def test_without_an_address(self) -> None:
        first = self.serve(packed())
        self.assertIsRunning(self.run_file(packed()), f"pid {first.pid}")

    def test_status(self) -> None:
        onefile = packed_listening()
        self.assertNotRunning(onefile)
        self.assertRefused(self.run_file(onefile, verb="status"), "server is not running", code=3)
        # Not even an empty file is there for asking.
        self.assertEqual((listing(self.runtime), self.cache.exists()), ([], False))
        before = int(time.time())
        first = self.begin(onefile)
        host, port = first.address()
        first.serving()
        found = self.status(onefile)
        since, memory = found.pop("since"), found.pop("memory")
        self.assertEqual(found, {
            "running": True, "name": "server", "version": "1.2", "pid": first.pid, "address": f"{host}:{port}",
            "file": os.fspath(onefile.path),
        })  # fmt: skip
        self.assertTrue(before <= since <= time.time(), since)
        pages = int(Path(f"/proc/{first.pid}/statm").read_text().split()[1])
        self.assertEqual(memory, pages * os.sysconf("SC_PAGESIZE"))
        said = succeed(self.run_file(onefile, verb="status")).stdout.decode()
        number = rf"{memory:,}"
        self.assertRegex(
            said, rf"\Aserver 1\.2 is running: pid {first.pid} at {host}:{port}, for \d+ seconds?, with {number} bytes in memory\n\Z"
        )
        self.assertRefused(self.run_file(onefile, "xml", verb="status"), "ONEFOLD=status takes no argument but 'json'")

    def test_every_text_is_escaped(self) -> None:
        """A version may have any characters but controls."""
        onefile = packed(version='1 "β"\\')
        first = self.serve(onefile)
        self.assertEqual(self.status(onefile)["version"], '1 "β"\\')
        self.assertIn(f'server 1 "β"\\x5c is running: pid {first.pid}'.encode(), self.run_file(onefile, verb="status").stdout)

    def test_after_sigkill_the_next_starts_at_once(self) -> None:
        first = self.serve(packed())
        first.end(signal.SIGKILL)
        # What it told means nothing.
        self.assertEqual(listing(self.runtime), [NAME])
        self.assertNotRunning(packed())
        second = self.serve(packed())
        self.assertRunning(packed(), second.pid)

    def test_one_of_many_runs(self) -> None:
        launches = [self.begin(packed()) for _ in range(32)]
        with concurrent.futures.ThreadPoolExecutor(len(launches)) as pool:
            # The one that runs has no end of its events until the program ends.
            endings = pool.map(lambda one: one.event_or_end(), launches)
            ended = dict(zip(launches, endings))
        [running] = [one for one, status in ended.items() if status is None]
        running.serving()
        self.assertEqual({status for one, status in ended.items() if one is not running}, {121})
        self.assertRunning(packed(), running.pid)

    def test_instances_of_different_keys(self) -> None:
        onefile = packed(launch={"instance-key": "{env:DATA}"})
        first = self.serve(onefile, environment={"DATA": "/a"})
        second = self.serve(onefile, environment={"DATA": "/b"})
        for data, one in (("/a", first), ("/b", second)):
            self.assertIsRunning(self.run_file(onefile, environment={"DATA": data}), f"pid {one.pid}")
            self.assertRunning(onefile, one.pid, environment={"DATA": data})
        self.assertNotRunning(onefile, environment={"DATA": "/c"})
        # As the document names them.
        names = [f"onefold-server-{hashlib.sha256(key).hexdigest()[:16]}.instance" for key in (b"/a", b"/b")]
        self.assertEqual(listing(self.runtime), sorted(names))
        succeed(self.stop(onefile, environment={"DATA": "/a"}))
        self.assertEqual(first.process.wait(60), -signal.SIGTERM)
        self.assertRunning(onefile, second.pid, environment={"DATA": "/b"})

    def test_other_versions_and_copies_are_the_same_application(self) -> None:
        first = self.serve(packed(version="1"))
        copy = packed(version="2").copy(self.work / "elsewhere")
        self.assertIsRunning(self.run_file(copy), f"pid {first.pid}")
        self.assertEqual(self.status(copy)["version"], "1")

    def test_a_launch_that_fails_is_no_instance(self) -> None:
        result = self.run_file(packed_listening(), environment={"ONEFOLD_CHECK": "wrong"})
        self.assertRefused(result, "ONEFOLD_CHECK")
        self.assertNotRunning(packed_listening())
        self.assertEqual((self.runtime / NAME).stat().st_size > 0, True)
        result = self.run_file(packed_listening(), environment={"ONEFOLD_LISTEN": "192.0.2.1:0"})
        self.assertRefused(result, "cannot listen on")
        # It tells nothing of the launch before either.
        self.assertEqual((self.runtime / NAME).read_bytes(), b"")

    def test_commands_and_verbs_are_no_instances(self) -> None:
        onefile = packed(commands_look={"executable": "bin/server", "arguments": ["show"]})
        first = self.serve(onefile)
        shown = self.shown(self.run_file(onefile, environment={"ONEFOLD_COMMAND": "look"}))
        self.assertEqual([line for line in shown["fd"] if NAME in line], [])
        for verb in ("help", "inspect", "path", "prewarm"):
            self.assertEqual(self.run_file(onefile, verb=verb).returncode, 0)
        self.assertRunning(onefile, first.pid)

    def test_a_file_that_asks_for_none(self) -> None:
        onefile = packed_server(name="other")
        first, second = self.serve(onefile), self.serve(onefile)
        self.assertNotEqual(first.pid, second.pid)
        for verb in ("status", "stop"):
            self.assertRefused(self.run_file(onefile, verb=verb), "other is not running", code=3)
        self.assertEqual(listing(self.runtime), [])


class Program(InstanceCase):
    """What the program itself does."""

    def test_a_restart_of_itself_keeps_instance_and_socket(self) -> None:
        onefile = packed_listening()
        first = self.begin(onefile)
        where = first.address()
        first.serving()
        for _ in range(3):
            self.assertEqual(ask(where, "restart"), str(first.pid))
            first.serving()
            self.assertRunning(onefile, first.pid)
            self.assertEqual(ask(where), str(first.pid))
            self.assertEqual(self.status(onefile)["address"], f"{where[0]}:{where[1]}")
        self.assertIsRunning(self.run_file(onefile), f"pid {first.pid} at {where[0]}:{where[1]}")

    def test_a_child_of_the_same_file_belongs_to_it(self) -> None:
        onefile = packed(launch={"arguments": []})
        # The server listens at a port that its environment names, as the file asks for none.
        first = self.begin(onefile, environment={"ONEFOLD_LISTEN": "0"})
        where = first.address()
        first.serving()
        self.assertEqual(ask(where, "child"), "7")
        self.assertRunning(onefile, first.pid)

    def test_a_child_of_another_version_does_not(self) -> None:
        """As an update starts it."""
        place = self.work / "server"
        packed(version="1").copy(place)
        first = self.begin(Onefile(place, {}), environment={"ONEFOLD_LISTEN": "0"})
        where = first.address()
        first.serving()
        place.unlink()
        packed(version="2").copy(place)
        self.assertEqual(ask(where, "child"), "121")

    def test_the_lock_ends_with_its_descriptor(self) -> None:
        first = self.begin(packed_listening())
        where = first.address()
        first.serving()
        [number] = [path.name for path in Path(f"/proc/{first.pid}/fd").iterdir() if os.readlink(path).endswith(NAME)]
        self.assertEqual(ask(where, f"close {number}"), "0")
        self.assertNotRunning(packed_listening())


class Stop(InstanceCase):
    def test_it_waits_for_the_end(self) -> None:
        log = self.work / "log"
        first = self.serve(packed(), environment={"LOG": log})
        result = self.stop(packed())
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        self.assertEqual(result.stderr.decode(), f"stopped server, pid {first.pid}\n")
        self.assertEqual(log.read_text(), f"begin {first.pid}\nend {first.pid}\n")
        self.assertEqual(first.process.wait(60), 0)
        self.assertRefused(self.stop(packed()), "server is not running", code=3)

    def test_one_that_ignores_it(self) -> None:
        first = self.serve(packed(), environment={"IGNORE_TERM": "1"})
        says = f"server still runs 0 seconds after SIGTERM: pid {first.pid}"
        self.assertRefused(self.stop(packed(), "0"), says, code=122)
        self.assertRefused(self.stop(packed(), "1"), "1 second after", code=122)
        self.assertRunning(packed(), first.pid)
        result = self.stop(packed(), "0", "kill")
        self.assertEqual((result.returncode, result.stderr.decode()), (0, f"stopped server, pid {first.pid}\n"))
        self.assertEqual(first.process.wait(60), -signal.SIGKILL)

    def test_kill_is_not_sent_to_one_that_ends(self) -> None:
        log = self.work / "log"
        first = self.serve(packed(), environment={"LOG": log})
        succeed(self.stop(packed(), "kill"))
        self.assertEqual(first.process.wait(60), 0)

    def test_arguments_that_it_does_not_take(self) -> None:
        for wrong in (["now"], ["-1"], ["1.5"], ["10", "KILL"], ["99999999999"]):
            self.assertRefused(self.stop(packed(), *wrong), "ONEFOLD=stop takes seconds to wait, and 'kill'")

    def test_a_launch_that_unpacks_is_stopped(self) -> None:
        onefile = packed()
        first = self.begin(onefile)
        first.event("unpacking")
        first.process.send_signal(signal.SIGSTOP)
        self.assertRunning(onefile, first.pid)
        first.process.send_signal(signal.SIGCONT)
        succeed(self.stop(onefile))
        self.assertEqual(first.finished(), -signal.SIGTERM)
        if first.events[-1]["event"] == "failed":
            self.assertNothingLeft()

    @needs_program("strace")
    def test_the_signal_goes_to_the_process_that_has_the_lock(self) -> None:
        """By a descriptor of it, and only after another look at the lock."""
        self.serve(packed())
        traced = packed().trace(verb="stop", environment=self.environment({}), calls="fcntl,pidfd_open,pidfd_send_signal,poll,kill,tkill,tgkill")
        self.assertEqual(traced.result.returncode, 0)
        names = [call.name for call in traced.calls if call.name != "fcntl" or "F_GETLK" in call.arguments]
        first = names.index("pidfd_open")
        self.assertIn("fcntl", names[:first])
        self.assertEqual(names[first:][-3:], ["fcntl", "pidfd_send_signal", "poll"])

    def test_a_pid_in_a_file_means_nothing(self) -> None:
        """Of a file of an instance that has ended, whose number another process has."""
        other = start(["sleep", "1000"])
        self.addCleanup(other.communicate)
        self.addCleanup(other.kill)
        (self.runtime / NAME).write_text(f"onefold-instance 1\npid {other.pid}\n1.2\n/server\n")
        self.assertNotRunning(packed())
        self.assertRefused(self.stop(packed()), "server is not running", code=3)
        self.serve(packed())
        self.assertIsNone(other.poll())


class Replace(InstanceCase):
    def test_the_old_one_has_ended_when_the_new_one_starts(self) -> None:
        log = self.work / "log"
        onefile = packed_listening("replace")
        first = self.serve(onefile, environment={"LOG": log})
        second = self.serve(onefile, environment={"LOG": log})
        self.assertEqual(first.process.wait(60), 0)
        lines = [f"begin {first.pid}", f"end {first.pid}", f"begin {second.pid}"]
        self.assertEqual(log.read_text().splitlines(), lines)
        self.assertRunning(onefile, second.pid)

    def test_it_has_the_port_of_the_old_one(self) -> None:
        first = self.begin(packed_listening("replace"))
        host, port = first.address()
        first.serving()
        self.assertEqual(ask((host, port)), str(first.pid))
        second = self.begin(packed_listening("replace"), environment={"ONEFOLD_LISTEN": f"{host}:{port}"})
        self.assertEqual(second.address(), (host, port))
        second.serving()
        self.assertEqual(ask((host, port)), str(second.pid))

    def test_one_of_many_stays(self) -> None:
        onefile = packed("replace")
        succeed(self.run_file(onefile, verb="prewarm"))
        launches = [self.begin(onefile) for _ in range(12)]

        def alive() -> list[Launched]:
            return [one for one in launches if one.process.poll() is None]

        wait_until(lambda: len(alive()) == 1, "the end of all but one")
        [last] = alive()
        last.serving()
        self.assertRunning(onefile, last.pid)
        # Each of the others was told to end.
        self.assertEqual({one.process.wait() for one in launches if one is not last}, {-signal.SIGTERM})

    @needs_program("strace")
    def test_one_that_does_not_end_stays(self) -> None:
        """The wait of ten seconds is made one that ends at once."""
        first = self.serve(packed("replace"), environment={"IGNORE_TERM": "1"})
        traced = packed("replace").trace(
            environment=self.environment({}), calls="poll,pidfd_send_signal", inject=["poll:retval=0"]
        )
        self.assertRefused(traced.result, f"server still runs 10 seconds after SIGTERM: pid {first.pid}", code=122)
        self.assertIn("10000", [call.arguments for call in traced.calls if call.name == "poll"][0])
        self.assertEqual(traced.count("pidfd_send_signal"), 1)
        self.assertRunning(packed("replace"), first.pid)

    def test_a_new_version_starts_itself(self) -> None:
        """A program starts the new file and ends, as updaters do."""
        place = self.work / "server"
        log = self.work / "log"
        packed("replace", version="1").copy(place)
        first = self.begin(Onefile(place, {}), environment={"ONEFOLD_LISTEN": "0", "LOG": log})
        where = first.address()
        first.serving()
        place.unlink()
        packed("replace", version="2").copy(place)
        try:
            ask(where, "child")
        except ConnectionError:
            pass
        self.assertEqual(first.process.wait(60), 0)
        self.assertIn(f"end {first.pid}", log.read_text())


class Places(InstanceCase):
    """Where the file is, and who may have written it."""

    def inside(self, mounts: Mounts, *arguments: str, **environment: Any) -> "subprocess.CompletedProcess[bytes]":
        return run(mounts.command(packed().command(*arguments)), environment={"ONEFOLD_CACHE": self.cache, **environment})

    def begin_inside(self, mounts: Mounts, **environment: Any) -> Launched:
        given = {"ONEFOLD_CACHE": self.cache, **environment}
        return Launched(self, mounts.command(packed().command()), given).serving()

    @needs_root
    def test_a_service_and_a_session_find_each_other(self) -> None:
        mounts = Mounts(self)
        user = Path(f"/run/user/{os.geteuid()}")
        mounts.tmpfs(Path("/run"), "mode=0755")
        session = {"XDG_RUNTIME_DIR": user}
        # At boot there is no directory of a session yet.
        service = self.begin_inside(mounts)
        self.assertEqual(listing(self.cache)[-1:], [NAME])
        mounts.inside(user).mkdir(mode=0o700, parents=True)
        for environment in (session, {}):
            self.assertIsRunning(self.inside(mounts, **environment), f"pid {service.pid}")
        service.end()
        # Later a service finds the session's directory without the variable.
        for first, second in ((session, {}), ({}, session)):
            launched = self.begin_inside(mounts, **first)
            self.assertEqual(listing(mounts.inside(user)), [NAME])
            for environment in (first, second):
                self.assertIsRunning(self.inside(mounts, **environment), f"pid {launched.pid}")
                found = json.loads(self.inside(mounts, "json", ONEFOLD="status", **environment).stdout)
                self.assertEqual(found["pid"], launched.pid)
            launched.end()

    def test_a_runtime_directory_that_is_not_the_users(self) -> None:
        where = {"XDG_RUNTIME_DIR": self.work / "open"}
        (self.work / "open").mkdir()
        (self.work / "open").chmod(0o777)
        for verb in ("", "status", "stop"):
            result = self.run_file(packed(), verb=verb, environment=where)
            self.assertRefused(result, f"'{self.work}/open'", "XDG_RUNTIME_DIR")
        self.assertEqual(listing(self.work / "open"), [])

    @needs_root
    def test_a_runtime_directory_of_another_user(self) -> None:
        os.chown(self.runtime, NOBODY, NOBODY)
        for verb in ("", "status", "stop"):
            self.assertRefused(self.run_file(packed(), verb=verb), f"'{self.runtime}'", "XDG_RUNTIME_DIR")
        self.assertEqual(listing(self.runtime), [])

    def test_one_that_is_no_directory(self) -> None:
        """Then there is none: the file is in the cache."""
        for place in (self.work / "nothing", Path("relative"), Path("/dev/null")):
            launched = self.serve(packed(), environment={"XDG_RUNTIME_DIR": place})
            self.assertIn(NAME, listing(self.cache))
            self.assertRunning(packed(), launched.pid)
            launched.end()

    @needs_root
    def test_a_read_only_runtime_directory(self) -> None:
        mounts = Mounts(self)
        mounts.tmpfs(self.runtime, "ro,mode=0700")
        result = self.inside(mounts, XDG_RUNTIME_DIR=self.runtime)
        self.assertRefused(result, f"'{self.runtime}/{NAME}'", "Read-only file system")
        self.assertEqual(self.inside(mounts, XDG_RUNTIME_DIR=self.runtime, ONEFOLD="status").returncode, 3)

    def test_damaged_files(self) -> None:
        """The lock tells who runs, and a damaged file nothing else."""
        for content in (b"", b"onefold-instance 2\na\nb\nc", b"\0" * 100_000, noise(5000), b"onefold-instance 1\n"):
            (self.runtime / NAME).write_bytes(content)
            self.assertNotRunning(packed_listening())
            launched = self.serve(packed_listening())
            address = self.status(packed_listening())["address"]
            self.assertRegex(address, rf"^{LOCAL}:\d+$")
            (self.runtime / NAME).write_bytes(content)
            found = self.status(packed_listening())
            self.assertEqual((found["pid"], found["address"], found["version"], found["file"]), (launched.pid, "", "", ""))
            self.assertIsRunning(self.run_file(packed_listening()), f"pid {launched.pid}")
            succeed(self.stop(packed_listening()))

    def test_what_is_no_file(self) -> None:
        target = self.work / "target"
        target.write_bytes(b"content")
        for make in (
            lambda path: path.symlink_to(target), lambda path: path.symlink_to("nothing"), lambda path: path.mkdir(),
            lambda path: os.mkfifo(path, 0o600), lambda path: path.write_bytes(b"") or path.chmod(0o666),
        ):  # fmt: skip
            make(self.runtime / NAME)
            for verb in ("", "status", "stop"):
                self.assertRefused(self.run_file(packed(), verb=verb), f"'{self.runtime}/{NAME}'")
            run(["rm", "-rf", self.runtime / NAME])
        self.assertEqual(target.read_bytes(), b"content")
        self.assertFalse((self.runtime / "nothing").exists())

    @needs_root
    def test_another_users_instance_is_not_seen(self) -> None:
        theirs = self.new_directory()
        os.chown(theirs, NOBODY, NOBODY)
        (theirs / "runtime").mkdir(mode=0o700)
        os.chown(theirs / "runtime", NOBODY, NOBODY)
        environment = {"XDG_RUNTIME_DIR": theirs / "runtime", "ONEFOLD_CACHE": theirs / "cache"}
        first = self.serve(packed(), environment=environment, **AS_NOBODY)
        self.assertNotRunning(packed())
        self.assertRefused(self.stop(packed()), "server is not running", code=3)
        second = self.serve(packed())
        self.assertRunning(packed(), second.pid)
        self.assertEqual(self.status(packed(), environment=environment, **AS_NOBODY)["pid"], first.pid)
        # In their directory it is not seen by others than them.
        result = self.stop(packed(), environment=environment)
        self.assertRefused(result, f"'{theirs}/runtime'", "XDG_RUNTIME_DIR")
        self.assertIsNone(first.process.poll())

    @needs_root
    def test_a_file_of_root_in_a_users_directory(self) -> None:
        """Root could do anything there anyway; the user can't lock it."""
        os.chown(self.work, NOBODY, NOBODY)
        os.chown(self.runtime, NOBODY, NOBODY)
        (self.runtime / NAME).touch(mode=0o600)
        for verb in ("", "status"):
            self.assertRefused(self.run_file(packed(), verb=verb, **AS_NOBODY), f"'{self.runtime}/{NAME}'")


if __name__ == "__main__":
    unittest.main()
