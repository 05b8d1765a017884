import psycopg
from common import A, B, NAMES, OWN, SERVICE, check, dsn, fails

for token in (A, B):
    own = OWN[token]
    with psycopg.connect(dsn(token)) as c:
        def names():
            return [r[0] for r in c.execute(NAMES)]

        for _ in range(8):  # prepared from the sixth on
            r = c.execute("select name from leads where id = %s", (1,)).fetchone()
            c.commit()
        check("prepared", r, (own[0],))
        with c.transaction():
            with c.transaction():
                check("nested", names(), own)
        c.commit()
        c.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        check("serializable", names(), own)
        c.commit()
        with c.cursor(name="server") as n:
            check("a cursor of the server", [r[0] for r in n.execute(NAMES)], own)
        c.commit()
        with c.cursor().copy(f"copy ({NAMES}) to stdout") as copy:
            check("COPY TO", [r[0] for r in copy.rows()], own)
        c.commit()
        c.execute("create temp table t (a int)")
        with c.cursor().copy("copy t from stdin") as copy:
            for i in range(5000):
                copy.write_row((i,))
        check("COPY FROM", c.execute("select count(*) from t").fetchone(), (5000,))
        c.rollback()
        fails("an error", lambda: c.execute("select 1/0"), "22012")
        c.rollback()
        check("after the error", names(), own)

    with psycopg.connect(dsn(token), autocommit=True) as c:
        with c.pipeline() as p:
            cursors = []
            for i in range(50):
                cursors.append(c.execute("select %s::int, count(*) from leads", (i,)))
                if i % 5 == 0:
                    p.sync()
            check("a pipeline", [k.fetchone() for k in cursors], [(i, len(own)) for i in range(50)])
        try:
            with c.pipeline() as p:
                c.execute("select count(*) from leads")
                c.execute("select 1/0")
                p.sync()
                last = c.execute("select count(*) from leads")
                p.sync()
        except psycopg.errors.DivisionByZero:
            print("ok an error in a pipeline")
        with c.pipeline():
            with c.transaction():
                a = c.execute("select count(*) from leads")
            b = c.execute("select count(*) from leads")
            check("a transaction in a pipeline", (a.fetchone(), b.fetchone()), ((len(own),), (len(own),)))

with psycopg.connect(dsn(SERVICE)) as c:
    for token in (A, B, None) * 4:
        with c.transaction():
            if token:
                c.execute(f"set local moat.tenant_token = '{token}'")
            check("one pool", [r[0] for r in c.execute(NAMES)], OWN[token])
    for token in (A,) * 8 + (B,) * 8:  # both statements are prepared by then
        with c.transaction():
            c.execute(f"set local moat.tenant_token = '{token}'")
            r = c.execute("select name from leads where id = %s", (1,)).fetchone()
            check("one pool, prepared", r, (OWN[token][0],))
    with c.pipeline():
        for token in (A, B):
            with c.transaction():
                c.execute(f"set local moat.tenant_token = '{token}'")
                k = c.execute(NAMES)
            check("one pool, in a pipeline", [r[0] for r in k], OWN[token])
