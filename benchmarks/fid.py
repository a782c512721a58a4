"""Time of the FID beside that of the extractor's bare forward passes, and of its statistics alone, printed as JSON.

    python benchmarks/fid.py [--n 10000] [--side 64] [--rows 10000] [--dim 2048] [--extractor squeezenet] [--threads N]

Two sets of n random pictures each, uint8, are brought to the extractor batch by batch and measured, as a metric does
it; the bare forward passes see as many ready-made float batches. They take turns, because machines are seldom quiet.
Then moments and distance of two random matrices of rows x dim features. Beside the wall-clock time stands the processor
time of all threads, which other work on the machine disturbs less. The weights of SqueezeNet are looked for in the
folder that TWOWAY_WEIGHTS names. The targets are 1.3 times the forward passes, and 5 s for statistics and root.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
from machine import describe_machine

from twoway.data.pixels import to_float
from twoway.features import FeatureSpec, build_features
from twoway.features.base import FeatureExtractor
from twoway.metrics.frechet import feature_moments, fid, frechet_distance


@torch.inference_mode()
def whole_fid(extractor: FeatureExtractor, sets: list[torch.Tensor], batch: int) -> float:
    """FID of two sets of uint8 pictures, features and all."""
    features = [torch.cat([extractor.pooled(to_float(part)) for part in x.split(batch)]) for x in sets]
    return fid(*features).value


@torch.inference_mode()
def forward_passes(extractor: FeatureExtractor, x: torch.Tensor, passes: int) -> None:
    """Nothing but the extractor, on one batch again and again."""
    for _ in range(passes):
        extractor.pooled(x)


def seconds(function, *given) -> tuple[float, float]:
    """Wall-clock time of a call, and processor time of all threads."""
    began = time.perf_counter(), time.process_time()
    function(*given)
    return time.perf_counter() - began[0], time.process_time() - began[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000, help="pictures of each set")
    parser.add_argument("--rows", type=int, default=10_000, help="of each matrix of features")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--extractor", default="squeezenet")
    parser.add_argument("--threads", type=int, default=None, help="all cores by default")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    machine = describe_machine()
    extractor = build_features(FeatureSpec(options.extractor))
    draw = torch.Generator().manual_seed(0)
    shape = (options.n, 3, options.side, options.side)
    sets = [torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw) for _ in range(2)]
    ready = to_float(sets[0][: options.batch])
    passes = 2 * -(-options.n // options.batch)
    forward_passes(extractor, ready, 2)  # warms up
    turns = [
        (seconds(forward_passes, extractor, ready, passes), seconds(whole_fid, extractor, sets, options.batch))
        for _ in range(options.turns)
    ]
    bare, whole = ([min(turn[i][clock] for turn in turns) for clock in range(2)] for i in range(2))
    matrices = [torch.randn(options.rows, options.dim, generator=draw) for _ in range(2)]
    feature_moments(matrices[0][:100])
    statistics = seconds(lambda: [feature_moments(matrix) for matrix in matrices])
    root = seconds(frechet_distance, *[feature_moments(matrix) for matrix in matrices])
    result = {
        "machine": machine,
        "settings": vars(options),
        "extractor": extractor.title,
        **{
            clock: {
                "forward_passes_s": round(bare[i], 2),
                "fid_s": round(whole[i], 2),
                "fid_over_forward_passes": round(whole[i] / bare[i], 3),
                f"statistics_of_{options.dim}_features_s": round(statistics[i], 2),
                f"root_of_{options.dim}_features_s": round(root[i], 2),
                "statistics_and_root_s": round(statistics[i] + root[i], 2),
            }
            for i, clock in enumerate(("wall_clock", "processor_time"))
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
