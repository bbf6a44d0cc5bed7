"""
The life of a contract: when it was listed, what was amended, who called it what, when it ended, and which master said so.

Reads the store, writes nothing. Dates are those of masters: a change is known from the first master that shows it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date

import polars as pl

from fnolake.errors import UnknownInstrument
from fnolake.model import strike_text
from fnolake.store.store import Store

LIFE: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract": pl.Int64, "symbol": pl.String, "day": pl.Date, "event": pl.String, "what": pl.String, "before": pl.String,
    "after": pl.String, "provider": pl.String, "master": pl.String,
}
"""
``symbol`` is the contract's latest, ``day`` null where it is before the first master. Events: listed, amended (``what``: lot, tick,
expiry, strike), renamed (underlying), named (a provider lists it, ``after`` its symbol there), not_listed (it stopped), delisted,
expired. Ticks and strikes are rupees. ``master`` is the file of ``raw/`` that said so, empty where that is not known.
"""

EVENTS = ("listed", "named", "renamed", "amended", "not_listed", "delisted", "expired")
"""Their order within a day."""

_AMENDED = {"lot": "lot", "tick": "tick_paise", "expiry": "expiry", "strike": "strike_paise"}
_EXCHANGES = {("NSE", "CM"): "NSE", ("BSE", "CM"): "BSE", ("NSE", "FO"): "NFO", ("BSE", "FO"): "BFO"}

Row = dict[str, object]


def meant(store: Store, symbol: str) -> list[int]:
    """
    Contracts of a name: an id, any symbol that one ever had here, or a provider's.

    A name may be several contracts: what is listed again after a demerger has the symbol of what ended before it.

    Raises:
        UnknownInstrument: No contract was ever called so.
    """
    name = symbol.strip().upper()
    history = store.instrument_history()
    if name.isdigit():
        found = history.filter(pl.col("contract") == int(name))["contract"]
    else:
        found = history.filter((pl.col("symbol") == name) | (pl.col("provider_symbol").str.to_uppercase() == name))["contract"]
        if found.is_empty():
            listed = store.provider_symbols()
            found = listed.filter(pl.col("symbol").str.to_uppercase() == name)["contract"]
    if found.is_empty():
        raise UnknownInstrument(f"no contract {symbol} was ever listed here; give its id or its symbol, see `fnolake instruments`")
    return found.unique().sort().to_list()


def life(store: Store, contracts: list[int], today: date) -> pl.DataFrame:
    """
    Everything that is known to have happened to contracts.

    Args:
        store: The lake's store.
        contracts: Ids.
        today: An expiry before it has passed.

    Returns:
        ``LIFE``, by contract and day (unknown days first), in the order of ``EVENTS`` within a day.
    """
    wanted = pl.col("contract").is_in(contracts)
    history = store.instrument_history().filter(wanted).join(store.said(contracts), on=["contract", "revision"], how="left")
    taken = _Masters(store.masters())
    names = store.provider_symbols(contracts)
    rows: list[Row] = []
    for (number,), revisions in history.sort("contract", "revision").group_by("contract", maintain_order=True):
        told = list(revisions.iter_rows(named=True))
        own = list(names.filter(pl.col("contract") == number).iter_rows(named=True))
        one = [*_told(told, taken), *_named(told[-1], own, taken), *_ended(told, own, taken, today)]
        one.sort(key=lambda row: (row["day"] or date.min, EVENTS.index(str(row["event"]))))
        rows += [{"contract": number, "symbol": told[-1]["symbol"], "what": "", "before": "", "after": "", **row} for row in one]
    return pl.DataFrame(rows, schema=LIFE)


class _Masters:
    """Which file a provider's word came from; no two are taken in one microsecond, each being written through to the disk."""

    def __init__(self, taken: pl.DataFrame) -> None:
        self._rows = taken.sort("taken_at").select("provider", "exchange", "day", "file").rows()
        self._said = {taken_at: (provider, file) for taken_at, provider, file in taken.select("taken_at", "provider", "file").iter_rows()}

    def at(self, revision: Row) -> Row:
        """Who first said a revision, in which file."""
        provider, file = self._said.get(revision["said_at"], ("", ""))
        return {"provider": provider, "master": file}

    def of(self, provider: str, revision: Row, day: date | None) -> Row:
        """A provider's master of a day for the place of a contract."""
        exchange = _EXCHANGES.get((str(revision["venue"]), str(revision["segment"])))
        files = [file for who, where, on, file in self._rows if (who, where, on) == (provider, exchange, day)]
        return {"provider": provider, "master": files[0] if files else ""}


def _told(revisions: list[Row], taken: _Masters) -> Iterator[Row]:
    """The first listing, and what each later revision changed."""
    first = revisions[0]
    yield {"day": first["valid_from"], "event": "listed", "after": first["symbol"], **taken.at(first)}
    for before, after in itertools.pairwise(revisions):
        said = {"day": after["valid_from"] or after["first_seen"], **taken.at(after)}
        if before["underlying"] != after["underlying"]:
            yield {"event": "renamed", "what": "underlying", "before": before["underlying"], "after": after["underlying"], **said}
        for what, column in _AMENDED.items():
            if before[column] != after[column]:
                yield {"event": "amended", "what": what, "before": _text(what, before[column]), "after": _text(what, after[column]), **said}


def _named(last: Row, names: list[Row], taken: _Masters) -> Iterator[Row]:
    """Who lists the contract, by which symbol, and who stopped."""
    for name in names:
        provider, since, gone = str(name["provider"]), name["since"], name["gone"]
        assert isinstance(since, date)
        yield {"day": since, "event": "named", "after": name["symbol"], **taken.of(provider, last, since)}
        if isinstance(gone, date):
            yield {"day": gone, "event": "not_listed", "before": name["symbol"], **taken.of(provider, last, gone)}


def _ended(revisions: list[Row], names: list[Row], taken: _Masters, today: date) -> Iterator[Row]:
    """Its end: delisted on its last day before the expiry, or expired."""
    last = revisions[-1]
    until, expiry = last["valid_to"], last["expiry"]
    assert isinstance(expiry, date | None)
    if isinstance(until, date) and (expiry is None or until < expiry):
        gone = [name for name in names if isinstance(name["gone"], date)]
        final = max(gone, key=lambda name: str(name["gone"]), default=None)
        said = {"provider": "", "master": ""}
        if final is not None and isinstance(final["gone"], date):
            said = {key: str(value) for key, value in taken.of(str(final["provider"]), last, final["gone"]).items()}
        yield {"day": until, "event": "delisted", **said}
    elif expiry is not None and expiry < today:
        yield {"day": expiry, "event": "expired", "provider": "", "master": ""}


def _text(what: str, value: object) -> str:
    if isinstance(value, int) and what in ("tick", "strike"):
        return strike_text(value)
    return "" if value is None else str(value)
