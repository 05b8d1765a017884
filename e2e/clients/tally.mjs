// What the suites of data providers share: a check is one line of output, and the exit code
// is 1 when one fails.
import assert from 'node:assert/strict'

let calls = 0
let failed = 0

function say(problem, name) {
  calls++
  if (problem !== undefined) failed++
  console.log(problem === undefined ? `ok ${calls} ${name}` : `not ok ${calls} ${name}: ${problem}`)
}

const told = (error) => `${error.status ?? error.statusCode ?? ''} ${error.message}`

// check runs one call and compares what it gives.
export async function check(name, call, want) {
  let problem
  try {
    want(await call())
  } catch (error) {
    problem = told(error)
  }
  say(problem, name)
}

// refused runs one call that fails with an error that fits.
export async function refused(name, call, fits) {
  let problem
  try {
    problem = `no error: ${JSON.stringify(await call())}`
  } catch (error) {
    if (!fits(error)) problem = told(error)
  }
  say(problem, name)
}

export const ids = (...want) => (got) => assert.deepEqual(got.data.map((row) => row.id), want)
export const total = (n, ...want) => (got) => {
  assert.equal(got.total, n)
  ids(...want)(got)
}

export function end() {
  console.log(`${calls} calls, ${failed} failed`)
  process.exit(failed ? 1 : 0)
}
