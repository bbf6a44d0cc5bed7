"""verify: parses, asks once, renders every form, and ends with the exit code of what it found."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from tests.cli.conftest import COVERAGE, FRIDAY, FakeLake

from fnolake.cli.certificate_view import card
from fnolake.model import Certificate, Content, Counts, ExchangeFile, Reason, UnderlyingCounts
from fnolake.query.certificate import ROWS
from fnolake.sync.certify import Certified

if TYPE_CHECKING:
    from tests.cli.conftest import Terminal

EVENING = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
COUNTS = Counts(listed=1201, traded=460, untraded=740, unknown=1, captured=460, verified=459, gaps=1)
EXCEPTION = {
    "symbol": "TCS24NOV26C3100", "session": FRIDAY, "venue": "NSE", "segment": "FO", "underlying": "TCS", "kind": "option",
    "expiry": date(2026, 11, 24), "trade": "traded", "standing": "gap", "reason": "partial: cut", "detail": "minutes 5, exchange 9",
    "exchange_volume": 9, "bars": 2, "provider": "shoonya",
}


def certificate(session: date = FRIDAY, counts: Counts = COUNTS) -> Certificate:
    return Certificate(
        session=session, made_at=EVENING, version="0.1.0", venues=("NSE",), counts=counts, underlyings=(UnderlyingCounts("TCS", counts),),
        known_underlyings=1, reasons=(Reason("gap", "partial: cut", 1),),
        exchange_files=(ExchangeFile("NSE", "FO", "fo[1].csv.zip", 1200, "ab" * 32, EVENING), ExchangeFile("NSE", "CM", "", 1, "", None)),
        missing_files=(), masters=(), sources=(), content=Content("cd" * 32, 9000, 460), supersedes="ef" * 32, changes=("gaps 2 → 1",),
    )


def certified(one: Certificate, number: int | None = 4) -> Certified:
    return Certified(one, pl.DataFrame([EXCEPTION], schema=ROWS), COVERAGE, number)


@dataclass
class SigningLake(FakeLake):
    """Signs what it is given."""

    made: tuple[Certified, ...] = field(default_factory=lambda: (certified(certificate()),))

    def verify(self, start: date | None, end: date | None, names: tuple[str, ...], *, dry_run: bool) -> tuple[Certified, ...]:
        self.note("verify", (start, end, names, dry_run))
        return self.made


@pytest.fixture
def signing(terminal: Terminal) -> Terminal:
    terminal.lake = SigningLake()
    return terminal


def test_it_shows_a_card_and_the_line_and_ends_with_three_where_there_is_a_gap(signing: Terminal) -> None:
    done = signing("verify", "--session", "2026-11-20", "-u", "tcs")
    assert done.exit_code == 3
    assert signing.lake.asked == [("verify", (FRIDAY, FRIDAY, ("TCS",), False))]
    assert signing.lake.written
    for words in ("Friday 20 November 2026", "459 of 460 traded contracts", "partial: cut", "fo[1].csv.zip", "20 Nov 18:30 IST", "with gaps", "gaps 2 → 1", "99 %"):
        assert words in done.stdout
    assert done.stdout.splitlines()[-1] == certificate().line


@pytest.mark.parametrize(("counts", "code"), [(replace(COUNTS, verified=460, gaps=0), 0), (replace(COUNTS, gaps=0, mismatch=1), 4)])
def test_the_exit_code_is_the_certificates(signing: Terminal, counts: Counts, code: int) -> None:
    signing.lake = SigningLake(made=(certified(certificate(counts=counts)),))
    assert signing("verify").exit_code == code


def test_several_sessions_are_a_table_and_the_heat_map(signing: Terminal) -> None:
    signing.lake = SigningLake(made=(certified(certificate(date(2026, 11, 19))), certified(certificate())))
    done = signing("verify", "--from", "2026-11-19", "--to", "2026-11-20")
    assert "Thu 19 Nov 2026" in done.stdout
    assert "contract-sessions covered" in done.stdout
    assert "918 of 920 traded contract-sessions verified" in done.stdout.splitlines()[-1]


def test_machines_get_certificates_with_their_exceptions(signing: Terminal) -> None:
    (one,) = json.loads(signing("verify", "--format", "json").stdout)
    assert one == {**certificate().to_json(), "number": 4, "exceptions": [{**EXCEPTION, "session": "2026-11-20", "expiry": "2026-11-24"}]}
    assert json.loads(signing("verify", "--format", "ndjson").stdout) == one
    (row,) = csv.DictReader(io.StringIO(signing("verify", "--format", "csv").stdout))
    assert (row["session"], row["verified"], row["certificate"]) == ("2026-11-20", "459", certificate().hash)


def test_every_exception_can_be_listed(signing: Terminal) -> None:
    (row,) = csv.DictReader(io.StringIO(signing("verify", "--exceptions", "--format", "csv").stdout))
    assert (row["symbol"], row["reason"]) == ("TCS24NOV26C3100", "partial: cut")
    signing.lake = SigningLake(made=(replace(certified(certificate()), exceptions=pl.DataFrame(schema=ROWS)),))
    assert "No exceptions" in signing("verify", "--exceptions", "--format", "table").stdout


def test_a_dry_run_reads_only_and_draws_nothing(signing: Terminal) -> None:
    target = signing.folder / "a.svg"
    done = signing("verify", "--dry-run", "--svg", str(target), "--line")
    assert not signing.lake.written
    assert done.stdout == certificate().line + "\n"
    assert "nothing was recorded" in done.stderr
    assert not target.exists()
    signing("verify", "--svg", str(target))
    assert target.read_text().startswith("<svg")


def test_status_shows_the_last_certificate(signing: Terminal) -> None:
    signing.lake.status_value = replace(signing.lake.status_value, certificate=certificate().line)
    assert f"Certificate: {certificate().line}" in signing("status").stdout


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_card_fits_every_terminal(width: int) -> None:
    from rich.console import Console

    many = replace(certificate(), underlyings=tuple(UnderlyingCounts(f"NAME{n}", COUNTS) for n in range(216)), reasons=tuple(Reason("gap", f"reason{n}", n) for n in range(30)))
    target = Console(width=width, record=True, file=io.StringIO())
    target.print(card(many, width))
    text = target.export_text()
    assert max(map(len, text.splitlines())) <= min(width, 100)
    assert "18 other reasons" in text


def test_a_value_is_never_read_as_markup() -> None:
    names: Any = ("[bold]", "[/]")
    assert card(replace(certificate(), sources=(), venues=names), 80)
