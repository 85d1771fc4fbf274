"""Recognises what nobody has listed or labelled: identifiers, numbers, addresses, names and secrets in a text.

Nothing here reads a network; the recognisers' libraries are imported when a `Detectors` is made, not before.
"""
