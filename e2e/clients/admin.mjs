// react-admin's data provider for PostgREST, as published, against a running moat
// serve: what its list, edit and bulk views call. MOAT_URL, TOKEN_A and TOKEN_B as in
// suite.mjs.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

import * as tally from './tally.mjs'
import { check, ids, total } from './tally.mjs'

// Both publish CommonJS for node; their ES modules are for bundlers.
const require = createRequire(import.meta.url)
const { default: postgrestProvider } = require('@raphiniert/ra-data-postgrest')
const { fetchUtils } = require('ra-core')

const { MOAT_URL, TOKEN_A, TOKEN_B } = process.env
const keys = new Map([['countries', ['code']], ['lead_notes', ['lead_id']], ['lead_labels', ['lead_id', 'label_id']]])
const provider = (token) => postgrestProvider({
  apiUrl: `${MOAT_URL}/rest/v1`,
  httpClient: (url, options = {}) => {
    options.user = { authenticated: true, token: `Bearer ${token}` }
    return fetchUtils.fetchJson(url, options)
  },
  defaultListOp: 'eq',
  primaryKeys: keys,
  schema: () => '',
})
const a = provider(TOKEN_A)
const b = provider(TOKEN_B)

const refused = (name, call, status) => tally.refused(name, call, (error) => error.status === status)

const page = (n = 1, perPage = 10) => ({ page: n, perPage })
const sort = (field, order = 'ASC') => ({ field, order })
const list = (filter = {}, more = {}) => ({ pagination: page(), sort: sort('id'), filter, ...more })

async function lists() {
  await check('getList', () => a.getList('leads', list()), total(4, 1, 2, 3, 4))
  await check('getList, second page', () => a.getList('leads', list({}, { pagination: page(2, 3) })), total(4, 4))
  await check('getList, descending', () => a.getList('leads', list({}, { sort: sort('id', 'DESC') })), total(4, 4, 3, 2, 1))
  await check('getList, nulls', () => a.getList('leads', list({}, { sort: sort('score'), meta: { nullsfirst: true } })), total(4, 3, 1, 2, 4))
  await check('getList, equal', () => a.getList('leads', list({ status: 'won' })), total(2, 2, 3))
  await check('getList, with an operator', () => a.getList('leads', list({ 'score@gte': 20 })), total(2, 2, 4))
  await check('getList, search', () => a.getList('leads', list({ 'name@ilike': 'a' })), total(2, 1, 4))
  // Several words of a search go out as name[0] and name[1], which PostgREST refuses too.
  await refused('getList, several words', () => a.getList('leads', list({ 'name@ilike': 'b boss' })), 400)
  await check('getList, or', () => a.getList('leads', list({ '@or': { 'name@eq': 'Ada', 'id@eq': 4 } })), total(2, 1, 4))
  await check('getList, JSON', () => a.getList('leads', list({ 'details->>city': 'Paris' })), total(1, 2))
  await check('getList, chosen columns', () => a.getList('leads', list({}, { meta: { columns: ['id', 'name'] } })),
    (got) => assert.deepEqual(got.data[0], { id: 1, name: 'Ada' }))
  await check('getList, embedded', () => a.getList('leads', list({ id: 1 }, { meta: { embed: ['campaigns'] } })),
    (got) => assert.equal(got.data[0].campaigns.name, 'Spring'))
  await check('getList, prefetched', () => a.getList('leads', list({ id: 1 }, { meta: { embed: ['campaigns'], prefetch: ['campaigns'] } })),
    (got) => assert.equal(got.meta.prefetched.campaigns[0].name, 'Spring'))
  await check('getList, another schema', () => a.getList('items', list({}, { meta: { schema: 'extra' } })), total(1, 1))
  await check('getList, a key of another name', () => a.getList('countries', list({}, { sort: sort('code') })), total(3, 'de', 'fr', 'it'))
  await check('getList, a key of two columns', () => a.getList('lead_labels', list({}, { sort: sort('id') })),
    total(3, '[1,1]', '[1,2]', '[2,2]'))
  await check('getList of the other tenant', () => b.getList('leads', list()), total(2, 1, 50))
  await check('getManyReference', () => a.getManyReference('events', { target: 'lead_id', id: 1, ...list() }), total(3, 1, 2, 3))
  await check('getManyReference of the other tenant', () => b.getManyReference('events', { target: 'lead_id', id: 1, ...list() }), total(1, 1))
  await refused('getList of nothing', () => a.getList('nothing', list()), 404)
}

async function rows() {
  await check('getOne', () => a.getOne('leads', { id: 1 }), (got) => assert.equal(got.data.name, 'Ada'))
  await check('getOne of the other tenant', () => b.getOne('leads', { id: 1 }), (got) => assert.equal(got.data.name, 'Bruno'))
  await check('getOne, embedded', () => a.getOne('leads', { id: 1, meta: { embed: ['events'] } }), (got) => assert.equal(got.data.events.length, 3))
  await check('getOne, a key of two columns', () => a.getOne('lead_labels', { id: '[1,2]' }), (got) => assert.equal(got.data.label_id, 2))
  await refused('getOne, not there', () => a.getOne('leads', { id: 50 }), 406)
  await check('getMany', () => a.getMany('leads', { ids: [1, 3] }), (got) => assert.deepEqual(got.data.map((r) => r.id).sort(), [1, 3]))
  await check('getMany, of the other tenant too', () => a.getMany('leads', { ids: [1, 50] }), ids(1))
  await check('getMany, keys of two columns', () => a.getMany('lead_labels', { ids: ['[1,1]', '[2,2]'] }), (got) => assert.equal(got.data.length, 2))
  await check('getMany of none', () => a.getMany('leads', { ids: [] }), ids())
}

async function writes() {
  let id
  await check('create', () => a.create('leads', { data: { name: 'New', email: 'new@example.com', tags: ['x'] } }), (got) => {
    id = got.data.id
    assert.equal(got.data.tenant_id, 'aaaaaaaa-0000-4000-8000-000000000001')
    assert.deepEqual(got.data.tags, ['x'])
  })
  await refused('create twice', () => a.create('leads', { data: { name: 'New', email: 'new@example.com' } }), 409)
  await refused('create without what is needed', () => a.create('leads', { data: { score: 1 } }), 400)
  await refused('create a row of the other tenant', () => a.create('leads', { data: { name: 'x', tenant_id: 'bbbbbbbb-0000-4000-8000-000000000002' } }), 400)
  await check('update', () => a.update('leads', { id, data: { id, name: 'Newer', score: 5 }, previousData: { id, name: 'New', score: 10 } }),
    (got) => assert.deepEqual([got.data.name, got.data.score], ['Newer', 5]))
  await check('update to null', () => a.update('leads', { id, data: { id, score: null }, previousData: { id, score: 5 } }), (got) => assert.equal(got.data.score, null))
  await check('update of nothing', () => a.update('leads', { id, data: { id }, previousData: { id } }), (got) => assert.equal(got.data.id, id))
  await refused('update by the other tenant', () => b.update('leads', { id, data: { name: 'Theirs' }, previousData: {} }), 406)
  await check('updateMany', () => a.updateMany('leads', { ids: [id, 4], data: { status: 'lost' } }), (got) => assert.equal(got.data.length, 2))
  await check('updateMany by the other tenant', () => b.updateMany('leads', { ids: [id], data: { status: 'won' } }), (got) => assert.deepEqual(got.data, []))
  await refused('delete by the other tenant', () => b.delete('leads', { id, previousData: { id } }), 406)
  await check('the row is untouched', () => a.getOne('leads', { id }), (got) => assert.deepEqual([got.data.name, got.data.status], ['Newer', 'lost']))
  await check('delete', () => a.delete('leads', { id, previousData: { id } }), (got) => assert.equal(got.data.id, id))
  await refused('deleted', () => a.getOne('leads', { id }), 406)
  const two = await Promise.all(['One', 'Two'].map((name) => a.create('campaigns', { data: { name } })))
  await check('deleteMany', () => a.deleteMany('campaigns', { ids: two.map((row) => row.data.id) }), (got) => assert.equal(got.data.length, 2))
  await check('deleteMany by the other tenant', () => b.deleteMany('campaigns', { ids: [3] }), (got) => assert.deepEqual(got.data, []))
  await check('a key of two columns is deleted', () => a.delete('lead_labels', { id: '[2,2]', previousData: {} }), (got) => assert.equal(got.data.id, '[2,2]'))
}

await lists()
await rows()
await writes()
tally.end()
