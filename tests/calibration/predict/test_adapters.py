"""Fine-tuning by adapters."""

from calibration.predict.adapters import Adapted
from hwsim.parallel.plan import Plan
from workloads.transformer import Transformer

SIZES = {"layers": 2, "hidden": 64, "heads": 4, "vocabulary": 100, "sequence": 32}


def test_held_matrices_have_the_gradients_of_inputs_alone():
    whole, held = Transformer(**SIZES).graph(2), Adapted(**SIZES).graph(2)
    assert held.forward_flops == whole.forward_flops
    names = [kernel.name for kernel in held.backward()]
    assert any(name.endswith("dgrad") for name in names)
    assert not any(name.endswith(("wgrad", "scatter")) for name in names)


def test_nothing_but_norms_is_trained_and_less_is_kept():
    whole, held = Transformer(**SIZES).graph(2), Adapted(**SIZES).graph(2)
    assert held.parameters < 0.02 * whole.parameters
    assert held.saved_elements < whole.saved_elements


def test_matrices_are_divided_by_tensor_and_pipeline_parallelism():
    model = Adapted(**SIZES, dtype="bf16")
    whole = model.held_bytes(Plan())
    assert whole == 2 * Transformer(**SIZES).graph(1).parameters
    assert model.held_bytes(Plan(tp=2, pp=2)) == whole / 4
