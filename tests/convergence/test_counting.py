"""Ways to count steps: laws by name and file, the batch, and what does not go together."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence import law as laws
from hwsim.convergence.counting import Fitted, Given, Tabled, at_batch, load, shipped
from hwsim.convergence.tabled import parse
from hwsim.errors import InputError
from workloads.charlm import CharLM, CharLMSmall
from workloads.wordlm import WordLM

LAW = laws.load("charlm-small")
SMALL = CharLMSmall()
TABLE = "size,steps,batch\n1e4,1000,32\n1e6,100,32\n"


def counted(counting, workload):
    return counting.count(workload, workload.graph())


def test_a_shipped_law_is_found_by_name():
    assert "charlm-small" in shipped()
    assert load("charlm-small") == Fitted(LAW)


def test_a_law_and_a_table_are_read_from_files(tmp_path):
    law, table = tmp_path / "mine.json", tmp_path / "mine.csv"
    law.write_text(LAW.model_dump_json(by_alias=True))
    table.write_text(TABLE)
    assert load(str(law)) == Fitted(LAW)
    assert load(str(table)) == Tabled(parse(TABLE, "mine.csv"))


@pytest.mark.parametrize("ref", ["charlm-smal", "nowhere.json", "nowhere.csv"])
def test_what_is_not_there_is_named(ref):
    with pytest.raises(InputError, match=ref) as error:
        load(ref)
    assert error.value.instead


def test_a_given_count_is_the_same_for_all():
    assert counted(Given(7.0), SMALL).value == counted(Given(7.0), WordLM()).value == 7.0


def test_a_law_of_another_model_warns_and_widens():
    own, other = (counted(Fitted(LAW), workload) for workload in (CharLM(), WordLM()))
    assert not any("workload charlm-small" in warning for warning in own.warnings)
    assert any("workload charlm-small, asked for wordlm" in warning for warning in other.warnings)


@given(st.integers(1, 10**6), st.floats(1.0, 1e6))
@settings(deadline=None, max_examples=30)
def test_a_larger_batch_takes_fewer_steps_and_more_samples(batch, critical):
    small, large = (
        counted(Fitted(LAW, critical), SMALL.model_copy(update={"batch": b}))
        for b in (batch, 2 * batch)
    )
    assert small.value / 2 < large.value < small.value * (1 + 1e-12)
    assert small.value * batch < large.value * 2 * batch
    assert large.critical == critical


def test_at_the_measured_batch_a_critical_batch_changes_nothing():
    bare, batched = counted(Fitted(LAW), SMALL), counted(Fitted(LAW, 100.0), SMALL)
    assert batched.value == pytest.approx(bare.value)
    assert batched.draws == pytest.approx(bare.draws)


def test_a_critical_batch_takes_the_place_of_the_warning():
    asked = SMALL.model_copy(update={"batch": 512})
    bare, batched = counted(Fitted(LAW), asked), counted(Fitted(LAW, 100.0), asked)
    assert any("batch" in warning for warning in bare.warnings)
    assert batched.warnings == ()
    assert batched.high / batched.low < bare.high / bare.low
    assert batched.value == pytest.approx(bare.value * (1 + 100 / 512) / (1 + 100 / 32))


def test_tables_know_their_batch():
    table, asked = parse(TABLE, "t.csv"), SMALL.model_copy(update={"batch": 64})
    (warning,) = counted(Tabled(table), asked).warnings
    assert "batch 32" in warning
    assert counted(Tabled(table), SMALL).warnings == ()
    found, batched = table.at(SMALL.graph().parameters), counted(Tabled(table, 64.0), asked)
    assert batched.value == pytest.approx(found.value * 2 / 3)


def test_a_critical_batch_needs_a_measured_one():
    table = parse("size,steps\n1,2\n2,1\n", "t.csv")
    with pytest.raises(InputError, match=r"t\.csv"):
        counted(Tabled(table, 64.0), SMALL)


def test_the_critical_batch_takes_twice_the_least_samples():
    least = at_batch(laws.given(1.0), 1e-9, 1e-9, 100.0).value * 1e-9
    assert at_batch(laws.given(1.0), 100.0, 1e-9, 100.0).value * 100.0 == pytest.approx(2 * least)


def batched_law():
    """The shipped law as if batches had been varied."""
    tree = LAW.model_dump(by_alias=True)
    tree["parameters"]["batch_critical"] = {"value": 64.0, "low": 60.0, "high": 70.0}
    tree["center"]["batch"], tree["range"]["batch"], tree["beyond"]["batch"] = 32.0, (16, 512), 0.1
    tree["draws"] = [(*row, 60.0 + n) for n, row in enumerate(tree["draws"])]
    return laws.Law.model_validate(tree)


def test_a_law_that_knows_its_critical_batch_needs_no_other():
    law = batched_law()
    found = counted(Fitted(law), SMALL.model_copy(update={"batch": 256}))
    assert found.critical == 64.0
    assert found.warnings == ()
    least = found.value / (1 + 64 / 256)
    assert counted(Fitted(law), SMALL).value == pytest.approx(least * 3)
    with pytest.raises(InputError, match="its own, 64"):
        counted(Fitted(law, 100.0), SMALL)


def test_a_law_of_a_loss_is_asked_for_that_loss(tmp_path):
    path = tmp_path / "mine.json"
    goal = laws.Goal(kind="absolute_loss", value=2.5)
    path.write_text(LAW.model_copy(update={"goal": goal}).model_dump_json(by_alias=True))
    assert load(str(path), 2.5) == load(str(path))
    with pytest.raises(InputError, match=r"fitted to 2\.5"):
        load(str(path), 2.0)
