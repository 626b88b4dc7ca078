"""The paper's setting beside ours: what each domain was trained with, there and here."""

from __future__ import annotations

from calibration.reproduce.campaigns import CHAR, DOMAINS, SPEECH, WORD, Campaign, Campaigns
from calibration.reproduce.claims.judged import table

Row = tuple[str, str, str, str]

SCALED = "scaled to two CPU cores"
# Ardalani, Hestness, Diamos 2018, section 2 and the captions of figures 1 and 2.
PAPER: dict[str, dict[str, str]] = {
    CHAR: {
        "model": "1 RHN layer, depth 10, sequence 150",
        "training": "batch 128, Adam at 0.001",
        "data": "0.01 % to 0.4 % of the One Billion Word benchmark",
    },
    WORD: {
        "model": "2 LSTM layers, sequence 80, the 10,000 most frequent words",
        "training": "not stated",
        "data": "0.1 % to 10 % of the One Billion Word benchmark",
    },
    SPEECH: {
        "model": "2 convolutions and 4 bidirectional LSTM layers, like Deep Speech 2",
        "training": "not stated",
        "data": "1 % to 10 % of an internal set of 20,000 hours",
    },
}
MODEL_FIELDS = ("depth", "layers", "sequence", "frames", "labels", "vocabulary")


def rows(found: Campaigns) -> list[Row]:
    """(domain, quantity, in the paper, here)."""
    found_rows: list[Row] = []
    for name, domain in DOMAINS.items():
        here = _here(found[name])
        for quantity, there in PAPER[name].items():
            found_rows.append((domain, quantity, there, here.get(quantity, "not measured")))
        found_rows.append(
            (domain, "sizes", "parameters are on an axis alone", here.get("sizes", "-"))
        )
    return found_rows


def markdown(found: Campaigns) -> str:
    """The rows as a table."""
    return table(("domain", "quantity", "paper", f"here ({SCALED})"), rows(found))


def _here(campaign: Campaign | None) -> dict[str, str]:
    if campaign is None or not campaign.runs:
        return {}
    setting, corpus = campaign.header.setting, campaign.header.corpus
    data = sorted({run.data for run in campaign.runs})
    sizes = sorted({run.parameters for run in campaign.runs})
    seeds = len({run.seed for run in campaign.runs})
    model = [f"{field} {setting[field]:,}" for field in MODEL_FIELDS if field in setting]
    return {
        "model": ", ".join(model),
        "training": f"batch {setting['batch']}, {setting['optimizer']} at "
        f"{setting['learning_rate']:g}",
        "data": f"{data[0]:,} to {data[-1]:,} {corpus.unit} of {corpus.name}",
        "sizes": f"{sizes[0]:,} to {sizes[-1]:,} parameters, {len(sizes)} widths, "
        f"{len(data)} data sizes, up to {seeds} seeds, {len(campaign.runs)} runs",
    }
