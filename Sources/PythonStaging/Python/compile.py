"""Compiles the sources that the first argument, a file, lists one a line.

usage: compile.py LIST ROOT SOURCELESS OPTIMIZATION

Byte code gets an unchecked hash (PEP 552): it is valid whatever the time of the source, and the interpreter
does not look at the source before it uses it. What can't be compiled is printed, a path a line, and left
alone. With SOURCELESS 1 the byte code takes the source's place.
"""

import sys

# PYTHONHASHSEED counts only where the interpreter is not isolated, which puts the working directory on the path.
sys.path[:] = [path for path in sys.path if path]

import os
import py_compile

names, root, sourceless, optimization = sys.argv[1:]
with open(names, "rb") as file:
    sources = file.read().split(b"\n")
for name in filter(None, sources):
    source = os.path.join(os.fsencode(root), name)
    path = os.fsdecode(source)
    target = path + "c" if sourceless == "1" else None
    try:
        # A name that does not hang on where the tree is staged; importing puts the right one in.
        py_compile.compile(
            path,
            target,
            os.fsdecode(name),
            doraise=True,
            optimize=int(optimization),
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except (py_compile.PyCompileError, SyntaxError, ValueError, UnicodeError, RecursionError):
        sys.stdout.buffer.write(name + b"\n")
    else:
        if sourceless == "1":
            os.unlink(source)
