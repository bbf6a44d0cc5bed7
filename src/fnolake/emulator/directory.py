"""Listings by name, by chain and by index, made once when somebody first asks. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fnolake.emulator.world import Listing


class Directory:
    """Where to find a listing other than by its token."""

    def __init__(self, listings: Iterable[Listing]) -> None:
        self._named: dict[tuple[str, str], Listing] = {}
        self._options: dict[tuple[str, str, date | None], list[Listing]] = {}
        self._indices: dict[str, list[Listing]] = {}
        for one in listings:
            self._named[one.exchange, one.symbol] = one
            if one.kind == "option":
                self._options.setdefault((one.exchange, one.underlying, one.expiry), []).append(one)
            elif one.kind == "spot" and one.is_index:
                self._named[one.exchange, one.master_fields[3]] = one
                self._indices.setdefault(one.exchange, []).append(one)

    def named(self, exchange: str, name: str) -> Listing | None:
        """The listing with that trading symbol, or, for an index, that display name."""
        return self._named.get((exchange, name))

    def indices(self, exchange: str) -> list[Listing]:
        """An exchange's indices, in the order of its master."""
        return self._indices.get(exchange, [])

    def chain(self, named: Listing, centre_paise: int, count: int) -> list[Listing]:
        """Options of that contract's expiry: ``count`` strikes up to the centre, ``count`` above, both rights."""
        chain = self._options.get((named.exchange, named.underlying, named.expiry), [])
        strikes = sorted({one.strike_paise or 0 for one in chain})
        below = [s for s in strikes if s <= centre_paise][-count:] if count else []
        wanted = {*below, *[s for s in strikes if s > centre_paise][:count]}
        return sorted((one for one in chain if one.strike_paise in wanted), key=lambda o: (o.strike_paise, o.right))
