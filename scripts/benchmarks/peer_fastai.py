"""Worker: fastai's `fine_tune` with its defaults, on the weights of the KerasHub preset.

Reference: https://docs.fast.ai/tutorial.vision.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from fastai.vision.all import (
    ImageDataLoaders,
    Normalize,
    Resize,
    accuracy,
    aug_transforms,
    default_split,
    model_meta,
    set_seed,
    vision_learner,
)
from peer import answer, cpu_seconds, read_order
from plain_pytorch import Network
from torch import Tensor, nn


class Features(nn.Module):
    """The network without its head."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        # fastai puts pooling, dropout and layers of its own there.
        network.dropout, network.head = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, 1280, height / 32, width / 32)`."""
        return self.network.features(x)


def main() -> None:
    """Train as the tutorial does, and label the test photos."""
    order = read_order()
    set_seed(order.seed)
    preset = Path(order.preset)

    def backbone(pretrained: bool = True, **_: Any) -> Network:
        config = json.loads((preset / "config.json").read_text())["config"]
        network = Network(config, 2)
        network.load_keras(preset / "model.weights.h5")
        return network

    # From 0..255 times a scale plus an offset to 0..1 minus a mean through a deviation.
    deviation = 1 / (255 * order.scale)
    normalize = Normalize.from_stats([-order.offset * deviation] * 3, [deviation] * 3)
    files = [Path(path) for path, _ in order.train]
    loaders = ImageDataLoaders.from_lists(
        ".",
        files,
        [label for _, label in order.train],
        valid_pct=0.2,
        seed=order.seed,
        item_tfms=Resize(order.image_size),
        batch_tfms=[*aug_transforms(), normalize],
        # The default is 64, which a small training split would not fill once.
        bs=min(64, max(2, len(files) // 4)),
        num_workers=0,
    )
    # `vision_learner` takes a `cut` and forgets it.
    cut = {"cut": lambda network: nn.Sequential(Features(network)), "split": default_split}
    model_meta[backbone] = cut
    learner = vision_learner(loaders, backbone, normalize=False, metrics=accuracy)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(order.epochs)
        seconds = cpu_seconds()
        test = loaders.test_dl([Path(path) for path, _ in order.test])
        probabilities, _ = learner.get_preds(dl=test)
    chosen = torch.as_tensor(probabilities).argmax(1).tolist()
    answer(seconds, [loaders.vocab[one] for one in chosen])


if __name__ == "__main__":
    main()
