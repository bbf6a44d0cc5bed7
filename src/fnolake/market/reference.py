"""
The exchange's reference files as tables: symbol changes, securities, corporate actions, holidays, lots. Bytes in, a table out.

What a file means for the calendar or for identity is not said here. Invariant: a line of a file is in ``rows`` or counted
by a refusing finding.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from fnolake.market.csvtable import header, read_table, refused
from fnolake.market.oldfiles import date_of
from fnolake.model.verdict import Finding

SECURITY_NEEDED = ("FinInstrmId", "TckrSymb", "SctySrs", "ElgbltyClsgAuctnSsn")
CORPORATE_NEEDED = ("SYMBOL", "SERIES", "PURPOSE", "FACE VALUE", "EX-DATE", "RECORD DATE")
AUCTION_FIELD = 24
"""Place of the closing-auction flag (NSE/CMTR/73845, 2026-04-22, in force from 2026-08-03)."""
AUCTION_FROM = date(2026, 8, 3)
KINDS = ("symbol_changes", "securities", "corporate_actions", "holidays", "market_lots")
SCHEMAS: dict[str, dict[str, pl.DataType | type[pl.DataType]]] = {
    "symbol_changes": {"company": pl.String, "old": pl.String, "new": pl.String, "since": pl.Date},
    "securities": {"token": pl.Int64, "symbol": pl.String, "series": pl.String, "closing_auction": pl.Boolean},
    "corporate_actions": {
        "symbol": pl.String, "series": pl.String, "ex_date": pl.Date, "kind": pl.String, "factor": pl.Float64,
        "amount_rupees": pl.Float64, "record_date": pl.Date, "purpose": pl.String,
    },
    "holidays": {"segment": pl.String, "day": pl.Date, "description": pl.String, "special": pl.Boolean},
    "market_lots": {"underlying": pl.String, "symbol": pl.String, "month": pl.Date, "lot": pl.Int64},
}
_MONEY = r"(?:Rs|Re)\.?\s*([0-9]+(?:\.[0-9]+)?)"
_DIVIDEND = re.compile(rf"(special\s+)?(?:inter\w*\s+|final\s+)?dividend\s*-?\s*{_MONEY}", re.IGNORECASE)
_BONUS = re.compile(r"\bbonus\s+(\d+)\s*:\s*(\d+)", re.IGNORECASE)
_SPLIT = re.compile(rf"(?:split|sub-?\s*division|consolidation).*?from\s+{_MONEY}.*?to\s+{_MONEY}", re.IGNORECASE)
_RIGHTS = re.compile(r"\brights\s+(\d+)\s*:\s*(\d+)", re.IGNORECASE)
_DEMERGER = re.compile(r"demerger|spin[- ]?off|scheme of arrangement", re.IGNORECASE)
_MONTH = re.compile(r"[A-Z]{3}-\d\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReferenceFile:
    """
    One reference file. ``rows`` has ``SCHEMAS[kind]``; ``day`` is the date it speaks of, None where it names none.

    Corporate actions have one row for each action: ``kind`` is split, bonus, dividend, special_dividend, rights, demerger or
    other; ``factor`` is units after by units before (a price before is divided by it), null where none is stated.
    """

    kind: str
    day: date | None
    rows: pl.DataFrame
    findings: tuple[Finding, ...] = ()


def read_symbol_changes(text: bytes, body: bytes) -> ReferenceFile:
    """
    Read ``symbolchange.csv``: company, old, new, date, without a header; a company's name may hold commas.

    Rows are by date; a symbol may change again, so chains are followed by whoever asks.

    Raises:
        PayloadError: No line of it is a symbol change.
    """
    found, bad = [], 0
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    for number, line in enumerate(lines):
        parts = [part.strip().strip('"').strip() for part in line.rstrip(", ").rsplit(",", 3)]
        day = date_of(parts[3]) if len(parts) == 4 else None
        if day is not None and parts[1] and parts[2]:
            found.append((parts[0], parts[1].upper(), parts[2].upper(), day))
        elif number:
            bad += 1
    if not found:
        raise refused("this is no list of symbol changes", body)
    return _made("symbol_changes", None, _table("symbol_changes", found).unique(["old", "new", "since"]).sort("since", "old", "new"), bad)


def is_symbol_changes(text: bytes) -> bool:
    """Whether one of the first lines ends in two symbols and a date."""
    for line in text.decode("utf-8", "replace").splitlines()[:3]:
        parts = line.rstrip(", ").rsplit(",", 3)
        if len(parts) == 4 and date_of(parts[3].strip('" ')) and all(re.fullmatch(r'["\s]*[A-Za-z0-9&_-]+["\s]*', one) for one in parts[1:3]):
            return True
    return False


def read_securities(text: bytes, body: bytes, day: date | None) -> ReferenceFile:
    """
    Read ``NSE_CM_security_DDMMYYYY.csv``: who takes part in the closing auction (0 or 1, NSE/CMTR/73845).

    Args:
        text: From ``unpack.plain``.
        body: The download, attached to errors.
        day: The date in its name; the file names none.

    Raises:
        PayloadError: Another file, a cut one, or the flag is neither 0 nor 1.
    """
    raw, short = read_table(text, SECURITY_NEEDED, body, "NSE's security file with the closing auction's flag (from 2026-08-03)")
    flag = pl.col("ElgbltyClsgAuctnSsn")
    rows = raw.select(
        token=pl.col("FinInstrmId").cast(pl.Int64, strict=False), symbol="TckrSymb", series="SctySrs",
        closing_auction=pl.when(flag == "1").then(statement=True).when(flag == "0").then(statement=False),
    )
    kept = rows.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in ("token", "symbol", "closing_auction")))
    if kept.is_empty():
        raise refused("the closing auction's flag of the security file is neither 0 nor 1 in any row", body)
    moved = header(text).index("ElgbltyClsgAuctnSsn") + 1
    told = () if moved == AUCTION_FIELD else (Finding("field_moved", 1, f"the closing auction's flag is field {moved}, {AUCTION_FIELD} was documented"),)
    return _made("securities", day, kept, rows.height - kept.height + short, told)


def read_corporate_actions(text: bytes, body: bytes) -> ReferenceFile:
    """
    Read NSE's corporate actions (``CF-CA-equities-….csv``), one row for each action that a purpose names.

    Raises:
        PayloadError: Another file, or a cut one.
    """
    raw, short = read_table(text, CORPORATE_NEEDED, body, "NSE's list of corporate actions")
    found, bad = [], short
    for symbol, series, purpose, ex_date, record_date in raw.select("SYMBOL", "SERIES", "PURPOSE", "EX-DATE", "RECORD DATE").iter_rows():
        day = date_of(ex_date or "")
        if day is None or not symbol or not purpose:
            bad += 1
            continue
        found += [(symbol, series, day, kind, factor, amount, date_of(record_date or ""), purpose) for kind, factor, amount in actions_of(purpose)]
    if not found:
        raise refused("no row of the corporate actions can be read", body)
    return _made("corporate_actions", None, _table("corporate_actions", found).unique().sort("ex_date", "symbol", "kind"), bad)


def actions_of(purpose: str) -> Iterator[tuple[str, float | None, float | None]]:
    """
    The actions that one purpose names, as (kind, factor, amount in rupees).

    A bonus of preference shares or debentures is a scheme, not a bonus: the number of shares stays. An action that is none
    of ours is ``other``.
    """
    scheme = _DEMERGER.search(purpose)
    found: list[tuple[str, float | None, float | None]] = []
    if (bonus := _BONUS.search(purpose)) and int(bonus[2]):
        found.append(("bonus", (int(bonus[1]) + int(bonus[2])) / int(bonus[2]), None))
    if (split := _SPLIT.search(purpose)) and float(split[2]):
        found.append(("split", float(split[1]) / float(split[2]), None))
    found += [("special_dividend" if said[1] else "dividend", None, float(said[2])) for said in _DIVIDEND.finditer(purpose)]
    if _RIGHTS.search(purpose):
        found.append(("rights", None, None))
    if scheme:
        found.append(("demerger", None, None))
    yield from found or [("other", None, None)]


def read_holidays(text: bytes, body: bytes) -> ReferenceFile:
    """
    Read NSE's holiday master (JSON; lists by segment, of which CM and FO are kept).

    ``special`` marks a description that ends in ``*``: the exchange's sign that a Muhurat session is held on it
    (2026-11-08 ``Diwali Laxmi Pujan*``).

    Raises:
        PayloadError: Other JSON, or no date in it.
    """
    try:
        said = json.loads(text)
    except ValueError as error:
        raise refused("the holiday master is no JSON", body) from error
    lists = {key: said[key] for key in ("CM", "FO") if isinstance(said, dict) and isinstance(said.get(key), list)}
    if not lists:
        raise refused("the exchange sent JSON that is no holiday master", body)
    found, bad = [], 0
    for segment, rows in lists.items():
        for row in rows:
            day = date_of(str(row.get("tradingDate", ""))) if isinstance(row, dict) else None
            if day is None:
                bad += 1
                continue
            words = str(row.get("description") or "").strip()
            found.append((segment, day, words.rstrip("* "), words.endswith("*")))
    if not found:
        raise refused("the holiday master names no date", body)
    return _made("holidays", None, _table("holidays", found).unique(["segment", "day"]).sort("segment", "day"), bad)


def read_market_lots(text: bytes, body: bytes) -> ReferenceFile:
    """
    Read ``fo_mktlots.csv``: lots in units by symbol and contract month (``month`` is its first day); blank is not listed.

    Raises:
        PayloadError: Another file.
    """
    try:
        lines = [[cell.strip() for cell in line] for line in csv.reader(text.decode("utf-8", "replace").splitlines()) if line]
    except csv.Error as error:
        raise refused(f"this is no list of market lots: {error}", body) from error
    months = [(place, date_of(f"01-{cell}")) for place, cell in enumerate(lines[0]) if _MONTH.fullmatch(cell)]
    found, bad = [], 0
    for line in lines[1:]:
        if len(line) < 3 or line[1].upper() in {"", "SYMBOL"}:
            continue
        lots = [(line[0], line[1].upper(), month, int(line[place])) for place, month in months if place < len(line) and line[place].isdigit()]
        found += lots
        bad += not lots
    if not months or not found:
        raise refused("this is no list of market lots", body)
    return _made("market_lots", None, _table("market_lots", found).unique(["symbol", "month"]).sort("symbol", "month"), bad)


def is_market_lots(text: bytes) -> bool:
    """Whether the header names UNDERLYING, SYMBOL and months."""
    names = header(text)
    return names[:2] == ["UNDERLYING", "SYMBOL"] and any(_MONTH.fullmatch(name) for name in names[2:])


def _table(kind: str, rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMAS[kind], orient="row")


def _made(kind: str, day: date | None, rows: pl.DataFrame, bad: int, told: tuple[Finding, ...] = ()) -> ReferenceFile:
    lost = (Finding("row_unreadable", bad, "lines that are no row", refused=True),) if bad else ()
    return ReferenceFile(kind, day, rows.select(SCHEMAS[kind].keys()), (*lost, *told))
