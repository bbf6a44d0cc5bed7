"""
Whether a price can be a contract's at all, by what its underlying is worth: a net for recycled tokens. Pure.

Wide on purpose: it refuses what belongs to another underlying or to a strike far away, never an odd market.
"""

from __future__ import annotations

from fnolake.model import Contract

FUTURE_APART = 0.25
"""Share by which a future may differ from its underlying: three months' carry, and two bad days."""

TIME_VALUE = 0.35
"""Share of the underlying that an option may cost above what exercise would bring: 90 % volatility for a year at the money."""

UNDER_PARITY = 0.10
"""Share of the underlying by which an old last price may lie below that."""


def other_world(contract: Contract, low: int, high: int, underlying: int) -> str:
    """
    Why prices cannot be the contract's; empty if they can.

    Args:
        contract: Spot series are not judged.
        low: Its lowest close of a session, in paise.
        high: Its highest close.
        underlying: Of its underlying on that session, in paise.
    """
    if contract.kind == "future":
        least, most = underlying * (1 - FUTURE_APART), underlying * (1 + FUTURE_APART)
    elif contract.kind == "option" and contract.strike_paise is not None:
        sign = 1 if contract.right == "CE" else -1
        worth = max(sign * (underlying - contract.strike_paise), 0)
        least, most = worth - UNDER_PARITY * underlying, worth + TIME_VALUE * underlying
    else:
        return ""
    if least <= low and high <= most:
        return ""
    return f"closes from {low} to {high} paise, {contract.underlying} stood at {underlying}"
