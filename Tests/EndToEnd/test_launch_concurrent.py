"""Many launches at once: one unpacks, all work, whoever is killed or stopped."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Iterable, NamedTuple, Optional, Sequence

from points import Points
from support import (
    PATIENCE,
    Onefile,
    Result,
    assert_remains,
    listing,
    make_tree,
    noise,
    pack,
    probe,
    program,
    remains,
    remove_tree,
    start,
    strace,
    tree_state,
    wait_until,
)
from test_launch_cache import CHANGING, CacheCase, entries

#: Launches of a round.
MANY = 64

#: Bytes that a launch writes besides the tree: its program's output.
HELLO_BYTES = 6


class End(NamedTuple):
    pid: int
    #: As `Popen.returncode` has it.
    status: int
    stdout: bytes
    stderr: bytes
    #: Bytes that it gave to write calls, as the kernel counts them.
    written: int


class Round:
    """Launches of one file that begin at once, each in a process that is there already and
    waits."""

    def __init__(self, onefile: Onefile, cache: Path, count: int) -> None:
        self.cache = cache
        gate, opener = os.pipe()
        script = 'read -r _; exec "$0" "$@"'
        self.processes = [
            start(
                ["sh", "-c", script, *onefile.command()],
                environment={"ONEFOLD_CACHE": cache},
                stdin=gate,
            )
            for _ in range(count)
        ]
        os.close(gate)
        # At the end of their input all go on.
        os.close(opener)
        self.killed: set[int] = set()

    def kill(self, pid: int) -> None:
        # It is not reaped before `ends`: the number is still its own.
        os.kill(pid, signal.SIGKILL)
        self.killed.add(pid)

    def winner(self) -> Optional[int]:
        """Who holds the lock that only one can hold, if anybody does."""
        return self.holder(self.cache.glob("*.lock"))

    def holder(self, paths: Iterable[Path]) -> Optional[int]:
        """Who of these processes holds one of these files or directories for itself."""
        ours = {process.pid for process in self.processes}
        locks = set()
        for path in existing(paths):
            # Whoever is done removes it.
            with contextlib.suppress(FileNotFoundError):
                locks.add(os.stat(path).st_ino)
        for line in Path("/proc/locks").read_text().splitlines():
            # 1: FLOCK  ADVISORY  WRITE 708 00:13:467 0 EOF
            fields = line.split()
            if fields[1] == "FLOCK" and fields[3] == "WRITE" and int(fields[4]) in ours:
                if int(fields[5].split(":")[2]) in locks:
                    return int(fields[4])
        return None

    def await_winner(self) -> Optional[int]:
        """Waits for one; None where all ended before one was seen."""
        while not all(map(has_ended, self.processes)):
            found = self.winner()
            if found:
                return found
        return None

    def ends(self) -> list[End]:
        result = []
        end = time.monotonic() + PATIENCE
        for process in self.processes:
            while not has_ended(process):
                if time.monotonic() > end:
                    raise AssertionError(f"process {process.pid} does not end")
                time.sleep(0.001)
            # Before it is reaped, because the count is gone then.
            written = written_bytes(process.pid)
            stdout, stderr = process.communicate()
            result.append(End(process.pid, process.returncode, stdout, stderr, written))
        return result


def existing(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, options) is not None


def written_bytes(pid: int) -> int:
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["wchar"])


class Rounds(Points, CacheCase):
    """Rounds of many first launches; the subclasses say of what."""

    #: Rounds of each kind that tools/test makes.
    few: dict[str, int]
    #: So many times more rounds are made if the moments, which are random, miss the work.
    tries = 30
    kinds = ("undisturbed", "killed", "stopped", "stopped-and-killed")
    #: Whether a launch takes so long that kills at random moments hit it while it unpacks.
    is_long = True

    def setUp(self) -> None:
        super().setUp()
        self.fill_cache()
        #: The shortest of a few: on a busy machine one alone can take so long that all kills come too late.
        self.seconds = float("inf")
        for _ in range(3):
            begin = time.monotonic()
            [alone] = Round(self.packed, self.cache, 1).ends()
            self.seconds = min(self.seconds, time.monotonic() - begin)
            self.clear_cache()
        #: What one launch alone writes to the cache.
        self.payload = alone.written - HELLO_BYTES
        self.assertGreater(self.payload, 0)
        self.kills = 0
        self.kills_at_work = 0
        self.most_written = 0

    def points(self, full: bool) -> Iterable[str]:
        for kind in self.kinds:
            for seed in range(10 if full else self.few.get(kind, 0)):
                yield f"{kind}/{seed}"

    def try_some(self) -> int:
        """Makes rounds of each kind until the disturbance came about in enough of them."""
        for kind, few in self.few.items():
            came_about = made = 0
            while came_about < few and made < few * self.tries:
                with self.subTest(f"{kind}/{made}"):
                    came_about += self.attempt(f"{kind}/{made}")
                made += 1
            self.assertEqual(came_about, few, f"{kind}: so many of {made} rounds were disturbed at work")
        return sum(self.few.values())

    def attempt(self, point: str) -> bool:
        kind, _, seed = point.partition("/")
        try:
            launches = Round(self.packed, self.cache, MANY)
            disturb = getattr(self, kind.replace("-", "_"))
            came_about = disturb(launches, random.Random(seed))
            ends = launches.ends()
            at_work = self.check_ends(launches, ends)
            self.check_cache(launches, by_clean_up=int(seed) % 2 == 0)
        finally:
            self.clear_cache()
        self.kills += len(launches.killed)
        self.kills_at_work += at_work
        return at_work > 0 if kind == "killed" and self.is_long else came_about

    def fill_cache(self) -> None:
        """What is in the cache before a round."""

    def clear_cache(self) -> None:
        self.remove_cache()
        self.fill_cache()

    def note(self) -> str:
        ratio = self.most_written / self.payload
        return (
            f"{MANY} launches a round; {self.kills} were killed, {self.kills_at_work} of them while they"
            f" unpacked; the survivors of a round wrote at most {ratio:.3f} payloads"
        )

    # What is done to them; returns whether it came about.

    def undisturbed(self, launches: Round, _: random.Random) -> bool:
        return True

    def killed(self, launches: Round, random_number: random.Random) -> bool:
        """One who unpacks, up to three times in a row, and some others, at random moments."""
        for _ in range(random_number.randint(1, 3)):
            launches.await_winner()
            time.sleep(random_number.uniform(0, self.seconds / 2))
            winner = launches.winner()
            if winner:
                launches.kill(winner)
            for process in random_number.sample(launches.processes, random_number.randint(0, 6)):
                launches.kill(process.pid)
        return True

    def stopped(self, launches: Round, _: random.Random) -> bool:
        """The one who unpacks, for a while, as by a debugger or a laptop's lid."""
        winner = launches.await_winner()
        # Between making the staging directory and locking it, a clean-up may take it.
        while winner and launches.winner() == winner:
            if launches.holder(self.cache.glob(".*")) == winner:
                break
        if winner is None:
            return False
        os.kill(winner, signal.SIGSTOP)
        try:
            await_stop(winner)
            staging = self.staging()
            is_published = self.packed.tree(self.cache).exists()
            # Whose lock is held is at work, however long it takes: no clean-up takes it away, and
            # the others wait, and do not begin themselves.
            self.assertEqual(self.launch(verb="gc").returncode, 0)
            if not is_published:
                assert_remains(lambda: self.staging() == staging, "what the stopped launch unpacks")
                self.assertFalse(any(map(has_ended, launches.processes)))
        finally:
            os.kill(winner, signal.SIGCONT)
        return bool(staging) and not is_published

    def staging(self) -> list[str]:
        return [name for name in listing(self.cache) if name.startswith(".")]

    def stopped_and_killed(self, launches: Round, random_number: random.Random) -> bool:
        winner = launches.await_winner()
        if winner is None:
            return False
        time.sleep(random_number.uniform(0, self.seconds / 4))
        os.kill(winner, signal.SIGSTOP)
        await_stop(winner)
        is_published = self.packed.tree(self.cache).exists()
        launches.kill(winner)
        return not is_published

    # What is promised

    def check_ends(self, launches: Round, ends: list[End]) -> int:
        """Returns how many were killed while they unpacked."""
        written = 0
        at_work = 0
        for end in ends:
            if end.pid in launches.killed and end.status == -signal.SIGKILL:
                at_work += 0 < end.written < self.payload
                continue
            self.assertEqual((end.status, end.stdout, end.stderr), (0, b"hello\n", b""))
            written += end.written - HELLO_BYTES
        # One unpacks: who is killed has its work done by one other.
        self.assertLessEqual(written, self.payload)
        if not launches.killed:
            self.assertEqual(written, self.payload)
        self.most_written = max(self.most_written, written)
        return at_work

    def check_cache(self, launches: Round, by_clean_up: bool) -> None:
        self.assertSameTree(self.packed.tree(self.cache), self.state)
        # What the killed left is reclaimed by a clean-up, and by the next launch that unpacks.
        if launches.killed and by_clean_up:
            self.assertEqual(self.launch(verb="gc").returncode, 0)
        elif launches.killed:
            (self.packed.tree(self.cache) / "run").unlink()
            self.assertLaunched(self.launch())
        self.check_held()
        before = tree_state(self.cache)
        self.assertLaunched(self.launch())
        self.assertSameTree(self.cache, before)

    def check_held(self) -> None:
        self.assertCacheHolds(self.packed, self.state)


class SmallRounds(Rounds):
    what = "many small first launches at once"
    is_long = False
    few = {"undisturbed": 3, "killed": 1}

    def test_many_first_launches(self) -> None:
        self.try_some()


class LargeRounds(Rounds):
    """Large enough to be killed, stopped and seen at work."""

    what = "many first launches of 60 MB at once"
    few = {"undisturbed": 1, "killed": 2, "stopped": 1, "stopped-and-killed": 1}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        files = {f"files/{i}": noise(7_000_000, f"large {i}") for i in range(8)}
        files |= {
            f"files/small {i}/{j}": noise(20_000, f"small {i} {j}")
            for i in range(10)
            for j in range(20)
        }
        cls.tree = make_tree(cls.shared / "large tree", {**entries(), **files})
        cls.state = tree_state(cls.tree)
        cls.packed = pack(cls.tree, cls.shared / "large")

    def test_many_first_launches(self) -> None:
        self.try_some()


class UpdateRounds(Rounds):
    """Of a new version, whose tree shares most files with that of the version before."""

    what = "many first launches of a new version at once"
    few = {"undisturbed": 1, "killed": 1}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        files = {f"files/{i}": noise(40_000, f"update {i}") for i in range(500)}
        older = make_tree(cls.shared / "older tree", {**entries(), **files})
        changed = {f"files/{i}": noise(40_000, f"changed {i}") for i in range(0, 500, 20)}
        cls.tree = make_tree(cls.shared / "newer tree", {**entries(), **files, **changed})
        cls.state = tree_state(cls.tree)
        cls.older_state = tree_state(older)
        cls.older = pack(older, cls.shared / "older", "--name", "updated")
        cls.packed = pack(cls.tree, cls.shared / "newer", "--name", "updated")

    def fill_cache(self) -> None:
        self.assertLaunched(self.older.launch(cache=self.cache))

    def check_held(self) -> None:
        self.assertEqual(listing(self.cache), sorted([self.older.tree_name, self.packed.tree_name]))
        self.assertSameTree(self.packed.tree(self.cache), self.state)
        self.assertSameTree(self.older.tree(self.cache), self.older_state)

    def test_many_first_launches(self) -> None:
        self.try_some()
        # All but what changed came from the older tree.
        self.assertLess(self.payload, 3_000_000)


class Simultaneous(CacheCase):
    def all_at_once(self, count: int, inject: Sequence[str] = ()) -> list[Result]:
        """First launches, traced where `inject` is given."""
        processes = []
        for number in range(count):
            command = self.packed.command()
            if inject:
                directory = self.work / f"trace {number}"
                directory.mkdir()
                command = strace(directory, command, CHANGING, inject)
            processes.append(start(command, environment={"ONEFOLD_CACHE": self.cache}))
        results = []
        for process in processes:
            output, errors = process.communicate()
            results.append(Result(process.args, process.returncode, output, errors))
        return results

    def assertAllWork(self, results: list[Result]) -> None:
        for result in results:
            self.assertLaunched(result)
        self.assertIsWarm()
        self.assertWorks()

    def test_first_launches_work_where_locks_do_not(self) -> None:
        self.assertAllWork(self.all_at_once(8, ["flock:error=ENOLCK"]))

    def test_another_takes_over_from_one_that_is_killed(self) -> None:
        directory = self.work / "trace"
        directory.mkdir()
        slow = ["pwrite64:delay_enter=60000000:when=3"]
        environment = {"ONEFOLD_CACHE": self.cache}
        first = start(
            strace(directory, self.packed.command(), CHANGING, slow), environment=environment
        )
        wait_until(lambda: len(listing(self.cache)) == 2, "staging and lock")
        staging = listing(self.cache)[0]
        others = [self.packed.start(cache=self.cache) for _ in range(3)]
        unpacking = int(Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()[0])
        # They wait, and leave what is being made alone.
        wait_until(lambda: all(map(waits_for_lock, others)), "the others to wait")
        self.assertIn(staging, listing(self.cache))
        os.kill(unpacking, signal.SIGKILL)
        # strace would wait for the delay to be over.
        first.kill()
        first.communicate()
        for process in others:
            output, errors = process.communicate()
            self.assertEqual((process.returncode, output, errors), (0, b"hello\n", b""))
        self.assertCacheHolds(self.packed, self.state)

    def test_one_that_waits_can_be_ended_by_a_signal(self) -> None:
        lock = self.hold_lock()
        process = self.packed.start(cache=self.cache)
        wait_until(lambda: waits_for_lock(process), "it to wait")
        process.terminate()
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGTERM)
        lock.communicate()
        self.assertWorks()

    def hold_lock(self) -> subprocess.Popen[bytes]:
        self.cache.mkdir(mode=0o700)
        code = (
            "import fcntl, sys; file = open(sys.argv[1], 'w');"
            " fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
        )
        holder = start([sys.executable, "-c", code, self.lock])
        self.assertEqual(holder.stdout.readline(), b"held\n")
        return holder

    def test_repairs_at_once_all_work(self) -> None:
        for _ in range(5):
            self.launch()
            (self.packed.tree(self.cache) / "a" / "b" / "link").unlink()
            self.assertAllWork(self.all_at_once(8))

    def test_repairs_at_once_all_work_where_locks_do_not(self) -> None:
        for number in range(3):
            self.launch_and_damage()
            processes = []
            for name in range(8):
                directory = self.work / f"repair {number} {name}"
                directory.mkdir()
                inject = ["flock:error=ENOLCK"]
                command = strace(directory, self.packed.command(), "flock", inject)
                processes.append(start(command, environment={"ONEFOLD_CACHE": self.cache}))
            for process in processes:
                output, errors = process.communicate()
                self.assertEqual((process.returncode, output), (0, b"hello\n"), errors)
            # One that could not repair replaced the whole, and another still wrote to the old tree when it
            # was removed. Nobody knows then whose it is, for a day.
            for name in listing(self.cache):
                if name.startswith("."):
                    os.utime(self.cache / name, (0, 0))
            self.assertEqual(self.launch(verb="gc").returncode, 0)
            self.assertWorks()
            self.assertIsWarm(environment={"ONEFOLD_CHECK": "full"})

    def test_launches_and_cleanings_at_once_never_run_half_a_tree(self) -> None:
        """A launch finds the tree, or unpacks it; it never meets one that is being removed."""
        for _ in range(10):
            processes = []
            for number in range(8):
                verb = "clean" if number % 4 == 3 else ""
                processes.append((verb, self.packed.start(cache=self.cache, verb=verb)))
            for verb, process in processes:
                output, errors = process.communicate()
                if verb:
                    self.assertIn(process.returncode, (0, 125), errors)
                else:
                    self.assertEqual((process.returncode, output), (0, b"hello\n"), errors)
        self.assertWorks()

    def test_no_program_runs_from_a_tree_that_is_being_removed(self) -> None:
        tree = make_tree(self.work / "tree", {"run": program(probe().read_bytes()), "file": b"x"})
        packed = pack(tree, self.work / "packed")
        self.assertSucceeded(packed.launch("exit", "0", cache=self.cache))
        # The seal is removed first; then it is held back.
        directory = self.work / "trace"
        directory.mkdir()
        late = ["unlinkat:delay_enter=1000000:when=2"]
        slow = strace(directory, packed.command(), "unlinkat", late)
        environment = {"ONEFOLD_CACHE": self.cache, "ONEFOLD": "clean"}
        cleaning = start(slow, environment=environment)
        seal = self.cache / packed.tree_name / "seal"
        wait_until(lambda: not seal.exists(), "the seal to be removed")
        running = packed.start("wait", cache=self.cache)
        self.addCleanup(running.communicate)
        self.assertEqual(running.stdout.readline(), b"waiting\n")
        cleaning.communicate()
        self.assertSameTree(packed.tree(self.cache), tree)

    def test_the_lock_of_a_removed_file_does_not_count(self) -> None:
        self.cache.mkdir(mode=0o700)
        with self.lock.open("w") as first:
            fcntl.flock(first, fcntl.LOCK_EX)
            process = self.packed.start(cache=self.cache)
            wait_until(lambda: waits_for_lock(process), "the launch to wait")
            # As one does that is done, and the next that begins.
            self.lock.unlink()
            with self.lock.open("w") as second:
                fcntl.flock(second, fcntl.LOCK_EX)
                first.close()
                waits = lambda: process.poll() is None and listing(self.cache) == [self.lock.name]
                assert_remains(waits, "the launch that waits for the second lock")
        output, errors = process.communicate()
        self.assertEqual((process.returncode, output, errors), (0, b"hello\n", b""))
        self.assertCacheHolds(self.packed, self.state)

    def test_no_program_s_tree_is_removed_in_place_of_the_one_that_was_looked_at(self) -> None:
        tree = make_tree(self.work / "tree", {"run": program(probe().read_bytes()), "file": b"x"})
        packed = pack(tree, self.work / "packed")
        prepare = lambda: self.assertSucceeded(packed.launch("exit", "0", cache=self.cache))
        prepare()
        calls = packed.trace(cache=self.cache, verb="clean", calls="execve,openat").main
        name = f'"{packed.tree_name}"'
        # Once to list it, and once to remove it.
        _, number, *_ = [i + 1 for i, call in enumerate(calls) if name in call.arguments]
        prepare()
        directory = self.work / "trace"
        directory.mkdir()
        late = [f"openat:delay_exit=1500000:when={number}"]
        slow = strace(directory, packed.command(), "openat", late)
        cleaning = start(slow, environment={"ONEFOLD_CACHE": self.cache, "ONEFOLD": "clean"})
        # It is in the call that opens the tree for the last time: it had it open before for a moment only.
        has_it_open = lambda: is_open(self.cache / packed.tree_name, cleaning)
        wait_until(lambda: remains(has_it_open, 0.1), "the clean-up to be in the delayed call")
        # It holds open what is replaced now, unless the lock keeps the launch from that.
        remove_tree(packed.tree(self.cache))
        running = packed.start("wait", cache=self.cache)
        self.addCleanup(running.communicate)
        self.assertEqual(running.stdout.readline(), b"waiting\n")
        cleaning.communicate()
        self.assertSameTree(packed.tree(self.cache), tree)


def await_stop(pid: int) -> None:
    """Until no thread of it runs. It may have ended before."""
    threads = lambda: list(Path(f"/proc/{pid}/task").glob("*/stat"))
    state = lambda path: path.read_text().rpartition(")")[2].split()[0]
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        wait_until(lambda: all(state(path) in "TtZX" for path in threads()), "the launch to stop")


def is_open(path: Path, tracer: subprocess.Popen[bytes]) -> bool:
    """Whether a child of the tracer has it open."""
    children = Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split()
    with contextlib.suppress(FileNotFoundError):
        opened = [os.readlink(fd) for child in children for fd in Path(f"/proc/{child}/fd").iterdir()]
        return os.fspath(path) in opened
    return False


def waits_for_lock(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has the lock file open, and so only sleeps."""
    try:
        paths = [os.readlink(fd) for fd in Path(f"/proc/{process.pid}/fd").iterdir()]
    except OSError:
        return False
    return any(path.endswith(".lock") for path in paths)


if __name__ == "__main__":
    unittest.main()
