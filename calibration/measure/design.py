"""What is measured at a place: the cases in order, and about how long they take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from calibration.measure import kernel_design, step_design
from calibration.measure.clock import LEAST
from calibration.measure.place import Place
from calibration.measure.steps import workload_of
from calibration.measurement import Case
from calibration.predict.basis import dtype_of
from calibration.predict.kernels import kernels_of
from calibration.shapes import Collective, Launch, Shape, Update, WorkloadStep
from hwsim.errors import InputError
from hwsim.graph.dtypes import BYTES, Dtype
from hwsim.graph.ops import Kernel

_FORMATS: dict[str, Dtype] = {"fp32": "fp32", "tf32": "tf32", "bf16": "bf16"}
DTYPES = tuple(_FORMATS)
GRIDS = {
    "gemm": kernel_design.gemms,
    "convolution": kernel_design.convolutions,
    "recurrent": kernel_design.recurrences,
    "pointwise": kernel_design.pointwise,
    "attention": kernel_design.attentions,
    "update": kernel_design.updates,
    "launch": kernel_design.launches,
}
KINDS = (*GRIDS, "collective", "workload-step")
# No products, which are what tf32 is for; and what is always done in fp32.
WITHOUT_TF32 = ("pointwise",)
FP32_ALONE = ("update", "launch", "collective")
WITH_ENGINE = ("gemm", "convolution", "recurrent")
MATRIX = ("tf32", "bf16", "fp16")
# Of every group each so manieth case, if it is so short; grids are 2, 3 and 4 wide. Caches take
# more sizes to tell, and the steps of a workload have three parameters.
QUICK_STRIDE, QUICK_STRIDES = 5, {"pointwise": 2, "workload-step": 2}
QUICK_SECONDS = 0.35
KERNEL_ROUNDS, STEP_ROUNDS = 15, 9
WARM_UP = 3  # samples beside the rounds
# What a thread of a CPU and a GPU do at least, only to say how long it may take: FLOP/s, bytes/s,
# seconds to start a kernel and to set up a case.
CPU_SPEED = (4e10, 1e10, 2e-6, 0.02)
GPU_SPEED = (1e13, 5e11, 1e-5, 0.1)
TEAM_SECONDS = 10.0  # to start processes


def cases(
    place: Place, dtypes: Sequence[str], kinds: Sequence[str], *, quick: bool = False
) -> list[Case]:
    """All cases once, format by format and kind by kind; part of them if `quick`."""
    found: list[Case] = []
    for dtype in dtypes:
        for kind in KINDS:
            if kind not in kinds or (kind in WITHOUT_TF32 and dtype == "tf32"):
                continue
            if kind in FP32_ALONE and dtype != "fp32":
                continue
            for group in _groups(kind, place, dtype):
                short = [case for case in group if seconds(case, place) < QUICK_SECONDS]
                stride = QUICK_STRIDES.get(kind, QUICK_STRIDE)
                found += short[::stride] if quick else group
    return list(dict.fromkeys(found))  # grids meet


def _groups(kind: str, place: Place, dtype: str) -> Iterator[list[Case]]:
    """Groups of like cases, of one timing each."""
    if kind == "collective":
        if place.devices > 1:
            yield from (_spread(place, group, dtype) for group in kernel_design.collectives())
    elif kind == "workload-step":
        alone = (step_design.CPU, step_design.LARGE) if place.cuda else (step_design.CPU,)
        for sizes in alone:
            yield from (_cases(place, group, dtype, "call") for group in step_design.steps(sizes))
        if place.devices > 1:
            groups = step_design.steps(step_design.SPREAD, max(place.devices // 2, 1))
            yield from (_spread(place, group, dtype) for group in groups)
    else:
        for group in GRIDS[kind](place.cuda, int(BYTES[_FORMATS[dtype]])):
            for timing in ("kernel", "call"):
                timed = [shape for shape in group if timing in _timings(place, shape)]
                yield _cases(place, timed, dtype, timing)


def _timings(place: Place, shape: Shape) -> tuple[str, ...]:
    """A CPU's host is the device; what is captured has no host, and foreach can't be captured."""
    if isinstance(shape, Launch):
        return ("kernel",) if shape.mode == "graph" else ("call",)
    if not place.cuda or (isinstance(shape, Update) and shape.how == "foreach"):
        return ("call",)
    return ("kernel", "call")


def _cases(place: Place, group: Sequence[Shape], dtype: str, timing: str) -> list[Case]:
    engine = "matrix" if dtype in MATRIX else "vector"
    return [
        Case.model_validate(
            {
                "shape": shape,
                "device": place.name,
                "dtype": dtype,
                "engine": engine if shape.family in WITH_ENGINE else None,
                "timing": timing,
            }
        )
        for shape in group
    ]


def _spread(place: Place, group: Sequence[Shape], dtype: str) -> list[Case]:
    """On all devices of this one node; what links a node's GPUs can't be told from here."""
    link = None if place.cuda else "gloo"
    spread = {"devices": place.devices, "devices_per_node": place.devices, "intra_link": link}
    return [case.model_copy(update=spread) for case in _cases(place, group, dtype, "call")]


def rounds(case: Case) -> int:
    """Samples that are taken of it."""
    return STEP_ROUNDS if isinstance(case.shape, WorkloadStep) else KERNEL_ROUNDS


def expected(case: Case, place: Place) -> float:
    """About how many seconds its measurement takes."""
    setup = (GPU_SPEED if place.cuda else CPU_SPEED)[-1]
    try:
        once = seconds(case, place)
    except InputError:  # it will be skipped
        return setup
    return setup + (rounds(case) + WARM_UP) * max(LEAST, once)


def seconds(case: Case, place: Place) -> float:
    """About how long it runs once, at the least: a plain sum of work over slow rates.

    Raises InputError for a case that can't be.
    """
    rate, bandwidth, start, _ = GPU_SPEED if place.cuda else CPU_SPEED
    shape = case.shape
    if isinstance(shape, Launch):
        return start
    if isinstance(shape, Collective):
        return shape.bytes / bandwidth
    dtype = dtype_of(case)
    kernels: list[Kernel]
    if isinstance(shape, WorkloadStep):
        workload = workload_of(shape)
        graph = workload.graph(max(workload.batch // (case.devices or 1), 1))
        kernels = [*graph.forward(), *graph.backward(), *graph.update()]
    else:
        kernels = kernels_of(shape, dtype)
    size = BYTES[dtype]
    return sum(
        kernel.repeat
        * (
            start
            + kernel.flops / rate
            + kernel.elements * (kernel.element_bytes or size) / bandwidth
        )
        for kernel in kernels
    )
