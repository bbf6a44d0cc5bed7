"""
The promises about facts and answers: rows as sent, "nothing" only when stated, every failure an error of the tree.

Sign-ins and masters are next door. Invariant: what is expected comes from the adapter's author, never from its code.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from fnolake.errors import (
    AddressNotAllowed,
    AuthError,
    PayloadError,
    ProviderError,
    RateLimited,
    SignInLost,
    SpanTimeout,
    UnknownSymbol,
    Unreachable,
)
from fnolake.model import Page, RawBars
from fnolake.testing.case import Bar, ProviderCase, Stage, digest, given, is_aware, refused, story
from fnolake.testing.damage import damaged
from fnolake.testing.server import Reply

HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
MOST_CUTS = 120
DAMAGED = 300
_DTYPES = {
    "epoch_s": np.int64, "open": np.float64, "high": np.float64, "low": np.float64, "close": np.float64, "volume": np.int64,
    "oi": np.int64, "vwap": np.float64, "cumulative": np.int64, "wall_mismatch": np.bool_,
}


def bars_of(rows: RawBars) -> list[Bar]:
    """Decoded rows as plain values, in their order."""
    columns = (rows.epoch_s, rows.open, rows.high, rows.low, rows.close, rows.volume)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def assert_well_formed(rows: RawBars) -> None:
    """Columns of the types and the one length that ``model.RawBars`` promises."""
    for name, kind in _DTYPES.items():
        column = getattr(rows, name)
        assert column.dtype == kind, f"rows.{name} is {column.dtype}, not {np.dtype(kind)}"
        assert column.shape == rows.epoch_s.shape, f"rows.{name} has another length than rows.epoch_s"
    assert rows.undecoded >= 0, "rows.undecoded counts rows"


class AnswerPromises(ProviderCase):
    """What every answer becomes."""

    @story
    async def test_the_facts_are_sane(self, stage: Stage) -> None:
        """The dialect is complete, its own, and the same for every client."""
        client = stage.client()
        facts = client.dialect
        assert client.name == facts.name == facts.name.lower().strip() != "", "the name is lower case and the dialect's"
        ZoneInfo(facts.zone)
        assert facts.label in {"start", "end"}, "a row is stamped with the start or the end of its minute"
        assert facts.windows, "a provider without limits would be hammered: declare the allowance"
        assert all(count >= 1 and seconds > 0 for count, seconds in facts.windows), "an allowance is (requests, seconds)"
        assert facts.horizon_days >= 1, "horizon_days is how far back minutes are served"
        assert facts.max_rows >= 1, "max_rows is what one request should expect at most"
        assert facts.says_nothing, "say how an answer without data is worded"
        assert stage.client("another").dialect == facts, "facts are the provider's, not an account's"
        assert all(len(secret) >= 8 for secret in self.hidden), "give secrets of eight letters or more"

    @story
    async def test_rows_come_out_as_they_were_sent(self, stage: Stage) -> None:
        """Every bar of the answer, in its order, with provenance, from one request."""
        client, words = await stage.signed_in(), self.answers
        page = await _minutes(self, stage, client.minutes, words.rows)
        assert page.rows is not None, "the answer has rows"
        assert_well_formed(page.rows)
        assert bars_of(page.rows) == list(words.bars), "the bars are not those that were read by hand"
        assert page.rows.undecoded == 0, "rows that can be read were counted as undecoded"
        labels = [label for label, *_ in words.bars]
        assert len(labels) > 1, "give two bars, so that their order shows"
        assert labels == sorted(labels, reverse=client.dialect.newest_first), "dialect.newest_first says another order"
        assert (page.provider, page.account, page.request) == (client.name, "mine", self.request), "the page's provenance"
        assert page.payload_hash == digest(words.rows.raw), "payload_hash is the hex blake2b-128 of the body as received"
        assert page.wire_bytes == len(words.rows.raw), "wire_bytes is the size of the body"
        assert is_aware(page.fetched_at), "fetched_at is aware"
        assert page.fetched_at == stage.clock.now(), "fetched_at comes from the clock that was passed in"

    @story
    async def test_a_page_without_rows_is_the_providers_own_word(self, stage: Stage) -> None:
        """Each statement of nothing is an empty page; rows that cannot be read are counted, not dropped."""
        client = await stage.signed_in()
        for words in given(self.answers.nothing):
            page = await _minutes(self, stage, client.minutes, words)
            assert page.is_empty, f"{words.raw[:80]!r} states that there is nothing"
            assert page.payload_hash == digest(words.raw), "an empty page has its payload's hash"

    @story
    async def test_a_failure_is_never_a_page(self, stage: Stage) -> None:
        """Gateways' pages, empty bodies and noise under any status are errors of the tree, and keep the sign-in."""
        client = await stage.signed_in()
        bodies: tuple[bytes | str, ...] = (
            HTML, "", " \n", "\ufeff", "null", "true", "3", '"text"', "[[", b"\x00\xff\xfe\x80", "upstream error", "{}",
            '{"message":"no Route matched with those values"}', '{"error":"not found"}',
        )
        for body, status in itertools.product(bodies, (200, 404, 500, 502, 503)):
            stage.server.say(Reply(body, status))
            what = f"HTTP {status} with {body[:20]!r}"
            error = await refused(client.minutes(self.request), ProviderError, what)
            assert error.provider == client.name, f"{what}: the error does not say whose it is"
            assert len(stage.server.asked) == 1, f"{what}: asked again; retries are account's"
            if status >= 500:
                assert error.is_transient, f"{what}: {type(error).__name__} is not transient, so it would not be asked again"
            assert not isinstance(error, AuthError), f"{what}: {type(error).__name__} ends the sign-in for a gateway's trouble"
        assert client.signed_in, "a gateway's trouble is no loss of the sign-in"

    @story
    async def test_a_cut_answer_invents_no_bar(self, stage: Stage) -> None:
        """A body that ends early is refused, or gives only bars that were in it whole; it never states nothing."""
        client, raw = await stage.signed_in(), self.answers.rows.raw
        for size in range(0, len(raw.rstrip()) - 1, max(1, len(raw) // MOST_CUTS)):
            stage.server.say(Reply(raw[:size], headers=self.answers.rows.headers))
            try:
                page = await client.minutes(self.request)
            except ProviderError:
                continue
            assert page.rows is not None, f"cut after {size} bytes, the answer became a statement of nothing"
            invented = [bar for bar in bars_of(page.rows) if bar not in self.answers.bars]
            assert not invented, f"cut after {size} bytes, the answer has bars that nobody sent: {invented[:3]}"

    @story
    async def test_a_damaged_answer_crashes_nothing(self, stage: Stage) -> None:
        """Flipped, swapped, re-encoded and retyped bodies are pages with sound columns, or errors of the tree."""
        client = await stage.signed_in()
        for body in itertools.islice(damaged(self.answers.rows.raw, 1), DAMAGED):
            stage.server.say(Reply(body))
            try:
                page = await client.minutes(self.request)
            except AuthError:
                client = await stage.signed_in()
            except ProviderError:
                continue
            except Exception as error:
                raise AssertionError(f"{type(error).__name__} is no error of the tree; body: {body[:200]!r}") from error
            else:
                if page.rows is not None:
                    assert_well_formed(page.rows)

    @story
    async def test_a_lost_sign_in_is_seen_at_once(self, stage: Stage) -> None:
        """The provider's word for it is SignInLost, and is remembered by the next process too."""
        for words in given(self.answers.sign_in_lost):
            client = await stage.signed_in()
            await _refused(self, stage, client.minutes, words, SignInLost)
            assert not client.signed_in, "signed_in stays true after the sign-in was refused"
            assert not stage.client().signed_in, "the next process takes the refused sign-in out of the drawer"
            client = await stage.signed_in()
            stage.server.say(words)
            await refused(client.check(), AuthError, "check with a sign-in that has ended")

    @story
    async def test_too_many_requests_say_how_long_to_wait(self, stage: Stage) -> None:
        """RateLimited, with a wait, and the sign-in stays."""
        client = await stage.signed_in()
        for words in given(self.answers.rate_limited):
            error = await _refused(self, stage, client.minutes, words, RateLimited)
            assert isinstance(error, RateLimited)
            assert 0 < error.retry_after_s <= 3600, f"retry_after_s is {error.retry_after_s}"
            assert client.signed_in, "asking too much does not end the sign-in"

    @story
    async def test_a_refused_address_is_told_apart(self, stage: Stage) -> None:
        """AddressNotAllowed, which nobody retries."""
        for words in given(self.answers.address_refused):
            client = await stage.signed_in()
            await _refused(self, stage, client.minutes, words, AddressNotAllowed)

    @story
    async def test_an_unknown_symbol_is_told_apart(self, stage: Stage) -> None:
        """UnknownSymbol: the contract is unavailable there, the account goes on."""
        client = await stage.signed_in()
        for words in given(self.answers.unknown_symbol):
            await _refused(self, stage, client.minutes, words, UnknownSymbol)
            assert client.signed_in, "an unknown symbol does not end the sign-in"

    @story
    async def test_a_span_that_was_too_long_is_told_apart(self, stage: Stage) -> None:
        """SpanTimeout, so that half of it is asked next."""
        client = await stage.signed_in()
        for words in given(self.answers.span_timeout):
            await _refused(self, stage, client.minutes, words, SpanTimeout)

    @story
    async def test_nobody_there_is_unreachable(self, stage: Stage) -> None:
        """A closed port is Unreachable, and the sign-in stays."""
        client = await stage.signed_in()
        await stage.server.stop()
        error = await refused(client.minutes(self.request), Unreachable, "a closed port")
        assert error.provider == client.name, "the error does not say whose it is"
        assert client.signed_in, "a dead network is no loss of the sign-in"

    @story
    async def test_asking_can_be_cancelled_at_any_await(self, stage: Stage) -> None:
        """A cancelled request is cancelled, not answered, and the next one works."""
        client, words = await stage.signed_in(), self.answers

        async def after() -> None:
            assert client.signed_in, "cancelling a request ended the sign-in"

        stage.server.say(words.rows)
        await cancel_everywhere(lambda: client.minutes(self.request), after)
        page = await _minutes(self, stage, client.minutes, words.rows)
        assert page.rows is not None, "after cancelled requests the next one has no rows"
        assert bars_of(page.rows) == list(words.bars), "after cancelled requests the next one has other bars"

    @story
    async def test_a_large_answer_is_no_crash(self, stage: Stage) -> None:
        """A body past the limit of an answer is PayloadError, not memory."""
        client = await stage.signed_in()
        stage.server.say(Reply(b" " * (17 << 20)))
        await refused(client.minutes(self.request), PayloadError, "an answer of 17 MB")


Minutes = Callable[..., Coroutine[Any, Any, Page]]


async def _minutes(case: ProviderCase, stage: Stage, ask: Minutes, words: Reply) -> Page:
    stage.server.say(words)
    page = await ask(case.request)
    assert len(stage.server.asked) == 1, f"one request asks once, not {len(stage.server.asked)} times"
    return page


async def _refused(case: ProviderCase, stage: Stage, ask: Minutes, words: Reply, kind: type[ProviderError]) -> ProviderError:
    stage.server.say(words)
    error = await refused(ask(case.request), kind, f"HTTP {words.status} with {words.raw[:80]!r}")
    assert len(stage.server.asked) == 1, "asked again; retries and renewals are account's"
    assert error.provider, "the error does not say whose it is"
    return error


async def cancel_everywhere(call: Callable[[], Coroutine[Any, Any, object]], after: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """
    Start ``call`` again and again and cancel it one turn of the loop later each time, until it ends first.

    Raises:
        AssertionError: A cancelled call returned or raised something else.
    """
    for turns in range(1000):
        task = asyncio.ensure_future(call())
        for _ in range(turns):
            await asyncio.sleep(0)
        ended = task.done()
        task.cancel()
        await asyncio.wait({task})
        if ended:
            task.result()
            return
        assert task.cancelled(), f"cancelled after {turns} turns, the call went on: {task.exception() or task.result()!r}"
        await after()
    raise AssertionError("the call never ends")
