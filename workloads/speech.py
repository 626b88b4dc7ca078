"""Speech recognition in the manner of Deep Speech 2: convolutions, bidirectional LSTMs, CTC."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import model_validator

from hwsim.errors import InputError
from hwsim.graph.ops import CTC, Convolution2d, Linear, Op, Pointwise
from hwsim.graph.recurrent import LSTM
from hwsim.graph.step import Layer
from hwsim.graph.workload import Count, Label, Workload

CHANNELS = 32
KERNELS = ((41, 11), (21, 11))
STRIDES = ((2, 2), (2, 1))
PADDINGS = ((20, 5), (10, 5))


class Speech(Workload):
    """A speech recognizer: convolutions, bidirectional LSTM layers, CTC.

    From Ardalani and Hestness: two convolution layers, four bidirectional LSTM layers, and 1 % of
    20,000 hours as the smallest training set: 200 h are 72 million frames of 10 ms. Both
    convolutions (32 channels; 41 x 11 stride 2 x 2, 21 x 11 stride 2 x 1) and the 29 characters
    with blank are those of Deep Speech 2 (Amodei et al. 2016, arXiv 1512.02595). Assumed: 161
    frequency bins, hidden width 800 per direction (outputs joined, not summed), 500 frames and 50
    labels for each utterance, no batch normalization. `frames` has a least of 2 per label, so
    that the halved time axis has room for every label.

    >>> Speech().graph().parameters
    59945469
    """

    name: ClassVar[str] = "speech"
    unit: ClassVar[str] = "frames"
    law: ClassVar[str | None] = "speech-small"
    assumed: ClassVar[dict[str, str]] = {
        "hidden": "the paper states no width",
        "frames": "5 s of speech in 10 ms frames",
        "labels": "10 characters a second",
        "bins": "a 20 ms window at 16 kHz",
    }
    uncut: ClassVar[str] = "its layers read the utterance in both directions"
    setting_fields: ClassVar[tuple[str, ...]] = (
        "layers",
        "frames",
        "labels",
        *Workload.setting_fields,
    )

    hidden: Count = 800
    layers: Count = 4
    frames: Count = 500
    bins: Count = 161
    characters: Count = 29
    labels: Count = 50
    dataset: Count = 72_000_000
    corpus: Label = "speech-20000h"

    @model_validator(mode="after")
    def _room_for_labels(self) -> Self:
        if self.frames < 2 * self.labels:
            raise InputError(
                "workload.frames",
                f"found {self.frames} for {self.labels} labels",
                f"write {2 * self.labels} or more",
            )
        return self

    @property
    def items_per_sample(self) -> int:
        return self.frames

    def build(self, batch: int) -> tuple[Layer, ...]:
        convolutions = self._convolutions(batch)
        height, steps = convolutions[-1].output
        features, hidden = CHANNELS * height, self.hidden
        rows = batch * steps
        first, rest = (
            LSTM("lstm", batch, steps, inputs, hidden, bidirectional=True)
            for inputs in (features, 2 * hidden)
        )
        layers = [
            Layer(
                "convolutions",
                tuple(op for one in convolutions for op in (one, _clipped(one))),
                output=rows * features,
            ),
            Layer("lstm.first", (first,), output=2 * rows * hidden),
        ]
        if self.layers > 1:
            layers.append(Layer("lstm", (rest,), self.layers - 1, output=2 * rows * hidden))
        output: tuple[Op, ...] = (
            Linear("characters", rows, 2 * hidden, self.characters, quantized=False),
            CTC("loss", batch, steps, self.labels, self.characters),
        )
        return (*layers, Layer("output", output))

    def _convolutions(self, batch: int) -> tuple[Convolution2d, Convolution2d]:
        first = Convolution2d(
            "conv.1",
            batch,
            1,
            self.bins,
            self.frames,
            CHANNELS,
            KERNELS[0],
            STRIDES[0],
            PADDINGS[0],
            input_gradient=False,
        )
        second = Convolution2d(
            "conv.2", batch, CHANNELS, *first.output, CHANNELS, KERNELS[1], STRIDES[1], PADDINGS[1]
        )
        return first, second


def _clipped(before: Convolution2d) -> Pointwise:
    """The clipped rectifier min(max(x, 0), 20) on a convolution's output."""
    height, width = before.output
    elements = before.batch * before.filters * height * width
    return Pointwise(f"{before.name}.clip", elements, flops=2)


class SpeechSmall(Speech):
    """speech at sizes that a CPU trains: the setting of the measured runs.

    Single spoken digits of the Free Spoken Digit Dataset (8 kHz; 31 bins are a window of 7.5 ms).

    >>> SpeechSmall().graph().parameters
    352253
    """

    name: ClassVar[str] = "speech-small"
    family: ClassVar[str | None] = "speech"

    batch: Count = 8
    hidden: Count = 32
    layers: Count = 2
    frames: Count = 48
    bins: Count = 31
    labels: Count = 5
    dataset: Count = 9_600
    corpus: Label = "fsdd"
