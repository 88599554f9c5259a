"""Everything that touches napari or Qt: contributions, layers <-> Images, jobs, docks."""
