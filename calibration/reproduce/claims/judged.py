"""A claim, the interval of effects in which it holds, and the verdict that follows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calibration.reproduce.effects import Effect

Verdict = Literal["holds", "holds weakly", "not seen", "not measured"]

RULE = (
    "*holds*: the effect's whole 95 % interval lies where the rule says; *holds weakly*: the inner "
    "half of it does, about a standard error on either side, or the estimate where an interval is "
    "unknown; *not seen*: neither; *not measured*: the runs are not there, or too few. What is "
    "simulated has no interval of sampling."
)


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, its effect (None: not measured) and where that must lie.

    `least` and `most` are the open interval of effects for which it `holds`; `at_best` is all that
    another condition of the rule allows. `note` says what else was seen.
    """

    id: str
    statement: str
    domain: str
    measure: str
    effect: Effect | None
    least: float
    most: float
    note: str = ""
    at_best: Verdict = "holds"

    @property
    def verdict(self) -> Verdict:
        """By the rule.

        >>> Claim("x", "", "", "", Effect(-0.5, -0.6, -0.4), -math.inf, 0.0).verdict
        'holds'
        >>> Claim("x", "", "", "", Effect(-0.5, -1.1, 0.1), -math.inf, 0.0).verdict
        'holds weakly'
        >>> Claim("x", "", "", "", Effect(-0.1, -0.8, 0.6), -math.inf, 0.0).verdict
        'not seen'
        """
        effect = self.effect
        if effect is None or not math.isfinite(effect.value):
            return "not measured"
        ends = [effect.value if end is None else end for end in (effect.low, effect.high)]
        if self._meets(*ends):
            return self.at_best
        inner = [(effect.value + end) / 2 if math.isfinite(end) else effect.value for end in ends]
        if self._meets(*inner) and self.at_best != "not seen":
            return "holds weakly"
        return "not seen"

    def _meets(self, low: float, high: float) -> bool:
        return self.least < low and high < self.most

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
        return str(effect)

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


def overview(claims: Sequence[Claim]) -> str:
    """Verdicts alone: a row for each statement, a column for each domain."""
    domains = list(dict.fromkeys(claim.domain for claim in claims))
    verdicts = {(claim.statement, claim.domain): claim.verdict for claim in claims}
    rows = [
        (statement, *(verdicts.get((statement, domain), "-") for domain in domains))
        for statement in dict.fromkeys(claim.statement for claim in claims)
    ]
    return table(("claim", *domains), rows)


def details(claims: Sequence[Claim]) -> str:
    """Every claim with what was measured."""
    head = ("claim", "domain", "measured", "95 % interval", "rule", "verdict", "note")
    rows = [
        (one.statement, one.domain, one.measure, one.number, one.rule, one.verdict, one.note)
        for one in claims
    ]
    return table(head, rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, whatever its texts hold.

    >>> print(table(("a", "b"), [("x|y", "z")]))
    | a | b |
    |---|---|
    | x\\|y | z |
    """
    lines = [head, ["---"] * len(head), *rows]
    texts = [[cell.replace("|", r"\|").replace("\n", " ") for cell in line] for line in lines]
    made = ["| " + " | ".join(line) + " |" for line in texts]
    made[1] = "|" + "---|" * len(head)
    return "\n".join(made)
