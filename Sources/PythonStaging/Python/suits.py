"""Prints those of some versions of Python that a specifier allows, a line "suits VERSION" each.

usage: suits.py SPECIFIER VERSION...
"""

import sys

from evaluation import fulfils

try:
    for version in sys.argv[2:]:
        if fulfils(version, sys.argv[1]):
            print("suits", version)
except ValueError as error:
    sys.exit(str(error))
