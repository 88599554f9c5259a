"""Training pairs on disk: inputs and targets of the same places, in the usual layouts."""

from napari_virtual_stain.io.pairs.reading import read_pairs, read_stacks

__all__ = ["read_pairs", "read_stacks"]
