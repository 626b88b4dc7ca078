"""Records hold and check: units, bounds, parts against peaks, links of a node."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hwsim.hardware.figures import figures
from hwsim.hardware.spec import Cache, Caches, Device, Launch, Memory, Node, Peaks, System

LINK = {"kind": "x", "bandwidth": "80 GB/s", "latency": "1 us"}


def device(**fields):
    base = {
        "name": "d",
        "vendor": "v",
        "architecture": "a",
        "memory": {"capacity": "16 GiB", "bandwidth": "900 GB/s"},
        "launch": {"kernel": "4 us", "dispatch": "0 s"},
    }
    return Device.model_validate({**base, **fields})


def parts(count, multiprocessors=80, boost="1530 MHz", **operations):
    return {
        "multiprocessors": multiprocessors,
        "clock": {"boost": boost},
        "operations_per_clock": {"matrix": {"fp16": count, **operations}},
    }


def fault(error):
    return error.value.errors()[0]["ctx"]


def test_quantities_are_floats_inside_and_text_outside():
    one = device(vector={"fp32": "15.7 TFLOPS"})
    assert one.memory.capacity == 16 * 2**30
    assert one.vector.fp32 == 15.7e12
    assert one.model_dump(mode="json")["memory"]["bandwidth"] == "900 GB/s"


def test_records_are_frozen():
    with pytest.raises(ValidationError):
        device().name = "other"


def test_python_floats_are_taken_as_si():
    one = Device(
        name="d",
        vendor="v",
        architecture="a",
        memory=Memory(capacity=1e9, bandwidth=1e9),
        launch=Launch(kernel=0.0, dispatch=1e-6),
        vector=Peaks(fp32=1e12),
        caches=Caches(l2=Cache(capacity=1e6)),
    )
    assert one.vector.fp32 == 1e12


def test_a_device_may_have_no_peak():
    assert device().matrix == Peaks()


def test_a_peak_with_parts_only_is_filled_in():
    one = device(**parts(1024))
    assert one.matrix.fp16 == 80 * 1530e6 * 1024
    assert one.sources["matrix.fp16"].startswith("multiprocessors x clock")


def test_parts_have_their_own_clock():
    assert device(**parts(1024, clock="1 GHz")).matrix.fp16 == 80 * 1e9 * 1024


@pytest.mark.parametrize(("peak", "agrees"), [("125 TFLOPS", True), ("112 TFLOPS", False)])
def test_a_stated_peak_agrees_with_its_parts_within_five_percent(peak, agrees):
    fields = {**parts(1024), "matrix": {"fp16": peak}}
    if agrees:
        assert device(**fields).matrix.fp16 == 125e12
        return
    with pytest.raises(ValidationError) as error:
        device(**fields)
    found = fault(error)
    assert found["field"] == "matrix.fp16"
    assert "1.12e+14" in found["what"]
    assert "1.253e+14" in found["what"]


def test_parts_without_a_clock_are_refused():
    with pytest.raises(ValidationError) as error:
        device(multiprocessors=2, operations_per_clock={"vector": {"fp32": 64}})
    assert "clock" in fault(error)["instead"]


def test_parts_whose_product_overflows_are_refused():
    with pytest.raises(ValidationError) as error:
        device(**parts(1e300, boost="1e300 Hz"))
    assert "not finite" in fault(error)["what"]


@given(
    st.integers(1, 512),
    st.floats(1e6, 1e10),
    st.sampled_from([2**power for power in range(1, 15)]),
)
@settings(deadline=None, max_examples=30)
def test_filled_peaks_survive_the_file_form(multiprocessors, clock, count):
    one = device(**parts(count, multiprocessors, f"{clock!r} Hz"))
    assert Device.model_validate_json(one.model_dump_json(exclude_none=True)) == one


@pytest.mark.parametrize(
    ("node", "field"),
    [
        ({"devices": 2, "topology": "single"}, "devices"),
        ({"devices": 2, "topology": "switch"}, "link"),
        (
            {"devices": 2, "topology": "mesh", "link": LINK, "pairs": [[0, 1, 1]]},
            "links_per_device",
        ),
        ({"pairs": [[1, 0, 1]]}, "pairs"),
        ({"pairs": [[0, 8, 1]]}, "pairs"),
        ({"pairs": [[0, 1, 1], [0, 1, 1]]}, "pairs"),
        ({"pairs": [[0, 1, 3], [0, 2, 2]]}, "pairs"),
    ],
)
def test_a_node_is_wired_as_it_says(node, field):
    base = {"devices": 8, "topology": "mesh", "link": LINK, "links_per_device": 4}
    full = node if "devices" in node else {**base, **node}
    with pytest.raises(ValidationError) as error:
        Node.model_validate(full)
    assert fault(error)["field"] == field
    assert fault(error)["instead"]


def test_figures_give_each_quantity_its_nearest_source():
    one = device(
        year=2017,
        multiprocessors=80,
        sources={"memory": "datasheet", "memory.bandwidth": "measured"},
    )
    found = {figure.path: figure for figure in figures(one)}
    assert found["memory.capacity"] == ("memory.capacity", "16 GiB", "datasheet")
    assert found["memory.bandwidth"].source == "measured"
    assert found["launch.dispatch"].source == "not stated"
    assert found["multiprocessors"].text == "80"
    assert "year" not in found


def test_figures_of_a_system_reach_into_its_device_and_network():
    tier = {"name": "n", "kind": "k", "ports": 4, "bandwidth": "100 Gb/s", "latency": "14 us"}
    system = System.model_validate(
        {
            "name": "s",
            "device": device(sources={"memory": "datasheet"}),
            "node": {"devices": 8, "topology": "switch", "link": LINK},
            "network": [tier],
            "sources": {"network.0": "manual"},
        }
    )
    found = {figure.path: figure for figure in figures(system)}
    assert found["device.memory.capacity"].source == "datasheet"
    assert found["network.0.bandwidth"][1:] == ("12.5 GB/s", "manual")
    assert found["node.devices"].source == "not stated"
