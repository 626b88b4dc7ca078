"""The law of steps: its limits, its intervals and what it says outside of its range."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given as where
from hypothesis import settings
from hypothesis import strategies as st

from hwsim.convergence.law import Law, given, load, parse, predict
from hwsim.errors import InputError

SETTING = {
    "depth": 2,
    "sequence": 30,
    "batch": 32,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "corpus": "help",
}
RANGE = {"model": (1e4, 1e6), "data": (1e4, 1e5)}


def record():
    random = np.random.default_rng(7)
    draws = random.normal((7.0, 0.7, 0.5, 50.0), (0.03, 0.02, 0.02, 5.0), (200, 4))
    return {
        "schema": "hwsim.law/1",
        "name": "small",
        "workload": "charlm-small",
        "target": "loss within 1%",
        "form": "power-plateau",
        "parameters": {
            name: {"value": value, "low": 0.9 * value, "high": 1.1 * value}
            for name, value in (("a", 1096.6), ("k1", 0.7), ("k2", 0.5), ("b", 50.0))
        },
        "plateau": "seen",
        "center": {"model": 1e5, "data": 3e4},
        "range": dict(RANGE),
        "scatter": 0.05,
        "held_out": {"power": 0.1, "power-plateau": 0.1},
        "beyond": {"model": 0.1, "data": 0.1},
        "setting": SETTING,
        "runs": 30,
        "censored": 0,
        "draws": draws.tolist(),
        "provenance": {},
    }


def record_of_batches():
    found = record()
    found["parameters"]["batch_critical"] = {"value": 64.0, "low": 50.0, "high": 80.0}
    found["center"]["batch"], found["range"]["batch"] = 32.0, [8.0, 128.0]
    found["beyond"]["batch"] = 0.2
    found["draws"] = [[*row, 60.0 + i % 9] for i, row in enumerate(found["draws"])]
    found["setting"] = {name: value for name, value in SETTING.items() if name != "batch"}
    return found


def record_of_pole():
    found = record()
    pole = found["parameters"].pop("b") | {"value": 5e3, "low": 4e3, "high": 9e3}
    found["parameters"]["pole"] = pole
    found["draws"] = [[*row[:3], 5e3 + 10 * i] for i, row in enumerate(found["draws"])]
    goal = {"kind": "absolute_loss", "value": 1.9}
    return found | {"form": "pole", "plateau": "not seen", "goal": goal}


LAW = Law.model_validate(record())
BATCHES = Law.model_validate(record_of_batches())
POLE = Law.model_validate(record_of_pole())


def width(steps):
    return steps.high / steps.low


@settings(deadline=None, max_examples=30)
@where(model=st.floats(*RANGE["model"]), data=st.floats(*RANGE["data"]))
def test_inside_its_range_a_law_has_nothing_to_warn_of(model, data):
    steps = predict(LAW, model, data, SETTING)
    assert steps.warnings == ()
    assert not steps.extrapolated
    assert steps.low <= steps.value <= steps.high
    assert (steps.draws > 0).all()


def test_the_value_is_the_forms():
    steps = predict(LAW, 4e5, 3e4, SETTING)
    assert steps.value == pytest.approx(1096.6 / 2.0 + 50.0)


def test_eighty_of_a_hundred_draws_lie_in_the_interval():
    steps = predict(LAW, 1e5, 3e4, SETTING)
    inside = (steps.draws >= steps.low) & (steps.draws <= steps.high)
    assert inside.mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    "other",
    [
        {"depth": 10},
        {"sequence": 150},
        {"batch": 128},
        {"optimizer": "sgd"},
        {"learning_rate": 1e-2},
        {"corpus": "billion-word"},
    ],
)
def test_another_setting_is_one_warning_and_a_wider_interval(other):
    here = predict(LAW, 1e5, 3e4, SETTING)
    there = predict(LAW, 1e5, 3e4, SETTING | other)
    (warning,) = there.warnings
    (name,) = other
    assert name in warning
    assert str(SETTING[name]) in warning
    assert str(other[name]) in warning
    assert there.extrapolated
    assert there.value == here.value
    assert width(there) > width(here)


def test_every_mismatch_adds_a_warning_and_width():
    setting, before = dict(SETTING), predict(LAW, 1e5, 3e4, SETTING)
    for count, (name, value) in enumerate(
        [("depth", 10), ("batch", 128), ("optimizer", "sgd"), ("corpus", "other")], start=1
    ):
        setting[name] = value
        after = predict(LAW, 1e5, 3e4, setting)
        assert len(after.warnings) == count
        assert width(after) > width(before)
        before = after


@pytest.mark.parametrize(("model", "data"), [(1e3, 3e4), (1e8, 3e4), (1e5, 1e3), (1e5, 1e9)])
def test_a_size_outside_the_range_is_one_warning(model, data):
    steps = predict(LAW, model, data, SETTING)
    (warning,) = steps.warnings
    assert ("model sizes" if data == 3e4 else "data sizes") in warning
    assert steps.extrapolated
    assert steps.low <= steps.value <= steps.high


@settings(deadline=None, max_examples=30)
@where(
    near=st.floats(0.0, 6.0),
    further=st.floats(0.2, 6.0),
    axis=st.sampled_from(["model", "data"]),
    below=st.booleans(),
)
def test_the_farther_the_extrapolation_the_wider(near, further, axis, below):
    low, high = RANGE[axis]
    sizes = {"model": 1e5, "data": 3e4}
    found = []
    for distance in (near, near + further):
        sizes[axis] = low * np.exp(-distance) if below else high * np.exp(distance)
        found.append(predict(LAW, sizes["model"], sizes["data"], SETTING))
    # A plateau alone has no spread of its parameters left, but the widening goes on.
    assert width(found[1]) > width(found[0])


def test_draws_of_two_models_are_paired():
    small, large = (predict(LAW, model, 3e4, SETTING) for model in (5e4, 1e5))
    ratio = small.draws / large.draws
    assert ratio.std() / ratio.mean() < 0.1 * small.draws.std() / small.draws.mean() + 0.02
    assert np.array_equal(small.draws, predict(LAW, 5e4, 3e4, SETTING).draws)


def test_a_given_count_is_exact():
    steps = given(1234.0)
    assert (steps.low, steps.value, steps.high) == (1234.0, 1234.0, 1234.0)
    assert (steps.draws == 1234.0).all()
    assert not steps.extrapolated
    assert steps.warnings == ()


def test_a_law_reads_back():
    text = LAW.model_dump_json(by_alias=True)
    assert json.loads(text)["schema"] == "hwsim.law/1"
    assert parse(text, "law.json") == LAW


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", "hwsim.law/2"),
        ("form", "cubic"),
        ("plateau", "perhaps"),
        ("parameters", {"a": {"value": 1.0, "low": 1.0, "high": 1.0}}),
        ("center", {"model": 1.0}),
        ("center", {"model": 0.0, "data": 1.0}),
        ("range", {"model": [0.0, 1.0], "data": [1.0, 2.0]}),
        ("scatter", -0.1),
        ("scatter", None),
        ("scatter", float("nan")),
        ("beyond", {"model": 0.1}),
        ("draws", []),
        ("draws", [[1.0, 2.0, 3.0]]),
        ("surprise", 1),
    ],
)
def test_a_faulty_law_names_its_field(field, value):
    text = json.dumps(record() | {field: value})
    with pytest.raises(InputError, match=rf"^law\.json: {field}") as caught:
        parse(text, "law.json")
    assert caught.value.instead


@pytest.mark.parametrize("text", ["", "steps", "[]", "{}", '{"schema": "hwsim.law/1"'])
def test_what_is_no_law_at_all_is_bad_input(text):
    with pytest.raises(InputError, match=r"^law\.json"):
        parse(text, "law.json")


def test_a_workload_without_a_law_has_none():
    assert load("no-such-workload") is None


def test_a_law_of_batches_goes_by_the_critical_batch():
    here, double = (predict(BATCHES, 1e5, 3e4, SETTING | {"batch": size}) for size in (32, 64))
    assert here.warnings == double.warnings == ()
    assert here.value == pytest.approx(1096.6 + 50.0)
    assert double.value / here.value == pytest.approx((1 + 64 / 64) / (1 + 64 / 32))
    assert predict(BATCHES, 1e5, 3e4, {}).value == here.value


@pytest.mark.parametrize("batch", [4, 512])
def test_a_batch_beyond_those_measured_is_one_warning_and_wider(batch):
    inside = predict(BATCHES, 1e5, 3e4, SETTING)
    beyond = predict(BATCHES, 1e5, 3e4, SETTING | {"batch": batch})
    (warning,) = beyond.warnings
    assert "batch sizes (8 to 128 samples)" in warning
    assert beyond.extrapolated
    assert width(beyond) > width(inside)


def test_draws_are_paired_across_batches():
    one, other = (predict(BATCHES, 1e5, 3e4, SETTING | {"batch": size}) for size in (32, 64))
    assert (one.draws / other.draws).std() < 0.02


def test_steps_grow_without_bound_towards_the_pole():
    found = [predict(POLE, model, 3e4, SETTING).value for model in (1e4, 2e4, 1e5, 1e6)]
    assert found == sorted(found, reverse=True)
    assert predict(POLE, 5.001e3, 3e4, SETTING).value > 0.9e3 * found[-1]


def test_no_model_below_the_pole_gets_there():
    with pytest.raises(InputError, match="no model of 5,000 parameters reaches") as caught:
        predict(POLE, 5e3, 3e4, SETTING)
    assert caught.value.instead


def test_draws_that_have_the_pole_above_a_model_stay_finite():
    steps = predict(POLE, 5.2e3, 3e4, SETTING)
    assert np.isfinite(steps.draws).all()
    assert steps.low <= steps.value <= steps.high


@pytest.mark.parametrize("made", [record_of_batches, record_of_pole])
def test_laws_of_other_forms_read_back(made):
    law = Law.model_validate(made())
    assert parse(law.model_dump_json(by_alias=True), "law.json") == law


def test_the_shipped_law_names_its_target():
    law = load("charlm-small")
    assert law.goal.kind == "within_pct_of_min"
    assert law.goal.value == 1.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parameters", record()["parameters"]),
        ("center", {"model": 1.0, "data": 1.0}),
        ("beyond", {"model": 0.1, "data": 0.1}),
        ("draws", record()["draws"]),
    ],
)
def test_a_law_of_batches_is_whole(field, value):
    with pytest.raises(InputError, match=rf"^law\.json: {field}"):
        parse(json.dumps(record_of_batches() | {field: value}), "law.json")
