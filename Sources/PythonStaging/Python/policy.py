"""Compares versions with specifiers (PEP 440).

usage: policy.py [SPECIFIER VERSION]...

Prints a line for each pair: "yes" if the version fulfils the specifier, "no", or "none" if it is not a version.
"""

import sys

from evaluation import fulfils

for specifier, version in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        print("yes" if fulfils(version, specifier) else "no")
    except ValueError:
        print("none")
