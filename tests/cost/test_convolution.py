"""Convolutions: the direct product by hand, and when Winograd's algorithm runs."""

import pytest

from hwsim.cost.convolution import Convolving, convolution_parts
from hwsim.cost.gemm import Tiled, product_parts
from hwsim.graph.ops.kernel import Window

AT = Tiled(peak=14e12, half=10.0, setup=16.0, memory=900e9, processors=80.0)
RATES = Convolving(AT, winograd=0.8, data=0.5, weights=0.25)
WINDOW = Window("forward", 32, 256, 256, 28, 28, 28, 28, 9, 1)


def seconds(window, *, vector=True):
    return max(convolution_parts(window, 4, 0.0, RATES, vector=vector))


def test_tensor_cores_run_the_direct_product():
    direct = max(product_parts(1, 32 * 28 * 28, 256, 256 * 9, 4, 0.0, AT))
    assert seconds(WINDOW, vector=False) == direct
    assert seconds(WINDOW._replace(algorithm="implicit_gemm")) == direct


def test_winograd_is_faster_where_it_applies():
    direct = seconds(WINDOW, vector=False)
    assert seconds(WINDOW) < direct / 1.5
    for other in ({"stride": 4}, {"taps": 25}, {"square": False}):
        window = WINDOW._replace(**other)
        assert not window.winograd
        assert seconds(window) == seconds(window, vector=False)


def test_a_named_algorithm_is_the_one_that_ran():
    fused = seconds(WINDOW._replace(algorithm="winograd"))
    transformed = seconds(WINDOW._replace(algorithm="winograd_nonfused"))
    assert seconds(WINDOW) == min(fused, transformed)
    assert fused != transformed


@pytest.mark.parametrize(("way", "share"), [("dgrad", RATES.data), ("wgrad", RATES.weights)])
def test_gradients_reach_their_share(way, share):
    window = WINDOW._replace(way=way, algorithm="implicit_gemm")
    whole = RATES._replace(data=1.0, weights=1.0)
    found, full = (convolution_parts(window, 4, 0.0, at, vector=True) for at in (RATES, whole))
    assert found.compute == pytest.approx(full.compute / share)


def test_weight_gradients_have_no_fused_kernel():
    window = WINDOW._replace(way="wgrad")
    transformed = seconds(window._replace(algorithm="winograd_nonfused"))
    assert seconds(window) == min(transformed, seconds(window._replace(algorithm="direct")))


def test_fused_blocks_are_patches_of_the_output():
    # 7 x 7 outputs fill a block of 8 x 16 as 8 x 16 do.
    fused = WINDOW._replace(algorithm="winograd", images=512)
    small, whole = (
        seconds(fused._replace(height=h, width=w, rows=h, columns=w)) for h, w in ((7, 7), (8, 16))
    )
    assert small == whole


def test_a_gradient_of_few_channels_is_scattered():
    window = Window("dgrad", 16, 1, 32, 161, 700, 79, 341, 100, 4, square=False)
    assert seconds(window) < seconds(window._replace(algorithm="direct")) / 2
    half = max(convolution_parts(window, 2, 0.0, RATES, vector=True))  # has no atomic sums
    assert half > seconds(window)


@pytest.mark.parametrize("way", ["forward", "dgrad", "wgrad"])
def test_tensor_cores_pad_channels(way):
    window = WINDOW._replace(way=way, stride=4, rows=14, columns=14)
    few, slice_ = (seconds(window._replace(channels=c), vector=False) for c in (1, 32))
    assert few == slice_ < seconds(window._replace(channels=129), vector=False)


def test_a_stride_leaves_vector_units_no_less_to_do_for_the_gradient():
    dense = WINDOW._replace(way="dgrad", algorithm="direct")
    strided = dense._replace(stride=4, rows=14, columns=14)
    assert seconds(strided) == seconds(dense)
    assert seconds(strided, vector=False) < seconds(dense, vector=False)
