"""Command lines with one or two things wrong: a line here is all that a new command needs."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import oddities
import spoiled

# A word in braces is a door: what comes in there is good, or odd. Options come and go.
STUDY = (
    *("--set {setting}", "--set {setting}", "--calibration {calibration} --borrow"),
    *("--dp {degree}", "--tp {degree}", "--pp {degree}", "--cp {degree}", "--ep {degree}"),
    *("--micro-batch {degree}", "--schedule {word}", "--zero {degree}", "--recompute {word}"),
)
COUNTED = (
    *("--steps {number}", "--tokens {number}", "--epochs {number}", "--critical-batch {number}"),
    *("--law {law}", "--law {counts}", "--law kaplan --target-loss {number}"),
)
MACHINE = "--hw {hardware} --model {model}"
COMMANDS: dict[str, tuple[str, ...]] = {
    f"estimate {MACHINE}": (
        *(*STUDY, *COUNTED, "--vary {variation}", "--vary {variation} --plot {out}", "--json"),
        *("--cite", "--engine closed", "--engine {word}", "{word}"),
    ),
    f"simulate {MACHINE}": (
        *(*STUDY, "--trace {out}", "--plot {out}", "--no-trace", "--detail", "--everyone"),
        *("--jitter {number} --runs 2 --seed {number}", "--straggler {pair}", "--slow-link {pair}"),
        *("--width {number}", "--json"),
    ),
    f"sensitivity {MACHINE} --no-search": (
        *(*STUDY, *COUNTED, "--of {path}", "--json", "--plot {out}", "--engine closed"),
    ),
    f"sweep {MACHINE} --grid {{variation}}": (
        *(*STUDY, *COUNTED, "--grid {variation}", "--paired {variation}", "--out {out}", "--json"),
        *("--random {drawn} --points {number} --sobol", "--seed {number}", "--columns {word}"),
        *("--best {number}", "--events {number}", "--engine {word}", "--plot {out}"),
        *("--jobs 0{number}", "--scheduler {word}", "--resume --out {curves}"),
    ),
    f"search {MACHINE} --devices 4 --set workload.batch=64": (
        *(*COUNTED, "--for {word}", "--fix {setting}", "--over {variation}", "--vary {variation}"),
        *("--deadline {word}", "--budget {word}", "--power {word}", "--keep {number}", "--json"),
        *("--certain {number}", "--set {setting}"),
    ),
    "compare --model {model} {point} {point}": (
        *(*STUDY, *COUNTED, "--pareto {word}", "--json", "--plot {out}", "--engine closed"),
        *("--hw {hardware}", "{point}"),
    ),
    "hardware list": ("--json", "{word}"),
    "hardware show {hardware}": ("--sources", "--json"),
    "hardware check {hardware}": ("{hardware}",),
    "hardware schema {word}": (),
    "software list": ("--json", "{word}"),
    "software show {software}": ("--json",),
    "workload list": ("--json", "{word}"),
    "workload show {model}": ("--set {field}", "--json"),
    "validate {measured}": (
        *("--split {word}", "--device {word}", "--by {word}", "--worst {number}", "--json"),
        *("--anchor {number} --split device", "--without {word}", "--predictions {out}"),
        *("--assumptions {out}", "--plot {out}", "--markdown", "--steps-from {steps}"),
    ),
    "calibrate fit {measured} --out {folder}": ("--device {word}",),
    "calibrate fit --advise --hw {hardware} --model {model}": ("--set {setting}", "--out {out}"),
    "calibrate show {word}": (),
    "converge fit {curves}": (
        *("--loss {number}", "--within {number}", "--patience {number}", "--predict {curves}"),
        *("--predict {curves} --predictions {out}", "--name {word}", "--out {out}", "--json"),
    ),
    "converge fit {steps}": ("--predict {steps}", "--predictions {out}", "--json"),
    "converge status {curves}": ("--json",),
    "reproduce --out {folder} --figures x{word}": ("--json", "--curves {folder}"),
    "{word}": ("{word}", "--{word}", "--version", "--help"),
}
GOOD = {
    "hardware": ("volta", "l4", "h100-sxm-80gb"),
    "model": ("charlm-small", "charlm", "transformer", "resnet", "speech-small"),
    "software": ("megatron-2021", "fsdp-2023"),
    "calibration": ("hwsim/data/calibrations/volta.json",),
    "law": ("charlm-small", "hwsim/data/laws/charlm-small.json"),
    "setting": ("workload.batch=8", "device.memory.bandwidth=1 TB/s"),
    "field": ("batch=8", "dtype=bf16"),
    "variation": ("workload.batch=1:64:3", "device.memory.bandwidth=1 GB/s:1 TB/s:3"),
    "point": ("volta", "hopper", "plan.overlap=false"),
    "path": ("workload.batch", "device.memory.bandwidth"),
    "drawn": ("workload.batch=1:64",),
    "degree": ("1", "2", "8"),
    "number": ("10", "2"),
    "pair": ("0=1.5",),
    "word": ("1f1b", "none", "device", "volta", "events", "hardware", "estimate", "1"),
}
FILES = ("hardware", "software", "calibration", "law", "counts", "steps", "curves", "measured")


class Input(NamedTuple):
    """A command line, its environment and standard input; `kind` is the door that was spoiled."""

    kind: str
    words: tuple[str, ...]
    environment: dict[str, str]
    stdin: bytes
    folder: Path = Path(tempfile.gettempdir())  # where it runs


def draw(rng: random.Random, folder: Path, part: str = "") -> Input:
    """An input of which one or two doors are spoiled; its files, and what it writes, are in
    `folder`.

    It is of a command that has `part` in its line.
    """
    found = [line for line in COMMANDS if part in line]
    base = rng.choices(found, [3 if MACHINE in line else 1 for line in found])[0]
    options = COMMANDS[base]
    chosen = rng.sample(options, min(len(options), rng.choice([0, 1, 1, 2, 3])))
    words = " ".join([base, *chosen]).split()
    doors = [number for number, word in enumerate(words) if "{" in word]
    # Files and names at the front of a line are but one door of many.
    seldom = [number for number in doors if number > len(base.split()) or rng.random() < 0.4]
    seldom = seldom or doors
    odd = set(rng.sample(seldom, min(len(seldom), rng.choice([1, 1, 2, 3]))))
    environment, stdin, kinds = {}, b"", []
    for number in doors:
        kind = words[number].partition("{")[2].partition("}")[0]
        if number not in odd:
            words[number] = words[number].replace(f"{{{kind}}}", _good(kind, rng, folder))
            continue
        kinds.append(kind)
        text = _odd(kind, rng, folder)
        if kind in ("hardware", "model") and rng.random() < 0.08:
            text, stdin = "-", spoiled.spoil(*spoiled.good(_file_kind(kind), rng), rng)
        elif kind == "hardware" and rng.random() < 0.08:
            text, environment = "local", {"HWSIM_DATA": spoiled.local_folder(rng, folder)}
        words[number] = words[number].replace(f"{{{kind}}}", text)
    # No process can be given a NUL.
    given = tuple(word.replace("\0", "") for word in words)
    return Input(" ".join(kinds) or "nothing", given, environment, stdin, folder)


def _file_kind(kind: str) -> str:
    return "workload" if kind == "model" else kind


def _good(kind: str, rng: random.Random, folder: Path) -> str:
    if kind in GOOD:
        found = rng.choice(GOOD[kind])
        return str(spoiled.ROOT / found) if found.endswith(".json") else found
    if kind in ("out", "folder"):
        return str(folder / f"{kind}-{rng.getrandbits(40):x}{'.svg' if kind == 'out' else ''}")
    data, suffix = spoiled.good(kind, rng)
    place = folder / f"good-{rng.getrandbits(40):x}{suffix}"
    place.write_bytes(data)
    return str(place)


def _odd(kind: str, rng: random.Random, folder: Path) -> str:
    if kind in (*FILES, "model"):
        if rng.random() < 0.85:
            return spoiled.write(_file_kind(kind), rng, folder)
        return oddities.text(rng)
    drawn: dict[str, Callable[[], str]] = {
        "setting": lambda: _setting(rng, folder),
        "field": lambda: f"{oddities.path(rng).rpartition('.')[2]}={oddities.text(rng)}",
        "variation": lambda: _variation(rng),
        "point": lambda: _point(rng, folder),
        "drawn": lambda: f"{oddities.path(rng)}={_range(rng)}",
        "path": lambda: oddities.path(rng),
        "degree": lambda: oddities.number(rng),
        "number": lambda: oddities.number(rng),
        "pair": lambda: f"{oddities.number(rng)}={oddities.number(rng)}",
        "word": lambda: oddities.text(rng),
        "out": lambda: _out(rng, folder),
        "folder": lambda: _out(rng, folder),
    }
    return drawn[kind]()


def _setting(rng: random.Random, folder: Path) -> str:
    if rng.random() < 0.1:
        return f"software={spoiled.write('software', rng, folder)}"
    if rng.random() < 0.05:
        return oddities.text(rng)
    if rng.random() < 0.5:
        return "=".join(oddities.sized(rng))
    return f"{oddities.path(rng)}={oddities.text(rng)}"


def _point(rng: random.Random, folder: Path) -> str:
    """Of a comparison: a file, or settings with spaces between them."""
    if rng.random() < 0.4:
        return spoiled.write(rng.choice(["hardware", "estimate"]), rng, folder)
    return " ".join(["volta", *(_setting(rng, folder) for _ in range(rng.randint(0, 2)))])


def _variation(rng: random.Random) -> str:
    if rng.random() < 0.5:
        path, value = oddities.sized(rng)
        number, _, unit = value.partition(" ")
        return f"{path}={number},{oddities.number(rng)} {unit}" if unit else f"{path}=1:{number}:4"
    return f"{oddities.path(rng)}={_range(rng)}"


def _range(rng: random.Random) -> str:
    return rng.choice(oddities.RANGES) if rng.random() < 0.8 else oddities.text(rng)


def _out(rng: random.Random, folder: Path) -> str:
    """Where nothing can be written, or hardly: full disks, folders, odd names; all in `folder`."""
    name = oddities.text(rng)[:80].replace("/", "_").replace("..", "_")
    ends = rng.choice([".svg", ".png", ".json", ".csv", ""])
    device = spoiled.device(rng.choice(["full", "null"]), folder)
    if rng.random() < 0.5:
        return rng.choice([device, str(folder), str(folder / "none" / "x.svg"), "/proc/x.svg", ""])
    return str(folder / f"{name}{ends}")
