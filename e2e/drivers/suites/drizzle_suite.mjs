import { drizzle } from 'drizzle-orm/node-postgres'
import { eq, sql } from 'drizzle-orm'
import { pgTable, text } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { A, B, OWN, SERVICE, check, url } from './common.mjs'

const leads = pgTable('leads', { name: text('name') })
const pool = new pg.Pool({ connectionString: url(SERVICE), max: 2 })
// recipe: drizzle
const db = drizzle(pool)
const asTenant = (token, work) => db.transaction(async (tx) => {
  await tx.execute(sql.raw(`SET LOCAL moat.tenant_token = '${token.replaceAll("'", "''")}'`))
  return work(tx)
})
// end
const read = async (tx) => (await tx.select().from(leads).orderBy(leads.name)).map((r) => r.name)
for (const token of [A, B, B, A]) check('one pool', await asTenant(token, read), OWN(token))
check('without a tenant', await read(db), [])
const one = drizzle(url(B))
check('B alone', await read(one), OWN(B))
check('a condition', await one.select().from(leads).where(eq(leads.name, 'a1')), [])
process.exit(0)
