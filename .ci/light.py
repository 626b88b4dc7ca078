"""The base install has no torch and no scipy, and stays under 150 MB of packages."""

import importlib
import importlib.util
import sys
import sysconfig
from pathlib import Path

LIMIT_MB = 150
OWN_TOOLS = ("pip", "setuptools")

heavy = [name for name in ("torch", "scipy", "matplotlib") if importlib.util.find_spec(name)]
packages = Path(sysconfig.get_paths()["purelib"])
size = sum(
    file.stat().st_size
    for file in packages.rglob("*")
    if file.is_file() and not file.relative_to(packages).parts[0].startswith(OWN_TOOLS)
)
importlib.import_module("calibration.validation.outcomes")  # works without the extras
print(f"base install: {size / 1e6:.0f} MB of packages, heavy ones: {heavy or 'none'}")
sys.exit(bool(heavy) or size > LIMIT_MB * 1e6)
