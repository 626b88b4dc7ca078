"""What holds the house together: who imports whom, what start-up loads, no bare assert."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("hwsim", "workloads", "calibration")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = ("torch", "scipy", "matplotlib")


def test_imports_point_the_agreed_way():
    code = (
        "from importlinter.cli import lint_imports; import sys;"
        "sys.exit(lint_imports(config_filename='pyproject.toml', no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("estimate", "--hw", "volta.json", "--model", "charlm"),
        ("simulate", "--hw", "volta.json", "--model", "charlm"),
        ("hardware", "list"),
        ("software", "list"),
        ("workload", "list"),
        ("--help",),
    ],
    ids=lambda words: words[0],
)
def test_nothing_heavy_is_loaded(words):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "hwsim", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "hwsim.cli.main" in loaded
    roots = {name.partition(".")[0] for name in loaded}
    assert roots.isdisjoint(HEAVY)


def nodes_of(kind):
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kind):
                yield path.relative_to(ROOT), node


def test_no_assert_outside_tests():
    assert [f"{path}:{node.lineno}" for path, node in nodes_of(ast.Assert)] == []


def test_files_and_functions_are_short():
    assert [path.name for path in FILES if len(path.read_text().splitlines()) > 400] == []
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        f"{path}:{node.name}"
        for path, node in nodes_of(functions)
        if node.end_lineno - node.lineno >= 60
    ]
    assert long == []


def test_every_module_says_what_it_is():
    silent = [
        str(path.relative_to(ROOT))
        for path in FILES
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []
