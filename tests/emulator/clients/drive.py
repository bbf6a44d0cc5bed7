"""
Drives an official client, unmodified, against an emulator. Run by that client's own interpreter.

Arguments: JSON with generation (oauth, legacy), url, credentials and otp or code, contract, spot, strike and span.
Prints one JSON line of findings.
"""

import json
import sys
import threading

import requests
from NorenRestApiPy.NorenApi import NorenApi

PRINTS_A_MINUTE = 4
WAIT_S = 20


def sign_in(api, given):
    if given["generation"] == "oauth":
        return api.getAccessToken(given["code"], given["secret_code"], given["client_id"], given["uid"])
    return api.login(
        userid=given["uid"], password=given["password"], twoFA=given["otp"], vendor_code=given["vendor_code"],
        api_secret=given["api_secret"], imei=given["imei"],
    )


def refused(api, given):
    """What the client returns for a code, or a password, that is not the user's."""
    return sign_in(api, {**given, "code": "0" * 32, "password": "not-the-password"})


def ticks(api, given, contracts):
    """The acks of some contracts and then one minute's prints of each, as the client's own callbacks see them."""
    opened, acked, moved, seen, errors = *(threading.Event() for _ in range(3)), [], []

    def take(tick):
        seen.append(tick)
        if sum(one["t"] == "tk" for one in seen) == len(contracts):
            acked.set()
        if sum(one["t"] == "tf" for one in seen) >= PRINTS_A_MINUTE * len(contracts):
            moved.set()

    api.start_websocket(
        subscribe_callback=take, socket_open_callback=opened.set, socket_error_callback=lambda e: errors.append(str(e)),
        order_update_callback=lambda order: None,
    )
    found = {"opened": opened.wait(WAIT_S)}
    api.subscribe(contracts)
    found["acked"] = acked.wait(WAIT_S)
    requests.post(given["url"] + "/emulator/clock", json={"advance": 60}, timeout=WAIT_S)
    found["moved"] = moved.wait(WAIT_S)
    # Its close waits ten seconds in select() whenever its two threads race for the broker's last frame.
    threading.Thread(target=api.close_websocket, daemon=True).start()
    return {**found, "ticks": seen, "errors": errors}


def main():
    given = json.loads(sys.argv[1])
    suffix = {"oauth": ("NorenWClientAPI", "NorenWSAPI"), "legacy": ("NorenWClientTP", "NorenWSTP")}[given["generation"]]
    api = NorenApi(
        host=f"{given['url']}/{suffix[0]}/", websocket=f"{given['url'].replace('http', 'ws')}/{suffix[1]}/"
    )
    exchange, token, symbol = given["contract"]
    found = {"refused": refused(api, given), "signed_in": bool(sign_in(api, given))}
    found["series"] = api.get_time_price_series(exchange, token, given["st"], given["et"], interval=1)
    found["five"] = api.get_time_price_series(exchange, token, given["st"], given["et"], interval=5)
    found["no_data"] = api.get_time_price_series(exchange, "1", given["st"], given["et"])
    found["daily"] = api.get_daily_price_series(given["spot"][0], given["spot"][2], given["et"] - 60 * 86_400, given["et"])
    found["search"] = api.searchscrip(exchange, symbol)
    found["search_nothing"] = api.searchscrip(exchange, "NO SUCH THING")
    found["quote"] = api.get_quotes(exchange, token)
    found["info"] = api.get_security_info(exchange, token)
    found["chain"] = api.get_option_chain(exchange, symbol, given["strike"], 2)
    found["socket"] = ticks(api, given, [f"{exchange}|{token}", "|".join(given["spot"][:2])])
    found["logged_out"] = api.logout()
    sys.stdout.write(json.dumps(found) + "\n")


main()
