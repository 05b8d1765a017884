from contextlib import contextmanager
from contextvars import ContextVar

from common import A, B, DATABASE, HOST, NAMES, OWN, PORT, SERVICE, check, fails
from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import URL


def url(token):
    return URL.create("postgresql+psycopg2", "app", token, HOST, PORT, DATABASE)


for token in (A, B):
    e = create_engine(url(token), pool_size=2)
    with e.connect() as c:
        check("all", list(c.execute(text(NAMES)).scalars()), OWN[token])
    with e.begin() as c:
        c.execute(text("insert into leads (name) values (:n)"), [{"n": f"sa{i}"} for i in range(30)])
        check("many", c.execute(text("select count(*) from leads where name like 'sa%'")).scalar(), 30)
        c.execute(text("delete from leads where name like 'sa%'"))
    with e.connect().execution_options(isolation_level="SERIALIZABLE") as c:
        check("serializable", list(c.execute(text(NAMES)).scalars()), OWN[token])
    check("the schema", "leads" in inspect(e).get_table_names(), True)
    e.dispose()

SERVICE_URL = url(SERVICE)
# recipe: sqlalchemy
engine = create_engine(SERVICE_URL)
token = ContextVar("token", default=None)


@event.listens_for(engine, "begin")
def name_tenant(connection):
    if token.get():
        connection.exec_driver_sql(f"SET LOCAL moat.tenant_token = '{token.get()}'")
# end


@contextmanager
def tenant(t):
    before = token.set(t)
    try:
        yield
    finally:
        token.reset(before)


for t in (A, B, None, B, A):
    with tenant(t), engine.begin() as c:
        check("one pool", list(c.execute(text(NAMES)).scalars()), OWN[t])


def wrong():
    with tenant("x.y.z"), engine.begin() as c:
        c.execute(text(NAMES))


fails("a wrong token", wrong, "28P01")
with engine.begin() as c:
    check("afterwards", list(c.execute(text(NAMES)).scalars()), [])
