"""Recognises the names of people: by lists of names, by the words beside them, by the form of a text."""
