"""Plans of rows, and what is taken where a row leaves them open."""

import pytest

from calibration.predict.houses import house_of
from calibration.predict.plans import interleaving, plan_of
from calibration.shapes import TransformerStep
from hwsim.errors import InputError

SHAPE = TransformerStep(
    **{"layers": 24, "hidden": 1024, "heads": 16, "kv_heads": 16, "ffn": 4096, "gated_mlp": False},
    **{"vocab": 51200, "seq": 2048, "global_batch": 64, "micro_batch": 2, "dp": 4, "tp": 1},
    **{"pp": 1, "virtual_pp": 1, "cp": 1, "sequence_parallel": 0, "zero_stage": 0},
    **{"recompute": "none", "attention": "flash"},
)


def planned(source="lab", note="", software=None, **changed):
    assumed = []
    shape = SHAPE.model_copy(update=changed)
    plan, batch = plan_of(shape, source, note, house_of(software), assumed)
    return plan, batch, assumed


def test_a_row_that_says_all_leaves_nothing_open():
    plan, batch, assumed = planned(tp=2, sequence_parallel=True, zero_stage=1)
    assert (plan.dp, plan.tp, plan.micro_batch, plan.zero, batch) == (4, 2, 2, 1, 64)
    assert plan.sequence_parallel
    assert not assumed


def test_an_unstated_micro_batch_is_one_sequence():
    plan, _, assumed = planned(micro_batch=None)
    assert plan.micro_batch == 1
    assert assumed == ["micro-batches are of one sequence"]


def test_a_local_batch_is_cut_in_a_pipeline_only():
    note = "local batch 16 per data-parallel rank"
    assert planned(note=note, micro_batch=None)[0].micro_batch == 16
    assert planned(note=note, micro_batch=None, pp=2)[0].micro_batch == 1


@pytest.mark.parametrize(("batch", "taken"), [(65, 64), (70, 72), (5, 8)])
def test_an_uneven_batch_is_the_nearest_whole_number(batch, taken):
    _, found, assumed = planned(global_batch=batch)
    assert found == taken
    assert any("nearest" in sentence for sentence in assumed)


def test_a_batch_of_less_than_half_a_micro_batch_a_replica_is_refused():
    with pytest.raises(InputError, match="micro_batch x dp is 8"):
        planned(global_batch=3)


@pytest.mark.parametrize(
    ("software", "source", "zero"),
    [
        ("megatron-2021", "narayanan2021", 0),
        ("megatron-deepspeed", "bigscience", 1),
        ("nemo-2024", "nemo-24.07", 1),
        ("fsdp-2023", "llm-foundry", 3),
        (None, "lab", 0),
    ],
)
def test_unstated_sharding_is_the_softwares(software, source, zero):
    plan, _, assumed = planned(source, software=software, zero_stage=None)
    assert plan.zero == zero
    assert any(f"ZeRO {zero}" in sentence for sentence in assumed)


def test_fsdp_in_the_note_shards_parameters():
    assert planned(note="fsdp 4", zero_stage=None)[0].zero == 3
    assert any("not over as many" in one for one in planned(note="fsdp 2", zero_stage=3)[2])
    assert planned(note="fsdp 4", zero_stage=3)[2] == []


def test_rows_are_split_beside_tensor_parallelism_since_2022():
    for software, rows in (("megatron-2021", False), ("megatron-2022", True), ("nemo-2024", True)):
        plan = planned(software=software, tp=2, sequence_parallel=None)[0]
        assert plan.sequence_parallel == rows
    assert not planned(software="nemo-2024", sequence_parallel=None)[0].sequence_parallel


def test_pipelines_of_mlperf_interleave():
    plan, _, assumed = planned("mlperf", pp=4, virtual_pp=None)
    assert (plan.schedule, plan.virtual) == ("interleaved", 3)
    assert "3 chunks a stage, interleaved" in assumed
    assert planned("vtrain", pp=4, virtual_pp=None)[0].virtual == 1


def test_chunks_need_whole_rounds_of_micro_batches():
    plan, _, assumed = planned(pp=4, virtual_pp=2, global_batch=48)
    assert (plan.schedule, plan.virtual) == ("1f1b", 1)
    assert any("whole rounds" in sentence for sentence in assumed)


@pytest.mark.parametrize(
    ("layers", "stages", "chunks"), [(96, 8, 6), (126, 8, 8), (80, 4, 10), (8, 8, 1), (7, 4, 1)]
)
def test_chunks_have_two_layers_or_more(layers, stages, chunks):
    assert interleaving(layers, stages) == chunks


def test_uneven_layers_are_told():
    assert any("count as a layer" in one for one in planned(pp=13)[2])
    assert any("one more" in one for one in planned(pp=5)[2])


def test_exchanges_of_tuned_runs_overlap_products():
    split = {"tp": 2, "sequence_parallel": True}
    for source, software, hidden in (
        ("nemo-24.07", "nemo-2024", True),
        ("megatron-core-r0.8", "megatron-core-2024", True),
        ("simumax-b200", "megatron-core-2024", False),
        ("korthikanti2022", "megatron-2022", False),
    ):
        assert planned(source, software=software, **split)[0].tensor_overlap == hidden
    assert not planned("nemo-24.07", software="nemo-2024")[0].tensor_overlap
    assert not planned("simumax-b200")[0].overlap


def test_notes_tell_how_devices_speak():
    assert planned(note="async tp", tp=2)[0].tensor_overlap
    assert planned(note="cp all-to-all", cp=2)[0].context == "all-to-all"
    assert planned(note="cp all-to-all", cp=3)[0].context == "gather"
