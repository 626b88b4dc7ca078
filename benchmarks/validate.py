"""Cases a second of `hwsim validate`'s predictions, by as many processes as there are cores.

The baseline is the same predictions in one process with nothing kept between them: a predictor of
its own for each case, what a program without the command would do first. Both take turns; the ratio
is the median over rounds, with its range. Takes tables as the command does, else makes steps of a
transformer under many plans. Prints one JSON object last.

    python benchmarks/validate.py transformer_steps.csv
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import product

from calibration.measurement import Measurement, Provenance
from calibration.predict import Prediction, Predictor, Skipped
from calibration.shapes import TransformerStep
from calibration.sources import files
from calibration.validation.answers import answered

ROUNDS = 3
DEVICES = 64


def made() -> list[Measurement]:
    """Steps of one model, spread over 64 devices in every way."""
    found = []
    for tp, pp, micro, zero in product((1, 2, 4, 8), (1, 2, 4, 8), (1, 2, 4), (0, 1)):
        shape = TransformerStep(
            layers=32,
            hidden=4096,
            heads=32,
            kv_heads=32,
            ffn=16384,
            gated_mlp=False,
            vocab=50304,
            seq=2048,
            global_batch=512,
            micro_batch=micro,
            dp=DEVICES // (tp * pp),
            tp=tp,
            pp=pp,
            cp=1,
            zero_stage=zero,
            recompute="full",
            attention="flash",
        )
        about = {"device": "a100-sxm-80gb", "dtype": "bf16", "devices": DEVICES}
        links = {"intra_link": "nvlink3-nvswitch", "inter_link": "8xib-hdr", "devices_per_node": 8}
        source = Provenance(source="made")
        found.append(Measurement(shape=shape, provenance=source, **about, **links))
    return found


def afresh(case: Measurement) -> Prediction | Skipped:
    return Predictor()(case)


def seconds(cases: Sequence[Measurement], processes: int | None) -> float:
    """Wall time of all answers; with one process nothing is kept from case to case."""
    begun = time.perf_counter()
    predict = Predictor() if processes is None else afresh
    with answered(cases, predict, processes) as answers:
        for _ in answers:
            pass
    return time.perf_counter() - begun


def main() -> None:
    cases = [case for path in sys.argv[1:] for case in files.read(path, None)] or made()
    pairs = [(seconds(cases, None), seconds(cases, 1)) for _ in range(ROUNDS)]
    ratios = sorted(baseline / own for own, baseline in pairs)
    own, baseline = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(
        json.dumps(
            {
                "cases": len(cases),
                "cases_per_second": round(len(cases) / own, 1),
                "baseline": "one process, a new predictor for each case",
                "baseline_cases_per_second": round(len(cases) / baseline, 1),
                "ratio": round(statistics.median(ratios), 2),
                "ratio_range": [round(ratios[0], 2), round(ratios[-1], 2)],
                "rounds": ROUNDS,
            }
        )
    )


if __name__ == "__main__":
    main()
