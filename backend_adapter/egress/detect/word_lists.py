"""Reads the lists of words that lie beside the modules which recognise something by them."""

from importlib.resources import files


def lines(package: str, name: str) -> list[str]:
    """The lines of a file of a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8").split("\n")[:-1]
