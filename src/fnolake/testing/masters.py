"""
The promises about masters: fetched byte by byte, every row accounted for, nonsense refused.

Invariant: the number of rows comes from the adapter's author, who counted them in the file.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from fnolake.errors import ProviderError
from fnolake.model import IST, KINDS, RIGHTS, SEGMENTS, VENUES, Master, RawFile, contract_symbol, listing_schema
from fnolake.testing.answers import HTML
from fnolake.testing.case import ProviderCase, Stage, digest, given, is_aware, refused, story
from fnolake.testing.damage import damaged
from fnolake.testing.server import Reply

DAMAGED = 60


def assert_accounted(master: Master) -> None:
    """Every row is a listing, out of scope, or a finding; the listings have the promised form."""
    found = sum(finding.count for finding in master.findings)
    assert master.rows == master.listings.height + sum(master.out_of_scope.values()) + found, "rows are unaccounted for"
    assert dict(master.listings.schema) == listing_schema(), "listings do not have model.listing_schema"
    keys = ("venue", "segment", "token")
    assert not master.listings.select(keys).is_duplicated().any(), "(venue, segment, token) is not unique"
    for row in master.listings.iter_rows(named=True):
        _assert_sane(row)


def _assert_sane(row: dict[str, object]) -> None:
    where = f"{row['provider_symbol']}: "
    assert row["venue"] in VENUES, where + "no such venue"
    assert row["segment"] in SEGMENTS, where + "no such segment"
    assert row["kind"] in KINDS, where + "no such kind"
    assert row["provider_symbol"], where + "no symbol to ask for"
    assert isinstance(row["lot"], int), where + "no lot"
    assert row["lot"] > 0, where + "a lot is units"
    assert isinstance(row["tick_paise"], int), where + "no tick; 0 for an index"
    assert (row["expiry"] is None) == (row["kind"] == "spot"), where + "an expiry is what a derivative has"
    assert (row["right"] in RIGHTS) == (row["kind"] == "option"), where + "a right is what an option has"
    assert (row["strike_paise"] is not None) == (row["kind"] == "option"), where + "a strike is what an option has"
    ours = contract_symbol(
        row["underlying"], row["kind"], row["expiry"], row["strike_paise"], row["right"], is_index=bool(row["is_index"]))  # type: ignore[arg-type]
    assert row["symbol"] == ours, where + f"our symbol is {ours}"


class MasterPromises(ProviderCase):
    """What becomes of a symbol master."""

    @story
    async def test_every_row_of_a_master_is_accounted_for(self, stage: Stage) -> None:
        """As fetched, parsed, and narrowed to what is captured; without a sign-in of its own making."""
        client = await stage.signed_in()
        raws = await _fetched(self, stage)
        masters = [client.decode_master(raw) for raw in raws.values()]
        for name, raw, master in zip(raws, raws.values(), masters, strict=True):
            assert master.rows == self.answers.masters[name].rows, f"{name}: the file has other rows than were counted by hand"
            assert (master.provider, master.exchange, master.day) == (client.name, name, self.day), f"{name}: provenance"
            assert master.payload_hash == raw.payload_hash, f"{name}: the hash of another file"
            assert_accounted(master)
        assert sum(master.listings.height for master in masters), "no master has a listing: give a row that is captured"
        for master in client.in_scope(masters):
            assert_accounted(master)

    @story
    async def test_a_master_is_kept_as_fetched(self, stage: Stage) -> None:
        """The bytes, their hash, and which day they are of."""
        for name, raw in (await _fetched(self, stage)).items():
            body = self.answers.masters[name].reply.raw
            assert raw.body == body, f"{name}: the bytes differ from what was sent"
            assert raw.payload_hash == digest(body), f"{name}: payload_hash is the hex blake2b-128 of the body"
            assert raw.fetched_at == stage.clock.now(), f"{name}: fetched_at comes from the clock that was passed in"
            assert is_aware(raw.fetched_at), f"{name}: fetched_at is aware"
            assert raw.day is not None, f"{name}: a master is of a day"
            assert raw.day.astimezone(IST).date() == self.day, f"{name}: a master is of the day it was asked for"

    @story
    async def test_a_master_that_is_none_is_refused(self, stage: Stage) -> None:
        """A page, nothing, a fault: ProviderError from the fetch or from the reading, whatever the status."""
        client, raws = await stage.signed_in(), await _fetched(self, stage)
        for (name, raw), words in itertools.product(raws.items(), (Reply(HTML), Reply(""), Reply(HTML, 404), Reply("", 500), Reply("no", 503))):
            what = f"{name} answered HTTP {words.status} {words.raw[:20]!r}"
            stage.server.say(words)
            try:
                got = await client.master(name, self.day)
            except ProviderError:
                continue
            assert words.status == 200, f"{what}: taken for a master"
            assert got.body != raw.body, f"{what}: another body than was sent"
            _refuse(client.decode_master, got, what)

    @story
    async def test_a_damaged_master_crashes_nothing(self, stage: Stage) -> None:
        """Refused, or read with every row accounted for."""
        client = await stage.signed_in()
        for raw in (await _fetched(self, stage)).values():
            for body in itertools.islice(damaged(raw.body, 2), DAMAGED):
                try:
                    master = client.decode_master(replace(raw, body=body, payload_hash=digest(body)))
                except ProviderError:
                    continue
                except Exception as error:
                    raise AssertionError(f"{type(error).__name__} is no error of the tree; body: {body[:200]!r}") from error
                assert_accounted(master)

    @story
    async def test_an_exchange_that_is_unknown_is_refused(self, stage: Stage) -> None:
        """Masters are asked for by the provider's own words; nobody there is an error, not a master."""
        client = await stage.signed_in()
        assert client.master_names(), "master_names says which masters there are"
        await stage.server.stop()
        await refused(client.master(client.master_names()[0], self.day), ProviderError, "a closed port")


async def _fetched(case: ProviderCase, stage: Stage) -> dict[str, RawFile]:
    given(answer.reply for answer in case.answers.masters.values())
    client, raws = await stage.signed_in(), {}
    for name, answer in case.answers.masters.items():
        assert name in client.master_names(), f"{name} is not among master_names()"
        stage.server.say(answer.reply)
        raws[name] = await client.master(name, case.day)
    return raws


def _refuse(decode: object, raw: RawFile, what: str) -> None:
    assert callable(decode)
    try:
        decode(raw)
    except ProviderError:
        return
    raise AssertionError(f"{what}: taken for a master")
