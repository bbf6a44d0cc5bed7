"""
The exchange's reference files as the emulated market has them: who closes by auction, actions, lots, symbol changes.

Nothing here moves a price: the emulated market knows no split and no bonus, its companies only pay small dividends. The
symbol changes are those of the real market that its names already follow.
"""

from __future__ import annotations

import gzip
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


def symbol_changes() -> bytes:
    """``symbolchange.csv``: no header, CRLF."""
    return "".join(f"{line}\r\n" for line in SYMBOL_CHANGES).encode()


def securities(world: World, day: date) -> bytes:
    """``NSE_CM_security_DDMMYYYY.csv.gz``: every stock of the market, eligible where its hours on that day have an auction."""
    names = ["FinInstrmId", "TckrSymb", "SctySrs", *(f"Rsvd{n:03d}" for n in range(4, FIELDS + 1))]
    names[22], names[AUCTION_FIELD - 1], names[58] = "SctyStsRETDBTMkt", "ElgbltyClsgAuctnSsn", "XchgExclsv"
    lines = [",".join(names)]
    for token, symbol in _stocks(world):
        cells = [str(token), symbol, "EQ", *["0"] * (FIELDS - 3)]
        cells[AUCTION_FIELD - 1] = str(int(_closes_by_auction(world, token, symbol, day)))
        lines.append(",".join(cells))
    return gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)


def corporate_actions(world: World, start: date, end: date) -> bytes:
    """``CF-CA-equities….csv``: a dividend of each stock every 91 days, at a day of its own; byte order mark and quotes as live."""
    head = "SYMBOL,COMPANY NAME,SERIES,PURPOSE,FACE VALUE,EX-DATE,RECORD DATE,BOOK CLOSURE START DATE,BOOK CLOSURE END DATE"
    rows = [
        (symbol, f"{symbol} LIMITED", "EQ", "Interim Dividend - Rs 2.50 Per Share", "10", f"{day:%d-%b-%Y}", f"{day:%d-%b-%Y}", "-", "-")
        for token, symbol in _stocks(world)
        for day in (start + timedelta(days=n) for n in range((end - start).days + 1))
        if (day.toordinal() + token) % _QUARTER == 0
    ]
    lines = [",".join(f'"{name}"' for name in head.split(",")), *(",".join(f'"{cell}"' for cell in row) for row in rows)]
    return b"\xef\xbb\xbf" + "\n".join(lines).encode()


def market_lots(world: World) -> bytes:
    """``fo_mktlots.csv``: the lots of every underlying at NSE by contract month, padded as live."""
    c = world.listings.columns
    by_name: dict[str, dict[date, int]] = {}
    for row in range(len(c.token)):
        if c.kind[row] != SPOT and c.exchange[row] == 1:
            month = date.fromordinal(int(c.expiry[row])).replace(day=1)
            name = world.listings.underlyings[int(c.und[row])].name
            by_name.setdefault(name, {})[month] = int(c.lot[row])
    months = sorted({month for lots in by_name.values() for month in lots})
    lines = [["UNDERLYING", "SYMBOL", *(f"{month:%b-%y}".upper() for month in months)]]
    lines += [[f"{name} LIMITED", name, *(str(lots.get(month, "")) for month in months)] for name, lots in sorted(by_name.items())]
    return "\n".join(",".join(cell.ljust(11) for cell in line) for line in lines).encode()


def _stocks(world: World) -> list[tuple[int, str]]:
    """Token and name of NSE's stocks."""
    c, unds = world.listings.columns, world.listings.underlyings
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
