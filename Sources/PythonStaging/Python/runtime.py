"""What a packed interpreter does before anything else: docs/packing.md, "What the interpreter is told"."""

import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import PathFinder

_SITE = os.path.dirname(os.path.abspath(__file__))
_ROOT = _SITE[: -len(@SITE@)]

# Where the TLS library of the build machine looks for authorities; elsewhere they are at other places.
_CERTIFICATES = (@CAFILE@, @CAPATH@)
_OTHER_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def _find_certificates():
    if "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
        return
    if any(path and os.path.exists(path) for path in _CERTIFICATES):
        return
    for path in _OTHER_CERTIFICATES:
        if os.path.exists(path):
            os.environ["SSL_CERT_FILE"] = path
            return


class _TreeFirst:
    """Searches the tree before every other place of sys.path, in whatever order a program has put them there.

    Servers such as gunicorn and uvicorn insert the working directory. A file there must not take the place of a
    module of the tree. Modules that the tree does not have are found wherever they are.
    """

    def __init__(self):
        self._last = ([], ([], []))
        self._real_root = None

    def find_spec(self, name, path=None, target=None):
        if path is None:
            if name == "__main__":
                return None  # that of a directory or an archive which the interpreter runs
            inside, outside = self._split_path()
        elif isinstance(path, (list, tuple)):
            # A package that is a directory with an __init__.py decides by itself.
            return None
        else:
            inside, outside = self._split(path)
        if not outside:
            return None
        spec = PathFinder.find_spec(name, inside, target)
        if spec is None:
            _require_readable_tree(name)
            return None
        if spec.loader is not None:
            return spec
        portions = spec.submodule_search_locations
        if not any(map(_has_modules, portions)):
            # A directory of data files is no package.
            return None
        # So that the portions elsewhere come after those of the tree, also when sys.path changes.
        portions._path_finder = self._find_portions
        portions._last_parent_path = None
        return spec

    def find_distributions(self, context=None):
        """The metadata of a distribution that is asked for by its name."""
        if context is None or context.name is None or context.path is not sys.path:
            return
        inside, outside = self._split_path()
        if not outside:
            return
        context = type(context)(name=context.name, path=inside)
        # The distribution importlib-metadata takes PathFinder's method away and adds a finder of its own.
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_distributions"):
                yield from finder.find_distributions(context)

    def _find_portions(self, name, path):
        result = ModuleSpec(name, None)
        result.submodule_search_locations = []
        inside, outside = self._split(path)
        for place in inside + outside:
            spec = PathFinder.find_spec(name, [place])
            if spec is not None and spec.loader is None:
                result.submodule_search_locations += spec.submodule_search_locations
        return result

    def _split_path(self):
        seen, found = self._last
        if seen != sys.path:
            seen = sys.path[:]
            found = self._split(seen)
            self._last = (seen, found)
        return found

    def _split(self, path):
        inside, outside = [], []
        for entry in path:
            (inside if self._holds(entry) else outside).append(entry)
        return inside, outside

    def _holds(self, entry):
        if not isinstance(entry, str):
            return False
        if entry.startswith(_ROOT):
            return True
        if self._real_root is None:
            self._real_root = os.path.realpath(_ROOT) + os.sep
        return (os.path.realpath(entry) + os.sep).startswith(self._real_root)


class _TreeReadable:
    """The last finder: if a module was not found because the tree can't be read, it says so."""

    def find_spec(self, name, path=None, target=None):
        _require_readable_tree(name)


def _require_readable_tree(name):
    """Raises ModuleNotFoundError if this process can't list the tree: its user was changed, or somebody removed it.

    Python takes such directories for empty ones, and a file elsewhere would take the place of a packed module.
    """
    try:
        os.scandir(_ROOT).close()
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        reason = f"can't read the packed files in {_ROOT}: {error.strerror}"
        if isinstance(error, PermissionError):
            reason += f"; unpack them with ONEFOLD=prewarm where user {os.geteuid()} can read them"
        raise ModuleNotFoundError(f"No module named {name!r}: {reason}", name=name) from None
    except OSError:
        pass


def _has_modules(directory):
    for _, _, names in os.walk(directory):
        if any(name.endswith((".py", ".pyc", ".so")) for name in names):
            return True
    return False


def _leave_working_directory():
    """Takes the directory off sys.path that the interpreter puts there first for -c, -m and standard input.

    The launch does so by its options. Children that the program starts by sys.executable have none. The interpreter puts
    the directory there after this module was imported, and before it imports what it is to run.
    """
    if sys.flags.isolated or getattr(sys.flags, "safe_path", False):
        return
    if sys.argv[0] in ("-c", "", "-"):
        directory = ""
    elif sys.argv[0] == "-m":
        directory = os.getcwd()
    else:
        directory = os.path.dirname(os.path.realpath(sys.argv[0]))
        if directory not in [os.path.realpath(place) for place in (_ROOT + "bin", *sys.path)]:
            return
    import builtins

    already = sys.path.count(directory)
    original = builtins.__import__

    def import_once(*arguments, **named):
        if sys.path and sys.path[0] == directory and sys.path.count(directory) > already:
            del sys.path[0]
            if builtins.__import__ is import_once:
                builtins.__import__ = original
        return original(*arguments, **named)

    builtins.__import__ = import_once


def _isolate():
    sys.meta_path.insert(sys.meta_path.index(PathFinder), _TreeFirst())
    sys.meta_path.append(_TreeReadable())
    try:
        _leave_working_directory()
    except OSError:
        pass  # There is no working directory, so none is put on the path.


def _restart():
    """Runs the program again where this interpreter was started for that, but by a command line that it can't run."""
    first, words = sys.argv[0], sys.argv[1:]
    command = None
    if first == "-m":
        if "--multiprocessing-fork" in words or "--billiard-fork" in words or "-c" in words:
            import _onefold_restart

            command = _onefold_restart.instead_of_launch(words)
    elif first not in ("-c", "", "-") and not first.startswith(_ROOT + "bin/"):
        import _onefold_restart

        given = getattr(sys, "orig_argv", sys.argv)
        command = _onefold_restart.instead_of_script(first, words, given[1 : -len(sys.argv)])
    if command:
        os.execv(command[0], command)


def _is_interpreter(path):
    try:
        path = os.fsdecode(path)
    except TypeError:
        return False  # a descriptor
    return path == sys.executable or os.path.realpath(path) == os.path.realpath(sys.executable)


def _serving(start):
    """A function of os that starts a program: where that is the interpreter, but the arguments are the program's, it
    starts the program."""

    def start_program(path, argv, *more, **named):
        if _is_interpreter(path):
            import _onefold_restart

            command = _onefold_restart.instead_of_interpreter(argv, @FROZEN@)
            if command:
                path, argv = command[0], command
        return start(path, argv, *more, **named)

    return start_program


def _serve_restarts():
    for name in ("execv", "execve", "posix_spawn", "posix_spawnp"):
        setattr(os, name, _serving(getattr(os, name)))
    _restart()


class _Thawed:
    """The module sys without `frozen`, for those that start children: the interpreter is not the program here."""

    def __getattr__(self, name):
        if name == "frozen":
            raise AttributeError(name)
        return getattr(sys, name)

    def __setattr__(self, name, value):
        setattr(sys, name, value)


class _AmendingFinder:
    """Amends modules as soon as they were imported."""

    def find_spec(self, name, path=None, target=None):
        amend = _amendment(name)
        if amend is None:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None:
                break
        else:
            return None
        load = getattr(spec.loader, "exec_module", None)
        if load is not None:

            def exec_module(module):
                load(module)
                amend(module)

            spec.loader.exec_module = exec_module
        return spec


def _amendment(name):
    if name == "ctypes.util":
        return _find_libraries
    if name in ("multiprocessing.context", "multiprocess.context"):
        return _ignore_freeze_support
    # What starts processes must start the right ones although `sys.frozen` is set. For a frozen program, multiprocessing
    # would call `sys.executable --multiprocessing-fork`, and the program itself `sys.executable ARGUMENTS`. Both are right
    # for PyInstaller, whose sys.executable is the program.
    if @FROZEN@ and name == "subprocess":
        return _serve_popen
    if @FROZEN@ and name.endswith(".spawn"):
        return _thaw
    return None


def _thaw(module):
    if hasattr(module, "get_command_line"):
        module.sys = _Thawed()


def _ignore_freeze_support(module):
    """Some releases of Python 3.13 and 3.14 choose the start method in `freeze_support`, and then the program can't."""
    module.BaseContext.freeze_support = lambda self: None


def _find_libraries(module):
    """Makes `find_library` look into the tree first. It asks ldconfig and compilers, which know only the system's libraries."""
    original = module.find_library

    def find_library(name):
        return _library_of_tree(name) or original(name)

    module.find_library = find_library


def _library_of_tree(name):
    """The file name of the newest library of that name in the tree; None if there is none."""
    import re

    try:
        names = os.listdir(_ROOT + "lib")
    except OSError:
        return None
    matches = re.compile(r"lib%s\.so((?:\.[0-9]+)*)" % re.escape(str(name))).fullmatch
    found = [match for match in map(matches, names) if match]
    newest = max(found, key=lambda match: [int(part) for part in match[1].split(".")[1:]], default=None)
    return newest and newest[0]


def _serve_popen(module):
    from functools import wraps

    popen = module.Popen
    original = popen.__init__

    def start(self, args, *more, **named):
        is_list = isinstance(args, (list, tuple)) and len(args) > 0
        if is_list and len(more) < 2 and not named.get("executable") and not named.get("shell"):
            if _is_interpreter(args[0]):
                import _onefold_restart

                args = _onefold_restart.instead_of_interpreter(args, True) or args
        original(self, args, *more, **named)

    popen.__init__ = wraps(original)(start)


def _add_given_places():
    """Puts the directories of ONEFOLD_PYTHONPATH after those of the tree. `site` then runs their sitecustomize."""
    for place in os.environ.get("ONEFOLD_PYTHONPATH", "").split(os.pathsep):
        if place and place not in sys.path:
            sys.path.append(place)


sys.dont_write_bytecode = True
if sys.executable == _ROOT + @NAMED@:
    # The launch runs the interpreter by a link with the application's name, for ps. What starts an interpreter gets its
    # own name.
    sys.executable = sys._base_executable = _ROOT + @PROGRAM@
_find_certificates()
_add_given_places()
if @ISOLATED@:
    _isolate()
if @MEIPASS@:
    sys._MEIPASS = _SITE
if @FROZEN@:
    sys.frozen = True
sys.meta_path.insert(0, _AmendingFinder())
_serve_restarts()
