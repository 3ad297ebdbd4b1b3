"""The limit of a training: a plain loop over tensors on the device, without augmentation or files.

python -m benchmarks.bare_loop --model resnet50 --batch 256     prints the times as JSON
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.epoch_times import EpochTime
from benchmarks.files import patches_path
from benchmarks.machine import choose_device, synchronize
from pcam.data.storage.hdf5 import PatchArray

KEPT = 20_000  # different patches at most; more are repetitions


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--patches", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    images = read_images(arguments.root, min(arguments.patches, KEPT)).to(device)
    network = build_network(arguments.model).to(device, memory_format=torch.channels_last)
    epochs = train(network, images, arguments)
    print(json.dumps({"epochs": [asdict(epoch) for epoch in epochs]}))


def read_images(root: Path, count: int) -> Tensor:
    """Return training patches, uint8 (n, 3, H, W), channels last in memory."""
    patches = PatchArray(patches_path(root, "train"), "x", "")
    pixels = patches.read(np.arange(min(count, len(patches))))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def build_network(name: str) -> nn.Module:
    """Return timm's network with two outputs and random weights."""
    from timm import create_model

    network: nn.Module = create_model(name, num_classes=2)
    return network.train()


def train(network: nn.Module, images: Tensor, arguments: argparse.Namespace) -> list[EpochTime]:
    """Train on random labels.

    Args:
        network: on the device.
        images: uint8 (n, 3, H, W), on the device.
        arguments: of the command line.
    """
    device = images.device
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-4, weight_decay=1e-4, fused=True)
    labels = torch.randint(0, 2, (len(images),), device=device)
    steps = arguments.patches // arguments.batch
    bf16 = arguments.precision == "bf16"
    epochs = []
    for _ in range(arguments.epochs):
        order = torch.randint(0, len(images), (steps * arguments.batch,), device=device)
        for step, index in enumerate(order.split(arguments.batch)):
            x = prepare(images[index], arguments.size)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss = F.cross_entropy(network(x), labels[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if step == 0:
                synchronize(device)
                first = time.time()
        synchronize(device)
        epochs.append(EpochTime(first, time.time(), steps))
    return epochs


def prepare(patches: Tensor, size: int) -> Tensor:
    """Return normalised patches of the network's size, channels last in memory."""
    x = (patches.float() / 255 - 0.5) / 0.5
    if x.shape[-1] != size:
        x = F.interpolate(x, size, mode="bilinear", antialias=True)
    return x.contiguous(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
