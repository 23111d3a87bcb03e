"""Evaluates environment markers (PEP 508) and compares versions (PEP 440), for an environment that need not be the one that runs this.

Locks have markers that no installer is to be asked about: uv's of extras that exclude each other, and those with the sets of
PEP 751. No machine can be trusted to have a `packaging` that knows them.
"""

import platform
import re

VERSION = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|a|b|c|rc)[-_.]?(?P<pre_number>\d*))?"
    r"(?P<post>-(?P<post_dash>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_number>\d*))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_number>\d*))?(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?$",
    re.IGNORECASE,
)
PHASES = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
CLAUSE = re.compile(r"\s*(===|~=|==|!=|<=|>=|<|>)\s*(\S+)\s*$")
LOW, VALUE, HIGH = -1, 0, 1


class Version:
    """A version, or ValueError."""

    def __init__(self, text):
        found = VERSION.match(text.strip())
        if found is None:
            raise ValueError("'%s' is not a version" % text)
        self.epoch = int(found["epoch"] or 0)
        self.release = tuple(int(part) for part in found["release"].split("."))
        phase = (found["pre"] or "").lower()
        self.pre = (PHASES.get(phase, phase), int(found["pre_number"] or 0)) if phase else None
        self.post = int(found["post_dash"] or found["post_number"] or 0) if found["post"] else None
        self.dev = int(found["dev_number"] or 0) if found["dev"] else None
        self.local = re.split(r"[-_.]", found["local"].lower()) if found["local"] else None

    @property
    def is_prerelease(self):
        return self.pre is not None or self.dev is not None

    @property
    def short(self):
        """The release without zeros at its end."""
        release = list(self.release)
        while len(release) > 1 and release[-1] == 0:
            release.pop()
        return tuple(release)

    @property
    def base(self):
        return (self.epoch, self.short)

    @property
    def public(self):
        """What orders versions, but for the local part."""
        if self.pre is not None:
            pre = (VALUE, self.pre)
        elif self.post is None and self.dev is not None:
            pre = (LOW,)
        else:
            pre = (HIGH,)
        post = (LOW,) if self.post is None else (VALUE, self.post)
        dev = (HIGH,) if self.dev is None else (VALUE, self.dev)
        return (self.epoch, self.short, pre, post, dev)


def starts_with(version, prefix):
    """Whether a version matches "PREFIX.*"."""
    release = version.release + (0,) * (len(prefix.release) - len(version.release))
    return version.epoch == prefix.epoch and release[: len(prefix.release)] == prefix.release


def compares(version, operator, text):
    """Whether a version fulfils one clause of a specifier."""
    if operator == "===":
        return version.strip().lower() == text.lower()
    version = Version(version)
    if operator in ("==", "!="):
        if text.endswith(".*"):
            equal = starts_with(version, Version(text[:-2]))
        else:
            wanted = Version(text)
            local = wanted.local is None or wanted.local == version.local
            equal = version.public == wanted.public and local
        return equal is (operator == "==")
    wanted = Version(text)
    if operator == "~=":
        if len(wanted.release) < 2:
            raise ValueError("'~=%s' has one number alone" % text)
        wanted_prefix = Version(".".join(map(str, wanted.release[:-1])))
        wanted_prefix.epoch = wanted.epoch
        return version.public >= wanted.public and starts_with(version, wanted_prefix)
    if operator == ">=":
        return version.public >= wanted.public
    if operator == "<=":
        return version.public <= wanted.public
    if operator == "<":
        before = not wanted.is_prerelease and version.is_prerelease and version.base == wanted.base
        return version.public < wanted.public and not before
    if version.base == wanted.base and (version.local or (version.post is not None and wanted.post is None)):
        return False
    return version.public > wanted.public


def fulfils(version, specifier):
    """Whether a version fulfils a specifier such as ">=2,<3". Pre-releases count. ValueError if one of the two is none."""
    for clause in filter(None, specifier.strip().strip("()").split(",")):
        found = CLAUSE.match(clause)
        if found is None:
            raise ValueError("'%s' is not a version specifier" % clause.strip())
        if not compares(version, *found.groups()):
            return False
    return True


# Markers

TOKEN = re.compile(r"\s*(?:(\(|\)|[<>=!~]+)|'([^']*)'|\"([^\"]*)\"|([\w.]+))")
OLD_NAMES = {
    "os.name": "os_name",
    "sys.platform": "sys_platform",
    "platform.version": "platform_version",
    "platform.machine": "platform_machine",
    "platform.python_implementation": "platform_python_implementation",
    "python_implementation": "platform_python_implementation",
}
SETS = ("extra", "extras", "dependency_groups")


def normalized(name):
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def linux_environment(version, machine):
    """The environment of a CPython for Linux: PEP 508's names and values."""
    return {
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": platform.release(),
        "platform_system": "Linux",
        "platform_version": platform.version(),
        "python_version": ".".join(version.split(".")[:2]),
        "python_full_version": version,
        "implementation_name": "cpython",
        "implementation_version": version,
    }


class Literal(str):
    """A quoted text of a marker."""


class Marker:
    """A marker, or ValueError."""

    def __init__(self, text):
        self.text = text
        self.tokens = []
        position = 0
        while text[position:].strip():
            found = TOKEN.match(text, position)
            if found is None:
                raise ValueError("'%s' is not an environment marker" % text)
            symbol, single, double, word = found.groups()
            quoted = single if single is not None else double
            self.tokens.append(Literal(quoted) if quoted is not None else symbol or word)
            position = found.end()
        self.tree = self.disjunction()
        if self.tokens:
            raise ValueError("'%s' is not an environment marker" % text)

    def next_is(self, word):
        if self.tokens and self.tokens[0] == word and not isinstance(self.tokens[0], Literal):
            self.tokens.pop(0)
            return True
        return False

    def take(self):
        if not self.tokens:
            raise ValueError("'%s' is not an environment marker" % self.text)
        return self.tokens.pop(0)

    def disjunction(self):
        parts = [self.conjunction()]
        while self.next_is("or"):
            parts.append(self.conjunction())
        return ("or", parts)

    def conjunction(self):
        parts = [self.atom()]
        while self.next_is("and"):
            parts.append(self.atom())
        return ("and", parts)

    def atom(self):
        if self.next_is("("):
            inside = self.disjunction()
            if not self.next_is(")"):
                raise ValueError("'%s' is not an environment marker" % self.text)
            return inside
        left, operator = self.take(), self.take()
        if operator == "not":
            operator = "not in" if self.next_is("in") else ""
        right = self.take()
        known = ("===", "~=", "==", "!=", "<=", ">=", "<", ">", "in", "not in")
        if operator not in known or isinstance(left, Literal) == isinstance(right, Literal):
            raise ValueError("'%s' is not an environment marker" % self.text)
        return (operator, left, right)

    def holds(self, environment, extras=(), groups=()):
        """Whether it is true in an environment, where these extras and groups are asked for."""
        chosen = {"extra": extras, "extras": extras, "dependency_groups": groups}
        chosen = {name: {normalized(one) for one in names} for name, names in chosen.items()}
        return self.evaluate(self.tree, environment, chosen)

    def evaluate(self, node, environment, chosen):
        if node[0] == "or":
            return any(self.evaluate(part, environment, chosen) for part in node[1])
        if node[0] == "and":
            return all(self.evaluate(part, environment, chosen) for part in node[1])
        operator, left, right = node
        variable = right if isinstance(left, Literal) else left
        if variable in SETS:
            literal = left if isinstance(left, Literal) else right
            found = normalized(literal) in chosen[variable]
            return found is (operator not in ("!=", "not in"))
        variable = OLD_NAMES.get(variable, variable)
        if variable not in environment:
            raise ValueError("'%s' has the unknown name '%s'" % (self.text, variable))
        value = environment[variable]
        return compare(*((left, operator, value) if isinstance(left, Literal) else (value, operator, right)))


def compare(left, operator, right):
    """As versions where both are, else as texts."""
    if operator in ("in", "not in"):
        return (left in right) is (operator == "in")
    try:
        return compares(left, operator, right)
    except ValueError:
        pass
    if operator in ("==", "==="):
        return left == right
    if operator == "!=":
        return left != right
    if operator == "~=":
        raise ValueError("'~=' compares versions, not '%s'" % right)
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


# Requirements

REQUIREMENT = re.compile(
    r"\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?\s*"
    r"(?:@\s*(?P<url>\S+)|(?P<specifier>\(?[^;@]*?\)?))\s*(?:;\s*(?P<marker>.+))?$"
)


class Requirement:
    """A requirement as PEP 508 defines it, or ValueError."""

    def __init__(self, text):
        found = REQUIREMENT.match(text)
        if found is None:
            raise ValueError("'%s' is not a requirement" % text)
        self.name = normalized(found["name"])
        self.extras = sorted(normalized(extra.strip()) for extra in (found["extras"] or "").split(",") if extra.strip())
        self.url = found["url"]
        self.specifier = (found["specifier"] or "").strip().strip("()").strip()
        self.marker = Marker(found["marker"]) if found["marker"] else None
        for clause in filter(None, self.specifier.split(",")):
            if CLAUSE.match(clause) is None:
                raise ValueError("'%s' is not a requirement" % text)

    def counts(self, environment, extras=()):
        return self.marker is None or self.marker.holds(environment, extras)
