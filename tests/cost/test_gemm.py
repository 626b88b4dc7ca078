"""Products in tiles: by hand, what never gets slower, and arrays."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load_for
from hwsim.cost.gemm import TILES, Tiled, product_parts, tile_name, tile_number
from hwsim.cost.rates import rates
from hwsim.cost.roofline import kernel_cost
from hwsim.graph.ops import gemm
from hwsim.hardware import catalog

# 80 processors, 14 TFLOP/s, 900 GB/s.
AT = Tiled(peak=14e12, half=10.0, setup=16.0, memory=900e9, processors=80.0, launch=5e-6)
sizes = st.integers(1, 20_000)


def slower(parts):
    return max(parts)


def seconds(m, n, k, tiled=AT, batch=1):
    return slower(product_parts(batch, m, n, k, 4, 0.0, tiled))


def test_a_large_product_nears_the_peak():
    ideal = 2 * 8192**3 / AT.peak
    assert ideal < seconds(8192, 8192, 8192) < 1.25 * ideal


def test_a_narrow_product_pays_for_a_whole_tile():
    # On one processor and without reuse to pay for, any of at most 32 columns costs 32.
    one = Tiled(peak=1e12, half=0.0, setup=0.0, memory=1e12, processors=1.0)
    assert seconds(1024, 16, 512, one) == pytest.approx(2 * 1024 * 32 * 512 / 1e12)
    assert seconds(1024, 16, 512, one) == seconds(1024, 32, 512, one)


def test_the_last_wave_takes_as_long_as_a_full_one():
    # Tiles of 32 x 32 alone can hold these products; 80 of them are one wave, 81 are two.
    one_wave, two_waves = (seconds(32, 32, 32, batch=count) for count in (80, 81))
    assert two_waves == pytest.approx(2 * one_wave)


def test_a_known_tile_is_taken_unsplit():
    number = tile_number("128x128")
    fixed = AT._replace(narrow=(-1, number, -1, -1))
    assert tile_name(number) == "128x128"
    work = 2 * 128 * 128 * (1760 + 16) / (AT.peak / 80 * 64 / 74)
    assert seconds(1760, 32, 1760, fixed) == pytest.approx(work)  # 14 blocks, one wave
    assert seconds(1760, 32, 1760) < work
    assert seconds(1760, 64, 1760, fixed) == seconds(1760, 64, 1760)


def test_batches_get_the_tiles_of_their_library_alone():
    # 64 x 64 x 65 in tiles of 128 x 128 is computed as 128 x 128 x 128: eight times 64^3.
    one = Tiled(peak=1e12, half=0.0, setup=0.0, memory=1e12, processors=1.0)
    fixed = one._replace(batched=(tile_number("128x128"),), depth=128)
    assert seconds(64, 64, 65, fixed, batch=2) == pytest.approx(2 * 2 * 128**3 / 1e12)
    assert seconds(64, 64, 65, fixed) == seconds(64, 64, 65, one)


def test_blocks_that_share_no_rows_are_slower_by_the_share():
    strided = AT._replace(half=0.0, setup=0.0, strided=0.25)
    args = (1, 4096, 65536, 4096, 4, 0.0, strided)
    plain, transposed = (max(product_parts(*args, flag)) for flag in (False, True))
    assert transposed == pytest.approx(4 * plain, rel=0.05)
    # Along 32 tiles 160 blocks are in five rows of them, which share what they read.
    square = (1, 65536, 4096, 4096, 4, 0.0, strided)
    assert max(product_parts(*square, True)) < 1.1 * max(product_parts(*square, False))
    # A single row of tiles reads nothing twice.
    flat = (1, 128, 65536, 4096, 4, 0.0, strided)
    assert product_parts(*flat, True) == product_parts(*flat, False)


@given(st.floats(1.0, 50.0))
@settings(deadline=None, max_examples=20)
def test_what_is_not_hidden_adds_up(overlap):
    def at(p):
        return max(product_parts(1, 512, 512, 512, 4, 2e-5, AT._replace(overlap=p)))

    compute, memory = product_parts(1, 512, 512, 512, 4, 2e-5, AT)
    assert max(compute, memory) <= at(overlap) * (1 + 1e-12)
    assert at(overlap) <= at(1.0) * (1 + 1e-12)
    assert at(1.0) <= compute + memory
    assert at(1.0) > 1.2 * max(compute, memory)


def test_a_class_of_narrow_products_has_its_share():
    shared = AT._replace(shares=(1.0, 0.5, 1.0))
    assert seconds(1024, 32, 512, shared) == pytest.approx(seconds(1024, 32, 512) / 2)
    assert seconds(1024, 33, 512, shared) == seconds(1024, 33, 512)


@given(sizes, sizes, sizes)
@settings(deadline=None, max_examples=40)
def test_transposing_changes_nothing(m, n, k):
    assert seconds(m, n, k) == seconds(n, m, k)


@given(sizes, sizes, sizes, st.floats(1.0, 10.0))
@settings(deadline=None, max_examples=40)
def test_it_is_never_faster_than_the_peak_and_more_is_never_slower(m, n, k, factor):
    before = seconds(m, n, k)
    assert before >= 2 * m * n * k / AT.peak
    for name in ("peak", "memory"):
        after = AT._replace(**{name: getattr(AT, name) * factor})
        assert seconds(m, n, k, after) <= before * (1 + 1e-12)


@given(st.lists(st.tuples(sizes, sizes, sizes), min_size=1, max_size=6))
@settings(deadline=None, max_examples=30)
def test_arrays_are_their_elements(rows):
    m, n, k = np.array(rows).T
    found = product_parts(1, m, n, k, 4, 1e-6, AT)
    for compute, memory, row in zip(*found, rows, strict=True):
        assert (compute, memory) == product_parts(1, *row, 4, 1e-6, AT)


def test_every_tile_has_a_name():
    assert [tile_number(tile_name(number)) for number in range(len(TILES))] == list(
        range(len(TILES))
    )


@pytest.mark.parametrize("name", ["h100-sxm-80gb", "b200-sxm"])
def test_experts_with_few_rows_take_no_cliff(name):
    device = catalog.load(name).device
    reached = rates(device, load_for(device), "bf16")
    seconds = [
        kernel_cost(gemm("x", rows, 2048, 4096, batch=16, transposed=True), reached, "bf16").seconds
        for rows in range(1, 400)
    ]
    steps = [after / before for before, after in itertools.pairwise(seconds)]
    assert min(steps) > 0.995
    assert max(steps) < 1.25
