"""The file of the user's own machine: where it lies, and every way in which it can be wrong."""

import json

import pytest

from hwsim import userdata
from hwsim.cost.calibration import Layer, load, load_for, read_layer
from hwsim.errors import InputError, SurroundingsError
from hwsim.hardware import catalog


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HWSIM_DATA", str(tmp_path))
    return tmp_path


def written(description="a machine"):
    system = catalog.load("cpu-epyc")
    named = {"name": "local", "description": description}
    device = system.device.model_copy(update=named)
    system = system.model_copy(update={**named, "device": device})
    layer = Layer(name="local", description="a machine", call={"products": 1e-6})
    userdata.write(catalog.file_form(system), layer.model_dump(mode="json", by_alias=True))


def test_what_is_written_is_what_local_means():
    written()
    system = catalog.load("local")
    assert system.device.name == "local"
    assert load_for(system.device).call["products"] == 1e-6
    assert catalog.load("local").device.memory == catalog.load("cpu-epyc").device.memory


def test_without_a_file_local_says_how_to_make_one():
    with pytest.raises(InputError, match="hwsim calibrate run"):
        catalog.load("local")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ('{"schema": "hwsim.local/1", "sys', "cut off"),
        ("{}", "schema"),
        ('{"schema": "hwsim.local/9"}', "hwsim.local/9"),
        ('{"schema": "hwsim.local/1"}', "system"),
        ('{"schema": "hwsim.local/1", "system": {"kind": "device"}}', "name"),
    ],
)
def test_a_file_that_can_not_be_is_refused(folder, text, said):
    (folder / "local.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        catalog.load("local")
    assert said in str(caught.value)


def test_a_calibration_of_another_machine_is_refused():
    written("another machine")
    with pytest.raises(InputError, match="another machine"):
        load_for(catalog.load("local").device)


def test_a_folder_that_can_not_be_written_is_the_surroundings_fault(folder, monkeypatch):
    (folder / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("HWSIM_DATA", str(folder / "file" / "below"))
    with pytest.raises(SurroundingsError):
        written()


def test_a_layer_is_for_its_own_device_unless_it_is_borrowed(tmp_path):
    device = catalog.load("volta").device
    path = tmp_path / "layer.json"
    path.write_text(json.dumps({"name": "titanv", "description": "x"}), encoding="utf-8")
    with pytest.raises(InputError, match="--borrow"):
        read_layer(str(path), device)
    assert read_layer(str(path), device, borrow=True).name == "titanv"
    path.write_text(json.dumps({"name": device.name, "description": "x"}), encoding="utf-8")
    assert read_layer(str(path), device).name == device.name


def test_a_file_of_local_is_a_layer_and_a_default_is_none(tmp_path):
    written()
    device = catalog.load("local").device
    assert read_layer(str(tmp_path / "local.json"), device).call["products"] == 1e-6
    path = tmp_path / "default.json"
    path.write_text(load().model_dump_json(by_alias=True), encoding="utf-8")
    with pytest.raises(InputError, match="default"):
        read_layer(str(path), device)
