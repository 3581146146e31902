"""Worker: EfficientNet-Lite0 and the same stages in plain PyTorch.

The architecture and the weights come from the KerasHub preset.

Reference: Tan and Le 2019, https://arxiv.org/abs/1905.11946; the Lite variants leave out squeeze
and excitation and use ReLU6.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from worker import (
    BATCH_SIZE,
    DROPOUT,
    LABEL_SMOOTHING,
    LEARNING_RATE,
    LOWER_LEARNING_RATE,
    Clock,
    Settings,
    accuracy,
    arrays,
    read_data,
    read_settings,
    report,
)

TOLERANCE = 1e-3


class SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow's "same" does: the odd pixel below and right."""

    def forward(self, x: Tensor) -> Tensor:
        """Pad, and convolve."""
        (height, width), size, stride = x.shape[-2:], self.kernel_size[0], self.stride[0]
        down, across = (max(0, (-(-n // stride) - 1) * stride + size - n) for n in (height, width))
        if down == across == size - 1:
            return functional.conv2d(x, self.weight, None, self.stride, size // 2, 1, self.groups)
        sides = (across // 2, across - across // 2, down // 2, down - down // 2)
        return super().forward(functional.pad(x, sides))


def conv(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> SameConv:
    """A convolution without bias."""
    return SameConv(inputs, outputs, size, stride, groups=groups, bias=False)


class Block(nn.Module):
    """Expand, convolve each channel, project; with a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, expand: int) -> None:
        super().__init__()
        filters = inputs * expand
        self.conv1 = conv(inputs, filters, 1) if expand > 1 else None
        self.bn1 = nn.BatchNorm2d(filters, eps=1e-3) if expand > 1 else None
        self.depthwise = conv(filters, filters, size, stride, groups=filters)
        self.bn2 = nn.BatchNorm2d(filters, eps=1e-3)
        # KerasHub projects with the depthwise kernel's size where nothing was expanded.
        self.output_conv = conv(filters, outputs, 1 if expand > 1 else size)
        self.bn3 = nn.BatchNorm2d(outputs, eps=1e-3)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """One block."""
        x = inputs
        if self.conv1 is not None and self.bn1 is not None:
            x = functional.relu6(self.bn1(self.conv1(x)))
        x = functional.relu6(self.bn2(self.depthwise(x)))
        x = self.bn3(self.output_conv(x))
        return x + inputs if self.shortcut else x


class Network(nn.Module):
    """Backbone and head.

    Args:
        config: Of the backbone, from `config.json`.
        classes: Number of classes.
    """

    def __init__(self, config: dict[str, Any], classes: int) -> None:
        super().__init__()
        stem = config["stackwise_input_filters"][0]
        self.stem_conv, self.stem_bn = conv(3, stem, 3, 2), nn.BatchNorm2d(stem, eps=1e-3)
        blocks = {}
        for stack, repeats in enumerate(config["stackwise_num_repeats"]):
            outputs = config["stackwise_output_filters"][stack]
            for number in range(repeats):
                first = number == 0
                blocks[f"block{stack + 1}{chr(97 + number)}"] = Block(
                    config["stackwise_input_filters"][stack] if first else outputs,
                    outputs,
                    config["stackwise_kernel_sizes"][stack],
                    config["stackwise_strides"][stack] if first else 1,
                    config["stackwise_expansion_ratios"][stack],
                )
        self.blocks = nn.ModuleDict(blocks)
        self.top_conv, self.top_bn = conv(outputs, 1280, 1), nn.BatchNorm2d(1280, eps=1e-3)
        self.dropout, self.head = nn.Dropout(DROPOUT), nn.Linear(1280, classes)

    def features(self, x: Tensor) -> Tensor:
        """Of normalised images `(batch, 3, height, width)`."""
        x = functional.relu6(self.stem_bn(self.stem_conv(x)))
        for block in self.blocks.values():
            x = block(x)
        return functional.relu6(self.top_bn(self.top_conv(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.dropout(self.features(x).mean((2, 3))))

    def load_keras(self, path: Path) -> None:
        """Take the backbone's weights from a KerasHub preset."""
        with h5py.File(path) as file:
            layers = file["layers"]
            for owner, name, keras_name in self._named():
                values = [
                    torch.from_numpy(np.asarray(one, np.float32))
                    for _, one in sorted(layers[keras_name]["vars"].items())
                ]
                module = getattr(owner, name)
                if isinstance(module, nn.Conv2d):
                    order = (2, 3, 0, 1) if module.groups > 1 else (3, 2, 0, 1)
                    module.weight.data = values[0].permute(order).contiguous()
                else:
                    module.weight.data, module.bias.data = values[:2]
                    module.running_mean, module.running_var = values[2:]

    def _named(self) -> Iterator[tuple[nn.Module, str, str]]:
        """Owner and attribute of each layer with weights, and its name in the file."""
        yield self, "stem_conv", "conv2d"
        yield self, "stem_bn", "batch_normalization"
        for number, block in enumerate(self.blocks.values()):
            for name, module in block.named_children():
                if module is not None:
                    suffix = f"_{number}" if number else ""
                    yield block, name, f"mb_conv_block{suffix}/{name}"
        yield self, "top_conv", "conv2d_1"
        yield self, "top_bn", "batch_normalization_1"


def build(settings: Settings, classes: int) -> Network:
    """A network with the preset's backbone, frozen, and a new head."""
    config = json.loads((Path(settings.preset) / "config.json").read_text())["config"]
    network = Network(config, classes)
    network.load_keras(Path(settings.preset) / "model.weights.h5")
    network.requires_grad_(False)
    network.head.requires_grad_(True)
    return network.to(memory_format=torch.channels_last)


def unfreeze(network: Network, lowest_layer: str) -> None:
    """Let the network train from a block up, but for BatchNorm."""
    names = list(network.blocks)
    trained = [network.blocks[name] for name in names[names.index(lowest_layer) :]]
    for module in [m for part in (*trained, network.top_conv) for m in part.modules()]:
        if isinstance(module, nn.Conv2d):
            module.requires_grad_(True)


def normalised(images: Tensor, settings: Settings) -> Tensor:
    """`(batch, height, width, 3)` uint8 to the network's input."""
    return images.permute(0, 3, 1, 2).float() * settings.scale + settings.offset


def predict(network: Network, images: Tensor, settings: Settings) -> np.ndarray:
    """Logits `(examples, classes)`."""
    network.eval()
    with torch.inference_mode():
        parts = [network(normalised(part, settings)) for part in images.split(BATCH_SIZE)]
    return torch.cat(parts).numpy()


def train_epoch(
    network: Network,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    settings: Settings,
) -> None:
    """One pass over the examples in random order."""
    network.eval()  # BatchNorm stays frozen
    network.dropout.train()
    for chosen in torch.randperm(len(labels)).split(BATCH_SIZE):
        logits = network(normalised(images[chosen], settings))
        loss = functional.cross_entropy(logits, labels[chosen], label_smoothing=LABEL_SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def check(settings: Settings) -> None:
    """Stop unless the features are those of the Keras backbone."""
    reference = np.load(settings.reference)
    network = build(settings, 2).eval()
    with torch.inference_mode():
        features = network.features(normalised(torch.from_numpy(reference["images"]), settings))
    found = features.permute(0, 2, 3, 1).numpy()
    difference = float(np.abs(found - reference["features"]).max())
    if not difference <= TOLERANCE:
        raise SystemExit(f"the features differ from those of Keras by {difference:.2g}")
    report({"torch": torch.__version__, "largest_difference": difference})


def main() -> None:
    """Decode, train the head, train the upper part, score."""
    settings = read_settings()
    torch.set_num_threads(settings.threads)
    if settings.reference:
        return check(settings)
    clock = Clock()
    torch.manual_seed(settings.seed)
    data = read_data(settings)
    images, labels = (torch.from_numpy(one) for one in arrays(data.train))
    labels = labels.long()
    validation = arrays(data.validation)
    network = build(settings, len(data.class_names))
    for stage, epochs in enumerate(settings.stage_epochs()):
        if stage:
            unfreeze(network, settings.lowest_layer)
        trained = [one for one in network.parameters() if one.requires_grad]
        optimizer = torch.optim.Adam(trained, LOWER_LEARNING_RATE if stage else LEARNING_RATE)
        for _ in range(epochs):
            train_epoch(network, optimizer, images, labels, settings)
            scores = predict(network, torch.from_numpy(validation[0]), settings)
            clock.epoch_ends(stage)
    clock.stop()
    test = arrays(data.test)
    report(
        clock.found,
        validation_accuracy=accuracy(scores, validation[1]),
        test_accuracy=accuracy(predict(network, torch.from_numpy(test[0]), settings), test[1]),
    )


if __name__ == "__main__":
    main()
