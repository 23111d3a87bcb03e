"""What a first launch costs, in calls and bytes: it counts, and asserts no time."""

from __future__ import annotations

import resource
from collections import Counter
from typing import Any

from support import (
    Case,
    Directory,
    File,
    HardLink,
    Onefile,
    Symlink,
    Trace,
    make_tree,
    noise,
    pack,
    parts,
    program,
)

# The thresholds. Whoever makes one smaller has made first launches faster; whoever needs a larger one says why in
# docs/decisions/0013-cold-path.md.

#: System calls for each of what a tree may hold more of.
COSTS = {
    "small file": Counter(openat=1, pwrite64=1, utimensat=1, close=1),
    "empty file": Counter(openat=1, utimensat=1, close=1),
    # The last is the seal's.
    "directory": Counter(mkdirat=1, openat=1, utimensat=1, fchmod=1, close=1, newfstatat=1),
    "symlink": Counter(symlinkat=1, utimensat=1),
    "hard link": Counter(linkat=1),
    # Made beforehand at its full size, and, as it is longer than 1 MiB and has no holes, reserved by one call; finished
    # when all its frames are written.
    "large file": Counter(openat=2, ftruncate=1, fstatfs=1, fchmod=1, utimensat=1, close=2),
    "frame of a large file": Counter(pread64=1, openat=1, pwrite64=1, close=1),
    "frame of small files": Counter(pread64=1),
}
#: Of a tree of one file, from the start to `execve`.
FIXED_CALLS = 172
#: Bytes that are read more than once: the end of the file, which holds trailer and launch record, is read with what
#: precedes it.
READ_AGAIN = 8192 + 128
#: Calls for memory, of a tree of any number of files.
MEMORY_CALLS = 80
#: Bytes of address space, the program's text, stacks and buffers of two workers included.
MEMORY = 64 << 20

FRAME = 64 << 10
#: Their number and order depend on other things than the tree.
OF_MEMORY = {"mmap", "munmap", "brk", "mremap", "madvise", "mprotect"}
OF_THREADS = {"futex", "clone", "clone3", "rt_sigprocmask", "exit", "set_robust_list"}
#: On ext4, once for a large file.
OF_RESERVING = {"fallocate"}
#: What takes longer than 300 ms asks whether there is a terminal to show it on.
OF_PROGRESS = {"ioctl"}


class FirstLaunch(Case):
    def packed(self, name: str, entries: dict[str, Any], *options: str) -> Onefile:
        tree = make_tree(self.work / f"tree {name}", {"run": program(), **entries})
        options = options or ("--frame-size", str(FRAME >> 10), "--codec", "store")
        return pack(tree, self.work / name, *options)

    def traced(self, packed: Onefile) -> Trace:
        traced = packed.trace(cache=self.work / f"cache of {packed.path.name}")
        self.assertLaunched(traced.result)
        return traced

    def calls(self, traced: Trace) -> Counter[str]:
        varying = OF_MEMORY | OF_THREADS | OF_RESERVING | OF_PROGRESS
        return Counter(call.name for call in traced.launch if call.name not in varying)

    def cost(self, name: str, few: dict[str, Any], more: dict[str, Any]) -> Counter[str]:
        """How many calls unpacking `more` makes than unpacking `few`."""
        cost = self.calls(self.traced(self.packed(f"more {name}", more)))
        cost.subtract(self.calls(self.traced(self.packed(f"few {name}", few))))
        return Counter({call: count for call, count in cost.items() if count})

    def assertCosts(
        self, name: str, few: dict[str, Any], more: dict[str, Any], **numbers: int
    ) -> None:
        """`numbers` says how many of what `more` has beyond `few`, by words of COSTS."""
        expected: Counter[str] = Counter()
        for what, number in numbers.items():
            for call, count in COSTS[what.replace("_", " ")].items():
                expected[call] += count * number
        self.assertEqual(self.cost(name, few, more), expected)

    @staticmethod
    def files(count: int) -> dict[str, Any]:
        """In few directories, and all of one frame."""
        return {f"d{i % 3}/file {i}": noise(20, f"{i}") for i in range(count)}

    def test_a_small_file_is_opened_written_dated_and_closed(self) -> None:
        self.assertCosts("files", self.files(10), self.files(310), small_file=300)

    def test_an_empty_file_is_not_written(self) -> None:
        empty = {f"d0/empty {i}": b"" for i in range(50)}
        few = self.files(10)
        self.assertCosts("empty files", few, {**few, **empty}, empty_file=50)

    def test_a_directory_is_made_opened_finished_and_sealed(self) -> None:
        few = self.files(10)
        more = {f"d0/directory {i}/inner": Directory(0o750) for i in range(20)}
        self.assertCosts("directories", few, {**few, **more}, directory=40)

    def test_the_table_of_descriptors_grows_before_there_are_threads(self) -> None:
        # Else it grows while directories are opened, and the kernel waits for all processors each time.
        entries = {f"d{i}": Directory() for i in range(300)}
        entries["frames"] = noise(3 * FRAME)
        calls = self.traced(self.packed("descriptors", entries)).launch
        names = [call.name for call in calls]
        if not {"clone", "clone3"} & set(names):
            self.skipTest("one processor: no threads are started")
        threads = min(names.index(name) for name in ("clone", "clone3") if name in names)
        made = [c for c in calls[:threads] if c.name == "fcntl" and c.result.isdigit()]
        grown = max(int(call.result) for call in made)
        opened = [int(call.result) for call in calls if call.name == "openat" and call.succeeded]
        self.assertGreater(max(opened), 300)
        self.assertLessEqual(max(opened), grown)

    def test_links(self) -> None:
        few = self.files(10)
        symlinks = {f"d0/symlink {i}": Symlink("file 0") for i in range(20)}
        self.assertCosts("symlinks", few, {**few, **symlinks}, symlink=20)
        hard_links = {f"d1/zz {i}": HardLink("d0/file 0") for i in range(20)}
        self.assertCosts("hard links", few, {**few, **hard_links}, hard_link=20)

    def test_a_large_file_is_written_a_frame_at_a_time(self) -> None:
        few = {"large 0": noise(10 * FRAME, "0")}
        more = {**few, "large 1": noise(30 * FRAME, "1")}
        self.assertCosts("large", few, more, large_file=1, frame_of_a_large_file=30)

    def test_a_frame_is_read_once(self) -> None:
        few = {"package/0": noise(FRAME - 1, "0")}
        more = {f"package/{i}": noise(FRAME - 1, f"{i}") for i in range(9)}
        self.assertCosts("frames", few, more, small_file=8, frame_of_small_files=8)

    def test_the_fixed_calls_are_few(self) -> None:
        calls = self.calls(self.traced(self.packed("one file", {})))
        self.assertLessEqual(sum(calls.values()), FIXED_CALLS, calls)

    def test_content_is_read_and_written_once(self) -> None:
        large = {f"large {i}": noise(5 * FRAME + i, f"large {i}") for i in range(3)}
        packed = self.packed("bytes", {**self.files(100), **large, "empty": b""})
        calls = [call for call in self.traced(packed).launch if call.succeeded]
        written = sum(int(call.result) for call in calls if call.name == "pwrite64")
        sizes = [entry.size for entry in parts(packed.path).manifest.entries if entry.type == 1]
        self.assertEqual(written, sum(sizes))
        read = sum(int(call.result) for call in calls if call.name == "pread64")
        # The manifest is read again, because its copy is written last.
        manifest = parts(packed.path).trailer.manifest_stored_length
        self.assertLessEqual(read, packed.path.stat().st_size + manifest + READ_AGAIN)

    def test_calls_for_memory_do_not_grow_with_the_files(self) -> None:
        for count in (10, 3000):
            traced = self.traced(self.packed(f"{count} files", self.files(count)))
            calls = Counter(call.name for call in traced.launch if call.name in OF_MEMORY)
            self.assertLessEqual(sum(calls.values()), MEMORY_CALLS, (count, calls))

    def test_memory_does_not_grow_with_the_payload(self) -> None:
        large = {f"large {i}": File(noise(12 << 20, f"{i}")) for i in range(8)}
        packed = self.packed("payload", large, "--codec", "store")
        self.assertGreater(packed.path.stat().st_size, MEMORY)
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        self.assertLaunched(packed.launch(cache=self.cache, prepare=limit))
