"""One Adam per net, with equalised learning rates as parameter groups and a schedule over the budget."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from twoway.networks.layers import lr_coefficients
from twoway.recipe import Optimiser, Schedule

__all__ = ["Optimisers", "schedule_factor"]


def schedule_factor(schedule: Schedule, kimg: float, total_kimg: float) -> float:
    """Factor on the learning rate.

    Args:
        schedule: Shape of the curve.
        kimg: Thousands of images seen so far.
        total_kimg: The whole budget.

    Example:
        >>> schedule_factor(Schedule("linear", start=0.5, end=0.0), 75, 100)
        0.5
    """
    warm = min(kimg / schedule.warmup_kimg, 1.0) if schedule.warmup_kimg > 0 else 1.0
    if schedule.kind == "constant" or schedule.start >= 1.0:
        return warm
    progress = min(max((kimg / total_kimg - schedule.start) / (1.0 - schedule.start), 0.0), 1.0)
    if schedule.kind == "exponential":
        return warm * schedule.end**progress
    falling = 1.0 - progress if schedule.kind == "linear" else 0.5 + 0.5 * math.cos(math.pi * progress)
    return warm * (schedule.end + (1.0 - schedule.end) * falling)


class Optimisers:
    """The optimisers of a model, one per net, each shared by all the steps that train the net.

    Sharing matters: ALAE's losses of one net meet in one second moment.

    Args:
        nets: Networks by slot.
        settings: Learning rates, moments, schedule.
    """

    def __init__(self, nets: Mapping[str, nn.Module], settings: Optimiser) -> None:
        self.settings = settings
        self.adams: dict[str, torch.optim.Adam] = {}
        self._factor = 1.0
        for slot, net in nets.items():
            if any(True for _ in net.parameters()):
                self.adams[slot] = self._adam(slot, net)

    def _adam(self, slot: str, net: nn.Module) -> torch.optim.Adam:
        own = self.settings.nets.get(slot)
        lr = self.settings.lr if own is None or own.lr is None else own.lr
        betas = self.settings.betas if own is None or own.betas is None else own.betas
        decay = self.settings.weight_decay if own is None or own.weight_decay is None else own.weight_decay
        groups: dict[float, list[nn.Parameter]] = defaultdict(list)
        coefficients = lr_coefficients(net)
        for name, parameter in net.named_parameters():
            groups[coefficients[name]].append(parameter)
        return torch.optim.Adam(
            [{"params": params, "lr": lr * factor, "base_lr": lr * factor} for factor, params in groups.items()],
            lr=lr,
            betas=betas,
            eps=self.settings.eps,
            weight_decay=decay,
            fused=True,
        )

    @property
    def lr(self) -> float:
        """Learning rate in force, for nets without one of their own."""
        return self.settings.lr * (1.0 if math.isnan(self._factor) else self._factor)

    def set_progress(self, kimg: float, total_kimg: float, *, factor: float = 1.0) -> float:
        """Apply the schedule and a further factor; returns the product."""
        factor = factor * schedule_factor(self.settings.schedule, kimg, total_kimg)
        if factor != self._factor:
            self._factor = factor
            for adam in self.adams.values():
                for group in adam.param_groups:
                    group["lr"] = group["base_lr"] * factor
        return factor

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts of every net, flat: ``slot/parameter number/key``."""
        flat = {}
        for slot, adam in self.adams.items():
            for index, entry in adam.state_dict()["state"].items():
                for key, value in entry.items():
                    flat[f"{slot}/{index}/{key}"] = value
        return flat

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved state."""
        per_net: dict[str, dict[int, dict[str, Tensor]]] = defaultdict(lambda: defaultdict(dict))
        for path, value in state.items():
            slot, index, key = path.split("/")
            per_net[slot][int(index)][key] = value
        for slot, adam in self.adams.items():
            current = adam.state_dict()
            current["state"] = {i: dict(entry) for i, entry in per_net[slot].items()}
            adam.load_state_dict(current)
        self._factor = math.nan  # learning rates are set anew at the next `set_progress`
