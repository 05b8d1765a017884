// refine's data provider for Supabase, as published, against a running moat serve: what
// its list, show, edit and bulk hooks call. MOAT_URL, TOKEN_A and TOKEN_B as in suite.mjs.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

import * as tally from './tally.mjs'
import { check, ids, total } from './tally.mjs'

const require = createRequire(import.meta.url)
const { createClient, dataProvider } = require('@refinedev/supabase')

const { MOAT_URL, TOKEN_A, TOKEN_B } = process.env
const provider = (token) => dataProvider(createClient(MOAT_URL, 'unused', {
  accessToken: async () => token,
  realtime: { transport: class {} }, // Node 20 has no WebSocket; nothing opens one
}))
const a = provider(TOKEN_A)
const b = provider(TOKEN_B)

// refine makes a number of the code, which PostgREST's are not: the message says what it was.
const refused = (name, call, message) => tally.refused(name, call, (error) => message.test(error.message))

const list = (more = {}) => ({ resource: 'leads', sorters: [{ field: 'id', order: 'asc' }], ...more })
const where = (field, operator, value) => list({ filters: [{ field, operator, value }] })

async function lists() {
  await check('getList', () => a.getList(list()), total(4, 1, 2, 3, 4))
  await check('getList, second page', () => a.getList(list({ pagination: { currentPage: 2, pageSize: 3 } })), total(4, 4))
  await check('getList, all', () => a.getList(list({ pagination: { mode: 'off' } })), total(4, 1, 2, 3, 4))
  await check('getList, eq', () => a.getList(where('status', 'eq', 'won')), total(2, 2, 3))
  await check('getList, ne', () => a.getList(where('status', 'ne', 'won')), total(2, 1, 4))
  await check('getList, gte', () => a.getList(where('score', 'gte', 20)), total(2, 2, 4))
  await check('getList, contains', () => a.getList(where('name', 'contains', 'A')), total(2, 1, 4))
  await check('getList, in', () => a.getList(where('id', 'in', [1, 3, 50])), total(2, 1, 3))
  await check('getList, null', () => a.getList(where('score', 'null', null)), total(1, 3))
  await check('getList, or', () => a.getList(list({ filters: [{ operator: 'or', value: [
    { field: 'name', operator: 'eq', value: 'Ada' }, { field: 'id', operator: 'eq', value: 4 }] }] })), total(2, 1, 4))
  await check('getList, chosen columns and an embed', () => a.getList(list({ meta: { select: 'id, campaigns(name)' } })),
    (got) => assert.deepEqual(got.data[0], { id: 1, campaigns: { name: 'Spring' } }))
  await check('getList, another schema', () => a.getList({ resource: 'items', meta: { schema: 'extra' } }), total(1, 1))
  await check('getList of the other tenant', () => b.getList(list()), total(2, 1, 50))
  await refused('getList of nothing', () => a.getList({ resource: 'nothing' }), /schema cache/)
}

async function rows() {
  await check('getOne', () => a.getOne({ resource: 'leads', id: 1 }), (got) => assert.equal(got.data.name, 'Ada'))
  await check('getOne of the other tenant', () => b.getOne({ resource: 'leads', id: 1 }), (got) => assert.equal(got.data.name, 'Bruno'))
  await check('getOne, not there', () => a.getOne({ resource: 'leads', id: 50 }), (got) => assert.equal(got.data, undefined))
  await check('getOne, another key', () => a.getOne({ resource: 'countries', id: 'de', meta: { idColumnName: 'code' } }), (got) => assert.equal(got.data.code, 'de'))
  await check('getMany', () => a.getMany({ resource: 'leads', ids: [1, 3, 50] }), (got) => assert.deepEqual(got.data.map((r) => r.id).sort(), [1, 3]))
}

async function writes() {
  let id
  await check('create', () => a.create({ resource: 'leads', variables: { name: 'New', email: 'refine@example.com' } }), (got) => {
    id = got.data.id
    assert.equal(got.data.tenant_id, 'aaaaaaaa-0000-4000-8000-000000000001')
  })
  await refused('create twice', () => a.create({ resource: 'leads', variables: { name: 'New', email: 'refine@example.com' } }), /duplicate key/)
  await refused('create a row of the other tenant', () => a.create({ resource: 'leads', variables: { name: 'x', tenant_id: 'bbbbbbbb-0000-4000-8000-000000000002' } }), /cannot be written/)
  await check('createMany', () => a.createMany({ resource: 'campaigns', variables: [{ name: 'One' }, { name: 'Two' }] }), (got) => assert.equal(got.data.length, 2))
  await check('update', () => a.update({ resource: 'leads', id, variables: { name: 'Newer' } }), (got) => assert.equal(got.data.name, 'Newer'))
  await check('update by the other tenant', () => b.update({ resource: 'leads', id, variables: { name: 'Theirs' } }), (got) => assert.equal(got.data, undefined))
  await check('updateMany', () => a.updateMany({ resource: 'leads', ids: [id], variables: { status: 'lost' } }), (got) => assert.equal(got.data[0].status, 'lost'))
  await check('deleteOne by the other tenant', () => b.deleteOne({ resource: 'leads', id }), (got) => assert.equal(got.data, undefined))
  await check('the row is untouched', () => a.getOne({ resource: 'leads', id }), (got) => assert.deepEqual([got.data.name, got.data.status], ['Newer', 'lost']))
  await check('deleteOne', () => a.deleteOne({ resource: 'leads', id }), () => {})
  await check('deleted', () => a.getOne({ resource: 'leads', id }), (got) => assert.equal(got.data, undefined))
}

await lists()
await rows()
await writes()
tally.end()
