"""A layer divided among the devices of a plan: one device's share, and what it exchanges.

`split` does it. A new kind of operator takes part once it has a rule in `divide`, and one in
`fewer_rows` if it works on each row by itself.
"""

from hwsim.parallel.split import (
    attention,
    convolution,
    experts,
    latent,
    products,
    recurrent,
    vectors,
)
from hwsim.parallel.split.layer import split
from hwsim.parallel.split.rules import Around, Divided, Held, divide, fewer_rows
from hwsim.parallel.split.shard import Shard, SplitLayer

# They register when imported.
RULES = (attention, convolution, experts, latent, products, recurrent, vectors)

__all__ = [
    "RULES",
    "Around",
    "Divided",
    "Held",
    "Shard",
    "SplitLayer",
    "divide",
    "fewer_rows",
    "split",
]
