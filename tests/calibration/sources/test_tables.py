"""CSV tables: every kind is read back as it was written, and every fault is met with its place."""

from pathlib import Path

import pytest

from calibration.sources import tables
from calibration.sources.tables import TABLES, parse, recognize
from hwsim.errors import InputError

PUBLIC = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
DECODER = (
    "source,device,devices,devices_per_node,intra_link,inter_link,layers,hidden,heads,kv_heads,ffn,"
    "gated_mlp,experts,topk,vocab,seq,dtype,global_batch,micro_batch,dp,tp,pp,virtual_pp,cp,"
    "sequence_parallel,zero_stage,recompute,attention"
)
EXAMPLES = {
    "gemm": (
        "source,device,dtype,engine,batch,m,n,k,transpose_a,transpose_b,timing,seconds",
        "lab,p4,fp32,vector,2,3,4,5,0,1,kernel,1e-5",
    ),
    "convolution": (
        "source,device,dtype,engine,pass,n,c,h,w,k,r,s,pad_h,pad_w,stride_h,stride_w,algorithm,"
        "seconds",
        "lab,p4,fp32,vector,backward_data,4,1,16,20,8,3,5,1,0,2,1,,0.002",
    ),
    "recurrent": (
        "source,device,dtype,engine,cell,pass,hidden,batch,timesteps,seconds",
        "lab,p4,fp32,vector,gru,backward,64,8,10,0.003",
    ),
    "pointwise": (
        "source,device,dtype,op,rows,cols,bytes_moved,timing,seconds",
        "lab,p4,fp32,softmax,10,20,1600,call,4e-6",
    ),
    "collective": (
        "source,device,devices,devices_per_node,intra_link,inter_link,collective,algorithm,bytes,"
        "seconds",
        "lab,p100-sxm2-16gb,16,8,nvlink1,4xib-edr,all_reduce,ring,1048576,0.001",
    ),
    "transformer-step": (
        f"{DECODER},seconds,derived,note",
        "lab,a100-sxm-80gb,4,8,nvlink3-nvswitch,,2,64,4,4,256,0,,,100,16,fp16,8,1,4,1,1,,1,0,1,full,"
        'eager,0.5,1,"two layers, small"',
    ),
    "moe-step": (
        f"{DECODER},head_dim,moe_ffn,shared_experts,ep,seconds,derived,note",
        "lab,gb200,8,72,nvlink5-nvswitch,,2,64,4,4,,1,8,2,100,16,mxfp8,8,1,8,1,1,,1,,1,unknown,flash,"
        "16,32,0,8,0.5,0,",
    ),
    "model-step": (
        "source,device,devices,devices_per_node,intra_link,model,dtype,phase,batch_per_device,"
        "grad_accum,seq_or_image,seconds,note",
        "lab,p4,1,1,,resnet50,fp32,training,16,1,3x224x224,0.2,",
    ),
    "training-run": (
        "source,benchmark,model,device,devices,devices_per_node,global_batch,seq,steps,step_seconds,"
        "run_seconds,run_seconds_min,run_seconds_max,device_seconds,n_runs,note",
        "lab,bert,bert-large,gb200,,4,256,,1000,0.5,520,500,550,4160,5,v1",
    ),
    "steps-to-target": (
        "source,workload,model_params,dataset,target,target_kind,batch,batch_unit,steps,steps_sd,"
        "n_runs",
        "lab,bert,336000000,wiki,0.72,metric,256,sequences,1000,50,7",
    ),
}
RESULTS = ("seconds", "steps", "step_seconds", "steps_sd", "device_seconds", "n_runs")


def table_of(kind, **changed):
    """The example of a kind as CSV text, with some cells changed; `drop` takes a column out."""
    header, row = EXAMPLES[kind]
    names = header.split(",")
    cells = dict(zip(names, row.split(",", len(names) - 1), strict=True)) | changed
    dropped = cells.pop("drop", None)
    cells.pop(dropped, None)
    return ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"


def test_there_is_an_example_of_every_kind():
    assert set(EXAMPLES) == {table.kind for table in TABLES}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_kind_is_recognized_by_its_columns_in_any_order(kind):
    columns = EXAMPLES[kind][0].split(",")
    assert recognize(columns[::-1], "some.csv").kind == kind


@pytest.mark.parametrize("kind", EXAMPLES)
def test_every_cell_is_kept(kind):
    header, row = EXAMPLES[kind]
    (found,) = parse(f"{header}\n{row}\n", "t.csv")
    assert found.shape.kind == kind
    assert found.provenance.source == "lab"
    kept = found.model_dump()
    kept |= kept["shape"] | kept["results"] | kept["provenance"]
    kept["pass"] = kept.get("way")
    if kind == "training-run":
        kept["run_seconds"] = found.seconds
    names = header.split(",")
    for name, cell in zip(names, row.split(",", len(names) - 1), strict=True):
        text = cell.strip('"')
        value = kept[name]
        if not text:
            assert value is None, name
        elif isinstance(value, str):
            assert value == text
        else:
            assert float(value) == float(text), name


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("how", ["empty", "no column"])
def test_blank_results_are_none(kind, how):
    header, row = EXAMPLES[kind]
    names = header.split(",")
    cells = dict(zip(names, row.split(",", len(names) - 1), strict=True))
    blank = [name for name in names if name.startswith(RESULTS) or name.startswith("run_seconds")]
    for name in blank:
        if how == "empty":
            cells[name] = ""
        else:
            del cells[name]
    (found,) = parse(f"{','.join(cells)}\n{','.join(cells.values())}\n", "t.csv")
    assert (found.seconds, found.spread, found.results) == (None, None, {})


def test_repeats_give_the_spread_of_a_run():
    run = parse("\n".join(EXAMPLES["training-run"]), "t.csv")[0]
    count = parse("\n".join(EXAMPLES["steps-to-target"]), "t.csv")[0]
    assert run.spread == pytest.approx(550 / 500 - 1)
    assert count.spread == pytest.approx(0.05)


def test_rows_are_counted_without_empty_lines():
    header, row = EXAMPLES["pointwise"]
    found = parse(
        f"\ufeff{header}\r\n{row}\r\n\r\n , \r\n{row}\r\n".removeprefix("\ufeff"), "t.csv"
    )
    assert [case.row for case in found] == [0, 1]


FAULTS = {
    "an unknown column": ({"kind": "gemm", "depth": "3"}, 'line 1: column "depth"', "unknown"),
    "a missing column": ({"kind": "gemm", "drop": "k"}, "line 1: column k", "nothing"),
    "no whole number": ({"kind": "gemm", "m": "1.5"}, "line 2: m", 'found "1.5"'),
    "words for a number": ({"kind": "gemm", "m": "many"}, "line 2: m", 'found "many"'),
    "a size of zero": ({"kind": "gemm", "n": "0"}, "line 2: n", 'found "0"'),
    "a negative size": ({"kind": "gemm", "k": "-5"}, "line 2: k", 'found "-5"'),
    "a size beyond floats": ({"kind": "gemm", "k": "1" + "0" * 18}, "line 2: k", "found"),
    "a million racks": (
        {"kind": "collective", "devices": "72000000"},
        "line 2: devices",
        "72000000",
    ),
    "a missing size": ({"kind": "gemm", "k": ""}, "line 2: k", "nothing"),
    "no flag": ({"kind": "gemm", "transpose_a": "maybe"}, "line 2: transpose_a", '"maybe"'),
    "an unknown engine": ({"kind": "gemm", "engine": "tensor"}, "line 2: engine", '"tensor"'),
    "an unknown dtype": ({"kind": "gemm", "dtype": "float32"}, "line 2: dtype", '"float32"'),
    "no device": ({"kind": "gemm", "device": ""}, "line 2: device", "nothing"),
    "no source": ({"kind": "gemm", "source": " "}, "line 2: source", "nothing"),
    "an unknown timing": ({"kind": "pointwise", "timing": "wall"}, "line 2: timing", '"wall"'),
    "a time of zero": ({"kind": "gemm", "seconds": "0"}, "line 2: seconds", 'found "0"'),
    "a negative time": ({"kind": "gemm", "seconds": "-1"}, "line 2: seconds", 'found "-1"'),
    "a time that is none": ({"kind": "gemm", "seconds": "nan"}, "line 2: seconds", "nan"),
    "a time with its unit": ({"kind": "gemm", "seconds": "5 ms"}, "line 2: seconds", '"5 ms"'),
    "an infinite run": (
        {"kind": "training-run", "run_seconds": "inf"},
        "line 2: run_seconds",
        "inf",
    ),
    "a bad further result": ({"kind": "training-run", "steps": "x"}, "line 2: steps", '"x"'),
    "an unknown pass": (dict(kind="recurrent", **{"pass": "sideways"}), "line 2: pass", "sideways"),
    "an unknown cell": ({"kind": "recurrent", "cell": "qrnn"}, "line 2: cell", '"qrnn"'),
    "an unknown stage": (
        {"kind": "transformer-step", "zero_stage": "4"},
        "line 2: zero_stage",
        '"4"',
    ),
    "an unknown phase": ({"kind": "model-step", "phase": "eval"}, "line 2: phase", '"eval"'),
    "degrees that don't multiply": (
        {"kind": "transformer-step", "tp": "2"},
        "line 2: devices",
        "dp x tp x pp x cp is 8",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_its_file_line_and_column(fault):
    changed, where, what = FAULTS[fault]
    changed = dict(changed)
    with pytest.raises(InputError) as error:
        parse(table_of(changed.pop("kind"), **changed), "some.csv")
    first = error.value.each[0]
    assert first.where == f"some.csv: {where}"
    assert what in first.what
    assert first.instead


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "empty file"),
        ("a,b\n1,2\n", "of no known table"),
        (EXAMPLES["gemm"][0] + "\n", "no rows"),
        (EXAMPLES["gemm"][0] + "\n1,2\n", "2 cells"),
        ("\n".join(EXAMPLES["gemm"]) + ',"\n', "no proper CSV"),
        (EXAMPLES["gemm"][0] + ",seconds\n", "twice"),
    ],
)
def test_a_text_that_is_no_table_is_refused(text, what):
    with pytest.raises(InputError) as error:
        parse(text, "some.csv")
    assert error.value.where.startswith("some.csv")
    assert what in error.value.each[0].what


def test_all_faults_of_all_rows_are_found():
    header, row = EXAMPLES["gemm"]
    text = f"{header}\n{row.replace('fp32', 'fp31')}\n{row}\n{row.replace(',3,4,5,', ',x,y,5,')}\n"
    with pytest.raises(InputError) as error:
        parse(text, "t.csv")
    places = [fault.where for fault in error.value.each]
    assert places == ["t.csv: line 2: dtype", "t.csv: line 4: m", "t.csv: line 4: n"]


@pytest.mark.parametrize("what", ["missing", "folder", "bytes"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, what):
    path = tmp_path / "t.csv"
    if what == "folder":
        path.mkdir()
    if what == "bytes":
        path.write_bytes(b"source,\xff\xfe")
    with pytest.raises(InputError) as error:
        tables.read(str(path))
    assert str(path) in error.value.where


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the published tables are not here")
def test_every_published_table_is_read_without_a_fault():
    for path in PUBLIC.glob("*.csv"):
        rows = len(path.read_text(encoding="utf-8").splitlines()) - 1
        assert len(tables.read(str(path))) == rows


@pytest.mark.parametrize("kind", ["transformer-step", "moe-step"])
def test_a_step_may_name_its_software(kind):
    header, line = EXAMPLES[kind]
    assert parse(f"{header}\n{line}\n", "t")[0].shape.software is None
    named = f"software,{header}\nnemo-2024,{line}\n,{line}\n"
    assert [one.shape.software for one in parse(named, "t")] == ["nemo-2024", None]
