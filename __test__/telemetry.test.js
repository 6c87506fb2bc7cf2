'use strict'

// Spans and metrics by OpenTelemetry's conventions, with its own SDK.

const assert = require('node:assert/strict')
const { subscribe, unsubscribe } = require('node:diagnostics_channel')
const { test } = require('node:test')
const { SpanKind, SpanStatusCode, context, trace } = require('@opentelemetry/api')
const { AlwaysOffSampler } = require('@opentelemetry/sdk-trace-base')
const OpenAI = require('openai')
const { RequestManager, configure, createChat, createEmbeddings } = require('..')
const { startSimulator } = require('../simulator.js')
const { embeddings, gate, texts } = require('./support/embeddings.js')
const { startHolding } = require('./support/holding.js')
const { completion, limited, openaiError, startServer } = require('./support/server.js')
const { milliseconds, registered } = require('./support/telemetry.js')

const CHAT = { model: 'gpt-4o', messages: [{ role: 'user', content: 'What is a river?' }] }
const OUT_OF_MONEY = {
  status: 429,
  body: openaiError('You exceeded your quota.', 'insufficient_quota', 'insufficient_quota'),
}

/** A server, and the settings of accounts `a` and `b` on it, of which `a` is chosen first. */
async function serve(t, answer) {
  const server = await startServer(answer)
  t.after(() => server.close())
  const accounts = [
    { label: 'a', apiKey: 'sk-a', weight: 2 },
    { label: 'b', apiKey: 'sk-b' },
  ]
  return { server, config: { accounts, baseURL: server.baseURL }, port: Number(new URL(server.baseURL).port) }
}

test('a chat is a span with what the conventions ask for, and nothing of what was said', async (t) => {
  const telemetry = registered(t)
  const { config, port } = await serve(t, () => ({}))
  const params = { ...CHAT, temperature: 0.5, top_p: 0.9, max_completion_tokens: 100, seed: 7, n: 2 }
  const { served } = await new RequestManager(config).chat({ ...params, response_format: { type: 'json_object' } })
  const [{ span, attempts }, ...others] = telemetry.requests()
  assert.equal(others.length, 0)
  assert.equal(span.name, 'chat gpt-4o')
  assert.equal(span.kind, SpanKind.CLIENT)
  assert.equal(span.parentSpanContext, undefined)
  assert.deepEqual(span.status, { code: SpanStatusCode.UNSET })
  assert.equal(span.instrumentationScope.name, 'openai-request-manager')
  assert.deepEqual(span.attributes, {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o',
    'gen_ai.request.choice.count': 2,
    'gen_ai.request.max_tokens': 100,
    'gen_ai.request.seed': 7,
    'gen_ai.request.temperature': 0.5,
    'gen_ai.request.top_p': 0.9,
    'gen_ai.output.type': 'json',
    'gen_ai.response.id': 'chatcmpl-1',
    'gen_ai.response.model': 'gpt-4o-2024-08-06',
    'gen_ai.response.finish_reasons': ['stop'],
    'gen_ai.usage.input_tokens': 9,
    'gen_ai.usage.cache_read.input_tokens': 0,
    'gen_ai.usage.output_tokens': 3,
    'openai.api.type': 'chat_completions',
    'openai.response.service_tier': 'default',
    'server.address': '127.0.0.1',
    'server.port': port,
    'openai_request_manager.account': 'a',
    'openai_request_manager.attempts': 1,
    'openai_request_manager.cost_usd': served.cost,
    'openai_request_manager.waited_ms': served.waitedMs,
  })
  assert.equal(attempts.length, 1)
})

test('a request that moves on has a span for each attempt, one after the other', async (t) => {
  const telemetry = registered(t)
  const { config, port } = await serve(t, ({ key }) => (key === 'sk-a' ? OUT_OF_MONEY : {}))
  const { served } = await new RequestManager(config).chat(CHAT)
  const [{ span, attempts }] = telemetry.requests()
  assert.equal(span.attributes['openai_request_manager.account'], 'b')
  assert.equal(span.attributes['openai_request_manager.attempts'], 2)
  assert.equal(span.status.code, SpanStatusCode.UNSET)
  const [first, second] = attempts
  assert.deepEqual([first.name, second.name], ['attempt a', 'attempt b'])
  assert.deepEqual(first.attributes, {
    'gen_ai.provider.name': 'openai',
    'server.address': '127.0.0.1',
    'server.port': port,
    'http.response.status_code': 429,
    'error.type': 'out_of_money',
    'openai_request_manager.account': 'a',
    'openai_request_manager.because': 'most_room',
    'openai_request_manager.outcome': 'out_of_money',
    'openai_request_manager.waited_ms': served.attempts[0].waitedMs,
  })
  assert.equal(first.status.code, SpanStatusCode.ERROR)
  assert.equal(second.status.code, SpanStatusCode.UNSET)
  const times = [span.startTime, first.startTime, first.endTime, second.startTime, second.endTime, span.endTime]
  const inOrder = times.map(milliseconds)
  assert.deepEqual(
    inOrder,
    inOrder.toSorted((a, b) => a - b),
  )
  assert.ok(inOrder[5] - inOrder[4] < 0.01, 'the answer ends the request')
  for (const [index, attempt] of attempts.entries()) {
    assert.ok(Math.abs(milliseconds(attempt.duration) - served.attempts[index].tookMs) < 0.01)
  }
})

test('an error has its code and the account that was asked last, and its text is not told', async (t) => {
  const telemetry = registered(t)
  const body = openaiError("Invalid 'messages': What is a river?", 'invalid_request_error', null)
  const { config } = await serve(t, () => ({ status: 400, body }))
  await assert.rejects(new RequestManager(config).chat(CHAT), { code: 'ERR_UPSTREAM' })
  const [{ span, attempts }] = telemetry.requests()
  assert.deepEqual(span.status, { code: SpanStatusCode.ERROR })
  assert.equal(span.attributes['error.type'], 'ERR_UPSTREAM')
  assert.equal(span.attributes['openai_request_manager.account'], 'a')
  assert.equal(attempts[0].attributes['error.type'], 'bad_request')
  assert.deepEqual(span.events, [])
  const { points } = await telemetry.points('gen_ai.client.operation.duration')
  assert.equal(points[0].attributes['error.type'], 'ERR_UPSTREAM')
})

test('the attempts of a request that found no room afterwards begin with it', async (t) => {
  const telemetry = registered(t)
  const { config } = await serve(t, () => limited('20s'))
  await assert.rejects(new RequestManager(config).chat(CHAT, { maxWaitMs: 1000 }), { code: 'ERR_WAIT' })
  const [{ span, attempts }] = telemetry.requests()
  assert.equal(span.attributes['error.type'], 'ERR_WAIT')
  assert.equal(attempts.length, 2)
  const beginsAfter = milliseconds(attempts[0].startTime) - milliseconds(span.startTime)
  assert.ok(Math.abs(beginsAfter - attempts[0].attributes['openai_request_manager.waited_ms']) < 0.01)
})

test('a request that is refused before any attempt has none', async (t) => {
  const telemetry = registered(t)
  const { config } = await serve(t, () => ({}))
  const manager = new RequestManager(config)
  await assert.rejects(manager.chat(undefined), { code: 'ERR_ARGUMENT' })
  await assert.rejects(manager.chat(CHAT, { accounts: ['nobody'] }), { code: 'ERR_ARGUMENT' })
  assert.deepEqual(
    telemetry.spans().map(({ name, attributes }) => [name, attributes['error.type']]),
    [
      ['chat', 'ERR_ARGUMENT'],
      ['chat gpt-4o', 'ERR_ARGUMENT'],
    ],
  )
})

test('an abort ends the span', async (t) => {
  const telemetry = registered(t)
  const server = await startHolding(t)
  const manager = new RequestManager({ accounts: { a: 'sk-a' }, baseURL: server.baseURL })
  const controller = new AbortController()
  const call = manager.chat(CHAT, { signal: controller.signal })
  await server.arrived(1)
  controller.abort(null)
  await assert.rejects(call, (reason) => reason === null)
  const [{ span }] = telemetry.requests()
  assert.equal(span.attributes['error.type'], 'aborted')
  assert.equal(span.status.code, SpanStatusCode.ERROR)
})

test('a span is the child of the one that is active, also for the drop-in functions', async (t) => {
  const telemetry = registered(t)
  const { config } = await serve(t, ({ body }) => ({ body: body.input ? embeddings(body) : completion() }))
  configure(config)
  const parent = telemetry.tracer.startSpan('of the application')
  await context.with(trace.setSpan(context.active(), parent), async () => {
    await createChat({ text: 'What is a river?', model: 'gpt-4o', maxTokens: 20 })
    await createEmbeddings({ text: 'river' })
  })
  const [chat, embedded] = telemetry.requests().map(({ span }) => span)
  assert.deepEqual([chat.name, embedded.name], ['chat gpt-4o', 'embeddings text-embedding-ada-002'])
  assert.equal(chat.attributes['gen_ai.request.max_tokens'], 20)
  assert.equal(chat.attributes['gen_ai.response.id'], 'chatcmpl-1')
  for (const span of [chat, embedded]) {
    assert.deepEqual(span.parentSpanContext, parent.spanContext())
    assert.equal(span.attributes['openai_request_manager.account'], 'a')
  }
})

test('embeddings have no output, and their attempts are not told where requests went side by side', async (t) => {
  const telemetry = registered(t)
  const { config } = await serve(t, ({ body }) => ({ body: embeddings(body) }))
  const manager = new RequestManager(config)
  await manager.embed({ model: 'text-embedding-3-small', input: ['1'], dimensions: 3, encoding_format: 'float32' })
  await manager.embed({ model: 'text-embedding-3-small', input: texts(3000) })
  const [one, several] = telemetry.requests()
  assert.equal(one.span.name, 'embeddings text-embedding-3-small')
  assert.equal(one.span.attributes['gen_ai.embeddings.dimension.count'], 3)
  assert.deepEqual(one.span.attributes['gen_ai.request.encoding_formats'], ['float32'])
  assert.equal(one.span.attributes['gen_ai.response.model'], 'text-embedding-3-small')
  assert.equal(one.span.attributes['gen_ai.usage.input_tokens'], 1)
  assert.ok(!('gen_ai.usage.output_tokens' in one.span.attributes))
  assert.equal(one.attempts.length, 1)
  assert.deepEqual([several.span.attributes['openai_request_manager.attempts'], several.attempts.length], [2, 0])
  const { points } = await telemetry.points('gen_ai.client.token.usage')
  assert.deepEqual(
    points.map(({ attributes, value }) => [attributes['gen_ai.token.type'], value.count]),
    [['input', 2]],
  )
})

test('what is passed on is a span by its path', async (t) => {
  const telemetry = registered(t)
  const simulator = await startSimulator()
  t.after(() => simulator.close())
  const manager = new RequestManager({ accounts: { a: 'k' }, baseURL: simulator.baseURL })
  const client = new OpenAI({ apiKey: 'none', fetch: manager.fetch })
  const parent = telemetry.tracer.startSpan('of their instrumentation')
  const answer = await context.with(trace.setSpan(context.active(), parent), () =>
    client.chat.completions.create({ ...CHAT, temperature: 0 }),
  )
  await client.embeddings.create({ model: 'text-embedding-3-small', input: 'river' })
  await manager.request('/models')
  // The list of stored chats is no chat.
  await assert.rejects(manager.request('/chat/completions'), { code: 'ERR_UPSTREAM' })
  const spans = telemetry.requests().map(({ span }) => span)
  assert.deepEqual(
    spans.map(({ name }) => name),
    ['chat gpt-4o', 'embeddings text-embedding-3-small', 'GET models', 'GET chat'],
  )
  assert.deepEqual(spans[0].parentSpanContext, parent.spanContext())
  assert.equal(spans[0].attributes['gen_ai.request.temperature'], 0)
  assert.equal(spans[0].attributes['gen_ai.response.id'], answer.id)
  assert.deepEqual(spans[0].attributes['gen_ai.response.finish_reasons'], ['stop'])
  assert.equal(spans[0].attributes['gen_ai.usage.output_tokens'], answer.usage.completion_tokens)
})

test('the provider and the server are those of the account', async (t) => {
  const telemetry = registered(t)
  const { server } = await serve(t, () => ({}))
  const azure = { label: 'azure', kind: 'azure', baseURL: server.baseURL.replace('/v1', ''), apiKey: 'k' }
  const other = { label: 'other', kind: 'compatible', baseURL: server.baseURL, apiKey: 'k' }
  const manager = new RequestManager({ accounts: [azure, other] })
  await manager.chat(CHAT, { accounts: ['azure'] })
  await manager.chat(CHAT, { accounts: ['other'] })
  assert.deepEqual(
    telemetry.requests().map(({ span }) => span.attributes['gen_ai.provider.name']),
    ['azure.ai.openai', 'openai'],
  )
  assert.ok(telemetry.requests().every(({ span }) => span.attributes['server.address'] === '127.0.0.1'))
})

test('durations and tokens are measured with the buckets of the conventions, also of spans that are not sampled', async (t) => {
  const telemetry = registered(t, { sampler: new AlwaysOffSampler() })
  const { config, port } = await serve(t, () => ({}))
  await new RequestManager(config).chat(CHAT)
  assert.deepEqual(telemetry.spans(), [])
  const attributes = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o',
    'gen_ai.response.model': 'gpt-4o-2024-08-06',
    'server.address': '127.0.0.1',
    'server.port': port,
    'openai_request_manager.account': 'a',
  }
  const duration = await telemetry.points('gen_ai.client.operation.duration')
  assert.equal(duration.unit, 's')
  assert.deepEqual(duration.points[0].attributes, attributes)
  assert.equal(duration.points[0].value.count, 1)
  assert.deepEqual(
    [0, 13].map((index) => duration.points[0].value.buckets.boundaries[index]),
    [0.01, 81.92],
  )
  const tokens = await telemetry.points('gen_ai.client.token.usage')
  assert.equal(tokens.unit, '{token}')
  assert.deepEqual(
    tokens.points.map((point) => [point.attributes, point.value.sum]),
    [
      [{ ...attributes, 'gen_ai.token.type': 'input' }, 9],
      [{ ...attributes, 'gen_ai.token.type': 'output' }, 3],
    ],
  )
  assert.deepEqual(
    [0, 13].map((index) => tokens.points[0].value.buckets.boundaries[index]),
    [1, 67_108_864],
  )
  assert.deepEqual((await telemetry.points('gen_ai.client.operation.time_to_first_chunk')).points, [])
})

test('what calls share is counted once', async (t) => {
  const telemetry = registered(t)
  const { opened, open } = gate()
  const { config } = await serve(t, () => opened.then(() => ({})))
  const manager = new RequestManager({ ...config, coalesce: true })
  const calls = [1, 2].map(() => manager.chat({ ...CHAT, temperature: 0 }))
  // They join on another thread; these calls go there behind them.
  for (let call = 0; call < 20; call++) await manager.status()
  open()
  await Promise.all(calls)
  const requests = telemetry.requests()
  assert.deepEqual(requests.map(({ attempts }) => attempts.length).toSorted(), [0, 1])
  // Both say how they were served.
  assert.deepEqual(
    requests.map(({ span }) => [
      span.attributes['openai_request_manager.account'],
      span.attributes['openai_request_manager.attempts'],
    ]),
    [
      ['a', 1],
      ['a', 1],
    ],
  )
  assert.equal(requests.filter(({ span }) => 'openai_request_manager.cost_usd' in span.attributes).length, 1)
  const { points } = await telemetry.points('gen_ai.client.token.usage')
  assert.deepEqual(
    points.map(({ value }) => value.sum),
    [9, 3],
  )
})

test('of embeddings that went together each tells its share', async (t) => {
  const telemetry = registered(t)
  const { config } = await serve(t, ({ body }) => ({ body: embeddings(body) }))
  const manager = new RequestManager({ ...config, batchWindowMs: 3_600_000 })
  // As many as one request holds, each of one token: it leaves at once.
  const all = texts(2048).map((text) => text.slice(-3))
  const calls = [all.slice(0, 1), all.slice(1)].map((input) =>
    manager.embed({ model: 'text-embedding-3-small', input, encoding_format: 'float32' }),
  )
  await Promise.all(calls)
  assert.deepEqual(
    telemetry.requests().map(({ span }) => span.attributes['openai_request_manager.account']),
    ['a', 'a'],
  )
  const { points } = await telemetry.points('gen_ai.client.token.usage')
  assert.deepEqual(
    points.map(({ value }) => [value.count, value.sum]),
    [[2, 2048]],
  )
})

test('events are told alongside, and results hold nothing more than without', async (t) => {
  const { config } = await serve(t, () => ({}))
  configure(config)
  const without = await createChat({ text: 'Hi', model: 'gpt-4o' })
  const telemetry = registered(t)
  const told = []
  const listener = ({ account, outcome }) => told.push([account, outcome])
  subscribe('openai-request-manager:attempt', listener)
  t.after(() => unsubscribe('openai-request-manager:attempt', listener))
  const result = await createChat({ text: 'Hi', model: 'gpt-4o' })
  assert.deepEqual(told, [['a', 'ok']])
  assert.equal(telemetry.requests().length, 1)
  assert.deepEqual(Object.keys(result), Object.keys(without))
})
