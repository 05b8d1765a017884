import pg from 'pg'
import Cursor from 'pg-cursor'
import { A, B, NAMES, OWN, SERVICE, check, url } from './common.mjs'

for (const token of [A, B]) {
  const own = OWN(token)
  const pool = new pg.Pool({ connectionString: url(token), max: 3 })
  const names = async (q = pool) => (await q.query(NAMES)).rows.map((r) => r.name)
  check('all', await names(), own)
  for (let i = 0; i < 2; i++) {
    const r = await pool.query({ name: 'p', text: 'select name from leads where id = $1', values: [1] })
    check('prepared', r.rows, [{ name: own[0] }])
  }
  const c = await pool.connect()
  await c.query('BEGIN ISOLATION LEVEL SERIALIZABLE')
  check('serializable', await names(c), own)
  check('an error', await c.query('select 1/0').catch((e) => e.code), '22012')
  await c.query('ROLLBACK')
  const many = await Promise.all([...Array(20)].map((_, i) => c.query('select $1::int i, count(*)::int n from leads', [i])))
  check('queued', many.map((r) => r.rows[0]), [...Array(20)].map((_, i) => ({ i, n: own.length })))
  const cursor = c.query(new Cursor(NAMES, []))
  check('a cursor', [...(await cursor.read(1)), ...(await cursor.read(9))].map((r) => r.name), own)
  await cursor.close()
  c.release()
  await pool.end()
}

const pool = new pg.Pool({ connectionString: url(SERVICE), max: 2 })
// recipe: node pg
async function asTenant(token, work) {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query(`SET LOCAL moat.tenant_token = ${client.escapeLiteral(token)}`)
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (e) { await client.query('ROLLBACK'); throw e } finally { client.release() }
}
// end
const read = (c) => c.query({ name: 'read', text: NAMES }).then((r) => r.rows.map((x) => x.name))
const tokens = [A, B, A, B, B, A]
check('one pool', await Promise.all(tokens.map((t) => asTenant(t, read))), tokens.map(OWN))
check('without a tenant', await read(pool), [])
check('a wrong token', await asTenant('x.y.z', read).catch((e) => e.code), '28P01')
await pool.end()
