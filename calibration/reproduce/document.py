"""claims.md and claims.json: what the paper claims, what was measured, and the verdicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calibration.reproduce import settings
from calibration.reproduce.campaigns import Campaigns
from calibration.reproduce.claims import convergence, sensitivity, time
from calibration.reproduce.claims.judged import RULE, Claim, details, overview
from hwsim.jsonfile import replaced

PAPER = (
    'N. Ardalani, J. Hestness, G. Diamos: "Have a Larger Cake and Eat it Faster Too: A Guideline '
    'to Train Larger Models Faster", SysML 2018'
)


def judged(found: Campaigns) -> list[Claim]:
    """Every claim with its verdict, measured or not."""
    return [*convergence.claims(found), *sensitivity.claims(found), *time.claims(found)]


def record(found: Campaigns, claims: Sequence[Claim]) -> dict[str, Any]:
    """The stable keys of claims.json."""
    fields = ("domain", "quantity", "paper", "here")
    return {
        "schema": "hwsim.claims/1",
        "paper": PAPER,
        "curves": {name: _provenance(found, name) for name in found},
        "settings": [dict(zip(fields, row, strict=True)) for row in settings.rows(found)],
        "claims": [claim.record() for claim in claims],
    }


def write(found: Campaigns, claims: Sequence[Claim], folder: Path) -> list[Path]:
    """Both files. Raises SurroundingsError if the disk refuses."""
    texts = {
        "claims.md": _page(found, claims),
        "claims.json": json.dumps(record(found, claims), indent=2) + "\n",
    }
    for name, text in texts.items():
        with replaced(folder / name) as stream:
            stream.write(text)
    return [folder / name for name in texts]


def _page(found: Campaigns, claims: Sequence[Claim]) -> str:
    parts = (
        "# The paper's claims",
        PAPER,
        overview(claims),
        RULE,
        "## What was measured",
        details(claims),
        "## The paper's setting and this one",
        settings.markdown(found),
    )
    return "\n\n".join(parts) + "\n"


def _provenance(found: Campaigns, name: str) -> dict[str, Any] | None:
    campaign = found[name]
    if campaign is None:
        return None
    header = campaign.header
    return {
        "file": campaign.path.name,
        "runs": len(campaign.runs),
        "censored": sum(run.censored for run in campaign.runs),
        "diverged": sum(run.diverged for run in campaign.runs),
        "corpus": header.corpus.name,
        "date": header.date,
        "machine": header.machine,
        "command": header.command,
    }
