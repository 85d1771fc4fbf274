"""Recognises values by the name of the field, the key or the column that they stand under."""
