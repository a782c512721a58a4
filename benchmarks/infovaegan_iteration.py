"""What an iteration of InfoVAEGAN costs beside its nets alone: forward and backward passes measured one by one.

Prints JSON. The sum counts every pass the three steps need, once: the generator trained, and once more for pictures
from inferred codes, whose gradient goes to the codes only; the encoder trained twice and run on real pictures; the
critic passed through for the generator, and trained on made and real pictures; the decoder trained; every optimiser
step. Lazy R1 is left out of both: iterations with it are not timed.

    python benchmarks/infovaegan_iteration.py --preset infovaegan-mnist --threads 2 --rounds 15
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from twoway.methods import find_preset, make_recipe
from twoway.model import build_model
from twoway.training.distributed import World
from twoway.training.optimisers import Optimisers
from twoway.training.steps import StepRunner, matmul_precision
from twoway.training.streams import Streams, seeded


def trained(net: nn.Module, *inputs: torch.Tensor, to_input: bool = False, weights: bool = True) -> Callable[[], None]:
    """One forward and backward pass, to the weights, to the first input, or both."""

    def run() -> None:
        first = inputs[0].detach().requires_grad_(to_input)
        net.requires_grad_(weights)
        out = net(first, *inputs[1:])
        total = torch.stack([part.sum() for part in (out if isinstance(out, tuple) else (out,)) if part.numel()]).sum()
        wanted = [*(net.parameters() if weights else ()), *([first] if to_input else ())]
        torch.autograd.grad(total, wanted, allow_unused=True)
        net.requires_grad_(True)

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="infovaegan-mnist")
    parser.add_argument("--views", action="store_true", help="with the terms on views, which the sum leaves out")
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shape = (1, options.size, options.size)
    views = {} if options.views or "views" not in find_preset(options.preset).options else {"views": False}
    recipe = make_recipe(options.preset, shape, views)
    model = build_model(recipe, generator=seeded(0, "weights")).train()
    runner = StepRunner(model, Optimisers(model.nets, recipe.optim), Streams(0, World(), model.device), World())
    phase = recipe.phases[-1]
    x = torch.rand(recipe.batch, *shape) * 2 - 1
    prior = recipe.prior
    assert prior is not None
    w = prior.sample(recipe.batch).unsqueeze(1)
    u = w[:, 0, prior.layout().noise :]
    nets = model.nets
    generator, encoder, critic = nets["generator"], nets["encoder"], nets["critic"]

    def encode_real() -> None:
        with torch.no_grad():
            encoder(x)

    def step_optimisers() -> None:
        for slot, adam in runner.optimisers.adams.items():
            for parameter in nets[slot].parameters():
                parameter.grad = torch.zeros_like(parameter)
            adam.step()
            if slot == "encoder":  # it is trained in two steps
                adam.step()

    parts = {
        "generator, trained": trained(generator, w),
        "generator, gradient to the codes": trained(generator, w, to_input=True, weights=False),
        "encoder, trained, gradient to the image": trained(encoder, x, to_input=True),
        "encoder, trained": trained(encoder, x),
        "encoder, real images": encode_real,
        "critic, gradient to the image": trained(critic, x, u, to_input=True, weights=False),
        "critic, trained on made images": trained(critic, x, u),
        "critic, trained on real images": trained(critic, x, u),
        "optimisers": step_optimisers,
    }
    if "decoder" in nets:
        parts["decoder, trained"] = trained(nets["decoder"], u.unsqueeze(1))
    times: dict[str, list[float]] = {name: [] for name in (*parts, "iteration")}
    with matmul_precision(recipe.matmul):
        for number in range(options.rounds + 2):
            calls = {**parts, "iteration": lambda: runner.iterate(phase, x, 1, 0.0)}  # iteration 1 has no lazy R1
            for name, call in calls.items():
                began = time.perf_counter()
                call()
                if number >= 2:
                    times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in times.items()}
    alone = sum(value for name, value in medians.items() if name != "iteration")
    print(
        json.dumps(
            {
                "preset": options.preset,
                "batch": recipe.batch,
                "threads": options.threads,
                "torch": torch.__version__,
                "machine": platform.processor() or platform.machine(),
                "seconds": {name: round(value, 5) for name, value in medians.items()},
                "sum of parts": round(alone, 5),
                "ratio": round(medians["iteration"] / alone, 3),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
