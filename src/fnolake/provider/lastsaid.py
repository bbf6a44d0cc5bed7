"""
What a feed has said of each contract so far: frames carry only what changed, and zeros or sentinels that say nothing. Pure.

Invariant: a tick's price is positive, its volume never falls within a date, and nothing that was not said becomes zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from fnolake.model.tick import UNSAID, Tick

MOST_PAISE = 2**31 - 1
MOST_UNITS = 2**62
"""A volume beyond this is a sentinel (9223372036854775808 at Firstock), not a volume."""
_IST_S = 19_800
_DAY_S = 86_400


@dataclass(slots=True)
class Known:
    """One contract on one connection."""

    contract: int
    at_s: int = 0
    last_paise: int = 0
    volume: int = UNSAID
    oi: int = UNSAID
    answered: bool = False


class LastSaid:
    """Every contract of one connection, by the feed's own key."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    def expect(self, key: str, contract: int) -> None:
        """A subscription: whatever was known of it counts no more."""
        self._known[key] = Known(contract)

    def forget(self, key: str) -> None:
        """It is not subscribed any more."""
        self._known.pop(key, None)

    def take(self, key: str, last_paise: int, volume: int, oi: int, at_s: int, received_us: int, *, snapshot: bool = False) -> Tick | None:
        """
        Merge one frame.

        Args:
            key: Of the contract; one that was not subscribed is ignored.
            last_paise: Paise; 0 or less = not said.
            volume: Units of the day so far; negative = not said.
            oi: Units; negative = not said.
            at_s: The feed's time, epoch seconds; 0 = not said, the last one stands, or the time of arrival.
            received_us: Time of arrival, UTC microseconds.
            snapshot: Whether the feed marks it as the answer to the subscription; the first frame always is.

        Returns:
            What is known now; None while there is no price, or where the frame said nothing of price, volume or interest. Of what has
            no volume (an index) a later time is a print, too: at an unchanged price only the time is sent.
        """
        known = self._known.get(key)
        if known is None:
            return None
        snapshot = snapshot or not known.answered
        known.answered = True
        before = known.at_s
        known.at_s = max(at_s, before) if at_s > 0 else before or received_us // 1_000_000
        moved = known.volume == UNSAID and known.at_s > before
        said = moved | _merged(known, last_paise, volume, oi, new_day=_date(known.at_s) != _date(before))
        if not (said or snapshot) or known.last_paise <= 0:
            return None
        return Tick(known.contract, known.at_s * 1_000_000, received_us, known.last_paise, known.volume, known.oi, snapshot)


def _merged(known: Known, last_paise: int, volume: int, oi: int, *, new_day: bool) -> bool:
    """Take what says something; whether anything did."""
    said = False
    if 0 < last_paise <= MOST_PAISE:
        known.last_paise, said = last_paise, True
    if 0 <= volume < MOST_UNITS and (volume >= known.volume or new_day):
        known.volume, said = volume, True
    if 0 <= oi < MOST_UNITS:
        known.oi, said = oi, True
    return said


def _date(at_s: int) -> int:
    return (at_s + _IST_S) // _DAY_S
