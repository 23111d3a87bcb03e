"""Reads and writes RECORD files (PyPA specification "Recording installed projects")."""

import csv
import io


def rows_of(text):
    """The rows of a RECORD: path, hash and size."""
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


def text_of(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
