"""Recognises addresses of houses: a street with its number, and its town beside it."""
