"""The straight line is a fact of the imports: floors, traffic and writes stay where the design puts them."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src" / "fnolake"

FLOORS = [
    ["errors"], ["secret"], ["config"], ["model"], ["market"], ["provider"], ["normalize", "checks", "minutes"], ["verify"], ["store"], ["query"],
    ["sync"], ["notify"], ["export"], ["reads"], ["files"], ["people"], ["lake"], ["cli", "web"], ["emulator"], ["testing"],
]
FLOOR_OF = {name: i for i, names in enumerate(FLOORS) for name in names}
EMULATOR_MAY_BE_STARTED_BY = {"cli"}
TESTING_MAY_KNOW = {"errors", "model", "provider", "testing"}
NETWORK = {"aiohttp", "socket", "ssl", "urllib.request", "http.client", "requests"}
MAY_LISTEN = {"provider/shoonya/signin_callback.py"}


def modules() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


def station(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
    return found


def own_imports(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("fnolake.")} & set(FLOOR_OF)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SRC)))
def test_a_module_imports_only_from_floors_below_it(path: Path) -> None:
    here = station(path)
    if here not in FLOOR_OF:
        assert here in {"__init__", "__main__"}
        return
    for other in own_imports(path) - {here}:
        if other == "emulator" and here in EMULATOR_MAY_BE_STARTED_BY:
            continue
        assert FLOOR_OF[other] < FLOOR_OF[here], f"{path.relative_to(SRC)} imports {other}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SRC)))
def test_traffic_leaves_only_from_provider(path: Path) -> None:
    if station(path) in {"provider", "emulator", "web", "testing"}:
        return
    assert not imports(path) & NETWORK


def test_providers_do_not_know_each_other() -> None:
    for path in (SRC / "provider").rglob("*.py"):
        parts = path.relative_to(SRC / "provider").parts
        if len(parts) == 1:
            continue
        for name in imports(path):
            if name.startswith("fnolake.provider."):
                other = name.split(".")[2]
                assert other == parts[0] or not (SRC / "provider" / other).is_dir(), f"{path} imports {name}"


def test_sqlite_and_delta_are_written_only_in_store() -> None:
    for path in modules():
        if {"sqlite3", "deltalake"} & {n.split(".")[0] for n in imports(path)}:
            assert station(path) in {"store", "query"}, path


def test_the_contract_tests_know_only_what_an_adapter_knows() -> None:
    for path in (SRC / "testing").rglob("*.py"):
        assert own_imports(path) <= TESTING_MAY_KNOW, path
        assert not {name.split(".")[0] for name in imports(path)} & {"pytest", "hypothesis"}, path
