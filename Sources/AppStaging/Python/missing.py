"""Prints what the distributions in a site-packages directory require and it lacks, a line each, as `pip check` does.

usage: missing.py DIRECTORY

The markers of requirements are those of the target: markers.py stands in front of this.
"""

import os
import re
import sys
from importlib import metadata

try:
    from packaging.requirements import Requirement
except ImportError:
    try:
        from pip._vendor.packaging.requirements import Requirement
    except ImportError:
        Requirement = None


class PlainRequirement:
    """Of a requirement without markers, its name: for machines that have no parser of requirements."""

    def __init__(self, text):
        text, _, self.marker = text.partition(";")
        self.name = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", text).group(1)

    def counts(self):
        return not self.marker

    def accepts(self, version):
        return True


class FullRequirement:
    def __init__(self, text):
        self.parsed = Requirement(text)
        self.name = self.parsed.name

    def counts(self):
        marker = self.parsed.marker
        return marker is None or marker.evaluate({"extra": ""})

    def accepts(self, version):
        return self.parsed.specifier.contains(version, prereleases=True)


def normalized(name):
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main():
    found = [one for one in metadata.distributions(path=[sys.argv[1]]) if one.metadata["Name"]]
    versions = {normalized(one.metadata["Name"]): one.version for one in found}
    for one in found:
        for text in one.requires or ():
            requirement = FullRequirement(text) if Requirement else PlainRequirement(text)
            if not requirement.counts():
                continue
            version = versions.get(normalized(requirement.name))
            who = "%s %s requires %s" % (one.metadata["Name"], one.version, text)
            if version is None:
                why = "which is not installed"
            elif not requirement.accepts(version):
                why = "but there is %s %s" % (requirement.name, version)
            else:
                continue
            sys.stdout.buffer.write(os.fsencode("%s, %s\n" % (who, why)))


main()
