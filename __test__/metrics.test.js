'use strict'

// The text for Prometheus, read as Prometheus reads it.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { RequestManager } = require('..')
const { startServer } = require('./support/server.js')

/** Samples by name and labels; fails on a line that is none, and on a family that is told twice. */
function parse(text) {
  const samples = new Map()
  const types = new Map()
  for (const line of text.split('\n').slice(0, -1)) {
    const type = /^# TYPE (\w+) (gauge|counter)$/.exec(line)
    if (type) {
      assert.ok(!types.has(type[1]), line)
      types.set(type[1], type[2])
    }
    if (line.startsWith('#')) continue
    const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (-?[\d.e+-]+)$/.exec(line) ?? assert.fail(line)
    assert.ok(types.has(name), line)
    samples.set(`${name}{${labels ?? ''}}`, Number(value))
  }
  return samples
}

test('state and usage are told by account, model and type', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  const limits = { '*': { requestsPerMinute: 60, tokensPerMinute: 6000 } }
  const manager = new RequestManager({
    accounts: [
      { label: 'a', apiKey: 'sk-a', limits },
      { label: 'b', apiKey: 'sk-b' },
    ],
    baseURL: server.baseURL,
  })
  const odd = 'ft:"x\\y"\nz'
  const chat = (model) => manager.chat({ model, messages: [{ role: 'user', content: 'Hi' }] }, { accounts: ['a'] })
  await chat('m')
  await chat('m')
  await chat(odd)
  const samples = parse(await manager.metrics({ model: 'm' }))
  const value = (name) => samples.get(`openai_request_manager_${name}`)
  assert.equal(value('requests_total{account="a",model="m",type="chat"}'), 2)
  assert.equal(value('output_tokens_total{account="a",model="m",type="chat"}'), 6)
  assert.equal(value('requests_total{account="a",model="ft:\\"x\\\\y\\"\\nz",type="chat"}'), 1)
  assert.equal(value('requests_per_minute{account="a",model="m"}'), 60)
  assert.ok(value('requests_left{account="a",model="m"}') < 60)
  assert.equal(value('requests_left{account="b",model="m"}'), undefined)
  assert.equal(value('parked{account="b",model="m"}'), 0)
  assert.equal(value('waiting_requests{}'), 0)
  assert.ok(!(await manager.metrics()).includes('sk-'))
})
