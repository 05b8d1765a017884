import psycopg2
from common import A, B, NAMES, OWN, SERVICE, check, dsn, fails

for token in (A, B):
    c = psycopg2.connect(dsn(token))
    k = c.cursor()

    def names():
        k.execute(NAMES)
        return [r[0] for r in k]

    check("a transaction", names(), OWN[token])
    c.commit()
    k.execute("select name from leads where id = %s", (1,))
    check("an argument", k.fetchall(), [(OWN[token][0],)])
    c.rollback()
    c.autocommit = True
    check("autocommit", names(), OWN[token])
    c.autocommit = False
    c.set_session(isolation_level="SERIALIZABLE", readonly=True)
    check("serializable, read-only", names(), OWN[token])
    c.rollback()
    n = c.cursor(name="server")
    n.execute(NAMES)
    check("a cursor of the server", [r[0] for r in n], OWN[token])
    c.rollback()
    fails("an error", lambda: k.execute("select 1/0"), "22012")
    c.rollback()
    check("after the error", names(), OWN[token])
    c.close()

c = psycopg2.connect(dsn(SERVICE))
k = c.cursor()
for token in (A, B, None, A, A):
    if token:
        k.execute("set local moat.tenant_token = %s", (token,))
    k.execute(NAMES)
    check("one pool", [r[0] for r in k], OWN[token])
    c.commit()
fails("a wrong token", lambda: k.execute("set local moat.tenant_token = 'x.y.z'"), "28P01")
c.rollback()
