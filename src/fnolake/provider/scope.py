"""
Which listings fnolake captures, whoever lists them; and what the two brokers call the same things. Pure.

Invariant: what is left out of a master is counted by name, see :class:`fnolake.model.Master`.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from fnolake.model import Contract, Finding, Master, listing_schema

EXCHANGES = {"NSE": ("NSE", "CM"), "BSE": ("BSE", "CM"), "NFO": ("NSE", "FO"), "BFO": ("BSE", "FO")}
"""Exchange word of the brokers → (venue, segment)."""
_EXCHANGE = {place: word for word, place in EXCHANGES.items()}

BSE_UNDERLYINGS = ("SENSEX", "BANKEX")
"""What is captured of BSE's derivatives; the rest of that market hardly trades."""

BSE_INDEX_TOKENS = {"SENSEX": 1, "BANKEX": 12}
"""Index spots that the broker serves although its BSE master does not list them."""

INDEX_NAMES = {
    "NIFTY50": "NIFTY", "NIFTYINDEX": "NIFTY", "NIFTYBANK": "BANKNIFTY", "INDIAVIX": "INDIAVIX",
    "NIFTYFINSERVICES": "FINNIFTY", "NIFTYFINSERVICE": "FINNIFTY", "NIFTYFINANCIALSERVICES": "FINNIFTY",
    "NIFTYMIDSELECT": "MIDCPNIFTY", "NIFTYMIDCAPSELECT": "MIDCPNIFTY",
    "NIFTYNEXT50": "NIFTYNXT50", "NIFTYINDIAFPI150": "NIFTYFPI", "NIFTYFPI150": "NIFTYFPI",
    "BSESENSEX": "SENSEX", "BSEBANKEX": "BANKEX",
}
"""Display names of indices, capitals without blanks → underlying."""


def exchange_of(contract: Contract) -> str:
    """The brokers' exchange word of a contract: NSE, BSE, NFO or BFO."""
    return _EXCHANGE[contract.venue, contract.segment]


def in_scope(masters: list[Master], *, bse_underlyings: tuple[str, ...] = BSE_UNDERLYINGS) -> list[Master]:
    """
    Keep derivatives, the spot of their underlyings, and INDIAVIX; count the rest out of scope.

    Of BSE's derivatives only ``bse_underlyings`` stay. SENSEX and BANKEX spots, which no master lists, are added
    to the BSE master (made if it is not there) when BFO has them; its ``rows`` grows with them. A cash master
    whose derivatives master is missing is left out: its scope cannot be decided, and a master without its spots
    would look as if they had been delisted. An underlying without a spot is a finding of the cash master, count 0.

    Returns:
        New masters, in the order given; the invariant of :class:`Master` holds for each.
    """
    kept = {m.exchange: m for m in masters}
    if "BFO" in kept:
        listed = pl.col("underlying").is_in(bse_underlyings)
        kept["BFO"] = _narrow(kept["BFO"], listed, "bse_underlying_not_captured")
        kept.setdefault("BSE", replace(kept["BFO"], exchange="BSE", rows=0, out_of_scope={}, findings=(),
                                       listings=pl.DataFrame(schema=listing_schema())))
        kept["BSE"] = _with_index_spots(kept["BSE"], set(kept["BFO"].listings["underlying"]))
    for cash, derivatives in (("NSE", "NFO"), ("BSE", "BFO")):
        if cash in kept and derivatives not in kept:
            del kept[cash]
        elif cash in kept:
            kept[cash] = _spots(kept[cash], kept[derivatives])
    return list(kept.values())


def _narrow(master: Master, keep: pl.Expr, name: str) -> Master:
    listings = master.listings.filter(keep)
    dropped = master.listings.height - listings.height
    counts = {**master.out_of_scope, name: master.out_of_scope.get(name, 0) + dropped} if dropped \
        else dict(master.out_of_scope)
    return replace(master, listings=listings, out_of_scope=counts)


def _spots(cash: Master, derivatives: Master) -> Master:
    wanted = set(derivatives.listings["underlying"])
    spots = _narrow(cash, pl.col("underlying").is_in([*sorted(wanted), "INDIAVIX"]), "no_derivatives")
    missing = sorted(wanted - set(spots.listings["underlying"]))
    if not missing:
        return spots
    return replace(spots, findings=(*spots.findings, Finding("underlying_without_spot", 0, " ".join(missing))))


def _with_index_spots(bse: Master, underlyings: set[str]) -> Master:
    present = set(bse.listings["token"])
    rows = [
        ("BSE", "CM", token, name, name, "spot", None, None, None, 1, 0, name, True)
        for name, token in BSE_INDEX_TOKENS.items() if name in underlyings and token not in present
    ]
    added = pl.DataFrame(rows, schema=dict(listing_schema()), orient="row")
    return replace(bse, rows=bse.rows + len(rows), listings=pl.concat([bse.listings, added]))
