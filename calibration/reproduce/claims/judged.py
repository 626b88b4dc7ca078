"""A claim, the interval of effects in which it holds, and the verdict that follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calibration.reproduce.effects import Effect

Verdict = Literal["holds", "holds weakly", "not seen", "not measured"]

RULE = (
    "*holds*: the effect's whole 95 % interval lies where the rule says; *holds weakly*: the "
    "estimate does, its interval does not; *not seen*: the estimate does not; *not measured*: the "
    "runs are not there, or too few. What is simulated has no interval of sampling."
)


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, its effect (None: not measured) and where that must lie.

    `least` and `most` are the open interval of effects for which it `holds`; `weak`: another
    condition of the rule is not met, so that it holds weakly at best. `note` says what else was
    seen.
    """

    id: str
    statement: str
    domain: str
    measure: str
    effect: Effect | None
    least: float
    most: float
    note: str = ""
    weak: bool = False
    unit: str = ""

    @property
    def verdict(self) -> Verdict:
        """By the rule.

        >>> Claim("x", "", "", "", Effect(-0.5, -0.6, -0.4), -math.inf, 0.0).verdict
        'holds'
        >>> Claim("x", "", "", "", Effect(-0.5, -1.1, 0.1), -math.inf, 0.0).verdict
        'holds weakly'
        >>> Claim("x", "", "", "", Effect(0.5, -0.1, 1.1), -math.inf, 0.0).verdict
        'not seen'
        """
        effect = self.effect
        if effect is None or not math.isfinite(effect.value):
            return "not measured"
        if not self.least < effect.value < self.most:
            return "not seen"
        low = effect.value if effect.low is None else effect.low
        high = effect.value if effect.high is None else effect.high
        whole = self.least < low and high < self.most
        return "holds" if whole and not self.weak else "holds weakly"

    @property
    def rule(self) -> str:
        """Where the effect must lie, in words."""
        ends = [f"above {self.least:g}"] if math.isfinite(self.least) else []
        ends += [f"below {self.most:g}"] if math.isfinite(self.most) else []
        return " and ".join(ends)

    @property
    def number(self) -> str:
        """The effect with its interval."""
        effect = self.effect
        if effect is None or not math.isfinite(effect.value):
            return "-"
        text = f"{effect.value:.3g}{self.unit}"
        if effect.low is None or effect.high is None:
            return text
        if not math.isfinite(effect.low):
            return f"{text} [unknown: one seed]"
        return f"{text} [{effect.low:.3g}, {effect.high:.3g}]"

    def record(self) -> dict[str, Any]:
        """Plain JSON values."""
        effect = self.effect if self.verdict != "not measured" else None
        ends = [
            end if end is not None and math.isfinite(end) else None
            for end in ((effect.low, effect.high) if effect else ())
        ]
        low, high = ends or (None, None)
        return {
            "id": self.id,
            "claim": self.statement,
            "domain": self.domain,
            "measure": self.measure,
            "value": effect.value if effect else None,
            "low": low,
            "high": high,
            "rule": self.rule,
            "verdict": self.verdict,
            "note": self.note,
        }


def markdown(claims: Sequence[Claim]) -> str:
    """A table of claims."""
    lines = [
        "| claim | domain | measured | 95 % interval | rule | verdict | note |",
        "|---|---|---|---|---|---|---|",
    ]
    for claim in claims:
        cells = (
            claim.statement,
            claim.domain,
            claim.measure,
            claim.number,
            claim.rule,
            claim.verdict,
            claim.note,
        )
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ").strip()
