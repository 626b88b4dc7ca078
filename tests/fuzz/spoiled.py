"""Good files of every kind that hwsim reads, and what may have become of them."""

from __future__ import annotations

import json
import os
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import oddities

from hwsim.estimation import estimate
from hwsim.graph.workload import load
from hwsim.hardware import catalog

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "hwsim"
DEVICES = {"null": 3, "zero": 5, "full": 7}  # minor numbers
WORKLOADS = (
    {"workload": "charlm", "hidden": 64, "depth": 3, "sequence": 12, "vocabulary": 40, "batch": 8},
    {"workload": "transformer", "layers": 2, "hidden": 64, "heads": 4, "sequence": 16, "batch": 8},
    {"workload": "resnet", "batch": 8},
    {"workload": "speech", "hidden": 32, "layers": 2, "frames": 40, "labels": 8, "bins": 32},
)
TABLES = {
    "gemm": "source,device,dtype,engine,batch,m,n,k,transpose_a,transpose_b,timing,seconds\n"
    "deepbench,titanx-maxwell,fp32,vector,1,1760,16,1760,0,0,kernel,0.000182\n"
    "deepbench,v100-pcie-16gb,fp16,matrix,1,512,512,512,0,1,kernel,0.0000182\n",
    "recurrent": "source,device,dtype,engine,cell,pass,hidden,batch,timesteps,seconds\n"
    "deepbench,titanx-maxwell,fp32,vector,rnn,forward,1760,16,50,0.007769\n",
    "conv": "source,device,dtype,engine,pass,n,c,h,w,k,r,s,pad_h,pad_w,stride_h,stride_w,algorithm,"
    "seconds\n"
    "deepbench,titanx-maxwell,fp32,vector,forward,4,1,161,700,32,5,20,0,0,2,2,"
    "implicit_precomp_gemm,0.000211\n",
    "collectives": "source,device,devices,devices_per_node,intra_link,inter_link,collective,"
    "algorithm,bytes,seconds\n"
    "deepbench,titanx-maxwell,2,2,pcie3-dualroot,,all_reduce,nccl2,400000,0.00010887\n",
    "pointwise": "source,device,dtype,op,rows,cols,bytes_moved,timing,seconds\n"
    "neusight,a100-pcie-40gb,fp32,add,1048576,2048,25769803776,call,0.01895649\n",
}
STEPS = (
    "source,workload,model_params,dataset,target,target_kind,batch,batch_unit,steps,steps_sd,n_runs\n"
    + "".join(
        f"own,bert,336000000,wiki,0.72,metric,{64 * 2**i},sequences,{20000 / 2**i + 900},30,20\n"
        for i in range(5)
    )
)
CURVES = "run,parameters,data,batch,step,loss\n" + "".join(
    f"m{m}-d{d},{m},{d},8,{s},{3 + abs(s - 60 * d / m) / 50}\n"
    for m in (1000, 2000, 4000, 8000)
    for d in (1000, 4000)
    for s in range(20, 400, 20)
)
COUNTS = "size,steps,low,high\n1e5,9000,8000,10000\n1e6,4000,3900,4200\n1e7,2500,2400,2600\n"


def good(kind: str, rng: random.Random) -> tuple[bytes, str]:
    """The content of a good file of a kind, and how its name ends."""
    return _READERS[kind](rng)


def write(kind: str, rng: random.Random, folder: Path) -> str:
    """The path of a file of a kind that is spoiled, or of what is no file at all."""
    if rng.random() < 0.08:
        return _no_file(rng, folder)
    data, suffix = good(kind, rng)
    if rng.random() < 0.1:
        suffix = rng.choice(["", ".json", ".csv", ".txt"])
    place = (
        folder / f"{rng.choice(['mine', 'm[red]y', 'a b', 'é$x$'])}-{rng.getrandbits(40):x}{suffix}"
    )
    place.write_bytes(spoil(data, suffix, rng))
    return str(place)


def spoil(data: bytes, suffix: str, rng: random.Random) -> bytes:
    """The content with one to three faults."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if rng.random() < 0.6:
            data = (_in_json if suffix in (".json", ".jsonl") else _in_cells)(data, rng)
        else:
            data = rng.choice(_BYTES)(data, rng)
    return data


def _no_file(rng: random.Random, folder: Path) -> str:
    loop, link = folder / "loop.json", folder / "link.json"
    for place, target in ((loop, loop), (link, folder / "none.json")):
        if not place.is_symlink():
            place.symlink_to(target)
    closed = folder / "closed.json"
    closed.write_text("{}")
    closed.chmod(0)
    names = (folder, loop, link, closed, folder / "none.json", loop / "x.json")
    devices = [device(name, folder) for name in DEVICES]
    return rng.choice([*map(str, names), *devices, "x" * 5000 + ".json", "\udcff.json"])


def device(name: str, folder: Path) -> str:
    """A device in the folder, so that a program that replaces it harms no one; else a missing file.

    A superuser makes it; for others, who can't replace a machine's device, it is a link to that.
    """
    place = folder / f"{name}.csv"
    if not place.is_symlink() and not place.exists():
        if os.geteuid():
            place.symlink_to(f"/dev/{name}")
        else:
            with suppress(OSError):
                os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, DEVICES[name]))
    return str(place)


def _shipped(*folders: str) -> Callable[[random.Random], tuple[bytes, str]]:
    def read(rng: random.Random) -> tuple[bytes, str]:
        places = [p for folder in folders for p in sorted((SHIPPED / folder).glob("*.json"))]
        return rng.choice(places).read_bytes(), ".json"

    return read


def _curves(rng: random.Random) -> tuple[bytes, str]:
    if rng.random() < 0.5:
        return CURVES.encode(), ".csv"
    lines = (ROOT / "calibration/data/markov.jsonl").read_bytes().splitlines(keepends=True)
    return b"".join(lines), ".jsonl"


def _measured(rng: random.Random) -> tuple[bytes, str]:
    if rng.random() < 0.7:
        return TABLES[rng.choice(sorted(TABLES))].encode(), ".csv"
    with open(ROOT / "calibration/data/cpu-epyc.jsonl", "rb") as stream:
        return b"".join(stream.readline() for _ in range(4)), ".jsonl"


@lru_cache
def _estimate() -> bytes:
    asked = estimate(catalog.load("volta"), load("charlm-small"), steps=10)
    return json.dumps(asked.record()).encode()


def _local(rng: random.Random) -> tuple[bytes, str]:
    device = json.loads(rng.choice(_DEVICES).read_text())
    calibration = json.loads((SHIPPED / "data/calibrations/volta.json").read_text())
    system = {"kind": "system", "name": "local", "description": "", "device": device["name"]}
    tree = {"schema": "hwsim.local/1", "system": system, "calibration": calibration}
    return json.dumps(tree).encode(), ".json"


_DEVICES = sorted((SHIPPED / "hardware/data/devices").glob("*.json"))
_READERS: dict[str, Callable[[random.Random], tuple[bytes, str]]] = {
    "hardware": _shipped("hardware/data/devices", "hardware/data/systems"),
    "estimate": lambda _: (_estimate(), ".json"),
    "software": _shipped("software/data"),
    "calibration": _shipped("data/calibrations"),
    "law": _shipped("data/laws"),
    "workload": lambda rng: (json.dumps(rng.choice(WORKLOADS)).encode(), ".json"),
    "counts": lambda _: (COUNTS.encode(), ".csv"),
    "steps": lambda _: (STEPS.encode(), ".csv"),
    "curves": _curves,
    "measured": _measured,
    "local": _local,
}


def _flip(data: bytes, rng: random.Random) -> bytes:
    found = bytearray(data or b"x")
    for _ in range(rng.randint(1, 4)):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _doubled(data: bytes, rng: random.Random) -> bytes:
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:b] + data[a:]


def _recoded(data: bytes, rng: random.Random) -> bytes:
    code = rng.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
    return data.decode("utf-8", "replace").encode(code)


def _sown(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    seed = rng.choice(
        [b"\0", b"\xff\xfe", b"\x1b[31m", b"\r", b"\n\n", b'"', b"\xe2\x80\xae", b","]
    )
    return data[:place] + seed * rng.choice([1, 1, 50]) + data[place:]


def _other(data: bytes, rng: random.Random) -> bytes:
    deep = rng.choice([50, 900, 100_000])
    return rng.choice(
        [
            *(
                b"",
                b" \n",
                b"\0" * 4096,
                rng.randbytes(2000),
                b"[" * deep,
                b"[" * deep + b"]" * deep,
            ),
            *(
                b'{"a":' * deep + b"1" + b"}" * deep,
                b"null",
                b"[]",
                b"{}",
                b"1e999",
                b"\xef\xbb\xbf",
            ),
            *(b"a," * 100_000 + b"\n", data * 30, data.replace(b"\n", b"\r"), b"9" * 6000),
        ]
    )


_BYTES = (_flip, _flip, _cut, _cut, _doubled, _recoded, _sown, _other)


def _in_json(data: bytes, rng: random.Random) -> bytes:
    """One leaf, key or object of a JSON file, or of a line of JSON Lines, made odd."""
    lines = data.splitlines() if data.count(b"\n{") else [data]
    number = rng.randrange(max(len(lines), 1)) if rng.random() < 0.7 else 0
    try:
        tree = json.loads(lines[number])
        places = list(_places(tree))
        holder, key = rng.choice(places)
    except (ValueError, IndexError, RecursionError):
        return _flip(data, rng)
    kind = rng.random()
    if kind < 0.3:
        holder[key] = _scaled(holder[key], rng)
    elif kind < 0.55:
        holder[key] = oddities.value(rng)
    elif kind < 0.7:
        del holder[key]
    elif isinstance(holder, dict):
        holder[oddities.text(rng)] = holder[key]
    try:
        text = json.dumps(tree, ensure_ascii=rng.random() < 0.5)
        if kind >= 0.9 and isinstance(key, str):
            pair = json.dumps(key)
            text = text.replace(pair + ":", f"{pair}: 1, {pair}:", 1)
        lines[number] = text.encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return _flip(data, rng)
    return b"\n".join(lines) + b"\n"


def _scaled(value: Any, rng: random.Random) -> Any:
    """A number, or one before a unit, that is far larger or smaller; other values as they are."""
    power = rng.choice([-300, -30, -9, -3, 3, 9, 30, 300])
    if isinstance(value, str):
        number, space, unit = value.partition(" ")
        return f"{number}e{power}{space}{unit}" if number[:1].isdigit() else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return value * 10**power if isinstance(value, int) and power > 0 else value * 10.0**power


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, inner in items:
        yield tree, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


def _in_cells(data: bytes, rng: random.Random) -> bytes:
    """One cell of a CSV file made odd, a column dropped, or a line doubled."""
    lines = [line.split(",") for line in data.decode("utf-8", "replace").splitlines()]
    if not lines:
        return data
    row = rng.randrange(len(lines)) if rng.random() < 0.8 else 0
    column = rng.randrange(len(lines[row]))
    kind = rng.random()
    if kind < 0.3:
        lines[row][column] = oddities.number(rng)
    elif kind < 0.7:
        lines[row][column] = oddities.text(rng)
    elif kind < 0.8:
        lines = [[*line[:column], *line[column + 1 :]] for line in lines]
    else:
        lines.insert(row, list(lines[row]))
    text = "\n".join(",".join(line) for line in lines) + "\n"
    return text.encode("utf-8", "surrogatepass")


def local_folder(rng: random.Random, folder: Path) -> str:
    """A folder for HWSIM_DATA whose file of this machine is spoiled."""
    place = folder / f"data-{rng.getrandbits(40):x}"
    os.makedirs(place)
    data, suffix = good("local", rng)
    (place / "local.json").write_bytes(spoil(data, suffix, rng))
    return str(place)
