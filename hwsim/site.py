"""Where a machine stands: what its power costs and emits, and how it is paid for."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError
from pydantic import model_validator as validator

from hwsim import records
from hwsim.errors import InputError
from hwsim.units import Dollars, DollarsPerKwh, Kilograms, KilogramsPerKwh, Seconds, Watts

YEAR = 365.25 * 86400.0  # seconds
LIFETIME = 6 * YEAR
"""As servers are written off by Luccioni et al. 2023 (JMLR 24:253), with `UTILIZATION`."""
UTILIZATION = 0.85

Share = Annotated[float, Field(ge=0, le=1e3, allow_inf_nan=False)]
Used = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Effectiveness = Annotated[float, Field(ge=1, le=1e3, allow_inf_nan=False)]


class Site(BaseModel):
    """Nothing is known unless given (`--set site.electricity=0.1USD/kWh`).

    `electricity` costs USD/kWh, `carbon` is emitted as kg CO2e/kWh, `pue` is the power of the
    facility over that of its machines. `host`: watts of a node beside its devices.
    `network_power`, `network_price`: what switches and cables between nodes add, as shares of the
    power and of the price of nodes. `pay`: rent at `hour` dollars per device hour, or own at
    `purchase` dollars per device with its share of the node, spread over the hours that it is used:
    `utilization` of its `lifetime` (s). `embodied`: kg CO2e of making that, spread alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    electricity: DollarsPerKwh | None = None
    carbon: KilogramsPerKwh | None = None
    pue: Effectiveness | None = None
    host: Watts | None = None
    network_power: Share | None = None
    network_price: Share | None = None
    pay: Literal["rent", "own"] | None = None
    hour: Dollars | None = None
    purchase: Dollars | None = None
    lifetime: Seconds = LIFETIME
    utilization: Used = UTILIZATION
    embodied: Kilograms | None = None

    @validator(mode="wrap")
    @classmethod
    def _clear_faults(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise records.explained(cls, error, "site.") from None

    @validator(mode="after")
    def _in_range(self) -> Self:
        for name, figure in self:
            if isinstance(figure, float) and not 0 <= figure < float("inf"):
                raise InputError(f"site.{name}", f"found {figure:g}", "write zero or more")
        if self.lifetime == 0:
            raise InputError("site.lifetime", "found 0 s", "write more than zero")
        return self
