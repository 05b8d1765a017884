"""What every Python suite needs: addresses, tokens, and checks that say what they saw."""
import os

HOST, PORT, DATABASE = os.environ["PGHOST"], int(os.environ["PGPORT"]), os.environ["PGDATABASE"]
A, B, SERVICE = os.environ["TOKEN_A"], os.environ["TOKEN_B"], os.environ["TOKEN_SERVICE"]
OWN = {A: ["a1", "a2"], B: ["b1", "b2", "b3"], None: []}
NAMES = "select name from leads order by name"


def check(what, got, want):
    if got != want:
        raise SystemExit(f"{what}: {got!r}, want {want!r}")
    print("ok", what)


def fails(what, call, code):
    try:
        call()
    except Exception as error:
        got = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None) or getattr(
            getattr(error, "orig", None), "pgcode", None) or getattr(error.__cause__, "pgcode", None)
        return check(what, got, code)
    raise SystemExit(f"{what}: did not fail")


def dsn(token):
    return f"host={HOST} port={PORT} dbname={DATABASE} user=app password={token} sslmode=disable"
