import postgres from 'postgres'
import { A, B, NAMES, OWN, SERVICE, check, url } from './common.mjs'

for (const token of [A, B]) {
  const own = OWN(token)
  const sql = postgres(url(token), { max: 1, onnotice: () => {} })
  const names = async (s = sql) => (await s.unsafe(NAMES)).map((r) => r.name)
  check('all', await names(), own)
  const flight = [...Array(200)].map((_, i) =>
    i % 7 === 3 ? sql`select 1/(${i}::int - ${i}::int)`.catch((e) => [{ i, n: e.code }]) : sql`select ${i}::int i, count(*)::int n from leads`)
  check('200 in flight, some with errors', (await Promise.all(flight)).map((r) => [r[0].i, r[0].n]),
    [...Array(200)].map((_, i) => [i, i % 7 === 3 ? '22012' : own.length]))
  check('serializable, with a savepoint', await sql.begin('isolation level serializable', async (s) => {
    const failed = await s.savepoint((s2) => s2`select 1/0`).catch((e) => e.code)
    return [failed, await names(s)]
  }), ['22012', own])
  const rows = []
  for await (const [row] of sql`select name from leads order by name`.cursor(1)) rows.push(row.name)
  check('a cursor', rows, own)
  const slow = sql`select pg_sleep(30)`.execute()
  setTimeout(() => slow.cancel(), 300)
  check('a cancel', await slow.catch((e) => e.code), '57014')
  const text = []
  for await (const chunk of await sql`copy (select name from leads order by name) to stdout`.readable()) text.push(chunk.toString())
  check('COPY TO', text.join(''), own.join('\n') + '\n')
  await sql.end()
}

const sql = postgres(url(SERVICE), { max: 2, onnotice: () => {} })
const asTenant = (token, work) => sql.begin(async (s) => {
  await s.unsafe(`SET LOCAL moat.tenant_token = '${token}'`)
  return work(s)
})
const read = async (s) => (await s`select name from leads order by name`).map((r) => r.name)
const tokens = [A, B, B, A, A, B]
check('one pool', await Promise.all(tokens.map((t) => asTenant(t, read))), tokens.map(OWN))
check('without a tenant', await read(sql), [])
await sql.end()
