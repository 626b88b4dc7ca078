"""Shapes through the residual network."""

from __future__ import annotations

import pytest

from hwsim.errors import InputError
from hwsim.graph.ops import BatchNormalization, Convolution2d
from workloads.resnet import ResNet


def ops(workload: ResNet, kind: type) -> list:
    return [
        op
        for layer in workload.graph(2).layers
        for op in layer.ops * layer.repeat
        if isinstance(op, kind)
    ]


@pytest.mark.parametrize(
    ("depth", "parameters"), [(50, 25_557_032), (101, 44_549_160), (152, 60_192_808)]
)
def test_parameters_are_those_of_torchvision(depth, parameters):
    assert ResNet(depth=depth).graph().parameters == parameters


def test_the_depth_counts_convolutions_and_the_last_layer():
    beside = 4  # projections of the input, one a stage
    assert len(ops(ResNet(), Convolution2d)) == 50 - 1 + beside
    assert len(ops(ResNet(), BatchNormalization)) == 50 - 1 + beside


def test_images_end_as_7_by_7():
    convolutions = ops(ResNet(), Convolution2d)
    assert convolutions[0].output == (112, 112)
    assert convolutions[-1].output == (7, 7)
    assert not convolutions[0].input_gradient
    strided = [one for one in convolutions if one.name == "middle" and one.stride == (2, 2)]
    assert len(strided) == 3


def test_fused_blocks_move_less_and_keep_less():
    plain, fused = ResNet().graph(8), ResNet(fused=True).graph(8)
    assert fused.matrix_flops == plain.matrix_flops
    assert fused.parameters == plain.parameters
    moved = [
        sum(kernel.elements for kernel in (*graph.forward(), *graph.backward()))
        for graph in (plain, fused)
    ]
    assert moved[1] < 0.75 * moved[0]
    assert fused.saved_bytes < plain.saved_bytes


def test_other_depths_are_refused():
    with pytest.raises(InputError, match=r"workload\.depth: found 34"):
        ResNet(depth=34)
