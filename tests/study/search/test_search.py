"""The best of a space is what trying all of it finds."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load_for
from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.software import catalog as profiles
from hwsim.study.search.fields import DEFAULTS, space
from hwsim.study.search.find import Asked, search
from hwsim.study.search.goal import AIMS, Limits
from hwsim.study.subject import Subject
from workloads.charlm import CharLM
from workloads.speech import Speech
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

SMALL = {"layers": 4, "hidden": 64, "heads": 4, "sequence": 16, "vocabulary": 96, "batch": 8}
WORKLOADS = {
    "transformer": Transformer(**SMALL),
    "half": Transformer(**SMALL, dtype="bf16", attention="eager", tied=False),
    "experts": Transformer(**SMALL, experts=4, moe_ffn=32),
    "charlm": CharLM(hidden=32, sequence=12, vocabulary=40, depth=3, batch=8),
    "wordlm": WordLM(hidden=32, sequence=12, vocabulary=40, batch=8),
    "speech": Speech(hidden=32, batch=8),
}
SYSTEMS = ("volta", "dgx-a100-80gb", "pascal", "cpu-epyc-2")
SOFTWARE = (None, "megatron-2022", "fsdp-2023")
FIELDS = {name: values for name, values in DEFAULTS.items() if name != "virtual"} | {
    "virtual": (2,),
    "bucket": (2.0**12, 25 * 2.0**20),
    "first_bucket": (2.0**10, 2.0**20),
    "prioritize": (False, True),
}


def tried(subject, plan):
    """The value of a plan that fits, and None of another."""
    asked = (subject.system, subject.workload, plan, load_for(subject.system.device))
    more = {
        "software": subject.software,
        "overheads": subject.run,
        "site": subject.site,
        "steps": 100.0,
    }
    try:
        found = estimate(*asked, engine="closed", **more)
    except InputError:
        try:
            found = estimate(*asked, **more)
        except InputError:
            return None
    return found if found.memory.fits else None


def every_plan(subject, devices, over):
    """All combinations, one by one."""
    looked = space(subject, devices, over)
    for shape in looked.shapes:
        for values in itertools.product(*looked.columns.values()):
            fields = dict(zip(looked.columns, values, strict=True))
            schedule, virtual = fields.pop("order")
            told = {"schedule": schedule, "virtual": virtual, **shape._asdict(), **fields}
            yield subject.plan.model_copy(update=told)


def value(found, aim):
    if aim == "step":
        return found.step.seconds
    if aim == "total":
        return found.total.seconds
    return getattr(found, aim).total.value


@st.composite
def questions(draw):
    workload = WORKLOADS[draw(st.sampled_from(sorted(WORKLOADS)))]
    system = catalog.load(draw(st.sampled_from(SYSTEMS)))
    software = draw(st.sampled_from(SOFTWARE)) if isinstance(workload, Transformer) else None
    names = draw(st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=3, unique=True))
    over = {name: (getattr(Plan(), name),) for name in DEFAULTS} | {"micro_batch": (2, 4)}
    for name in names:
        some = st.lists(st.sampled_from(FIELDS[name]), min_size=1, max_size=3, unique=True)
        over[name] = tuple(draw(some))
    if "interleaved" in over["schedule"]:
        over["virtual"] = (2,)
    settings_ = {
        "device.memory.capacity": f"{draw(st.sampled_from((1, 3, 2000)))} MiB",
        "device.power.limit": "300 W",
        "site.electricity": "0.1 USD/kWh",
        **draw(st.sampled_from([{"site.hour": "2 USD"}, {"site.purchase": "9000 USD"}])),
    }
    subject = Subject(system, workload, software=profiles.load(software) if software else None)
    subject = subject.with_settings(settings_)
    devices = draw(st.sampled_from([(2,), (8,), (1, 2, 4)]))
    return subject, devices, over, draw(st.sampled_from(AIMS))


@given(questions())
@settings(deadline=None, max_examples=25)
def test_the_best_is_the_best_of_all(question):
    subject, devices, over, aim = question
    result = search([subject], Asked(aim, devices, over), counted=lambda _: 100.0)
    found = [tried(subject, plan) for plan in every_plan(subject, devices, over)]
    values = sorted(value(one, aim) for one in found if one is not None)
    tally = result.found.tally
    assert tally.total == len(found) == tally.counts.total()
    assert bool(values) == bool(result.found.best)
    if values:
        assert result.found.best[0].value == pytest.approx(values[0], rel=1e-9)
        assert result.found.complete
        for one in result.found.best:
            assert any(one.value == pytest.approx(other, rel=1e-9) for other in values)


SPACE = {name: (getattr(Plan(), name),) for name in DEFAULTS} | {"micro_batch": (2, 4)}
VOLTA = Subject(catalog.load("volta"), WORKLOADS["transformer"])


def test_the_best_of_several_sizes_is_the_best_of_each():
    subjects = [VOLTA.with_settings({"workload.hidden": hidden}) for hidden in ("32", "64")]
    asked = Asked(devices=(4,), over=SPACE, certain=3)
    both = search(subjects, asked).found
    each = [one for subject in subjects for one in search([subject], asked).found.best]
    assert [one.value for one in both.best[:3]] == sorted(one.value for one in each)[:3]
    assert both.best[0].subject is subjects[0]


def test_a_limit_leaves_the_best_within_it():
    free = search([VOLTA], Asked("energy", (1, 2, 4), SPACE), counted=lambda _: 100.0).found
    seconds = 100.0 * free.best[0].seconds
    limits = Limits(deadline=0.9 * seconds)
    held = search([VOLTA], Asked("energy", (1, 2, 4), SPACE, limits), counted=lambda _: 100.0).found
    if held.best:
        assert held.best[0].value >= free.best[0].value
        assert 100.0 * held.best[0].seconds <= limits.deadline
    assert held.best or held.tally.beyond


def test_a_closed_form_is_confirmed_by_events():
    found = search([VOLTA], Asked(devices=(1,), over=SPACE))
    assert found.found.best[0].closed
    assert found.events[0] == pytest.approx(found.found.best[0].value, rel=0.01)
    assert not found.reordered


def test_power_is_limited_too():
    asked = Asked("cost", (1, 2, 4), SPACE, Limits(power=1.0))
    found = search([VOLTA.with_settings({"site.hour": "2 USD"})], asked)
    assert not found.found.best
    assert found.found.tally.beyond.limit == "--power"
