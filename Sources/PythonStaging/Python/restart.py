"""Finds the command for a process that is to run the program again: docs/packing.md, "Programs that start themselves again"."""

import os
import sys

_SITE = os.path.dirname(os.path.abspath(__file__))
_ROOT = _SITE[: -len(@SITE@)]

# What a launch runs: the interpreter with options and a module, which may run a script, or another program of the tree.
_OPTIONS = @OPTIONS@
_MODULE = @MODULE@
_SCRIPT = @SCRIPT@
_EXECUTABLE = @EXECUTABLE@
# Its arguments before the user's.
_ARGUMENTS = @ARGUMENTS@

# By the argument that a spawned child of a frozen program has first: the package that spawned it.
_SPAWNERS = {"--multiprocessing-fork": "multiprocessing", "--billiard-fork": "billiard"}


def program(arguments, options=()):
    """What runs the program with these arguments.

    That is the onefile, which may be a newer version by now, if the arguments of its launch record are among them. It
    takes no options for the interpreter.
    """
    file = os.environ.get("ONEFOLD_EXE", "")
    options = [option for option in options if option not in _OPTIONS]
    users = _users_arguments(arguments)
    if not options and users is not None and os.path.isfile(file) and os.access(file, os.X_OK):
        return [file, *users]
    if _EXECUTABLE:
        return [_ROOT + _EXECUTABLE, *arguments]
    return [sys.executable, *_OPTIONS, *options, "-m", _MODULE, *arguments]


def _users_arguments(arguments):
    """What follows the launch's own arguments; None where it does not begin with these."""
    file = os.environ.get("ONEFOLD_EXE", "")
    own = [text.replace("{root}", _ROOT[:-1]).replace("{exe}", file) for text in _ARGUMENTS]
    return arguments[len(own) :] if arguments[: len(own)] == own else None


def instead_of_script(script, arguments, options=()):
    """What to run in the place of a script; None where the interpreter can run it as the program would be run."""
    path = _in_tree(os.path.abspath(script))
    if path == os.environ.get("ONEFOLD_EXE"):
        return program(arguments, options)
    if not path.startswith(_SITE + os.sep):
        return [path, *arguments] if _is_machine_code(path) else None
    stem, suffix = os.path.splitext(path[len(_SITE) + 1 :])
    if suffix not in (".py", ".pyc"):
        return None
    if stem == os.path.splitext(_SCRIPT)[0]:
        return program(arguments, options)
    module = stem.replace(os.sep, ".")
    if _MODULE and module in (_MODULE, _MODULE + ".__main__"):
        return program(arguments, options)
    package, _, name = module.rpartition(".")
    if name == "__main__" and _is_package(os.path.dirname(path)):
        # Run as a script, its own modules would come before those of the standard library.
        return [sys.executable, *_OPTIONS, *options, "-m", package, *arguments]
    return None


def instead_of_interpreter(arguments, frozen):
    """What to run in the place of the interpreter with these arguments, of which the first is argument 0; None where they
    are meant for it."""
    words = [os.fsdecode(word) for word in arguments]
    if not words:
        return None
    if os.sep in words[0] and not os.path.basename(words[0]).startswith("python"):
        # `os.execv(sys.executable, sys.argv)`
        command = instead_of_script(words[0], words[1:])
        if command:
            return command
    if frozen and words[1:2] and words[1] in _SPAWNERS:
        return spawned_child(words[1:])
    if frozen and not _is_for_interpreter(words[1:]):
        return program(words[1:])
    # An argument 0 without a directory makes the interpreter look for its library on the PATH.
    return None if os.sep in words[0] else [sys.executable, *arguments[1:]]


def instead_of_launch(arguments):
    """What to run in the place of the program with these arguments; None where they are meant for it."""
    users = _users_arguments(arguments)
    return spawned_child(users) if users else None


def spawned_child(arguments):
    """What runs a child that a spawner of processes has given the arguments of a frozen program's child; None if these
    are no such arguments. Ends the process where they can't be understood."""
    if arguments[0] in _SPAWNERS:
        values = arguments[1:]
        if not all(_is_setting(value) for value in values):
            sys.stderr.write(
                "onefold: cannot start the child process of a frozen program: the arguments '%s' are not"
                " understood; start it with sys.executable\n" % " ".join(arguments)
            )
            sys.stderr.flush()
            os._exit(2)
        code = "from %s.spawn import spawn_main; spawn_main(%s)"
        code %= (_SPAWNERS[arguments[0]], ", ".join(values))
        return [sys.executable, *_OPTIONS, "-c", code, arguments[0]]
    words = iter(arguments)
    for word in words:
        if word == "-c":
            return [sys.executable, *arguments] if _is_of_spawner(next(words, "")) else None
        if not word.startswith("-") or _looks_at(word[1:], words) is not None:
            return None
    return None


def _is_of_spawner(code):
    """Whether code is what a spawner runs in a child, such as "from multiprocessing.resource_tracker import main;main(5)"."""
    words = code.replace("import sys; ", "", 1).split(None, 3)
    if len(words) < 4 or words[0] != "from" or words[2] != "import":
        return False
    package, _, module = words[1].rpartition(".")
    return package != "" and module in ("resource_tracker", "semaphore_tracker", "forkserver", "spawn")


def _is_setting(text):
    name, _, value = text.partition("=")
    return name.isidentifier() and (value.isdigit() or value == "None")


def _is_for_interpreter(arguments):
    """Whether an interpreter could run these arguments without waiting for input."""
    words = iter(arguments)
    for word in words:
        if word in ("--version", "--help", "-V", "-VV", "-h"):
            return len(arguments) == 1
        if word == "-":
            return True
        if not word.startswith("-"):
            return _is_script(word)
        if word == "--check-hash-based-pycs":
            next(words, None)
        elif word.startswith("--"):
            return False
        else:
            verdict = _looks_at(word[1:], words)
            if verdict is not None:
                return verdict
    return False


def _looks_at(letters, words):
    """Whether options of one letter are the interpreter's, and end its options; None where they do not end them."""
    for index, letter in enumerate(letters):
        value = letters[index + 1 :]
        if letter in "cmWX" and not value:
            value = next(words, None)
        if letter == "c":
            return value is not None and not os.path.exists(value)
        if letter == "m":
            return value is not None and all(part.isidentifier() for part in value.split("."))
        if letter in "WX":
            return None
        if letter not in "bBdEiIOPqRsStuvx":
            return False
    return None


def _is_script(path):
    if os.path.isdir(path):
        return os.path.exists(os.path.join(path, "__main__.py"))
    if not os.path.isfile(path):
        return False
    if path.endswith((".py", ".pyc", ".pyw", ".pyz", ".zip")):
        return True
    return _first_bytes(path).startswith((b"#!", b"\x7fELF"))


def _is_machine_code(path):
    """Whether a file is a program for the kernel, such as a onefile, and not the interpreter itself."""
    if _first_bytes(path) != b"\x7fELF":
        return False
    return os.path.realpath(path) != os.path.realpath(sys.executable)


def _first_bytes(path):
    try:
        with open(path, "rb") as file:
            return file.read(4)
    except OSError:
        return b""


def _is_package(directory):
    return any(os.path.exists(directory + "/__init__" + suffix) for suffix in (".py", ".pyc"))


def _in_tree(path):
    """The path as it begins with the tree's own, where symlinks lead there."""
    real, root = os.path.realpath(path), os.path.realpath(_ROOT) + os.sep
    return _ROOT + real[len(root) :] if real.startswith(root) else path
