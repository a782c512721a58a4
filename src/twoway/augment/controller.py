"""ADA's controller: more augmentation while the critic overfits, less while it does not."""

from __future__ import annotations

from collections.abc import Mapping

from twoway.augment.settings import Augment

__all__ = ["AdaController"]


class AdaController:
    """Keeps the chance of augmentation where the critic's scores of reals have a wanted mean sign.

    A critic that has learnt the training images by heart is right about all of them: the mean sign of its scores
    of reals, r_t, goes to 1. The chance p rises by a fixed amount while r_t is above the target and falls by it while
    r_t is below.

    Args:
        settings: Target, speed, and where p starts.

    Attributes:
        p: Chance of each transform, 0..1.

    References:
        Karras et al., arXiv 2006.06676, section 3 and eq. 1 (r_t).
    """

    def __init__(self, settings: Augment) -> None:
        self.settings = settings
        self.p = settings.first_p
        self._sign_sum = 0.0
        self._images = 0.0
        self._calls = 0.0

    def update(self, sign_mean: float, images: int) -> float:
        """Take account of one iteration; p moves in every `adjust_every`-th.

        Args:
            sign_mean: Mean over the batch (of all processes) of the sign of the critic's scores of reals, -1..1.
            images: Images in that batch.

        Returns:
            The chance to use from now on.
        """
        self._sign_sum += sign_mean * images
        self._images += images
        self._calls += 1
        if self._calls >= self.settings.adjust_every:
            excess = self._sign_sum / self._images - self.settings.target
            direction = (excess > 0) - (excess < 0)
            step = self._images / (self.settings.speed_kimg * 1000)
            self.p = min(max(self.p + direction * step, 0.0), 1.0)
            self._sign_sum = self._images = self._calls = 0.0
        return self.p

    def state(self) -> dict[str, float]:
        """Everything needed to continue, as plain numbers."""
        return {"p": self.p, "sign_sum": self._sign_sum, "images": self._images, "calls": self._calls}

    def load(self, state: Mapping[str, float]) -> None:
        """Continue from a saved state."""
        self.p, self._sign_sum = float(state["p"]), float(state["sign_sum"])
        self._images, self._calls = float(state["images"]), float(state["calls"])
