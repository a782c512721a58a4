"""An untrained classifier in a file, for tests of what reads such files."""

from __future__ import annotations

from pathlib import Path

import torch

from twoway.features.classifier_file import ClassifierRecord, write_classifier
from twoway.networks import ImageClassifier, NetSpec, build_net


def small_net(shape=(3, 16, 16), outputs=4, kind="lenet_classifier") -> tuple[NetSpec, ImageClassifier]:
    spec = NetSpec(kind, {"image_shape": shape, "outputs": outputs, "width": 4, "hidden": 8})
    net = build_net(spec)
    generator = torch.Generator().manual_seed(3)
    net.reset(generator)
    with torch.no_grad():  # statistics as of a training
        for name, buffer in net.named_buffers():
            buffer.uniform_(0.5, 1.5, generator=generator) if "var" in name else buffer.normal_(generator=generator)
    return spec, net.eval()


def small_classifier(path: Path, *, name="toy-cnn", of="classes", shape=(3, 16, 16), kind="lenet_classifier") -> Path:
    spec, net = small_net(shape, 4, kind)
    facts = {"data": "toys", "fingerprint": "00", "left_out": []}
    record = ClassifierRecord(name, spec, of, ("a", "b", "c", "d"), facts, {"mean": 0.5})
    write_classifier(path, record, net.state_dict())
    return path
