"""
Drives the official Firstock SDK, with nothing but its address constants rewritten, against an emulator.

Arguments: JSON with url, credentials, contract, spot, span and option. Its config.json goes where it is started.
Prints one JSON line of findings.
"""

import json
import sys
import threading

import firstock.Variables.enums as addresses
import requests

WAIT_S = 20
PRINTS_A_MINUTE = 4
HOST = "https://api.firstock.in"


def readdress(url):
    """Point every address constant at the emulator, before the SDK's modules copy them."""
    for name, value in vars(addresses).copy().items():
        if isinstance(value, str) and value.startswith(HOST):
            setattr(addresses, name, url + value.removeprefix(HOST))


def ticks(given, contracts):
    """One frame of snapshots and then one minute's frames, as the SDK's own callback sees them."""
    from firstock.websockets.websockets import Firstock, FirstockWebSocket

    snapped, moved, seen = threading.Event(), threading.Event(), []

    def take(frame):
        seen.append(frame)
        snapped.set()
        if len(seen) > PRINTS_A_MINUTE:
            moved.set()

    model = FirstockWebSocket(tokens=contracts, subscribe_feed_data=take)
    place = {"scheme": "ws", "host": given["url"].removeprefix("http://"), "path": "/V2/ws"}
    socket, error = Firstock.initialize_websockets(given["uid"], model, place)
    found = {"error": error, "snapped": snapped.wait(WAIT_S)}
    requests.post(given["url"] + "/emulator/clock", json={"advance": 60}, timeout=WAIT_S)
    found["moved"] = moved.wait(WAIT_S)
    found["closed"] = Firstock.close_websocket(socket)
    return {**found, "frames": seen}


def main():
    given = json.loads(sys.argv[1])
    readdress(given["url"])
    from firstock import firstock as api

    uid, (exchange, symbol, key), (venue, spot, spot_key) = given["uid"], given["contract"], given["spot"]

    def login(password):
        return api.login(userId=uid, password=password, TOTP=given["otp"], vendorCode=given["vendor_code"], apiKey=given["api_key"])

    def series(name, interval):
        return api.timePriceSeries(exchange=exchange, tradingSymbol=name, startTime=given["start"], endTime=given["end"],
                                   interval=interval, userId=uid)

    found = {"refused": login("not-the-password"), "signed_in": login(given["password"])}
    found["details"] = api.userDetails(userId=uid)
    found["series"], found["five"] = series(symbol, "1mi"), series(symbol, "5mi")
    found["no_interval"], found["no_symbol"] = series(symbol, ""), series("NOSUCH", "1mi")
    found["quote"] = api.getQuote(exchange=exchange, tradingSymbol=symbol, userId=uid)
    found["quotes"] = api.getMultiQuotes(
        dataToken=[{"exchange": exchange, "tradingSymbol": symbol}, {"exchange": venue, "tradingSymbol": spot}], userId=uid)
    found["info"] = api.securityInfo(exchange=exchange, tradingSymbol=symbol, userId=uid)
    found["search"] = api.searchScrips(stext=symbol, userId=uid)
    found["indices"] = api.indexList(userId=uid)
    found["expiries"] = api.getExpiry(userId=uid, exchange=venue, tradingSymbol=spot)
    found["chain"] = api.optionChain(userId=uid, exchange="NFO", **given["chain"])
    found["socket"] = ticks(given, [key, spot_key])
    found["logged_out"] = api.logout(userId=uid)
    found["after"] = series(symbol, "1mi")
    sys.stdout.write("\n" + json.dumps(found) + "\n")


main()
