"""One training run, at sizes that take a second."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from calibration.converge.corpora.corpus import Recordings, Speech, Text
from calibration.converge.train import FIRST_EVALUATION, Stop, past_minimum, train
from workloads.charlm import CharLMSmall
from workloads.speech import SpeechSmall
from workloads.wordlm import WordLMSmall

WORKLOAD = CharLMSmall(
    hidden=8, sequence=10, batch=4, vocabulary=5, dataset=1000, learning_rate=1e-2
)
STOP = Stop(patience=2.0, least=100, most=100)


@pytest.fixture(scope="module")
def corpus():
    # Every symbol decides the next: learned within a hundred steps.
    codes = np.tile(np.arange(5, dtype=np.int64), 400)
    return text(codes[:1500], codes[1500:])


def text(training, validation):
    return Text("cycle", "", "characters", 5, training, validation, len(training), len(validation))


def run(corpus, seed=0, stop=STOP, workload=WORKLOAD):
    return list(train(workload, corpus, seed, stop))


def test_the_loss_falls(corpus):
    found = run(corpus)
    assert found[0].loss == pytest.approx(np.log(5), rel=0.3)
    assert found[-1].loss < 0.5 * found[0].loss
    assert found[-1].train_loss < found[0].train_loss


def test_small_numbers_are_as_before_a_run(corpus):
    run(corpus, stop=Stop(1.6, 1, 1))
    assert float(np.float64(1e-300)) * 1e-20 > 0.0


def test_evaluations_begin_early_and_spread_out(corpus):
    steps = [e.step for e in run(corpus)]
    assert steps[0] == FIRST_EVALUATION
    assert steps == sorted(set(steps))
    assert np.diff(steps).max() <= 6
    seconds = [e.seconds for e in run(corpus)]
    assert seconds == sorted(seconds)


def test_the_same_seed_gives_the_same_losses(corpus):
    first, again, other = run(corpus, 3), run(corpus, 3), run(corpus, 4)
    assert [e.loss for e in first] == [e.loss for e in again]
    assert [e.train_loss for e in first] == [e.train_loss for e in again]
    assert [e.loss for e in first] != [e.loss for e in other]


def test_only_the_data_sets_size_is_trained_on(corpus):
    spoiled = corpus.training.copy()
    spoiled[WORKLOAD.dataset :] = 0
    other = text(spoiled, corpus.validation)
    assert [e.loss for e in run(corpus)] == [e.loss for e in run(other)]


@pytest.mark.parametrize("most", [1, 19, 20, 33])
def test_the_last_step_is_evaluated(corpus, most):
    assert run(corpus, stop=Stop(1.6, 1, most))[-1].step == most


def test_a_run_ends_when_its_minimum_is_behind(corpus):
    # Validation on the reversed cycle: the better the training, the worse its loss.
    other = text(corpus.training, corpus.validation[::-1].copy())
    found = run(other, stop=Stop(1.6, 30, 400))
    assert found[-1].step < 400
    assert found[-1].loss > min(e.loss for e in found)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "momentum"])
def test_every_optimizer_learns(corpus, optimizer):
    rate = 1e-2 if optimizer == "adam" else 0.5
    workload = WORKLOAD.model_copy(update={"optimizer": optimizer, "learning_rate": rate})
    found = run(corpus, workload=workload)
    assert found[-1].loss < found[0].loss


def test_a_run_that_diverges_ends(corpus):
    workload = WORKLOAD.model_copy(update={"optimizer": "sgd", "learning_rate": 1e38})
    found = run(corpus, workload=workload)
    assert len(found) == 1
    assert not np.isfinite(found[-1].loss)


@pytest.mark.parametrize(
    ("steps", "losses", "past"),
    [
        ([20, 40, 60, 80], [4.0, 3.0, 2.0, 1.0], False),  # still falling
        ([20, 100, 120, 159], [4.0, 1.0, 2.0, 3.0], False),  # 1.59 times the best
        ([20, 100, 120, 160], [2.0, 1.0, 2.0, 9.0], True),
        ([20, 25, 30, 99], [1.0, 2.0, 3.0, 4.0], False),  # the false minimum of the start
        ([20, 25, 30, 100], [1.0, 2.0, 3.0, 4.0], True),
    ],
)
def test_past_minimum(steps, losses, past):
    assert past_minimum(steps, losses, Stop(patience=1.6, least=100, most=1000)) is past


def test_word_models_learn(corpus):
    workload = WordLMSmall(
        hidden=8, sequence=10, batch=4, vocabulary=5, dataset=1000, learning_rate=1e-2
    )
    found = run(corpus, workload=workload)
    assert found[-1].loss < 0.7 * found[0].loss


def test_speech_models_learn():
    """Two tones, one letter each: told apart within some hundred steps."""
    spectrograms = np.zeros((40, 11, 8), dtype=np.float32)
    labels = np.zeros((40, 2), dtype=np.int64)
    spectrograms[:20, 3], spectrograms[20:, 8] = 3.0, 3.0
    labels[:20, 0], labels[20:, 0] = 1, 2
    part = Recordings(spectrograms, labels)
    corpus = Speech("tones", "", "frames", 29, part, part, 320, 320)
    workload = SpeechSmall(
        hidden=8, layers=1, bins=11, frames=8, labels=2, batch=4, dataset=320, learning_rate=1e-2
    )
    found = run(corpus, workload=workload, stop=Stop(1.6, 120, 120))
    assert found[-1].loss < 0.2 * found[0].loss


def test_noise_is_measured_beside_the_training(corpus):
    """Noise scales come every third evaluation; without them the losses would be the same."""
    found = run(corpus)
    noise_scales = [e.noise_scale for e in found]
    assert any(scale is not None and scale > 0 for scale in noise_scales[2::3])
    assert noise_scales[0] is noise_scales[1] is None
    assert found[0].noise is None
    assert all(e.noise > 0 for e in found[1:])


@pytest.mark.parametrize(("last", "past"), [(2.01, False), (2.1, True)])
def test_a_plateau_is_no_minimum(last, past):
    """Far behind its best step, but hardly above it: the loss may fall yet."""
    losses = [3.0, 2.0, *[last] * 7]
    steps = [20 * 2**i for i in range(9)]
    assert past_minimum(steps, losses, Stop(least=20)) is True
    # The smoothed minimum is a little above the best loss.
    assert past_minimum(steps, losses, Stop(least=20, rise=0.01)) is past
