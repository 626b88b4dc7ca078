"""A wheel holds the three packages with their data, and no tests."""

import sys
import zipfile

names = zipfile.ZipFile(sys.argv[1]).namelist()
tops = {name.split("/")[0] for name in names}
stray = [
    top
    for top in tops
    if top not in ("hwsim", "workloads", "calibration") and not top.endswith(".dist-info")
]
tests = [name for name in names if "test" in name.lower()]
missing = [
    name
    for name in (
        "hwsim/py.typed",
        "hwsim/hardware/data/systems/volta.json",
        "hwsim/data/laws/charlm-small.json",
        "hwsim/data/calibrations/default.json",
    )
    if name not in names
]
print(f"wheel: {len(names)} files; stray {stray}, tests {tests}, missing {missing}")
sys.exit(bool(stray or tests or missing))
