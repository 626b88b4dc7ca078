"""What several commands' options share."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hwsim.errors import InputError

ADDRESS = re.compile(r"tcp://(?:[^\s/:\[\]]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")


def check_scheduler(address: str) -> None:
    """Raises InputError for what is no address of a Dask scheduler."""
    found = ADDRESS.fullmatch(address)
    if not found or not 0 < int(found[1]) < 1 << 16:
        raise InputError(
            "--scheduler",
            f"found '{address}'",
            "write tcp://HOST:PORT as `hwsim cluster` prints it, such as tcp://10.0.0.7:8786",
        )


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """`["device.memory.bandwidth=1.8TB/s"]` as a dictionary.

    Raises InputError for a text without `=` and for a path given twice.
    """
    settings: dict[str, str] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        path, value = path.strip(), value.strip()
        if not equals or not path or not value:
            raise InputError("--set", f"found '{text}'", "write PATH=VALUE")
        if path in settings:
            raise InputError(f"--set {path}", "found twice", "write it once")
        settings[path] = value
    return settings
