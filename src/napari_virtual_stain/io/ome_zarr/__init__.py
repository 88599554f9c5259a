"""OME-Zarr: images in chunks, at several resolutions, in a folder."""

from napari_virtual_stain.io.ome_zarr.reader import levels, read_ome_zarr
from napari_virtual_stain.io.ome_zarr.writer import ZarrWriter, write_ome_zarr

__all__ = ["ZarrWriter", "levels", "read_ome_zarr", "write_ome_zarr"]
