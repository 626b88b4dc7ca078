"""`--set` texts as a dictionary."""

import pytest

from hwsim.cli.options import parse_settings
from hwsim.errors import InputError


def test_texts_become_paths_and_values():
    texts = ["device.memory.bandwidth=1.8TB/s", " workload.hidden = 64 ", "workload.corpus=a=b"]
    assert parse_settings(texts) == {
        "device.memory.bandwidth": "1.8TB/s",
        "workload.hidden": "64",
        "workload.corpus": "a=b",
    }
    assert parse_settings([]) == {}


@pytest.mark.parametrize("text", ["workload.hidden", "=64", "workload.hidden=", " = ", ""])
def test_a_text_of_another_form_is_refused(text):
    with pytest.raises(InputError) as error:
        parse_settings([text])
    assert error.value.where == "--set"
    assert repr(text) in error.value.what
    assert "PATH=VALUE" in error.value.instead


def test_a_path_is_set_once():
    with pytest.raises(InputError, match=r"workload\.hidden: found twice"):
        parse_settings(["workload.hidden=64", "workload.hidden=128"])
