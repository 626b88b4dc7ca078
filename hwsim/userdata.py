"""What the user's own calibration left behind: the machine `local` and what it was fitted to.

One file, {"schema": "hwsim.local/1", "system": {...}, "calibration": {...}}, in the folder for
user data of this platform, or in the folder that HWSIM_DATA names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from hwsim import jsonfile
from hwsim.errors import InputError, SurroundingsError, shown

LOCAL = "local"
SCHEMA = "hwsim.local/1"
HOW = "`hwsim calibrate run mine.jsonl`, then `hwsim calibrate fit mine.jsonl`"


def path() -> Path:
    """The file, whether it is there or not."""
    named = os.environ.get("HWSIM_DATA")
    folder = Path(named) if named else user_data_path("hwsim", appauthor=False)
    return folder / f"{LOCAL}.json"


def read(part: str) -> dict[str, Any]:
    """The `system` or the `calibration` of the file, as plain JSON.

    Raises InputError where there is no file, or one that is not of this kind.
    """
    where = str(path())
    if not os.path.exists(path()):
        raise InputError(LOCAL, "found no calibration of this machine", f"make one: {HOW}")
    tree = jsonfile.read_object(jsonfile.file_text(where, where), where)
    if tree.get("schema") != SCHEMA:
        raise InputError(f"{where}: schema", f"found {shown(tree.get('schema'))}", f"redo {HOW}")
    found = tree.get(part)
    if not isinstance(found, dict):
        raise InputError(f"{where}: {part}", f"found {shown(found)}", f"redo {HOW}")
    return found


def write(system: dict[str, Any], calibration: dict[str, Any]) -> Path:
    """Replace the file, whole or not at all. Raises SurroundingsError if the disk refuses."""
    place = path()
    part = place.with_name(place.name + ".part")
    tree = {"schema": SCHEMA, "system": system, "calibration": calibration}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
        os.replace(part, place)
    except OSError as error:
        raise SurroundingsError(str(place), f"can't be written ({error.strerror})") from None
    return place
