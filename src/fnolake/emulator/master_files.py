"""Symbol masters as the broker publishes them: headers, trailing commas and a few odd rows included."""

from __future__ import annotations

from collections.abc import Iterable

from fnolake.emulator.listings import Listing
from fnolake.emulator.universe_data import NOT_IN_MASTER

_CASH = "Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,"
_DERIVATIVES = "Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,"
_GOODS = "Exchange,Token,LotSize,GNGD,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,"
_CURRENCY = "Exchange,Token,LotSize,Precision,Multiplier,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,"
HEADERS = {
    "NSE": _CASH,
    "BSE": _CASH,
    "NFO": _DERIVATIVES,
    "BFO": _DERIVATIVES,
    "MCX": _GOODS,
    "NCX": _GOODS,
    "CDS": _CURRENCY,
}
_MORE = {
    "NSE": (
        "NSE,30101,1,EMUSMALL,EMUSMALL-SM,SM,0.05,",
        "NSE,30102,1,EMUTRADE,EMUTRADE-BE,BE,0.01,",
        "NSE,30103,1,EMUCASH,EMUCASH-EQ,EQ,0.01,",
        "NSE,30104,100,719EMU35,719EMU35-GS,GS,0.01,",
        "NSE,30105,1,181NSETEST,181NSETEST-EQ,EQ,0.05,",
    ),
    "NFO": (
        "NFO,39001,50,181NSETEST,181NSETEST27NOV36F,27-NOV-2036,FUTSTK,XX,-0.01,0.05,",
        "NFO,39002,50,,,,,,,,",
    ),
    "BSE": ("BSE,500001,1,EMUCASH,EMUCASH,B,0.01,", "BSE,970001,1,790EMU29,790EMU29,F,0.01,"),
    "BFO": (),
    "MCX": ("MCX,471001,100,0.1,EMUGOLD,EMUGOLD31DEC26,31-DEC-2026,FUTCOM,XX,0,1,",),
    "NCX": ("NCX,EMUBAJRA18DEC2026,10,10,EMUBAJRA,EMUBAJRA18DEC2026,18-DEC-2026,FUTCOM,XX,-0.01,1,",),
    "CDS": (
        "CDS,1,1,4,1000,USDINR,USDINR,,UNDCUR,,,",
        "CDS,12400,1,4,1000,USDINR,USDINR29DEC26F,29-DEC-2026,FUTCUR,XX,-1e-07,0.0025",
    ),
}


def text(exchange: str, listings: Iterable[Listing]) -> bytes:
    """
    A master file's text; empty bytes for an exchange without one.

    Some index spots are served by the broker but stand in no master; they are left out, as live.
    """
    if exchange not in HEADERS:
        return b""
    rows = [
        ",".join(one.master_fields) for one in listings if not (one.kind == "spot" and one.underlying in NOT_IN_MASTER)
    ]
    return "\n".join([HEADERS[exchange], *_MORE[exchange], *rows, ""]).encode()
