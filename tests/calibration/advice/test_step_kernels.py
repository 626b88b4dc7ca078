"""A step's kernels as measurements: all of its time, in the kinds that it has."""

import pytest

from calibration.advice.step_kernels import timed_kernels
from calibration.shapes import (
    AttentionCore,
    Convolution,
    Gemm,
    Launch,
    Pointwise,
    Recurrent,
    Update,
)
from hwsim.cost.calibration import load_for
from hwsim.cost.rates import rates
from hwsim.cost.roofline import kernel_cost
from hwsim.errors import InputError
from hwsim.graph import workload as workloads
from hwsim.hardware import catalog


def kernels(model, hw="v100-sxm2-16gb", **sizes):
    device = catalog.load(hw).device
    workload = workloads.override(workloads.load(model), sizes)
    graph = workload.graph(workload.batch)
    reach = rates(device, load_for(device), graph.dtype, family=graph.family)
    return graph, reach, timed_kernels(graph, reach, reach)


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        ("charlm", {Recurrent, Gemm, Pointwise, Update}),
        ("charlm-small", {Recurrent, Gemm, Launch, Update}),
        ("wordlm", {Recurrent, Gemm, Pointwise, Update}),
        ("speech", {Convolution, Recurrent, Gemm, Update}),
        ("transformer", {AttentionCore, Gemm, Pointwise, Update}),
    ],
)
def test_all_time_of_a_step_is_booked_to_shapes(model, kinds):
    graph, reach, found = kernels(model)
    whole = [*graph.forward(), *graph.backward(), *graph.update()]
    seconds = sum(kernel_cost(kernel, reach, graph.dtype).seconds for kernel in whole)
    assert sum(one.seconds for one in found) == pytest.approx(seconds)
    assert kinds <= {type(one.shape) for one in found}
    assert len({one.shape for one in found}) == len(found)


def test_only_what_is_the_kernel_itself_is_exact():
    exact = {type(one.shape): one.exact for one in kernels("charlm")[2]}
    assert exact[Gemm]
    assert not exact[Recurrent]  # a highway network's, of which libraries have no layer
    assert not exact[Pointwise]
    assert all(one.exact for one in kernels("speech")[2] if isinstance(one.shape, Recurrent))


def test_passes_of_a_convolution_and_its_window():
    found = [one.shape for one in kernels("speech")[2] if isinstance(one.shape, Convolution)]
    assert {shape.way for shape in found} == {"forward", "backward_data", "backward_weights"}
    assert {(shape.r, shape.s) for shape in found} >= {(41, 11)}


def test_equal_layers_are_one_measurement():
    (forward,) = [
        one.shape
        for one in kernels("transformer")[2]
        if isinstance(one.shape, AttentionCore) and one.shape.way == "forward"
    ]
    assert forward.fused


def test_what_no_one_can_measure_is_refused():
    with pytest.raises(InputError, match="smaller sizes"):
        kernels("speech", batch="1000000000", frames="1000000")
