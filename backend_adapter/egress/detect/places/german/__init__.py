"""Addresses as they are written in Germany, Austria and Switzerland (DIN 5008)."""
