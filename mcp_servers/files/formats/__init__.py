"""Readers of document formats. They run in the converting process only: files are untrusted.

Each reader takes an open binary file and the file's name without its ending, which serves as
title where the document has none, and returns a `Document`. It raises `Unreadable` with a reason
for the user; any other exception counts as a damaged file.
"""


class Unreadable(Exception):  # noqa: N818 - it names the document's state
    """The document cannot be read; the text says why, for the user."""
