// Calls of @supabase/postgrest-js and supabase-js, as published, against a running
// moat serve. MOAT_URL is the server's root, TOKEN_A and TOKEN_B are two tenants'
// tokens. Each check is one line of output; the exit code is 1 when one fails.
import assert from 'node:assert/strict'
import { PostgrestClient } from '@supabase/postgrest-js'
import { createClient } from '@supabase/supabase-js'

const { MOAT_URL, TOKEN_A, TOKEN_B } = process.env
const client = (token, options = {}) =>
  new PostgrestClient(`${MOAT_URL}/rest/v1`, { headers: { Authorization: `Bearer ${token}` }, ...options })
const a = client(TOKEN_A)
const b = client(TOKEN_B)

let calls = 0
let failed = 0

// check runs one call and compares what it gives.
async function check(name, promise, want) {
  calls++
  try {
    const got = await promise
    want(got)
    console.log(`ok ${calls} ${name}`)
  } catch (error) {
    failed++
    console.log(`not ok ${calls} ${name}: ${error.message}`)
  }
}

const data = (want) => (got) => {
  assert.equal(got.error, null, JSON.stringify(got.error))
  assert.deepEqual(got.data, want)
}
const ids = (...want) => (got) => {
  assert.equal(got.error, null, JSON.stringify(got.error))
  assert.deepEqual(got.data.map((row) => row.id), want)
}
const done = (status) => (got) => {
  assert.equal(got.error, null, JSON.stringify(got.error))
  assert.equal(got.status, status)
}
const refused = (code, status) => (got) => {
  assert.ok(got.error, `no error: ${JSON.stringify(got.data)}`)
  assert.equal(got.error.code, code)
  if (status) assert.equal(got.status, status)
}
const leads = (c = a) => c.from('leads').select('id').order('id')

async function filters() {
  await check('eq', leads().eq('id', 2), ids(2))
  await check('neq', leads().neq('id', 2), ids(1, 3, 4))
  await check('gt', leads().gt('score', 10), ids(2, 4))
  await check('gte', leads().gte('score', 20), ids(2, 4))
  await check('lt', leads().lt('score', 20), ids(1))
  await check('lte', leads().lte('score', 20), ids(1, 2))
  await check('like', leads().like('name', '%e%'), ids(2, 3))
  await check('likeAllOf', leads().likeAllOf('name', ['%e%', '%o']), ids(3))
  await check('likeAnyOf', leads().likeAnyOf('name', ['A%', 'C%']), ids(1, 3))
  await check('ilike', leads().ilike('name', '%A'), ids(1, 4))
  await check('ilikeAllOf', leads().ilikeAllOf('name', ['%A%', '%D%']), ids(1, 4))
  await check('ilikeAnyOf', leads().ilikeAnyOf('name', ['a%', 'c%']), ids(1, 3))
  await check('regexMatch', leads().regexMatch('name', '^[AB]'), ids(1, 2))
  await check('regexIMatch', leads().regexIMatch('name', '^a'), ids(1))
  await check('is null', leads().is('score', null), ids(3))
  await check('is true', a.from('campaigns').select('id').is('active', true).order('id'), ids(1, 3))
  await check('is false', a.from('campaigns').select('id').is('active', false), ids(2))
  await check('isDistinct', leads().isDistinct('score', 10), ids(2, 3, 4))
  await check('in', leads().in('id', [1, 3]), ids(1, 3))
  await check('in with commas and quotes', leads().in('name', ['Ada', 'a,b', 'x"y']), ids(1))
  await check('notIn', leads().notIn('id', [1, 3]), ids(2, 4))
  await check('in nothing', leads().in('id', []), ids())
  await check('contains array', leads().contains('tags', ['b']), ids(1, 2))
  await check('contains object', leads().contains('details', { vip: true }), ids(1))
  await check('contains range', leads().contains('ages', '[6,7)'), ids(1, 2))
  await check('containedBy', leads().containedBy('tags', ['a', 'b']), ids(1, 3))
  await check('rangeGt', leads().rangeGt('ages', '[0,2)'), ids(2))
  await check('rangeGte', leads().rangeGte('ages', '[3,10)'), ids(2))
  await check('rangeLt', leads().rangeLt('ages', '[12,30)'), ids(1))
  await check('rangeLte', leads().rangeLte('ages', '[0,10)'), ids(1))
  await check('rangeAdjacent', leads().rangeAdjacent('ages', '[10,12)'), ids(1))
  await check('overlaps array', leads().overlaps('tags', ['a', 'c']), ids(1, 2, 4))
  await check('overlaps range', leads().overlaps('ages', '[9,30)'), ids(1, 2))
  await check('textSearch', leads().textSearch('search', 'cat', { config: 'english' }), ids(1))
  await check('textSearch plain', leads().textSearch('search', 'fat cats', { type: 'plain', config: 'english' }), ids(1))
  await check('textSearch phrase', leads().textSearch('search', 'fat cats', { type: 'phrase', config: 'english' }), ids(1))
  await check('textSearch websearch', leads().textSearch('search', 'fat -dog', { type: 'websearch', config: 'english' }), ids(1))
  await check('match', leads().match({ status: 'won', campaign_id: 1 }), ids(2))
  await check('not', leads().not('status', 'eq', 'won'), ids(1, 4))
  await check('not is', leads().not('score', 'is', null), ids(1, 2, 4))
  await check('not in', leads().not('id', 'in', '(1,2)'), ids(3, 4))
  await check('or', leads().or('id.eq.1,score.is.null'), ids(1, 3))
  await check('or nested', leads().or('id.eq.4,and(status.eq.won,score.gt.10)'), ids(2, 4))
  await check('or with in', leads().or('id.in.(1,2),name.eq."Dora"'), ids(1, 2, 4))
  await check('two ors', leads().or('id.eq.1,id.eq.2').or('status.eq.won,score.gt.100'), ids(2))
  await check('filter', leads().filter('status', 'in', '("won","lost")'), ids(2, 3, 4))
  await check('filter on a path', leads().filter('details->>city', 'eq', 'Paris'), ids(2))
  await check('eq on a path', leads().eq('details->>city', 'Berlin'), ids(1))
  await check('chained', leads().gt('id', 1).lt('id', 4).eq('status', 'won'), ids(2, 3))
  await check('eq with special characters', leads().eq('name', 'Bert "the" \\ Boss'), ids(2))
  await check('eq with a hostile value', leads().eq('name', "' or 1=1; drop table app.leads --"), ids())
}

async function transforms() {
  await check('order descending', a.from('leads').select('id').order('id', { ascending: false }), ids(4, 3, 2, 1))
  await check('order nulls first', a.from('leads').select('id').order('score', { nullsFirst: true }), ids(3, 1, 2, 4))
  await check('order nulls last', a.from('leads').select('id').order('score', { ascending: false, nullsFirst: false }), ids(4, 2, 1, 3))
  await check('order by two', a.from('leads').select('id').order('status').order('id', { ascending: false }), ids(1, 3, 2, 4))
  await check('limit', leads().limit(2), ids(1, 2))
  await check('range', leads().range(1, 2), ids(2, 3))
  await check('range beyond', leads().range(10, 12), ids())
  await check('single', a.from('leads').select('name').eq('id', 1).single(), data({ name: 'Ada' }))
  await check('single of none', a.from('leads').select('name').eq('id', 99).single(), refused('PGRST116', 406))
  await check('single of many', a.from('leads').select('name').single(), refused('PGRST116', 406))
  await check('maybeSingle', a.from('leads').select('name').eq('id', 1).maybeSingle(), data({ name: 'Ada' }))
  await check('maybeSingle of none', a.from('leads').select('name').eq('id', 99).maybeSingle(), data(null))
  await check('maybeSingle of many', a.from('leads').select('name').maybeSingle(), refused('PGRST116', 406))
  await check('csv', a.from('leads').select('id,name').order('id').limit(1).csv(), data('id,name\n1,Ada'))
  await check('stripNulls', a.from('leads').select('id,score').eq('id', 3).stripNulls(), data([{ id: 3 }]))
  await check('explain', a.from('leads').select('id').explain(), (got) => assert.match(got.data, /Scan|Result/))
  await check('explain as JSON', a.from('leads').select('id').explain({ format: 'json' }), (got) => assert.ok(got.data[0].Plan))
  await check('explain analyze', a.from('leads').select('id').explain({ analyze: true, verbose: true }), (got) => { assert.equal(got.status, 200); assert.doesNotMatch(JSON.stringify(got.data), /actual/i) })
  await check('throwOnError passes', a.from('leads').select('id').eq('id', 1).throwOnError(), ids(1))
  await check('throwOnError throws', a.from('nothing').select('id').throwOnError().then(() => 'no error', (e) => e), (got) => assert.equal(got.code, 'PGRST205'))
  await check('returns', a.from('leads').select('id').eq('id', 1).returns(), ids(1))
  await check('abortSignal', a.from('leads').select('id').eq('id', 1).abortSignal(new AbortController().signal), ids(1))
  await check('setHeader', a.from('leads').select('id').setHeader('Prefer', 'count=exact').eq('id', 1), (got) => assert.equal(got.count, 1))
}

async function counts() {
  await check('count exact', a.from('leads').select('id', { count: 'exact' }).limit(1), (got) => assert.equal(got.count, 4))
  await check('count planned', a.from('leads').select('id', { count: 'planned' }), (got) => assert.ok(got.count >= 0))
  await check('count estimated', a.from('leads').select('id', { count: 'estimated' }), (got) => assert.equal(got.count, 4))
  await check('head', a.from('leads').select('*', { count: 'exact', head: true }), (got) => { assert.equal(got.count, 4); assert.equal(got.data, null) })
  await check('count with a filter', a.from('leads').select('id', { count: 'exact' }).eq('status', 'won'), (got) => assert.equal(got.count, 2))
  await check('count with an inner embed', a.from('leads').select('id,events!inner(id)', { count: 'exact' }), (got) => assert.equal(got.count, 2))
  await check('count of the other tenant', b.from('leads').select('id', { count: 'exact' }), (got) => assert.equal(got.count, 2))
}

async function selects() {
  const one = (list) => a.from('leads').select(list).eq('id', 1).single()
  await check('select star', a.from('labels').select().eq('id', 1).single(), (got) => assert.equal(got.data.name, 'hot'))
  await check('select alias', one('n:name'), data({ n: 'Ada' }))
  await check('select cast', one('id::text'), data({ id: '1' }))
  await check('select path', one('details->phones->1->>n'), data({ n: '2' }))
  await check('select path alias', one('city:details->>city'), data({ city: 'Berlin' }))
  await check('select computed', one('shout'), data({ shout: 'ADA' }))
  await check('select types', one('tags,amount,created_at,home'), data({ tags: ['a', 'b'], amount: 100.1, created_at: '2024-01-01T10:00:00+00:00', home: { street: 'Main 1', city: 'Berlin' } }))
  await check('embed to-one', one('id,campaigns(name)'), data({ id: 1, campaigns: { name: 'Spring' } }))
  await check('embed to-many', a.from('campaigns').select('id,leads(id)').eq('id', 1).order('id', { referencedTable: 'leads' }).single(), data({ id: 1, leads: [{ id: 1 }, { id: 2 }] }))
  await check('embed many-to-many', a.from('leads').select('labels(name)').eq('id', 1).order('name', { referencedTable: 'labels' }).single(), data({ labels: [{ name: 'cold' }, { name: 'hot' }] }))
  await check('embed one-to-one', one('lead_notes(note)'), data({ lead_notes: { note: 'likes tea' } }))
  await check('embed nested', a.from('campaigns').select('leads(events(kind))').eq('id', 1).order('id', { referencedTable: 'leads' }).limit(1, { referencedTable: 'leads' }).limit(1, { referencedTable: 'leads.events' }).single(), (got) => assert.equal(got.data.leads[0].events.length, 1))
  await check('embed with alias and hint', a.from('transfers').select('from:leads!transfers_from(name),to:leads!transfers_to(id)').single(), data({ from: { name: 'Ada' }, to: { id: 2 } }))
  await check('embed ambiguous', a.from('transfers').select('leads(id)'), refused('PGRST201', 300))
  await check('embed missing', a.from('leads').select('nothing(id)'), refused('PGRST200', 400))
  await check('embed inner with filter', a.from('leads').select('id,events!inner(kind)').eq('events.kind', 'mail'), ids(1))
  await check('embed filter', a.from('leads').select('id,events(id)').eq('id', 1).eq('events.kind', 'mail').single(), data({ id: 1, events: [{ id: 2 }] }))
  await check('embed or', a.from('leads').select('events(id)').eq('id', 1).or('id.eq.1,id.eq.3', { referencedTable: 'events' }).order('id', { referencedTable: 'events' }).single(), data({ events: [{ id: 1 }, { id: 3 }] }))
  await check('embed range', a.from('leads').select('events(id)').eq('id', 1).order('id', { referencedTable: 'events' }).range(1, 1, { referencedTable: 'events' }).single(), data({ events: [{ id: 2 }] }))
  await check('embed is null', a.from('leads').select('id,events()').is('events', null).order('id'), ids(3, 4))
  await check('embed not null', a.from('leads').select('id,events()').not('events', 'is', null).order('id'), ids(1, 2))
  await check('spread', one('id,...campaigns(campaign:name)'), data({ id: 1, campaign: 'Spring' }))
  await check('spread to-many', a.from('leads').select('...events(kinds:kind)').eq('id', 1).order('id', { referencedTable: 'events' }).single(), data({ kinds: ['call', 'mail', 'call'] }))
  await check('order by an embed', a.from('leads').select('id,campaigns(name)').not('campaign_id', 'is', null).order('campaigns(name)').order('id'), ids(3, 1, 2))
  await check('count of an embed', one('events(count)'), data({ events: [{ count: 3 }] }))
  await check('aggregates', a.from('leads').select('status,id.count()').order('status'), (got) => assert.deepEqual(got.data.map((r) => r.count), [1, 2, 1]))
  await check('aggregate in an embed', one('events(amount.sum())'), data({ events: [{ sum: 6 }] }))
  await check('shared table', one('countries(name)'), data({ countries: { name: 'Germany' } }))
  await check('view', a.from('won_leads').select('id').order('id'), ids(2, 3))
  await check('computed relationship', one('recent_events(id)'), data({ recent_events: [{ id: 3 }, { id: 2 }] }))
}

async function writes() {
  await check('insert', a.from('labels').insert({ id: 10, name: 'ten' }), done(201))
  await check('insert and select', a.from('labels').insert({ id: 11, name: 'eleven' }).select('id,name'), data([{ id: 11, name: 'eleven' }]))
  await check('insert and single', a.from('labels').insert({ id: 12, name: 'twelve' }).select('id').single(), data({ id: 12 }))
  await check('insert many', a.from('labels').insert([{ id: 13, name: 'x' }, { id: 14, name: 'y' }]).select('id').order('id'), ids(13, 14))
  await check('insert different keys', a.from('leads').insert([{ id: 100, name: 'p', score: 1 }, { id: 101, name: 'q' }]).select('id,score').order('id'), data([{ id: 100, score: 1 }, { id: 101, score: null }]))
  await check('insert default for missing', a.from('leads').insert([{ id: 102, name: 'p', score: 1 }, { id: 103, name: 'q' }], { defaultToNull: false }).select('id,score').order('id'), data([{ id: 102, score: 1 }, { id: 103, score: 10 }]))
  await check('insert with count', a.from('labels').insert({ id: 15, name: 'z' }, { count: 'exact' }), (got) => assert.equal(got.count, 1))
  await check('insert with embed', a.from('leads').insert({ id: 104, name: 'e', campaign_id: 1 }).select('name,campaigns(name)').single(), data({ name: 'e', campaigns: { name: 'Spring' } }))
  await check('insert duplicate', a.from('labels').insert({ id: 10, name: 'again' }), refused('23505', 409))
  await check('insert violates a foreign key', a.from('leads').insert({ name: 'x', campaign_id: 999 }), refused('23503', 409))
  await check('insert violates not null', a.from('labels').insert({ id: 16 }), refused('23502', 400))
  await check('insert unknown column', a.from('labels').insert({ id: 16, nme: 'x' }), refused('PGRST204', 400))
  await check('insert for another tenant', a.from('labels').insert({ tenant_id: 'bbbbbbbb-0000-4000-8000-000000000002', id: 17, name: 'x' }), refused('MOAT101', 400))
  await check('upsert changes', a.from('labels').upsert({ id: 10, name: 'TEN' }).select('name').single(), data({ name: 'TEN' }))
  await check('upsert inserts', a.from('labels').upsert({ id: 18, name: 'eighteen' }), done(201))
  await check('upsert many', a.from('labels').upsert([{ id: 10, name: 'ten' }, { id: 19, name: 'nineteen' }]).select('id').order('id'), ids(10, 19))
  await check('upsert ignoring duplicates', a.from('labels').upsert([{ id: 10, name: 'no' }, { id: 20, name: 'yes' }], { ignoreDuplicates: true }).select('id'), ids(20))
  await check('upsert on a unique column', a.from('leads').upsert({ email: 'ada@example.com', name: 'Ada', score: 11 }, { onConflict: 'email' }).select('id,score').single(), data({ id: 1, score: 11 }))
  await check('upsert with defaults', a.from('leads').upsert([{ id: 105, name: 'r' }], { defaultToNull: false }).select('score').single(), data({ score: 10 }))
  await check('upsert with count', a.from('labels').upsert({ id: 20, name: 'twenty' }, { count: 'exact' }), (got) => assert.equal(got.count, 1))
  await check('update', a.from('labels').update({ name: 'changed' }).eq('id', 10), done(204))
  await check('update and select', a.from('labels').update({ name: 'again' }).eq('id', 10).select('name'), data([{ name: 'again' }]))
  await check('update and single', a.from('labels').update({ name: 'one' }).eq('id', 10).select('name').single(), data({ name: 'one' }))
  await check('update single of none', a.from('labels').update({ name: 'x' }).eq('id', 999).select('name').single(), refused('PGRST116', 406))
  await check('update maybeSingle of none', a.from('labels').update({ name: 'x' }).eq('id', 999).select('name').maybeSingle(), data(null))
  await check('update single of many', a.from('labels').update({ name: 'x' }).in('id', [11, 12]).select('name').single(), refused('PGRST116', 406))
  await check('... changed nothing', a.from('labels').select('name').in('id', [11, 12]).order('id'), data([{ name: 'eleven' }, { name: 'twelve' }]))
  await check('update with count', a.from('labels').update({ name: 'n' }, { count: 'exact' }).in('id', [11, 12]), (got) => assert.equal(got.count, 2))
  await check('update types', a.from('leads').update({ tags: ['p'], details: { k: [1, null] }, ages: '[1,2)' }).eq('id', 104).select('tags,details,ages').single(), data({ tags: ['p'], details: { k: [1, null] }, ages: '[1,2)' }))
  await check('update without a filter', a.from('labels').update({ name: 'all' }), refused('21000', 400))
  await check('update the tenant', a.from('labels').update({ tenant_id: 'bbbbbbbb-0000-4000-8000-000000000002' }).eq('id', 10), refused('MOAT101', 400))
  await check('maxAffected exceeded', a.from('labels').update({ name: 'm' }).in('id', [11, 12, 13]).maxAffected(2), refused('PGRST124', 400))
  await check('maxAffected kept', a.from('labels').update({ name: 'm' }).in('id', [11, 12]).maxAffected(2).select('id').order('id'), ids(11, 12))
  await check('rollback', a.from('labels').update({ name: 'gone' }).eq('id', 10).select('name').rollback(), data([{ name: 'gone' }]))
  await check('... was rolled back', a.from('labels').select('name').eq('id', 10).single(), data({ name: 'one' }))
  await check('delete', a.from('labels').delete().eq('id', 20), done(204))
  await check('delete and select', a.from('labels').delete().eq('id', 19).select('id'), ids(19))
  await check('delete with count', a.from('labels').delete({ count: 'exact' }).in('id', [13, 14]), (got) => assert.equal(got.count, 2))
  await check('delete without a filter', a.from('labels').delete(), refused('21000', 400))
  await check('delete single of none', a.from('labels').delete().eq('id', 999).select().maybeSingle(), data(null))
}

async function functions() {
  await check('rpc', a.rpc('add', { a: 1, b: 2 }), data(3))
  await check('rpc default argument', a.rpc('add', { a: 1 }), data(2))
  await check('rpc get', a.rpc('add', { a: 1, b: 5 }, { get: true }), data(6))
  await check('rpc get with an array', a.rpc('join_all', { parts: ['x', 'y'] }, { get: true }), data('x-y'))
  await check('rpc head', a.rpc('numbers', { upto: 3 }, { head: true, count: 'exact' }), (got) => assert.equal(got.count, 3))
  await check('rpc set', a.rpc('numbers', { upto: 3 }), data([1, 2, 3]))
  await check('rpc rows', a.rpc('leads_with', { s: 'won' }).select('id').order('id'), ids(2, 3))
  await check('rpc rows filtered', a.rpc('leads_with', { s: 'won' }).select('id').gt('id', 2), ids(3))
  await check('rpc rows embedded', a.rpc('leads_with', { s: 'won' }).select('id,campaigns(name)').eq('id', 2).single(), data({ id: 2, campaigns: { name: 'Spring' } }))
  await check('rpc rows counted', a.rpc('leads_with', { s: 'won' }, { count: 'exact' }).select('id').limit(1), (got) => assert.equal(got.count, 2))
  await check('rpc table', a.rpc('totals').select('status,n').eq('status', 'won'), data([{ status: 'won', n: 2 }]))
  await check('rpc row', a.rpc('first_lead').select('id'), data({ id: 1 }))
  await check('rpc void', a.rpc('rename_lead', { lead: 999, new_name: 'x' }), done(204))
  await check('rpc who', a.rpc('whoami'), (got) => assert.equal(got.data.sub, 'ann'))
  await check('rpc not found', a.rpc('nothing'), refused('PGRST202', 404))
  await check('rpc error', a.rpc('fails', { code: 'P0001' }), refused('P0001', 400))
  await check('rpc rollback', a.rpc('rename_lead', { lead: 4, new_name: 'R' }).rollback(), done(204))
  await check('... was rolled back', a.from('leads').select('name').eq('id', 4).single(), data({ name: 'Dora' }))
}

async function tenancy() {
  await check('B sees its own', leads(b), ids(1, 50))
  await check('B cannot ask for A', leads(b).eq('tenant_id', 'aaaaaaaa-0000-4000-8000-000000000001'), ids())
  await check('B embeds its own', b.from('campaigns').select('id,leads(name)').single(), data({ id: 1, leads: [{ name: 'Bruno' }] }))
  await check('B sees its own tenant', b.from('tenants').select('name'), data([{ name: 'Birch' }]))
  await check('B updates nothing of A', b.from('leads').update({ name: 'taken' }).eq('id', 2).select('id'), ids())
  await check('B deletes nothing of A', b.from('leads').delete().in('id', [2, 3, 4]).select('id'), ids())
  await check('B inserts beside A', b.from('labels').insert({ id: 2, name: 'mine' }), done(201))
  await check("... A's is unchanged", a.from('labels').select('name').eq('id', 2).single(), data({ name: 'cold' }))
  await check('B upserts beside A', b.from('labels').upsert({ id: 2, name: 'mine 2' }), done(200 + 4))
  await check("... A's is still unchanged", a.from('labels').select('name').eq('id', 2).single(), data({ name: 'cold' }))
  await check('B calls for itself', b.rpc('leads_with', { s: 'new' }).select('id').order('id'), ids(1, 50))
  await check('no token', client('').from('leads').select(), refused('PGRST302', 401))
  await check('bad token', client('a.b.c').from('leads').select(), refused('PGRST301', 401))
  await check('not exposed', a.from('unprotected').select(), refused('PGRST205', 404))
  await check('other schema', a.schema('extra').from('items').select('name'), data([{ name: 'extra' }]))
  await check('insert into the other schema', a.schema('extra').from('items').insert({ id: 9, name: 'n' }).select('id').single(), data({ id: 9 }))
  await check('schema not exposed', a.schema('private').from('secrets').select(), refused('PGRST106', 406))
  await check('default schema of the client', client(TOKEN_A, { schema: 'extra' }).from('items').select('id').eq('id', 9), ids(9))
}

async function supabase() {
  // Realtime is not spoken here; older Node has no WebSocket of its own to give it.
  const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport: class {} } }
  const c = createClient(MOAT_URL, TOKEN_A, options)
  await check('supabase select', c.from('leads').select('id').eq('id', 1), ids(1))
  await check('supabase insert', c.from('labels').insert({ id: 40, name: 'sb' }).select('id').single(), data({ id: 40 }))
  await check('supabase update', c.from('labels').update({ name: 'sb2' }).eq('id', 40).select('name').single(), data({ name: 'sb2' }))
  await check('supabase rpc', c.rpc('add', { a: 2 }), data(3))
  await check('supabase schema', c.schema('extra').from('items').select('id').eq('id', 1), ids(1))
  await check('supabase delete', c.from('labels').delete().eq('id', 40), done(204))
  const other = createClient(MOAT_URL, TOKEN_A, { ...options, accessToken: async () => TOKEN_B })
  await check('supabase accessToken', other.from('leads').select('id').order('id'), ids(1, 50))
}

for (const part of [filters, transforms, counts, selects, functions, writes, tenancy, supabase]) await part()
console.log(`# ${calls} calls, ${failed} failed`)
process.exit(failed ? 1 : 0)
