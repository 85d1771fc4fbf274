"""Receipts on the command line: what left the site, and whether the record of it still holds."""
