"""Packing from a spec: what a killed build leaves, checks of an installer that are not understood, data
files whose symlinks never end."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from spec_support import (
    PREFIX,
    SHORT,
    SpecCase,
    application,
    line_of,
    pack_command,
    pack_environment,
    pinned,
    processes_with,
    wheel,
    write_files,
)
from support import ONEFOLD, listing, onefold, run, start, succeed, wait_until

#: A server that is slow to answer, with a child that does not end by itself.
SLOW_SERVER = """
import http.server, subprocess, sys, time
subprocess.Popen(["sleep", "1000"])
open({started!r}, "w").close()
time.sleep(1000)
"""

#: Installs by the real pip; its check does what FAKE_CHECK says.
FAKE_UV = """#!/bin/sh
pip="{python} -I -m pip"
case "$1 $2" in
"--version "*) echo "uv 0.5.0" ;;
"pip check")
  [ -z "$FAKE_CHECK" ] || eval "$FAKE_CHECK"
  exec $pip --python "$4" check ;;
"pip install")
  shift 2
  for word; do
    shift
    case "$word" in --python | --link-mode | copy) ;; */bin/python*) python=$word ;;
    *) set -- "$@" "$word" ;; esac
  done
  exec $pip --python "$python" install --no-compile "$@" ;;
*) exit 2 ;;
esac
"""


class KilledBuilds(SpecCase):
    def killed(self, directory: Path, ready: Any) -> str:
        """Packs, and kills the packer alone when `ready` says so. Returns what marks the
        environment of all that it started."""
        mark = f"{self.id()}-{time.monotonic_ns()}"
        process = start(
            [ONEFOLD, "pack", "--spec", directory],
            environment=pack_environment({"ONEFOLD_TEST_MARK": mark}),
            cwd=directory,
        )
        wait_until(ready, "the moment to kill it")
        process.kill()
        process.communicate()
        return mark

    def stages(self, directory: Path) -> list[str]:
        return [name for name in listing(directory) if name.startswith(".")]

    def test_the_next_build_removes_what_a_killed_one_left(self) -> None:
        directory = self.new_application(archive={"level": 22})
        cache = Path(pack_environment()["ONEFOLD_PACK_CACHE"])
        self.killed(directory, lambda: list(directory.glob(".app.*/tree/bin")))
        (left,) = self.stages(directory)
        # Neither what others have made nor the stage of a build that runs.
        foreign = directory / ".app.0123456789abcdef"
        write_files(foreign, {"tree/file": "mine"})
        started = self.work / "started"
        code = f"open({os.fspath(started)!r}, 'w').close(); import time; time.sleep(1000)"
        other = application(self.work / "other", smoke_command=[{"arguments": [code]}])
        beside = start(
            [ONEFOLD, "pack", "--spec", other, "-o", directory / "beside"],
            environment=pack_environment(),
        )
        wait_until(started.exists, "the other build's test")
        (held,) = [name for name in self.stages(directory) if name.startswith(".beside.")]
        succeed(pack_command(self.new_application(), "-o", directory / "app", "--no-smoke"))
        self.assertEqual(self.stages(directory), sorted([foreign.name, held]))
        self.assertEqual((foreign / "tree" / "file").read_text(), "mine")
        self.assertEqual([path for path in cache.glob("layers/.*")], [])
        beside.terminate()
        beside.communicate()
        self.assertEqual(self.stages(directory), [foreign.name])
        # Packing a tree removes such a stage as well, and what is kept on purpose stays.
        self.killed(directory, lambda: list(directory.glob(".app.*/tree/bin")))
        self.assertEqual(len(self.stages(directory)), 2)
        kept = pack_command(directory, "--no-smoke", "--keep-stage")
        self.assertIn(b"the stage is kept in", succeed(kept).stderr)
        (stage,) = [name for name in self.stages(directory) if name != foreign.name]
        tree = directory / stage / "tree"
        options = ["--entry", f"bin/python{SHORT}", "--level", "1", "-o", directory / "from-tree"]
        succeed(onefold("pack", "--tree", tree, *options, environment=pack_environment()))
        self.assertEqual(self.stages(directory), sorted([foreign.name, stage]))

    def test_tested_programs_die_with_the_packer(self) -> None:
        """The server and its child; the port is free again."""
        started = self.work / "started"
        code = SLOW_SERVER.format(started=os.fspath(started))
        for smoke in (
            {"smoke_http": {"arguments": [code, "{port}"]}},
            {"smoke_command": [{"arguments": [code]}]},
        ):
            with self.subTest(list(smoke)):
                directory = self.new_application(**smoke)
                started.unlink(missing_ok=True)
                mark = self.killed(directory, started.exists)
                wait_until(lambda: not processes_with(mark), "the end of all that it started")
                run(["rm", "-rf", directory])


class InstallerChecks(SpecCase):
    def test_a_check_that_fails_in_another_way_fails_the_build(self) -> None:
        one = wheel("unchecked-one", {"unchecked_one.py": ""}, requires=["unchecked-two"])
        two = wheel("unchecked-two", {"unchecked_two.py": ""})
        directory = self.new_application(
            {"requirements.txt": pinned(one)},
            dependencies={"requirements": ["requirements.txt"], "installer": "uv"},
        )
        tools = self.work / "tools"
        python = PREFIX / "bin" / f"python{SHORT}"
        write_files(tools, {"uv": FAKE_UV.format(python=python)})
        (tools / "uv").chmod(0o755)
        path = f"{tools}:{os.environ['PATH']}"
        place = line_of(directory, "requirements")
        for check, *says in (
            ("", "not complete", "unchecked-one 1.0 requires unchecked-two"),
            ("echo 'boom: unforeseen' >&2; exit 1", "boom: unforeseen"),
            ("exit 1", "ended with status 1", "said nothing"),
            ("kill -9 $$", "ended by signal 9"),
            ("exit 2", "ended with status 2"),
            # Half of what it would have said.
            ("echo 'a 1 requires b, which is not installed.'; exit 139", "signal 11", "a 1 req"),
            ("echo 'Found 2 incompatibilities' >&2; exit 1", "Found 2 incompatibilities"),
        ):
            with self.subTest(check):
                said = self.assertFails(
                    directory, place, *says, environment={"PATH": path, "FAKE_CHECK": check}
                )
                if check:
                    self.assertIn("checking the requirements failed (uv 0.5.0)", said)
        # What is missing because it is excluded, and a remark, are understood.
        (directory / "requirements.txt").write_text(pinned(one, two))
        spec = (directory / "onefold.toml").read_text()
        spec = spec.replace("[dependencies]", '[dependencies]\nexclude = ["unchecked-two"]')
        (directory / "onefold.toml").write_text(spec)
        environment = {"PATH": path, "FAKE_CHECK": "echo 'WARNING: a remark' >&2"}
        succeed(pack_command(directory, "--no-smoke", environment=environment))


class DataLinks(SpecCase):
    def data(self, **links: str) -> Path:
        spec = (
            '[app]\nname = "app"\nversion = "1"\n[[data]]\nsource = "data"\ntarget = "."\n'
            '[launch]\nexecutable = "run"\n[archive]\nlevel = 1\n'
        )
        directory = self.work / "data-links"
        write_files(directory, {"onefold.toml": spec, "data/run": "#!/bin/sh\necho hello\n"})
        (directory / "data" / "run").chmod(0o755)
        for name, target in links.items():
            place = directory / "data" / name.replace("_", "/")
            place.parent.mkdir(exist_ok=True)
            place.symlink_to(target)
        return directory

    def assertDataFails(self, directory: Path, *texts: str) -> None:
        said = self.assertFails(directory, "onefold.toml:5: ", *texts)
        (message,) = [line for line in said.splitlines() if "adding data files" not in line]
        self.assertLess(len(message), 500)
        self.assertEqual(listing(directory), ["data", "onefold.toml"])
        run(["rm", "-rf", directory])

    def test_links_to_what_holds_them(self) -> None:
        for name, links in (
            ("loop", {"loop": "."}),
            ("a", {"a": ".", "b": "."}),
            ("sub/up", {"sub_up": ".."}),
            ("up", {"up": "../.."}),
            ("x/y/x", {"x_y": "../z", "z_x": "../x"}),
        ):
            with self.subTest(name):
                directory = self.data(**links)
                self.assertDataFails(directory, f"the symlink '{directory}/data/{name}'", "exclude")

    def test_links_that_multiply(self) -> None:
        links = {"d0_file": "../run"}
        for number in range(1, 40):
            links |= {f"d{number}_{side}": f"../d{number - 1}" for side in "ab"}
        self.assertDataFails(self.data(**links), "multiply what it holds", "exclude")

    def test_special_files(self) -> None:
        """To open it would wait for ever."""
        directory = self.data()
        run(["rm", "-rf", directory / "data"])
        os.mkfifo(directory / "data")
        self.assertDataFails(directory, "data' is a FIFO")

    def test_the_stage_is_no_data(self) -> None:
        """Where the output lies in the directory that is copied."""
        directory = self.data(link="run")
        spec = (directory / "onefold.toml").read_text().replace('source = "data"', 'source = "."')
        (directory / "onefold.toml").write_text(spec.replace('"run"', '"data/run"'))
        packed = onefold("pack", cwd=directory, environment=pack_environment())
        succeed(packed)
        files = onefold("inspect", "--files", directory / "app").stdout.decode()
        self.assertIn("data/run", files)
        self.assertNotIn(".app.", files)
