"""
The promises about sign-ins: made once, kept, lost and renewed as said; adopted ones never touched; no secret shown.

Invariant: a story counts the requests that reach the server, so what must not be sent is seen not to be sent.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
from collections.abc import AsyncIterator, Iterator

from fnolake.errors import AuthError, LoginRefused, ProviderError
from fnolake.provider.base import Provider
from fnolake.testing.answers import HTML, cancel_everywhere
from fnolake.testing.case import ADOPTED, ProviderCase, Stage, given, refused, shown, story
from fnolake.testing.server import Reply


class SignInPromises(ProviderCase):
    """What becomes of a sign-in."""

    @story
    async def test_a_new_client_asks_nothing_and_is_not_signed_in(self, stage: Stage) -> None:
        """Making, closing and describing a client sends nothing; asking without a sign-in is an AuthError."""
        client = stage.client()
        assert (client.signed_in, client.adopted) == (False, False), "a new client is not signed in"
        assert client.signed_in_until is None, "nobody is signed in until anything"
        await refused(client.minutes(self.request), AuthError, "minutes without a sign-in")
        await refused(client.check(), AuthError, "check without a sign-in")
        await client.logout()
        await client.aclose()
        assert not stage.server.asked, "a request was sent without a sign-in"

    @story
    async def test_a_sign_in_outlives_the_process(self, stage: Stage) -> None:
        """It is in the drawer, under this account's name only, and proves itself."""
        client = await stage.signed_in()
        assert len(stage.server.asked) == len(self.answers.sign_in), "a sign-in sends what it has to, once"
        assert not client.adopted, "our own sign-in is not an adopted one"
        until = client.signed_in_until
        assert until is None or until.utcoffset() is not None, "signed_in_until is aware"
        await client.aclose()
        later = stage.client()
        assert later.signed_in, "the next process is not signed in: keep the sign-in in the drawer"
        assert not stage.client("another").signed_in, "another account took this one's sign-in"
        stage.server.say(self.answers.check)
        assert (await later.check()).strip(), "check says who is signed in"
        assert stage.server.asked, "check proves nothing without a request"

    @story
    async def test_a_drawer_with_nonsense_is_no_sign_in(self, stage: Stage) -> None:
        """What cannot be read is as if it were not there."""
        await stage.signed_in()
        for key, value in itertools.product(tuple(stage.drawer.held), (b"", b"{", b"null", b"[]", b'{"token":3}', b"\xff")):
            stage.drawer.save(key, value)
            assert not stage.client().signed_in, f"a drawer with {value!r} made a sign-in"

    @story
    async def test_a_refused_sign_in_is_said_once(self, stage: Stage) -> None:
        """LoginRefused with the provider's text; nothing is kept, nothing is tried again."""
        for words in given(self.answers.sign_in_refused):
            client = stage.client()
            stage.server.say(words)
            await refused(client.login(self.how), LoginRefused, f"a sign-in answered {words.raw[:80]!r}")
            assert len(stage.server.asked) == 1, "a refused sign-in was tried again: accounts are blocked for that"
            assert not client.signed_in, "a refused sign-in is none"
            assert not stage.client().signed_in, "a refused sign-in was kept"

    @story
    async def test_a_refused_sign_in_leaves_the_old_one(self, stage: Stage) -> None:
        """A gateway's trouble, or a refusal, does not end what works."""
        client = await stage.signed_in()
        for words in (Reply(HTML, 502), Reply(""), *self.answers.sign_in_refused):
            stage.server.say(words)
            await refused(client.login(self.how), ProviderError, f"a sign-in answered {words.raw[:40]!r}")
            assert client.signed_in, "the old sign-in has gone"

    @story
    async def test_signing_in_can_be_cancelled_at_any_await(self, stage: Stage) -> None:
        """The old sign-in stays, here and in the drawer."""
        client = await stage.signed_in()
        before = dict(stage.drawer.held)
        words = self.answers.sign_in

        async def after() -> None:
            assert client.signed_in, "cancelling a sign-in ended the old one"
            assert stage.drawer.held == before, "cancelling a sign-in changed the drawer"
            stage.server.say(*words)

        stage.server.say(*words)
        await cancel_everywhere(lambda: client.login(self.how), after)
        assert client.signed_in, "the last sign-in was not cancelled and did not work"

    @story
    async def test_a_logout_forgets(self, stage: Stage) -> None:
        """Here and in the drawer, also where the provider says that it had ended already, or is not there."""
        endings = [self.answers.logout or Reply(""), *self.answers.sign_in_lost, Reply(HTML, 502)]
        for words in endings:
            client = await stage.signed_in()
            stage.server.say(words)
            with contextlib.suppress(ProviderError):
                await client.logout()
            assert bool(stage.server.asked) == (self.answers.logout is not None), "logout ends the sign-in where that can be asked"
            assert not client.signed_in, "after logout, signed_in is still true"
            assert not stage.client().signed_in, "the next process is signed in after a logout"

    @story
    async def test_a_renewal_needs_no_person_or_says_so(self, stage: Stage) -> None:
        """After a loss: signed in again, or an AuthError without a request."""
        for words in given(self.answers.sign_in_lost):
            client = await stage.signed_in()
            stage.server.say(words)
            await refused(client.minutes(self.request), AuthError, "minutes with a sign-in that has ended")
            stage.server.say(*self.answers.sign_in)
            if not self.renews_alone:
                await refused(client.renew(), AuthError, "a renewal that needs a person")
                assert not stage.server.asked, "a renewal that needs a person sent a request"
                continue
            await client.renew()
            assert client.signed_in, "a renewal that worked leaves a sign-in"

    @story
    async def test_an_adopted_sign_in_is_used(self, stage: Stage) -> None:
        """Its token goes out, and the next process knows that it is another program's."""
        client = stage.client()
        client.adopt(ADOPTED)
        assert (client.signed_in, client.adopted) == (True, True), "adopt signs in and is marked as adopted"
        stage.server.say(self.answers.rows)
        await client.minutes(self.request)
        sent = stage.server.asked[-1]
        assert ADOPTED.encode() in sent.body + f"{sent.path}{sent.headers}".encode(), "the adopted token was not sent"
        assert (stage.client().signed_in, stage.client().adopted) == (True, True), "the next process forgot the adoption"

    @story
    async def test_an_adopted_sign_in_is_never_renewed(self, stage: Stage) -> None:
        """It would end the other program's: an AuthError, no request, before and after its loss."""
        for words in given(self.answers.sign_in_lost):
            client = stage.client()
            client.adopt(ADOPTED)
            stage.server.say(words)
            await refused(client.minutes(self.request), AuthError, "minutes with an adopted sign-in that has ended")
            assert client.adopted, "after its loss an adopted sign-in is still another program's"
            stage.server.say(*self.answers.sign_in)
            await refused(client.renew(), AuthError, "renewing an adopted sign-in")
            assert not stage.server.asked, "an adopted sign-in was renewed"

    @story
    async def test_an_adopted_sign_in_is_never_ended(self, stage: Stage) -> None:
        """A logout only forgets it."""
        client = stage.client()
        client.adopt(ADOPTED)
        stage.server.say(self.answers.logout or Reply(""))
        await client.logout()
        assert not stage.server.asked, "the other program's sign-in was ended"
        assert not client.signed_in, "a logout forgets an adopted sign-in"
        assert not stage.client().signed_in, "a logout forgets an adopted sign-in in the drawer too"

    @story
    async def test_no_secret_is_shown(self, stage: Stage) -> None:
        """Not in a repr, not in a log or on a terminal, not in an error with its causes and its kept bytes."""
        with _heard() as heard:
            client = await stage.signed_in()
            errors = [error async for error in _mishaps(self, stage, client)]
            adopting = stage.client()
            adopting.adopt(ADOPTED)
            texts = [repr(client), str(client), repr(adopting), *(shown(error) for error in errors)]
        assert errors, "nothing went wrong"
        for text in (*texts, heard.getvalue()):
            for secret in self.hidden:
                assert secret not in text, f"a secret is shown: ...{text[max(0, text.find(secret) - 60):text.find(secret)]}***"


async def _mishaps(case: ProviderCase, stage: Stage, client: Provider) -> AsyncIterator[ProviderError]:
    """Everything that goes wrong in other stories, collected; a cut sign-in comes last."""
    words = case.answers
    for reply in (Reply(HTML, 502), Reply(""), Reply(words.rows.raw[:-9]), *words.rate_limited, *words.address_refused,
                  *words.unknown_symbol, *words.span_timeout, *words.sign_in_lost):
        stage.server.say(reply)
        with contextlib.suppress(AuthError):
            client = client if client.signed_in else await stage.signed_in()
        stage.server.say(reply)
        try:
            await client.minutes(case.request)
        except ProviderError as error:
            yield error
    last = words.sign_in[-1]
    for reply in (*words.sign_in_refused, *(Reply(last.raw[:size], last.status) for size in range(0, len(last.raw), 7))):
        stage.server.say(*words.sign_in[:-1], reply)
        try:
            await stage.client().login(case.how)
        except ProviderError as error:
            yield error


@contextlib.contextmanager
def _heard() -> Iterator[io.StringIO]:
    """What is logged at any level or written to the terminal."""
    heard = io.StringIO()
    handler, root = logging.StreamHandler(heard), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
            yield heard
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
