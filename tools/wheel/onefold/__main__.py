"""Runs the program: `python -m onefold`."""

import os
import sys

from . import find_program


def main() -> None:
    try:
        program = find_program()
    except FileNotFoundError as error:
        sys.exit("onefold: %s" % error)
    os.execv(program, [program, *sys.argv[1:]])


main()
