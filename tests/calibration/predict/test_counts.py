"""Steps of a run from laws of another table."""

import pytest

from calibration.measurement import Measurement, Provenance
from calibration.predict import Prediction, Predictor, Skipped
from calibration.predict.counts import counter
from calibration.shapes import TrainingRun
from hwsim.errors import InputError

HEAD = (
    "source,workload,model_params,dataset,target,target_kind,batch,batch_unit,steps,steps_sd,n_runs"
)
# S = 100 (1 + 8192 / B), and another source's of the same name.
ROWS = [
    *(
        f"mlperf-rcp,bert,,wiki,0.72,metric,{b},sequences,{100 * (1 + 8192 / b)},,"
        for b in (256, 1024, 8192)
    ),
    "other,bert,,squad,0.9,metric,256,sequences,7,,",
]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "steps.csv"
    path.write_text("\n".join([HEAD, *ROWS]) + "\n")
    return str(path)


def run(batch=1024, benchmark="bert", source="mlperf", **fields):
    shape = TrainingRun(benchmark=benchmark, model="bert-large", global_batch=batch, **fields)
    return Measurement(
        shape=shape,
        device="h100-sxm-80gb",
        devices=8,
        devices_per_node=8,
        provenance=Provenance(source=source),
    )


def test_steps_are_those_of_the_law_at_the_runs_batch(table):
    count = counter(table)
    found = count(run(2048).shape, "mlperf")
    assert found.steps == pytest.approx(500, rel=0.1)
    assert 0 < found.spread <= found.tail * 1.5


def test_a_row_of_a_run_is_not_asked_for_its_steps(table):
    predict = Predictor(counter=counter(table))
    one, other = predict(run(steps=900.0)), predict(run(steps=3.0))
    assert isinstance(one, Prediction)
    assert one == other
    plain = Predictor()(run(steps=900.0))
    assert isinstance(plain, Prediction)
    assert one.high / one.low > plain.high / plain.low


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (run(benchmark="gpt3"), "steps: the table has none of gpt3 from mlperf"),
        (run(source="lab"), "steps: the table has none of bert from lab"),
        (run(batch=None), "global_batch: found nothing"),
    ],
)
def test_what_the_table_does_not_tell(table, row, why):
    answer = Predictor(counter=counter(table))(row)
    assert isinstance(answer, Skipped)
    assert answer.why == why


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "gemm.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"gemm\.csv"):
        counter(str(path))
