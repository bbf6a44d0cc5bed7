"""
Which contracts the symbols of a file are: those the lake knows, else those that the exchange's own files list.

Invariant: a symbol is one contract or none; of several that it could mean, none is taken. What a file of the exchange lists and
no master does is listed by the provider ``exchange`` from the first such day on, in the same way as a master's listing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import polars as pl

from fnolake.model import Contract, Master, RawFile, contract_symbol, listing_schema, payload_hash
from fnolake.provider.files.symbols import INDEX_TOKENS, Named
from fnolake.provider.scope import BSE_UNDERLYINGS, EXCHANGES
from fnolake.store.exchange import MATCHED
from fnolake.store.store import Store

Key = tuple[str, str, str, date | None, int | None, str | None]
PROVIDER = "exchange"
UNKNOWN, AMBIGUOUS, CONTINUOUS, UNNAMED = "unknown_symbol", "ambiguous_symbol", "continuous_series", "no_symbol"
_TICK_PAISE = 5
_EQUITY = ("EQ", "A", "B", "X", "T")
_WORDS = {place: word for word, place in EXCHANGES.items()}


class Index:
    """Contracts by what they are: every day they had, so that what was amended is found under each of its names."""

    def __init__(self) -> None:
        self._days: dict[Key, set[int]] = defaultdict(set)
        self._months: dict[tuple[object, ...], dict[date, set[int]]] = defaultdict(lambda: defaultdict(set))

    def add(self, number: int, key: Key) -> None:
        """Note that a contract is, or was, this."""
        self._days[key].add(number)
        expiry = key[3]
        if expiry is not None:
            self._months[(*key[:3], expiry.year, expiry.month, *key[4:])][expiry].add(number)

    def find(self, named: Named) -> set[int]:
        """Contracts that a reading can be; of a month, those of its last expiry that has them."""
        found: set[int] = set()
        for venue in (named.venue,) if named.venue else ("NSE", "BSE"):
            base = (venue, named.underlying, named.kind)
            if named.month is None:
                found |= self._days.get((*base, named.expiry, named.strike_paise, named.right), set())
            else:
                expiries = self._months.get((*base, *named.month, named.strike_paise, named.right), {})
                found |= expiries[max(expiries)] if expiries else set()
        return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """A symbol of a file: how it reads, and the sessions of its rows."""

    text: str
    readings: tuple[Named, ...]
    sessions: tuple[date, ...]


@dataclass(slots=True)
class Found:
    """
    What the symbols of some files are.

    Attributes:
        contracts: By symbol.
        unknown: Why the others are none, by symbol: a reason and what to do.
        listed: Contracts that only the exchange's files name: not in the ledger yet where nothing was written.
        rows: Of those: ``exchange.MATCHED`` columns, by the ids they have here.
    """

    contracts: dict[str, Contract] = field(default_factory=dict)
    unknown: dict[str, tuple[str, str]] = field(default_factory=dict)
    listed: list[Contract] = field(default_factory=list)
    rows: pl.DataFrame | None = None


class Identities:
    """
    Finds contracts.

    Args:
        store: The lake; written only by :meth:`list_new`.
        now: Aware; when listings are taken.
    """

    def __init__(self, store: Store, now: datetime) -> None:
        self._store = store
        self._now = now
        self._read()

    def _read(self) -> None:
        table = self._store.instruments(None).sort("valid_from", nulls_last=False).unique("contract", keep="last").sort("contract")
        self.table = table
        self._place = {number: place for place, number in enumerate(table["contract"].to_list())}
        self._index = Index()
        names = ("contract", "venue", "underlying", "kind", "expiry", "strike_paise", "right")
        for number, *key in self._store.instrument_history().select(names).iter_rows():
            self._index.add(number, tuple(key))

    def find(self, wanted: Iterable[Wanted]) -> Found:
        """What symbols are; contracts that only the exchange's files list have negative ids."""
        found = Found()
        rest = [one for one in wanted if not self._settle(one, found)]
        if rest:
            self._in_files(rest, found)
        return found

    def list_new(self, found: Found) -> Found:
        """Write down what the exchange's files list and no master does; the same findings with the ledger's ids."""
        for day, group in _by_day(found.listed):
            for place, contracts in group.items():
                self._take(day, place, contracts)
        if not found.listed:
            return found
        self._read()
        made: dict[int, Contract] = {}
        for contract in found.listed:
            numbers = self._index.find(Named(contract.underlying, contract.kind, contract.expiry, None, contract.strike_paise, contract.right, contract.venue))
            assert numbers, f"{contract.symbol} was not listed"
            made[contract.contract] = self._contract(max(numbers))
        return replace(found, contracts={text: made.get(one.contract, one) for text, one in found.contracts.items()}, listed=[], rows=None)

    def _contract(self, number: int) -> Contract:
        return Contract(**self.table.row(self._place[number], named=True))

    def _settle(self, one: Wanted, found: Found) -> bool:
        """Find a symbol among the lake's contracts; whether it is settled, one way or the other."""
        hits = set().union(*(self._index.find(reading) for reading in one.readings))
        if len(hits) > 1:
            hits = {number for number in hits if _lived(self._contract(number), one.sessions)} or hits
        if len(hits) > 1:
            names = ", ".join(sorted(self._contract(number).symbol for number in hits)[:3])
            found.unknown[one.text] = (AMBIGUOUS, f"{one.text} can be {names}: write its full name")
        elif hits:
            found.contracts[one.text] = self._contract(hits.pop())
        return bool(hits) or one.text in found.unknown

    def _in_files(self, rest: Sequence[Wanted], found: Found) -> None:
        """Find symbols in the exchange's files of their sessions; the first day that lists one counts."""
        here = self._store.exchange_days()
        days = sorted({day for one in rest for day in one.sessions})
        names = sorted({reading.underlying for one in rest for reading in one.readings})
        rows = self._store.exchange_scan(days).filter(pl.col("underlying").is_in(names) & (
            (pl.col("segment") == "FO") | pl.col("series").is_in(_EQUITY))).sort("session").collect()
        listed = _listed(rows, self._indices())
        listed |= _index_spots(rest, -len(listed))
        index = Index()
        for number, contract in listed.items():
            index.add(number, _key(contract))
        used: set[int] = set()
        for one in rest:
            hits = set().union(*(index.find(reading) for reading in one.readings))
            hits = {number for number in hits if _lived(listed[number], one.sessions)} if len(hits) > 1 else hits
            if len(hits) == 1:
                used |= hits
                found.contracts[one.text] = listed[min(hits)]
            else:
                found.unknown[one.text] = (AMBIGUOUS, f"{one.text} can be any of {len(hits)} contracts: write its full name") if hits else (
                    UNKNOWN, _advice(one, here))
        found.listed = _with_futures(listed, used)
        found.rows = _rows_of(rows, found.listed)

    def _indices(self) -> dict[str, bool]:
        """Whether the underlyings that the lake knows are indices."""
        return dict(self.table.select("underlying", "is_index").iter_rows())

    def _take(self, day: date, place: tuple[str, str], contracts: Sequence[Contract]) -> None:
        """List contracts as the exchange's file of a day does, beside those of its that are still listed."""
        symbols = self._store.provider_symbols().filter((pl.col("provider") == PROVIDER) & (pl.col("since") <= day) & pl.col("gone").is_null())
        kept = self.table.join(symbols.select("contract"), on="contract", how="semi").filter(
            (pl.col("venue") == place[0]) & (pl.col("segment") == place[1]) & (pl.col("expiry").is_null() | (pl.col("expiry") >= day)))
        fresh = pl.DataFrame([{name: getattr(one, name) for name in listing_schema()} for one in contracts], schema=listing_schema())
        listings = pl.concat([fresh, kept.select(listing_schema().keys())]).unique(["venue", "segment", "token"], keep="first").sort("token")
        body = listings.write_csv().encode()
        raw = RawFile(PROVIDER, f"listed-{_WORDS[place]}.csv", None, body, self._now, payload_hash(body))
        self._store.take_master(Master(PROVIDER, _WORDS[place], day, listings.height, listings, payload_hash=raw.payload_hash), raw)


def _key(one: Contract) -> Key:
    return one.venue, one.underlying, one.kind, one.expiry, one.strike_paise, one.right


def _lived(one: Contract, sessions: Sequence[date]) -> bool:
    """Whether a contract had not expired and had not ended when the first of the rows' sessions was."""
    first = min(sessions, default=date.min)
    return (one.expiry is None or one.expiry >= first) and (one.valid_to is None or one.valid_to >= first)


def _listed(rows: pl.DataFrame, indices: Mapping[str, bool]) -> dict[int, Contract]:
    """One contract for each thing that the files list, as the first of them has it, by ids from -1 down."""
    made: dict[int, Contract] = {}
    names = ("venue", "segment", "underlying", "kind", "expiry", "strike_paise", "right")
    firsts = rows.sort("session", "token", nulls_last=True).unique(names, keep="first", maintain_order=True)
    for number, row in enumerate(firsts.iter_rows(named=True), start=1):
        is_index = indices.get(row["underlying"], Named(row["underlying"], row["kind"]).is_index)
        symbol = contract_symbol(*(row[name] for name in names[2:]), is_index=is_index)
        token = row["token"] if row["token"] is not None else _token(names, row)
        made[-number] = Contract(
            -number, **{name: row[name] for name in names[:2]}, token=token, symbol=symbol, **{name: row[name] for name in names[2:]},
            lot=max(row["lot"] or 1, 1), tick_paise=_TICK_PAISE, provider_symbol=row["name"] or symbol, is_index=is_index, valid_from=row["session"],
        )
    return made


def _index_spots(rest: Sequence[Wanted], last: int) -> dict[int, Contract]:
    """Indices, which no file of the exchange lists and whose tokens never change, by ids below ``last``."""
    made: dict[int, Contract] = {}
    for one in rest:
        reading = one.readings[-1]
        venue, token = INDEX_TOKENS.get(reading.underlying, ("", 0))
        if token and reading.kind == "spot" and one.sessions:
            last -= 1
            made[last] = Contract(
                last, venue, "CM", token, reading.underlying, reading.underlying, "spot", None, None, None, 1, 0, reading.underlying,
                is_index=True, valid_from=min(one.sessions),
            )
    return made


def _token(names: Sequence[str], row: Mapping[str, object]) -> int:
    """A token below zero for what the files before UDiFF list without one: the same in every lake."""
    text = "|".join(str(row[name]) for name in names)
    return -(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1) - 1


def _with_futures(listed: Mapping[int, Contract], used: set[int]) -> list[Contract]:
    """What is used, and the futures of the same underlyings, so that it is known which one is near."""
    names = {(listed[number].venue, listed[number].underlying) for number in used}
    return [one for number, one in listed.items() if number in used or (one.kind == "future" and (one.venue, one.underlying) in names)]


def _rows_of(rows: pl.DataFrame, listed: Sequence[Contract]) -> pl.DataFrame:
    keys = ("venue", "underlying", "kind", "expiry", "strike_paise", "right")
    ids = pl.DataFrame([(one.contract, *_key(one)) for one in listed], schema=["contract", *keys], orient="row", infer_schema_length=None)
    ids = ids.cast({"contract": pl.Int64, **{name: rows.schema[name] for name in keys}})
    return rows.join(ids, on=keys, nulls_equal=True).select(MATCHED)


def _by_day(listed: Sequence[Contract]) -> list[tuple[date, dict[tuple[str, str], list[Contract]]]]:
    """New listings by the day of the file that has them, the earliest first, and by venue and segment."""
    days: dict[date, dict[tuple[str, str], list[Contract]]] = defaultdict(lambda: defaultdict(list))
    for one in listed:
        assert one.valid_from is not None
        days[one.valid_from][one.venue, one.segment].append(one)
    return sorted(days.items())


def _advice(one: Wanted, here: set[tuple[str, str, date]]) -> str:
    """What to do about a symbol that nothing lists."""
    reading = one.readings[0]
    venue = reading.venue or ("BSE" if reading.underlying in BSE_UNDERLYINGS else "NSE")
    segment = "CM" if reading.kind == "spot" else "FO"
    lacking = [day for day in one.sessions if (venue, segment, day) not in here]
    if not lacking:
        return f"neither a master nor {venue}'s {segment} file of its days lists it"
    return f"no master here lists it: take {venue}'s {segment} file of {lacking[0]} with `fnolake exchange take FILE`"
