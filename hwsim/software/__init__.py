from pydantic import BaseModel, ConfigDict


class Software(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    after: str | None = None
    attention: str = "eager"
    fused: tuple[str, ...] = ()
    longest_softmax: int = 2048
    accumulate: float = 0
    gradients: int = 4
    plan: dict = {}
    unfused_quantization: bool = True


def load(name):
    return PROFILES[name]


PROFILES = {
    p.name: p
    for p in [
        Software(
            name="megatron-2021",
            fused=("softmax",),
            accumulate=6,
            gradients=2,
            plan={"overlap": False},
        ),
        Software(
            name="megatron-2022",
            after="megatron-2021",
            fused=("softmax",),
            accumulate=0,
            gradients=4,
            plan={"overlap": False},
        ),
        Software(
            name="megatron-deepspeed",
            after="megatron-2021",
            fused=("softmax",),
            accumulate=6,
            gradients=2,
            plan={"overlap": False},
        ),
        Software(
            name="megatron-core-2024",
            after="megatron-2022",
            fused=("softmax",),
            attention="fused",
            gradients=4,
            plan={},
        ),
        Software(
            name="nemo-2024",
            after="megatron-core-2024",
            fused=("softmax",),
            attention="fused",
            gradients=4,
            plan={},
        ),
        Software(
            name="megatron-bridge-2025",
            after="nemo-2024",
            fused=("softmax",),
            attention="fused",
            gradients=4,
            plan={},
        ),
        Software(
            name="megatron-bridge-2026",
            after="megatron-bridge-2025",
            fused=("softmax",),
            attention="fused",
            gradients=4,
            plan={},
        ),
        Software(name="fsdp-2023", attention="fused", gradients=2, accumulate=6, plan={"zero": 3}),
        Software(
            name="fsdp2-2024",
            after="fsdp-2023",
            attention="fused",
            gradients=4,
            accumulate=10,
            plan={"zero": 3},
        ),
        Software(
            name="fsdp2-2024-compile",
            after="fsdp2-2024",
            attention="fused",
            fused=("chains",),
            gradients=4,
            accumulate=10,
            plan={"zero": 3},
        ),
    ]
}
