"""What several commands' options share."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.errors import InputError


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
