'use strict'

// What the README shows is what happens: its examples and its commands run.

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { promisify } = require('node:util')
const { test } = require('node:test')
const { startSimulator } = require('../simulator.js')

const ROOT = path.join(__dirname, '..')
const README = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8')
const run = promisify(execFile)

/** The JavaScript blocks of the README, each with the heading above it. */
function examples() {
  return [...README.matchAll(/```js\n([\s\S]*?)```/g)].map(({ 1: code, index }) => ({
    heading: README.slice(0, index)
      .match(/^#+ (.+)$/gm)
      .at(-1),
    code,
  }))
}

test('the usage example runs as it stands', async (t) => {
  const simulator = await startSimulator({ accounts: [{ apiKey: 'sk-main' }, { apiKey: 'sk-spare' }] })
  t.after(() => simulator.close())
  const [, code] = /<!-- example: usage -->\n+```js\n([\s\S]*?)```/.exec(README)
  const env = {
    PATH: process.env.PATH,
    OPENAI_API_KEYS: 'main=sk-main,spare=sk-spare',
    OPENAI_BASE_URL: simulator.baseURL,
  }
  const { stdout, stderr } = await run(process.execPath, ['-e', code], { cwd: ROOT, env })
  assert.equal(stderr, '')
  assert.match(stdout, /^main: .+ \(\d+ tokens, [\d.e-]+ US dollars\)\n2 embeddings of 1536 numbers\n$/)
})

test('every example names only what exists', () => {
  const api = { ...require('..'), ...require('../simulator.js') }
  const imports = /(?:import|const) \{ ([^}]+) \} (?:from|= require\() ?'openai-request-manager/g
  for (const { heading, code } of examples()) {
    for (const [, names] of code.matchAll(imports)) {
      for (const name of names.split(', ')) assert.ok(name in api, `${heading}: ${name}`)
    }
  }
})

test('the example of a test is a test that passes', async (t) => {
  const { code } = examples().find(({ heading }) => heading.includes('simulator'))
  const file = path.join(ROOT, '__test__', `readme-example-${process.pid}.tmp.cjs`)
  fs.writeFileSync(file, code)
  t.after(() => fs.rmSync(file))
  // A runner inside a runner would report to the outer one.
  const { NODE_TEST_CONTEXT, ...env } = process.env
  const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', file], { cwd: ROOT, env })
  assert.match(stdout, /^# pass 1$/m)
})

test('every option and code of the types is in the README', () => {
  const types = fs.readFileSync(path.join(ROOT, 'index.d.ts'), 'utf8')
  const fields = (name) => {
    const [, body] = new RegExp(`export interface ${name}[^{]*\\{([\\s\\S]*?)\\n\\}`).exec(types)
    return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, field]) => field)
  }
  const interfaces = [
    'Account',
    'Limits',
    'Price',
    'Timeouts',
    'ManagerConfig',
    'CallOptions',
    'UpdateOptions',
    'ChatResult',
    'Served',
    'ServedEmbeddings',
    'ServedPart',
    'EmbedParams',
    'Attempt',
    'Candidate',
    'WaitEvent',
    'WarningEvent',
    'AccountStatus',
    'Budget',
    'BudgetStatus',
    'UsageQuery',
    'UsageRow',
  ]
  for (const name of interfaces) {
    for (const field of fields(name)) assert.match(README, new RegExp(`\\b${field}\\b`), `${name}.${field}`)
  }
  for (const [code] of types.matchAll(/ERR_[A-Z_]+|QUOTA_[A-Z_]+/g)) assert.ok(README.includes(code), code)
})

test('the demo serves everything with fewer than 2 % 429s', async () => {
  const { stdout } = await run(process.execPath, ['examples/demo.js'], { cwd: ROOT })
  const [, served, failed, refused] = /^(\d+) served, (\d+) failed, (\d+) 429s/m.exec(stdout)
  assert.equal(Number(failed), 0)
  assert.ok(Number(served) > 300)
  assert.ok(Number(refused) < 0.02 * Number(served), stdout)
  assert.match(stdout, /^cost: \d+\.\d+ US dollars$/m)
})
