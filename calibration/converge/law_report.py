"""A fitted law for a reader, and as the record that `--json` prints."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.convergence.forms import Form
from hwsim.convergence.law import Law

FORMULAS = {
    "power-plateau": "a (D / {data:.4g})^k1 / (M / {model:.4g})^k2 + b",
    "pole": "a (D / {data:.4g})^k1 / (1 - (pole / M)^k2)",
}
BATCH = " x (1 + batch_critical / B) / (1 + batch_critical / {batch:.4g})"
WORDS: dict[Form, str] = {
    "power": "without a plateau",
    "power-plateau": "with a plateau",
    "pole": "with a pole",
}


def record(law: Law) -> dict[str, object]:
    """The stable keys of a law, and under `held_out` the errors of every form in shares."""
    return {
        "workload": law.workload,
        "target": law.target,
        "goal": law.goal.model_dump(),
        "form": law.form,
        "parameters": {name: p.model_dump() for name, p in law.parameters.items()},
        "plateau": law.plateau,
        "runs": law.runs,
        "censored": law.censored,
        "never": law.never,
        "held_out": {
            "seed_noise": law.seed_noise,
            "forms": {
                form: {**errors, "aicc": law.aicc.get(form)}
                for form, errors in law.left_out.items()
            },
        },
    }


def lines(law: Law, slopes: Sequence[tuple[float, float, float, int]]) -> list[str]:
    """The law in words: formula, parameters, errors of the forms, what was left out."""
    form = FORMULAS[law.form]
    if "batch" in law.center:
        form = f"({form}){BATCH}"
    told = [f"{law.workload}: steps to a {law.target}", f"  S = {form.format(**law.center)}"]
    width = max(map(len, law.parameters))
    told += [
        f"  {name:{width}} = {p.value:.4g}   95 % [{p.low:.4g}, {p.high:.4g}]"
        for name, p in law.parameters.items()
    ]
    if law.plateau == "not seen" and law.form != "pole":
        told.append("  no plateau seen: b is not identified by these runs, only bounded")
    told += [_errors(law, name) for name in law.left_out]
    if law.seed_noise is not None:
        told.append(f"  seeds of one cell differ by {law.seed_noise:.1%}")
    told.append(
        f"  {law.runs} runs, {law.censored} censored; single runs scatter by {law.scatter:.1%}; "
        f"M {law.range['model'][0]:,.0f} to {law.range['model'][1]:,.0f}, "
        f"D {law.range['data'][0]:,.0f} to {law.range['data'][1]:,.0f}"
    )
    if law.never:
        told.append(f"  {law.never} runs left out: their own minimum lies above the loss")
    if law.other_settings:
        told.append(f"  {law.other_settings} runs left out: other fields of the workload differ")
    told += [
        f"  slope of ln S against ln M at D = {data:,.0f}: "
        f"{slope:.3f} +- {half:.3f} (95 %, {count} runs)"
        for data, slope, half, count in slopes
    ]
    return told


def _errors(law: Law, form: Form) -> str:
    """What the form makes of the largest sizes when they are left out."""
    errors = law.left_out[form]
    score = law.aicc.get(form)
    parts = [f"{axis} {error:.1%}" for axis, error in errors.items()] or ["too few sizes to tell"]
    beside = "" if score is None else f" (AICc {score:.1f})"
    return f"  largest size left out, median error {WORDS[form]}: {', '.join(parts)}{beside}"


def score_line(scores: dict[str, float | int | None]) -> str:
    """How the law does on other runs."""
    if not scores["cases"]:
        return "  other runs: none that met the target to compare with"
    return (
        f"  other runs: {scores['cases']}, median error {scores['median']:.1%}, "
        f"90th percentile {scores['p90']:.1%}; "
        f"{scores['coverage80']:.0%} lie in the 80 % interval, {scores['coverage95']:.0%} in the "
        "95 % one"
    )
