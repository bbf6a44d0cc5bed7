"""
Drives an official client, unmodified, against an emulator. Run by that client's own interpreter.

Arguments: JSON with generation (oauth, legacy), url, credentials and otp or code. Prints one JSON line of findings.
"""

import json
import sys
import threading

import requests
from NorenRestApiPy.NorenApi import NorenApi


def sign_in(api, given):
    if given["generation"] == "oauth":
        return api.getAccessToken(given["code"], given["secret_code"], given["client_id"], given["uid"])
    return api.login(
        userid=given["uid"], password=given["password"], twoFA=given["otp"], vendor_code=given["vendor_code"],
        api_secret=given["api_secret"], imei=given["imei"],
    )


def ticks(api, given, contract):
    """The acks and ticks that the client's own callbacks see: one ack, then what a minute of trading sends."""
    opened, acked, moved, seen, errors = *(threading.Event() for _ in range(3)), [], []

    def take(tick):
        seen.append(tick)
        (acked if tick["t"] == "tk" else moved).set()

    api.start_websocket(
        subscribe_callback=take, socket_open_callback=opened.set, socket_error_callback=lambda e: errors.append(str(e)),
        order_update_callback=lambda order: None,
    )
    found = {"opened": opened.wait(10)}
    api.subscribe(contract)
    found["acked"] = acked.wait(10)
    requests.post(given["url"] + "/emulator/clock", json={"advance": 60}, timeout=10)
    found["moved"] = moved.wait(10)
    api.close_websocket()
    return {**found, "first": seen[:1], "next": seen[1:2], "errors": errors}


def main():
    given = json.loads(sys.argv[1])
    suffix = {"oauth": ("NorenWClientAPI", "NorenWSAPI"), "legacy": ("NorenWClientTP", "NorenWSTP")}[given["generation"]]
    api = NorenApi(
        host=f"{given['url']}/{suffix[0]}/", websocket=f"{given['url'].replace('http', 'ws')}/{suffix[1]}/"
    )
    exchange, token, symbol = given["contract"]
    found = {"signed_in": bool(sign_in(api, given))}
    found["series"] = api.get_time_price_series(exchange, token, given["st"], given["et"], interval=1)
    found["five"] = api.get_time_price_series(exchange, token, given["st"], given["et"], interval=5)
    found["no_data"] = api.get_time_price_series(exchange, "1", given["st"], given["et"])
    found["daily"] = api.get_daily_price_series(given["spot"][0], given["spot"][2], 0, given["et"])
    found["search"] = api.searchscrip(exchange, symbol)
    found["search_nothing"] = api.searchscrip(exchange, "NO SUCH THING")
    found["quote"] = api.get_quotes(exchange, token)
    found["info"] = api.get_security_info(exchange, token)
    found["chain"] = api.get_option_chain(exchange, symbol, given["strike"], 2)
    found["socket"] = ticks(api, given, f"{exchange}|{token}")
    found["logged_out"] = api.logout()
    sys.stdout.write(json.dumps(found) + "\n")


main()
