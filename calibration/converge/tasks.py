"""What a run trains: a model, batches of its training part, losses on its validation part."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from calibration.converge.corpora.corpus import AnyCorpus, Codes, Recordings
from calibration.modules import charlm, speech, wordlm
from hwsim.graph.workload import Workload
from workloads.charlm import CharLM
from workloads.speech import Speech
from workloads.wordlm import WordLM

VALIDATION_STREAMS = 128
VALIDATION_BATCH = 64

Batch = tuple[Tensor, Tensor]


class Task(Protocol):
    """`parts()` are losses of independent pieces of the validation part; their mean is the loss."""

    @property
    def model(self) -> nn.Module: ...

    def batch(self, samples: int, random: torch.Generator | None = None) -> Batch: ...

    def loss(self, batch: Batch) -> Tensor: ...

    def parts(self) -> Tensor: ...


def make(workload: Workload, corpus: AnyCorpus, device: torch.device) -> Task:
    """The task of a workload; its weights are drawn from torch's global generator."""
    if isinstance(workload, CharLM):
        return TextTask(workload, charlm.CharModel(workload, device), corpus, device)
    if isinstance(workload, WordLM):
        return TextTask(workload, wordlm.WordModel(workload, device), corpus, device)
    if isinstance(workload, Speech):
        return SpeechTask(workload, corpus, device)
    raise TypeError(f"nothing trains a {type(workload).__name__}")


class TextTask:
    """Windows at random places, each read from a zero state; the validation text in streams."""

    def __init__(
        self,
        workload: CharLM | WordLM,
        model: charlm.CharModel | wordlm.WordModel,
        corpus: AnyCorpus,
        device: torch.device,
    ) -> None:
        self.model = model
        self.sequence = workload.sequence
        self.text = torch.from_numpy(corpus.training[: workload.dataset])
        self.device = device
        self.offsets = torch.arange(self.sequence + 1).unsqueeze(1)
        self.validation = tuple(part.to(device) for part in streams(corpus.validation))

    def batch(self, samples: int, random: torch.Generator | None = None) -> Batch:
        starts = torch.randint(len(self.text) - self.sequence, (samples,), generator=random)
        window = self.text[starts + self.offsets].to(self.device)
        return window[:-1], window[1:]

    def loss(self, batch: Batch) -> Tensor:
        return self.model(*batch)  # type: ignore[no-any-return]

    def parts(self) -> Tensor:
        return self.model.losses(*self.validation).mean(0)


class SpeechTask:
    """Recordings drawn at random; a recording's loss is divided by its number of letters."""

    def __init__(self, workload: Speech, corpus: AnyCorpus, device: torch.device) -> None:
        self.model = speech.SpeechModel(workload, device)
        held: Recordings = corpus.validation
        self.spectrograms, self.labels = _tensors(
            corpus.training, device, workload.dataset // workload.frames
        )
        self.validation = _tensors(held, device, len(held.labels))

    def batch(self, samples: int, random: torch.Generator | None = None) -> Batch:
        index = torch.randint(len(self.labels), (samples,), generator=random)
        return self.spectrograms[index], self.labels[index]

    def loss(self, batch: Batch) -> Tensor:
        return self._losses(*batch).mean()

    def parts(self) -> Tensor:
        pieces = zip(
            *(torch.split(part, VALIDATION_BATCH) for part in self.validation), strict=True
        )
        return torch.cat([self._losses(*piece) for piece in pieces])

    def _losses(self, spectrograms: Tensor, labels: Tensor) -> Tensor:
        log_probs = self.model.log_probabilities(spectrograms)
        frames = torch.full((len(labels),), log_probs.shape[0], device=labels.device)
        letters = (labels > 0).sum(1)
        losses = functional.ctc_loss(
            log_probs, labels, frames, letters, reduction="none", zero_infinity=True
        )
        return losses / letters


def streams(validation: Codes) -> Batch:
    """The validation text as parallel streams: inputs and targets, each (length, streams)."""
    length = (len(validation) - 1) // VALIDATION_STREAMS
    text = torch.from_numpy(validation)
    inputs = text[: length * VALIDATION_STREAMS].view(VALIDATION_STREAMS, length).t()
    targets = text[1 : length * VALIDATION_STREAMS + 1].view(VALIDATION_STREAMS, length).t()
    return inputs.contiguous(), targets.contiguous()


def _tensors(recordings: Recordings, device: torch.device, count: int) -> Batch:
    spectrograms = torch.from_numpy(recordings.spectrograms[:count]).unsqueeze(1)
    return spectrograms.to(device), torch.from_numpy(recordings.labels[:count]).to(device)
