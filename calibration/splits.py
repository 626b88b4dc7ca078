"""What is left out together when parameters are fitted to some cases and tested on others."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from calibration.measurement import Measurement
from calibration.shapes import ModelStep, MoeStep, TransformerStep

DECODER_SIZES = ("layers", "hidden", "heads", "kv_heads", "ffn", "gated_mlp", "vocab", "experts")


def model_of(case: Measurement) -> Hashable:
    """What is trained, whatever the plan; a kernel is its own model."""
    shape = case.shape
    if isinstance(shape, ModelStep):
        return shape.model
    if isinstance(shape, TransformerStep | MoeStep):
        return tuple(getattr(shape, name) for name in DECODER_SIZES)
    return shape


# What cases share that are left out together; equal sizes on several devices are one shape.
GROUPS: dict[str, Callable[[Measurement], Hashable]] = {
    "device": lambda case: case.device,
    "shape": lambda case: case.shape,
    "model": model_of,
    "source": lambda case: case.provenance.source,
}
SPLITS = ("none", *GROUPS)
