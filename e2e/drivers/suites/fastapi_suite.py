"""The tutorial: a back end that forgets its WHERE, behind moat proxy."""
from typing import Optional

from common import A, B, DATABASE, HOST, OWN, PORT, SERVICE, check
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

SERVICE_URL = URL.create("postgresql+psycopg2", "app", SERVICE, HOST, PORT, DATABASE)
# recipe: fastapi
engine = create_engine(SERVICE_URL)
app = FastAPI()


def tenant(authorization: Optional[str] = Header(None)):
    with engine.begin() as connection:
        if authorization:
            token = authorization.removeprefix("Bearer ")
            connection.execute(text("SET LOCAL moat.tenant_token = :token"), {"token": token})
        yield connection


@app.get("/leads")
def leads(connection=Depends(tenant)):
    return [r.name for r in connection.execute(text("SELECT name FROM leads ORDER BY name"))]
# end


@app.get("/leads/of/{tenant_id}")
def leads_of(tenant_id: str, connection=Depends(tenant)):
    return [r.name for r in connection.execute(text("SELECT name FROM leads WHERE tenant_id = :t"), {"t": tenant_id})]


@app.get("/search")
def search(q: str, connection=Depends(tenant)):
    return [r[0] for r in connection.execute(text(f"SELECT name FROM leads WHERE name LIKE '{q}%' ORDER BY 1"))]


@app.exception_handler(DBAPIError)
def refused(request, error):
    from fastapi.responses import JSONResponse
    return JSONResponse(error.orig.pgcode, status_code=401 if error.orig.pgcode.startswith("28") else 500)


client = TestClient(app, raise_server_exceptions=False)


def get(path, token=None):
    return client.get(path, headers={"Authorization": "Bearer " + token} if token else {}).json()


FOREIGN = "bbbbbbbb-0000-4000-8000-000000000002"
INJECTED = f"x' OR set_config('app.current_tenant', '{FOREIGN}', true) IS NOT NULL OR name LIKE '"
for _ in range(3):
    check("a forgotten WHERE", (get("/leads", A), get("/leads", B)), (OWN[A], OWN[B]))
    check("no token", get("/leads"), [])
    check("another tenant's id", get(f"/leads/of/{FOREIGN}", A), [])
    check("a wrong token", get("/leads", "x.y.z"), "28P01")
    injected = get("/search?q=" + INJECTED, A)
    check("an injected set_config shows nothing of B", [n for n in injected if n.startswith("b")], [])
    check("nor does the next request", get("/leads", A), OWN[A])
