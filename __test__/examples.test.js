'use strict'

// The examples run, as programs of their own, on the simulator.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const { test } = require('node:test')
const { startSimulator } = require('../simulator')
const { kept, kill } = require('./support/children.js')

const EXAMPLES = path.join(__dirname, '..', 'examples')

async function start(t, name) {
  const simulator = await startSimulator({
    accounts: [
      { label: 'main', apiKey: 'sk-main' },
      { label: 'spare', apiKey: 'sk-spare' },
    ],
  })
  t.after(() => simulator.close())
  const env = {
    ...process.env,
    OPENAI_BASE_URL: simulator.baseURL,
    MAIN_KEY: 'sk-main',
    SPARE_KEY: 'sk-spare',
    PORT: '0',
  }
  const program = kept(spawn(process.execPath, [path.join(EXAMPLES, name)], { env, stdio: ['ignore', 'pipe', 'pipe'] }))
  t.after(() => kill(program))
  const output = { text: '', errors: '' }
  program.stdout.on('data', (data) => {
    output.text += data
  })
  program.stderr.on('data', (data) => {
    output.errors += data
  })
  return { program, output, simulator }
}

for (const [name, last] of [
  ['openai-client.mjs', /model: 'gpt-6-luna'/],
  ['ai-sdk.mjs', /2 embeddings of 1536 numbers/],
  ['langchain.mjs', /2 embeddings of 1536 numbers/],
  ['agents.mjs', /model: 'gpt-6-luna'/],
  ['moving.js', /2 embeddings of 1536 numbers/],
]) {
  test(`${name} runs to its end`, async (t) => {
    const { program, output, simulator } = await start(t, name)
    const [code] = await once(program, 'close')
    assert.equal(code, 0, output.errors)
    assert.match(output.text, last)
    const { totals } = simulator.stats()
    assert.ok(totals.admitted >= 2 && totals.refused === 0)
  })
}

test('express.mjs answers in a stream, tells its metrics, and ends when it is told to', async (t) => {
  const { program, output } = await start(t, 'express.mjs')
  while (!/listening on (\d+)/.test(output.text)) await once(program.stdout, 'data')
  const url = `http://127.0.0.1:${/listening on (\d+)/.exec(output.text)[1]}`
  const question = JSON.stringify({ question: 'Name three rivers.', user: 'u1', isPaying: true })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${url}/answers`, { method: 'POST', headers, body: question })
  assert.equal(response.status, 200)
  assert.ok((await response.text()).length > 0)
  assert.match(await (await fetch(`${url}/metrics`)).text(), /openai_request_manager_requests_total\{.*\} 1\n/)
  program.kill('SIGTERM')
  const [code] = await once(program, 'close')
  assert.equal(code, 0, output.errors)
  assert.match(output.text, /closed/)
})
