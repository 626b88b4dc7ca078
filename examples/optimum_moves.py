"""Does the fastest model grow with the links between devices?

The paper's character model at growing width on eight devices, each width under the fastest of four
plans that share its batch and its operators (data x tensor parallel); steps by the law of
charlm-small, stretched far beyond what was measured. First three machines as they are, then one of
them with links of another rate (what a device has in one direction).

Printed: the width of the least total time, its 80 % interval over the draws of the law, the widths
within 10 % of it in most draws, and the fastest plan. With the name of a picture as argument (.svg,
.png or .pdf) the curves are drawn.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import hwsim
from hwsim.report import optima_plot
from hwsim.report.optima_plot import Curve
from hwsim.study.subject import Subject
from hwsim.study.total import optimum, time_of

MACHINES = ("maxwell", "volta", "hopper")
ONE = "volta"
FACTORS = (1 / 64, 1 / 16, 1, 16)
WIDTHS = (256, 360, 512, 720, 1024, 1448, 2048, 2896, 4096, 5792, 8192)
PLANS = tuple(hwsim.Plan(dp=8 // tp, tp=tp) for tp in (1, 2, 4, 8))


def fastest(subject: Subject, width: int) -> hwsim.Estimate:
    """The estimate under the plan of the least total time, of those that fit where any does."""
    wide = subject.with_settings({"workload.hidden": str(width)})
    found = [hwsim.estimate(wide.system, wide.workload, plan) for plan in PLANS]
    fitting = [answer for answer in found if answer.memory.fits]
    return min(fitting or found, key=time_of)


def gigabytes(subject: Subject) -> float:
    link = subject.system.node.link
    return link.bandwidth / 1e9 if link else 0.0


def with_links(subject: Subject, factor: float) -> Subject:
    """The machine with all links inside a node `factor` times as fast."""
    node = subject.system.node
    links = {"node.link": node.link, "node.host_link": node.host_link}
    return subject.with_settings(
        {
            f"{path}.bandwidth": f"{link.bandwidth * factor!r} B/s"
            for path, link in links.items()
            if link
        }
    )


def curve(label: str, subject: Subject) -> Curve:
    answers = [fastest(subject, width) for width in WIDTHS]
    return Curve(label, answers, optimum(answers))


def row(shown: Curve) -> str:
    found = shown.found
    best = shown.answers[found.best]
    interval = f"{WIDTHS[found.low]} .. {WIDTHS[found.high]}"
    flat = f"{WIDTHS[found.flat[0]]} .. {WIDTHS[found.flat[-1]]}"
    plan = f"dp {best.plan['dp']}, tp {best.plan['tp']}"
    return (
        f"{shown.label:20} {WIDTHS[found.best]:>7} {interval:>14} {flat:>14} "
        f"{time_of(best):>8.0f} s   {plan}"
    )


def show(curves: Sequence[Curve]) -> None:
    print(f"{'machine':20} {'fastest':>7} {'80 %':>14} {'within 10 %':>14} {'total':>10}   plan")
    for shown in curves:
        print(row(shown))


def main(picture: str | None = None) -> None:
    subjects = {
        name: Subject(hwsim.load_system(name), hwsim.load_workload("charlm")) for name in MACHINES
    }
    machines = [
        curve(f"{name}, {gigabytes(subject):.3g} GB/s", subject)
        for name, subject in subjects.items()
    ]
    others = [with_links(subjects[ONE], factor) for factor in FACTORS]
    links = [curve(f"{ONE}, {gigabytes(other):.4g} GB/s", other) for other in others]
    show(machines)
    print()
    show(links)
    if picture is not None:
        panels = {"three machines": machines, f"{ONE}, links of another rate": links}
        optima_plot.save(Path(picture), panels, "charlm on eight devices, total training time")


if __name__ == "__main__":
    main(*sys.argv[1:])
