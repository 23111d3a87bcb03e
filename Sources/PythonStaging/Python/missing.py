"""Prints what the distributions in a site-packages directory require and it lacks, as `pip check` does.

usage: missing.py DIRECTORY VERSION MACHINE

A line "missing TEXT" for each that is not there, "conflict TEXT" for each that is there in another version. The markers of requirements
are evaluated for Python VERSION on MACHINE.
"""

import os
import sys
from importlib import metadata

from evaluation import Requirement, fulfils, linux_environment, normalized


def suits(version, specifier):
    try:
        return fulfils(version, specifier)
    except ValueError:
        # A version of before PEP 440.
        return True


def main(directory, version, machine):
    environment = linux_environment(version, machine)
    found = [one for one in metadata.distributions(path=[directory]) if one.metadata["Name"]]
    versions = {normalized(one.metadata["Name"]): one.version for one in found}
    for one in found:
        for text in one.requires or ():
            try:
                requirement = Requirement(text)
            except ValueError:
                continue
            if not requirement.counts(environment):
                continue
            there = versions.get(requirement.name)
            who = "%s %s requires %s" % (one.metadata["Name"], one.version, text)
            if there is None:
                line = "missing %s, which is not installed" % who
            elif not suits(there, requirement.specifier):
                line = "conflict %s, but there is %s %s" % (who, requirement.name, there)
            else:
                continue
            sys.stdout.buffer.write(os.fsencode(line + "\n"))


main(*sys.argv[1:])
