"""The speech recognizer in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from calibration.modules import meta
from workloads.speech import CHANNELS, KERNELS, PADDINGS, STRIDES, Speech

CLIP = 20.0


class SpeechModel(nn.Module):
    """Spectrograms in, mean CTC loss of their labels out (nats)."""

    def __init__(self, workload: Speech, device: str | torch.device = "cpu") -> None:
        super().__init__()
        if torch.device(device).type == "meta":
            meta.register()
        self.convolutions = nn.Sequential()
        height, channels = workload.bins, 1
        for kernel, stride, padding in zip(KERNELS, STRIDES, PADDINGS, strict=True):
            self.convolutions.extend(
                (
                    nn.Conv2d(channels, CHANNELS, kernel, stride, padding, device=device),
                    nn.Hardtanh(0.0, CLIP, inplace=True),
                )
            )
            height = (height + 2 * padding[0] - kernel[0]) // stride[0] + 1
            channels = CHANNELS
        self.lstm = nn.LSTM(
            CHANNELS * height,
            workload.hidden,
            workload.layers,
            bidirectional=True,
            device=device,
        )
        self.characters = nn.Linear(2 * workload.hidden, workload.characters, device=device)

    def forward(self, spectrograms: Tensor, labels: Tensor) -> Tensor:
        """`spectrograms`: (batch, 1, bins, frames); `labels`: (batch, labels), none of them 0."""
        log_probs = self.log_probabilities(spectrograms)
        steps, batch = log_probs.shape[0], log_probs.shape[1]
        frames, letters = (
            torch.full((batch,), length, device=log_probs.device)
            for length in (steps, labels.shape[1])
        )
        return functional.ctc_loss(log_probs, labels, frames, letters, zero_infinity=True)

    def log_probabilities(self, spectrograms: Tensor) -> Tensor:
        """Of each character, the blank first: (frames / 2, batch, characters)."""
        features = self.convolutions(spectrograms).flatten(1, 2).permute(2, 0, 1)
        states, _ = self.lstm(features)
        return functional.log_softmax(self.characters(states), dim=-1)


def build(workload: Speech, device: str | torch.device = "cpu") -> nn.Module:
    return SpeechModel(workload, device)


def example(
    workload: Speech, batch: int, device: str | torch.device = "cpu"
) -> tuple[Tensor, Tensor]:
    """Random spectrograms (batch, 1, bins, frames) and labels (batch, labels)."""
    spectrograms = torch.randn(batch, 1, workload.bins, workload.frames, device=device)
    labels = torch.randint(1, workload.characters, (batch, workload.labels), device=device)
    return spectrograms, labels
