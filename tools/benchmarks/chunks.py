"""Prints the lengths of a file's content-defined chunks by their SHA-256, as JSON. Runs with the programs of requirements.txt.

usage: chunks.py FILE

The chunks are as long as those of electron-builder's block maps: 8 to 32 KiB, 16 on average.
"""

import hashlib
import json
import sys

from fastcdc import fastcdc

chunks = fastcdc(sys.argv[1], min_size=8 << 10, avg_size=16 << 10, max_size=32 << 10, hf=hashlib.sha256)
print(json.dumps({chunk.hash: chunk.length for chunk in chunks}))
