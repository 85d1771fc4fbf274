"""The boundary: what may leave the site, under which names it does, and how it comes back.

Plain functions over text; nothing here reads a file or a network.
"""
