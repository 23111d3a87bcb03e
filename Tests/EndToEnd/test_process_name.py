"""The name of a packed Python program's process: what ps, pgrep and systemd show."""

from __future__ import annotations

import json
import os
from pathlib import Path

from spec_support import SHORT, SpecCase, application, pack_spec
from support import Onefile, succeed

LOOK = """
import json, multiprocessing, os, subprocess, sys
ME = "/proc/self/comm"

def name():
    return open(ME).read().strip()

def child(queue):
    queue.put((name(), sys.executable))

def main():
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    spawned = queue.get()
    process.join()
    command = [sys.executable, "-c", "print(open('/proc/self/comm').read().strip())"]
    started = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip()
    words = open("/proc/self/cmdline").read().split("\\0")
    print(json.dumps([name(), words[0], sys.executable, sys._base_executable, spawned, started, sys.prefix]))
"""


class ProcessName(SpecCase):
    def packed(self, name: str = "order-server", **launch: object) -> Onefile:
        directory = application(
            self.work / "application", {"look.py": LOOK}, app={"name": name}, data=[{"source": "look.py"}],
            launch={"function": "look:main", **launch},
        )  # fmt: skip
        return pack_spec(directory)

    def test_it_is_that_of_the_application(self) -> None:
        packed = self.packed()
        said = json.loads(succeed(packed.launch(cache=self.cache)).stdout)
        tree = packed.tree(self.cache)
        interpreter = os.fspath(tree / "bin" / f"python{SHORT}")
        # Children are interpreters, and are called so.
        self.assertEqual(
            said,
            [
                "order-server", os.fspath(tree / ".process" / "order-server"), interpreter, interpreter,
                [f"python{SHORT}", interpreter], f"python{SHORT}", os.fspath(tree),
            ],
        )  # fmt: skip

    def test_it_may_be_that_of_a_file_of_the_packer(self) -> None:
        packed = self.packed("licenses")
        self.assertEqual(json.loads(succeed(packed.launch(cache=self.cache)).stdout)[0], "licenses")
        self.assertTrue((packed.tree(self.cache) / ".onefold" / "licenses").is_dir())

    def test_the_spec_may_keep_that_of_the_interpreter(self) -> None:
        packed = self.packed(**{"named-process": False})
        said = json.loads(succeed(packed.launch(cache=self.cache)).stdout)
        tree = packed.tree(self.cache)
        interpreter = os.fspath(tree / "bin" / f"python{SHORT}")
        self.assertEqual(said[:3], [f"python{SHORT}", interpreter, interpreter])
        self.assertFalse(Path(tree / ".process" / "order-server").exists())
