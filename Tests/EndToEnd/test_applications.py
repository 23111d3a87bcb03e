"""Projects as people have them, packed from what `onefold init` writes, and launched.

tools/applications does the same with all of docs/guides/applications.md.
"""

from __future__ import annotations

import os
import sys
import tempfile
import unittest
from pathlib import Path

from support import ONEFOLD, REPOSITORY, scratch

sys.path.insert(0, str(REPOSITORY / "tools"))

from trials.known import PROJECTS  # noqa: E402
from trials.trial import Failed, try_project  # noqa: E402

#: One for each way in which a server is started, told its port and tested; together they take about a minute.
TRIED = ("Flask, waitress", "Flask, a fixed port", "Django, gunicorn", "aiohttp", "Celery", "Typer")


class Applications(unittest.TestCase):
    """Needs the network."""

    def try_it(self, name: str) -> None:
        project = next(one for one in PROJECTS if one.name == name)
        cache = os.environ.get("ONEFOLD_PACK_CACHE") or REPOSITORY / ".build" / "pack-cache"
        environment = {**os.environ, "ONEFOLD_PACK_CACHE": os.fspath(cache)}
        with tempfile.TemporaryDirectory(dir=scratch()) as work:
            try:
                outcome = try_project(project, ONEFOLD, Path(work), environment, ["--level", "3"])
            except Failed as error:
                self.fail(str(error))
        self.assertIn("tested by ", outcome.found)
        self.assertTrue(outcome.version)


def _add(name: str) -> None:
    method = "test_" + "_".join(name.lower().replace(",", "").split())
    setattr(Applications, method, lambda self: self.try_it(name))


for _name in TRIED:
    _add(_name)


if __name__ == "__main__":
    unittest.main()
