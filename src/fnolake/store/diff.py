"""
One master against what is known: which listings are known contracts, amended ones or new ones, and which have ended.

The rules of identity are in ``identity``, those of two providers in ``agree`` and ``listings``. Pure: the result is rows
and statements, which ``apply_changes`` runs inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from fnolake.model import Finding, Master
from fnolake.store.agree import OTHER_THING, Settled, disagreements, findings, handed_over, inherited, settle
from fnolake.store.identity import ATTRIBUTES, KEY, classify
from fnolake.store.instruments import GENERATION, INSERT
from fnolake.store.ledger import days, set_meta
from fnolake.store.listings import DIFFERENCE_SCHEMA, Standing, write_differences, write_symbols

TRUST_GAP = timedelta(days=7)
"""A contract first seen within so many days of the last master may have been listed on the day after that one."""

SHRUNK = 0.5
"""A master with a smaller share of what should be in it closes nothing."""

_DAY = timedelta(days=1)


@dataclass(slots=True)
class Changes:
    """What a master changes: statements to run and rows to insert, in this order; who lists what; differences before and after."""

    inserts: list[tuple[object, ...]] = field(default_factory=list)
    updates: list[tuple[str, list[tuple[object, ...]]]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    listed: list[pl.DataFrame] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    differed: list[pl.DataFrame] = field(default_factory=list)
    differ: list[pl.DataFrame] = field(default_factory=list)


class Diff:
    """
    One master against the history.

    Args:
        history: ``InstrumentBook.history`` of the whole ledger.
        master: Listings unique by ``KEY``.
        renames: Old name of an underlying → new name.
        now: The providers before this master.
    """

    def __init__(self, history: pl.DataFrame, master: Master, renames: dict[str, str], now: Standing) -> None:
        self._day = master.day
        self._now = now
        segments = master.listings.select("venue", "segment").unique()
        self._known = history.join(segments, on=["venue", "segment"], how="semi")
        self._next_id = (history["contract"].max() or 0) + 1  # type: ignore[operator]
        self._renames = renames
        self._listings = master.listings.unique(KEY, keep="first").sort(*KEY).with_columns(seen=pl.lit(self._day))
        self._others = now.others().join(self._known, on="contract", how="semi")
        self._mine = now.mine().filter(now.listed_then(pl.col("my_gone")))
        self._changed: list[pl.DataFrame] = []
        self.changes = Changes(counts={"new": 0, "amended": 0, "delisted": 0, "identity_uncertain": 0, "differ": 0, "only_here": 0})

    def run(self) -> Changes:
        """Decide every listing and every contract that is no longer listed."""
        latest = ("first_seen", pl.col("valid_to").is_null(), "contract", "revision")
        before = self._known.filter(pl.col("first_seen") <= self._day).sort(*latest).unique(KEY, keep="last")
        after = self._known.filter(pl.col("first_seen") > self._day).sort("first_seen", "contract", "revision").unique(KEY, keep="first")
        settled = settle(self._listings, _old(before, self._renames), _old(after, {}), self._now)
        differing = self._follow(settled, before, after)
        rest, contested = self._against_earlier(settled, before, after)
        rest = self._against_later(rest, before, after)
        self._add_new(rest, before, after)
        self._close_vanished(before)
        self._compare(pl.concat([differing, contested]))
        return self.changes

    def _follow(self, settled: Settled, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
        """Confirm contracts that another provider has the say on; return where this one says something else."""
        pairs = pl.concat([settled.followed, settled.late], how="diagonal") if settled.late.height else settled.followed
        if pairs.is_empty():
            return self._differing(pairs)
        self._confirm(settled.followed, after)
        if settled.late.height:
            self._extend(self._room(settled.late.with_columns(contract="old_contract", revision="old_revision"), before))
        return self._differing(pairs)

    def _confirm(self, pairs: pl.DataFrame, after: pl.DataFrame) -> None:
        """Note that contracts are listed as they are known; one that had ended is listed again."""
        where = ("old_contract", "old_revision")
        self._update("update instruments set last_seen = ? where contract = ? and revision = ?", [
            (days(self._day), *pair) for pair in pairs.filter(pl.col("old_last_seen") < self._day).select(*where).iter_rows()
        ])
        if after.is_empty():
            self._update("update instruments set valid_to = null where contract = ? and revision = ?",
                         pairs.filter(pl.col("old_valid_to") < self._day).select(*where).rows())
        since = self._since()
        if since is not None:
            self._update("update instruments set valid_from = ? where contract = ? and revision = ?", [
                (days(since), *pair) for pair in pairs.filter(self._begins_later(since)).select(*where).iter_rows()
            ])

    def _begins_later(self, since: date) -> pl.Expr:
        """Contracts that another provider listed first on this day, and that this one did not list the last time."""
        first = (pl.col("old_first_seen") == self._day) & (pl.col("old_revision") == 1)
        fresh = ~pl.col("old_contract").is_in(self._mine["contract"].implode())
        return first & fresh & (pl.col("old_valid_from") < since).fill_null(value=True)

    def _against_earlier(self, settled: Settled, before: pl.DataFrame, after: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Settle own listings that an earlier row explains; return the others, and where they contradict a provider that still lists theirs."""
        own = settled.own
        if before.is_empty():
            return own, self._differing(own.clear())
        pairs = self._as_renamed(own.join(_old(before, self._renames), on=KEY))
        pairs = classify(pairs.with_columns(taken=pl.col("old_contract").is_in(settled.taken_over["contract"].implode())))
        alive = (pl.col("old_expiry") >= self._day).fill_null(value=True) & pl.col("old_contract").is_in(self._others["contract"].implode())
        contested = pairs.filter(pl.col("fate").is_in(["new", "uncertain"]) & alive)
        pairs = self._named(pairs.join(contested, on=KEY, how="anti"))
        kept = pairs.filter(pl.col("fate") == "same")
        self._confirm(kept, after)
        if not self._now.is_late:
            self._update("update instruments set provider_symbol = ? where contract = ? and revision = ?",
                         kept.filter(pl.col("provider_symbol") != pl.col("old_provider_symbol"))
                         .select("provider_symbol", "old_contract", "old_revision").rows())
        self._amend(pairs.filter(pl.col("fate") == "amended"), after)
        explained = pairs.filter(pl.col("fate").is_in(["same", "amended"]))
        self._list(explained, "old_contract")
        return own.join(pl.concat([explained, contested]), on=KEY, how="anti"), self._contest(contested, before, after)

    def _contest(self, contested: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
        """Leave contracts as they are that this provider no longer knows as they are, while another does: that one has the say now."""
        if contested.is_empty():
            return self._differing(contested)
        self._confirm(contested, after)
        self._update("update provider_symbols set since = ? where contract = ? and provider = ?", [
            (days(self._day), number, self._now.provider) for number in contested["old_contract"].to_list()
        ])
        rows = before.join(contested, left_on="contract", right_on="old_contract", how="semi")
        self._pass_on(rows.join(self._mine, on="contract").join(self._others, on="contract"))
        return self._differing(contested)

    def _differing(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Where listings of contracts that another provider has the say on say something else; what is the same contract is listed."""
        if pairs.is_empty():
            return pl.DataFrame(schema={**DIFFERENCE_SCHEMA, "symbol": pl.String})
        differing = disagreements(pairs, self._now, self._renames)
        other = differing.filter(pl.col("name").is_in(OTHER_THING))
        self._list(pairs.join(other, left_on="old_contract", right_on="contract", how="anti"), "old_contract")
        return differing

    def _as_renamed(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """A master that still says the old name of a renamed underlying says nothing of its name."""
        if not self._renames:
            return pairs
        stale = pl.col("underlying").is_in(list(self._renames)) & (pl.col("underlying").replace(self._renames) == pl.col("old_underlying"))
        return pairs.with_columns(
            symbol=pl.when(stale).then("old_symbol").otherwise("symbol"), underlying=pl.when(stale).then("old_underlying").otherwise("underlying"),
        )

    def _amend(self, moved: pl.DataFrame, after: pl.DataFrame) -> None:
        """Add revisions from this master's day on; a second master of one day rewrites the day's own."""
        moved = self._certain(moved, moved.join(after, on=KEY, how="semi"))
        if self._now.is_late:
            moved = self._certain(moved, moved.filter(~pl.col("taken") & (pl.col("old_last_seen") > self._day)))
        if moved.is_empty():
            return
        same_day = pl.col("old_first_seen") == self._day
        self.changes.counts["amended"] += moved.filter(~(pl.col("taken") & same_day)).height
        self._update("delete from instruments where contract = ? and revision = ?",
                     moved.filter(same_day).select("old_contract", "old_revision").rows())
        self._update("update instruments set valid_to = ? where contract = ? and revision = ?", [
            (days(self._day - _DAY), *pair) for pair in moved.filter(~same_day).select("old_contract", "old_revision").iter_rows()
        ])
        since = self._since()
        begun = pl.col("old_valid_from")
        if since is not None:
            begun = pl.when(self._begins_later(since)).then(pl.lit(since)).otherwise(begun)
        self._insert(moved, pl.col("old_contract"), pl.col("old_revision") + (~same_day).cast(pl.Int64),
                     pl.when(same_day).then(begun).otherwise(pl.lit(self._day)), pl.lit(None, pl.Date),
                     last=pl.max_horizontal(pl.col("old_last_seen"), pl.lit(self._day)))
        self._changed.append(moved)

    def _certain(self, rows: pl.DataFrame, doubtful: pl.DataFrame) -> pl.DataFrame:
        """Rows without those that contradict what is known of the days around them; these are named and change nothing."""
        if doubtful.is_empty():
            return rows
        example = ", ".join(doubtful["symbol"].head(3).to_list())
        self.changes.findings.append(Finding("history_uncertain", doubtful.height, f"not as known masters around it say: {example}"))
        return rows.join(doubtful, on=KEY, how="anti")

    def _against_later(self, rest: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
        """Settle listings that a row first seen later continues (an older master taken late); return the others."""
        if after.is_empty():
            return rest
        later = after.select(*KEY, *(pl.col(name) for name in (*ATTRIBUTES, "contract", "revision", "valid_from", "first_seen")))
        paired = later.join(_old(rest, self._renames), on=KEY).with_columns(seen=pl.col("first_seen"), taken=pl.lit(value=False))
        pairs = self._named(classify(paired)).filter(pl.col("fate").is_in(["same", "amended"]))
        roomy = self._room(pairs, before)
        self._extend(roomy.filter(pl.col("fate") == "same"))
        self._prepend(roomy.filter(pl.col("fate") == "amended"))
        self._tighten(after.join(pairs, on=KEY, how="anti"), _old(rest, {}))
        self._list(roomy.select("contract", provider_symbol="old_provider_symbol"), "contract")
        return rest.join(pairs, on=KEY, how="anti")

    def _room(self, rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
        """Add ``begins`` to contracts that an older master lists, and end before it what had their token."""
        old = before.select(*KEY, was="contract", was_revision="revision", was_to="valid_to", was_seen="last_seen", was_expiry="expiry")
        over = pl.col("was_expiry") < self._day
        joined = rows.join(old, on=KEY, how="left").with_columns(was=pl.when(pl.col("was") != pl.col("contract")).then("was"))
        joined = joined.with_columns(
            begins=pl.when(pl.col("was").is_null()).then(pl.lit(self._since_unknown(), pl.Date))
            .when(over).then(pl.col("was_expiry") + pl.duration(days=1)).otherwise(pl.lit(self._day)),
            was=pl.when(over.fill_null(value=False)).then(None).otherwise("was"),
        )
        joined = self._certain(joined, joined.filter(pl.col("was").is_not_null() & (pl.col("was_seen") >= self._day)))
        ended = joined.filter(pl.col("was").is_not_null() & (pl.col("was_to") >= self._day).fill_null(value=True))
        self._update("update instruments set valid_to = ? where contract = ? and revision = ?", [
            (days(self._day - _DAY), *pair) for pair in ended.select("was", "was_revision").iter_rows()
        ])
        return joined

    def _extend(self, rows: pl.DataFrame) -> None:
        """Let contracts begin with this older master."""
        self._update("update instruments set first_seen = ?, valid_from = ? where contract = ? and revision = ?", [
            (days(self._day), begins and days(begins), *pair) for begins, *pair in rows.select("begins", "contract", "revision").iter_rows()
        ])

    def _tighten(self, unlisted: pl.DataFrame, replaced: pl.DataFrame) -> None:
        """
        Say when contracts of unknown beginning began: after this older master that does not list them.

        That holds for what only this provider lists, and for a token that was another contract's then.
        """
        rows = unlisted.filter((pl.col("valid_from") <= self._day).fill_null(value=True) & (pl.col("revision") == 1)).join(
            replaced.select(*KEY, "old_expiry", was=pl.lit(value=True)), on=KEY, how="left",
        )
        alone = pl.col("contract").is_in(self._others["contract"].implode()).not_() & pl.col("contract").is_in(self._mine["contract"].implode())
        rows = rows.filter(pl.col("was").is_not_null() | alone)
        self._update("update instruments set valid_from = ? where contract = ? and revision = ?", [
            (days(min(max(self._day, expiry or self._day) + _DAY, first)), number, revision)
            for number, revision, expiry, first in rows.select("contract", "revision", "old_expiry", "first_seen").iter_rows()
        ])

    def _prepend(self, rows: pl.DataFrame) -> None:
        """Insert the revisions that an older master shows before the first known ones."""
        if rows.is_empty():
            return
        self.changes.counts["amended"] += rows.height
        starts = rows.with_columns(starts=pl.coalesce("valid_from", "first_seen"))
        self._update("update instruments set valid_from = ? where contract = ? and revision = ?", [
            (days(start), number, revision) for start, number, revision in starts.select("starts", "contract", "revision").iter_rows()
        ])
        old = starts.with_columns(pl.col(f"old_{name}").alias(name) for name in (*ATTRIBUTES, "provider_symbol"))
        self._insert(old, pl.col("contract"), pl.col("revision") - 1, pl.col("begins"), pl.col("starts") - pl.duration(days=1))

    def _add_new(self, rest: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame) -> None:
        """Give ids, ascending by key, to listings that no known row explains; close what they replace."""
        if self._now.is_late:
            rest = self._certain(rest, rest.join(before.filter(pl.col("last_seen") > self._day), on=KEY, how="semi"))
        begun = pl.when(pl.col("valid_from") > self._day).then("valid_from").otherwise("first_seen")
        ends = after.select(*KEY, ends=begun - pl.duration(days=1))
        old = before.select(*KEY, old_contract="contract", old_revision="revision", old_expiry="expiry", old_to="valid_to", old_from="valid_from")
        rows = rest.join(ends, on=KEY, how="left").join(old, on=KEY, how="left").sort(*KEY).with_columns(
            contract=pl.int_range(pl.len(), dtype=pl.Int64) + self._next_id,
            last=pl.min_horizontal("old_expiry", "old_to", pl.lit(self._day - _DAY)),
        )
        self.changes.counts["new"] += rows.height
        replaced = rows.filter(pl.col("old_contract").is_not_null())
        self._update("update instruments set valid_to = ? where contract = ? and revision = ?", [
            (days(last), *pair) for last, *pair in replaced.select("last", "old_contract", "old_revision").iter_rows()
        ])
        alive = replaced.filter((pl.col("old_expiry") >= self._day).fill_null(value=True))
        self._update("update provider_symbols set gone = ? where contract = ? and gone is null",
                     [(days(self._day), number) for number in alive["old_contract"].to_list()])
        since = self._since()
        start = pl.max_horizontal(pl.lit(since or self._day), pl.col("last") + pl.duration(days=1), "old_from")
        self._insert(
            rows, pl.col("contract"), pl.lit(1), pl.when(pl.col("old_contract").is_not_null()).then(start).otherwise(pl.lit(since, pl.Date)),
            pl.when(pl.col("ends").is_not_null()).then(pl.min_horizontal("ends", "expiry")),
        )
        self._list(rows, "contract")

    def _close_vanished(self, before: pl.DataFrame) -> None:
        """End what this provider should still list and does not, where nobody else does; a master that shrank by half ends nothing."""
        if self._now.is_late or self._now.is_repeated:
            return
        alive = before.filter((pl.col("expiry").is_null() | (pl.col("expiry") >= self._day)) & pl.col("valid_to").is_null())
        alive = alive.join(self._mine, on="contract")
        unlisted = alive.join(pl.concat(self.changes.listed), on="contract", how="anti") if self.changes.listed else alive
        gone = unlisted.join(self._listings, on=KEY, how="anti")
        if gone.height > alive.height * SHRUNK and gone.height > 1:
            self.changes.findings.append(Finding("master_shrunk", gone.height, "most of the last master is missing: nothing was ended"))
            self.changes.gone += unlisted.join(gone, on="contract", how="anti")["contract"].to_list()
            return
        self.changes.gone += unlisted["contract"].to_list()
        ended = gone.join(self._others, on="contract", how="anti")
        self.changes.counts["delisted"] += ended.height
        self._update("update instruments set valid_to = ? where contract = ? and revision = ?",
                     [(days(self._day - _DAY), *pair) for pair in ended.select("contract", "revision").iter_rows()])
        self._pass_on(gone.join(self._others, on="contract"))

    def _pass_on(self, kept: pl.DataFrame) -> None:
        """
        Take the word of the provider that has the say from now on, for contracts that this one had it on and lists no more.

        One whose master of the day is still to come says it then.
        """
        kept = kept.filter(pl.col("leader").is_in(sorted(self._now.current)))
        if kept.is_empty():
            return
        pairs = inherited(kept, self._now)
        self._update("update instruments set provider_symbol = ? where contract = ? and revision = ?",
                     pairs.select("provider_symbol", "old_contract", "old_revision").rows())
        moved = pairs.filter(~pl.all_horizontal(*(pl.col(name).eq_missing(pl.col(f"old_{name}")) for name in ATTRIBUTES)))
        self._amend(moved.with_columns(taken=pl.lit(value=False)), moved.clear())

    def _compare(self, differing: pl.DataFrame) -> None:
        """Record where the providers differ now, and what only this one lists."""
        before = self._now.differences.join(self._known, on="contract", how="semi")
        touched = pl.lit(value=False) if self._now.is_late else pl.col("provider") == self._now.provider
        if not self._now.is_late:
            self.changes.differ.append(differing.select(*DIFFERENCE_SCHEMA))
        if self._changed:
            names = (*ATTRIBUTES, *(f"old_{name}" for name in ATTRIBUTES), "old_contract", "taken")
            changed = pl.concat([part.select(*names) for part in self._changed])
            moved, found = handed_over(changed, self._now)
            self.changes.differ += [moved, found.select(*DIFFERENCE_SCHEMA)]
            other = found.filter(pl.col("name").is_in(OTHER_THING)).select("contract", "provider").unique()
            self._update("delete from provider_symbols where contract = ? and provider = ?", other.sort("contract").rows())
            touched |= (pl.col("provider") != self._now.provider) & pl.col("contract").is_in(changed["old_contract"].implode())
            differing = pl.concat([differing, found])
        self.changes.differed.append(before.filter(touched))
        self.changes.findings += findings(differing)
        self.changes.counts["differ"] = differing["contract"].n_unique()
        if self._others.height and self.changes.listed:
            self.changes.counts["only_here"] = pl.concat(self.changes.listed).join(self._others, on="contract", how="anti").height

    def _named(self, judged: pl.DataFrame) -> pl.DataFrame:
        """Note new listings that are close to what had their token."""
        doubtful = judged.filter(pl.col("fate") == "uncertain")
        if doubtful.height:
            self.changes.counts["identity_uncertain"] += doubtful.height
            example = ", ".join(doubtful["symbol"].head(3).to_list())
            self.changes.findings.append(Finding("identity_uncertain", doubtful.height, f"taken as new listings: {example}"))
        return judged

    def _since_unknown(self) -> date | None:
        """First valid day of what an older master shows: unknown where there is no master before it."""
        return None if self._now.earlier is None else self._day

    def _since(self) -> date | None:
        """First valid day of a listing seen first in this master; unknown in a provider's first."""
        earlier = self._now.earlier
        if earlier is None:
            return None
        return earlier + _DAY if self._day - earlier <= TRUST_GAP else self._day

    def _list(self, rows: pl.DataFrame, contract: str) -> None:
        if rows.height:
            self.changes.listed.append(rows.select(contract=contract, symbol="provider_symbol"))

    def _update(self, statement: str, values: list[tuple[object, ...]]) -> None:
        if values:
            self.changes.updates.append((statement, values))

    def _insert(self, rows: pl.DataFrame, number: pl.Expr, revision: pl.Expr, since: pl.Expr, end: pl.Expr, last: pl.Expr | None = None) -> None:
        seen = pl.lit(self._day)
        table = rows.select(
            number.alias("_number"), revision.alias("_revision"), *KEY, "symbol", "underlying", "kind", "expiry", "strike_paise", "right",
            "lot", "tick_paise", "provider_symbol", pl.col("is_index").cast(pl.Int8), since.alias("_since"), end.alias("_end"),
            seen.alias("_first"), (seen if last is None else last).alias("_last"),
        )
        self.changes.inserts += table.with_columns(pl.col(pl.Date).cast(pl.Int32)).rows()


def _old(rows: pl.DataFrame, renames: dict[str, str]) -> pl.DataFrame:
    """Rows as the earlier side of a pair, underlyings under their present names."""
    names = [name for name in rows.columns if name not in (*KEY, "seen")]
    old = rows.select(*KEY, *(pl.col(name).alias(f"old_{name}") for name in names))
    return old.with_columns(pl.col("old_underlying").replace(renames)) if renames else old


def apply_changes(connection: sqlite3.Connection, changes: Changes, now: Standing, generation: str) -> None:
    """Run a diff's statements inside the caller's transaction."""
    for statement, values in changes.updates:
        connection.executemany(statement, values)
    connection.executemany(INSERT, changes.inserts)
    if changes.listed or changes.gone:
        empty = pl.DataFrame(schema={"contract": pl.Int64, "symbol": pl.String})
        write_symbols(connection, now, pl.concat([empty, *changes.listed]), changes.gone)
    none = pl.DataFrame(schema=DIFFERENCE_SCHEMA)
    write_differences(connection, pl.concat([none, *changes.differed]), pl.concat([none, *changes.differ]))
    set_meta(connection, GENERATION, generation)
