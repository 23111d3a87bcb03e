"""Finds the program `onefold`, which the wheel installs with the scripts of the environment."""

from __future__ import annotations

import os
from typing import Iterator


def find_program() -> str:
    """The path of the installed program.

    Raises FileNotFoundError if it is in none of the places where installers put it.
    """
    tried = []
    for path in _places():
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
        tried.append(os.path.dirname(path))
    raise FileNotFoundError(
        "cannot find the program 'onefold' in %s: install the package again"
        % ", ".join(dict.fromkeys(tried))
    )


def _places() -> Iterator[str]:
    packages = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # `pip install --target DIR` puts modules in DIR and programs in DIR/bin.
    yield os.path.join(packages, "bin", "onefold")
    # PREFIX/lib/python3.X/site-packages belongs to PREFIX/bin.
    prefix = os.path.dirname(os.path.dirname(os.path.dirname(packages)))
    yield os.path.join(prefix, "bin", "onefold")
    # Other layouts: the list of files that the installer wrote. Last, because reading it takes most of the time.
    from importlib import metadata

    try:
        files = metadata.files("onefold") or []
    except metadata.PackageNotFoundError:
        return
    for file in files:
        if file.name == "onefold" and file.parent.name in ("bin", "Scripts"):
            yield os.path.normpath(file.locate())
