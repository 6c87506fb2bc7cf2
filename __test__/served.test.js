'use strict'

// How an answer was served, beside OpenAI's answer: there whenever somebody looks, and in nobody's way.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const diagnostics = require('node:diagnostics_channel')
const { RequestManager } = require('..')
const { startServer } = require('./support/server.js')

const CHAT = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] }
const USAGE = { prompt_tokens: 8, completion_tokens: 2, total_tokens: 10 }

/** A pool whose server answers with what it is given. */
async function pool(t, answer) {
  const server = await startServer(() => ({ body: answer }))
  t.after(() => server.close())
  return new RequestManager({ accounts: { a: 'k' }, baseURL: server.baseURL })
}

test('an answer is OpenAI’s, and how it was served is beside it, the same whenever it is read', async (t) => {
  const answer = { id: 'chatcmpl-1', choices: [{ message: { content: 'a\nb' } }], usage: USAGE }
  const manager = await pool(t, answer)
  const served = await manager.chat(CHAT)
  assert.deepEqual(served, answer)
  assert.deepEqual(Object.keys(served), Object.keys(answer))
  assert.equal(JSON.stringify({ ...served }), JSON.stringify(answer))
  Object.freeze(served)
  assert.equal(served.served, served.served)
  assert.equal(served.served.account, 'a')
  assert.equal(served.served.usage.totalTokens, 10)
  assert.deepEqual(
    served.served.attempts.map(({ outcome }) => outcome),
    ['ok'],
  )
})

test('a long answer, and one with line breaks between its fields, tell it too', async (t) => {
  const answer = { id: 'chatcmpl-1', choices: [{ message: { content: 'long '.repeat(20_000) } }], usage: USAGE }
  const manager = await pool(t, JSON.stringify(answer, null, 2))
  const served = await manager.chat(CHAT)
  assert.deepEqual(served, answer)
  assert.equal(served.served.account, 'a')
})

test('embeddings tell it, in any form', async (t) => {
  const embedding = [0.5, -0.25]
  const manager = await pool(t, {
    object: 'list',
    data: [
      { object: 'embedding', index: 0, embedding: Buffer.from(Float32Array.from(embedding).buffer).toString('base64') },
    ],
    model: 'text-embedding-3-small',
    usage: { prompt_tokens: 1, total_tokens: 1 },
  })
  for (const encoding_format of ['float', 'float32', 'base64']) {
    const served = await manager.embed({ model: 'text-embedding-3-small', input: ['Hi'], encoding_format })
    assert.equal(served.data.length, 1)
    assert.equal(served.served.account, 'a')
    assert.deepEqual(Object.keys(served), ['object', 'data', 'model', 'usage'])
  }
})

test('it is told to listeners, and to the caller all the same', async (t) => {
  const manager = await pool(t, { choices: [], usage: USAGE })
  const told = []
  const listen = (message) => told.push(message)
  diagnostics.subscribe('openai-request-manager:attempt', listen)
  t.after(() => diagnostics.unsubscribe('openai-request-manager:attempt', listen))
  const { served } = await manager.chat(CHAT)
  assert.deepEqual(
    told.map(({ account, outcome }) => ({ account, outcome })),
    [{ account: 'a', outcome: 'ok' }],
  )
  assert.equal(served.account, 'a')
})
