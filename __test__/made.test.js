'use strict'

// What an account has made it serves: responses, files and batches are unknown to all others.

const assert = require('node:assert/strict')
const http = require('node:http')
const { test } = require('node:test')
const OpenAI = require('openai')
const { RequestManager } = require('..')
const { eventually } = require('./support/eventually.js')
const { listen } = require('./support/listen.js')
const { ask, startRedis } = require('./support/redis.js')

/** A server on which each key has things of its own; it answers 404 to others. */
async function serve(t) {
  const makers = new Map()
  const received = []
  const server = http.createServer(async (request, response) => {
    const key = request.headers.authorization.slice('Bearer '.length)
    const text = Buffer.concat(await request.toArray()).toString()
    const body = text.startsWith('{') ? JSON.parse(text) : {}
    received.push({ key, url: request.url })
    response.setHeader('content-type', 'application/json')
    const named = [...request.url.split('/'), body.previous_response_id, body.input_file_id]
    if (named.some((id) => makers.has(id) && makers.get(id) !== key)) {
      return response.writeHead(404).end('{"error":{"message":"not found","type":"invalid_request_error"}}')
    }
    const kind = { '/v1/responses': 'resp_', '/v1/files': 'file-', '/v1/batches': 'batch_' }[request.url]
    const id = `${kind ?? 'other_'}${received.length}`
    if (kind) makers.set(id, key)
    if (!body.stream) return response.end(JSON.stringify({ id, output: [] }))
    response.setHeader('content-type', 'text/event-stream')
    for (const type of ['response.created', 'response.completed']) {
      response.write(`event: ${type}\ndata: ${JSON.stringify({ type, response: { id } })}\n\n`)
    }
    response.end()
  })
  return { received, baseURL: await listen(t, server) }
}

const LIMITS = { '*': { requestsPerMinute: 600, tokensPerMinute: 600_000 } }

/** Four accounts that take turns. */
function pool(t, baseURL, settings = {}) {
  const accounts = ['a', 'b', 'c', 'd'].map((label) => ({ label, apiKey: `sk-${label}`, limits: LIMITS }))
  const manager = new RequestManager({ accounts, baseURL, ...settings })
  t.after(() => manager.close())
  return manager
}

const PARAMS = { model: 'gpt-6-luna', input: 'Hi' }

test('a conversation of responses stays with the account that began it, in its events as well', async (t) => {
  const server = await serve(t)
  const manager = pool(t, server.baseURL)
  const firsts = await Promise.all(Array.from({ length: 8 }, () => manager.responses(PARAMS)))
  const accounts = new Set(firsts.map(({ served }) => served.account))
  assert.ok(accounts.size > 1, 'they are spread')
  for (const { id, served } of firsts) {
    const next = await manager.responses({ ...PARAMS, previous_response_id: id })
    assert.equal(next.served.account, served.account)
    const stream = await manager.responses({ ...PARAMS, previous_response_id: next.id, stream: true })
    let last
    for await (const event of stream) last = event.response.id
    assert.equal(stream.served.account, served.account)
    const answer = await manager.request(`/responses/${last}`)
    assert.equal(answer.served.account, served.account)
  }
})

test('files and batches through the official client', async (t) => {
  const server = await serve(t)
  const manager = pool(t, server.baseURL)
  const client = new OpenAI({ apiKey: 'k', fetch: manager.fetch })
  for (let turn = 0; turn < 6; turn++) {
    const file = await client.files.create({ file: new File(['{}'], 'a.jsonl'), purpose: 'batch' })
    const batch = await client.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    })
    await client.batches.retrieve(batch.id)
    const keys = server.received.splice(0).map(({ key }) => key)
    assert.deepEqual(keys, Array(3).fill(keys[0]))
  }
})

test('another process of the pool knows as well, and a caller’s own choice goes first', async (t) => {
  const port = await startRedis(t)
  const server = await serve(t)
  const redis = `redis://127.0.0.1:${port}`
  const [one, other] = [pool(t, server.baseURL, { redis }), pool(t, server.baseURL, { redis })]
  for (let turn = 0; turn < 6; turn++) {
    const { id, served } = await one.responses(PARAMS)
    const key = `orm:default:made:${id}`
    await eventually(async () =>
      assert.match(await ask({ tcp: { host: '127.0.0.1', port } }, 'GET', key), new RegExp(served.account)),
    )
    assert.equal((await other.request(`/responses/${id}`)).served.account, served.account)
  }
  const { id, served } = await one.responses(PARAMS)
  const foreign = ['a', 'b', 'c', 'd'].find((label) => label !== served.account)
  await assert.rejects(one.request(`/responses/${id}`, undefined, { accounts: [foreign] }), { status: 404 })
})
