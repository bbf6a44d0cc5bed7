"""What users may rely on: the package's names, the facade's methods, and that everything public is described."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import fnolake
from fnolake.lake import Lake

SRC = Path(__file__).resolve().parents[1] / "src" / "fnolake"
HEAVY = ("polars", "pyarrow", "deltalake", "numpy", "aiohttp", "rich", "typer", "structlog", "prometheus_client")
LAKE = {
    "accounts", "alerts", "async_alert", "async_ask_people", "async_doctor", "async_live", "async_login",
    "async_logout", "async_run", "async_sync", "async_take_masters", "at_risk", "audit", "bars", "calendar", "chain",
    "clock", "close", "compare", "continuous", "coverage", "export", "gaps", "import_files", "instrument_history",
    "instruments", "live_findings", "live_score", "metrics", "path", "plan", "repairs", "rolls", "scan", "sql", "status", "sync",
    "take_files", "to_pandas", "upkeep", "verify", "write_metrics",
}


def test_the_package_offers_these_names() -> None:
    assert sorted(fnolake.__all__) == ["__version__", "open"]


def test_a_lake_offers_these_methods() -> None:
    assert {name for name, _ in inspect.getmembers(Lake) if not name.startswith("_")} == LAKE


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, fnolake; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_every_public_name_is_described_and_no_file_is_too_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{path}: no module docstring"
    assert len(text.splitlines()) <= 400, f"{path}: longer than 400 lines"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path}: {node.name} is not described"
