"""Reading a table of steps: groups, families, and what is refused."""

from __future__ import annotations

import pytest

from calibration.converge.tables import rows
from hwsim.errors import InputError


def test_a_row_is_what_is_asked_and_what_was_measured(table):
    row, blank = rows.parse(
        table().add("lm-85m", 64, 46_000, params=85_000_000).add("lm-85m", 128, None).text, "t.csv"
    )
    assert (row.asked.workload, row.asked.batch, row.asked.params) == ("lm-85m", 64, 85_000_000)
    assert (row.steps, row.error, row.number) == (46_000.0, 0.0, 0)
    assert (blank.steps, blank.asked.params, blank.number) == (None, None, 1)


def test_an_error_is_of_the_mean(table):
    text = table().add("bert", 64, 1000).text.replace("1000,,1", "1000,80,16")
    assert rows.parse(text, "t.csv")[0].error == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("lm-85m", "lm"),
        ("lm-1.2b", "lm"),
        ("lm-768x45", "lm"),
        ("llama31_405b", "llama31"),
        ("llama2_70b_lora", "llama2_lora"),
        ("unet3d", "unet3d"),
        ("gpt3", "gpt3"),
    ],
)
def test_a_family_is_named_without_sizes(table, name, stem):
    (row,) = rows.parse(table().add(name, 64, 10).text, "t.csv")
    assert row.asked.family[1] == stem


def test_recognized_by_its_columns(table):
    assert rows.recognized(table().text)
    assert not rows.recognized('{"schema": "hwsim.curves/1"}\n')
    assert not rows.recognized("run,step,loss\nh64,1,2.0\n")
    assert not rows.recognized("")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (",64,", ",-64,", "batch"),
        (",64,", ",nan,", "batch"),
        (",64,", ",,", "batch"),
        (",1000,", ",-5,", "steps"),
        (",1000,", ",nan,", "steps"),
        (",1000,", ",inf,", "steps"),
        (",1000,", ",0,", "steps"),
        (",1000,,1", "", "cells"),
        ("absolute_loss", "perplexity", "target_kind"),
        ("workload,", "workload_name,", "workload"),
    ],
)
def test_bad_rows_are_named(table, old, new, fault):
    text = table().add("bert", 64, 1000).text
    assert old in text
    with pytest.raises(InputError, match=fault) as caught:
        rows.parse(text.replace(old, new), "t.csv")
    assert str(caught.value).startswith("t.csv: ")


def test_a_table_of_another_kind():
    with pytest.raises(InputError, match="write a table of steps to targets"):
        rows.parse(
            "source,device,dtype,op,rows,cols,bytes_moved,timing,seconds,note\n"
            "lab,v100-pcie-16gb,fp32,add,8,8,768,kernel,1e-6,\n",
            "t.csv",
        )
