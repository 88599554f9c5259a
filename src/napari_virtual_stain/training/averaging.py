"""The running average of a network's weights, which scores better than the weights themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Averaged:
    """An exponential moving average of the parameters of a network.

    After each step t = 0, 1, 2, …, the average moves by 1 − d towards the parameters, with
    d = min(decay, (1 + t) / (10 + t)): over the first steps it forgets quickly, or it would
    carry the random weights of the start along. Buffers, as those of batch normalization,
    are copied.

    Parameters
    ----------
    network : torch.nn.Module
        It is copied, not changed.
    decay : float
        In [0, 1); 0.999 averages over about the last thousand steps.

    References
    ----------
    Polyak & Juditsky, "Acceleration of stochastic approximation by averaging" (1992); the warm-up
    is that of TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self._average = AveragedModel(network, multi_avg_fn=self._move)

    @property
    def network(self) -> nn.Module:
        """The network with the averaged weights; before the first update, with its own."""
        return self._average.module

    def update(self, network: nn.Module) -> None:
        """Take up the parameters of the network after a step."""
        self._average.update_parameters(network)

    def state(self) -> dict[str, Tensor]:
        """Return everything that :meth:`restore` needs to go on as if nothing had happened.

        The tensors are those in use, and change with the next update.
        """
        return dict(self._average.state_dict())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state, of an average over the same network."""
        self._average.load_state_dict(dict(state))

    def _move(
        self, averages: Sequence[Tensor], currents: Sequence[Tensor], count: Tensor | int
    ) -> None:
        # The count that is given lies on the device, and reading it would wait for that.
        t = int(self._average.n_averaged)
        decay = min(self.decay, (1 + t) / (10 + t))
        move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        move(averages, currents, count)
