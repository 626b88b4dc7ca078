"""Which kernels are measured: grids of shapes in groups, from a few microseconds upwards.

`large` adds what only an accelerator does in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from calibration.measure.kernels import BINARY, OPS
from calibration.shapes import (
    AttentionCore,
    Collective,
    Convolution,
    Gemm,
    Launch,
    Pointwise,
    Recurrent,
    Shape,
    Update,
)

Group = list[Shape]
IRREGULAR = (
    *((7, 7, 7), (33, 100, 65), (100, 300, 200), (35, 1760, 440), (192, 48, 2000)),
    *((1000, 1000, 100), (513, 257, 129), (1500, 60, 600), (24, 1500, 750), (700, 900, 300)),
)
WIDTHS = (16, 32, 64, 128, 256, 512, 1024)
ELEMENTS = tuple(2**power for power in (10, 12, 14, 16, 18, 20, 22, 24))  # 4 KiB to 64 MiB of fp32
COLUMNS = 256
MESSAGES = tuple(4**power * 1024 for power in range(9))  # 1 KiB to 64 MiB


def gemms(large: bool, _: int) -> Iterator[Group]:
    """Square and irregular products, those of chains, of their weights and of layers; batches."""
    sides = (32, 64, 128, 256, 512, 768, 1024, 1536, 2048, *((4096, 6144, 8192) if large else ()))
    yield [Gemm(m=side, n=side, k=side) for side in sides]
    yield [
        Gemm(m=side, n=side, k=side, transpose_a=a, transpose_b=b)
        for side, (a, b) in product((96, 640), ((False, True), (True, False), (True, True)))
    ]
    yield [Gemm(m=m, n=n, k=k) for m, n, k in IRREGULAR]
    widths = (*WIDTHS, *((1760, 2048, 2560, 4096) if large else ()))
    chains = list(product(widths, (1, 8, 32, 128)))
    yield [Gemm(m=rows, n=4 * h, k=h, transpose_b=True) for h, rows in chains]
    yield [Gemm(m=rows, n=h, k=2 * h) for h, rows in chains]
    yield [Gemm(m=2 * h, n=h, k=rows, transpose_a=True) for h, rows in product(widths, (256, 1024))]
    tokens = (128, 512, 2048, *((8192, 32768) if large else ()))
    vocabularies = product(tokens, (100, 1000, 10_000), (64, 256))
    yield [Gemm(m=m, n=n, k=k, transpose_b=True) for m, n, k in vocabularies]
    blocks = list(product(tokens, (128, 384, 768, *((2048, 5120) if large else ()))))
    yield [Gemm(m=m, n=4 * h, k=h, transpose_b=True) for m, h in blocks]
    yield [Gemm(m=m, n=h, k=4 * h, transpose_b=True) for m, h in blocks]
    heads = list(product((8, 64), (64, 256, *((1024,) if large else ())), (32, 64)))
    yield [Gemm(batch=b, m=s, n=s, k=d, transpose_b=True) for b, s, d in heads]
    yield [Gemm(batch=b, m=s, n=d, k=s) for b, s, d in heads]


def convolutions(large: bool, _: int) -> Iterator[Group]:
    """Speech's two, and those of a residual network; every pass in turn."""
    speech = [(n, w) for n, w in ((1, 50), (1, 100), (2, 100), (4, 200))]
    first = [(n, 1, 161, w, 32, 41, 11, 20, 5, 2, 2) for n, w in speech]
    second = [(n, 32, 81, w // 2, 32, 21, 11, 10, 5, 2, 1) for n, w in speech]
    batches = (1, 4, *((32, 128) if large else ()))
    images = [
        (n, c, side, side, k, r, r, r // 2, r // 2, stride, stride)
        for n in batches
        for c, side, k, r, stride in (
            *((64, 28, 64, 3, 1), (128, 28, 128, 3, 1), (256, 14, 256, 3, 1), (3, 112, 64, 7, 2)),
            *((64, 28, 256, 1, 1), (256, 14, 64, 1, 1), (128, 28, 128, 3, 2), (16, 28, 32, 5, 1)),
        )
    ]
    names = ("n", "c", "h", "w", "k", "r", "s", "pad_h", "pad_w", "stride_h", "stride_w")
    for sizes in (first, second, images):
        yield [
            Convolution(way=way, **dict(zip(names, one, strict=True)))
            for one in sizes
            for way in ("forward", "backward_data", "backward_weights")
        ]


def recurrences(large: bool, _: int) -> Iterator[Group]:
    """Each cell and way by itself."""
    widths = (32, 64, 128, 256, 512, *((1024, 1760, 2048) if large else ()))
    sizes = list(product(widths, (4, 32), (25,)))
    sizes += [(128, 16, 80), (256, 1, 50), (96, 10, 40), (384, 64, 10)]
    for cell, way in product(("lstm", "gru", "rnn"), ("forward", "backward")):
        yield [
            Recurrent(cell=cell, way=way, hidden=hidden, batch=batch, timesteps=steps)
            for hidden, batch, steps in sizes
        ]


def pointwise(large: bool, element_bytes: int) -> Iterator[Group]:
    """Every operation from the first cache to well past the last."""
    for op in OPS:
        tensors = 3 if op in BINARY else 2
        yield [
            Pointwise(
                op=op,
                rows=elements // COLUMNS,
                cols=COLUMNS,
                bytes_moved=tensors * elements * element_bytes,
            )
            for elements in (*ELEMENTS, *((2**26, 2**28) if large else ()))
        ]


def attentions(large: bool, _: int) -> Iterator[Group]:
    """Eager and fused, forward and backward."""
    sizes = [(8, 4, 64, 32), (4, 4, 128, 32), (2, 12, 128, 64), (4, 8, 256, 64), (1, 8, 512, 64)]
    if large:
        sizes += [(8, 16, 512, 64), (8, 16, 1024, 64), (2, 32, 2048, 128), (1, 32, 4096, 128)]
    for fused, way in product((True, False), ("forward", "backward")):
        yield [
            AttentionCore(
                way=way, batch=b, heads=h, kv_heads=h, seq=seq, head_dim=d, causal=True, fused=fused
            )
            for b, h, seq, d in sizes
        ]


def updates(large: bool, _: int) -> Iterator[Group]:
    """Adam over few and many tensors."""
    parameters = (4096, 65_536, 2**20, 2**23, *((2**26, 2**28) if large else ()))
    for how in ("fused", "foreach"):
        yield [
            Update(optimizer="adam", parameters=count, tensors=tensors, how=how)
            for count, tensors in product(parameters, (1, 8, 64))
        ]


def launches(large: bool, _: int) -> Iterator[Group]:
    """Rows of smallest operations."""
    yield [Launch(mode="eager")]
    yield [Launch(mode="training")]
    if large:
        yield [Launch(mode="graph")]


def collectives() -> Iterator[Group]:
    """The two that training sends most, in all sizes."""
    for name in ("all_reduce", "all_gather"):
        yield [Collective(collective=name, bytes=size) for size in MESSAGES]
