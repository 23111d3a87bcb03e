"""Imports what a script or module imports at its top level when it is launched, without running it.

usage: launched.py script SECONDS FILE SKIPPED...    FILE: its source
       launched.py module SECONDS NAME SKIPPED...    as `python -m NAME` runs it

Prints "imports N", and "failed LINE TEXT" for each import that can't work when the program is launched; for a module also "source PATH",
or nothing at all where it has no source. SKIPPED are modules that are not tried.

Only what is certain counts. Not tried are imports in functions, those whose failure the source handles, and those under a condition that is
known at run time only. Once the source has done something else than import and define, it may have prepared what comes after: then
only ImportError counts, unless the source changes where modules are looked for.
"""

import ast
import builtins
import faulthandler
import importlib.util
import os
import platform
import sys
import traceback
from types import SimpleNamespace

#: What conditions that are known here are made of.
KNOWN = {
    "sys": sys, "os": os, "platform": platform, "typing": SimpleNamespace(TYPE_CHECKING=False), "TYPE_CHECKING": False,
    "__name__": "__main__",
}  # fmt: skip
KNOWN_ATTRIBUTES = {
    "version_info", "platform", "name", "system", "machine", "implementation", "python_implementation", "major", "minor",
    "TYPE_CHECKING", "startswith", "maxsize", "byteorder",
}  # fmt: skip
#: A source with one of these words may change where modules come from.
PATH_WORDS = ("sys.path", "addsitedir", "meta_path", "path_hooks", "sys.modules", "__path__", "import_module", "exec(")
HANDLERS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
HARMLESS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass, ast.Global)


def truth(test):
    """What a condition is, here as everywhere; None where that is not known."""
    for node in ast.walk(test):
        if isinstance(node, ast.Name) and node.id not in KNOWN:
            return None
        if isinstance(node, ast.Attribute) and node.attr not in KNOWN_ATTRIBUTES:
            return None
    try:
        return bool(eval(compile(ast.Expression(test), "condition", "eval"), dict(KNOWN)))
    except Exception:
        return None


def handles_failure(node):
    for handler in node.handlers:
        names = [getattr(one, "id", getattr(one, "attr", None)) for one in ast.walk(handler.type or ast.Pass())]
        if handler.type is None or HANDLERS & set(names):
            return True
    return False


def is_harmless(node):
    """Whether a statement prepares nothing for imports after it."""
    if isinstance(node, HARMLESS):
        return True
    if isinstance(node, ast.Expr):
        return not any(isinstance(one, (ast.Call, ast.Await, ast.Yield)) for one in ast.walk(node.value))
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return all(isinstance(target, ast.Name) for target in targets)
    return False


def statements(body):
    """The imports that are executed in any case, and what stands between them, in order."""
    for node in body:
        if isinstance(node, ast.If):
            known = truth(node.test)
            if known is not None:
                yield from statements(node.body if known else node.orelse)
            else:
                # It may have been executed, and so may have prepared something.
                yield node
        elif isinstance(node, ast.Try):
            if not handles_failure(node):
                yield from statements(node.body)
            else:
                yield from (one for one in statements(node.body) if not is_import(one))
            yield from statements(node.finalbody)
        elif isinstance(node, ast.With):
            yield from statements(node.body)
        else:
            yield node


def is_import(node):
    return isinstance(node, (ast.Import, ast.ImportFrom))


def is_skipped(node, skipped):
    modules = [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    return any((module + ".").startswith(name + ".") for module in modules for name in skipped)


class Launched:
    def __init__(self, source, path, package, seconds, out):
        self.lines = source.decode("utf-8", "replace").splitlines()
        self.tree = compile(source, path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        self.namespace = {"__name__": "__main__", "__file__": path, "__package__": package, "__builtins__": builtins}
        self.path = path
        self.seconds = seconds
        self.out = out

    def say(self, text):
        self.out.write(text + "\n")
        self.out.flush()

    def run(self, skipped):
        count = 0
        has_prepared = False
        for node in statements(self.tree.body):
            if not is_import(node):
                has_prepared = has_prepared or not is_harmless(node)
            elif not is_skipped(node, skipped):
                count += 1
                error = self.attempt(node)
                if error is not None and self.counts(error, node, has_prepared):
                    said = " ".join("".join(traceback.format_exception_only(type(error), error)).split())
                    self.say("failed %d %s" % (node.lineno, said))
        self.say("imports %d" % count)

    def attempt(self, node):
        """What the import raises, or None."""
        self.say("trying %d" % node.lineno)
        faulthandler.dump_traceback_later(self.seconds, exit=True, file=self.out)
        try:
            code = compile(ast.Module([node], []), self.path, "exec", dont_inherit=True)
            exec(code, self.namespace)
        except BaseException as error:
            return error
        finally:
            faulthandler.cancel_dump_traceback_later()
        return None

    def counts(self, error, node, has_prepared):
        if not has_prepared:
            return True
        before = "\n".join(self.lines[: node.lineno])
        return isinstance(error, ImportError) and not any(word in before for word in PATH_WORDS)


def find_source(name):
    """The source of a module as it is run, and the package that it is in; None where it has none."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        name += ".__main__"
        spec = importlib.util.find_spec(name)
    if spec is None or not spec.has_location or not (spec.origin or "").endswith(".py"):
        return None
    return spec.origin, name.rpartition(".")[0]


def main(kind, seconds, name, *skipped):
    out = os.fdopen(os.dup(1), "w", errors="backslashreplace")
    os.dup2(2, 1)
    path, package = name, None
    if kind == "module":
        found = find_source(name)
        if found is None:
            return
        path, package = found
        out.write("source %s\n" % path)
        out.flush()
    with open(path, "rb") as file:
        source = file.read()
    try:
        launched = Launched(source, path, package, int(seconds), out)
    except (SyntaxError, ValueError) as error:
        out.write("failed %d %s: %s\n" % (getattr(error, "lineno", 0) or 0, type(error).__name__, error))
        out.flush()
        return
    launched.run(skipped)


main(*sys.argv[1:])
sys.stdout.flush()
os._exit(0)
