"""Reads the locks of uv, Poetry, PDM, Pipenv, and of PEP 751, and says what is to be installed for one environment.

Each reader returns lines as a requirements file would have them, with hashes, and with the names of those that need them. The lock's own
project is not among them.
"""

import json
import os
import re
import urllib.parse
import urllib.request

from evaluation import Marker, Requirement, fulfils, normalized
from projects import Project, load_toml, parsed_toml, table
from requirement_lines import Line, decoded, fail, is_url

PYPI = ("https://pypi.org/simple", "https://pypi.python.org/simple")
#: The hashes that pip and uv take in requirements files.
ALGORITHMS = ("sha256", "sha384", "sha512")


class Wanted:
    """What a lock is read for."""

    def __init__(self, environment, project=None, extras=(), groups=(), script=None):
        self.environment = environment
        #: The script that the lock is of, as a project, or None.
        self.script = script
        #: The directory of the project that is packed, or None.
        self.project = project
        self.extras = {normalized(extra) for extra in extras}
        self.groups = {normalized(group) for group in groups}

    @property
    def python(self):
        return self.environment["python_full_version"]

    def counts(self, marker, extras=None, groups=None):
        if not marker:
            return True
        chosen = self.extras if extras is None else extras
        return Marker(marker).holds(self.environment, chosen, self.groups if groups is None else groups)


class Lock:
    """A lock file: what the readers share."""

    #: What makes a file that Onefold reads whatever the version of the lock.
    export = ""
    relock = ""

    def __init__(self, path, text, data, wanted):
        self.path = path
        self.directory = os.path.dirname(os.path.abspath(path))
        self.text = text
        self.data = data
        self.wanted = wanted
        self.lines = []
        self.options = []
        #: The lines of packages, by their identity; made when they are first asked for.
        self.numbers = None

    # Messages

    def place(self, pattern, heading=None):
        """The first line that matches, after a heading, or the file."""
        waits = heading is not None
        for number, line in enumerate(self.text.splitlines(), 1):
            if waits:
                waits = line.strip() != heading
            elif re.search(pattern, line):
                return "%s:%d" % (self.path, number)
        return self.path

    def package_place(self, package):
        """Where a package of an array of tables begins."""
        if self.numbers is None:
            lines = enumerate(self.text.splitlines(), 1)
            starts = [number for number, line in lines if re.match(r"\[\[packages?\]\]", line)]
            items = self.data.get("package") or self.data.get("packages") or ()
            self.numbers = {id(one): number for one, number in zip(items, starts)}
        number = self.numbers.get(id(package))
        return "%s:%d" % (self.path, number) if number else self.path

    def refuse_version(self, pattern, version, known):
        advice = ": %s" % self.export if self.export else ""
        fail(
            self.place(pattern),
            "has version %s of its format, and Onefold reads %s%s" % (version, known, advice),
        )

    def refuse_name(self, kind, name, known):
        there = ", ".join(sorted(known)) or "none"
        fail(self.path, "there is no %s '%s' in the lock; there are: %s" % (kind, name, there))

    def check_python(self, specifier, pattern):
        try:
            suits = not specifier or fulfils(self.wanted.python, specifier)
        except ValueError:
            suits = True
        if not suits:
            self.refuse_python(specifier, self.place(pattern))

    def refuse_python(self, specifier, place):
        text = "is for Python %s, and the interpreter is %s: choose another one in [python], or lock anew"
        fail(place, text % (specifier, self.wanted.python))

    def check_mismatch(self, project, versions, texts, known=()):
        """Makes sure that what a project requires is in the lock, in a version that will do. `known` are requirements that the lock
        itself names: a version that another one took the place of is no mistake."""
        for text in texts:
            try:
                requirement = Requirement(text)
                if not requirement.counts(self.wanted.environment, self.wanted.extras):
                    continue
                if requirement.name == project.name:
                    continue
                found = versions.get(requirement.name)
                if found is None:
                    why = "which is not in the lock"
                elif (requirement.name, clauses(requirement.specifier)) in known or any(
                    not version or fulfils(version, requirement.specifier) for version in found
                ):
                    continue
                else:
                    why = "but the lock has %s %s" % (requirement.name, " and ".join(sorted(found)))
            except ValueError as error:
                fail(project.place(text.split()[0]), str(error))
            message = "requires '%s', %s (%s): lock anew (%s)" % (text, why, self.path, self.relock)
            fail(project.place(requirement.name), message)

    # Lines

    def add_index(self, url):
        """An index that the tool was told of. It comes beside those that the installer is set up for, whose hashes decide."""
        url = url.rstrip("/")
        if url in PYPI:
            return
        option = "--extra-index-url %s" % url
        if not is_url(url) or url.startswith("file:"):
            option = "--find-links %s" % os.path.abspath(os.path.join(self.directory, url))
        if option not in self.options:
            self.options.append(option)

    def add(self, text, package, via, path=None, extras=(), name=None):
        line = Line(text, self.package_place(package), sorted(via))
        line.path = path
        line.extras = sorted(normalized(extra) for extra in extras)
        line.own_name = normalized(name) if name else None
        self.lines.append(line)

    def add_pinned(self, name, version, hashes, package, via):
        usable = [one for one in hashes if one.split(":")[0] in ALGORITHMS]
        if not usable:
            text = "'%s' has no hash: lock it with hashes (%s)" % (name, self.relock)
            fail(self.package_place(package), text)
        options = "".join(" --hash=%s" % one for one in unique(usable))
        self.add("%s==%s%s" % (name, version, options), package, via)

    def add_url(self, name, url, hashes, package, via):
        options = "".join(" --hash=%s" % one for one in unique(hashes) if one.split(":")[0] in ALGORITHMS)
        self.add("%s @ %s%s" % (name, url, options), package, via)

    def add_repository(self, name, kind, url, commit, subdirectory, package, via):
        url = url if url.startswith(kind + "+") else "%s+%s" % (kind, url)
        fragment = "#subdirectory=%s" % subdirectory if subdirectory else ""
        self.add("%s @ %s@%s%s" % (name, url, commit, fragment), package, via)

    def add_path(self, name, path, hashes, extras, package, via):
        """A project or archive of this machine."""
        path = os.path.normpath(os.path.join(self.directory, path))
        if not os.path.exists(path):
            fail(self.package_place(package), "'%s' is not there: '%s'" % (name, path))
        if os.path.isdir(path):
            if self.wanted.project is None or not os.path.samefile(path, self.wanted.project):
                self.add(path, package, via, path, extras, name)
        else:
            self.add_url(name, "file://" + urllib.request.pathname2url(path), hashes, package, via)

    def root_directory(self):
        return self.wanted.project or self.directory

    def check_once(self):
        """An environment has one version of each distribution."""
        places = {}
        for line in self.lines:
            if line.name in places:
                text = "'%s' is there twice for this environment, first in %s: lock anew (%s)"
                fail(line.place, text % (line.name, places[line.name], self.relock))
            places[line.name] = line.place

    def asked(self):
        """What stands for a person who asks, in the place of a name."""
        return "the project (%s)" % os.path.basename(self.path)


def unique(items):
    return list(dict.fromkeys(items))


def clauses(specifier):
    return frozenset(re.sub(r"\s", "", clause) for clause in specifier.split(",") if clause.strip())


def archives_of(data):
    """The names and SHA-256 hashes of the archives that a lock lists, as pairs. Every format has them in tables: the hash beside a
    name, a path or a URL."""
    found = set()
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        if not isinstance(value, dict):
            continue
        waiting += value.values()
        hashes = value.get("hashes")
        sha256 = hashes.get("sha256") if isinstance(hashes, dict) else value.get("hash")
        place = value.get("name") or value.get("file") or value.get("url") or value.get("path")
        if isinstance(sha256, str) and isinstance(place, str):
            name = urllib.parse.unquote(place.split("#")[0].split("?")[0].rpartition("/")[2])
            if name.endswith(".whl"):
                found.add((name, sha256.rpartition(":")[2]))
    return sorted(found)


def hashes_of(items):
    return [item["hash"] for item in items if isinstance(item, dict) and item.get("hash")]


class UvLock(Lock):
    export = "'uv export --no-emit-project -o requirements.txt' writes a file for dependencies.requirements"
    relock = "uv lock"

    def read(self):
        if self.data.get("version") != 1:
            self.refuse_version(r"^version\s*=", self.data.get("version"), "version 1")
        self.check_python(self.data.get("requires-python"), r"^requires-python")
        supported = self.data.get("supported-markers") or ()
        if supported and not any(self.wanted.counts(marker) for marker in supported):
            fail(self.place("^supported-markers"), "is for other environments than the one that is packed")
        self.packages = {}
        for package in self.data.get("package", ()):
            self.packages.setdefault(normalized(package["name"]), []).append(package)
        root, edges = self.roots()
        self.conflicts = set()
        for kind, names in (("extra", self.wanted.extras), ("group", self.wanted.groups)):
            for name in names:
                if root is not None:
                    self.conflicts.add("%s-%d-%s-%s" % (kind, len(root["name"]), root["name"], name))
        found = self.walk(root, edges)
        for package, extras, via in found:
            if package is not root:
                self.emit(package, extras, via)
        if root is not None:
            self.check_project(root, found)
        elif self.wanted.script:
            self.check_script(self.wanted.script, found)

    def roots(self):
        """The package that is the project, and what it needs."""
        own = None
        for versions in self.packages.values():
            for package in versions:
                source = package.get("source", {})
                place = source.get("editable") or source.get("virtual") or source.get("directory")
                if place is None:
                    continue
                path = os.path.join(self.directory, place)
                if not self.wanted.script and os.path.realpath(path) == os.path.realpath(self.root_directory()):
                    own = package
        manifest = table(self.data, "manifest")
        if own is not None:
            edges = list(own.get("dependencies", ()))
            optional = table(own, "optional-dependencies")
            provided = table(own, "metadata").get("provides-extras", optional)
            edges += self.chosen("extra", self.wanted.extras, optional, provided)
            groups = table(own, "dev-dependencies")
            edges += self.chosen("group", self.wanted.groups, groups, table(own, "metadata", "requires-dev"))
            return own, edges
        edges = list(manifest.get("requirements", ()))
        if self.wanted.script:
            return None, edges
        groups = table(manifest, "dependency-groups")
        edges += self.chosen("group", self.wanted.groups, groups, groups)
        if not edges:
            place = self.root_directory()
            fail(self.path, "has no project in '%s': name its directory in dependencies.project, or lock anew" % place)
        return None, edges

    def chosen(self, kind, names, tables, known):
        result = []
        for name in sorted(names):
            if name not in tables and name not in known:
                self.refuse_name(kind, name, set(tables) | set(known))
            result += tables.get(name, ())
        return result

    def walk(self, root, edges):
        """The packages that are needed, in the order of the lock, with their extras and the names of those that need them."""
        via, extras, seen = {}, {}, set()
        waiting = [(self.asked(), edge) for edge in edges]
        if root is not None:
            seen.add((id(root), None))
        while waiting:
            parent, edge = waiting.pop()
            if not self.wanted.counts(edge.get("marker"), self.wanted.extras | self.conflicts):
                continue
            package = self.find(edge)
            via.setdefault(id(package), set()).add(parent)
            name = normalized(package["name"])
            # The requirements of a script have "extras", packages "extra".
            for extra in [None] + list(edge.get("extra") or edge.get("extras") or ()):
                if (id(package), extra) in seen:
                    continue
                seen.add((id(package), extra))
                if extra is None:
                    more = package.get("dependencies", ())
                else:
                    extras.setdefault(id(package), set()).add(extra)
                    more = table(package, "optional-dependencies").get(extra, ())
                waiting += [(name, one) for one in more]
        return [
            (package, extras.get(id(package), ()), via[id(package)])
            for package in self.data.get("package", ())
            if id(package) in via
        ]

    def find(self, edge):
        name = normalized(edge["name"])
        candidates = self.packages.get(name, [])
        for key in ("version", "source"):
            if key in edge:
                candidates = [one for one in candidates if one.get(key) == edge[key]]
        if len(candidates) > 1:
            candidates = [
                one
                for one in candidates
                if any(self.wanted.counts(marker) for marker in one.get("resolution-markers", ()))
            ]
        if len(candidates) != 1:
            fail(self.path, "is damaged: it has no one package '%s' for this environment: lock anew (uv lock)" % name)
        return candidates[0]

    def emit(self, package, extras, via):
        source, name = package.get("source", {}), package["name"]
        hashes = hashes_of([package.get("sdist")] + list(package.get("wheels", ())))
        if "registry" in source:
            self.add_index(source["registry"])
            self.add_pinned(name, package["version"], hashes, package, via)
        elif "git" in source:
            parts = urllib.parse.urlsplit(source["git"])
            options = urllib.parse.parse_qs(parts.query)
            url = urllib.parse.urlunsplit(parts._replace(query="", fragment=""))
            subdirectory = options.get("subdirectory", [""])[0]
            self.add_repository(name, "git", url, parts.fragment, subdirectory, package, via)
        elif "url" in source:
            url = source["url"]
            url += "#subdirectory=" + source["subdirectory"] if source.get("subdirectory") else ""
            self.add_url(name, url, hashes, package, via)
        elif "virtual" in source:
            pass
        else:
            path = source.get("path") or source.get("editable") or source.get("directory")
            if path is None:
                fail(self.package_place(package), "'%s' comes from a source that Onefold does not know" % name)
            self.add_path(name, path, hashes, extras, package, via)

    def check_script(self, script, found):
        self.relock = "uv lock --script %s" % os.path.basename(script.path)
        known = {normalized(one["name"]) for one in table(self.data, "manifest").get("requirements", ())}
        for text in script.dependencies():
            name = Line(text, script.path).name
            if name is not None and name not in known:
                text = "requires '%s', which is not in the lock (%s): lock anew (%s)" % (text, self.path, self.relock)
                fail(script.place(name), text)
        self.check_mismatch(script, self.versions(found), script.dependencies())

    def versions(self, found):
        versions = {}
        for package, _, _ in found:
            versions.setdefault(normalized(package["name"]), set()).add(package.get("version", ""))
        return versions

    def check_project(self, root, found):
        project = Project(self.root_directory())
        metadata = table(root, "metadata")
        known = list(metadata.get("requires-dist", ()))
        for requirements in table(metadata, "requires-dev").values():
            known += requirements
        known = {(normalized(one["name"]), clauses(one.get("specifier", ""))) for one in known}
        texts = project.dependencies(self.wanted.extras) if project.tells_dependencies else []
        for group in sorted(self.wanted.groups):
            texts += project.group(group) if group in project.groups else []
        self.check_mismatch(project, self.versions(found), texts, known)


# Poetry

OPERATOR = re.compile(r"(\^|~(?!=)|~=|===|==|!=|<=|>=|<|>|=)?\s*(\S+)")


def fulfils_constraint(version, text):
    """Whether a version fulfils one of Poetry's constraints, such as "^1.2 || >=3,<4"."""
    return any(
        all(fulfils_clause(version, clause) for clause in re.split(r"\s*,\s*|(?<=[\w*])\s+(?=[\^~<>=!])", part.strip()))
        for part in re.split(r"\s*\|\|?\s*", text)
    )


def fulfils_clause(version, clause):
    found = OPERATOR.fullmatch(clause.strip())
    if clause.strip() in ("", "*") or found is None:
        return True
    operator, number = found.groups()
    if operator in ("^", "~"):
        return fulfils(version, ">=%s,<%s" % (number, upper_limit(operator, number)))
    if operator is None or operator == "=":
        operator = "=="
    return fulfils(version, operator + number)


def upper_limit(operator, number):
    """The first version that "^NUMBER" or "~NUMBER" leaves out."""
    release = [int(part) for part in re.match(r"v?(\d+(?:\.\d+)*)", number).group(1).split(".")]
    if operator == "~":
        place = min(1, len(release) - 1)
    else:
        place = next((index for index, part in enumerate(release) if part), len(release) - 1)
    return ".".join(map(str, release[:place] + [release[place] + 1]))


class PoetryLock(Lock):
    export = "'poetry export -o requirements.txt' writes a file for dependencies.requirements"
    relock = "poetry lock"

    def read(self):
        version = str(table(self.data, "metadata").get("lock-version", "1.0"))
        if not re.match(r"[12]\.", version):
            self.refuse_version(r"^lock-version", version, "versions 1 and 2")
        pythons = table(self.data, "metadata").get("python-versions", "*")
        if not fulfils_constraint(self.wanted.python, pythons):
            self.refuse_python(pythons, self.place("^python-versions", "[metadata]"))
        self.project = Project(self.root_directory())
        if not self.project.data:
            fail(self.path, "belongs to a pyproject.toml, which is missing in '%s'" % self.root_directory())
        self.check_names()
        packages = self.data.get("package", ())
        grouped = all("groups" in package for package in packages)
        found = self.by_groups(packages) if grouped else self.by_graph(packages)
        for package, extras, via in found:
            self.emit(package, extras, via)
        self.check_project(found)

    def check_names(self):
        known = set(table(self.project.poetry, "group"))
        known |= {"dev"} if "dev-dependencies" in self.project.poetry else set()
        known = {normalized(name) for name in known} | set(self.project.groups)
        for group in sorted(self.wanted.groups - known):
            self.refuse_name("group", group, known)
        for extra in sorted(self.wanted.extras - set(self.project.extras)):
            self.refuse_name("extra", extra, self.project.extras)

    def roots(self):
        """What the project asks for: names, with requirements of Poetry's form."""
        tables = [table(self.project.poetry, "dependencies")]
        for group in sorted(self.wanted.groups):
            tables.append(table(self.project.poetry, "group", group, "dependencies"))
            if group == "dev":
                tables.append(table(self.project.poetry, "dev-dependencies"))
        result = []
        for dependencies in tables:
            result += [(normalized(name), value) for name, value in dependencies.items() if name != "python"]
        optional = {
            normalized(re.split(r"[\s\[(<>=!~;]", name)[0])
            for extra, names in table(self.project.poetry, "extras").items()
            if normalized(extra) in self.wanted.extras
            for name in names
        }
        result = [
            (name, {**value, "optional": False} if isinstance(value, dict) else value)
            for name, value in result
            if not (isinstance(value, dict) and value.get("optional")) or name in optional
        ]
        texts = self.project.dependencies(self.wanted.extras)
        for group in sorted(self.wanted.groups & set(self.project.groups)):
            texts += self.project.group(group)
        for text in texts:
            requirement = Requirement(text)
            if requirement.counts(self.wanted.environment, self.wanted.extras):
                value = {"version": requirement.specifier or "*", "extras": requirement.extras}
                result.append((requirement.name, value))
        return result

    def by_groups(self, packages):
        """Since version 2.1 each package has its groups and its marker."""
        wanted = {"main"} | self.wanted.groups
        asked = {name for name, _ in self.roots()}
        selected = []
        for package in packages:
            groups = {normalized(group) for group in package["groups"]} & wanted
            markers = package.get("markers", "")
            if isinstance(markers, str):
                markers = {group: markers for group in groups}
            if any(self.wanted.counts(markers.get(group)) for group in groups):
                selected.append(package)
        via = {}
        for package in selected:
            for name in package.get("dependencies", {}):
                via.setdefault(normalized(name), set()).add(normalized(package["name"]))
        result = []
        for package in selected:
            name = normalized(package["name"])
            people = {self.asked()} if name in asked or name not in via else set()
            result.append((package, (), via.get(name, set()) | people))
        return result

    def by_graph(self, packages):
        """Older versions tell only what each package needs."""
        by_name = {}
        for package in packages:
            by_name.setdefault(normalized(package["name"]), []).append(package)
        via, extras = {}, {}
        waiting = [(self.asked(), set(), name, value) for name, value in self.roots()]
        # Where several versions will do, the one counts that something else decides for.
        undecided = []
        while waiting or undecided:
            is_last = not waiting
            parent, parent_extras, name, values = (waiting or undecided).pop()
            for value in values if isinstance(values, list) else [values]:
                value = {"version": value} if isinstance(value, str) else value
                if not self.applies(value, parent_extras):
                    continue
                candidates = self.candidates(by_name.get(name, ()), name, value)
                decided = [one for one in candidates if id(one) in via]
                if len(candidates) > 1 and not decided and not is_last:
                    undecided.append((parent, parent_extras, name, value))
                    continue
                package = (decided or candidates)[0]
                asked = {normalized(extra) for extra in value.get("extras", ())}
                known = extras.get(id(package))
                via.setdefault(id(package), set()).add(parent)
                if known is not None and asked <= known:
                    continue
                extras[id(package)] = (known or set()) | asked
                for more, requirement in package.get("dependencies", {}).items():
                    waiting.append((name, extras[id(package)], normalized(more), requirement))
        return [(one, extras[id(one)], via[id(one)]) for one in packages if id(one) in via]

    def applies(self, value, extras):
        if value.get("python") and not fulfils_constraint(self.wanted.python, value["python"]):
            return False
        if value.get("platform") and value["platform"] != "linux":
            return False
        marker = value.get("markers")
        if value.get("optional") and "extra" not in (marker or ""):
            # The first locks had extras without markers.
            return bool(extras) and self.wanted.counts(marker, extras)
        return self.wanted.counts(marker, extras)

    def candidates(self, packages, name, value):
        suiting = [one for one in packages if self.suits(one, value)]
        if len(suiting) > 1:
            suiting = [
                one for one in suiting if fulfils_constraint(self.wanted.python, one.get("python-versions", "*"))
            ]
        if not suiting:
            place = self.project.place(name)
            constraint = value.get("version", "*")
            fail(place, "'%s %s' is not in %s: lock anew (poetry lock)" % (name, constraint, self.path))
        return suiting

    def suits(self, package, value):
        if len(value) > 1 and any(key in value for key in ("path", "git", "url", "file")):
            return True
        return fulfils_constraint(package["version"], value.get("version", "*"))

    def emit(self, package, extras, via):
        name, version = package["name"], package["version"]
        files = package.get("files") or table(self.data, "metadata", "files").get(name, ())
        source = package.get("source", {})
        kind, url = source.get("type"), source.get("url", "")
        if kind in (None, "legacy"):
            if kind:
                self.add_index(url)
            self.add_pinned(name, version, hashes_of(files), package, via)
        elif kind in ("directory", "file"):
            self.add_path(name, url, hashes_of(files), extras, package, via)
        elif kind == "url":
            self.add_url(name, url, hashes_of(files), package, via)
        elif kind == "git":
            commit = source.get("resolved_reference", "")
            self.add_repository(name, "git", url, commit, source.get("subdirectory"), package, via)
        else:
            fail(self.package_place(package), "'%s' comes from a source that Onefold does not know: %s" % (name, kind))

    def check_project(self, found):
        versions = {}
        for package, _, _ in found:
            versions.setdefault(normalized(package["name"]), set()).add(package["version"])
        texts = self.project.dependencies(self.wanted.extras)
        self.check_mismatch(self.project, versions, texts)
        for name, values in self.roots():
            for value in values if isinstance(values, list) else [values]:
                value = {"version": value} if isinstance(value, str) else value
                if not self.applies(value, set()):
                    continue
                constraint = value.get("version", "*")
                there = versions.get(name, ())
                if any(fulfils_constraint(version, constraint) for version in there):
                    continue
                has = "has %s %s" % (name, " and ".join(sorted(there))) if there else "has none"
                message = "requires '%s' %s, but %s %s: lock anew (poetry lock)" % (name, constraint, self.path, has)
                fail(self.project.place(name), message)


class PdmLock(Lock):
    export = "'pdm export -o requirements.txt' writes a file for dependencies.requirements"
    relock = "pdm lock"

    def read(self):
        metadata = table(self.data, "metadata")
        version = str(metadata.get("lock_version", ""))
        if not re.match(r"4(\.|$)", version):
            self.refuse_version(r"^lock_version", version or "1", "version 4")
        targets = metadata.get("targets", ())
        pythons = [target["requires_python"] for target in targets if target.get("requires_python")]
        if pythons and not any(fulfils(self.wanted.python, one) for one in pythons):
            self.check_python(pythons[0], "^requires_python")
        self.project = Project(self.root_directory())
        groups = {normalized(group) for group in metadata.get("groups", ("default",))}
        for kind, names in (("group", self.wanted.groups), ("extra", self.wanted.extras)):
            for name in sorted(names - groups):
                self.refuse_name(kind, name, groups - {"default"})
        for source in self.project.data.get("tool", {}).get("pdm", {}).get("source", ()):
            if source.get("url") and source.get("type", "index") in ("index", "find_links"):
                self.add_source(source)
        packages = self.data.get("package", ())
        grouped = all("groups" in package for package in packages)
        found = self.by_groups(packages) if grouped else self.by_graph(packages)
        for package, via in found:
            self.emit(package, via)
        versions = {}
        for package, _ in found:
            versions.setdefault(normalized(package["name"]), set()).add(package.get("version", ""))
        self.check_mismatch(self.project, versions, self.root_texts())

    def add_source(self, source):
        if source.get("type") == "find_links":
            self.options.append("--find-links %s" % source["url"])
        else:
            self.add_index(source["url"])

    def root_texts(self):
        texts = self.project.dependencies(self.wanted.extras)
        for group in sorted(self.wanted.groups):
            texts += self.project.group(group) if group in self.project.groups else []
            texts += table(self.project.data, "tool", "pdm", "dev-dependencies").get(group, ())
        return texts

    def via(self, packages):
        result = {}
        for package in packages:
            for text in package.get("dependencies", ()):
                name = Requirement(text).name
                if name != normalized(package["name"]):
                    result.setdefault(name, set()).add(normalized(package["name"]))
        for text in self.root_texts():
            result.setdefault(Requirement(text).name, set()).add(self.asked())
        return result

    def by_groups(self, packages):
        wanted = {"default"} | self.wanted.groups | self.wanted.extras
        selected = {}
        for package in packages:
            groups = {normalized(group) for group in package["groups"]}
            if groups & wanted and self.wanted.counts(package.get("marker")):
                # Each set of extras is a package of its own.
                selected.setdefault((normalized(package["name"]), package.get("version")), package)
        via = self.via(selected.values())
        return [(one, via.get(name, {self.asked()})) for (name, _), one in selected.items()]

    def by_graph(self, packages):
        """Locks without the strategy `inherit_metadata` tell only what each package needs."""
        by_name = {}
        for package in packages:
            by_name.setdefault(normalized(package["name"]), []).append(package)
        found, via, seen = {}, {}, set()
        waiting = [(self.asked(), text, self.wanted.extras) for text in self.root_texts()]
        while waiting:
            parent, text, extras = waiting.pop()
            requirement = Requirement(text)
            if not requirement.counts(self.wanted.environment, extras):
                continue
            candidates = self.candidates(by_name.get(requirement.name, ()))
            if not candidates:
                fail(self.path, "lacks '%s', which %s requires: lock anew (pdm lock)" % (text, parent))
            for package in candidates:
                own = {normalized(extra) for extra in package.get("extras", ())}
                if not own <= set(requirement.extras):
                    continue
                via.setdefault(requirement.name, set()).add(parent)
                found.setdefault(requirement.name, package)
                if id(package) not in seen:
                    seen.add(id(package))
                    waiting += [(requirement.name, one, own) for one in package.get("dependencies", ())]
        return [(package, via[name] - {name} or {self.asked()}) for name, package in sorted(found.items())]

    def candidates(self, packages):
        """Those that are for this environment. Versions for different Pythons say which."""
        found = [one for one in packages if self.wanted.counts(one.get("marker"))]
        if len(packages) < 2:
            return found
        return [one for one in found if fulfils(self.wanted.python, one.get("requires_python", ""))]

    def emit(self, package, via):
        name = package["name"]
        hashes = hashes_of(package.get("files", ()))
        if package.get("path"):
            self.add_path(name, package["path"], hashes, package.get("extras", ()), package, via)
        elif package.get("git"):
            subdirectory = package.get("subdirectory")
            self.add_repository(name, "git", package["git"], package.get("revision", ""), subdirectory, package, via)
        elif package.get("url"):
            self.add_url(name, package["url"], hashes, package, via)
        else:
            self.add_pinned(name, package["version"], hashes, package, via)


class PipfileLock(Lock):
    export = "'pipenv requirements --hash > requirements.txt' writes a file for dependencies.requirements"
    relock = "pipenv lock"

    def read(self):
        meta = table(self.data, "_meta")
        if meta.get("pipfile-spec") != 6:
            self.refuse_version(r'"pipfile-spec"', meta.get("pipfile-spec"), "version 6")
        requires = table(meta, "requires")
        wanted = requires.get("python_full_version") or requires.get("python_version")
        if wanted and wanted != "*":
            exact = "python_full_version" in requires
            self.check_python("==%s" % wanted if exact else "==%s.*" % wanted, '"python_')
        self.sources = {source.get("name"): source.get("url", "") for source in meta.get("sources", ())}
        if meta.get("sources"):
            self.add_index(meta["sources"][0].get("url", ""))
        known = set(self.data) - {"_meta", "default"}
        if self.wanted.extras:
            self.refuse_name("extra", sorted(self.wanted.extras)[0], ())
        chosen = {}
        names = {"dev-packages": "develop", "dev": "develop"}
        for group in ["default"] + sorted(names.get(one, one) for one in self.wanted.groups):
            if group not in self.data:
                self.refuse_name("group", group, known)
            for name, package in self.data[group].items():
                chosen.setdefault(name, package)
        for name, package in sorted(chosen.items()):
            if self.wanted.counts(package.get("markers")):
                self.emit(name, package)
        self.check_pipfile(chosen)

    def package_place(self, package):
        return self.place(r'^\s+"%s": \{' % re.escape(self.current))

    def emit(self, name, package):
        self.current = name
        hashes = package.get("hashes", ())
        if package.get("index"):
            self.add_index(self.sources.get(package["index"], package["index"]))
        if package.get("path"):
            self.add_path(name, package["path"], hashes, package.get("extras", ()), package, ())
        elif package.get("git"):
            subdirectory = package.get("subdirectory")
            self.add_repository(name, "git", package["git"], package.get("ref", ""), subdirectory, package, ())
        elif package.get("file"):
            self.add_url(name, package["file"], hashes, package, ())
        else:
            self.add_pinned(name, package.get("version", "").lstrip("="), hashes, package, ())

    def check_pipfile(self, chosen):
        path = os.path.join(self.directory, "Pipfile")
        names = {normalized(name): package for name, package in chosen.items()}
        for name, value in table(load_toml(path), "packages").items():
            value = {"version": value} if isinstance(value, str) else value
            if value.get("markers") and not self.wanted.counts(value["markers"]):
                continue
            version = value.get("version", "*")
            shown = "'%s%s'" % (name, "" if version == "*" else version)
            package = names.get(normalized(name))
            if package is None:
                fail(path, "requires %s, which is not in %s: lock anew (pipenv lock)" % (shown, self.path))
            locked = package.get("version", "").lstrip("=")
            if locked and version != "*" and not fulfils(locked, version):
                fail(path, "requires %s, but %s has %s: lock anew (pipenv lock)" % (shown, self.path, locked))


class PyLock(Lock):
    """PEP 751."""

    relock = "the tool that wrote it"

    def read(self):
        version = str(self.data.get("lock-version"))
        if not re.match(r"1\.", version):
            self.refuse_version(r"^lock-version", version, "version 1")
        self.check_python(self.data.get("requires-python"), "^requires-python")
        environments = self.data.get("environments") or ()
        if environments and not any(self.wanted.counts(marker) for marker in environments):
            fail(self.place("^environments"), "is for other environments than the one that is packed")
        for kind, key in (("extra", "extras"), ("group", "dependency-groups")):
            known = {normalized(name) for name in self.data.get(key, ())}
            asked = self.wanted.extras if kind == "extra" else self.wanted.groups
            for name in sorted(asked - known):
                self.refuse_name(kind, name, known)
        groups = self.wanted.groups | {normalized(name) for name in self.data.get("default-groups", ())}
        selected = [
            package
            for package in self.data.get("packages", ())
            if self.wanted.counts(package.get("marker"), groups=groups)
        ]
        via = {}
        for package in selected:
            for edge in package.get("dependencies", ()):
                via.setdefault(normalized(edge["name"]), set()).add(normalized(package["name"]))
        has_graph = any("dependencies" in package for package in selected)
        for package in selected:
            people = {self.asked()} if has_graph else set()
            self.emit(package, via.get(normalized(package["name"]), people))

    def emit(self, package, via):
        name = package["name"]
        if package.get("requires-python"):
            self.check_python(package["requires-python"], r"^name\s*=\s*.%s.\s*$" % re.escape(name))
        vcs, directory, archive = (table(package, key) for key in ("vcs", "directory", "archive"))
        if vcs:
            url = vcs.get("url") or "file://" + os.path.join(self.directory, vcs.get("path", ""))
            commit, subdirectory = vcs.get("commit-id", ""), vcs.get("subdirectory")
            self.add_repository(name, vcs.get("type", "git"), url, commit, subdirectory, package, via)
        elif directory:
            path = os.path.join(directory["path"], directory.get("subdirectory", ""))
            self.add_path(name, path, (), (), package, via)
        elif archive:
            self.emit_archive(name, archive, package, via)
        else:
            self.emit_files(name, package, via)

    def emit_archive(self, name, archive, package, via):
        hashes = ["%s:%s" % item for item in table(archive, "hashes").items()]
        if archive.get("url"):
            subdirectory = archive.get("subdirectory")
            fragment = "#subdirectory=" + subdirectory if subdirectory else ""
            self.add_url(name, archive["url"] + fragment, hashes, package, via)
        else:
            self.add_path(name, archive["path"], hashes, (), package, via)

    def emit_files(self, name, package, via):
        files = list(package.get("wheels", ())) + [one for one in [package.get("sdist")] if one]
        if not files:
            fail(self.package_place(package), "'%s' has no wheels and no source distribution" % name)
        if package.get("index"):
            self.add_index(package["index"])
        for one in files:
            if one.get("path") and not one.get("url"):
                self.add_index(os.path.dirname(one["path"]) or ".")
        hashes = ["%s:%s" % item for one in files for item in sorted(table(one, "hashes").items())]
        version = package.get("version")
        if version is None:
            fail(self.package_place(package), "'%s' has no version: only directories may be without" % name)
        self.add_pinned(name, version, hashes, package, via)


KNOWN_NAMES = re.compile(r"(uv\.lock|poetry\.lock|pdm\.lock|Pipfile\.lock|pylock(\.[^.]+)?\.toml|.+\.py\.lock)$")


def is_lock(path):
    """Whether the name of a file says that it is a lock, and no requirements file."""
    return KNOWN_NAMES.match(os.path.basename(path)) is not None


def kind_of(data):
    if "lock-version" in data:
        return PyLock
    if "lock_version" in table(data, "metadata"):
        return PdmLock
    if "content-hash" in table(data, "metadata") or "lock-version" in table(data, "metadata"):
        return PoetryLock
    if "version" in data and "requires-python" in data:
        return UvLock
    return None


def read_lock(path, wanted):
    """The lines and options of a lock, and its archives."""
    try:
        with open(path, "rb") as file:
            text = decoded(file.read(), path)
    except OSError as error:
        fail(path, "cannot be read: %s" % error.strerror)
    if text.lstrip().startswith("{"):
        try:
            data = json.loads(text)
        except ValueError as error:
            fail(path, "is not JSON: %s" % error)
        kind = PipfileLock if "_meta" in data else None
    else:
        data = parsed_toml(text, path)
        kind = kind_of(data)
    if kind is None:
        names = "uv.lock, poetry.lock, pdm.lock, Pipfile.lock or pylock.toml"
        fail(path, "is not a lock file that Onefold knows (%s)" % names)
    lock = kind(path, text, data, wanted)
    try:
        lock.read()
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        fail(path, "is damaged (%s: %s): lock anew (%s)" % (type(error).__name__, error, lock.relock))
    except ValueError as error:
        fail(path, "is damaged: %s: lock anew (%s)" % (error, lock.relock))
    lock.check_once()
    return [Line(option, path) for option in lock.options] + lock.lines, archives_of(data)
