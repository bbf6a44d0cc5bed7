"""A sync's contracts as the line needs them: values by id, witnesses, and whose minutes must all be there. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta

import polars as pl

from fnolake.model import Contract
from fnolake.sync.pool import Task
from fnolake.sync.repair import elsewhere


class Contracts:
    """Contract values by id, made when they are asked for."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._table = table
        self._place = {number: place for place, number in enumerate(table["contract"].to_list())}

    def __getitem__(self, number: int) -> Contract:
        return Contract(**self._table.row(self._place[number], named=True))


class Witnesses:
    """
    The near index future of every venue, session by session (rule zero), whatever a sync was asked to take.

    Args:
        known: All contracts of the lake; those that expired before ``today`` are served no more and witness nothing.
        today: IST date.
    """

    def __init__(self, known: pl.DataFrame, today: date) -> None:
        futures = known.filter((pl.col("kind") == "future") & pl.col("is_index") & (pl.col("expiry") >= today)).sort("expiry", "contract")
        self._contracts = Contracts(futures)
        self._rows = futures.select("venue", "expiry", "valid_from", "contract").rows()

    def canary(self, venue: str, day: date) -> Contract | None:
        """The venue's witness on that session, None where the lake knows none."""
        for at, expiry, listed, number in self._rows:
            if at == venue and expiry >= day and (listed is None or listed <= day):
                return self._contracts[number]
        return None


class MustFill:
    """Contracts and sessions of which every minute must be there: spot, and the future that is near on that session."""

    def __init__(self, contracts: pl.DataFrame) -> None:
        futures = contracts.filter(pl.col("kind") == "future").sort("expiry")
        before = pl.col("expiry").shift().over("venue", "underlying")
        rows = futures.select("contract", before.fill_null(date.min)).rows()
        self._since: dict[int, date] = {number: expiry + timedelta(days=1) for number, expiry in rows}
        self._since |= dict.fromkeys(contracts.filter(pl.col("kind") == "spot")["contract"].to_list(), date.min)

    def __call__(self, contract: Contract, day: date) -> bool:
        """Whether that contract must fill its minutes on that session."""
        return day >= self._since.get(contract.contract, date.max)


def who_lists(rows: pl.DataFrame, known: Collection[str], providers: Collection[str]) -> dict[int, frozenset[str]]:
    """
    By contract: the providers that can be asked for it.

    Args:
        rows: contract, provider, from ``Store.listed_by``.
        known: Providers of which a master was ever taken; the silence of the others says nothing.
        providers: Of the accounts.
    """
    silent = sorted(set(providers) - set(known))
    found: dict[int, frozenset[str]] = {}
    same: dict[tuple[str, ...], frozenset[str]] = {}
    for number, names in rows.group_by("contract", maintain_order=True).agg(pl.col("provider").sort()).iter_rows():
        found[number] = same.setdefault(tuple(names), frozenset([*names, *silent]))
    return found


def tasks(
    rows: pl.DataFrame, contracts: Contracts, providers: Mapping[str, str] | None = None, listed: Mapping[int, frozenset[str]] | None = None,
) -> Iterator[Task]:
    """
    The plan's rows as tasks, in its order, a slice at a time.

    Args:
        rows: ``plan.PLAN_SCHEMA``.
        contracts: Those that they name.
        providers: Provider by account, so that what is repaired is asked elsewhere first.
        listed: From :func:`who_lists`.
    """
    nobody = frozenset[str]()
    for part in rows.select("contract", "sessions", "expected_rows", "repair", "last_account").iter_slices(1000):
        for number, days, expected, found, last in part.iter_rows():
            tried = elsewhere(last, providers or {}) if found else nobody
            yield Task(contracts[number], tuple(days), again=bool(found), rows=expected, tried=tried, listed=(listed or {}).get(number, nobody))
