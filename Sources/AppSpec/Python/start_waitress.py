"""What the packed file runs: waitress, with the user's options. It takes options before the application alone."""

import sys

from waitress.runner import run

sys.exit(run(["waitress-serve", "--host=127.0.0.1", *sys.argv[1:], @APPLICATION@]))
