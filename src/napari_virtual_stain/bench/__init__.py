"""What is fast, measured beside what a user would pick instead: the same weights, image, machine.

Every measurement is made in a process of its own, so importing this room loads no torch.
"""

from napari_virtual_stain.bench.cases import NETWORKS, Case, cases
from napari_virtual_stain.bench.contenders import CONTENDERS, Contender
from napari_virtual_stain.bench.rounds import bench_events

__all__ = ["CONTENDERS", "NETWORKS", "Case", "Contender", "bench_events", "cases"]
