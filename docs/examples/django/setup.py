"""Collects the static files into the package while it is built, so that they arrive with it."""

import os
import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class CollectStatic(build_py):
    def run(self) -> None:
        # What an earlier build left, and the sources no longer have, must not come along.
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        build = Path(self.build_lib).resolve()
        sys.path.insert(0, str(build))
        os.environ["DJANGO_SETTINGS_MODULE"] = "notesdesk.settings"

        import django
        from django.core.management import call_command

        django.setup()
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)


setup(cmdclass={"build_py": CollectStatic})
