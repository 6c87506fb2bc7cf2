'use strict'

// Answers that come in events, on real sockets.

const assert = require('node:assert/strict')
const { once, getEventListeners } = require('node:events')
const http = require('node:http')
const { test } = require('node:test')
const { setImmediate: turn } = require('node:timers/promises')
const { RequestManager, configure, createChat } = require('..')
const { startSimulator } = require('../simulator')
const { eventually } = require('./support/eventually.js')
const { listen } = require('./support/listen.js')

const HELLO = [{ role: 'user', content: 'Hello' }]
const PARAMS = { model: 'gpt-6-luna', messages: HELLO, stream: true }

/** The data of a chat's stream. */
function part(content, finish_reason = null) {
  return { object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content }, finish_reason }] }
}
const USAGE = { choices: [], usage: { prompt_tokens: 8, completion_tokens: 2, total_tokens: 10 } }
const event = (data) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
const WHOLE = [part('He'), part('llo'), part('', 'stop'), USAGE, '[DONE]'].map(event).join('')

/** A server whose `answer(call, response)` writes the stream; `call` has the key and the body. */
async function serve(t, answer) {
  const received = []
  const server = http.createServer(async (request, response) => {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString())
    const call = { key: request.headers.authorization.slice('Bearer '.length), body }
    received.push(call)
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    answer(call, response)
  })
  return { received, baseURL: await listen(t, server) }
}

function pool(t, baseURL, accounts = { a: 'sk-a' }, settings = {}) {
  const manager = new RequestManager({ accounts, baseURL, ...settings })
  t.after(() => manager.close())
  return manager
}

async function collect(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')

test('chunks come in order; the usage is asked for, told in `served`, and hidden', async (t) => {
  const server = await serve(t, (_, response) => response.end(WHOLE))
  const manager = pool(t, server.baseURL)
  const stream = await manager.chat(PARAMS)
  assert.equal(stream.served.account, 'a')
  assert.equal(stream.served.usage, null)
  assert.deepEqual(await collect(stream), [part('He'), part('llo'), part('', 'stop')])
  assert.deepEqual(server.received[0].body, { ...PARAMS, stream_options: { include_usage: true } })
  assert.deepEqual(stream.served.usage, { inputTokens: 8, cachedInputTokens: 0, outputTokens: 2, totalTokens: 10 })
  assert.ok(stream.served.cost > 0)
  assert.deepEqual(await stream.next(), { done: true, value: undefined })
  const [row] = await manager.usage()
  assert.deepEqual([row.requests, row.totalTokens], [1, 10])
})

test('the end behind the last event is waited for, so that the connection stays in use', async (t) => {
  const open = []
  const closed = []
  const server = await serve(t, (_, response) => {
    response.on('close', () => closed.push(response.writableFinished))
    response.write(WHOLE)
    open.push(response)
  })
  const manager = pool(t, server.baseURL)
  const times = 5
  for (let count = 0; count < times; count++) {
    await collect(await manager.chat(PARAMS))
    const other = await manager.chat(PARAMS)
    // By now the first one would be closed, were it given up.
    for (const response of open.splice(0)) response.end()
    await collect(other)
  }
  await eventually(() => assert.deepEqual(closed, Array(2 * times).fill(true)))
})

test('a caller that asks for the usage gets it, and its other stream options are kept', async (t) => {
  const server = await serve(t, (_, response) => response.end(WHOLE))
  const manager = pool(t, server.baseURL)
  const asked = { include_usage: true, include_obfuscation: false }
  const chunks = await collect(await manager.chat({ ...PARAMS, stream_options: asked }))
  assert.deepEqual(chunks.at(-1), USAGE)
  assert.deepEqual(server.received[0].body.stream_options, asked)
  await collect(await manager.chat({ ...PARAMS, stream_options: { include_obfuscation: false } }))
  assert.deepEqual(server.received[1].body.stream_options, asked)
})

test('cuts between any two bytes change nothing', async (t) => {
  const bytes = Buffer.from(WHOLE.replace('He', 'Hä€😀'))
  let cut = 0
  const server = await serve(t, async (_, response) => {
    response.write(bytes.subarray(0, cut))
    await turn()
    response.end(bytes.subarray(cut))
  })
  const manager = pool(t, server.baseURL)
  for (cut = 1; cut < bytes.length; cut++) {
    assert.equal(textOf(await collect(await manager.chat(PARAMS))), 'Hä€😀llo', `cut at ${cut}`)
  }
})

for (const [name, first] of [
  ['ends without an event', ''],
  ['begins with an error', event({ error: { message: 'Sorry', type: 'server_error', param: null, code: null } })],
]) {
  test(`a stream that ${name} fails over: nothing was delivered`, async (t) => {
    const server = await serve(t, ({ key }, response) => response.end(key === 'sk-a' ? first : WHOLE))
    const manager = pool(t, server.baseURL, { a: 'sk-a', b: 'sk-b' })
    const stream = await manager.chat(PARAMS)
    assert.equal(textOf(await collect(stream)), 'Hello')
    assert.deepEqual(
      server.received.map(({ key }) => key),
      ['sk-a', 'sk-b'],
    )
    assert.equal(stream.served.account, 'b')
  })
}

for (const [name, end, message] of [
  ['is cut', (response) => setImmediate(() => response.socket.destroy()), /broke off its stream/],
  ['ends too early', (response) => response.end(), /broke off its stream before its end/],
  [
    'tells an error',
    (response) => response.end(event({ error: { message: 'Sorry', type: 'server_error', code: null } })),
    /with an error: Sorry/,
  ],
  ['has too long an event', (response) => response.end(`data: ${'x'.repeat(17e6)}`), /longer than 16777216 bytes/],
  ['has what is not JSON', (response) => response.end('data: ping\n\n'), /with an event that is not JSON/],
]) {
  test(`a stream that ${name} later on is a typed error behind what was delivered, and is not repeated`, async (t) => {
    const server = await serve(t, (_, response) => response.write(event(part('He')), () => end(response)))
    const manager = pool(t, server.baseURL, { a: 'sk-a', b: 'sk-b' })
    const stream = await manager.chat(PARAMS)
    assert.deepEqual(await stream.next(), { done: false, value: part('He') })
    await assert.rejects(stream.next(), (error) => {
      assert.equal(error.code, 'ERR_UPSTREAM')
      assert.match(error.message, message)
      assert.equal(error.attempts.at(-1).outcome, 'broken')
      return true
    })
    assert.deepEqual(await stream.next(), { done: true, value: undefined })
    assert.equal(server.received.length, 1)
    const [row] = await manager.usage()
    assert.deepEqual([row.requests, row.outputTokens], [1, 1])
    assert.equal((await manager.status()).accounts[0].inFlight, 0)
  })
}

test('an error is told before all that came behind it, also the end', async (t) => {
  const error = event({ error: { message: 'Sorry', type: 'server_error', code: null } })
  const server = await serve(t, (_, response) =>
    response.end(`${event(part('He'))}${error}${event(part('llo', 'stop'))}data: [DONE]\n\n`),
  )
  const manager = pool(t, server.baseURL)
  const stream = await manager.chat(PARAMS)
  assert.deepEqual(await stream.next(), { done: false, value: part('He') })
  await assert.rejects(stream.next(), { code: 'ERR_UPSTREAM', message: /with an error: Sorry/ })
  assert.deepEqual(await stream.next(), { done: true, value: undefined })
})

for (const [name, leave] of [
  ['return', (stream) => stream.return()],
  ['throw', (stream) => assert.rejects(stream.throw(new Error('mine')), /mine/)],
]) {
  test(`${name} stops the upstream and counts what was delivered`, async (t) => {
    let closed
    const server = await serve(t, (_, response) => {
      closed = once(response, 'close')
      response.write(event(part('He')))
    })
    const manager = pool(t, server.baseURL)
    const stream = await manager.chat(PARAMS)
    await stream.next()
    assert.equal((await manager.status()).accounts[0].inFlight, 1)
    await leave(stream)
    await closed
    assert.deepEqual(await stream.next(), { done: true, value: undefined })
    assert.equal((await manager.usage())[0].outputTokens, 1)
    assert.equal((await manager.status()).accounts[0].inFlight, 0)
  })
}

async function leaveBy(stream, error) {
  for await (const _ of stream) {
    if (error) throw error
    break
  }
}

test('break and exceptions in a loop stop the upstream', async (t) => {
  let closed
  const server = await serve(t, (_, response) => {
    closed = once(response, 'close')
    response.write(event(part('He')))
  })
  const manager = pool(t, server.baseURL)
  await leaveBy(await manager.chat(PARAMS))
  await closed
  await assert.rejects(leaveBy(await manager.chat(PARAMS), new Error('mine')), /mine/)
  await closed
})

test('an abort in mid-stream rejects with its reason, stops the upstream and leaves no listener', async (t) => {
  let closed
  const server = await serve(t, (_, response) => {
    closed = once(response, 'close')
    response.write(event(part('He')))
  })
  const manager = pool(t, server.baseURL)
  const controller = new AbortController()
  const stream = await manager.chat(PARAMS, { signal: controller.signal })
  await stream.next()
  const pending = stream.next()
  const reason = new Error('enough')
  controller.abort(reason)
  await assert.rejects(pending, (error) => error === reason)
  await closed
  await assert.rejects(stream.next(), (error) => error === reason)
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  // Also where nobody is reading at that moment.
  const other = new AbortController()
  const unread = await manager.chat(PARAMS, { signal: other.signal })
  other.abort(reason)
  await closed
  await assert.rejects(unread.next(), (error) => error === reason)
  assert.equal(getEventListeners(other.signal, 'abort').length, 0)
})

test('a thousand aborts, of calls that wait, that are sent and that stream, leave nothing over', async (t) => {
  const open = new Set()
  const server = await serve(t, ({ body }, response) => {
    open.add(response)
    response.on('close', () => open.delete(response))
    if (body.stream) response.write(event(part('He')))
  })
  const limits = { '*': { requestsPerMinute: 600, tokensPerMinute: 1_000_000 } }
  const accounts = [{ label: 'a', apiKey: 'sk-a', limits, maxConcurrency: 400 }]
  const manager = pool(t, server.baseURL, accounts, { maxWaitMs: 600_000 })
  const controller = new AbortController()
  const reason = new Error('enough')
  const calls = Array.from({ length: 1000 }, async (_, index) => {
    const stream = index % 2 === 0
    const answer = await manager.chat({ ...PARAMS, stream, max_completion_tokens: 1 }, { signal: controller.signal })
    for await (const _ of answer);
  })
  // Four hundred are sent, half of them stream; six hundred wait.
  while (open.size < 400) await turn()
  controller.abort(reason)
  for (const end of await Promise.allSettled(calls)) assert.equal(end.reason, reason)
  while (open.size > 0) await turn()
  const status = await manager.status({ model: PARAMS.model })
  assert.deepEqual([status.waiting, status.accounts[0].inFlight], [0, 0])
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  // The places are free again.
  await collectSome(await manager.chat(PARAMS))
})

async function collectSome(stream) {
  assert.deepEqual(await stream.next(), { done: false, value: part('He') })
  await stream.return()
}

test('a stream that has ended leaves no listener', async (t) => {
  const server = await serve(t, (_, response) => response.end(WHOLE))
  const manager = pool(t, server.baseURL)
  const { signal } = new AbortController()
  await collect(await manager.chat(PARAMS, { signal }))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('a slow reader slows the sender down', async (t) => {
  const long = event(part('x'.repeat(100_000)))
  let sent = 0
  let stalled
  const isStalled = new Promise((resolve) => {
    stalled = resolve
  })
  const server = await serve(t, async (_, response) => {
    for (; sent < 500; sent++) {
      if (response.write(long)) continue
      // The socket's buffers are full: either somebody reads on, or this is where it stays.
      const wait = once(response, 'drain')
      const timer = setTimeout(stalled, 200)
      await wait
      clearTimeout(timer)
    }
    response.end(WHOLE)
  })
  const manager = pool(t, server.baseURL)
  const stream = await manager.chat(PARAMS)
  await stream.next()
  await isStalled
  assert.ok(sent < 400, `${sent} of 500 pieces were taken without a reader`)
  const rest = await collect(stream)
  assert.equal(rest.length, 499 + 3)
})

test('a hundred streams of a simulator side by side, within maxConcurrency', async (t) => {
  const simulator = await startSimulator({ accounts: [{ label: 'a', apiKey: 'sk-a' }] })
  t.after(() => simulator.close())
  const accounts = [{ label: 'a', apiKey: 'sk-a', maxConcurrency: 10 }]
  const manager = pool(t, simulator.baseURL, accounts)
  const one = async () => {
    const stream = await manager.chat(PARAMS)
    assert.ok((await manager.status()).accounts[0].inFlight <= 10)
    const chunks = await collect(stream)
    assert.ok(textOf(chunks).length > 0)
    return stream.served.usage.totalTokens
  }
  const used = await Promise.all(Array.from({ length: 100 }, one))
  const [row] = await manager.usage({ by: [] })
  assert.equal(
    row.totalTokens,
    used.reduce((sum, each) => sum + each, 0),
  )
})

test('createChat gives the stream as its output, and what it used when it has ended', async (t) => {
  const server = await serve(t, (_, response) => response.end(WHOLE))
  configure({ accounts: { a: 'sk-a' }, baseURL: server.baseURL })
  const result = await createChat({ text: 'Hello', stream: true, model: 'gpt-6-luna' })
  assert.deepEqual([result.prompt, result.org, result.tokensUsed, result.totalCost], ['Hello', 'a', null, null])
  assert.equal(textOf(await collect(result.output)), 'Hello')
  assert.equal(result.tokensUsed, 10)
  assert.ok(result.totalCost > 0)
})

test('a server that answers a stream request without a stream is broken', async (t) => {
  const server = http.createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"choices":[]}')
  })
  const manager = pool(t, await listen(t, server), { a: 'sk-a' }, { maxRetries: 0 })
  await assert.rejects(manager.chat(PARAMS), { code: 'ERR_UPSTREAM', message: /no stream/ })
})
