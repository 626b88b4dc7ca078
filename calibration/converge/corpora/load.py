"""The corpus that a workload is trained on, from what `--corpus` says."""

from __future__ import annotations

import os
from pathlib import Path

from calibration.converge.corpora import markov, recordings, text
from calibration.converge.corpora.corpus import AnyCorpus
from hwsim.errors import InputError
from hwsim.graph.workload import Workload
from workloads.charlm import CharLM
from workloads.speech import Speech
from workloads.wordlm import WordLM

TRAINED = "charlm, wordlm or speech"


def load(workload: Workload, source: str | None = None) -> AnyCorpus:
    """Characters or words of a text (by default Python's help), or recordings of a manifest.

    An existing file wins over the name `markov`, which is synthetic text. Raises InputError for
    another kind of workload, a source that can't be read, or none where one is needed.
    """
    path = Path(source) if source is not None else None
    if isinstance(workload, Speech):
        if path is None:
            raise InputError(
                "--corpus", "found none", "speech needs a manifest: CSV with file,text,part"
            )
        return recordings.speech(
            path, bins=workload.bins, frames=workload.frames, labels=workload.labels
        )
    if isinstance(workload, WordLM):
        return text.words(path, workload.vocabulary)
    if not isinstance(workload, CharLM):
        raise InputError("--model", f"found '{workload.name}'", f"write a {TRAINED}: these train")
    if path is not None and source == markov.NAME and not os.path.exists(path):
        return markov.text()
    return text.characters(path)


def fitted(workload: Workload, corpus: AnyCorpus) -> Workload:
    """The workload with what the corpus decides: its name, and the symbols of a text."""
    told: dict[str, object] = {"corpus": corpus.name}
    if isinstance(workload, CharLM):
        told["vocabulary"] = corpus.vocabulary
    return workload.model_copy(update=told)
