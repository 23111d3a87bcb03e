"""Reads a `.spec` file of PyInstaller without running it, and prints what `onefold init` needs.

usage: pyinstaller_spec.py FILE PROJECT

Paths are printed as seen from the directory PROJECT. Prints lines "FACT VALUE":

    name, script                  the program
    path DIRECTORY                where modules are looked for
    data TARGET<tab>SOURCE        a file or directory, and its place below the root of data files
    exclude NAME                  a distribution
    option TEXT                   an option for the interpreter
    hook FILE                     a runtime hook
    note TABLE TEXT               what the spec should say in a comment, by table; "-" for none
    missing TEXT                  what is not understood, or not there: a person must look at it

Values are constants, lists, their sums, paths from SPECPATH, and what follows from the system, which is Linux. Conditions that these decide
are followed. Everything else is told with its line and left out.
"""

import ast
import glob
import os
import re
import sys
import tokenize

COLLECTORS = {
    "collect_all": 3,
    "collect_data_files": 0,
    "collect_dynamic_libs": 0,
    "collect_submodules": 0,
    "collect_entry_point": 2,
    "collect_system_data_files": 0,
    "copy_metadata": 0,
}
BUILDERS = ("Analysis", "PYZ", "EXE", "COLLECT", "BUNDLE", "Tree", "Splash", "MERGE", "TOC")
#: Their arguments that may be given by place.
PARAMETERS = {
    "Analysis": "scripts pathex binaries datas hiddenimports hookspath hooksconfig excludes runtime_hooks".split(),
    "Tree": "root prefix excludes typecode".split(),
}
NO_NEED = "nothing to do: distributions are installed whole"
#: Keys of Analysis and EXE that mean nothing here, and why; a key that has its default is not told.
REASONS = {
    "hiddenimports": NO_NEED,
    "hookspath": "nothing to do: no distribution needs a hook",
    "hooksconfig": "nothing to do: no distribution needs a hook",
    "module_collection_mode": NO_NEED,
    "cipher": "there is no encryption of byte code",
    "strip": "the default: see prune.debug-symbols",
    "upx": "libraries are not changed: the file is compressed as a whole",
    "upx_exclude": "libraries are not changed: the file is compressed as a whole",
    "runtime_tmpdir": "the user sets ONEFOLD_CACHE when the file is launched",
    "contents_directory": "the tree has places of its own",
    "bootloader_ignore_signals": "nothing to do: signals reach the program itself",
    "debug": "ONEFOLD=inspect and ONEFOLD_TRACE look into a file",
    "console": "a program has the terminal it is started from, or none",
    "icon": "Windows and macOS",
    "version": "for Windows; [app] has a version",
    "splash": "a shell shows progress by ONEFOLD_PROGRESS",
}
#: Keys that need no word, whatever their value.
SILENT = """
    win_no_prefer_redirects win_private_assemblies noarchive exclude_binaries append_pkg manifest embed_manifest resources resource
    uac_admin uac_uiaccess hide_console disable_windowed_traceback argv_emulation target_arch codesign_identity entitlements_file
""".split()
TAKEN = "scripts pathex binaries datas excludes runtime_hooks name optimize".split()
ENVIRONMENT = {"sys.platform": "linux", "os.name": "posix", "os.sep": "/", "os.pathsep": ":", "os.linesep": "\n"}
STR_METHODS = "format replace strip lstrip rstrip split lower upper join startswith endswith title".split()


def say(fact, *values):
    text = " ".join((fact,) + values)
    sys.stdout.buffer.write(os.fsencode(re.sub(r"[\r\n]+", " ", text) + "\n"))


class Unknown:
    """A value that only running the file would tell. In a list: any number of items."""

    def __init__(self, line, text):
        self.line = line
        self.text = text


class Collected:
    """What one of PyInstaller's functions finds in a package."""

    def __init__(self, function, package):
        self.function = function
        self.package = package


class Built:
    """The result of one of BUILDERS: its arguments by name, and those by place that have none."""

    def __init__(self, kind, arguments, rest, line):
        self.kind = kind
        self.arguments = arguments
        self.rest = rest
        self.line = line

    def get(self, name):
        value = self.arguments.get(name)
        return [] if value is None else value

    def items(self, name):
        value = self.get(name)
        return list(value) if isinstance(value, (list, tuple)) else [value]


class Part:
    """An attribute of an analysis that stands for what it found, such as `a.scripts`."""

    def __init__(self, owner, name):
        self.owner = owner
        self.name = name


class Reader:
    def __init__(self, path, source):
        self.path = path
        self.source = source
        self.directory = os.path.dirname(os.path.abspath(path))
        self.values = {
            "SPECPATH": self.directory,
            "SPEC": os.path.abspath(path),
            "__file__": os.path.abspath(path),
            "DISTPATH": os.path.join(self.directory, "dist"),
            "WORKPATH": os.path.join(self.directory, "build"),
        }
        self.built = []
        self.collected = []
        #: Of each line that is not understood, its text.
        self.problems = {}

    # Messages

    def text(self, node):
        text = ast.get_source_segment(self.source, node) or type(node).__name__
        text = re.sub(r"\s+", " ", text)
        return text if len(text) <= 60 else text[:57] + "..."

    def not_understood(self, node, what):
        self.problems.setdefault(node.lineno, what)

    def unknown(self, node):
        return Unknown(node.lineno, self.text(node))

    # Statements

    def run(self, statements):
        for statement in statements:
            method = getattr(self, "run_" + type(statement).__name__.lower(), None)
            if method is not None:
                method(statement)
            elif not isinstance(statement, (ast.Import, ast.ImportFrom, ast.Pass, ast.Assert, ast.Delete)):
                self.skip(statement)

    def skip(self, statement):
        names = {"For": "a loop", "While": "a loop", "Try": "try", "With": "with", "FunctionDef": "", "ClassDef": ""}
        what = names.get(type(statement).__name__, "this statement")
        if what:
            self.not_understood(statement, "%s ('%s')" % (what, self.text(statement).split(":")[0]))
        self.forget(statement)

    def forget(self, statement):
        """What a statement may change that is not followed is unknown from there on."""
        defined = getattr(statement, "name", None)
        if defined:
            self.values[defined] = self.unknown(statement)
            return
        mark = Unknown(statement.lineno, self.text(statement).split(":")[0])
        for node in ast.walk(statement):
            target = None
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                target = node.id
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                target = getattr(node.func.value, "id", None)
            if target is None:
                continue
            old = self.values.get(target)
            self.values[target] = old + [mark] if isinstance(old, list) else old if isinstance(old, Built) else mark

    def run_assign(self, statement):
        value = self.value(statement.value)
        for target in statement.targets:
            self.assign(target, value)

    def run_annassign(self, statement):
        if statement.value is not None:
            self.assign(statement.target, self.value(statement.value))

    def run_augassign(self, statement):
        target = statement.target
        if not isinstance(statement.op, ast.Add) or not isinstance(target, (ast.Name, ast.Attribute)):
            self.skip(statement)
            return
        self.assign(target, self.added(self.value(target), self.value(statement.value), statement))

    def assign(self, target, value):
        if isinstance(target, ast.Name):
            self.values[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            fits = isinstance(value, (tuple, list)) and len(value) == len(target.elts)
            for index, part in enumerate(target.elts):
                self.assign(part, value[index] if fits else self.unknown(target))
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value)
            if isinstance(owner, Built):
                owner.arguments[target.attr] = value
        else:
            self.not_understood(target, "'%s = ...'" % self.text(target))

    def run_if(self, statement):
        test = self.value(statement.test)
        if isinstance(test, Unknown):
            self.not_understood(statement, "a condition ('if %s')" % self.text(statement.test))
            self.forget(statement)
        else:
            self.run(statement.body if test else statement.orelse)

    def run_expr(self, statement):
        call = statement.value
        if isinstance(call, ast.Constant):
            return
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and self.changes_list(call):
            return
        harmless = ("print", "sys.setrecursionlimit", "sys.path.append", "sys.path.insert", "warnings.filterwarnings")
        if isinstance(call, ast.Call) and self.text(call.func) in harmless:
            return
        if isinstance(self.value(call), Unknown):
            self.not_understood(statement, "'%s', which is not run" % self.text(call))

    def changes_list(self, call):
        owner = self.value(call.func.value)
        if not isinstance(owner, list) or call.func.attr not in ("append", "extend", "insert") or not call.args:
            return False
        value = self.value(call.args[-1])
        added = owner + [value] if call.func.attr != "extend" else self.added(owner, value, call)
        self.assign(call.func.value, added)
        return True

    # Expressions

    def value(self, node):
        method = getattr(self, "value_" + type(node).__name__.lower(), None)
        try:
            found = method(node) if method is not None else None
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, OSError):
            found = None
        return self.unknown(node) if found is None and not self.is_none(node) else found

    @staticmethod
    def is_none(node):
        return isinstance(node, ast.Constant) or isinstance(node, (ast.Name, ast.IfExp, ast.BoolOp, ast.Attribute))

    def value_constant(self, node):
        return node.value

    def value_name(self, node):
        return self.values.get(node.id, self.unknown(node)) if node.id != "None" else None

    def value_list(self, node):
        found = []
        for item in node.elts:
            if isinstance(item, ast.Starred):
                found = self.added(found, self.value(item.value), item)
            else:
                found.append(self.value(item))
        return found

    def value_tuple(self, node):
        return tuple(self.value_list(node))

    def value_set(self, node):
        return self.value_list(node)

    def value_dict(self, node):
        return {str(self.value(key)): self.value(value) for key, value in zip(node.keys, node.values) if key}

    def value_joinedstr(self, node):
        return "".join(str(self.known(self.value(part))) for part in node.values)

    def value_formattedvalue(self, node):
        return self.known(self.value(node.value)) if node.format_spec is None else None

    def value_ifexp(self, node):
        test = self.value(node.test)
        if isinstance(test, Unknown):
            return self.unknown(node)
        return self.value(node.body if test else node.orelse)

    def value_boolop(self, node):
        found = None
        for part in node.values:
            found = self.known(self.value(part))
            if bool(found) is isinstance(node.op, ast.Or):
                break
        return found

    def value_unaryop(self, node):
        value = self.known(self.value(node.operand))
        return not value if isinstance(node.op, ast.Not) else -value

    def value_compare(self, node):
        left, right = self.known(self.value(node.left)), self.known(self.value(node.comparators[0]))
        compare = {
            ast.Eq: lambda: left == right,
            ast.NotEq: lambda: left != right,
            ast.In: lambda: left in right,
            ast.NotIn: lambda: left not in right,
            ast.Is: lambda: left is right,
            ast.IsNot: lambda: left is not right,
        }[type(node.ops[0])]
        return compare() if len(node.ops) == 1 else None

    def value_binop(self, node):
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add):
            return self.added(left, right, node)
        if isinstance(node.op, ast.Div):
            return os.path.join(self.known(left), self.known(right))
        if isinstance(node.op, ast.Mod) and isinstance(left, str):
            return left % (tuple(map(self.known, right)) if isinstance(right, tuple) else self.known(right))
        return None

    def added(self, left, right, node):
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        if not any(isinstance(one, (list, tuple, Built, Part)) for one in (left, right)):
            return self.unknown(node)
        return self.listed(left) + self.listed(right)

    @staticmethod
    def listed(value):
        return list(value) if isinstance(value, (list, tuple)) else [value]

    @staticmethod
    def known(value):
        if isinstance(value, (Unknown, Collected, Built, Part)):
            raise ValueError
        return value

    def value_attribute(self, node):
        name = self.text(node)
        if name in ENVIRONMENT:
            return ENVIRONMENT[name]
        owner = self.value(node.value)
        if isinstance(owner, Built):
            if owner.kind == "Analysis" and node.attr in ("datas", "binaries"):
                return owner.items(node.attr)
            return Part(owner, node.attr)
        if isinstance(owner, str) and node.attr in ("parent", "name", "stem"):
            base = os.path.basename(owner)
            return {"parent": os.path.dirname(owner), "name": base, "stem": base.partition(".")[0]}[node.attr]
        return self.unknown(node)

    def value_subscript(self, node):
        index = node.slice
        index = getattr(index, "value", index) if type(index).__name__ == "Index" else index
        return self.known(self.value(node.value))[self.known(self.value(index))]

    # Calls

    def value_call(self, node):
        function = self.text(node.func)
        short = function.rpartition(".")[2]
        if short in BUILDERS:
            return self.build(short, node)
        if short in COLLECTORS:
            package = self.value(node.args[0]) if node.args else self.unknown(node)
            one = Collected(short, package if isinstance(package, str) else "?")
            self.collected.append((node.lineno, one))
            parts = COLLECTORS[short]
            return tuple([one] for _ in range(parts)) if parts else [one]
        arguments = [self.known(self.value(one)) for one in node.args]
        if function in ("Path", "pathlib.Path", "PurePath", "str", "os.fspath"):
            return os.path.join("", *arguments)
        if function.startswith("os.path."):
            return self.path_function(function[len("os.path.") :], arguments)
        if function in ("os.getcwd", "Path.cwd", "pathlib.Path.cwd"):
            return self.directory
        if function == "platform.system":
            return "Linux"
        if function == "glob.glob":
            pattern = os.path.join(self.directory, arguments[0])
            return sorted(glob.glob(pattern, recursive=True))
        if function in ("list", "tuple", "sorted", "set") and len(arguments) == 1:
            return list(arguments[0])
        return self.method(node, arguments)

    def path_function(self, name, arguments):
        if name in ("abspath", "realpath"):
            return os.path.normpath(os.path.join(self.directory, arguments[0]))
        if name in ("exists", "isfile", "isdir"):
            return getattr(os.path, name)(os.path.join(self.directory, arguments[0]))
        if name in ("join", "dirname", "basename", "normpath", "splitext"):
            return getattr(os.path, name)(*arguments)
        return None

    def method(self, node, arguments):
        if not isinstance(node.func, ast.Attribute):
            return None
        owner = self.known(self.value(node.func.value))
        if isinstance(owner, str) and node.func.attr in ("resolve", "absolute", "as_posix"):
            return os.path.normpath(os.path.join(self.directory, owner))
        if isinstance(owner, str) and node.func.attr == "joinpath":
            return os.path.join(owner, *arguments)
        if isinstance(owner, str) and node.func.attr in STR_METHODS and not node.keywords:
            return getattr(owner, node.func.attr)(*arguments)
        return None

    def build(self, kind, node):
        places = PARAMETERS.get(kind, [])
        values = [self.value(one.value if isinstance(one, ast.Starred) else one) for one in node.args]
        arguments = dict(zip(places, values))
        for keyword in node.keywords:
            if keyword.arg is None:
                self.not_understood(node, "'**%s' of %s" % (self.text(keyword.value), kind))
            else:
                arguments[keyword.arg] = self.value(keyword.value)
        built = Built(kind, arguments, values[len(places) :], node.lineno)
        self.built.append(built)
        return built


def is_standard(name):
    """Whether a module is of the standard library. Python has a list since 3.10."""
    place = os.path.join(os.path.dirname(os.__file__), name)
    known = getattr(sys, "stdlib_module_names", ())
    return name in known or name in sys.builtin_module_names or os.path.exists(place + ".py") or os.path.isdir(place)


class Translation:
    """What a spec file means for Onefold."""

    def __init__(self, reader, project):
        self.reader = reader
        self.project = os.path.abspath(project)
        self.file = os.path.basename(reader.path)
        self.programs = [one for one in reader.built if one.kind == "EXE"]
        analyses = [one for one in reader.built if one.kind == "Analysis"]
        self.analysis = analyses[0] if analyses else None
        self.exe = self.programs[0] if self.programs else None
        self.emitted = set()
        for part in self.exe.rest if self.exe else ():
            for one in part if isinstance(part, list) else [part]:
                if isinstance(one, Part) and one.name == "scripts" and one.owner.kind == "Analysis":
                    self.analysis = one.owner

    def place(self, line):
        return "%s:%d" % (self.file, line)

    def missing(self, line, text):
        say("missing", "%s: %s" % (self.place(line), text))

    def missing_value(self, one, where):
        """A value that is not understood; its line may have been told for all that it changes."""
        if one.line not in self.reader.problems:
            self.missing(one.line, "not understood: '%s', %s" % (one.text, where))

    def shown(self, path):
        """A path as seen from the project."""
        path = os.path.normpath(os.path.join(self.reader.directory, path))
        relative = os.path.relpath(path, self.project)
        return path if relative.startswith("..") else relative

    def print(self):
        if self.analysis is None:
            sys.exit("%s: there is no Analysis(...) in it that could be read: is it a spec file of PyInstaller?" % self.file)
        self.print_name()
        self.print_scripts()
        for path in self.texts("pathex", "paths where modules are looked for"):
            say("path", self.shown(path))
        self.print_data()
        self.print_excludes()
        self.print_options()
        self.print_others()
        for line, text in sorted(self.reader.problems.items()):
            self.missing(line, "not understood: %s" % text)

    def texts(self, key, what):
        """The texts of a list; others are told."""
        found = []
        for one in self.analysis.items(key):
            if isinstance(one, str):
                found.append(one)
            elif isinstance(one, Unknown):
                self.missing_value(one, "among the %s (%s)" % (what, key))
            elif not isinstance(one, Collected):
                self.missing(self.analysis.line, "not understood: an item of %s" % key)
        return found

    def print_name(self):
        built = [self.exe] + [one for one in self.reader.built if one.kind == "COLLECT"]
        names = [one.arguments.get("name") for one in built if one is not None]
        name = next((os.path.basename(one) for one in names if isinstance(one, str)), None)
        for one in names:
            if isinstance(one, Unknown) and name is None:
                self.missing_value(one, "the program's name")
        say("name", re.sub(r"\.(exe|bin|app)$", "", name or os.path.splitext(self.file)[0]))

    def print_scripts(self):
        scripts = self.texts("scripts", "scripts")
        if not scripts:
            self.missing(self.analysis.line, "the script to start is not understood: give it in [launch]")
            return
        script = self.shown(scripts[0])
        if os.path.isfile(os.path.join(self.project, script)):
            say("script", script)
        else:
            self.missing(self.analysis.line, "the script '%s' is not there" % script)
        directory = os.path.dirname(script)
        if directory:
            # PyInstaller looks for modules beside the script.
            say("path", directory)
        for other in scripts[1:]:
            text = "the script '%s' runs after the first: call it from there" % self.shown(other)
            say("note", "launch", "%s: %s" % (self.place(self.analysis.line), text))

    # Data

    def print_data(self):
        more = [one for one in self.reader.built if one.kind in ("COLLECT", "EXE")]
        for key in ("datas", "binaries"):
            for one in self.analysis.items(key):
                self.datum(one, key, self.analysis.line)
        for built in more:
            for part in built.rest:
                for one in part if isinstance(part, list) else [part]:
                    is_tree = isinstance(one, Built) and one.kind == "Tree"
                    is_file = isinstance(one, tuple) and len(one) == 3 and one[2] in ("DATA", "BINARY")
                    if is_tree or is_file:
                        self.datum(one, built.kind, built.line)

    def datum(self, one, key, line):
        if isinstance(one, Collected):
            return
        if isinstance(one, Unknown):
            self.missing_value(one, "among the %s" % key)
            return
        if isinstance(one, Built) and one.kind == "Tree":
            one = (one.arguments.get("root"), one.arguments.get("prefix") or ".")
        fits = isinstance(one, (tuple, list)) and len(one) in (2, 3)
        if fits and len(one) == 3:
            name, source, _ = one
            target = os.path.dirname(name) if isinstance(name, str) else name
            if isinstance(name, str) and isinstance(source, str) and os.path.basename(source) != os.path.basename(name):
                self.emit(source, name)
                return
            one = (source, target or ".")
        if not fits or not all(isinstance(part, str) for part in one):
            part = next((part for part in one if isinstance(part, Unknown)), None) if fits else None
            if part is not None:
                self.missing_value(part, "in %s" % key)
            else:
                self.missing(line, "not understood: an item of %s" % key)
            return
        self.expand(one[0], one[1], key, line)

    def expand(self, source, target, key, line):
        path = os.path.join(self.reader.directory, source)
        if glob.has_magic(source) and not os.path.exists(path):
            found = sorted(glob.glob(path, recursive=True))
        else:
            found = [path] if os.path.exists(path) else []
        if not found:
            self.missing(line, "'%s' of %s is not there: add it to [[data]]" % (source, key))
        for one in found:
            self.emit(one, target if os.path.isdir(one) else os.path.join(target, os.path.basename(one)))

    def emit(self, source, target):
        target = os.path.normpath(target)
        if target.startswith(("/", "..")):
            say("missing", "%s: '%s' is to lie outside of the tree, in '%s'" % (self.file, source, target))
            return
        if (target, source) not in self.emitted:
            self.emitted.add((target, source))
            say("data", "%s\t%s" % (target, self.shown(source)))

    # The rest

    def print_excludes(self):
        for name in self.texts("excludes", "excluded modules"):
            if name == "tkinter":
                say("note", "prune", "excludes: tkinter is left out unless the application's own sources import it")
            elif is_standard(name.partition(".")[0]):
                say("note", "prune", "excludes: %s is of the standard library: a path in 'remove' leaves it out" % name)
            elif "." in name:
                path = name.replace(".", "/")
                say("note", "prune", 'excludes: remove = ["**/%s", "**/%s.py"] leaves the module %s out' % (path, path, name))
            else:
                say("exclude", name)

    def print_options(self):
        optimize = self.analysis.arguments.get("optimize", self.exe.arguments.get("optimize") if self.exe else None)
        if optimize in (1, 2):
            say("option", "-" + "O" * optimize)
        for part in self.exe.rest if self.exe else ():
            for one in part if isinstance(part, list) else [part]:
                if isinstance(one, tuple) and len(one) == 3 and one[2] == "OPTION" and isinstance(one[0], str):
                    word, _, value = one[0].partition(" ")
                    say("option", "-" + word)
                    if value:
                        say("option", value)

    def print_others(self):
        for hook in self.texts("runtime_hooks", "runtime hooks"):
            text = "runtime hook '%s': give the variables that it sets in 'environment', or run its code in the script" % self.shown(hook)
            say("hook", self.shown(hook))
            say("note", "launch", text)
            say("missing", "%s: the runtime hook '%s' is not run: see [launch]" % (self.file, self.shown(hook)))
        for line, one in self.reader.collected:
            say("note", "dependencies", "%s: %s('%s'): %s" % (self.place(line), one.function, one.package, NO_NEED))
        for built in (self.analysis, self.exe):
            for key, value in built.arguments.items() if built is not None else ():
                self.print_key(built, key, value)
        for one in self.programs[1:]:
            name = one.arguments.get("name")
            text = "a further program%s needs a spec of its own" % (" '%s'" % name if isinstance(name, str) else "")
            self.missing(one.line, text)
        for one in self.reader.built:
            if one.kind in ("BUNDLE", "Splash", "MERGE"):
                reason = {"BUNDLE": "macOS", "Splash": REASONS["splash"], "MERGE": "each file has all that it needs"}
                say("note", "-", "%s: %s(...): %s" % (self.place(one.line), one.kind, reason[one.kind]))

    def print_key(self, built, key, value):
        if key in TAKEN or key in SILENT:
            return
        if key == "console":
            value = value is False
        if key not in REASONS:
            self.missing(built.line, "'%s' of %s is not known: look whether anything must follow" % (key, built.kind))
        elif value is not None and value is not False and value != [] and value != {}:
            items = value if isinstance(value, list) else []
            names = ", ".join(one for one in items if isinstance(one, str))
            names = " (%s)" % (names if len(names) <= 200 else names[:197] + "...") if names else ""
            table = "dependencies" if key == "hiddenimports" else "-"
            if key != "hiddenimports" or names:
                say("note", table, "%s%s: %s" % (key, names, REASONS[key]))


def main():
    path, project = sys.argv[1:]
    shown = os.path.basename(path)
    try:
        with tokenize.open(path) as file:
            source = file.read()
        tree = ast.parse(source)
    except SyntaxError as error:
        sys.exit("%s:%d: is not valid Python: %s" % (shown, error.lineno or 1, error.msg))
    except (OSError, ValueError) as error:
        sys.exit("%s: cannot be read: %s" % (shown, getattr(error, "strerror", None) or error))
    reader = Reader(path, source)
    reader.run(tree.body)
    Translation(reader, project).print()


main()
