"""What a project's `pyproject.toml` says of what it needs, and of what is on this machine and on no index.

Groups are those of PEP 735. Sources are those of uv (`tool.uv.sources`, workspaces) and Poetry (dependencies with a path).
"""

import glob
import os
import re
import urllib.request

from evaluation import Marker, Requirement, fulfils, normalized
from requirement_lines import decoded, fail, is_url


def toml_parser():
    """Python has one since 3.11, and pip for earlier ones."""
    try:
        import tomllib

        return tomllib
    except ImportError:
        pass
    try:
        import tomli

        return tomli
    except ImportError:
        pass
    try:
        from pip._vendor import tomli

        return tomli
    except ImportError:
        return None


def parsed_toml(text, shown):
    parser = toml_parser()
    if parser is None:
        fail(shown, "is TOML, which Python before 3.11 reads only with its pip: install it (python3 -m ensurepip)")
    try:
        return parser.loads(text)
    except ValueError as error:
        fail(shown, "is not TOML: %s" % error)


def load_toml(path):
    """A TOML file; an empty table where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError) as error:
        fail(path, "cannot be read: %s" % error)
    return parsed_toml(text, path)


def table(value, *keys):
    """The table below some keys, or an empty one."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


class Source:
    """Where a distribution comes from that no index is asked for: a path, or a requirement with an address."""

    def __init__(self, place, path=None, url=None, extras=()):
        self.place = place
        self.path = path
        self.url = url
        self.extras = list(extras)

    def requirement(self, name, extras):
        """As a line of a requirements file."""
        bracket = "[%s]" % ",".join(extras) if extras else ""
        url = self.url or "file://" + urllib.request.pathname2url(self.path)
        return "%s%s @ %s" % (name, bracket, url)


class Project:
    """A directory with a project, or without."""

    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        self.path = os.path.join(self.directory, "pyproject.toml")
        self.data = load_toml(self.path)
        self.project = table(self.data, "project")
        self.poetry = table(self.data, "tool", "poetry")
        self.uv = table(self.data, "tool", "uv")

    @property
    def name(self):
        name = self.project.get("name") or self.poetry.get("name")
        if not name:
            try:
                with open(os.path.join(self.directory, "setup.cfg"), encoding="utf-8") as file:
                    found = re.search(r"^name\s*=\s*(\S+)", file.read(), re.MULTILINE)
            except (OSError, UnicodeError):
                found = None
            name = found.group(1) if found else None
        return normalized(name) if isinstance(name, str) else None

    def place(self, word):
        """The line with a key of this name or, where there is none, the first that has it anywhere."""
        try:
            lines = self.numbered_lines()
        except OSError:
            return self.path
        key = re.compile(r"\s*[\"']?%s[\"']?\s*=" % re.escape(word), re.IGNORECASE)
        for matches in (key.match, lambda line: word.lower() in line.lower()):
            number = next((number for number, line in lines if matches(line)), None)
            if number is not None:
                return "%s:%d" % (self.path, number)
        return self.path

    def numbered_lines(self):
        with open(self.path, encoding="utf-8") as file:
            return list(enumerate(file.read().splitlines(), 1))

    # What it needs

    @property
    def tells_dependencies(self):
        """Whether all dependencies are in the file, and none comes from what builds the project."""
        if self.project:
            return "dependencies" not in self.project.get("dynamic", ())
        return bool(self.poetry)

    def dependencies(self, extras=()):
        """The requirements of the project and of some of its extras, as far as they are written as PEP 508 defines them."""
        found = list(self.project.get("dependencies", ()))
        optional = table(self.project, "optional-dependencies")
        for extra, requirements in optional.items():
            if normalized(extra) in extras:
                found += requirements
        return [text for text in found if isinstance(text, str)]

    @property
    def extras(self):
        names = list(table(self.project, "optional-dependencies")) + list(table(self.poetry, "extras"))
        return sorted({normalized(name) for name in names})

    @property
    def groups(self):
        """The names of its groups of dependencies (PEP 735)."""
        return sorted(normalized(name) for name in table(self.data, "dependency-groups"))

    def group(self, name, outer=()):
        """The requirements of a group, with those of the groups that it includes."""
        groups = {normalized(key): value for key, value in table(self.data, "dependency-groups").items()}
        name = normalized(name)
        place = self.place(name)
        if name in outer:
            fail(place, "the group '%s' includes itself" % name)
        if name not in groups:
            known = ", ".join(sorted(groups)) or "none"
            fail(self.path, "there is no group '%s' in [dependency-groups]; there are: %s" % (name, known))
        result = []
        for item in groups[name]:
            if isinstance(item, str):
                result.append(item)
            elif isinstance(item, dict) and isinstance(item.get("include-group"), str):
                result += self.group(item["include-group"], (*outer, name))
            else:
                fail(place, "the group '%s' has an item that is neither a requirement nor an include-group" % name)
        return result

    @property
    def build_requirements(self):
        return [text for text in table(self.data, "build-system").get("requires", ()) if isinstance(text, str)]

    # Sources

    def workspace(self):
        """The project whose uv workspace it belongs to, which may be itself, or None."""
        directory = self.directory
        while True:
            root = self if directory == self.directory else Project(directory)
            space = table(root.uv, "workspace")
            if "workspace" in root.uv:
                if root is self or self.directory in root.members(space):
                    return root
                return None
            parent = os.path.dirname(directory)
            if parent == directory:
                return None
            directory = parent

    def members(self, space):
        """The directories of a workspace's members."""
        found = {self.directory}
        for pattern in space.get("members", ()):
            found.update(glob.glob(os.path.join(glob.escape(self.directory), pattern)))
        for pattern in space.get("exclude", ()):
            found.difference_update(glob.glob(os.path.join(glob.escape(self.directory), pattern)))
        found = {os.path.normpath(path) for path in found}
        return {path for path in found if os.path.exists(os.path.join(path, "pyproject.toml"))}

    def sources(self, environment, extras=(), groups=()):
        """Where the distributions of some names come from, as its tools are told."""
        found = {}
        root = self.workspace()
        for owner in [root, self] if root is not None and root is not self else [self]:
            for name, value in table(owner.uv, "sources").items():
                source = owner.uv_source(name, value, root, environment, extras, groups)
                if source is not None:
                    found[normalized(name)] = source
        tables = [table(self.poetry, "dependencies")]
        for group in groups:
            tables.append(table(self.poetry, "group", group, "dependencies"))
        for dependencies in tables:
            for name, value in dependencies.items():
                for one in value if isinstance(value, list) else [value]:
                    if isinstance(one, dict) and one.get("optional") and not self.poetry_extra_has(name, extras):
                        continue
                    source = self.poetry_source(name, one, environment)
                    if source is not None:
                        found[normalized(name)] = source
        return found

    def uv_source(self, name, value, root, environment, extras, groups):
        place = self.place(name)
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                fail(place, "the source of '%s' is not a table" % name)
            if one.get("extra") and normalized(one["extra"]) not in extras:
                continue
            if one.get("group") and normalized(one["group"]) not in groups:
                continue
            if one.get("marker") and not Marker(one["marker"]).holds(environment, extras):
                continue
            if one.get("workspace"):
                members = root.members(table(root.uv, "workspace")) if root is not None else ()
                path = next((path for path in sorted(members) if Project(path).name == normalized(name)), None)
                if path is None:
                    fail(place, "'%s' is said to be in the workspace, which has no such member" % name)
                return Source(place, path=path)
            return self.addressed(place, name, one)
        return None

    def poetry_extra_has(self, name, extras):
        """Whether one of the extras asks for an optional dependency."""
        lists = table(self.poetry, "extras").items()
        return any(normalized(extra) in extras and name in names for extra, names in lists)

    def poetry_source(self, name, value, environment):
        if not isinstance(value, dict):
            return None
        if value.get("markers") and not Marker(value["markers"]).holds(environment):
            return None
        return self.addressed(self.place(name), name, {**value, "path": value.get("path") or value.get("file")})

    def addressed(self, place, name, one):
        """A source that is a path, a repository or a URL; None for another, such as the name of an index."""
        extras = [normalized(extra) for extra in one.get("extras") or ()]
        if one.get("path"):
            path = os.path.normpath(os.path.join(self.directory, one["path"]))
            if one.get("subdirectory") and os.path.isdir(path):
                path = os.path.join(path, one["subdirectory"])
            if not os.path.exists(path):
                fail(place, "the source of '%s' is not there: '%s'" % (name, path))
            return Source(place, path=path, extras=extras)
        if one.get("git"):
            url = one["git"] if one["git"].startswith("git+") else "git+" + one["git"]
            revision = one.get("rev") or one.get("tag") or one.get("branch")
            url += "@" + revision if revision else ""
            url += "#subdirectory=" + one["subdirectory"] if one.get("subdirectory") else ""
            return Source(place, url=url, extras=extras)
        if one.get("url"):
            return Source(place, url=one["url"], extras=extras)
        return None


#: The block of a script, as PEP 723 has it.
BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
#: What `[tool.uv]` may say that no lines of a requirements file say, and that decides what is installed.
ONLY_UV = (
    "build-constraint-dependencies",
    "constraint-dependencies",
    "exclude-dependencies",
    "exclude-newer",
    "exclude-newer-package",
    "index-strategy",
    "no-binary",
    "no-binary-package",
    "no-build",
    "no-build-package",
    "no-sources",
    "override-dependencies",
    "prerelease",
    "resolution",
)


class Script(Project):
    """A script with inline metadata (PEP 723), which say what it needs as a project's file does. The packer has checked them."""

    def __init__(self, path):
        self.path = path
        self.directory = os.path.dirname(os.path.abspath(path))
        try:
            with open(path, "rb") as file:
                text = decoded(file.read(), path).replace("\r\n", "\n")
        except OSError as error:
            fail(path, "cannot be read: %s" % error.strerror)
        found = BLOCK.search(text)
        if found is None:
            fail(path, "has no inline metadata: begin it with the line '# /// script'")
        lines = [line[2:] for line in found["content"].splitlines()]
        first = text.count("\n", 0, found.start("content")) + 1
        self.lines = list(enumerate(lines, first))
        self.data = parsed_toml("\n" * (first - 1) + "\n".join(lines), path)
        self.project = self.data
        self.poetry = {}
        self.uv = table(self.data, "tool", "uv")

    name = None

    def numbered_lines(self):
        return self.lines

    def workspace(self):
        return None

    def check_python(self, version):
        specifier = self.data.get("requires-python")
        try:
            suits = not specifier or fulfils(version, specifier)
        except ValueError as error:
            fail(self.place("requires-python"), str(error))
        if not suits:
            text = "requires Python %s, and the interpreter is %s: choose another one"
            fail(self.place("requires-python"), text % (specifier, version))

    def options(self):
        """The lines of a requirements file that mean what `[tool.uv]` says of indexes."""
        self.refuse_unknown()
        found = []
        indexes = self.uv.get("index", ())
        for one in indexes:
            if one.get("format") == "flat":
                found.append("--find-links " + self.address(one["url"]))
            elif one.get("default"):
                found.append("--index-url " + self.address(one["url"]))
            elif not one.get("explicit"):
                found.append("--extra-index-url " + self.address(one["url"]))
        if self.uv.get("index-url"):
            found.append("--index-url " + self.address(self.uv["index-url"]))
        found += ["--extra-index-url " + self.address(url) for url in self.uv.get("extra-index-url", ())]
        found += ["--find-links " + self.address(url) for url in self.uv.get("find-links", ())]
        return found + (["--no-index"] if self.uv.get("no-index") else [])

    def address(self, url):
        """An index may be a directory, seen from the script."""
        if is_url(url):
            return url
        return "file://" + urllib.request.pathname2url(os.path.normpath(os.path.join(self.directory, url)))

    def refuse_unknown(self):
        advice = "lock the script (uv lock --script %s)" % os.path.basename(self.path)
        for key in ONLY_UV:
            if key in self.uv:
                text = "'tool.uv.%s' decides what is installed, and only uv can follow it: %s"
                fail(self.place(key), text % (key, advice))
        for name, value in table(self.uv, "sources").items():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and one.get("index"):
                    text = "'%s' comes from the index '%s' alone, which only uv can be told: %s"
                    fail(self.place(name), text % (name, one["index"], advice))


class LocalProject:
    """A project of this machine that is to be built."""

    def __init__(self, path, place, extras=(), name=None, needed=True):
        self.path = os.path.realpath(path)
        self.place = place
        self.extras = sorted(set(extras))
        self.project = Project(self.path)
        self.name = name or self.project.name
        #: Whether it is to be installed, and does not only build others.
        self.needed = needed


class LocalProjects:
    """The local projects that some need. Sources tell where those of a name are; only names count that a project needs."""

    def __init__(self, start, groups, environment, resolves):
        self.environment = environment
        self.groups = groups
        self.main = start[0] if start else None
        #: Whether what they need at run time is looked for too: no lock has told.
        self.resolves = resolves
        self.found = {one.path: one for one in start}
        #: By name, requirements with an address that a source gives, and their places.
        self.addressed = {}
        self.waiting = list(start)
        while self.waiting:
            self.visit(self.waiting.pop(0))

    def visit(self, local):
        sources = local.project.sources(self.environment, local.extras, self.groups)
        if not sources:
            return
        if local.needed and self.resolves:
            for name, extras in self.needs(local, sources).items():
                self.follow(name, extras, sources.get(name), True)
        for name, extras in self.names(local, local.project.build_requirements).items():
            self.follow(name, extras, sources.get(name), False)

    def needs(self, local, sources):
        texts = local.project.dependencies(local.extras)
        if local is self.main:
            for group in self.groups:
                texts += local.project.group(group) if group in local.project.groups else []
        wanted = self.names(local, texts)
        if not local.project.project or not local.project.tells_dependencies:
            # Poetry's own tables, and what a build backend finds out.
            wanted.update((name, set()) for name in sources if name not in wanted)
        return wanted

    def names(self, local, texts):
        """The names that requirements have, with their extras."""
        wanted = {}
        for text in texts:
            try:
                requirement = Requirement(text)
                if requirement.counts(self.environment, local.extras):
                    wanted.setdefault(requirement.name, set()).update(requirement.extras)
            except ValueError as error:
                # Backends write paths in forms of their own, such as "x @ {root:uri}/x".
                if "@" not in text:
                    fail(local.project.place(text.split()[0]), str(error))
        return wanted

    def follow(self, name, extras, source, needed):
        if source is None:
            return
        extras = sorted(set(extras) | set(source.extras))
        if source.url or not os.path.isdir(source.path):
            if needed:
                self.addressed[name] = (source.requirement(name, extras), source.place)
            return
        one = self.found.get(os.path.realpath(source.path))
        if one is None:
            one = LocalProject(source.path, source.place, extras, name, needed)
            self.found[one.path] = one
        elif set(extras) <= set(one.extras) and one.needed >= needed:
            return
        one.extras = sorted(set(one.extras) | set(extras))
        one.needed = one.needed or needed
        self.waiting.append(one)

    def ordered(self):
        """All of them, each after those that build it."""
        by_name = {one.name: one for one in self.found.values()}
        order = []

        def add(one, outer):
            if one in order or one in outer:
                return
            for name in self.names(one, one.project.build_requirements):
                if name in by_name:
                    add(by_name[name], (*outer, one))
            order.append(one)

        for one in self.found.values():
            add(one, ())
        return order
