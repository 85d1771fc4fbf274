"""Functions for Open WebUI: each file stands alone, because Open WebUI loads each one alone."""
