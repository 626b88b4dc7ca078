"""Values that no careful person writes: what a file, an option or a name may hold all the same."""

from __future__ import annotations

import random
from typing import Any

NUMBERS = (
    *("1e999999999", "-1e-999999999", "1e99999999999999999999"),
    *("0", "-1", "1", "2", "3", "0.5", "1e400", "-1e400", "1e-400", "1e308", "nan", "inf", "-inf"),
    *("1e9", "1000000000", "10000000", "1000000", "2147483648", "9007199254740993"),
    *("9" * 30, "9" * 5000, "1" + "0" * 100_000, "0x10", "1_000", "١٢", "1e", "--1", "+5", "1.5.2"),
)
UNITS = ("", " GB/s", " GiB", " TFLOPS", " us", " W", " Gb/s", " USD", " furlongs", " MHz", " %")
TEXTS = (
    *("", " ", "\t", "none", "null", "true", "[]", "{}", "[[", '"', "'", "\\", "=", ",", ":", "::"),
    *("[red]boo[/red]", "[/]", "[link=http://x]y[/link]", ":smile:", "$x^2$", "$\\frac{1}$", "$"),
    *("<script>alert(1)</script>", "]]>", "&amp;&lt;", "%s%d%n", "{0}{x}", "\x1b[31mred\x1b[0m"),
    *(
        "\x1b]0;title\x07",
        "\x9b31m",
        "a\rb",
        "a\nb",
        "a\x00b",
        "\x08\x7f",
        "\u202ereversed",
        "\u2066",
    ),
    *("\ufeff", "\u200b", "\ud800", "日本語", "é", "e\u0301", "\U0001f600", "\uffff", "ß" * 3),
    *("1 a" + " " * 50_000 + "b", " " * 100_000 + "x", "1 " + "(" * 50_000, "1_" * 50_000),
    *("../../etc/passwd", "/", ".", "..", "~", "CON", "-", "--", "-h", "x" * 100_000, "🙂" * 2000),
)
VALUES = (
    *(None, True, False, 0, -1, 1, 0.5, 1e308, -1e308, 10**9, 10**30, [], {}, [[]], [None]),
    *({"a": {"b": 1}}, [1, 2, 3], "16 GiB", "900 GB/s", "0 B", "1e400 FLOPS", "nan s"),
)
RANGES = (
    *("1:2:3", "1:10:1000000000", "1:1e308:300", "1e-300:1e300:10001", "5:1:3", "0:1:3", "1:2"),
    *(
        "1:2:3:4",
        "::",
        "1:2:-1",
        "1:2:1",
        "1e-300:1e300:9",
        "nan:2:3",
        "1:inf:3",
        "1 GB/s:2 GiB:3",
        "a:b:c",
    ),
    *("1:2:" + "9" * 5000, "1e5000:2:3", "1,2,3", ",,,", "1,1,1", "1:100:4", "0.5:4:4 GB/s"),
    *(",".join("1" * 20_000), ",".join(map(str, range(1, 20_000)))),
)
PATHS = (
    *("device.memory.bandwidth", "device.memory.capacity", "device.matrix.fp16", "device.name"),
    *("device.multiprocessors", "device.vector.fp32", "device.notes", "device", "device.", "."),
    *("node.devices", "node.link.bandwidth", "node.link.latency", "node.topology", "node.pairs"),
    *("node.host.cores", "node", "network", "network.0", "network.0.link.bandwidth", "nodes"),
    *("network.999999999999.link", "network.-1.link", "network.x", "network.0.nodes", "name"),
    *("workload.hidden", "workload.batch", "workload.sequence", "workload.vocabulary"),
    *("workload.depth", "workload.layers", "workload.heads", "workload.dataset", "workload.dtype"),
    *("workload.optimizer", "workload.corpus", "workload.learning_rate", "workload", "workload."),
    *(
        "plan.dp",
        "plan.tp",
        "plan.pp",
        "plan.cp",
        "plan.ep",
        "plan.micro_batch",
        "plan.time_chunks",
    ),
    *(
        "plan.virtual",
        "plan.schedule",
        "plan.bucket",
        "plan.placement",
        "plan.zero",
        "plan.offload",
    ),
    *("plan.overlap", "plan.recompute", "plan.first_bucket", "plan.dispatch", "plan.balance"),
    *("software", "software.released", "software.optimizer", "software.after", "run"),
    *(
        "run.checkpoint",
        "run.failures",
        "run.startup",
        "run.evaluation",
        "site.pue",
        "no.such.field",
    ),
    *("device" + ".x" * 5000, "__class__", "device.__class__", "plan.model_config", "plan.devices"),
)

WHOLE = (
    *("workload.hidden", "workload.batch", "workload.sequence", "workload.vocabulary", "plan.dp"),
    *("workload.depth", "workload.layers", "workload.heads", "workload.dataset", "plan.tp"),
    *("workload.experts", "workload.frames", "workload.image", "plan.pp", "plan.cp", "plan.ep"),
    *("plan.micro_batch", "plan.time_chunks", "plan.virtual", "plan.zero", "nodes", "node.devices"),
    *("device.multiprocessors", "network.0.nodes"),
)
MEASURED = {
    **dict.fromkeys(("device.memory.bandwidth", "node.link.bandwidth"), "GB/s"),
    **dict.fromkeys(("device.memory.capacity", "plan.bucket", "plan.first_bucket"), "B"),
    **dict.fromkeys(("device.vector.fp32", "device.matrix.fp16"), "FLOPS"),
    **dict.fromkeys(("node.link.latency", "device.launch", "network.0.link.latency"), "s"),
    **dict.fromkeys(("device.power.limit", "device.clock.boost"), "W"),
    "workload.learning_rate": "",
}


def sized(rng: random.Random) -> tuple[str, str]:
    """A path of a number and one that may well be taken, of any size."""
    if rng.random() < 0.6:
        return rng.choice(WHOLE), str(2 ** rng.randint(0, 54) + rng.choice([0, 0, 0, -1, 1]))
    found = rng.choice(list(MEASURED))
    return found, f"1e{rng.randint(-320, 310) // rng.choice([1, 10, 30])} {MEASURED[found]}"


def number(rng: random.Random) -> str:
    """A number, mostly odd."""
    if rng.random() < 0.3:
        return str(rng.choice([rng.randint(-5, 64), 2 ** rng.randint(0, 70), rng.uniform(0, 10)]))
    return rng.choice(NUMBERS)


def text(rng: random.Random) -> str:
    """Any text: an odd one, a number with a unit, or characters from everywhere."""
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(TEXTS)
    if kind < 0.8:
        return number(rng) + rng.choice(UNITS)
    return "".join(chr(rng.choice([rng.randint(1, 127), rng.randint(1, 0xD7FF)])) for _ in range(9))


def value(rng: random.Random) -> Any:
    """A JSON value of any type."""
    return rng.choice(VALUES) if rng.random() < 0.5 else text(rng)


def path(rng: random.Random) -> str:
    """A path of a setting: one that is there, one that is nearly there, or anything."""
    found = rng.choice(PATHS)
    kind = rng.random()
    if kind < 0.8:
        return found
    if kind < 0.9:
        place = rng.randint(0, len(found))
        return found[:place] + rng.choice(TEXTS) + found[place + 1 :]
    return text(rng)
