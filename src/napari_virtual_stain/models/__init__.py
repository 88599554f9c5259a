"""Checkpoints that ship with the package, trained on freely licensed data."""
