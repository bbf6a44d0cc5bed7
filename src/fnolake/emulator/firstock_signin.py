"""Signing in at Firstock: password hash, TOTP, vendor code and API key for one token, which dies every night."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from fnolake.emulator import totp
from fnolake.emulator.answers import Answer
from fnolake.emulator.firstock_answers import failed, missing, succeeded
from fnolake.emulator.signins import SignIn
from fnolake.emulator.state import State, sha256, text_of
from fnolake.model import IST

Body = dict[str, Any]
_LEAKED = "invalid character '<' looking for beginning of value"
_NEEDED = ("userId", "password", "vendorCode", "apiKey")


def login(state: State, data: Body) -> Answer:
    """Credentials for a susertoken, the jKey of all later calls."""
    for field in _NEEDED:
        if not text_of(data, field.lower()):
            return missing(field)
    wrong = _wrong(state, data)
    if wrong is not None:
        return wrong
    uid, settings = text_of(data, "userid"), state.firstock
    signed = state.firstock_signins.open(uid, alone=settings.second_login == "ends", dies_at=_dies_at(state))
    return succeeded("Login successful", {
        "actid": uid, "userName": state.config.demo.name, "susertoken": signed.susertoken, "email": "demo@example.com",
    })


def logout(state: State, signed: SignIn) -> Answer:
    """The token dies; the answer has no data."""
    state.firstock_signins.close(signed)
    return succeeded("Successfully logged out")


def signed_in(state: State, data: Body) -> SignIn | Answer:
    """Whose jKey it is, or the refusal."""
    key, status = text_of(data, "jkey"), int(state.firstock.lost)
    if not text_of(data, "userid"):
        return failed(400, "BAD_REQUEST", "userId", "required field is empty or missing: userId")
    signed = state.firstock_signins.of(key, state.clock.epoch())
    if signed is None:
        message = "jKey parameter is invalid" if key else "JKey is required"
        return failed(status, "INVALID_JKEY", "jKey", message, outcome="session_expired")
    if signed.uid != text_of(data, "userid"):
        return failed(status, "INVALID_USERID", "userId", "userId parameter is invalid")
    return signed


def _wrong(state: State, data: Body) -> Answer | None:
    """The refusal of wrong credentials; None if they are right."""
    demo, uid = state.config.demo, text_of(data, "userid")
    vendor = demo.firstock_vendor_of(uid)
    if not vendor:
        return _refused(state, "INVALID_USERID", "userId")
    if text_of(data, "password") != sha256(demo.password):
        return _refused(state, "INVALID_PASSWORD", "password")
    if text_of(data, "vendorcode") != vendor:
        return _refused(state, "INVALID_CREDENTIALS", "vendorCode")
    if text_of(data, "apikey") != demo.api_key:
        return _refused(state, "INVALID_CREDENTIALS", "apiKey")
    if not totp.fits(demo.totp_secret, text_of(data, "totp"), time.time(), state.clock.epoch()):
        return _refused(state, "INVALID_CREDENTIALS", "TOTP")
    return None


def _refused(state: State, name: str, field: str) -> Answer:
    leaked = state.firstock.login_words == "leaked"
    return failed(401, name, field, _LEAKED if leaked else f"{field} parameter is invalid")


def _dies_at(state: State) -> float:
    """The emulated epoch of the next roll-over."""
    now = state.clock.now()
    end = datetime.combine(now.date(), state.firstock.ends_at, IST)
    return (end if end > now else end + timedelta(days=1)).timestamp()
