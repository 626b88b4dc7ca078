"""What a step and a training cost: energy, dollars and carbon.

    watts = idle + share of the activity x (limit - idle)      `power`
    energy = (devices + hosts + network) x facility            `energy`
    dollars = hours x price, or capital + electricity          `price`

`spent` puts them together for an estimate.
"""

from hwsim.spending.record import Amount, Cost, Energy, Spending, Spent
from hwsim.spending.spent import spent

__all__ = ["Amount", "Cost", "Energy", "Spending", "Spent", "spent"]
