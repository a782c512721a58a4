"""Models whose fresh weights are moved a little, so that nothing is zero that would not be after training."""

import torch
from small import small_model

from twoway.model import TwoWayModel


def shaken(method, shape=(1, 8, 8), seed=0, **options) -> TwoWayModel:
    """A small model; of constant maps, whose deviation is zero, normalisation would show rounding alone."""
    model = small_model(method, shape, seed, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point() or name.endswith("_extra_state"):
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var"):
                tensor.copy_(0.5 + noise.abs())
            else:
                tensor.add_(noise, alpha=1.0 if "constant" in name else 0.1)
    return model
