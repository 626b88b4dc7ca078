"""Calibrations: shares of a peak, named, with their sources."""

import pytest
from pydantic import ValidationError

from hwsim.cost.calibration import (
    Calibration,
    Code,
    Layer,
    Reach,
    load,
    load_for,
    load_layer,
    shipped,
)
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


def test_a_code_says_how_long_its_host_takes_and_is_off():
    code = Code(issue=0.0, spread=0.1)
    factors = {"products", "attention", "scores", "streams", "update", "backward"}
    factors |= {"exchange", "gradients", "hop"}
    assert {name: getattr(code, name) for name in factors} == dict.fromkeys(factors, 1.0)
    assert (code.step, code.formats) == (0.0, {})
    for needed in ("issue", "spread"):
        with pytest.raises(ValidationError, match=needed):
            Code.model_validate(code.model_dump(exclude={needed}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("products", 0.0),
        ("hop", -1.0),
        ("issue", -1e-6),
        ("spread", 0.0),
        ("step", float("nan")),
        ("formats", {"fp8": 0.0}),
        ("micro", 1.0),
    ],
)
def test_a_code_without_sense_is_refused(field, value):
    with pytest.raises(ValidationError, match=field):
        Code.model_validate({"issue": 1e-5, "spread": 0.1, field: value})


def test_a_device_s_codes_go_over_the_default_s_by_profile():
    ours, theirs, own = (Code(issue=issue, spread=0.1) for issue in (1e-5, 2e-5, 3e-5))
    below = DEFAULT.model_copy(update={"software": {"old": ours, "new": theirs}})
    layer = Layer(name="x", description="y", software={"new": own})
    assert below.over(layer).software == {"old": ours, "new": own}
    assert below.over(Layer(name="x", description="y")).software == below.software
    read = Layer.model_validate_json(layer.model_dump_json(by_alias=True))
    assert read.software == layer.software


def test_code_that_issues_to_a_gpu_tells_nothing_of_a_cpu():
    below = DEFAULT.model_copy(update={"software": {"transformer": Code(issue=1e-5, spread=0.1)}})
    assert below.over(load_layer("cpu-epyc")).software == {}
