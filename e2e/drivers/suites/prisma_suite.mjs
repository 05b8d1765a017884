import { PrismaPg } from '@prisma/adapter-pg'
import client from '@prisma/client'
import { A, B, OWN, SERVICE, check, url } from './common.mjs'

const open = (token) => new client.PrismaClient({ adapter: new PrismaPg({ connectionString: url(token), max: 2 }) })
const names = async (p) => (await p.leads.findMany({ orderBy: { name: 'asc' } })).map((r) => r.name)
for (const token of [A, B]) {
  const p = open(token)
  check('all', await names(p), OWN(token))
  const counts = await p.$transaction([p.leads.count(), p.leads.count()], { isolationLevel: 'Serializable' })
  check('serializable', counts, [OWN(token).length, OWN(token).length])
  await p.$disconnect()
}
// recipe: prisma
const prisma = open(SERVICE)
const forTenant = (token) => prisma.$extends({ query: { $allModels: { async $allOperations({ args, query }) {
  const name = `SET LOCAL moat.tenant_token = '${token.replaceAll("'", "''")}'`
  const [, result] = await prisma.$transaction([prisma.$executeRawUnsafe(name), query(args)])
  return result
} } } })
// end
const tokens = [A, B, A, A, B]
check('one pool', await Promise.all(tokens.map((t) => names(forTenant(t)))), tokens.map(OWN))
check('without a tenant', await names(prisma), [])
process.exit(0)
