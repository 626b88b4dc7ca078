"""Residual networks on images: ResNet-50, -101 and -152."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from hwsim.graph.ops import (
    BatchNormalization,
    Convolution2d,
    CrossEntropy,
    Linear,
    Op,
    Pointwise,
    Pooling,
)
from hwsim.graph.step import Layer
from hwsim.graph.workload import Count, Flag, Label, Workload

# Bottleneck blocks of the four stages (He et al. 2016, table 1).
STAGES = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
EXPANSION = 4
COLORS = 3


class ResNet(Workload):
    """A residual network of bottleneck blocks (He et al. 2016, arXiv 1512.03385).

    The stride of a stage is in the 3 x 3 convolution of its first block ("v1.5", as MLPerf and
    torchvision have it). ``hidden`` is the number of channels behind the first convolution;
    ``fused``: rectifiers and sums are part of the kernels of batch normalization. Momentum and
    256 images a step are those of the paper, as is the dataset, ImageNet; fp32 is assumed.

    >>> ResNet().graph().parameters
    25557032
    """

    name: ClassVar[str] = "resnet"
    unit: ClassVar[str] = "images"
    uncut: ClassVar[str] = "an image is no sequence"
    setting_fields: ClassVar[tuple[str, ...]] = (
        "depth",
        "image",
        "classes",
        *Workload.setting_fields,
    )

    depth: Literal[50, 101, 152] = 50
    hidden: Count = 64
    image: Annotated[Count, Field(ge=32)] = 224
    classes: Count = 1000
    fused: Flag = False
    batch: Annotated[Count, Field(le=2**40)] = 256
    optimizer: Literal["adam", "momentum", "sgd"] = "momentum"
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    dataset: Count = 1_281_167
    corpus: Label = "imagenet-1k"

    @property
    def items_per_sample(self) -> int:
        return 1

    def build(self, batch: int) -> tuple[Layer, ...]:
        stem = Convolution2d(
            "stem",
            batch,
            COLORS,
            self.image,
            self.image,
            self.hidden,
            (7, 7),
            (2, 2),
            (3, 3),
            bias=False,
            input_gradient=False,
        )
        side = (stem.output[0] - 1) // 2 + 1
        channels = self.hidden
        size = batch * channels * side * side
        pool = Pooling("pool", batch * channels * stem.output[0] ** 2, size, 9)
        layers = [Layer("stem", (stem, *self._normed("stem", stem), pool), output=size)]
        for number, blocks in enumerate(STAGES[self.depth]):
            inner, stride = self.hidden * 2**number, 2 if number else 1
            first, side_after = (
                self._block(batch, channels, side, inner, stride),
                -(-side // stride),
            )
            channels, side = EXPANSION * inner, side_after
            size = batch * channels * side * side
            again = self._block(batch, channels, side, inner, 1)
            layers += [
                Layer(f"stage.{number + 1}.first", first, output=size),
                Layer(f"stage.{number + 1}", again, blocks - 1, size),
            ]
        mean = Pooling("mean", batch * channels * side * side, batch * channels, side * side)
        head = Linear("head", batch, channels, self.classes, quantized=False)
        return (*layers, Layer("output", (mean, head, CrossEntropy("loss", batch, self.classes))))

    def _block(
        self, batch: int, channels: int, side: int, inner: int, stride: int
    ) -> tuple[Op, ...]:
        """1 x 1, 3 x 3 and 1 x 1 convolutions beside the input, or beside a projection of it."""
        outer, after = EXPANSION * inner, -(-side // stride)

        def convolution(
            name: str, inputs: int, size: int, filters: int, kernel: int, step: int
        ) -> Convolution2d:
            return Convolution2d(
                name,
                batch,
                inputs,
                size,
                size,
                filters,
                (kernel, kernel),
                (step, step),
                (kernel // 2, kernel // 2),
                bias=False,
            )

        reduce = convolution("reduce", channels, side, inner, 1, 1)
        middle = convolution("middle", inner, side, inner, 3, stride)
        expand = convolution("expand", inner, after, outer, 1, 1)
        shortcut: tuple[Op, ...] = ()
        if channels != outer:
            project = convolution("project", channels, side, outer, 1, stride)
            shortcut = (project, _norm("project", project))
        return (
            *shortcut,
            reduce,
            *self._normed("reduce", reduce),
            middle,
            *self._normed("middle", middle),
            expand,
            *self._normed("expand", expand, added=1),
        )

    def _normed(self, name: str, before: Convolution2d, added: int = 0) -> tuple[Op, ...]:
        """Batch normalization, the sum of a block, and the rectifier."""
        if self.fused:
            return (_norm(name, before, activated=True, added=added),)
        norm = _norm(name, before)
        size = norm.rows * norm.channels
        summed = Pointwise(f"{name}.add", size, inputs=2, kept=0)
        rectifier = Pointwise(f"{name}.relu", size)
        return (norm, *((summed,) if added else ()), rectifier)


def _norm(
    name: str, before: Convolution2d, activated: bool = False, added: int = 0
) -> BatchNormalization:
    height, width = before.output
    rows = before.batch * height * width
    return BatchNormalization(f"{name}.norm", rows, before.filters, activated, added)
