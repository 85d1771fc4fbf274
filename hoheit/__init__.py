"""Hoheit: starts, provisions and watches the parts of a sovereign chat site."""
