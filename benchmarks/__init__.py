"""Figures of speed as ratios against a named peer on the same work in one run."""
