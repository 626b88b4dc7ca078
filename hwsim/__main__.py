"""`python -m hwsim` and the `hwsim` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C is met from the first import on."""
    try:
        from hwsim.cli.main import main as command
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
