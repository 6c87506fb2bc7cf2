'use strict'

// Spans and metrics of answers that come in events.

const assert = require('node:assert/strict')
const http = require('node:http')
const { test } = require('node:test')
const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')
const { SpanStatusCode, context, metrics, trace } = require('@opentelemetry/api')
const OpenAI = require('openai')
const { RequestManager, configure, createChat } = require('..')
const { startSimulator } = require('../simulator.js')
const { eventually } = require('./support/eventually.js')
const { listen } = require('./support/listen.js')
const { milliseconds, registered } = require('./support/telemetry.js')

const CHAT = { model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: 'What is a river?' }] }

/** The data of a chat's stream. */
function part(content, finish_reason = null) {
  const choices = [{ index: 0, delta: { content }, finish_reason }]
  return { id: 'chatcmpl-1', object: 'chat.completion.chunk', model: 'gpt-4o-2024-08-06', choices }
}
const USAGE = { id: 'chatcmpl-1', choices: [], usage: { prompt_tokens: 8, completion_tokens: 2, total_tokens: 10 } }
const event = (data) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
const BEGINNING = event(part('Wa'))
const WHOLE = [part('Wa'), part('ter'), part('', 'stop'), USAGE, '[DONE]'].map(event).join('')

/** A manager on a server that writes a stream by `answer(response)`. */
async function pool(t, answer, type = 'text/event-stream; charset=utf-8') {
  const server = http.createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': type })
    answer(response)
  })
  const manager = new RequestManager({ accounts: { a: 'sk-a' }, baseURL: await listen(t, server) })
  t.after(() => manager.close())
  return manager
}

async function read(stream) {
  for await (const _ of stream);
}

test('a span of a stream ends with it, and tells what it used and when the first event came', async (t) => {
  const telemetry = registered(t)
  const manager = await pool(t, (response) => response.end(WHOLE))
  const stream = await manager.chat(CHAT)
  assert.deepEqual(telemetry.spans(), [])
  await read(stream)
  const [{ span, attempts }] = telemetry.requests()
  assert.equal(span.name, 'chat gpt-4o')
  assert.equal(span.attributes['gen_ai.request.stream'], true)
  assert.equal(span.attributes['gen_ai.response.id'], 'chatcmpl-1')
  assert.equal(span.attributes['gen_ai.response.model'], 'gpt-4o-2024-08-06')
  assert.deepEqual(span.attributes['gen_ai.response.finish_reasons'], ['stop'])
  assert.equal(span.attributes['gen_ai.usage.input_tokens'], 8)
  assert.equal(span.attributes['gen_ai.usage.output_tokens'], 2)
  assert.equal(span.attributes['openai_request_manager.cost_usd'], stream.served.cost)
  const firstChunk = span.attributes['gen_ai.response.time_to_first_chunk']
  assert.ok(firstChunk > 0 && firstChunk * 1000 <= milliseconds(span.duration))
  assert.deepEqual(attempts[0].endTime, span.endTime)
  const { points, unit } = await telemetry.points('gen_ai.client.operation.time_to_first_chunk')
  assert.deepEqual([unit, points[0].value.sum], ['s', firstChunk])
})

test('a stream that is left ends its span there, and is no error', async (t) => {
  const telemetry = registered(t)
  const manager = await pool(t, (response) => response.write(BEGINNING))
  for await (const _ of await manager.chat(CHAT)) break
  const [{ span }] = telemetry.requests()
  assert.equal(span.status.code, SpanStatusCode.UNSET)
  assert.ok(!('gen_ai.usage.output_tokens' in span.attributes))
})

test('a stream that breaks off is an error', async (t) => {
  const telemetry = registered(t)
  const manager = await pool(t, (response) => response.end(BEGINNING))
  await assert.rejects(manager.chat(CHAT).then(read), { code: 'ERR_UPSTREAM' })
  const [{ span, attempts }] = telemetry.requests()
  assert.equal(span.attributes['error.type'], 'ERR_UPSTREAM')
  assert.equal(attempts[0].attributes['error.type'], 'broken')
})

test('an abort ends the span of a stream, also while nobody reads', async (t) => {
  const telemetry = registered(t)
  const manager = await pool(t, (response) => response.write(BEGINNING))
  const controller = new AbortController()
  const stream = await manager.chat(CHAT, { signal: controller.signal })
  controller.abort()
  assert.equal(telemetry.requests()[0].span.attributes['error.type'], 'aborted')
  await assert.rejects(read(stream), { name: 'AbortError' })
  assert.equal(telemetry.requests().length, 1)
})

test('a stream that is passed on with an error in it is an error', async (t) => {
  const telemetry = registered(t)
  const broken = `${BEGINNING}${event({ error: { message: 'Sorry', type: 'server_error', code: null } })}`
  const manager = await pool(t, (response) => response.end(broken))
  const response = await manager.fetch('https://api.openai.com/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(CHAT),
  })
  assert.match(await response.text(), /Sorry/)
  const [{ span }] = telemetry.requests()
  assert.equal(span.attributes['error.type'], 'ERR_UPSTREAM')
  assert.equal(span.status.code, SpanStatusCode.ERROR)
})

test('a stream is read to its end, whatever the telemetry of the application does', async (t) => {
  for (const broken of ['onStart', 'onEnd']) {
    let calls = 0
    const processor = { onStart() {}, onEnd() {}, forceFlush: async () => {}, shutdown: async () => {} }
    processor[broken] = () => {
      calls++
      throw new Error('broken')
    }
    registered(t, {}, [processor])
    const manager = await pool(t, (response) => response.end(WHOLE))
    const texts = []
    for await (const { choices } of await manager.chat(CHAT)) texts.push(choices[0]?.delta.content)
    assert.equal(texts.join(''), 'Water')
    assert.ok(calls > 0)
    for (const api of [trace, metrics, context]) api.disable()
  }
})

test('a stream that is dropped ends its span when the garbage collector finds it', async (t) => {
  const telemetry = registered(t)
  const manager = await pool(t, (response) => response.write(BEGINNING))
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc')
  await manager.chat(CHAT).then(() => undefined)
  await eventually(() => {
    gc()
    assert.equal(telemetry.requests().length, 1)
  })
  assert.equal(telemetry.requests()[0].span.status.code, SpanStatusCode.UNSET)
})

test('a stream of createChat, and one that is passed on, are told alike', async (t) => {
  const telemetry = registered(t)
  const simulator = await startSimulator()
  t.after(() => simulator.close())
  const config = { accounts: { a: 'k' }, baseURL: simulator.baseURL }
  configure(config)
  await read((await createChat({ text: 'What is a river?', model: 'gpt-4o', stream: true })).output)
  const client = new OpenAI({ apiKey: 'none', fetch: new RequestManager(config).fetch })
  await read(await client.chat.completions.create(CHAT))
  for (const { span } of telemetry.requests()) {
    assert.equal(span.name, 'chat gpt-4o')
    assert.match(span.attributes['gen_ai.response.id'], /^chatcmpl-/)
    assert.deepEqual(span.attributes['gen_ai.response.finish_reasons'], ['stop'])
    assert.ok(span.attributes['gen_ai.usage.output_tokens'] > 0)
  }
  assert.equal(telemetry.requests().length, 2)
})

test('a response in events is told as it stands at the end, or where it is left', async (t) => {
  const telemetry = registered(t)
  const response = (status) => ({ id: 'resp_1', object: 'response', model: 'gpt-4o-2024-08-06', status })
  const created = { type: 'response.created', response: response('in_progress') }
  const usage = { input_tokens: 8, output_tokens: 2, total_tokens: 10 }
  const ended = {
    type: 'response.incomplete',
    response: { ...response('incomplete'), incomplete_details: { reason: 'max_output_tokens' }, usage },
  }
  const answers = [[created, ended], [created]]
  const manager = await pool(t, (answer) => answer.end(answers.shift().map(event).join('')))
  const params = { model: 'gpt-4o', input: 'What is a river?', max_output_tokens: 2, stream: true }
  await read(await manager.responses(params))
  for await (const _ of await manager.responses(params)) break
  const [whole, left] = telemetry.requests().map(({ span }) => span.attributes)
  assert.equal(whole['openai.api.type'], 'responses')
  assert.equal(whole['gen_ai.request.max_tokens'], 2)
  assert.equal(whole['gen_ai.response.id'], 'resp_1')
  assert.deepEqual(whole['gen_ai.response.finish_reasons'], ['max_output_tokens'])
  assert.deepEqual(
    [whole, left].map((told) => told['gen_ai.usage.input_tokens']),
    [8, undefined],
  )
  assert.equal(left['gen_ai.response.id'], 'resp_1')
  assert.ok(!('gen_ai.response.finish_reasons' in left))
})

test('a download is a span until it has come, and no stream of events', async (t) => {
  const telemetry = registered(t)
  let end
  const answer = (response) => {
    response.write(Buffer.alloc(100_000))
    end = () => response.end()
  }
  const manager = await pool(t, answer, 'audio/mpeg')
  const body = JSON.stringify({ model: 'tts-1', voice: 'alloy', input: 'Hello' })
  const headers = { 'content-type': 'application/json' }
  const response = await manager.fetch('https://api.openai.com/v1/audio/speech', { method: 'POST', headers, body })
  assert.deepEqual(telemetry.spans(), [])
  end()
  await response.arrayBuffer()
  const [{ span, attempts }] = telemetry.requests()
  assert.equal(span.name, 'POST audio tts-1')
  assert.ok(!('gen_ai.response.time_to_first_chunk' in span.attributes))
  assert.deepEqual(attempts[0].endTime, span.endTime)
})
