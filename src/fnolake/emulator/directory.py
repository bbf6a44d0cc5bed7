"""Listings by name, by chain and by index, made once when somebody first asks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fnolake.emulator.world import Listing


class Directory:
    """Where to find a listing other than by its token."""

    def __init__(self, listings: Iterable[Listing], symbol_of: Callable[[Listing], str]) -> None:
        self._named: dict[tuple[str, str], Listing] = {}
        self._options: dict[tuple[str, str, date | None], list[Listing]] = {}
        self._expiries: dict[tuple[str, str], set[date]] = {}
        self._indices: dict[str, list[Listing]] = {}
        for one in listings:
            self._named[one.exchange, symbol_of(one)] = one
            if one.expiry is not None:
                self._expiries.setdefault((one.exchange, one.underlying), set()).add(one.expiry)
            if one.kind == "option":
                self._options.setdefault((one.exchange, one.underlying, one.expiry), []).append(one)
            elif one.kind == "spot" and one.is_index:
                self._named.setdefault((one.exchange, one.master_fields[3]), one)
                self._indices.setdefault(one.exchange, []).append(one)

    def named(self, exchange: str, name: str) -> Listing | None:
        """The listing with that trading symbol, or, for an index, that display name."""
        return self._named.get((exchange, name))

    def indices(self, exchange: str) -> list[Listing]:
        """An exchange's indices, in the order of its master."""
        return self._indices.get(exchange, [])

    def expiries(self, exchange: str, underlying: str) -> list[date]:
        """Expiries of an underlying's futures and options at an exchange, ascending."""
        return sorted(self._expiries.get((exchange, underlying), ()))

    def containing(self, words: Sequence[str]) -> list[Listing]:
        """Listings whose trading symbol holds every word, spot first, then by expiry."""
        found = {id(one): one for (_, name), one in self._named.items() if all(word in name.upper() for word in words)}
        return sorted(found.values(), key=lambda o: (o.kind != "spot", o.expiry or date.min, o.strike_paise or 0))

    def chain(self, exchange: str, underlying: str, expiry: date, centre_paise: int, count: int) -> list[Listing]:
        """Options of one expiry: ``count`` strikes up to the centre, ``count`` above, both rights."""
        chain = self._options.get((exchange, underlying, expiry), [])
        strikes = sorted({one.strike_paise or 0 for one in chain})
        below = [s for s in strikes if s <= centre_paise][-count:] if count else []
        wanted = {*below, *[s for s in strikes if s > centre_paise][:count]}
        return sorted((one for one in chain if one.strike_paise in wanted), key=lambda o: (o.strike_paise, o.right))
