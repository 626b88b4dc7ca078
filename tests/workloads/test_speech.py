"""Shapes through the recognizer."""

from __future__ import annotations

import pytest

from hwsim.errors import InputError
from hwsim.graph.ops import CTC, Convolution2d
from hwsim.graph.recurrent import LSTM
from workloads.speech import Speech


def ops(workload: Speech, kind: type) -> list:
    return [op for layer in workload.graph(2).layers for op in layer.ops if isinstance(op, kind)]


def test_shapes_follow_from_the_convolutions():
    first, second = ops(Speech(), Convolution2d)
    assert (first.output, second.output) == ((81, 250), (41, 250))
    assert not first.input_gradient
    lstm, other = ops(Speech(), LSTM)
    assert (lstm.inputs, other.inputs) == (32 * 41, 2 * 800)
    assert ops(Speech(), CTC)[0].frames == 250


def test_one_layer_has_no_further_ones():
    assert [layer.name for layer in Speech(layers=1).graph(1).layers] == [
        "convolutions",
        "lstm.first",
        "output",
    ]


def test_dataset_is_200_hours_of_10_ms_frames():
    assert Speech().dataset == 200 * 3600 * 100


def test_labels_need_frames():
    with pytest.raises(InputError, match=r"workload\.frames: found 99 for 50 labels; write 100 or"):
        Speech(frames=99)
