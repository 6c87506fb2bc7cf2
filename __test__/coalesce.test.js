'use strict'

// `coalesce` and `batchWindowMs`: what is asked for at the same time, and how often it is on the wire.

const assert = require('node:assert/strict')
const { subscribe, unsubscribe } = require('node:diagnostics_channel')
const { test } = require('node:test')
const { configure, createChat, RequestManager } = require('..')
const { completion, openaiError, startServer } = require('./support/server.js')
const { embeddings, float32Of, gate, inputsOf, texts } = require('./support/embeddings.js')

const MODEL = 'text-embedding-3-small'
const CHAT = { model: 'gpt-4o', temperature: 0, messages: [{ role: 'user', content: 'Hi' }] }

/** What no test waits for. */
const LONG = 3_600_000

/**
 * A server that holds its answers until `open()`, and a manager. `arrived(count)` waits for so many requests; `gone` is kept when a
 * connection was closed before its answer.
 */
async function pool(t, config, answer = () => undefined) {
  const { opened, open } = gate()
  let told = () => {}
  const server = await startServer(async (call) => {
    told()
    await opened
    return answer(call) ?? { body: call.url.endsWith('/embeddings') ? embeddings(call.body) : completion() }
  })
  t.after(() => server.close())
  const accounts = [{ label: 'a', apiKey: 'k' }]
  const settings = { accounts, baseURL: server.baseURL, ...config }
  const manager = new RequestManager(settings)
  return {
    server,
    manager,
    open,
    config: settings,
    async arrived(count) {
      while (server.received.length < count) {
        await new Promise((resolve) => {
          told = resolve
        })
      }
    },
  }
}

/** Starts and aborts take effect on other threads; these calls go there behind them. */
async function settled(manager) {
  for (let call = 0; call < 20; call++) await manager.status()
}

/** Waits until nothing is in flight. */
async function idle(manager) {
  for (;;) {
    const { accounts } = await manager.status()
    if (accounts.every(({ inFlight }) => inFlight === 0)) return
  }
}

test('equal chats at temperature 0 share one call, and each gets its own copy', async (t) => {
  const { server, manager, open } = await pool(t, { coalesce: true })
  const calls = [manager.chat(CHAT), manager.chat({ ...CHAT }), manager.chat(CHAT, {})]
  await settled(manager)
  open()
  const answers = await Promise.all(calls)
  assert.equal(server.received.length, 1)
  // Which of them was first is for threads to say.
  assert.equal(answers.filter(({ served }) => served.coalesced).length, 2)
  for (const answer of answers) assert.deepEqual(answer, completion())
  assert.notEqual(answers[0].choices, answers[1].choices)
  const [row] = await manager.usage({ by: [] })
  assert.deepEqual([row.requests, row.totalTokens], [1, 12])
  // One that comes later is a call of its own.
  await manager.chat(CHAT)
  assert.equal(server.received.length, 2)
})

test('what differs is not shared', async (t) => {
  const { server, manager, open, arrived } = await pool(t, { coalesce: true })
  const warm = { ...CHAT, temperature: 1 }
  const { temperature, ...none } = CHAT
  const calls = [
    manager.chat(CHAT),
    manager.chat({ ...CHAT, seed: 1 }),
    manager.chat(CHAT, { priority: 1 }),
    manager.chat(CHAT, { tenant: 'x' }),
    // Each answer of these is drawn anew.
    manager.chat(warm),
    manager.chat(warm),
    manager.chat(none),
    manager.chat(none),
  ]
  await arrived(calls.length)
  open()
  await Promise.all(calls)
  assert.equal(server.received.length, calls.length)
})

test('it is off by default, also for the drop-in functions', async (t) => {
  const { server, manager, open, config } = await pool(t, {})
  configure(config)
  const data = { text: 'Hi', temperature: 0 }
  open()
  await Promise.all([manager.chat(CHAT), manager.chat(CHAT), createChat(data), createChat(data)])
  assert.equal(server.received.length, 4)
  configure({ ...config, coalesce: true })
  const answers = await Promise.all([createChat(data), createChat(data)])
  assert.deepEqual(answers[0].output.data, answers[1].output.data)
})

test('an abort harms no other caller, and the last one cancels the call', async (t) => {
  const { server, manager, open, arrived } = await pool(t, { coalesce: true })
  const controllers = [new AbortController(), new AbortController(), new AbortController()]
  const params = { model: MODEL, input: ['1', '2'], encoding_format: 'float32' }
  const calls = controllers.map(({ signal }) => manager.embed(params, { signal }))
  await arrived(1)
  await settled(manager)
  controllers[0].abort()
  await assert.rejects(calls[0], { name: 'AbortError' })
  controllers[2].abort()
  await assert.rejects(calls[2], { name: 'AbortError' })
  const { accounts } = await manager.status()
  assert.equal(accounts[0].inFlight, 1)
  controllers[1].abort()
  await assert.rejects(calls[1], { name: 'AbortError' })
  await idle(manager)
  // What was cancelled is not joined.
  const again = [manager.embed(params), manager.embed(params)]
  await arrived(2)
  await settled(manager)
  open()
  const [one, two] = await Promise.all(again)
  assert.equal(server.received.length, 2)
  assert.deepEqual(Array.from(two.data[1].embedding), float32Of('2'))
  assert.notEqual(one.data[0].embedding.buffer, two.data[0].embedding.buffer)
})

test('an error reaches all who share', async (t) => {
  const wrong = { status: 400, body: openaiError('no', 'invalid_request_error', 'x') }
  const { server, manager, open } = await pool(t, { coalesce: true }, () => wrong)
  const calls = [manager.chat(CHAT), manager.chat(CHAT)]
  await settled(manager)
  open()
  const ends = await Promise.allSettled(calls)
  assert.deepEqual(
    ends.map(({ reason }) => [reason.code, reason.status, reason.attempts.length]),
    [
      ['ERR_UPSTREAM', 400, 1],
      ['ERR_UPSTREAM', 400, 1],
    ],
  )
  assert.notEqual(ends[0].reason, ends[1].reason)
  assert.equal(server.received.length, 1)
})

test('the events of a shared call are told once', async (t) => {
  const { manager, open } = await pool(t, { coalesce: true })
  const heard = []
  const listen = (message) => heard.push(message)
  subscribe('openai-request-manager:wait', listen)
  t.after(() => unsubscribe('openai-request-manager:wait', listen))
  const calls = [manager.chat(CHAT), manager.chat(CHAT), manager.chat(CHAT)]
  await settled(manager)
  open()
  await Promise.all(calls)
  assert.equal(heard.length, 1)
})

test('calls for embeddings go together when they are as many as one request holds, and each gets its own', async (t) => {
  const { server, manager, open } = await pool(t, { batchWindowMs: LONG })
  open()
  // Each is one token.
  const all = texts(2048).map((text) => text.slice(-3))
  const calls = [all.slice(0, 1), all.slice(1, 3), all.slice(3)].map((input) => manager.embed({ model: MODEL, input }))
  const answers = await Promise.all(calls)
  assert.equal(server.received.length, 1)
  const { input, ...rest } = server.received[0].body
  assert.deepEqual(rest, { model: MODEL, encoding_format: 'base64' })
  // Which call comes first is for threads to say; each stays together.
  assert.deepEqual([...input].sort(), [...all].sort())
  assert.deepEqual(
    answers.flatMap(({ data }) => data.map(({ embedding }) => embedding)),
    all.map(float32Of),
  )
  assert.deepEqual(
    answers.map(({ data, usage, served }) => [
      data[0].index,
      usage.total_tokens,
      served.usage.inputTokens,
      served.mergedCalls,
    ]),
    [
      [0, 1, 1, 3],
      [0, 2, 2, 3],
      [0, 2045, 2045, 3],
    ],
  )
  const [row] = await manager.usage({ by: [] })
  assert.deepEqual([row.requests, row.inputTokens], [1, 2048])
  const cost = answers.reduce((sum, { served }) => sum + served.cost, 0)
  assert.ok(Math.abs(cost - row.cost) < 1e-12)
})

test('a single text, a list of tokens and base64 are shares as well', async (t) => {
  const { server, manager, open } = await pool(t, { batchWindowMs: LONG })
  open()
  const base64 = (input) => manager.embed({ model: MODEL, input, encoding_format: 'base64' })
  const [one, rest] = await Promise.all([base64('7'), base64(texts(2047))])
  const [tokens, lists] = await Promise.all([
    manager.embed({ model: MODEL, input: [9, 9] }),
    manager.embed({ model: MODEL, input: Array(2047).fill([3]) }),
  ])
  assert.deepEqual(
    server.received.map(({ body }) => body.input.slice(0, 2)),
    [
      ['7', '0'],
      [[9, 9], [3]],
    ],
  )
  assert.equal(one.data.length, 1)
  assert.equal(Buffer.from(one.data[0].embedding, 'base64').readFloatLE(0), 7)
  assert.deepEqual([rest.data.length, rest.data[2046].index], [2047, 2046])
  assert.deepEqual([tokens.data[0].embedding, tokens.usage.prompt_tokens], [float32Of('9'), 2])
  assert.deepEqual(lists.data[2046].embedding, float32Of('3'))
})

test('a window ends by itself', async (t) => {
  const { server, manager, open } = await pool(t, { batchWindowMs: 1 })
  open()
  const { data, served } = await manager.embed({ model: MODEL, input: '5' })
  assert.deepEqual([data[0].embedding, served.mergedCalls], [float32Of('5'), undefined])
  assert.equal(server.received.length, 1)
})

test('what differs does not go together', async (t) => {
  const { server, manager, open, arrived } = await pool(t, { batchWindowMs: 20 })
  const calls = [
    [{ input: ['1'] }],
    [{ input: ['1'], dimensions: 3 }],
    [{ input: ['1'], user: 'x' }],
    [{ input: ['1'], encoding_format: 'float32' }],
    [{ input: [[1]] }],
    [{ input: ['1'] }, { priority: 1 }],
    [{ input: ['1'] }, { tenant: 'x' }],
    [{ input: ['1'] }, { accounts: ['a'] }],
  ].map(([params, options]) => manager.embed({ model: MODEL, ...params }, options))
  await arrived(calls.length)
  open()
  await Promise.all(calls)
  assert.ok(server.received.every(({ body }) => inputsOf(body.input).length === 1))
})

test('who goes before a batch is sent takes its inputs along; the last one ends it', async (t) => {
  const { server, manager, open } = await pool(t, { batchWindowMs: LONG })
  open()
  const controller = new AbortController()
  const { signal } = controller
  const gone = manager.embed({ model: MODEL, input: texts(2000) }, { signal })
  controller.abort()
  await assert.rejects(gone, { name: 'AbortError' })
  await settled(manager)
  const second = new AbortController()
  const alone = manager.embed({ model: MODEL, input: texts(1024) })
  const leaving = manager.embed({ model: MODEL, input: texts(1000) }, { signal: second.signal })
  second.abort()
  await assert.rejects(leaving, { name: 'AbortError' })
  await settled(manager)
  const others = manager.embed({ model: MODEL, input: texts(1024) })
  const answers = await Promise.all([alone, others])
  assert.deepEqual(
    server.received.map(({ body }) => body.input),
    [[...texts(1024), ...texts(1024)]],
  )
  for (const { data } of answers) assert.deepEqual(data[1023].embedding, float32Of('1023'))
  await manager.close()
})

test('who goes after a batch is sent harms nobody, and the last one cancels it', async (t) => {
  const { manager, open, arrived } = await pool(t, { batchWindowMs: LONG })
  const half = () => {
    const controller = new AbortController()
    const call = manager.embed({ model: MODEL, input: texts(1024) }, { signal: controller.signal })
    return { controller, call }
  }
  const [one, two] = [half(), half()]
  await arrived(1)
  one.controller.abort()
  await assert.rejects(one.call, { name: 'AbortError' })
  two.controller.abort()
  await assert.rejects(two.call, { name: 'AbortError' })
  await idle(manager)
  const [three, four] = [half(), half()]
  await arrived(2)
  three.controller.abort()
  await assert.rejects(three.call, { name: 'AbortError' })
  open()
  assert.equal((await four.call).data.length, 1024)
})

test('an error reaches all of a batch; a wrong call is refused alone', async (t) => {
  const wrong = { status: 400, body: openaiError('no', 'invalid_request_error', 'x') }
  const { server, manager, open } = await pool(t, { batchWindowMs: LONG }, () => wrong)
  open()
  const calls = [manager.embed({ model: MODEL, input: texts(1024) })]
  await assert.rejects(manager.embed({ model: MODEL, input: Array(9000).fill(1) }), { code: 'ERR_TOO_LARGE' })
  assert.equal(server.received.length, 0)
  calls.push(manager.embed({ model: MODEL, input: texts(1024) }))
  for (const { reason } of await Promise.allSettled(calls)) {
    assert.deepEqual([reason.code, reason.status], ['ERR_UPSTREAM', 400])
  }
  assert.equal(server.received.length, 1)
})

test('both together: equal calls are one member of a batch', async (t) => {
  const { server, manager, open } = await pool(t, { batchWindowMs: LONG, coalesce: true })
  const params = { model: MODEL, input: texts(1024) }
  const rest = { model: MODEL, input: texts(1025).slice(1) }
  const calls = [params, params, rest].map((params) => manager.embed(params))
  await settled(manager)
  open()
  const [one, same, other] = await Promise.all(calls)
  assert.equal(server.received.length, 1)
  assert.equal(server.received[0].body.input.length, 2048)
  assert.equal([one, same].filter(({ served }) => served.coalesced).length, 1)
  assert.deepEqual([other.data.length, other.served.coalesced], [1024, undefined])
  assert.deepEqual(one, same)
})

test('an answer that holds no embeddings is an error for all of a batch', async (t) => {
  const { manager, open } = await pool(t, { batchWindowMs: LONG }, () => ({ body: { data: [] } }))
  open()
  const calls = [texts(1024), texts(1024)].map((input) => manager.embed({ model: MODEL, input }))
  for (const { reason } of await Promise.allSettled(calls)) assert.equal(reason.code, 'ERR_UPSTREAM')
})
