'use strict'

// Answers of `manager.fetch` that are neither JSON nor events of a chat: bytes that go to the caller as they come.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { once } = require('node:events')
const http = require('node:http')
const { test } = require('node:test')
const OpenAI = require('openai')
const { RequestManager } = require('..')
const { listen } = require('./support/listen.js')

const SPEECH = { model: 'tts-1', voice: 'alloy', input: 'Hello' }

/** A client over a pool of one account, on a server that answers by `answer(response, number of the request)`. */
async function speaking(t, answer) {
  let requests = 0
  const server = http.createServer((request, response) => {
    request.resume()
    request.on('end', () => answer(response, ++requests))
  })
  const manager = new RequestManager({ accounts: { a: 'sk-a' }, baseURL: await listen(t, server) })
  t.after(() => manager.close())
  return { manager, client: new OpenAI({ apiKey: 'k', fetch: manager.fetch }), requests: () => requests }
}

/** Bytes that are no text, the same for the same length. */
function noise(length) {
  const blocks = Array.from({ length: Math.ceil(length / 64) }, (_, index) =>
    createHash('sha512').update(String(index)).digest(),
  )
  return Buffer.concat(blocks, length)
}

test('speech is heard while it is still being made', async (t) => {
  const made = noise(300_000)
  let open
  const { client } = await speaking(t, (response) => {
    response.writeHead(200, { 'content-type': 'audio/mpeg' })
    response.write(made.subarray(0, 1000))
    open = response
  })
  const speech = await client.audio.speech.create(SPEECH)
  const reader = speech.body.getReader()
  const heard = [(await reader.read()).value]
  assert.deepEqual(Buffer.from(heard[0]), made.subarray(0, 1000))
  open.end(made.subarray(1000))
  for (let read = await reader.read(); !read.done; read = await reader.read()) heard.push(read.value)
  assert.ok(Buffer.concat(heard).equals(made))
})

test('a large download comes whole to who asks for the whole', async (t) => {
  const content = noise(5_000_000)
  const { client, manager } = await speaking(t, (response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': content.length })
    response.end(content)
  })
  const file = await client.files.content('file-1')
  assert.ok(Buffer.from(await file.arrayBuffer()).equals(content))
  const { data, served } = await manager.request('/files/file-1/content')
  assert.ok(data.equals(content))
  assert.deepEqual([served.account, served.attempts.length], ['a', 1])
})

/** The head, and nothing behind it. */
function breakOff(response) {
  response.flushHeaders()
  setImmediate(() => response.destroy())
}

test('one that breaks off before its first byte, or is short, is asked for again', async (t) => {
  const content = noise(60_000)
  const { client, requests } = await speaking(t, (response, number) => {
    const isShort = number === 2
    response.writeHead(200, { 'content-type': 'audio/wav', ...(isShort && { 'content-length': content.length }) })
    if (number === 1) return breakOff(response)
    if (number === 2) return response.write(content.subarray(0, 30_000), () => response.destroy())
    response.end(content)
  })
  const speech = await client.audio.speech.create(SPEECH)
  assert.ok(Buffer.from(await speech.arrayBuffer()).equals(content))
  assert.equal(requests(), 3)
})

test('one that breaks off later rejects behind what came', async (t) => {
  const { manager, requests } = await speaking(t, (response) => {
    response.writeHead(200, { 'content-type': 'audio/mpeg' })
    response.write(noise(1000), () => response.destroy())
  })
  const response = await manager.fetch('https://api.openai.com/v1/audio/speech', { method: 'POST', body: '{}' })
  const reader = response.body.getReader()
  let heard = 0
  const error = await (async () => {
    for (;;) heard += (await reader.read()).value.length
  })().catch((error) => error)
  assert.deepEqual([error.code, heard], ['ERR_UPSTREAM', 1000])
  assert.match(error.message, /account "a" broke off its stream/)
  assert.equal(requests(), 1)
})

test('leaving a download ends its connection', async (t) => {
  let closed
  const { client } = await speaking(t, (response) => {
    closed = once(response, 'close')
    response.writeHead(200, { 'content-type': 'audio/mpeg' })
    response.write(noise(1000))
  })
  const speech = await client.audio.speech.create(SPEECH)
  const reader = speech.body.getReader()
  await reader.read()
  await reader.cancel()
  await closed
})

test('events of other endpoints come as they are, and what they used is counted', async (t) => {
  const events = [
    { type: 'image_generation.partial_image', partial_image_index: 0, b64_json: 'AAAA' },
    {
      type: 'image_generation.completed',
      b64_json: 'BBBB',
      usage: { input_tokens: 5, output_tokens: 7, total_tokens: 12 },
    },
  ]
  const { client, manager } = await speaking(t, (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    for (const event of events) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    response.end()
  })
  const stream = await client.images.generate({ model: 'gpt-image-1', prompt: 'a cat', stream: true })
  const seen = []
  for await (const event of stream) seen.push(event)
  assert.deepEqual(seen, events)
  const [row] = await manager.usage({ by: ['model', 'type'] })
  assert.deepEqual([row.model, row.type, row.inputTokens, row.outputTokens], ['gpt-image-1', 'other', 5, 7])
})

test('events of other endpoints that begin with an error are asked for again', async (t) => {
  const { client, requests } = await speaking(t, (response, number) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const error = { error: { message: 'Overloaded', type: 'server_error', code: null } }
    const done = { type: 'image_generation.completed', b64_json: 'BBBB' }
    response.end(`data: ${JSON.stringify(number === 1 ? error : done)}\n\n`)
  })
  const stream = await client.images.generate({ model: 'gpt-image-1', prompt: 'a cat', stream: true })
  const seen = []
  for await (const event of stream) seen.push(event.type)
  assert.deepEqual([seen, requests()], [['image_generation.completed'], 2])
})

test('events that nobody asked for in a body of JSON come as they are', async (t) => {
  const { client } = await speaking(t, (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end('data: {"type":"speech.audio.delta","audio":"AA"}\n\ndata: {"type":"speech.audio.done"}\n\n')
  })
  const speech = await client.audio.speech.create({ ...SPEECH, stream_format: 'sse' })
  assert.match(await speech.text(), /speech\.audio\.done/)
})
