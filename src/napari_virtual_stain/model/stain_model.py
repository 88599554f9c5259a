"""StainModel: a network, what it expects and what it yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_virtual_stain.model.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class StainModel:
    """A network with its specification.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (B, channels, [Z,] Y, X) normalized values to raw channels, which its ``head`` reads.
    spec : ModelSpec
    digest : str
        SHA-256 of the file that it was loaded from; empty for a model that was not.
    """

    network: nn.Module
    spec: ModelSpec
    digest: str = ""

    @property
    def provenance(self) -> dict[str, str]:
        """Name, network and digest, for what is made with this model."""
        return {
            "model": self.spec.name,
            "model_sha256": self.digest,
            "network": self.spec.network.name,
            "licence": self.spec.provenance.licence,
            "attribution": self.spec.provenance.attribution,
        }
