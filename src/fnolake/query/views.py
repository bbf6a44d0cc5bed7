"""
The SQL views: their names, columns, types and units. Text only; ``query.sql`` makes them.

Invariant: what is written here is what the views give (a test asks DuckDB); ``select * from views`` and docs/sql.md show it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class View:
    """``columns``: (name, type, meaning) in order."""

    name: str
    about: str
    columns: tuple[tuple[str, str, str], ...]


_IDENTITY = """
underlying varchar RELIANCE, NIFTY, SENSEX
kind varchar spot, future or option
expiry date null for spot
strike double rupees; null unless option
right varchar CE or PE; null unless option
"""
_STATED = _IDENTITY.replace("\nstrike ", "\nstated_expiry date as first announced; the contract ended on expiry; null in older files\nstrike ")
_PRICES = """
open double rupees
high double rupees
low double rupees
close double rupees
"""
_ATTEMPT = """
bars bigint minutes that came
first_ts timestamptz first of them, IST
last_ts timestamptz last of them, IST
volume bigint units, their sum
"""
_TEXT = {
    "bars": ("Minute bars, each named as its contract stood on that session; rows of every phase.", f"""
ts timestamptz start of the minute, IST
session date trading date
symbol varchar RELIANCE-EQ, NIFTY, RELIANCE23NOV26F, RELIANCE23NOV26C1400
{_IDENTITY}{_PRICES}
volume bigint units traded in the minute
oi bigint units of open interest at its end; null where not sent
vwap double rupees; null where not sent
phase varchar continuous, preopen or auction
venue varchar NSE or BSE
contract bigint listing identity; (contract, ts) is unique
provider varchar who sent it
"""),
    "instruments": ("Every contract ever known, with its latest attributes: lake.instruments(), strike and tick in rupees.", f"""
contract bigint listing identity
venue varchar NSE or BSE
segment varchar CM or FO
token bigint the venue's number; recycled after expiry
symbol varchar our name
{_IDENTITY}
lot bigint units
tick double rupees
PROVIDER_symbol varchar its name there, a column for each provider; null: not listed
is_index boolean an index, its futures and options
valid_from date first session; null: not known
valid_to date last session; null: open
differs varchar what two providers list differently; only with two
"""),
    "instrument_history": ("Every revision of every contract: what it was from valid_from to valid_to.", f"""
contract bigint listing identity
revision bigint 1, 2, ... of the contract
venue varchar NSE or BSE
segment varchar CM or FO
token bigint the venue's number
symbol varchar our name then
{_IDENTITY}
lot bigint units
tick double rupees
provider_symbol varchar its name at the provider that listed it first
is_index boolean an index, its futures and options
valid_from date first session of the revision; null: not known
valid_to date its last; null: open
first_seen date of the first master that said so
last_seen date of the last
"""),
    "coverage": ("Counts of contract-sessions by underlying, kind and session: lake.coverage().", """
underlying varchar RELIANCE, NIFTY, SENSEX
kind varchar spot, future or option
session date trading date
wanted bigint contract-sessions listed
covered bigint complete, untraded or stated empty
complete bigint of them complete
untraded bigint of them untraded, by the exchange
empty bigint of them stated empty by the provider
partial bigint a part is here
failed bigint failed, quarantined or unavailable
missing bigint not asked for yet
verified bigint complete and proven
mismatch bigint not as the exchange says
bars bigint bars that we have
"""),
    "contract_sessions": ("One row a listed contract-session: what we have, and if not everything, why.", f"""
contract bigint listing identity
session date trading date
symbol varchar our name
venue varchar NSE or BSE
segment varchar CM or FO
underlying varchar RELIANCE, NIFTY, SENSEX
kind varchar spot, future or option
expiry date null for spot
status varchar complete, untraded, empty_stated, partial, unavailable, quarantined, failed or missing
proof varchar verified, mismatch, unverified; empty where nothing was asked
reasons varchar why, comma-separated
exchange_volume bigint units, by the exchange's file; null where that is not here
{_ATTEMPT}
provider varchar who sent it
fetched_at timestamptz when, IST
attempt bigint the winning one
"""),
    "gaps": ("What is not covered and why, soonest expiry first: lake.gaps().", """
symbol varchar our name
session date trading date
underlying varchar RELIANCE, NIFTY, SENSEX
kind varchar spot, future or option
expiry date null for spot
status varchar partial, unavailable, quarantined, failed or missing
reasons varchar why, comma-separated
contract bigint listing identity
repair varchar where asking again stands
"""),
    "attempts": ("The ledger: every try for a contract-session, won or not, in order.", f"""
attempt bigint its number
contract bigint listing identity
session date trading date
batch bigint committed with it
outcome varchar complete, partial, untraded, empty_stated, unavailable, quarantined or failed
proof varchar verified, mismatch or unverified
rank bigint the better attempt wins
reasons varchar of the outcome, comma-separated
proof_reasons varchar of the proof, comma-separated
findings varchar JSON: [name, count, detail, refused] of each check that found something
{_ATTEMPT}
provider varchar who answered
account varchar which of ours
payload_hash varchar of the answer
request_key varchar of the request, as requests.key
fetched_at timestamptz IST
"""),
    "requests": ("The ledger: every request and its one outcome, masters and sign-ins included.", """
key varchar unique
provider varchar who was asked
account varchar by which of ours
route varchar what was asked
outcome varchar answered, or what went wrong
started_at timestamptz IST
elapsed_s double seconds
tries bigint on the wire
error varchar class of the error
detail varchar its words
wire_bytes bigint of the answer
payload_hash varchar of the answer
"""),
    "masters": ("The ledger: every symbol master taken.", """
provider varchar whose
exchange varchar NSE, NFO, BSE or BFO
day date of the master
payload_hash varchar of the file
file varchar below the lake
rows bigint of the file
listings bigint of them taken
out_of_scope varchar JSON: why the others were not
findings varchar JSON
counts varchar JSON: new, amended, delisted ...
taken_at timestamptz IST
"""),
    "certificates": ("Every certificate of a session; the newest is in force.", """
certificate bigint its number
session date trading date
made_at timestamptz IST
hash varchar of the body
body varchar JSON
"""),
    "comparisons": ("Contract-sessions that two providers answered.", """
comparison bigint its number
contract bigint listing identity
session date trading date
first_provider varchar who was first
first_attempt bigint attempts.attempt
second_provider varchar who was second
second_attempt bigint attempts.attempt
agreed boolean no difference
findings varchar JSON
kept varchar first or second
why varchar the rule's word
compared_at timestamptz IST
"""),
    "differences": ("Where they differ, minute by minute: lake.compare().", """
symbol varchar our name
session date trading date
ts timestamptz start of the minute, IST
field varchar open, high, low, close, vwap, volume, oi or minute
finding varchar its name
first_provider varchar who was first
first double rupees or units; of a minute 1 where it is
second_provider varchar who was second
second double the same
size double second minus first
kept varchar the provider whose bars are shown
why varchar the rule's word
"""),
    "live_findings": ("Where recorded minutes were not what they were in the end: lake.live_findings().", """
symbol varchar our name
session date trading date
ts timestamptz start of the minute, IST
field varchar open, high, low, close, volume or minute
finding varchar live_differs, live_missing, live_extra
live double rupees or units; of a minute 1 where it is
final double the same
"""),
    "exchange_days": ("The exchange's end-of-day file, every row, volumes in units at both venues.", f"""
session date trading date
venue varchar NSE or BSE
segment varchar CM or FO
token bigint the venue's number; null in files before UDiFF
{_STATED}
series varchar EQ ...; null for derivatives
{_PRICES}
last double rupees, last trade
settlement double rupees
volume bigint units
oi bigint units
oi_change bigint units
trades bigint number
lot bigint units
value double rupees traded
name varchar the exchange's own name
"""),
    "revisions": ("Bars that a later fetch replaced, with both provenances.", f"""
session date trading date
ts timestamptz start of the minute, IST
contract bigint listing identity
venue varchar NSE or BSE
{_IDENTITY}{_PRICES}
volume bigint units
oi bigint units; null where not sent
vwap double rupees; null where not sent
phase varchar continuous, preopen or auction
provider varchar who sent the old bar
was_attempt bigint attempts.attempt
was_payload_hash varchar of the old answer
was_fetched_at timestamptz IST
by_attempt bigint that replaced it
by_provider varchar who sent the new bar
by_payload_hash varchar of the new answer
by_fetched_at timestamptz IST
"""),
    "views": ("This list.", """
view varchar name of a view
column_name varchar name of its column
column_type varchar of DuckDB
meaning varchar with its unit
"""),
}


def _columns(text: str) -> tuple[tuple[str, str, str], ...]:
    rows = [line.split(maxsplit=2) for line in text.splitlines() if line.strip()]
    return tuple((name, dtype, meaning) for name, dtype, meaning in rows)


VIEWS = {name: View(name, about, _columns(text)) for name, (about, text) in _TEXT.items()}
"""By name, in the order of the documentation."""


def listed() -> list[tuple[str, str, str, str]]:
    """(view, column, type, meaning) of everything."""
    return [(view.name, *column) for view in VIEWS.values() for column in view.columns]
