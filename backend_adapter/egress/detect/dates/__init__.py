"""Recognises dates of birth, and tells how dates are written."""
