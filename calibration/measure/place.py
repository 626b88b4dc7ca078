"""Where is measured: the device, its name in the catalog, and what a measurement says of it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from calibration.measurement import Provenance
from hwsim.errors import InputError, SurroundingsError
from hwsim.hardware import catalog
from hwsim.userdata import LOCAL

PROCESSES = 2  # that collectives on a CPU span
TENSOR_CORES_OF_TF32 = (8, 0)
# A driver keeps some memory for itself, and data sheets write GB for GiB.
MEMORY_TOLERANCE = 0.1
# What torch calls a device, less "NVIDIA", "Tesla" and "GeForce" -> its name in the catalog.
NAMES = {
    "a10": "a10",
    "a100-pcie-40gb": "a100-pcie-40gb",
    "a100 80gb pcie": "a100-pcie-80gb",
    "a100-sxm4-40gb": "a100-sxm-40gb",
    "a100-sxm4-80gb": "a100-sxm-80gb",
    "a30": "a30",
    "rtx a6000": "a6000",
    "b200": "b200-sxm",
    "gb200": "gb200",
    "gb300": "gb300",
    "gh200 480gb": "gh200",
    "gtx 1080": "gtx1080",
    "gtx 1080 ti": "gtx1080ti",
    "h100 pcie": "h100-pcie-80gb",
    "h100 80gb hbm3": "h100-sxm-80gb",
    "h200": "h200-sxm",
    "l4": "l4",
    "l40s": "l40s",
    "m40 24gb": "m40",
    "p4": "p4",
    "p100-pcie-16gb": "p100-pcie-16gb",
    "p100-sxm2-16gb": "p100-sxm2-16gb",
    "quadro rtx 8000": "quadro-rtx8000",
    "rtx 2080 ti": "rtx2080ti",
    "rtx 3090": "rtx3090",
    "rtx 4090": "rtx4090",
    "rtx 6000 ada generation": "rtx6000ada",
    "t4": "t4",
    "titan v": "titanv",
    "gtx titan x": "titanx-maxwell",
    "titan x (pascal)": "titanx-pascal",
    "titan xp": "titanxp",
    "v100-pcie-16gb": "v100-pcie-16gb",
    "v100-pcie-32gb": "v100-pcie-32gb",
    "v100-sxm2-16gb": "v100-sxm2-16gb",
    "v100-sxm2-32gb": "v100-sxm2-32gb",
    "v100-sxm3-32gb": "v100-sxm3-32gb",
    "amd instinct mi250x": "mi250x-gcd",
    "amd instinct mi300x": "mi300x",
}
MAKERS = ("nvidia ", "tesla ", "geforce ")


@dataclass(frozen=True)
class Place:
    """torch's name of the device (cpu, cuda:0) and the catalog's (or `local`), threads of a CPU,
    devices that a collective spans, and whether products can run in tf32 and bf16."""

    device: str
    name: str = LOCAL
    threads: int = 1
    devices: int = 1
    tensor_cores: bool = False

    @property
    def cuda(self) -> bool:
        return self.device != "cpu"


def find(device: str | None, threads: int) -> Place:
    """The device of this name; by default the first GPU, or the CPU where there is none.

    Raises InputError for a device or number of threads that can't be, SurroundingsError for a GPU
    where torch finds none.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores is not None and threads > cores:
        raise InputError("--threads", f"found {threads}, but {cores} cores", "write fewer")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = device or ("cuda" if gpus else "cpu")
    if device == "cpu":
        return Place("cpu", threads=threads, devices=PROCESSES)
    kind, _, number = device.partition(":")
    if kind != "cuda" or (number and not number.isdecimal()) or device.endswith(":"):
        raise InputError("--device", f"found '{device}'", "write cpu, cuda or cuda:N")
    if not gpus:
        raise SurroundingsError("--device", "torch finds no CUDA device", "write --device cpu")
    index = int(number or 0)
    if index >= gpus:
        raise InputError("--device", f"found '{device}', but {gpus} devices", "write cuda:0")
    found = torch.cuda.get_device_properties(index)
    return Place(
        f"cuda:{index}",
        catalog_name(found.name, found.total_memory),
        threads,
        gpus,
        (found.major, found.minor) >= TENSOR_CORES_OF_TF32,
    )


def catalog_name(name: str, memory: float) -> str:
    """The catalog's name of the device that torch calls `name` and that has `memory` bytes.

    `local` where the catalog has none such, as of a part of a divided GPU.

    >>> catalog_name("Tesla V100-SXM2-16GB", 16.9e9), catalog_name("Tesla V100-SXM2-16GB", 8e9)
    ('v100-sxm2-16gb', 'local')
    """
    short = name.lower()
    for maker in MAKERS:
        short = short.removeprefix(maker)
    known = NAMES.get(short)
    if known is None:
        return LOCAL
    capacity = catalog.load(known).device.memory.capacity
    return known if abs(memory / capacity - 1.0) <= MEMORY_TOLERANCE else LOCAL


def provenance(place: Place, command: str) -> Provenance:
    """What every measurement of this place says; the name of the host is no part of it."""
    threads = f"{place.threads} thread{'s' if place.threads > 1 else ''}"
    return Provenance(
        source="local",
        machine=f"{_gpu(place)} on {_processor()}" if place.cuda else _processor(),
        versions=_versions(place),
        date=datetime.now(UTC).date().isoformat(),
        note=f"{threads}, warm caches; {command}",
    )


def conditions(stated: Provenance) -> dict[str, str | None]:
    """What two measurements must share to stand in one file."""
    note = stated.note.partition(";")[0] if stated.note else None
    return {"machine": stated.machine, "versions": stated.versions, "note": note}


def _processor() -> str:
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = named[0] if named else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB"


def _gpu(place: Place) -> str:
    found = torch.cuda.get_device_properties(place.device)
    query = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    try:
        asked = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True)
        driver = f", driver {asked.stdout.split()[0]}"
    except (OSError, subprocess.SubprocessError, IndexError):
        driver = ""
    return f"{found.name}, {found.total_memory / 2**30:.0f} GiB{driver}"


def _versions(place: Place) -> str:
    told = [f"python {platform.python_version()}", f"torch {torch.__version__}"]
    if place.cuda:
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        told += [f"CUDA {torch.version.cuda}", f"cuDNN {cudnn}"]
    return ", ".join(told)


@contextmanager
def settled(place: Place) -> Iterator[None]:
    """Threads as they should be and denormals flushed, since they slow a CPU down by far.

    On a GPU all runs on one stream that can be captured: a backward pass follows the stream of its
    forward pass.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(place.threads)
    torch.set_flush_denormal(True)
    try:
        if not place.cuda:
            yield
            return
        with torch.cuda.device(place.device):
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            with torch.cuda.stream(stream):
                yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)


def set_precision(place: Place, dtype: str | None) -> None:
    """fp32 is fp32 and tf32 is tf32 from now on, in all of torch's libraries."""
    if place.cuda:
        how = "tf32" if dtype == "tf32" else "ieee"
        torch.backends.cuda.matmul.fp32_precision = how
        torch.backends.cudnn.conv.fp32_precision = how  # type: ignore[attr-defined]
        torch.backends.cudnn.rnn.fp32_precision = how  # type: ignore[attr-defined]
