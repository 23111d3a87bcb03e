"""What the packed file runs: the server or, if its name comes first, a command of Django's such as 'migrate'."""

import os
import sys

from django.core.management import execute_from_command_line, get_commands

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "@SETTINGS@")
arguments = sys.argv[1:]
if arguments and arguments[0] in {*get_commands(), "help", "version", "--version"}:
    execute_from_command_line(sys.argv)
else:
    @SERVE@
