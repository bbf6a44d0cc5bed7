"""
Firstock's symbol masters, made from the listings that Shoonya's come from: same tokens, other names and columns.

NSE and BSE hold shares and spot indices, NFO and BFO derivatives, Indices the index derivatives of both. A few odd rows
of the kind that live files have are among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fnolake.emulator.hashing import text_key
from fnolake.model import contract_symbol, strike_text

if TYPE_CHECKING:
    from fnolake.emulator.listings import Listing

FILES = ("NSE", "BSE", "NFO", "BFO", "Indices")
_CASH = "Exchange,Token,LotSize,TradingSymbol,CompanyName,ISIN,TickSize,FreezeQty"
_DERIVATIVES = (
    "Exchange,Token,LotSize,Symbol,TradingSymbol,CompanyName,Expiry,Instrument,OptionType,StrikePrice,TickSize,FreezeQty"
)
_INDICES = "Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize"
_HEADERS = {"NSE": _CASH, "BSE": _CASH, "NFO": _DERIVATIVES, "BFO": _DERIVATIVES, "Indices": _INDICES}
_ODD = {
    "NSE": (
        "NSE,30101,1,EMUSMALL-SM,EMU SMALL,INE000E01011,0.05,0",
        "NSE,30102,1,EMUTRADE-BE,EMU TRADE,INE000E01029,0.01,0",
        "NSE,30103,1,EMUCASH-EQ,EMU CASH,NaN,0.01,0",
        "NSE,30106,1,011NSETEST-EQ,011NSETEST,DUMMY0000011,0.05,0",
    ),
    "BSE": ("BSE,500001,1,EMUCASH,EMU CASH,INE000E01037,0.01,0",),
}
_FREEZE_LOTS = 27


def symbol_of(listing: Listing) -> str:
    """A listing's trading symbol at Firstock: the common grammar, for BFO too; an index by its plain name."""
    if listing.kind == "spot" and not listing.is_index:
        return listing.symbol
    return contract_symbol(
        listing.underlying, listing.kind, listing.expiry, listing.strike_paise, listing.right, is_index=listing.is_index
    )


def text(name: str, listings: Iterable[Listing], future: str) -> bytes:
    """
    A master's CSV text.

    Args:
        name: One of :data:`FILES`.
        listings: The market's.
        future: What OptionType says of futures, ``XX`` or ``FUT``.
    """
    rows = (_row(name, one, future) for one in listings if _belongs(name, one))
    return "\n".join([_HEADERS[name], *_ODD.get(name, ()), *rows, ""]).encode()


def isin_of(listing: Listing) -> str:
    """An invented ISIN, always the same for a share; empty for an index."""
    return "" if listing.is_index else f"INE{text_key(listing.underlying) % 10**6:06d}E01{text_key(listing.symbol) % 10}"[:12]


def freeze_of(listing: Listing) -> int:
    """The largest quantity of one order; 0 for what cannot be ordered."""
    return 0 if listing.kind == "spot" else listing.lot * _FREEZE_LOTS


def _belongs(name: str, listing: Listing) -> bool:
    if name == "Indices":
        return listing.kind != "spot" and listing.is_index
    return listing.exchange == name


def _row(name: str, one: Listing, future: str) -> str:
    token, symbol, tick = str(one.token), symbol_of(one), strike_text(one.tick_paise)
    if one.expiry is None:
        if one.is_index:
            return f"{one.exchange},{token},0,{symbol},{symbol},,0,0"
        return ",".join((one.exchange, token, str(one.lot), symbol, one.underlying, isin_of(one), tick, "0"))
    strike = "-0.01" if one.strike_paise is None else strike_text(one.strike_paise)
    instrument = ("FUT" if one.kind == "future" else "OPT") + ("IDX" if one.is_index else "STK")
    facts = one.expiry.strftime("%d-%b-%Y").upper(), instrument, one.right or future, strike, tick
    named = one.exchange, token, str(one.lot), one.underlying, symbol
    if name == "Indices":
        return ",".join((*named, *facts))
    return ",".join((*named, one.underlying, *facts, str(freeze_of(one))))
