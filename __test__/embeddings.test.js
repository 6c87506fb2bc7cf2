'use strict'

// Embeddings: in what form they come back, and how any number of inputs is served.

const assert = require('node:assert/strict')
const { once } = require('node:events')
const { test } = require('node:test')
const { Worker } = require('node:worker_threads')
const { configure, createEmbeddings, RequestManager } = require('..')
const { startSimulator } = require('../simulator.js')
const { openaiError, startServer } = require('./support/server.js')
const { embeddings, float32Of, gate, inputsOf, texts } = require('./support/embeddings.js')

const MODEL = 'text-embedding-3-small'

/** A server, and a manager with so many accounts on it; `answer` is in the place of the embeddings where it returns something. */
async function pool(t, { accounts = 3, answer = () => undefined, ...config } = {}) {
  const server = await startServer(async (call) => (await answer(call)) ?? { body: embeddings(call.body) })
  t.after(() => server.close())
  const list = Array.from({ length: accounts }, (_, index) => ({ label: `a${index}`, apiKey: `key-${index}` }))
  const manager = new RequestManager({ accounts: list, baseURL: server.baseURL, ...config })
  return { server, manager, counts: () => server.received.map(({ body }) => inputsOf(body.input).length) }
}

const numbers = (result) => result.data.map(({ embedding }) => Array.from(embedding))

test('numbers, base64 and float32 are the same floats, and the wire has base64', async (t) => {
  const { server, manager } = await pool(t)
  const input = ['7', '0.3']
  const expected = input.map(float32Of)
  const plain = await manager.embed({ model: MODEL, input })
  assert.deepEqual(plain, {
    object: 'list',
    data: expected.map((embedding, index) => ({ object: 'embedding', index, embedding })),
    model: MODEL,
    usage: { prompt_tokens: 2, total_tokens: 2 },
  })
  assert.deepEqual(Object.keys(plain), ['object', 'data', 'model', 'usage'])
  assert.deepEqual(await manager.embed({ model: MODEL, input, encoding_format: 'float' }), plain)

  const base64 = await manager.embed({ model: MODEL, input, encoding_format: 'base64' })
  assert.deepEqual(
    base64.data.map(({ embedding }) =>
      Array.from(new Float32Array(new Uint8Array(Buffer.from(embedding, 'base64')).buffer)),
    ),
    expected,
  )
  const views = await manager.embed({ model: MODEL, input, encoding_format: 'float32' })
  const [first, second] = views.data.map(({ embedding }) => embedding)
  assert.ok(first instanceof Float32Array && second instanceof Float32Array)
  assert.equal(first.buffer, second.buffer)
  assert.equal(first.buffer.byteLength, 2 * 3 * 4)
  assert.deepEqual(numbers(views), expected)
  assert.deepEqual({ ...views, data: null }, { ...plain, data: null })
  assert.deepEqual(new Set(server.received.map(({ body }) => body.encoding_format)), new Set(['base64']))
})

test('OpenAI\u2019s own client reads the same numbers from the same server', async (t) => {
  const simulator = await startSimulator()
  t.after(() => simulator.close())
  const { OpenAI } = require('openai')
  const theirs = new OpenAI({ apiKey: 'k', baseURL: simulator.baseURL })
  const manager = new RequestManager({ accounts: { a: 'k' }, baseURL: simulator.baseURL })
  for (const input of ['one', ['one', 'two'], [1, 2, 3], [[1, 2], [3]]]) {
    const params = { model: MODEL, input, dimensions: 64 }
    const ours = await manager.embed(params)
    assert.deepEqual(ours, JSON.parse(JSON.stringify(await theirs.embeddings.create(params))))
    assert.equal(ours.data[0].embedding.length, 64)
  }
})

test('another server\u2019s model is asked as the caller asks, and floats are taken from it', async (t) => {
  const floats = ({ body }) => ({ body: embeddings({ ...body, encoding_format: 'float' }) })
  const { server, manager } = await pool(t, { answer: floats })
  const plain = await manager.embed({ model: 'own', input: ['0.1'] })
  // What the server writes goes through as it is.
  assert.deepEqual(plain.data[0].embedding, [0.1, 0.1 / 3, -0.1])
  assert.deepEqual(server.received[0].body, { model: 'own', input: ['0.1'] })
  const views = await manager.embed({ model: 'own', input: ['0.1'], encoding_format: 'float32' })
  assert.deepEqual(numbers(views), [float32Of('0.1')])
  const base64 = await manager.embed({ model: 'own', input: ['0.1'], encoding_format: 'base64' })
  assert.equal(base64.data[0].embedding, Buffer.from(new Float32Array(float32Of('0.1')).buffer).toString('base64'))
  await manager.embed({ model: 'own', input: ['0.1'], encoding_format: 'ubinary' })
  assert.deepEqual(
    server.received.slice(1).map(({ body }) => body.encoding_format),
    ['base64', 'base64', 'ubinary'],
  )
})

for (const form of [undefined, 'float32', 'base64']) {
  test(`5,000 inputs come back in order as ${form ?? 'numbers'}, from three accounts side by side`, async (t) => {
    const all = gate()
    let arrived = 0
    const { server, manager, counts } = await pool(t, {
      async answer() {
        arrived += 1
        if (arrived === 3) all.open()
        // None is answered before all have come.
        await all.opened
      },
    })
    const input = texts(5000)
    const result = await manager.embed({ model: MODEL, input, encoding_format: form })
    assert.deepEqual(
      counts().sort((a, b) => b - a),
      [2048, 2048, 904],
    )
    assert.equal(new Set(server.keys()).size, 3)
    assert.deepEqual(
      result.data.map(({ index }) => index),
      input.map(Number),
    )
    const first = ({ embedding }) =>
      typeof embedding === 'string' ? Buffer.from(embedding, 'base64').readFloatLE(0) : embedding[0]
    assert.deepEqual(result.data.map(first), input.map(Number))
    if (form === 'float32') assert.equal(result.data[0].embedding.buffer, result.data[4999].embedding.buffer)
    assert.deepEqual(result.usage, { prompt_tokens: 5000, total_tokens: 5000 })
    const { served } = result
    assert.equal(served.usage.inputTokens, 5000)
    assert.equal(served.attempts.length, 3)
    assert.deepEqual(
      served.parts.map(({ firstInput, inputs, usage }) => [firstInput, inputs, usage.inputTokens]),
      [
        [0, 2048, 2048],
        [2048, 2048, 2048],
        [4096, 904, 904],
      ],
    )
    assert.equal(served.account, served.parts[0].account)
    assert.ok(Math.abs(served.cost - (5000 * 0.02) / 1e6) < 1e-12)
    const [row] = await manager.usage({ by: [] })
    assert.deepEqual([row.requests, row.inputTokens], [3, 5000])
  })
}

test('parts have 300,000 tokens at most, and token lists are inputs as texts are', async (t) => {
  const { manager, counts } = await pool(t)
  const input = Array.from({ length: 100 }, (_, index) => Array(8000).fill(index))
  const result = await manager.embed({ model: MODEL, input })
  assert.deepEqual(counts().sort(), [26, 37, 37])
  assert.deepEqual(numbers(result), input.map(float32Of))
  assert.equal(result.usage.prompt_tokens, 800_000)
})

test('one list of tokens is one input', async (t) => {
  const { server, manager } = await pool(t)
  const input = Array(5000).fill(7)
  const result = await manager.embed({ model: MODEL, input })
  assert.deepEqual(server.received[0].body.input, input)
  assert.deepEqual([result.data.length, result.served.parts], [1, undefined])
})

test('parts are no larger than the smallest account takes', async (t) => {
  const { manager, counts } = await pool(t)
  await manager.update({
    accounts: [300_000, 20_000, 100].map((tokensPerMinute, index) => ({
      label: `b${index}`,
      apiKey: `k${index}`,
      limits: { '*': { tokensPerMinute } },
    })),
  })
  const input = Array.from({ length: 30 }, (_, index) => Array(8000).fill(index))
  const result = await manager.embed({ model: MODEL, input: [...input, ...Array(2048).fill([1])] })
  assert.ok(
    counts().every((count) => count <= 2 || count > 2000),
    String(counts()),
  )
  assert.deepEqual(numbers(result).slice(0, 30), input.map(float32Of))
})

test('a request that no account can take is split, and the answer is one', async (t) => {
  const limits = { '*': { tokensPerMinute: 9000 } }
  const { manager, server } = await pool(t, { accounts: 1 })
  await manager.update({ accounts: ['x', 'y'].map((label) => ({ label, apiKey: label, limits })) })
  const input = Array.from({ length: 4 }, (_, index) => Array(4000).fill(index))
  const result = await manager.embed({ model: MODEL, input })
  assert.deepEqual(
    server.received.map(({ body }) => body.input.length),
    [2, 2],
  )
  assert.deepEqual(numbers(result), input.map(float32Of))
})

test('what a server calls too many tokens for one request is split as well', async (t) => {
  const { manager, counts } = await pool(t, {
    answer: ({ body }) =>
      body.input.length > 3
        ? {
            status: 400,
            body: openaiError(
              'Requested 5 tokens, max 3 tokens per request',
              'max_tokens_per_request',
              'max_tokens_per_request',
            ),
          }
        : undefined,
  })
  const result = await manager.embed({ model: MODEL, input: texts(6) })
  assert.deepEqual(counts(), [6, 3, 3])
  assert.deepEqual(numbers(result), texts(6).map(float32Of))
  assert.deepEqual(
    result.served.attempts.map(({ outcome }) => outcome),
    ['bad_request', 'ok', 'ok'],
  )
})

test('an input that is too long is refused by its index and size before anything is sent', async (t) => {
  const { server, manager } = await pool(t)
  const fits = 'a '.repeat(8191)
  const input = [...texts(3000), `${fits}a`, `${fits}a a`]
  await assert.rejects(manager.embed({ model: MODEL, input }), {
    code: 'ERR_TOO_LARGE',
    message: /^input 3001 has 819\d tokens, and text-embedding-3-small takes 8192 in one input/,
  })
  await assert.rejects(manager.embed({ model: MODEL, input: Array(8193).fill(1) }), {
    code: 'ERR_TOO_LARGE',
    message: /^the input has 8193 tokens/,
  })
  assert.equal(server.received.length, 0)
  // What another server's model takes is for it to say.
  await manager.embed({ model: 'own', input: Array(8193).fill(1) })
  assert.equal(server.received.length, 1)
})

test('a part that fails is repeated alone', async (t) => {
  let failures = 0
  const { server, manager } = await pool(t, {
    answer: ({ body }) =>
      body.input[0] === '2048' && failures++ === 0
        ? { status: 500, body: openaiError('busy', 'server_error', null) }
        : undefined,
  })
  const input = texts(5000)
  const result = await manager.embed({ model: MODEL, input })
  assert.deepEqual(numbers(result), input.map(float32Of))
  assert.deepEqual(
    server.received.map(({ body }) => body.input[0]).sort((a, b) => a - b),
    ['0', '2048', '2048', '4096'],
  )
  assert.deepEqual(
    result.served.parts.map(({ attempts }) => attempts.map(({ outcome }) => outcome)),
    [['ok'], ['overloaded', 'ok'], ['ok']],
  )
})

test('where a part fails for good, what is not sent stays unsent, and the error names the inputs', async (t) => {
  const wrong = gate()
  const { server, manager } = await pool(t, {
    async answer({ body }) {
      if (body.input[0] === '2048') {
        await wrong.opened
        return { status: 400, body: openaiError('no', 'invalid_request_error', 'invalid_value') }
      }
      // Eight are under way at once; the failing one is answered when all have come.
      if (server.received.length === 8) wrong.open()
      await wrong.opened
    },
  })
  const error = await manager.embed({ model: MODEL, input: texts(2048 * 12) }).catch((error) => error)
  assert.deepEqual([error.code, error.status], ['ERR_UPSTREAM', 400])
  assert.match(error.message, /^inputs 2048 to 4095 of 24576: account "a\d" answered 400: no$/)
  assert.equal(server.received.length, error.attempts.length)
  assert.ok(server.received.length < 12)
  const { accounts, waiting } = await manager.status({ model: MODEL })
  assert.deepEqual([waiting, ...accounts.map(({ inFlight }) => inFlight)], [0, 0, 0, 0])
})

test('an abort half-way leaves nothing behind', async (t) => {
  const reached = gate()
  const never = gate()
  const { server, manager } = await pool(t, {
    async answer({ body }) {
      if (server.received.length === 3) reached.open()
      if (body.input[0] !== '0') await never.opened
    },
  })
  const controller = new AbortController()
  const promise = manager.embed({ model: MODEL, input: texts(5000) }, { signal: controller.signal })
  await reached.opened
  controller.abort()
  await assert.rejects(promise, { name: 'AbortError' })
  const { accounts, waiting } = await manager.status({ model: MODEL })
  assert.deepEqual([waiting, ...accounts.map(({ inFlight }) => inFlight)], [0, 0, 0, 0])
  never.open()
  assert.equal(server.received.length, 3)
  await manager.close()
})

test('a part that would wait too long is asked again when another one has ended', async (t) => {
  const limited = (tokensPerMinute) => [{ label: 'only', apiKey: 'k', limits: { '*': { tokensPerMinute } } }]
  const { server, manager } = await pool(t, {
    // While the first part is under way, the second one would have to wait for the better part of a minute.
    answer: () => manager.update({ accounts: limited(3e9) }),
  })
  await manager.update({ accounts: limited(300_000) })
  const input = Array.from({ length: 74 }, (_, index) => Array(8000).fill(index))
  const result = await manager.embed({ model: MODEL, input }, { maxWaitMs: 1000 })
  assert.equal(server.received.length, 2)
  assert.deepEqual(numbers(result), input.map(float32Of))
})

test('an answer without one embedding for each input fails, where it is a part or float32 is wanted', async (t) => {
  const short = ({ body }) => ({ body: { ...embeddings(body), data: [] } })
  const { manager } = await pool(t, { answer: short })
  assert.deepEqual((await manager.embed({ model: MODEL, input: 'x' })).data, [])
  for (const params of [
    { input: 'x', encoding_format: 'float32' },
    { input: texts(2049) },
    { input: texts(2049), encoding_format: 'base64' },
  ]) {
    await assert.rejects(manager.embed({ model: MODEL, ...params }), {
      code: 'ERR_UPSTREAM',
      message: /the answer does not hold one embedding for each input$/,
    })
  }
})

test('createEmbeddings takes any number of texts', async (t) => {
  const { server } = await pool(t)
  configure({ accounts: { a: 'k', b: 'k' }, baseURL: server.baseURL })
  const text = texts(3000)
  const result = await createEmbeddings({ text, model: MODEL })
  assert.deepEqual(
    result.embeddings.map(({ embedding }) => embedding),
    text.map(float32Of),
  )
  assert.ok(Array.isArray(result.embeddings[0].embedding))
  assert.deepEqual([result.tokensUsed, result.text_to_embed.length], [3000, 3000])
  assert.equal(server.received.length, 2)
})

test('worker threads end with embeddings under way and in hand', async (t) => {
  const { server } = await pool(t)
  const script = `
    const { parentPort } = require('node:worker_threads')
    const { RequestManager } = require(${JSON.stringify(require.resolve('..'))})
    const manager = new RequestManager({ accounts: { a: 'k' }, baseURL: ${JSON.stringify(server.baseURL)} })
    const embed = () => manager.embed({ model: '${MODEL}', input: ['1', '2'], encoding_format: 'float32' })
    embed().then((kept) => {
      globalThis.kept = kept
      parentPort.postMessage(kept.data[1].embedding)
      for (let call = 0; call < 20; call++) embed().catch(() => {})
      process.exit()
    })`
  for (let round = 0; round < 4; round++) {
    const worker = new Worker(script, { eval: true })
    const ended = once(worker, 'exit')
    const [floats] = await once(worker, 'message')
    assert.deepEqual(Array.from(floats), float32Of('2'))
    await ended
  }
})
