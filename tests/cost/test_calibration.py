"""Calibrations: shares of a peak, named, with their sources."""

import pytest
from pydantic import ValidationError

from hwsim.cost.calibration import Calibration, Layer, Reach, load, load_for, shipped
from hwsim.errors import InputError
from hwsim.hardware import catalog

SHARES = ("matrix", "vector", "memory", "resident")
DEFAULT = load()


def test_the_default_says_where_its_shares_are_from():
    fields = {*SHARES, "cache", "chain", "spread"}
    fields |= {f"links.{kind}" for kind in type(DEFAULT.links).model_fields}
    assert fields <= DEFAULT.sources.keys()


def test_shares_do_not_pass_the_peak():
    shares = [getattr(DEFAULT, name) for name in SHARES]
    shares += [reach.share for _, reach in DEFAULT.links if isinstance(reach, Reach)]
    assert all(0 < share <= 1 for share in shares)


@pytest.mark.parametrize("field", SHARES)
@pytest.mark.parametrize("share", [1.01, 0.0, -0.5, float("nan"), float("inf")])
def test_a_share_beyond_the_peak_is_refused(field, share):
    with pytest.raises(ValidationError, match=field):
        Calibration.model_validate(DEFAULT.model_dump() | {field: share})


@pytest.mark.parametrize("given", [{"near": 8e6}, {"far": 0.2}])
def test_a_second_rate_has_a_size_from_which_it_counts(given):
    with pytest.raises(ValidationError, match="only one of near and far"):
        Reach(share=0.5, latency=1, call=0, fill=0, short=1, **given)


def test_transfers_take_a_part_of_their_device_and_say_whose_figure_it_is():
    taken = {kind: reach.taken for kind, reach in DEFAULT.links if isinstance(reach, Reach)}
    assert taken["nvlink"] > taken["network"] > 0
    assert "Isaev" in DEFAULT.sources["links.taken"]
    assert all(reach.taken == 0 for _, reach in DEFAULT.links.ideal() if isinstance(reach, Reach))
    with pytest.raises(ValidationError, match="taken"):
        Reach(share=0.5, latency=1, call=0, fill=0, short=1, taken=1.0)


def test_long_and_short_messages_have_their_own_spread():
    links = DEFAULT.links
    assert links.spread_of(2**20) == links.spread
    assert links.spread_of(2**20 - 1) == links.small


def test_a_calibration_is_read_back():
    assert Calibration.model_validate_json(DEFAULT.model_dump_json(by_alias=True)) == DEFAULT


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(InputError) as error:
        load("defualt")
    assert "defualt" in error.value.what
    assert "default" in error.value.instead


def test_a_device_has_its_own_then_its_architectures_then_the_default():
    measured, sibling, stranger = (
        load_for(catalog.load(name).device) for name in ("v100-pcie-16gb", "titanv", "mi300x")
    )
    assert (measured.name, sibling.name, stranger.name) == ("v100-pcie-16gb", "volta", "default")
    spreads = [c.products["vector fp32"]["kernel"].spread for c in (measured, sibling)]
    assert spreads[0] < spreads[1]
    assert stranger == DEFAULT
    assert measured.links == DEFAULT.links


def test_every_shipped_layer_says_what_it_is_from():
    for name in shipped():
        layer = load(name)
        assert layer.name == name
        assert "hwsim calibrate fit" in layer.sources["fitted"]
        assert sum(layer.rows.values()) > 0


def test_a_layer_replaces_only_what_it_has():
    layer = Layer(name="x", description="y", call={"products": 1e-5})
    joined = DEFAULT.over(layer)
    assert joined.call["products"] == 1e-5
    assert joined.products == DEFAULT.products
    assert joined.streams == DEFAULT.streams
