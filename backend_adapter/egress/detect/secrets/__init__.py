"""Recognises what opens something: keys, tokens and passwords."""
