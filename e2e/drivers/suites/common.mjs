const env = process.env
export const A = env.TOKEN_A, B = env.TOKEN_B, SERVICE = env.TOKEN_SERVICE
export const NAMES = 'select name from leads order by name'
export const OWN = (token) => (token === A ? ['a1', 'a2'] : token === B ? ['b1', 'b2', 'b3'] : [])
export const url = (token) => `postgres://app:${token}@${env.PGHOST}:${env.PGPORT}/${env.PGDATABASE}`

export function check(what, got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) {
    console.error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(want)}`)
    process.exit(1)
  }
  console.log('ok', what)
}
