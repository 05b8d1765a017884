import asyncio
import io

import asyncpg
from common import A, B, DATABASE, HOST, NAMES, OWN, PORT, SERVICE, check


def connect(token):
    return asyncpg.connect(host=HOST, port=PORT, user="app", password=token, database=DATABASE, ssl=False)


async def main():
    for token in (A, B):
        own = OWN[token]
        c = await connect(token)

        async def names():
            return [r[0] for r in await c.fetch(NAMES)]

        check("all", await names(), own)
        for _ in range(2):
            check("prepared", await c.fetchval("select name from leads where id = $1", 1), own[0])
        async with c.transaction(isolation="serializable"):
            check("serializable", await names(), own)
            check("a cursor", [r[0] async for r in c.cursor(NAMES, prefetch=1)], own)
            try:
                async with c.transaction():
                    await c.fetch("select 1/0")
            except asyncpg.DivisionByZeroError:
                print("ok an error in a savepoint")
            check("after it", await names(), own)
        await c.executemany("insert into leads (name) values ($1)", [(f"apg{i}",) for i in range(20)])
        check("many", await c.fetchval("select count(*) from leads where name like 'apg%'"), 20)
        check("deleted", await c.execute("delete from leads where name like 'apg%'"), "DELETE 20")
        heard = []
        await c.add_listener("channel", lambda *a: heard.append(a[3]))
        await c.execute("notify channel, 'x'")
        for _ in range(50):
            await asyncio.sleep(0.1)
            if heard:
                break
        check("a notification", heard, ["x"])
        try:
            await c.fetch("select pg_sleep(30)", timeout=0.3)
        except asyncio.TimeoutError:
            print("ok a time-out, which cancels")
        check("after it", await names(), own)
        await c.reset()
        out = io.BytesIO()
        await c.copy_from_query(NAMES, output=out)
        check("COPY TO", out.getvalue().decode().split(), own)
        await c.execute("create temp table t (a int)")
        check("COPY FROM", await c.copy_records_to_table("t", records=[(i,) for i in range(1000)]), "COPY 1000")
        await c.close()

    pool = await asyncpg.create_pool(host=HOST, port=PORT, user="app", password=SERVICE, database=DATABASE, ssl=False,
                                     min_size=2, max_size=3)

    async def read(token):
        async with pool.acquire() as c, c.transaction():
            if token:
                await c.execute(f"set local moat.tenant_token = '{token}'")
            return [r[0] for r in await c.fetch(NAMES + " limit $1", 100)]

    tokens = [A, B, None, A, B] * 8
    check("one pool", await asyncio.gather(*[read(t) for t in tokens]), [OWN[t] for t in tokens])
    await pool.close()


asyncio.run(main())
