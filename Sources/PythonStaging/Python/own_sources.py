"""Prints what the application's own sources expect of PyInstaller, a line each: "KIND LINE FILE".

usage: own_sources.py PATH...

"frozen": the source asks for sys.frozen. "directory": it takes the directory of sys.executable. A PATH is a source, a wheel, or
a directory, in which tests, builds and environments are passed over. Sources that this Python can't parse say nothing.
"""

import ast
import os
import sys
import warnings
import zipfile

PASSED_OVER = {
    "node_modules", "__pycache__", "test", "tests", "testing", "build", "dist", "docs", "site-packages",
}  # fmt: skip
PASSED_OVER_FILES = {"setup.py", "conftest.py", "noxfile.py", "fabfile.py"}

#: What gives a path as it is, or another form of it.
SAME_PATH = {
    "Path", "PurePath", "PosixPath", "str", "fspath", "abspath", "realpath", "normpath", "expanduser", "resolve",
    "absolute", "as_posix", "readlink",
}  # fmt: skip


def name_of(node):
    """The last name of `a.b.c` or `c`."""
    return getattr(node, "attr", None) or getattr(node, "id", None)


class Source:
    def __init__(self, text):
        self.tree = ast.parse(text)
        self.modules = {"sys"}
        #: Names that stand for sys.executable.
        self.programs = set()
        self.frozen = []
        self.directories = []
        nodes = list(ast.walk(self.tree))
        for node in nodes:
            self.note(node)
        for node in nodes:
            self.look(node)

    def note(self, node):
        """What names stand for."""
        if isinstance(node, ast.Import):
            self.modules |= {one.asname for one in node.names if one.name == "sys" and one.asname}
        elif isinstance(node, ast.ImportFrom) and node.module == "sys":
            for one in node.names:
                if one.name == "executable":
                    self.programs.add(one.asname or one.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and self.is_program(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            self.programs |= {name_of(target) for target in targets}

    def is_sys(self, node):
        if isinstance(node, ast.Attribute) and node.attr == "__dict__":
            node = node.value
        elif isinstance(node, ast.Call) and name_of(node.func) in ("vars", "dir") and node.args:
            node = node.args[0]
        return isinstance(node, ast.Name) and node.id in self.modules

    def is_program(self, node):
        """Whether an expression is the path of sys.executable."""
        if isinstance(node, ast.Attribute) and node.attr == "executable" and self.is_sys(node.value):
            return True
        if isinstance(node, (ast.Name, ast.Attribute)) and name_of(node) in self.programs:
            return True
        if not isinstance(node, ast.Call) or name_of(node.func) not in SAME_PATH:
            return False
        if node.args and self.is_program(node.args[0]):
            return True
        return isinstance(node.func, ast.Attribute) and self.is_program(node.func.value)

    def look(self, node):
        if self.asks_for_frozen(node):
            self.frozen.append(node.lineno)
        if self.takes_directory(node):
            self.directories.append(node.lineno)

    def asks_for_frozen(self, node):
        if isinstance(node, ast.Attribute):
            # A source that sets it does not ask.
            return node.attr == "frozen" and self.is_sys(node.value) and is_read(node)
        if isinstance(node, ast.ImportFrom):
            return node.module == "sys" and any(one.name == "frozen" for one in node.names)
        if isinstance(node, ast.Call):
            values = [getattr(value, "value", getattr(value, "s", None)) for value in node.args[:2]]
            of_sys = any(map(self.is_sys, node.args[:1])) or (
                isinstance(node.func, ast.Attribute) and self.is_sys(node.func.value)
            )
            return of_sys and "frozen" in [value for value in values if isinstance(value, str)]
        if isinstance(node, ast.Compare):
            left = getattr(node.left, "value", getattr(node.left, "s", None))
            return left == "frozen" and any(map(self.is_sys, node.comparators))
        return False

    def takes_directory(self, node):
        if isinstance(node, ast.Call):
            name = name_of(node.func)
            if name in ("dirname", "split") and node.args and self.is_program(node.args[0]):
                return True
            return (
                name in ("with_name", "relative_to")
                and isinstance(node.func, ast.Attribute)
                and self.is_program(node.func.value)
            )
        return (
            isinstance(node, ast.Attribute)
            and node.attr in ("parent", "parents")
            and self.is_program(node.value)
        )


def is_read(node):
    return isinstance(node.ctx, ast.Load)


def sources(path):
    """Name and bytes of each source."""
    if os.path.isdir(path):
        for directory, below, names in os.walk(path):
            below[:] = sorted(
                name for name in below
                if name.lower() not in PASSED_OVER and not name.startswith((".", "venv", "env."))
                and not os.path.exists(os.path.join(directory, name, "pyvenv.cfg"))
            )  # fmt: skip
            for name in sorted(names):
                if name.endswith(".py") and name not in PASSED_OVER_FILES:
                    yield from sources(os.path.normpath(os.path.join(directory, name)))
    elif path.endswith(".whl"):
        with zipfile.ZipFile(path) as wheel:
            for name in sorted(wheel.namelist()):
                if name.endswith(".py"):
                    yield name, wheel.read(name)
    else:
        with open(path, "rb") as file:
            yield path, file.read()


def main():
    warnings.simplefilter("ignore")
    said = set()
    for path in sys.argv[1:]:
        for name, content in sources(path):
            if b"sys" not in content or (b"frozen" not in content and b"executable" not in content):
                continue
            try:
                source = Source(content)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            found = [("frozen", line) for line in source.frozen]
            found += [("directory", line) for line in source.directories]
            for kind, line in sorted(found):
                text = "%s %d %s\n" % (kind, line, name)
                if text not in said:
                    said.add(text)
                    sys.stdout.buffer.write(os.fsencode(text))


main()
