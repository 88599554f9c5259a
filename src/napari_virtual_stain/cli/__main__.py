"""``python -m napari_virtual_stain.cli`` is ``vstain``."""

from napari_virtual_stain.cli.main import main

main()
