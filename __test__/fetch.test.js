'use strict'

// `manager.fetch` and `manager.request` on real sockets, and through OpenAI's own client.

const assert = require('node:assert/strict')
const { once, getEventListeners } = require('node:events')
const { test } = require('node:test')
const OpenAI = require('openai')
const { RequestManager } = require('..')
const { startSimulator } = require('../simulator')
const { startRecorder } = require('./support/recorder.js')

const CHAT = { model: 'gpt-6-luna', messages: [{ role: 'user', content: 'Hello' }] }
const OPENAI = 'https://api.openai.com/v1'

function pool(t, baseURL, settings = {}) {
  const manager = new RequestManager({ accounts: { a: 'sk-a' }, baseURL, ...settings })
  t.after(() => manager.close())
  return manager
}

async function simulated(t, settings = {}) {
  const simulator = await startSimulator({
    accounts: [
      { label: 'a', apiKey: 'sk-a' },
      { label: 'b', apiKey: 'sk-b' },
    ],
    ...settings,
  })
  t.after(() => simulator.close())
  const manager = pool(t, simulator.baseURL, { accounts: { a: 'sk-a', b: 'sk-b' } })
  const client = new OpenAI({ apiKey: 'none of ours', fetch: manager.fetch })
  return { simulator, manager, client }
}

test('the official client: chat, stream, embeddings and models, counted and with the key of an account', async (t) => {
  const { manager, client, simulator } = await simulated(t)
  const answer = await client.chat.completions.create(CHAT)
  assert.ok(answer.choices[0].message.content.length > 0)
  let text = ''
  for await (const chunk of await client.chat.completions.create({ ...CHAT, stream: true })) {
    assert.notDeepEqual(chunk.choices, [], 'the usage was not asked for')
    text += chunk.choices[0].delta.content ?? ''
  }
  assert.ok(text.length > 0)
  const embedded = await client.embeddings.create({ model: 'text-embedding-3-small', input: ['a', 'b'] })
  assert.equal(embedded.data.length, 2)
  assert.equal(embedded.data[0].embedding.length, 1536)
  assert.ok((await client.models.list()).data.length > 0)
  const rows = await manager.usage({ by: ['type'] })
  assert.deepEqual(
    rows.map(({ type, requests }) => [type, requests]),
    [
      ['chat', 2],
      ['embeddings', 1],
      ['other', 1],
    ],
  )
  assert.ok(rows[0].outputTokens > 0)
  assert.equal(simulator.stats().totals.refused, 0)
})

test('a stream of the official client that is left stops the upstream', async (t) => {
  let closed
  const server = await startRecorder(t, (_, response) => {
    response.setHeader('content-type', 'text/event-stream')
    closed = once(response, 'close')
    response.write('data: {"choices":[{"index":0,"delta":{"content":"He"}}]}\n\n')
  })
  const manager = pool(t, server.baseURL)
  const client = new OpenAI({ apiKey: 'k', fetch: manager.fetch })
  for await (const _ of await client.chat.completions.create({ ...CHAT, stream: true })) break
  await closed
  assert.equal((await manager.status({ model: CHAT.model })).accounts[0].inFlight, 0)
})

test('errors are answers, and what we have repeated nobody else repeats', async (t) => {
  const refuse = (status, error) => (_, response) => {
    response.statusCode = status
    response.end(JSON.stringify({ error }))
  }
  let answer = refuse(400, { message: 'No', type: 'invalid_request_error', param: 'model', code: null })
  const server = await startRecorder(t, (call, response) => answer(call, response))
  const manager = pool(t, server.baseURL, { maxRetries: 1 })
  const client = new OpenAI({ apiKey: 'k', fetch: manager.fetch })
  await assert.rejects(client.chat.completions.create(CHAT), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError)
    assert.deepEqual([error.status, error.param], [400, 'model'])
    return true
  })
  assert.equal(server.received.length, 1)
  answer = refuse(500, { message: 'Sorry', type: 'server_error', param: null, code: null })
  await assert.rejects(client.chat.completions.create(CHAT), OpenAI.InternalServerError)
  // One attempt and one of our own: the client's two retries are none.
  assert.equal(server.received.length, 3)
})

test('an error of ours is an answer as well, with the time to come back', async (t) => {
  const server = await startRecorder(t)
  const limits = { '*': { requestsPerMinute: 1 } }
  const manager = pool(t, server.baseURL, { accounts: [{ label: 'a', apiKey: 'sk-a', limits }], maxWaitMs: 0 })
  const send = () =>
    manager.fetch(`${OPENAI}/chat/completions`, { method: 'POST', body: JSON.stringify(CHAT), headers: JSON_BODY })
  assert.equal((await send()).status, 200)
  const response = await send()
  assert.equal(response.status, 429)
  assert.equal(response.headers.get('x-should-retry'), 'false')
  assert.ok(Number(response.headers.get('retry-after-ms')) > 0)
  assert.equal((await response.json()).error.code, 'ERR_WAIT')
  assert.equal(server.received.length, 1)
})

const JSON_BODY = { 'content-type': 'application/json' }

test('what we do not know passes byte for byte; whose call it is is ours to say', async (t) => {
  const server = await startRecorder(t)
  const manager = pool(t, server.baseURL)
  const body = '{"model":"gpt-6-luna", "messages":[ ],"new_field":1.50}'
  await manager.fetch(`${OPENAI}/chat/completions?x=1`, {
    method: 'POST',
    body,
    headers: { ...JSON_BODY, Authorization: 'Bearer theirs', 'OpenAI-Organization': 'org-theirs', 'OpenAI-Beta': 'x' },
  })
  const [call] = server.received
  assert.equal(call.body.toString(), body)
  assert.equal(call.url, '/v1/chat/completions?x=1')
  assert.equal(call.headers.authorization, 'Bearer sk-a')
  assert.equal(call.headers['openai-organization'], undefined)
  assert.equal(call.headers['openai-beta'], 'x')
})

for (const [name, init, check] of [
  ['bytes', () => ({ body: new Uint8Array([1, 2, 3]) }), (body) => assert.deepEqual([...body], [1, 2, 3])],
  ['a form', () => ({ body: formOf('x') }), (body) => assert.match(String(body), /name="file"; filename="a.txt"/)],
  ['a blob', () => ({ body: new Blob(['blob']) }), (body) => assert.equal(String(body), 'blob')],
  ['search parameters', () => ({ body: new URLSearchParams('a=1') }), (body) => assert.equal(String(body), 'a=1')],
  [
    'a stream',
    () => ({ body: new Blob(['stream']).stream(), duplex: 'half' }),
    (body) => assert.equal(String(body), 'stream'),
  ],
]) {
  test(`a body of ${name} arrives as it is`, async (t) => {
    const server = await startRecorder(t)
    const manager = pool(t, server.baseURL)
    const response = await manager.fetch(`${OPENAI}/files`, { method: 'POST', ...init() })
    assert.equal(response.status, 200)
    check(server.received[0].body)
  })
}

function formOf(text) {
  const form = new FormData()
  form.set('purpose', 'batch')
  form.set('file', new File([text], 'a.txt'))
  return form
}

test('a Request, a URL and an account’s own base URL are taken; bytes come back as bytes', async (t) => {
  const audio = Buffer.from([0xff, 0xfb, 0x00, 0x0a, 0x80])
  const server = await startRecorder(t, (_, response) => response.setHeader('content-type', 'audio/mpeg').end(audio))
  const manager = pool(t, server.baseURL)
  const request = new Request(`${OPENAI}/audio/speech`, { method: 'POST', body: '{}', headers: JSON_BODY })
  assert.deepEqual(Buffer.from(await (await manager.fetch(request)).arrayBuffer()), audio)
  const response = await manager.fetch(new URL(`${server.baseURL}/files/1/content`))
  assert.equal(response.headers.get('content-type'), 'audio/mpeg')
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), audio)
  assert.deepEqual(
    server.received.map(({ method, url }) => [method, url]),
    [
      ['POST', '/v1/audio/speech'],
      ['GET', '/v1/files/1/content'],
    ],
  )
})

for (const url of [
  'https://example.org/v1/chat/completions',
  'https://api.openai.com/v2/x',
  'https://api.openai.com.evil/v1/x',
]) {
  test(`${url} is refused and not sent`, async (t) => {
    const server = await startRecorder(t)
    const manager = pool(t, server.baseURL)
    await assert.rejects(manager.fetch(url), { code: 'ERR_ARGUMENT', message: /nothing was sent/ })
    assert.equal(server.received.length, 0)
  })
}

test('what is escaped in a path stays so', async (t) => {
  const server = await startRecorder(t)
  const manager = pool(t, server.baseURL)
  const client = new OpenAI({ apiKey: 'k', fetch: manager.fetch })
  await client.models.retrieve('ft:gpt-4o:acme/one two')
  await manager.request('/files/a%2Fb%20c?purpose=x%20y')
  assert.deepEqual(
    server.received.map(({ url }) => url),
    ['/v1/models/ft:gpt-4o:acme%2Fone%20two', '/v1/files/a%2Fb%20c?purpose=x%20y'],
  )
})

test('a redirect to another host is not followed', async (t) => {
  const other = await startRecorder(t)
  const server = await startRecorder(t, (_, response) =>
    response.writeHead(307, { location: `${other.baseURL}/x` }).end(),
  )
  const manager = pool(t, server.baseURL)
  const response = await manager.fetch(`${OPENAI}/models`)
  assert.equal(response.status, 307)
  assert.equal(other.received.length, 0)
})

test('an abort rejects with its reason and leaves no listener', async (t) => {
  const server = await startRecorder(t, () => {})
  const manager = pool(t, server.baseURL)
  const controller = new AbortController()
  const reason = new Error('enough')
  const sent = manager.fetch(`${OPENAI}/models`, { signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(sent, (error) => error === reason)
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
})

test('request: any endpoint, JSON as values, with how it was served', async (t) => {
  const server = await startRecorder(t, ({ body }, response) => response.end(JSON.stringify({ got: String(body) })))
  const manager = pool(t, server.baseURL)
  const answer = await manager.request('/moderations', { model: 'omni-moderation-latest', input: 'x' })
  assert.equal(answer.status, 200)
  assert.equal(answer.data.got, '{"model":"omni-moderation-latest","input":"x"}')
  assert.equal(answer.served.account, 'a')
  await manager.request('files/1', undefined, { method: 'DELETE' })
  assert.deepEqual(
    server.received.map(({ method, url }) => [method, url]),
    [
      ['POST', '/v1/moderations'],
      ['DELETE', '/v1/files/1'],
    ],
  )
  await assert.rejects(manager.request('/../x'), { code: 'ERR_ARGUMENT' })
})

test('responses: an answer and a stream, with the usage that they tell', async (t) => {
  const usage = { input_tokens: 5, output_tokens: 7, total_tokens: 12 }
  const server = await startRecorder(t, ({ body }, response) => {
    if (!JSON.parse(body).stream) return response.end(JSON.stringify({ id: 'resp_1', output: [], usage }))
    response.setHeader('content-type', 'text/event-stream')
    const events = [
      { type: 'response.created', response: { id: 'resp_1' } },
      { type: 'response.output_text.delta', delta: 'He' },
      { type: 'response.completed', response: { id: 'resp_1', usage } },
    ]
    response.end(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''))
  })
  const manager = pool(t, server.baseURL)
  const answer = await manager.responses({ model: 'gpt-6-luna', input: 'Hi' })
  assert.equal(answer.id, 'resp_1')
  assert.equal(answer.served.usage.totalTokens, 12)
  const types = []
  const stream = await manager.responses({ model: 'gpt-6-luna', input: 'Hi', stream: true })
  for await (const event of stream) types.push(event.type)
  assert.deepEqual(types, ['response.created', 'response.output_text.delta', 'response.completed'])
  assert.equal(stream.served.usage.totalTokens, 12)
  const client = new OpenAI({ apiKey: 'k', fetch: manager.fetch })
  const deltas = []
  for await (const event of await client.responses.create({ model: 'gpt-6-luna', input: 'Hi', stream: true })) {
    if (event.type === 'response.output_text.delta') deltas.push(event.delta)
  }
  assert.deepEqual(deltas, ['He'])
  assert.equal(server.received.length, 3)
})
