"""Published laws of losses: their inverses, their floors, and what they don't know."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence.counting import load
from hwsim.convergence.published import CHINCHILLA, EPOCH, KAPLAN, LAWS, ToLoss
from hwsim.errors import InputError
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

GPT2 = Transformer()
LARGE = Transformer(layers=24, hidden=2048, heads=16)


def counted(counting, workload):
    return counting.count(workload, workload.graph())


def loss_of(law, parameters, length):
    return law.floor(parameters) + law.B / length**law.b


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
@given(st.floats(1e6, 1e11), st.floats(1e3, 1e12))
@settings(deadline=None, max_examples=30)
def test_a_length_reaches_its_loss(law, parameters, length):
    loss = loss_of(law, parameters, length)
    assert law.length(parameters, loss) == pytest.approx(length, rel=1e-4)


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
@given(st.floats(2.0, 6.0))
@settings(deadline=None, max_examples=30)
def test_the_smallest_size_is_where_lengths_end(law, loss):
    smallest = law.smallest(loss)
    assert law.floor(smallest) == pytest.approx(loss)
    assert math.isinf(law.length(smallest * 0.99, loss))
    assert math.isfinite(law.length(smallest * 1.01, loss))
    assert law.length(smallest * 100, loss) < law.length(smallest * 2, loss)


def test_figures_of_the_publications():
    # Chinchilla itself: 70 billion parameters, 1.4 trillion tokens.
    assert loss_of(CHINCHILLA, 70e9, 1.4e12) == pytest.approx(1.94, abs=0.01)
    assert loss_of(EPOCH, 70e9, 1.4e12) == pytest.approx(1.97, abs=0.01)
    # Kaplan et al.: least steps to a loss of 3.5 fall with size, then flatten.
    least = [KAPLAN.length(n, 3.5) for n in (1e7, 1e8, 1e9, 1e10, 1e11)]
    assert least == pytest.approx([24.7e3, 3.4e3, 1.7e3, 1.2e3, 0.9e3], rel=0.05)


def test_tokens_become_steps_of_the_batch():
    small, large = (
        counted(load("chinchilla", 3.0), LARGE.model_copy(update={"batch": b})) for b in (128, 256)
    )
    tokens = CHINCHILLA.length(LARGE.graph().parameters, 3.0)
    assert small.value == pytest.approx(tokens / (128 * 1024))
    assert large.value == pytest.approx(small.value / 2)
    assert "3 nats" in small.target
    assert "2203.15556" in small.source


def test_a_critical_batch_takes_more_tokens():
    bare, batched = (counted(load("epoch", 3.2, critical), LARGE) for critical in (None, 128.0))
    assert batched.value == pytest.approx(2 * bare.value)


def test_kaplans_law_knows_its_batch_and_leaves_embeddings_out():
    small, large = (
        counted(load("kaplan", 3.5), GPT2.model_copy(update={"batch": b})) for b in (128, 256)
    )
    assert small.critical == pytest.approx(2e8 / 3.5 ** (1 / 0.21) / 1024)
    assert small.value / 2 < large.value < small.value
    size = 124_439_808 - (50_257 + 1024) * 768
    least = KAPLAN.length(size, 3.5)
    assert small.value == pytest.approx(least * (1 + small.critical / 128))


def test_beyond_its_runs_a_law_warns_and_widens():
    inside, outside = (counted(load("chinchilla", loss), LARGE) for loss in (2.6, 4.0))
    assert not any("extrapolated" in warning for warning in inside.warnings)
    assert any("tokens" in warning for warning in outside.warnings)
    assert outside.high / outside.low > inside.high / inside.low == 1
    tiny = counted(load("chinchilla", 6.0), Transformer(layers=2, hidden=64, heads=2))
    assert any("model sizes" in warning for warning in tiny.warnings)


def test_what_a_law_does_not_know_is_said():
    assert any("without an interval" in w for w in counted(load("epoch", 3.0), LARGE).warnings)
    again = LARGE.model_copy(update={"dataset": 10**9})
    assert any("passes over the data" in w for w in counted(load("epoch", 3.0), again).warnings)
    mixed = Transformer(layers=4, experts=8)
    assert any("mixture" in w for w in counted(load("kaplan", 3.5), mixed).warnings)


@pytest.mark.parametrize(
    ("law", "loss", "fragments"),
    [
        ("chinchilla", 2.3, ("2.3", "124,439,808", "over 201,732,593 parameters")),
        ("chinchilla", 1.6, ("1.6", "more than 1.69")),
        ("kaplan", 2.0, ("2", "besides embeddings")),
    ],
)
def test_a_loss_out_of_reach_names_the_smallest_size(law, loss, fragments):
    with pytest.raises(InputError, match="--target-loss") as error:
        counted(load(law, loss), GPT2)
    for fragment in fragments:
        assert fragment in str(error.value)


def test_other_models_are_refused():
    with pytest.raises(InputError, match="wordlm"):
        counted(ToLoss(EPOCH, 3.0), WordLM())


@pytest.mark.parametrize(("law", "loss"), [("chinchilla", None), ("charlm-small", 2.0)])
def test_a_loss_goes_with_a_law_of_losses(law, loss):
    with pytest.raises(InputError, match="--target-loss"):
        load(law, loss)
