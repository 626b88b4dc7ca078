"""What ships: it loads, agrees with itself and with the table that it was written from."""

import csv
import json
from importlib.resources import files
from pathlib import Path

import pytest

from hwsim.hardware import catalog
from hwsim.hardware.figures import NOT_STATED, figures
from hwsim.hardware.spec import DTYPES, ENGINES
from hwsim.units import MEMORY

SHIPPED = catalog.shipped()
DEVICES = [entry.name for entry in SHIPPED if entry.kind == "device"]
SYSTEMS = [entry.name for entry in SHIPPED if entry.kind == "system"]
ALIASES = ("maxwell", "pascal", "volta", "ampere", "hopper", "blackwell")
TABLE = Path(__file__).resolve().parents[2] / ".." / "shared" / "devices.csv"
WIDE_FP16 = {  # dense 16-bit operations per clock and multiprocessor
    512: ("rtx2080ti", "rtx3090", "rtx4090"),
    1024: ("v100-sxm2-16gb", "t4", "quadro-rtx8000", "a10", "a6000", "l4", "l40s", "mi250x"),
    2048: ("a100-sxm-80gb", "a30", "mi300x"),
    4096: ("h100-sxm-80gb", "h100-pcie-80gb", "h200-sxm", "gh200"),
    8192: ("b200-sxm", "gb200"),
}


@pytest.fixture(scope="module")
def loaded():
    return {entry.name: catalog.load(entry.name) for entry in SHIPPED}


def test_the_catalog_covers_every_generation():
    assert set(ALIASES) <= set(SYSTEMS)
    assert "cpu-epyc" in DEVICES


def test_each_entry_has_its_files_name_and_a_description(loaded):
    for entry in SHIPPED:
        assert loaded[entry.name].name == entry.name
        assert entry.description
        assert loaded[entry.name].description == entry.description


def test_each_figure_has_a_source(loaded):
    alone = {"node.devices", "nodes"}  # of a device that `single` wraps
    bare = [
        (name, figure.path)
        for name, system in loaded.items()
        for figure in figures(system)
        if figure.source == NOT_STATED and not (name in DEVICES and figure.path in alone)
    ]
    assert bare == []


def test_each_source_belongs_to_a_figure(loaded):
    for system in loaded.values():
        for spec in (system, system.device):
            paths = [figure.path for figure in figures(spec)]
            for key in spec.sources:
                known = any(path == key or path.startswith(f"{key}.") for path in paths)
                assert known or key == "memory.technology", (spec.name, key)


def test_the_file_form_reads_back_the_same(loaded):
    for name, system in loaded.items():
        assert catalog.parse(json.dumps(catalog.file_form(system)), name) == system


@pytest.mark.parametrize("kind", list(catalog.RECORDS))
def test_the_committed_schema_is_the_records_own(kind):
    path = files("hwsim.hardware") / "data" / "schema" / f"{kind}.schema.json"
    assert json.loads(path.read_text()) == catalog.schema(kind)


def test_each_file_names_its_schema():
    data = files("hwsim.hardware") / "data"
    for folder in ("devices", "systems"):
        for entry in (data / folder).iterdir():
            tree = json.loads(entry.read_text())
            assert tree["$schema"] == f"../schema/{tree['kind']}.schema.json"
            assert tree["name"] + ".json" == entry.name


@pytest.mark.parametrize(
    ("name", "count"), [(name, count) for count, names in WIDE_FP16.items() for name in names]
)
def test_matrix_peaks_are_known_operations_per_clock(loaded, name, count):
    device = loaded[name].device
    operations = device.operations_per_clock.matrix
    clock = operations.clock or device.clock.boost
    assert operations.fp16 == count
    assert device.matrix.fp16 / (device.multiprocessors * clock) == pytest.approx(count, rel=0.015)


def test_every_stated_part_makes_its_peak(loaded):
    for name in DEVICES:
        device = loaded[name].device
        for engine in ENGINES if device.operations_per_clock else ():
            operations = getattr(device.operations_per_clock, engine)
            clock = operations.clock or device.clock.boost
            for dtype in DTYPES:
                count = getattr(operations, dtype)
                if count is not None:
                    made = device.multiprocessors * clock * count
                    assert getattr(getattr(device, engine), dtype) == pytest.approx(made, rel=0.05)


@pytest.mark.parametrize(
    ("name", "links"),
    [("dgx-1-p100", 4), ("dgx-1-v100", 6), ("dgx-1-v100-32gb", 6), ("aws-p3dn.24xlarge", 6)],
)
def test_each_device_of_a_cube_mesh_uses_all_its_links(loaded, name, links):
    node = loaded[name].node
    used = [sum(n for a, b, n in node.pairs if device in (a, b)) for device in range(8)]
    assert used == [links] * 8 == [node.links_per_device] * 8


def test_the_v100_cube_mesh_has_two_double_and_two_single_neighbors(loaded):
    for device in range(8):
        counts = [n for a, b, n in loaded["volta"].node.pairs if device in (a, b)]
        assert sorted(counts) == [1, 1, 2, 2]


def test_a_nodes_links_are_its_devices(loaded):
    for name in SYSTEMS:
        system = loaded[name]
        if system.device.link is not None:
            assert system.node.link.bandwidth == system.device.link.bandwidth


@pytest.mark.parametrize(
    ("alias", "device"),
    [
        ("maxwell", "titanx-maxwell"),
        ("pascal", "p100-sxm2-16gb"),
        ("volta", "v100-sxm2-16gb"),
        ("ampere", "a100-sxm-80gb"),
        ("hopper", "h100-sxm-80gb"),
        ("blackwell", "gb200"),
    ],
)
def test_an_alias_keeps_its_own_name(loaded, alias, device):
    assert loaded[alias].name == alias
    assert loaded[alias].device.name == device


def test_generations_are_ordered(loaded):
    peaks = [loaded[name].device.matrix.fp16 or 0 for name in ALIASES[2:]]
    assert peaks == sorted(peaks)
    bandwidths = [loaded[name].device.memory.bandwidth for name in ALIASES]
    assert bandwidths == sorted(bandwidths)


# Columns that the table leaves empty where a file assumes a figure -> the figure.
FIGURE_OF = {
    "sm_count": "multiprocessors",
    "base_clock_mhz": "clock.base",
    "boost_clock_mhz": "clock.boost",
    "fp32_vector_tflops": "vector.fp32",
    "fp64_tflops": "vector.fp64",
    "fp16_vector_tflops": "vector.fp16",
    "fp16_matrix_dense_tflops": "matrix.fp16",
    "bf16_matrix_dense_tflops": "matrix.bf16",
    "tf32_matrix_dense_tflops": "matrix.tf32",
    "fp8_matrix_dense_tflops": "matrix.fp8",
    "int8_dense_tops": "matrix.int8",
    "tdp_w": "power.limit",
    "l2_mib": "caches.l2",
    "shared_memory_kib_per_sm": "caches.shared",
    "register_file_kib_per_sm": "caches.registers",
    "intra_link_gbs_per_direction": "link.bandwidth",
}


def table_cells(device):
    """Column of the table -> what the file has there, in the table's unit."""

    def scaled(value, unit):
        return None if value is None else value / unit

    caches = device.caches
    return {
        "sm_count": device.multiprocessors,
        "base_clock_mhz": scaled(device.clock.base, 1e6),
        "boost_clock_mhz": scaled(device.clock.boost, 1e6),
        "fp32_vector_tflops": scaled(device.vector.fp32, 1e12),
        "fp64_tflops": scaled(device.vector.fp64, 1e12),
        "fp16_vector_tflops": scaled(device.vector.fp16, 1e12),
        "fp16_matrix_dense_tflops": scaled(device.matrix.fp16, 1e12),
        "bf16_matrix_dense_tflops": scaled(device.matrix.bf16, 1e12),
        "tf32_matrix_dense_tflops": scaled(device.matrix.tf32, 1e12),
        "fp8_matrix_dense_tflops": scaled(device.matrix.fp8, 1e12),
        "fp4_matrix_dense_tflops": scaled(device.matrix.fp4, 1e12),
        "int8_dense_tops": scaled(device.matrix.int8 or device.vector.int8, 1e12),
        "sparsity_factor": device.sparsity,
        "memory_gib": scaled(device.memory.capacity, MEMORY.parse("1 GiB")),
        "memory_reported_mib": scaled(device.memory.reported, MEMORY.parse("1 MiB")),
        "memory_bandwidth_gbs": scaled(device.memory.bandwidth, 1e9),
        "l2_mib": scaled(caches.l2.capacity if caches.l2 else None, 2**20),
        "shared_memory_kib_per_sm": scaled(caches.shared, 1024),
        "register_file_kib_per_sm": scaled(caches.registers, 1024),
        "tdp_w": device.power.limit if device.power else None,
        "intra_link_gbs_per_direction": scaled(device.link.bandwidth, 1e9) if device.link else None,
        "launch_year": device.year,
    }


def assumed(device, column):
    """Whether a figure that the table leaves out says that it is assumed."""
    path = FIGURE_OF.get(column)
    if path is None:
        return False
    while path and path not in device.sources:
        path = path.rpartition(".")[0]
    return device.sources.get(path, "").startswith("assumed: ")


def test_every_figure_is_the_tables(loaded):
    if not TABLE.exists():
        pytest.skip("the source table is not here")
    with TABLE.open(newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert set(rows) == set(DEVICES) - {"cpu-epyc"}
    for name, row in rows.items():
        device = loaded[name].device
        for column, found in table_cells(device).items():
            if row[column]:
                assert found == pytest.approx(float(row[column])), (name, column)
            else:
                assert found is None or assumed(device, column), (name, column)
