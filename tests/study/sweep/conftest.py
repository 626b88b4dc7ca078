"""Sweeps of a small subject, by their axes."""

import pytest

from hwsim.cli.counting import Varied
from hwsim.hardware import catalog
from hwsim.study.subject import Subject
from hwsim.study.sweep import columns
from hwsim.study.sweep.form import Form
from hwsim.study.sweep.many import arranged
from hwsim.study.sweep.parse import Drawing, parse
from hwsim.study.sweep.task import Fitted, Task
from workloads.charlm import CharLMSmall

SMALL = Subject(catalog.load("volta"), CharLMSmall())


@pytest.fixture
def small():
    return SMALL


@pytest.fixture(scope="session")
def sweep():
    """A task of what is varied."""

    def make(
        *grid, paired=(), random=(), drawing=None, subject=SMALL, engine="auto", counts=(), **more
    ):
        axes = parse(subject, grid, paired, random, drawing or Drawing())
        fitted = Fitted()
        way, arrangement = arranged(subject, axes, fitted.of(subject), closed=engine != "events")
        form = Form(
            more.pop("style", "csv"), columns.chosen(more.pop("chosen", None), arrangement.paths)
        )
        given = dict.fromkeys(
            ("steps", "tokens", "epochs", "law", "target_loss", "critical_batch")
        ) | dict(counts)
        return Task(subject, arrangement, way, Varied(**given), fitted, engine, form, **more)

    return make
