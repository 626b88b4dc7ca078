"""What was timed: one small record per kind of operation, step or run; no results in any of them.

Sizes are counts. The fields have the names of the columns in docs/measurements.md.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from hwsim.errors import shown
from hwsim.graph.step import Optimizer
from hwsim.graph.workload import MOST


def _flag(value: Any) -> bool:
    if value in ("0", "1", 0, 1):
        return bool(int(value))
    raise PydanticCustomError(
        "fault", "{what}; {instead}", {"what": f"found {shown(value)}", "instead": "write 0 or 1"}
    )


Count = Annotated[int, Field(gt=0, le=MOST)]
Size = Annotated[int, Field(ge=0, le=MOST)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Steps = Annotated[float, Field(gt=0, le=MOST, allow_inf_nan=False)]
Way = Literal["forward", "backward_data", "backward_weights", "backward"]


def _pairs(value: Any) -> Any:
    """A JSON object as sorted pairs, which can be hashed."""
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    return value


Setting = bool | int | float | str
Settings = Annotated[
    tuple[tuple[str, Setting], ...],
    BeforeValidator(_pairs),
    PlainSerializer(dict, return_type=dict[str, Setting]),
]


class Record(BaseModel):
    """Frozen and hashable; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Shape(Record):
    """The base of all kinds. `family` is the kind that the record belongs to."""

    family: ClassVar[str]

    def describe(self) -> str:
        """The sizes in a few words."""
        fields = self.model_dump(exclude={"kind", "way"}, exclude_none=True).items()
        said = {name: value for name, value in fields if value is not False}
        sizes = [name if value is True else f"{name} {value}" for name, value in said.items()]
        return " ".join([getattr(self, "way", ""), *sizes]).strip()


class Gemm(Shape):
    """C (m, n) = A (m, k) B (k, n), `batch` times; a transposed operand is stored so.

    `order`: whether matrices are stored by rows, as in C, or by columns, as in Fortran and BLAS.
    """

    family: ClassVar[str] = "gemm"
    kind: Literal["gemm"] = "gemm"
    batch: Count = 1
    m: Count
    n: Count
    k: Count
    transpose_a: Flag = False
    transpose_b: Flag = False
    order: Literal["rows", "columns"] = "rows"

    def describe(self) -> str:
        return super().describe().removesuffix(" order rows")


class Convolution(Shape):
    """Input n x c x h x w, k filters of c x r x s; `way` is the pass."""

    family: ClassVar[str] = "convolution"
    kind: Literal["convolution"] = "convolution"
    way: Literal["forward", "backward_data", "backward_weights"]
    n: Count
    c: Count
    h: Count
    w: Count
    k: Count
    r: Count
    s: Count
    pad_h: Size
    pad_w: Size
    stride_h: Count
    stride_w: Count
    algorithm: Text | None = None


class Recurrent(Shape):
    """One layer in one direction without the input's product; `backward` is both of its parts."""

    family: ClassVar[str] = "recurrent"
    kind: Literal["recurrent"] = "recurrent"
    cell: Literal["rnn", "gru", "lstm"]
    way: Way
    hidden: Count
    batch: Count
    timesteps: Count


class Pointwise(Shape):
    """`op` on rows x cols elements, moving at least `bytes_moved`."""

    family: ClassVar[str] = "pointwise"
    kind: Literal["pointwise"] = "pointwise"
    op: Text
    rows: Count
    cols: Count
    bytes_moved: Count


class AttentionCore(Shape):
    """softmax(Q K') V without projections; `way` is forward or backward."""

    family: ClassVar[str] = "attention"
    kind: Literal["attention"] = "attention"
    way: Literal["forward", "backward"]
    batch: Count
    heads: Count
    kv_heads: Count
    seq: Count
    head_dim: Count
    causal: Flag = True
    fused: Flag = True


class Update(Shape):
    """The optimizer over all parameters, which `tensors` equal tensors hold; `how` it is
    implemented: one launch for all (fused), or one for each operation on all (foreach)."""

    family: ClassVar[str] = "update"
    kind: Literal["update"] = "update"
    optimizer: Optimizer
    parameters: Count
    tensors: Count = 1
    how: Literal["fused", "foreach"] = "fused"


class Launch(Shape):
    """One of a row of smallest operations, each on the result of the one before.

    `mode`: eager calls, `training` with the backward pass (one of its two operations), or replayed
    from a captured graph.
    """

    family: ClassVar[str] = "launch"
    kind: Literal["launch"] = "launch"
    mode: Literal["eager", "training", "graph"]


class Collective(Shape):
    """One collective operation; `bytes` as nccl-tests counts them."""

    family: ClassVar[str] = "collective"
    kind: Literal["collective"] = "collective"
    collective: Text
    algorithm: Text | None = None
    bytes: Count


class _Decoder(Shape):
    """A training step of a decoder-only transformer, and how it is spread over devices."""

    family: ClassVar[str] = "step"
    layers: Count
    hidden: Count
    heads: Count
    kv_heads: Count
    gated_mlp: Flag
    vocab: Count
    seq: Count
    global_batch: Count
    micro_batch: Count | None = None
    dp: Count
    tp: Count
    pp: Count
    virtual_pp: Count | None = None
    cp: Count
    sequence_parallel: Flag | None = None
    zero_stage: Annotated[int, Field(ge=0, le=3)] | None = None
    recompute: Literal["none", "selective", "full", "unknown"]
    attention: Literal["eager", "flash", "unknown"]
    software: Text | None = None

    @property
    def devices(self) -> int:
        """dp x tp x pp x cp."""
        return self.dp * self.tp * self.pp * self.cp


class TransformerStep(_Decoder):
    """A dense transformer's step."""

    kind: Literal["transformer-step"] = "transformer-step"
    ffn: Count
    experts: Count | None = None
    topk: Count | None = None


class MoeStep(_Decoder):
    """A step of a mixture of experts; `ffn` is the width of its dense layers, if any."""

    kind: Literal["moe-step"] = "moe-step"
    ffn: Count | None = None
    experts: Count
    topk: Count
    head_dim: Count | None = None
    moe_ffn: Count
    shared_experts: Size
    ep: Count


class ModelStep(Shape):
    """A step of a named model, or one pass of it."""

    family: ClassVar[str] = "step"
    kind: Literal["model-step"] = "model-step"
    model: Text
    phase: Literal["training", "forward", "backward"]
    batch_per_device: Count
    grad_accum: Count
    seq_or_image: Text | None = None


class WorkloadStep(Shape):
    """A training step of a workload of hwsim's; `settings` are the fields that differ from its
    defaults, by name, its global batch included. Forward, backward and update."""

    family: ClassVar[str] = "step"
    kind: Literal["workload-step"] = "workload-step"
    workload: Text
    settings: Settings = ()

    def describe(self) -> str:
        return " ".join([self.workload, *(f"{name} {value}" for name, value in self.settings)])


class TrainingRun(Shape):
    """A whole run of a named model to its benchmark's target, which took `steps`."""

    family: ClassVar[str] = "run"
    kind: Literal["training-run"] = "training-run"
    benchmark: Text
    model: Text
    global_batch: Count | None = None
    seq: Count | None = None
    steps: Steps | None = None


class StepsToTarget(Shape):
    """Optimizer steps to a target at one batch size; on no device in particular."""

    family: ClassVar[str] = "run"
    kind: Literal["steps-to-target"] = "steps-to-target"
    workload: Text
    model_params: Count | None = None
    dataset: Text | None = None
    target: Number | None = None
    target_kind: Literal["absolute_loss", "metric"]
    batch: Count
    batch_unit: Literal["samples", "sequences", "tokens"]


KINDS: tuple[type[Shape], ...] = (
    Gemm,
    Convolution,
    Recurrent,
    Pointwise,
    AttentionCore,
    Update,
    Launch,
    Collective,
    TransformerStep,
    MoeStep,
    ModelStep,
    WorkloadStep,
    TrainingRun,
    StepsToTarget,
)
SHAPES: dict[str, type[Shape]] = {kind.model_fields["kind"].default: kind for kind in KINDS}
AnyShape = Annotated[
    Gemm
    | Convolution
    | Recurrent
    | Pointwise
    | AttentionCore
    | Update
    | Launch
    | Collective
    | TransformerStep
    | MoeStep
    | ModelStep
    | WorkloadStep
    | TrainingRun
    | StepsToTarget,
    Field(discriminator="kind"),
]
