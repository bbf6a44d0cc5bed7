"""
Signing in, both generations: the OAuth page with GenAcsTok, and QuickAuth.

The page is a real form, so a person, a script or :mod:`fnolake.emulator.browser` can use it. Refusals keep the
live pattern: the gateway's have two spaces and HTTP 400, the OMS's one space, HTTP 200 and a request time.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aiohttp import web

from fnolake.emulator import totp
from fnolake.emulator.answers import Answer
from fnolake.emulator.state import State, sha256, text_of

AUTHORIZE = ("OAuthlogin", "authorize", "oauth")
LANDING = ("OAuthlogin", "landed")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_EXCHANGES = ["NSE", "NIPO", "BSE", "BSTAR", "NFO", "BFO"]
_LIFE_S = 90 * 86_400
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Emulated broker: sign in</title></head>
<body><h1>Emulated broker</h1><p>{note}</p>
<form method="post" action="{action}">
<label>User id <input id="lgnusrid" name="lgnusrid" value=""></label>
<label>Password <input id="lgnpwd" name="lgnpwd" type="password"></label>
<label>One-time password <input id="lgnotp" name="lgnotp" inputmode="numeric"></label>
<button type="submit">Sign in</button></form></body></html>"""


async def authorize(state: State, request: web.BaseRequest) -> web.StreamResponse:
    """The authorize page: GET shows the form, POST checks it and redirects with ``code`` and ``state``."""
    query = dict(parse_qsl(request.query_string, keep_blank_values=True))
    state.asked.note("authorize", method=request.method)
    uid = state.config.demo.user_of(query.get("client_id", ""))
    if not uid:
        return _page(request, "Unknown client_id.", 400)
    target = query.get("redirect_uri") or state.config.redirect_uri or f"{state.url}/{'/'.join(LANDING)}"
    if urlsplit(target).hostname not in _LOOPBACK:
        return _page(request, "This emulator only returns to an address on this machine.", 400)
    if request.method != "POST":
        return _page(request, "Sign in to let the program in.", 200)
    form = {key: str(value) for key, value in parse_qsl((await request.read()).decode("utf-8", "replace"))}
    given = form.get("lgnusrid", "")
    wrong = _wrong(state, given if given == uid else "", sha256(form.get("lgnpwd", "")), form.get("lgnotp", ""))
    if wrong:
        return _page(request, wrong, 200)
    code = {"code": state.signins.new_code(uid)}
    back = code | ({"state": query["state"]} if "state" in query else {})
    return web.Response(status=302, headers={"Location": _with_query(target, back)})


def landed() -> web.Response:
    """Where the browser ends up when no program listens: the address bar holds the code."""
    return web.Response(text="Signed in. Copy this page's address back into the program that asked.")


def gen_acs_tok(state: State, data: dict[str, Any]) -> Answer:
    """GenAcsTok: a one-time code and its checksum for an access token."""
    demo, code = state.config.demo, text_of(data, "code")
    uid = state.signins.take_code(code)
    given = text_of(data, "uid")
    if uid is None or text_of(data, "checksum") != sha256(demo.client_of(uid) + demo.secret_code + code):
        return Answer.refusal("Invalid Input : INVALID_VERIFIER", request_time=state.request_time())
    if given and given != uid:
        return Answer.refusal("Invalid Input : INVALID_VERIFIER", request_time=state.request_time())
    signed, now = state.signins.open(uid), int(state.clock.epoch())
    return Answer.of({
        "USERID": uid, "access_token": signed.access_token, "expires_in": str(now + _LIFE_S),
        "refresh_token": sha256(signed.access_token), "scope": "0", "actid": uid, "uname": demo.name, "prarr": [],
        "exch_prd": [{"exch": name, "prds": ["C", "M", "I"]} for name in ("NSE", "NFO", "BSE", "BFO")], "stat": "Ok",
        "susertoken": signed.susertoken, "uid": uid, "brnchid": "HO", "totp_set": "1", "orarr": [],
        "exarr": _EXCHANGES, "values": [], "mws": {}, "brkname": "FINV", "lastaccesstime": str(now),
        "lastpwdtime": "0",
    })


def quick_auth(state: State, data: dict[str, Any]) -> Answer:
    """QuickAuth: hashed password, hashed API key and a one-time password for a susertoken."""
    demo, uid = state.config.demo, text_of(data, "uid")
    vendor = demo.vendor_code if uid == demo.uid else demo.client_of(uid)
    if text_of(data, "vc") != vendor or text_of(data, "appkey") != sha256(f"{uid}|{demo.api_secret}"):
        return Answer.refusal("Invalid Input :  Invalid Vendor code", status=400)
    wrong = _wrong(state, uid, text_of(data, "pwd"), text_of(data, "factor2"))
    if wrong:
        return Answer.refusal(wrong, request_time=state.request_time())
    signed = state.signins.open(uid)
    products = [{"prd": prd, "s_prdt_ali": ali, "exch": ["NSE", "NFO"]} for prd, ali in (("C", "CNC"), ("M", "NRML"))]
    return Answer.of({
        "request_time": state.request_time(), "stat": "Ok", "susertoken": signed.susertoken,
        "lastaccesstime": str(int(state.clock.epoch())), "actid": uid, "uname": demo.name,
        "access_type": ["WEB", "TT", "MOB", "API"], "prarr": products, "exarr": _EXCHANGES,
        "email": "demo@example.com", "brkname": "FINV", "spasswordreset": "N",
    })


ROUTES: dict[str, Callable[[State, dict[str, Any]], Answer]] = {"GenAcsTok": gen_acs_tok, "QuickAuth": quick_auth}


def _wrong(state: State, uid: str, password_hash: str, otp: str) -> str:
    """What is wrong with the credentials, in the broker's words; empty if nothing."""
    demo = state.config.demo
    if not demo.client_of(uid) or password_hash != sha256(demo.password):
        return "Invalid Input : Wrong Password"
    if not totp.fits(demo.totp_secret, otp, time.time(), state.clock.epoch()):
        return "Invalid Input : Invalid OTP"
    return ""


def _page(request: web.BaseRequest, note: str, status: int) -> web.Response:
    text = _PAGE.format(note=html.escape(note), action=html.escape(request.path_qs))
    return web.Response(text=text, status=status, content_type="text/html")


def _with_query(url: str, more: dict[str, str]) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(more))))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
