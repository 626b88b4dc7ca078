"""Residual networks in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from workloads.resnet import COLORS, EXPANSION, STAGES, ResNet


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int, device: str | torch.device
) -> nn.Sequential:
    """A convolution without bias, normalized over the batch."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False, device=device),
        nn.BatchNorm2d(outputs, device=device),
    )


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside the input or a projection of it."""

    def __init__(self, inputs: int, inner: int, stride: int, device: str | torch.device) -> None:
        super().__init__()
        outer = EXPANSION * inner
        self.branch = nn.Sequential(
            convolution(inputs, inner, 1, 1, device),
            nn.ReLU(inplace=True),
            convolution(inner, inner, 3, stride, device),
            nn.ReLU(inplace=True),
            convolution(inner, outer, 1, 1, device),
        )
        self.shortcut = (
            nn.Identity() if inputs == outer else convolution(inputs, outer, 1, stride, device)
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.branch(x) + self.shortcut(x))


class ResNetModel(nn.Module):
    """Images in, mean cross-entropy of their classes out (nats)."""

    def __init__(self, workload: ResNet, device: str | torch.device = "cpu") -> None:
        super().__init__()
        channels = workload.hidden
        self.layers = nn.Sequential(
            convolution(COLORS, channels, 7, 2, device),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        for number, blocks in enumerate(STAGES[workload.depth]):
            inner = workload.hidden * 2**number
            for block in range(blocks):
                stride = 2 if number and not block else 1
                self.layers.append(Bottleneck(channels, inner, stride, device))
                channels = EXPANSION * inner
        self.head = nn.Linear(channels, workload.classes, device=device)

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        """`images`: (batch, 3, image, image); `classes`: (batch,) integers."""
        return functional.cross_entropy(self.head(self.layers(images).mean((2, 3))), classes)


def build(workload: ResNet, device: str | torch.device = "cpu") -> nn.Module:
    return ResNetModel(workload, device)


def example(
    workload: ResNet, batch: int, device: str | torch.device = "cpu"
) -> tuple[Tensor, Tensor]:
    """Random images (batch, 3, image, image) and classes (batch,)."""
    images = torch.randn(batch, COLORS, workload.image, workload.image, device=device)
    return images, torch.randint(workload.classes, (batch,), device=device)
