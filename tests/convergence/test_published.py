"""Steps to a loss by published laws: batches, floors, and what the laws don't know."""

import pytest

from hwsim.convergence.counting import load
from hwsim.convergence.loss import BESIROGLU, HOFFMANN, KAPLAN
from hwsim.convergence.published import ToLoss
from hwsim.errors import InputError
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

GPT2 = Transformer()
LARGE = Transformer(layers=24, hidden=2048, heads=16)


def counted(counting, workload):
    return counting.count(workload, workload.graph())


def test_tokens_become_steps_of_the_batch():
    small, large = (
        counted(load("chinchilla", 3.0), LARGE.model_copy(update={"batch": b})) for b in (128, 256)
    )
    tokens = HOFFMANN.needed(LARGE.graph().parameters, 3.0)
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
    least = KAPLAN.needed(size, 3.5)
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
        counted(ToLoss(BESIROGLU, 3.0), WordLM())


def test_kaplans_law_takes_no_other_critical_batch():
    with pytest.raises(InputError, match="--critical-batch"):
        load("kaplan", 3.0, 100.0)


@pytest.mark.parametrize(("law", "loss"), [("chinchilla", None), ("charlm-small", 2.0)])
def test_a_loss_goes_with_a_law_of_losses(law, loss):
    with pytest.raises(InputError, match="--target-loss"):
        load(law, loss)


@pytest.mark.parametrize("loss", [10.9, 1e308])
def test_a_loss_that_an_untrained_model_has_is_refused(loss):
    with pytest.raises(InputError, match="a guess among all words is at 10"):
        counted(load("kaplan", loss), Transformer(layers=2, hidden=64, heads=2))
