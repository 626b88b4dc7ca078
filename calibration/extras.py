"""What a command needs beyond the base install."""

from __future__ import annotations

from importlib.util import find_spec

from hwsim.errors import SurroundingsError


def need(module: str, command: str, extra: str = "measure") -> None:
    """Raises SurroundingsError, which says which `extra` to install, if `module` is not there."""
    if find_spec(module) is None:
        raise SurroundingsError(
            command, f"{module} is not installed", f'pip install "hwsim[{extra}]"'
        )
