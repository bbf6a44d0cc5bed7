"""
The exchange's reference files as the emulated market has them: who closes by auction, actions, lots, symbol changes.

Small dividends move no price; what does are the scripted events (``events``): special dividends and demergers stand in the
corporate actions, renames in the symbol changes from their day on, after those of the real market that its names follow.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import date, timedelta

from fnolake.emulator.listings import SPOT
from fnolake.emulator.world import World
from fnolake.market.reference import AUCTION_FIELD
from fnolake.model import Contract

SYMBOL_CHANGES = (
    "Shriram Finance Limited,SRTRANSFIN,SHRIRAMFIN,20-DEC-2022",
    "Eternal Limited,ZOMATO,ETERNAL,09-APR-2025",
    "Tata Motors Passenger Vehicles Limited,TATAMOTORS,TMPV,24-OCT-2025",
    "LTIMindtree, now LTM, Limited,LTIM,LTM,27-FEB-2026",
)
"""Real changes (market.md section 5); the last name has commas, as the real file's names may."""
FIELDS = 120
_QUARTER = 91


def symbol_changes(world: World) -> bytes:
    """``symbolchange.csv`` as it is on the world's last date: no header, CRLF."""
    known = [event for event in world.events if event.kind == "rename" and event.on <= world.day.toordinal()]
    ours = [f"{event.to} Limited,{event.underlying},{event.to},{_shouted(event.on)}" for event in sorted(known, key=lambda event: event.on)]
    return "".join(f"{line}\r\n" for line in (*SYMBOL_CHANGES, *ours)).encode()


def securities(world: World, day: date) -> bytes:
    """``NSE_CM_security_DDMMYYYY.csv.gz``: every stock of the market, eligible where its hours on that day have an auction."""
    names = ["FinInstrmId", "TckrSymb", "SctySrs", *(f"Rsvd{n:03d}" for n in range(4, FIELDS + 1))]
    names[22], names[AUCTION_FIELD - 1], names[58] = "SctyStsRETDBTMkt", "ElgbltyClsgAuctnSsn", "XchgExclsv"
    lines = [",".join(names)]
    for token, symbol in _stocks(world, day):
        cells = [str(token), symbol, "EQ", *["0"] * (FIELDS - 3)]
        cells[AUCTION_FIELD - 1] = str(int(_closes_by_auction(world, token, symbol, day)))
        lines.append(",".join(cells))
    return gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)


def corporate_actions(world: World, start: date, end: date) -> bytes:
    """
    ``CF-CA-equities….csv``: a dividend of each stock every 91 days, at a day of its own, and the scripted actions; byte order
    mark and quotes as live. Symbols are those of the world's last date.
    """
    head = "SYMBOL,COMPANY NAME,SERIES,PURPOSE,FACE VALUE,EX-DATE,RECORD DATE,BOOK CLOSURE START DATE,BOOK CLOSURE END DATE"
    days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    purposes = [
        (symbol, "Interim Dividend - Rs 2.50 Per Share", day) for token, symbol in _stocks(world, world.day) for day in days
        if (day.toordinal() + token) % _QUARTER == 0
    ]
    purposes += [one for one in _scripted(world) if start <= one[2] <= end]
    rows = [
        (symbol, f"{symbol} LIMITED", "EQ", purpose, "10", f"{day:%d-%b-%Y}", f"{day:%d-%b-%Y}", "-", "-") for symbol, purpose, day in purposes
    ]
    lines = [",".join(f'"{name}"' for name in head.split(",")), *(",".join(f'"{cell}"' for cell in row) for row in rows)]
    return b"\xef\xbb\xbf" + "\n".join(lines).encode()


def _scripted(world: World) -> Iterator[tuple[str, str, date]]:
    """Symbol, purpose and ex-date of the events that are corporate actions."""
    now = {event.underlying: event.to for event in world.events if event.kind == "rename" and event.on <= world.day.toordinal()}
    for event in world.events:
        symbol, day = now.get(event.underlying, event.underlying), date.fromordinal(max(event.on, 1))
        if event.kind == "dividend":
            yield symbol, f"Special Dividend - Rs {event.paise / 100:.2f} Per Share", day
        elif event.kind == "demerger":
            yield symbol, "Demerger", day


def market_lots(world: World) -> bytes:
    """``fo_mktlots.csv``: the lots of every underlying at NSE by contract month, padded as live."""
    today = world.listed_on(world.day)
    c = today.columns
    by_name: dict[str, dict[date, int]] = {}
    for row in range(len(c.token)):
        if c.kind[row] != SPOT and c.exchange[row] == 1:
            month = date.fromordinal(int(c.expiry[row])).replace(day=1)
            name = today.underlyings[int(c.und[row])].name
            by_name.setdefault(name, {})[month] = int(c.lot[row])
    months = sorted({month for lots in by_name.values() for month in lots})
    lines = [["UNDERLYING", "SYMBOL", *(f"{month:%b-%y}".upper() for month in months)]]
    lines += [[f"{name} LIMITED", name, *(str(lots.get(month, "")) for month in months)] for name, lots in sorted(by_name.items())]
    return "\n".join(",".join(cell.ljust(11) for cell in line) for line in lines).encode()


def _shouted(day: int) -> str:
    """``09-APR-2025``, of an ordinal."""
    return f"{date.fromordinal(day):%d-%b-%Y}".upper()


def _stocks(world: World, day: date) -> list[tuple[int, str]]:
    """Token and name of NSE's stocks, as they are called on a date."""
    known = world.listed_on(day)
    c, unds = known.columns, known.underlyings
    return [
        (int(c.token[row]), unds[int(c.und[row])].name)
        for row in range(len(c.token))
        if c.kind[row] == SPOT and c.exchange[row] == 0 and not unds[int(c.und[row])].is_index
    ]


def _closes_by_auction(world: World, token: int, symbol: str, day: date) -> bool:
    stock = Contract(0, "NSE", "CM", token, f"{symbol}-EQ", symbol, "spot", None, None, None, 1, 1, "")
    if world.calendar.status(day) != "open":
        return False
    session = world.calendar.session_for(stock, day)
    return session is not None and any(window.phase == "auction" for window in session.windows)
