"""Recognises identifiers that an office, a bank or a network gives: by shape, checksum and words beside them."""
