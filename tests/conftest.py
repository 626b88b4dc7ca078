"""Plans of small workloads on shipped systems, drawn at random."""

from typing import NamedTuple

import pytest
from hypothesis import assume
from hypothesis import strategies as st

from hwsim.cost.calibration import Calibration, Code, load_for
from hwsim.cost.rates import offered
from hwsim.errors import InputError
from hwsim.graph.workload import Workload
from hwsim.hardware import catalog
from hwsim.hardware.spec import System
from hwsim.parallel.plan import Plan
from hwsim.parallel.staged import Staged
from hwsim.simulate.step import prepared
from hwsim.software import catalog as profiles
from hwsim.software.spec import Software
from workloads.charlm import CharLM
from workloads.speech import Speech
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

SYSTEMS = ("volta", "dgx-a100-80gb", "ampere", "cpu-epyc-2", "pascal", "dgx-h100")
MOST = 64  # devices
TRANSFORMER = {"hidden": 64, "heads": 4, "sequence": 16, "vocabulary": 96}
RECURRENT = {"hidden": 32, "sequence": 12, "vocabulary": 40}
DEGREES = {
    "transformer": {"tp": (1, 2, 4), "cp": (1, 2), "pp": (1, 2, 3)},
    "wordlm": {"tp": (1, 2), "pp": (1, 2, 3), "time_chunks": (1, 3)},
    "charlm": {"tp": (1, 2), "pp": (1, 2, 3), "time_chunks": (1, 3, 12)},
    "speech": {"tp": (1, 2), "pp": (1, 3)},
}

FACTORS = ("products", "attention", "scores", "streams", "update", "exchange", "gradients", "hop")


class Asked(NamedTuple):
    """A step to simulate; `staged` is ready for it."""

    system: System
    workload: Workload
    plan: Plan
    calibration: Calibration

    def __repr__(self) -> str:
        return f"{self.system.name}: {self.workload!r} {self.plan!r}"

    @property
    def staged(self) -> Staged:
        return prepared(*self)


@st.composite
def workloads(draw, kind):
    flag = st.booleans()
    if kind == "transformer":
        experts = draw(st.sampled_from([None, None, 4]))
        more = {"moe_ffn": 32, "shared_experts": draw(st.integers(0, 1))} if experts else {}
        return Transformer(
            layers=draw(st.integers(1, 6)),
            tied=draw(flag),
            gated=draw(flag),
            bias=draw(flag),
            dropout=draw(flag),
            attention=draw(st.sampled_from(["fused", "eager"])),
            dtype=draw(st.sampled_from(["fp32", "fp16"])),
            experts=experts,
            **TRANSFORMER,
            **more,
        )
    if kind == "wordlm":
        return WordLM(layers=draw(st.integers(1, 4)), tied=draw(flag), **RECURRENT)
    if kind == "charlm":
        return CharLM(depth=3, **RECURRENT)
    return Speech(hidden=32, layers=2, frames=40, labels=8, bins=32)


@st.composite
def plans(draw, kind):
    """Degrees and the rest of a plan, with the samples of its batch; not all can be followed."""
    fields = {name: draw(st.sampled_from(degrees)) for name, degrees in DEGREES[kind].items()}
    fields["dp"] = draw(st.sampled_from([1, 2, 4]))
    pp, virtual = fields["pp"], 1
    schedule = draw(st.sampled_from(["gpipe", "1f1b", "interleaved", "zero-bubble"]))
    if schedule == "interleaved":
        schedule, virtual = (schedule, 2) if pp > 1 else ("1f1b", 1)
    turns = pp if virtual > 1 or fields.get("time_chunks") == RECURRENT["sequence"] else 1
    micro, count = draw(st.sampled_from([1, 2, 4])), turns * draw(st.integers(1, 4))
    if kind == "transformer":
        fields["ep"] = draw(st.sampled_from([1, 1, 2]))
        fields["sequence_parallel"] = draw(st.booleans())
        fields["dispatch"] = draw(st.sampled_from(["copies", "nodes"]))
    plan = Plan(
        **fields,
        micro_batch=micro,
        schedule=schedule,
        virtual=virtual,
        placement=tuple(draw(st.permutations(["tp", "cp", "dp", "pp"]))),
        balance=draw(st.sampled_from(["cost", "layers"])),
        zero=draw(st.sampled_from([0, 0, 1, 2, 3])),
        convolutions=draw(st.sampled_from(["channels", "space"])),
        recompute=draw(st.sampled_from(["none", "none", "selective", "full"])),
        offload=draw(st.sampled_from(["none", "none", "none", "optimizer", "activations"])),
        bucket=draw(st.sampled_from([1e3, 3e4, 1e6])),
        first_bucket=draw(st.sampled_from([1e3, 1e5])),
        overlap=draw(st.sampled_from([True, True, False])),
        prioritize=draw(st.booleans()),
        tensor_overlap=draw(st.booleans()),
        master_weights=draw(st.booleans()),
        loss_scaling=draw(st.booleans()),
    )
    return plan, fields["dp"] * micro * count


def slower(system, factor):
    """The system with links inside its nodes of a `factor` less bandwidth."""
    link = system.node.link
    link = link.model_copy(update={"bandwidth": link.bandwidth / factor})
    return system.model_copy(update={"node": system.node.model_copy(update={"link": link})})


@st.composite
def asked(draw, **fixed):
    """A step that can be simulated, under a plan with some fields `fixed`."""
    system = slower(catalog.load(draw(st.sampled_from(SYSTEMS))), draw(st.sampled_from([1, 100])))
    kind = draw(st.sampled_from(list(DEGREES)))
    plan, batch = draw(plans(kind))
    plan = plan.model_copy(update=fixed)
    workload = draw(workloads(kind)).model_copy(update={"batch": batch})
    if kind == "transformer" and "fp8" in offered(system.device) and draw(st.booleans()):
        workload = workload.model_copy(update={"dtype": "fp8"})
    kernels = load_for(system.device).model_copy(update={"software": {}})
    found = Asked(system, workload, plan, kernels)
    assume(plan.devices <= MOST)
    try:
        found.staged  # noqa: B018
    except InputError:
        assume(False)
    return found


class Run(NamedTuple):
    """A step to simulate as a software profile runs it, `how` it is run beside the rest."""

    asked: Asked
    software: Software

    @property
    def how(self) -> dict[str, Software]:
        return {"software": self.software}

    @property
    def staged(self) -> Staged:
        return prepared(*self.asked, **self.how)


@st.composite
def profiled(draw, **fixed):
    """A step that can be simulated, under a shipped profile with a code of its own."""
    software = profiles.load(draw(st.sampled_from(profiles.names())))
    factor = st.sampled_from([0.5, 1.0, 1.7])
    factors = {name: draw(factor) for name in FACTORS}
    issue = draw(st.sampled_from([0.0, 1e-6, 1e-4]))
    code = Code(**factors, issue=issue, step=draw(st.sampled_from([0.0, 1e-3])), spread=0.1)
    found = draw(asked(**fixed))
    under = found.calibration.model_copy(update={"software": {software.name: code}})
    return Run(found._replace(calibration=under), software)


@pytest.fixture(scope="session")
def profiled_steps():
    """A strategy of steps under software profiles, for what is fixed of their plans."""
    return profiled


@pytest.fixture(scope="session")
def steps():
    """A strategy of steps that can be simulated, for what is fixed of their plans."""
    return asked
