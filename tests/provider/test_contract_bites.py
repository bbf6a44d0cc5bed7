"""A promise is worth what its test catches: each lie told by an otherwise sound adapter fails the story that is about it."""

import dataclasses
import importlib.util
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fnolake.errors import PayloadError, ProviderFault
from fnolake.model import Page, RawBars

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "acme_provider"


@pytest.fixture
def acme(monkeypatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    spec = importlib.util.spec_from_file_location("acme_contract", EXAMPLE / "tests" / "test_acme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_provider"]:
        del sys.modules[name]


def client_class() -> type:
    from acme_provider.client import AcmeClient

    return AcmeClient


def lying() -> dict[str, tuple[str, type]]:
    sound = client_class()

    class SaysNothingOnFailure(sound):
        async def minutes(self, request):
            try:
                return await super().minutes(request)
            except (ProviderFault, PayloadError):
                return Page(request, "acme", "mine", self._setup.clock.now(), "", None)

    class RaisesForeign(sound):
        async def minutes(self, request):
            try:
                return await super().minutes(request)
            except PayloadError as error:
                raise ValueError("cut") from error

    class DropsRows(sound):
        async def minutes(self, request):
            page = await super().minutes(request)
            cut = {f.name: getattr(page.rows, f.name)[:1] for f in dataclasses.fields(RawBars) if f.name != "undecoded"}
            return dataclasses.replace(page, rows=RawBars(**cut))

    class ForgetsTheLoss(sound):
        def _drop(self, used):
            """Keep the refused token."""

    class AsksTwice(sound):
        async def minutes(self, request):
            try:
                return await super().minutes(request)
            except ProviderFault:
                return await super().minutes(request)

    class RenewsTheAdopted(sound):
        async def renew(self):
            self._adopted = False
            await super().renew()

    class EndsTheAdopted(sound):
        async def logout(self):
            self._adopted = False
            await super().logout()

    class ShowsItsToken(sound):
        def __repr__(self):
            return f"AcmeClient({self._token})"

    class LogsItsToken(sound):
        async def minutes(self, request):
            logging.getLogger("acme").debug("asking with %s", self._token)
            return await super().minutes(request)

    class SwallowsCancel(sound):
        async def minutes(self, request):
            try:
                return await super().minutes(request)
            except BaseException:  # noqa: BLE001 — that is the lie
                return await super().minutes(request)

    class ForgetsBeforeSigningIn(sound):
        async def login(self, how):
            self._forget()
            await super().login(how)

    class MiscountsMasters(sound):
        def decode_master(self, raw):
            master = super().decode_master(raw)
            return dataclasses.replace(master, findings=())

    class SharesItsDrawer(sound):
        def __init__(self, setup):
            super().__init__(dataclasses.replace(setup, account="one"))

    class ClaimsAnotherOrder(sound):
        dialect = dataclasses.replace(sound.dialect, newest_first=True)

    class HasNoLimits(sound):
        dialect = dataclasses.replace(sound.dialect, windows=())

    return {
        "SaysNothingOnFailure": ("test_a_failure_is_never_a_page", SaysNothingOnFailure),
        "SaysNothingWhenCut": ("test_a_cut_answer_invents_no_bar", SaysNothingOnFailure),
        "RaisesForeign": ("test_a_failure_is_never_a_page", RaisesForeign),
        "DropsRows": ("test_rows_come_out_as_they_were_sent", DropsRows),
        "ForgetsTheLoss": ("test_a_lost_sign_in_is_seen_at_once", ForgetsTheLoss),
        "AsksTwice": ("test_a_failure_is_never_a_page", AsksTwice),
        "RenewsTheAdopted": ("test_an_adopted_sign_in_is_never_renewed", RenewsTheAdopted),
        "EndsTheAdopted": ("test_an_adopted_sign_in_is_never_ended", EndsTheAdopted),
        "ShowsItsToken": ("test_no_secret_is_shown", ShowsItsToken),
        "LogsItsToken": ("test_no_secret_is_shown", LogsItsToken),
        "SwallowsCancel": ("test_asking_can_be_cancelled_at_any_await", SwallowsCancel),
        "ForgetsBeforeSigningIn": ("test_signing_in_can_be_cancelled_at_any_await", ForgetsBeforeSigningIn),
        "MiscountsMasters": ("test_every_row_of_a_master_is_accounted_for", MiscountsMasters),
        "SharesItsDrawer": ("test_a_sign_in_outlives_the_process", SharesItsDrawer),
        "ClaimsAnotherOrder": ("test_rows_come_out_as_they_were_sent", ClaimsAnotherOrder),
        "HasNoLimits": ("test_the_facts_are_sane", HasNoLimits),
    }


LIES = ["SaysNothingOnFailure", "SaysNothingWhenCut", "RaisesForeign", "DropsRows", "ForgetsTheLoss", "AsksTwice", "RenewsTheAdopted",
        "EndsTheAdopted", "ShowsItsToken", "LogsItsToken", "SwallowsCancel", "ForgetsBeforeSigningIn", "MiscountsMasters", "SharesItsDrawer",
        "ClaimsAnotherOrder", "HasNoLimits"]


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_caught_by_the_story_about_it(acme, lie) -> None:
    stories = lying()
    assert sorted(stories) == sorted(LIES)
    name, liar = stories[lie]
    case = type("Liar", (acme.TestAcme,), {"factory": staticmethod(liar)})
    with pytest.raises(AssertionError):
        getattr(case(), name)()
    getattr(acme.TestAcme(), name)()
