"""
Acme's symbol master to listings, and which of them are captured. Pure.

Invariant: every row is a listing, out of scope by its type, or a finding.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import replace
from datetime import date

import polars as pl

from acme_provider.wire import PROVIDER, lines_of
from fnolake.model import LISTING_COLUMNS, Finding, Master, contract_symbol, listing_schema

EXCHANGE = "NSE"
"""Acme has one file for all; the word is what ``master_names`` says."""

_HEADER = "token,name,underlying,type,expiry,strike,right,lot,tick"
_KINDS = {"EQ": "spot", "INDEX": "spot", "FUT": "future", "OPT": "option"}
_INDICES = frozenset({"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "INDIAVIX"})
_WHOLE = re.compile(r"[1-9][0-9]{0,8}")
_PAISE = re.compile(r"[0-9]{1,7}\.[0-9]{2}")


def parse_master(body: bytes, day: date) -> Master:
    """
    Read the master.

    Raises:
        ProviderError: It is none, or was cut.
    """
    rows = lines_of(body, _HEADER, request="master")
    listings: dict[int, tuple[object, ...]] = {}
    scope, findings = Counter[str](), Counter[str]()
    for line in rows:
        fields = line.split(",")
        if len(fields) == 9 and fields[3] not in _KINDS:
            scope[f"type_{fields[3][:20]}"] += 1
            continue
        listing = _listing(fields)
        if listing is None or listing[2] in listings:
            findings["unreadable_row" if listing is None else "token_repeated"] += 1
        else:
            listings[int(fields[0])] = listing
    table = pl.DataFrame(list(listings.values()), schema=dict(listing_schema()), orient="row")
    found = tuple(Finding(name, count, refused=True) for name, count in sorted(findings.items()))
    return Master(PROVIDER, EXCHANGE, day, len(rows), table.select(LISTING_COLUMNS), dict(scope), found,
                  hashlib.blake2b(body, digest_size=16).hexdigest())


def _listing(fields: list[str]) -> tuple[object, ...] | None:
    if len(fields) != 9:
        return None
    token, name, underlying, word, expiry, strike, right, lot, tick = fields
    kind, is_index = _KINDS[word], word == "INDEX" or underlying in _INDICES
    whole = bool(_WHOLE.fullmatch(token) and _WHOLE.fullmatch(lot) and _PAISE.fullmatch(tick) and name and underlying)
    try:
        last = date.fromisoformat(expiry) if kind != "spot" else None
    except ValueError:
        return None
    option = kind == "option"
    if not whole or (option and not (_PAISE.fullmatch(strike) and right in {"CE", "PE"})) or (not option and strike + right):
        return None
    paise = int(strike.replace(".", "")) if option else None
    symbol = contract_symbol(underlying, kind, last, paise, right or None, is_index=is_index)
    return ("NSE", "CM" if kind == "spot" else "FO", int(token), symbol, underlying, kind, last, paise, right or None, int(lot),
            int(tick.replace(".", "")), name, is_index)


def in_scope(master: Master) -> Master:
    """Derivatives, and the spots of their underlyings; other spots are counted as out of scope."""
    table = master.listings
    wanted = table.filter(pl.col("kind") != "spot")["underlying"].unique()
    kept = table.filter((pl.col("kind") != "spot") | pl.col("underlying").is_in([*wanted, "INDIAVIX"]))
    dropped = table.height - kept.height
    return replace(master, listings=kept, out_of_scope={**master.out_of_scope, **({"no_derivatives": dropped} if dropped else {})})
