"""Bad input at the command line: one message, which says where, what was found, what to write."""

import copy
import json
import os
from typing import NamedTuple

import pytest

from hwsim.hardware import catalog

DEVICE = catalog.file_form(catalog.load("l4").device)
SYSTEM = catalog.file_form(catalog.load("volta"))
FILE = "{file}"
BASE = ("estimate", "--hw", "volta", "--model", "charlm", "--steps", "10")


class Fault(NamedTuple):
    """A command line and what its message holds; `content` is that of the file at FILE."""

    name: str
    words: tuple[str, ...]
    fragments: tuple[str, ...]
    content: str | bytes | None = None
    stdin: str | bytes = ""


def changed(tree, path, value):
    """JSON text of a tree with one field set."""
    tree = copy.deepcopy(tree)
    *way, last = path.split(".")
    holder = tree
    for key in way:
        holder = holder[int(key) if key.isdigit() else key]
    holder[last] = value
    return json.dumps(tree)


def hardware(name, content, *fragments):
    words = ("estimate", "--hw", FILE, "--model", "charlm-small", "--steps", "1")
    return Fault(f"hw-{name}", words, ("mine.json", *fragments), content)


def model(name, content, *fragments):
    words = ("estimate", "--hw", "volta", "--model", FILE, "--steps", "1")
    return Fault(f"model-{name}", words, ("mine.json", *fragments), content)


def option(name, *words, fragments):
    return Fault(name, (*BASE, *words), fragments)


def counted(name, *words, fragments):
    return Fault(name, ("estimate", "--hw", "volta", "--model", "charlm", *words), fragments)


def device(name, path, value, *fragments):
    return hardware(name, changed(DEVICE, path, value), path, *fragments)


def system(name, path, value, *fragments):
    return hardware(name, changed(SYSTEM, path, value), path, *fragments)


def setting(name, text, *fragments):
    return option(f"set-{name}", "--set", text, fragments=(text.partition("=")[0], *fragments))


def sweep(name, text, *fragments):
    return option(f"vary-{name}", "--vary", text, fragments=("--vary", *fragments))


RATE = "memory.bandwidth"
EXAMPLE = "900 GB/s"
LOSS = ("--target-loss", "3")
VOLTA_JSON = json.dumps(SYSTEM)
CHARLM_JSON = '{"workload": "charlm", "hidden": 64}'

HARDWARE = [
    device("unit-missing", RATE, "900", "'900'", "without a unit", EXAMPLE),
    device("bare-number", RATE, 900, "900", "without a unit", EXAMPLE),
    device("unit-unknown", RATE, "900 furlongs", "furlongs", EXAMPLE),
    device("bits-for-bytes", "memory.capacity", "16 Gb", "16 Gb", "bits", "16 GiB"),
    device("bits-for-a-memory-rate", RATE, "900 Gb/s", "900 Gb/s", "bits", EXAMPLE),
    device("rate-for-size", "memory.capacity", "24 GiB/s", "24 GiB/s", "bandwidth", "16 GiB"),
    device("size-for-rate", RATE, "900 GB", "number of bytes", EXAMPLE),
    device("time-for-power", "power.limit", "5 us", "5 us", "time", "300 W"),
    device("negative", RATE, "-900 GB/s", "-900 GB/s", "more than zero"),
    device("zero", RATE, "0 GB/s", "0 GB/s", "more than zero"),
    device("nan", RATE, "nan GB/s", "nan GB/s", "finite"),
    device("infinity", RATE, "inf GB/s", "inf GB/s", "finite"),
    device("overflow", "vector.fp32", "1e999 FLOPS", "1e999", "finite"),
    device("bare-nan", RATE, float("nan"), "NaN", "finite"),
    device("bare-infinity", RATE, float("-inf"), "Infinity", "finite"),
    device("bool-for-quantity", RATE, True, "rue", EXAMPLE),
    device("list-for-quantity", RATE, ["900 GB/s"], EXAMPLE),
    device("null-for-needed", RATE, None, "nothing", EXAMPLE),
    device("text-for-object", "memory", "16 GiB", "16 GiB", "capacity, bandwidth"),
    device("text-for-count", "multiprocessors", "many", "many", "whole number"),
    device("fraction-for-count", "multiprocessors", 2.5, "2.5", "whole number"),
    device("bool-for-count", "multiprocessors", True, "true", "whole number"),
    device("huge-count", "multiprocessors", 10**30, "at most 1000000000"),
    device("unknown-key", "memory.bandwith", "900 GB/s", "did you mean 'bandwidth'"),
    device("unknown-key-far", "zzz", 1, "zzz", "memory"),
    system("topology", "node.topology", "ring", '"ring"', "'switch'"),
    system("no-link", "node.link", None, "no link", "bandwidth"),
    system("no-devices", "node.devices", 0, "0", "at least 1"),
    system("pair-twice", "node.pairs", [[0, 1, 1], [0, 1, 1]], "(0, 1)", "once"),
    system("pair-outside", "node.pairs", [[0, 8, 1]], "(0, 8)", "0 to 7"),
    system("oversubscription", "network.0.oversubscription", 0.5, "0.5", "at least 1"),
    system("unknown-device", "device", "v100-sxm2-16g", "v100-sxm2-16g", "v100-sxm2-16gb"),
    system("device-is-a-system", "device", "volta", "volta", "device"),
    hardware("unknown-kind", changed(DEVICE, "kind", "gpu"), "kind", '"gpu"', '"device"'),
    hardware("no-kind", '{"name": "x"}', "kind", '"device"'),
    hardware("empty", "", "empty"),
    hardware("blank", " \n\t ", "empty"),
    hardware("truncated", VOLTA_JSON[:200], "line 1", "cut off"),
    hardware("not-json", "bandwidth: 900", "line 1, column 1", "JSON"),
    hardware("binary", bytes(range(256)), "UTF-8"),
    hardware("latin-1", '{"name": "é"}'.encode("latin-1"), "UTF-8"),
    hardware("deep", "[" * 100_000, "deep"),
    hardware("deep-object", '{"a":' * 100_000, "deep"),
    hardware("key-twice", '{"kind": "device", "kind": "system"}', "kind", "twice", "once"),
    hardware("array", "[]", "[]", "object"),
    hardware("number", "42", "42", "object"),
    hardware("huge-integer", '{"kind": "device", "year": ' + "9" * 5000 + "}", "number"),
    hardware("too-large", " " * (2 << 20), "1 MiB"),
]

MODELS = [
    model("unknown-field", '{"workload": "charlm", "hiden": 64}', "workload.hiden", "hidden"),
    model("wrong-name", '{"workload": "charml"}', "charml", "charlm"),
    model("no-name", '{"hidden": 64}', "workload", "charlm"),
    model("name-is-a-number", '{"workload": 5}', "workload", "5", "charlm"),
    model("text-for-count", '{"workload": "charlm", "hidden": "64"}', "hidden", "64", "number"),
    model("bool-for-count", '{"workload": "charlm", "hidden": true}', "hidden", "rue", "number"),
    model("fraction", '{"workload": "charlm", "hidden": 2.5}', "hidden", "2.5", "whole number"),
    model("zero", '{"workload": "charlm", "batch": 0}', "batch", "0", "more than 0"),
    model("negative", '{"workload": "charlm", "depth": -1}', "depth", "-1", "more than 0"),
    model("huge-count", '{"workload": "charlm", "depth": 1e30}', "depth", "at most"),
    model("nan", '{"workload": "charlm", "learning_rate": NaN}', "NaN", "finite"),
    model("null", '{"workload": "charlm", "hidden": null}', "hidden", "null", "number"),
    model("dtype", '{"workload": "charlm", "dtype": "fp12"}', "dtype", "fp12", "fp16"),
    model("optimizer", '{"workload": "charlm", "optimizer": "adm"}', "optimizer", "adm", "adam"),
    model("heads", '{"workload": "transformer", "heads": 7}', "heads", "7", "768", "write 6"),
    model("labels", '{"workload": "speech", "frames": 9}', "frames", "9", "100"),
    model("empty", "", "empty"),
    model("truncated", '{"workload": "cha', "line 1"),
    model("array", "[1]", "object"),
    model("number", "42", "object"),
    model("deep", "[" * 100_000, "deep"),
    model("key-twice", '{"workload": "charlm", "batch": 1, "batch": 2}', "batch", "twice"),
    model("huge-integer", '{"workload": "charlm", "hidden": ' + "9" * 5000 + "}", "number"),
    model("binary", bytes(range(256)), "UTF-8"),
    model("too-large", " " * (2 << 20), "1 MiB"),
]

OPTIONS = [
    option("dp-does-not-divide", "--dp", "3", fragments=("dp", "3", "128", "2 or 4")),
    option("dp-beyond-the-batch", "--dp", "256", fragments=("dp", "256", "at most 128")),
    option("dp-zero", "--dp", "0", fragments=("dp", "0", "at least 1")),
    option("dp-negative", "--dp", "-8", fragments=("dp", "-8", "at least 1")),
    option("dp-no-number", "--dp", "eight", fragments=("dp", "eight", "whole number")),
    option("dp-fraction", "--dp", "2.5", fragments=("dp", "2.5", "whole number")),
    option("dp-huge", "--dp", str(10**30), fragments=("dp", "at most 10000000")),
    option("dp-twice", "--dp", "8", "--set", "plan.dp=4", fragments=("--dp", "plan.dp", "one of")),
    Fault(
        "dp-beyond-the-machine",
        ("estimate", "--hw", "l4", "--model", "charlm", "--dp", "2"),
        ("dp", "2 devices", "l4 has 1", "at most 1"),
    ),
    Fault(
        "dp-beyond-the-network",
        (*BASE, "--dp", "16", "--set", "network.0.nodes=1"),
        ("dp", "16", "volta has 8", "at most 8"),
    ),
    setting("hardware-field", "device.memory.bandwith=1 TB/s", "bandwith", "bandwidth"),
    setting("hardware-unit", "device.memory.bandwidth=1800", "1800", "without a unit", EXAMPLE),
    setting("hardware-other-unit", "device.memory.bandwidth=5 us", "5 us", "time", EXAMPLE),
    setting("hardware-list", "network.3.latency=1 us", "3", "0 to 0"),
    setting("hardware-below", "device.memory.bandwidth.x=1", "plain value"),
    setting("hardware-object", "device.memory=16 GiB", "object", "capacity, bandwidth"),
    option("set-device", "--set", "device=v100-sxm2", fragments=("v100-sxm2", "v100-sxm2-16gb")),
    setting("peaks", "device.multiprocessors=0", "0", "at least 1"),
    setting("device-link", "device.link.bandwidth=99 GB/s", "node.link.bandwidth='99 GB/s'"),
    setting("workload-field", "workload.hiden=64", "hidden"),
    setting("workload-word", "workload.hidden=wide", "wide", "whole number"),
    setting("workload-fraction", "workload.hidden=6.5", "6.5", "whole number"),
    setting("workload-huge", "workload.hidden=1" + "0" * 30, "at most"),
    setting("workload-endless", "workload.hidden=" + "9" * 5000, "whole number"),
    setting("workload-dtype", "workload.dtype=half", "half", "fp16"),
    setting("workload-dtype-lacking", "workload.dtype=fp8", "fp8", "v100-sxm2-16gb", "fp16"),
    Fault(
        "workload-dtype-bf16-lacking",
        (
            *("estimate", "--hw", "v100-sxm2-16gb", "--model", "charlm"),
            *("--set", "workload.dtype=fp8", "--set", "device.matrix.fp8=200TFLOPS"),
        ),
        ("workload.dtype", "v100-sxm2-16gb", "fp8", "bf16", "device.matrix.bf16"),
    ),
    setting("plan-field", "plan.bukket=1 MiB", "bucket"),
    setting("plan-unit", "plan.bucket=25", "25", "without a unit", "16 GiB"),
    setting("plan-bits", "plan.bucket=25 Mb", "25 Mb", "bits"),
    setting("plan-flag", "plan.overlap=maybe", "maybe", "true or false"),
    setting("plan-deep", "plan.dp=" + "[" * 30_000, "whole number"),
    setting("run-field", "run.start=5 min", "startup"),
    setting("run-unit", "run.startup=5", "without a unit"),
    setting("run-negative", "run.startup=-5 s", "zero or more"),
    setting("run-never", "run.mtbf=0 s", "more than zero"),
    setting("run-alone", "run=5 min", "run."),
    setting("run-every", "run.evaluation_every=0", "more than 0"),
    option("run-half", "--set", "run.checkpoint=1 s", fragments=("run.checkpoint_every", "STEPS")),
    option("run-restart", "--set", "run.restart=1 s", fragments=("run.restart", "run.mtbf")),
    option(
        "run-endless",
        *("--set", "run.mtbf=1 us", "--set", "run.restart=1 h"),
        fragments=("not finite",),
    ),
    setting("root", "devise.memory.bandwidth=1 TB/s", "device.", "workload.", "plan."),
    setting("root-alone", "workload=charlm", "workload."),
    option("set-no-value", "--set", "workload.hidden", fragments=("--set", "PATH=VALUE")),
    option("set-empty", "--set", "workload.hidden=", fragments=("--set", "PATH=VALUE")),
    option("set-no-path", "--set", "=5", fragments=("--set", "=5", "PATH=VALUE")),
    option(
        "set-twice",
        *("--set", "workload.hidden=64", "--set", "workload.hidden=128"),
        fragments=("workload.hidden", "twice", "once"),
    ),
    option(
        "many-layers",
        *("--model", "transformer", "--set", "workload.layers=1000000000"),
        fragments=("layers", "write fewer"),
    ),
    sweep("no-values", "workload.hidden", "PATH=lo:hi:n"),
    sweep("empty", "workload.hidden=", "PATH=lo:hi:n"),
    sweep("no-path", "=1:2:3", "PATH=lo:hi:n"),
    sweep("two-numbers", "workload.hidden=32:64", "32:64", "lo:hi:n"),
    sweep("downward", "workload.hidden=64:32:3", "64:32:3", "0 < lo < hi"),
    sweep("from-zero", "workload.hidden=0:32:3", "0:32:3", "0 < lo < hi"),
    sweep("words", "workload.hidden=a:b:c", "a:b:c", "lo:hi:n"),
    sweep("one-point", "workload.hidden=32:64:1", "n from 2"),
    sweep("too-many-points", "workload.hidden=1:1e9:100000", "1:1e9:100000", "to 10000"),
    sweep("two-units", "device.memory.bandwidth=1 GB/s:1 TB/s:3", "units", "same unit"),
    sweep("range-of-words", "device.memory.technology=1:2:3", "technology", "1:2:3", "a,b,c"),
    sweep("range-of-flags", "plan.overlap=1:2:3", "overlap", "1:2:3", "a,b,c"),
    option("vary-field", "--vary", "workload.hiden=1:8:3", fragments=("hiden", "hidden")),
    option(
        "vary-value", "--vary", "workload.hidden=8,x", fragments=("hidden", "x", "whole number")
    ),
    option(
        "vary-unit", "--vary", "device.memory.bandwidth=1:2:2", fragments=("bandwidth", EXAMPLE)
    ),
    option("plot-alone", "--plot", "x.doc", fragments=("--plot", "x.doc", ".svg")),
    option(
        "plot-suffix",
        *("--vary", "workload.hidden=8,16", "--plot", "x.doc"),
        fragments=("--plot", "x.doc", ".svg"),
    ),
    option("steps-zero", "--steps", "0", fragments=("--steps", "0", "above 0")),
    option("steps-negative", "--steps", "-5", fragments=("--steps", "-5", "above 0")),
    option("steps-nan", "--steps", "nan", fragments=("--steps", "nan", "finite")),
    option("steps-infinite", "--steps", "inf", fragments=("--steps", "inf", "finite")),
    option("steps-word", "--steps", "many", fragments=("--steps", "number")),
    option("steps-beyond-numbers", "--steps", "1.7e308", fragments=("finite", "smaller")),
    option("steps-and-tokens", "--tokens", "5", fragments=("--steps", "--tokens", "one of")),
    option("steps-and-law", "--law", "kaplan", fragments=("--steps", "--law", "one of")),
    option(
        "steps-at-a-loss", "--target-loss", "3", fragments=("--target-loss", "--steps", "--law")
    ),
    option("steps-at-a-batch", "--critical-batch", "9", fragments=("--critical-batch", "--law")),
    counted("law-unknown", "--law", "chinchila", fragments=("--law", "chinchila", "chinchilla")),
    counted("law-lost", "--law", "nowhere.json", fragments=("--law", "nowhere.json", "exists")),
    counted("law-no-loss", "--law", "kaplan", fragments=("--law kaplan", "--target-loss")),
    counted(
        "law-of-no-loss", *LOSS, "--law", "charlm-small", fragments=("--target-loss", "kaplan")
    ),
    counted("law-of-others", *LOSS, "--law", "kaplan", fragments=("charlm", "transformers")),
    counted("loss-without-law", *LOSS, fragments=("--target-loss", "--law")),
    counted("loss-zero", "--target-loss", "0", "--law", "kaplan", fragments=("above 0",)),
    counted("batch-nan", "--critical-batch", "nan", fragments=("--critical-batch", "finite")),
    Fault(
        "batch-without-law",
        ("estimate", "--hw", "volta", "--model", "transformer", "--critical-batch", "64"),
        ("--critical-batch", "transformer", "--law"),
    ),
    Fault(
        "law-is-no-law",
        ("estimate", "--hw", "volta", "--model", "charlm", "--law", FILE),
        ("mine.json: name", "nothing"),
        '{"schema": "hwsim.law/1"}',
    ),
    option("unknown-option", "--nonsense", fragments=("--nonsense", "--help")),
    option("option-without-value", "--dp", fragments=("--dp",)),
    option("extra-word", "more", fragments=("more",)),
]

REFERENCES = [
    Fault("no-command", ("estimat",), ("estimat", "--help")),
    Fault("no-hw", ("estimate", "--model", "charlm"), ("--hw",)),
    Fault("no-model", ("estimate", "--hw", "volta"), ("--model",)),
    Fault("tokens-zero", (*BASE[:-2], "--tokens", "0"), ("--tokens", "0", "above 0")),
    Fault("epochs-negative", (*BASE[:-2], "--epochs", "-1"), ("--epochs", "-1", "above 0")),
    Fault("epochs-infinite", (*BASE[:-2], "--epochs", "1e308"), ("--epochs", "1e+308", "fewer")),
    Fault("hw-unknown", ("estimate", "--hw", "volat", "--model", "charlm"), ("volat", "volta")),
    Fault("hw-near", ("estimate", "--hw", "votla.json", "--model", "charlm"), ("votla", "volta")),
    Fault("hw-missing", ("estimate", "--hw", "no/such.json", "--model", "charlm"), ("no/such",)),
    Fault("hw-folder", ("estimate", "--hw", "/", "--model", "charlm"), ("/", "directory")),
    Fault("hw-nothing", ("estimate", "--hw", "", "--model", "charlm"), ("hardware list",)),
    Fault(
        "model-unknown", ("estimate", "--hw", "volta", "--model", "charml"), ("charml", "charlm")
    ),
    Fault("model-far", ("estimate", "--hw", "volta", "--model", "zzz"), ("zzz", "wordlm")),
    Fault(
        "model-missing", ("estimate", "--hw", "volta", "--model", "no.json"), ("no.json", "file")
    ),
    Fault("model-folder", ("estimate", "--hw", "volta", "--model", "/"), ("/", "directory")),
    Fault("twice-stdin", ("estimate", "--hw", "-", "--model", "-"), ("--hw", "--model", "'-'")),
]

READ = [
    Fault(f"stdin-{option[2:]}-{name}", words, ("standard input", *fragments), stdin=stdin)
    for option, words in (
        ("--hw", ("estimate", "--hw", "-", "--model", "charlm")),
        ("--model", ("estimate", "--hw", "volta", "--model", "-")),
    )
    for name, stdin, fragments in (
        ("junk", "junk", ("line 1, column 1", "JSON")),
        ("empty", "", ("empty",)),
        ("truncated", '{"kind": "dev', ("line 1",)),
        ("array", "[]", ("object",)),
        ("binary", b"\xff\xfe\x00", ("UTF-8",)),
        ("endless", " " * (2 << 20), ("1 MiB",)),
    )
]

DEEP = setting("workload-deep", "workload.hidden=" + "[" * 30_000, "whole number")

HEADER = {
    "schema": "hwsim.curves/1",
    "workload": "charlm-small",
    "setting": {"depth": 2},
    "corpus": {"name": "x", "sha256": "", "characters": 9, "validation": 1, "vocabulary": 3},
    "stop": {"patience": 1.6, "least": 400, "most": 40_000},
    "date": "",
    "machine": "",
    "versions": {},
    "command": "",
}


def training(name, *words, fragments):
    model = () if "--model" in words else ("--model", "charlm-small")
    return Fault(f"run-{name}", ("converge", "run", *model, "--out", FILE, *words), fragments)


TRAINING = [
    training("no-axis", "--vary", "workload.bins=1,2", fragments=("bins", "workload.hidden,")),
    training("axis", "--vary", "workload.depth=1,x", fragments=("depth", '"x"', "whole number")),
    training("device", "--device", "tpu", fragments=("--device", "tpu", "cpu or cuda")),
    *(
        training(
            f"scheduler-{name}", "--scheduler", text, fragments=(text, "--scheduler", "tcp://HOST")
        )
        for name, text in (
            ("no-scheme", "localhost:8786"),
            ("no-port", "tcp://localhost"),
            ("scheme", "http://localhost:8786"),
            ("port", "tcp://localhost:65536"),
            ("zero", "tcp://localhost:0"),
            ("path", "tcp://localhost:8786/status"),
            ("empty", ""),
        )
    ),
    training("manifest", "--model", "speech-small", fragments=("--corpus", "manifest")),
    training("words", "--vary", "workload.hidden=8,x", fragments=("8,x", "whole numbers above 0")),
    training("zero", "--vary", "workload.dataset=0,9", fragments=("0,9", "whole numbers above 0")),
    training("one-point", "--vary", "workload.hidden=8:9:1", fragments=("8:9:1", "n from 2")),
    training("no-text", "--vary", "workload.dataset=30", fragments=("found 30", "960 to")),
    training("model", "--model", "charml", fragments=("charml", "charlm")),
    training(
        "other-model", "--model", "transformer", fragments=("--model", "transformer", "speech")
    ),
    training("seeds", "--seeds", "0", fragments=("--seeds", "1")),
    training("patience", "--patience", "nan", fragments=("--patience", "1.05")),
    training("steps", "--max-steps", "9", fragments=("--min-steps", "400", "--max-steps 9")),
    training("corpus", "--corpus", "/no.txt", fragments=("/no.txt", "found no file")),
    training("hidden", "--set", "workload.hidden=8", fragments=("hidden", "--vary")),
    training("dataset", "--set", "workload.dataset=8", fragments=("dataset", "--vary")),
    training("own-corpus", "--set", "workload.corpus=x", fragments=("corpus", "--corpus FILE")),
    training("symbols", "--set", "workload.vocabulary=9", fragments=("vocabulary", "--corpus")),
    training("half", "--set", "workload.dtype=fp16", fragments=("dtype", "fp16", "fp32")),
    training("hardware", "--set", "nodes=2", fragments=("nodes", "workload.FIELD")),
]

CURVES = [
    Fault(f"{command}-{name}", ("converge", command, FILE), ("mine.json", *fragments), content)
    for command in ("status", "fit")
    for name, content, fragments in (
        ("empty", "", ("header",) if command == "status" else ("empty file", "run,parameters")),
        ("junk", "junk", ("line 1", "JSON") if command == "status" else ("'run'", "campaign")),
        ("binary", b"\xff\xfe\x00", ("not UTF-8",)),
        ("schema", changed(HEADER, "schema", "x"), ("schema", "hwsim.curves/1")),
        ("stop", changed(HEADER, "stop", 3), ("line 1: stop", "3", "patience, least, most")),
        ("no-stop", changed(HEADER, "stop", {}), ("line 1: stop.patience", "nothing", "number")),
        ("patience", changed(HEADER, "stop.patience", 1), ("stop.patience", "more than 1")),
        ("setting", changed(HEADER, "setting", [1]), ("line 1: setting", "[1]", "object")),
        ("workload", changed(HEADER, "workload", 3), ("line 1: workload", "3", "text")),
        ("corpus", changed(HEADER, "corpus.vocabulary", "x"), ("corpus.vocabulary", "whole")),
    )
]

FAULTS = [*HARDWARE, *MODELS, *OPTIONS, *REFERENCES, *READ, DEEP, *TRAINING, *CURVES]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_one_clear_message(hwsim, tmp_path, fault):
    if fault.words[0] == "converge":
        pytest.importorskip("torch")
        pytest.importorskip("scipy")
    path = tmp_path / "mine.json"
    if fault.content is not None:
        text = fault.content
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    words = (word.replace(FILE, str(path)) for word in fault.words)
    code, out, err = hwsim(*words, stdin=fault.stdin)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    shown = err.replace(str(tmp_path), "")
    assert [text for text in fault.fragments if text not in shown] == []
    assert len(shown) < 500


@pytest.mark.parametrize("option", ["--hw", "--model"])
def test_a_file_that_may_not_be_read_is_named(hwsim, tmp_path, option):
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    path = tmp_path / "mine.json"
    path.write_text(VOLTA_JSON)
    path.chmod(0)
    words = {"--hw": "volta", "--model": "charlm"} | {option: str(path)}
    code, out, err = hwsim("estimate", *(word for pair in words.items() for word in pair))
    assert (code, out) == (2, "")
    assert "mine.json" in err


def test_several_faults_are_counted_and_one_is_shown(hwsim, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"kind": "device", "name": 5}')
    code, out, err = hwsim("estimate", "--hw", str(path), "--model", "charlm")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "more" in err


def test_what_is_right_has_no_message(hwsim):
    for stdin, words in ((VOLTA_JSON, ("-", "charlm-small")), (CHARLM_JSON, ("volta", "-"))):
        command = ("estimate", "--hw", words[0], "--model", words[1], "--steps", "1")
        code, out, err = hwsim(*command, stdin=stdin)
        assert (code, err) == (0, "")
        assert out
