"""Recognises names that nobody listed by what stands directly beside them."""
