'use strict'

// Streams whose reader takes its time, or leaves: how much the server can send meanwhile, and what is left over.

const assert = require('node:assert/strict')
const { getEventListeners, once, setMaxListeners } = require('node:events')
const http = require('node:http')
const { test } = require('node:test')
const { setImmediate: turn } = require('node:timers/promises')
const { RequestManager } = require('..')
const { listen } = require('./support/listen.js')

const MODEL = 'gpt-6-luna'
const CHAT = { model: MODEL, messages: [{ role: 'user', content: 'Hello' }], stream: true }
const chunk = (content) => ({ object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] })
const EVENT = `data: ${JSON.stringify(chunk('x'.repeat(100_000)))}\n\n`
/** What the server would send: 200 MB. */
const EVENTS = 2000
/** What the two ends of a connection hold at most in the kernel, of any size that is usual. Ours is some 64 KiB and an event. @unit bytes */
const HELD = 64e6
/** Round trips beside a stream in which nothing of it moves: then its server is stuck, for as long as nobody reads. */
const STILL = 100

/** A server that sends as fast as its socket takes it; `accepted` is what that has taken. */
async function startSender(t) {
  const sent = { accepted: 0, closed: null }
  const server = http.createServer(async (request, response) => {
    await request.toArray()
    if (request.method === 'GET') return response.end()
    sent.closed = once(response, 'close')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let event = 0; event < EVENTS && !response.destroyed; event++) {
      const isTaken = new Promise((resolve) => response.write(EVENT, resolve))
      await Promise.race([isTaken, sent.closed])
      sent.accepted += EVENT.length
    }
    response.end()
  })
  const baseURL = await listen(t, server)
  /** Until the socket takes no more: nothing moves while the server answers others, in the same thread. */
  const stuck = async () => {
    for (let still = 0, before = -1; still < STILL; still++) {
      if (sent.accepted !== before) [still, before] = [0, sent.accepted]
      await (await fetch(baseURL)).arrayBuffer()
    }
  }
  return { sent, baseURL, stuck }
}

function poolOf(t, baseURL, settings = {}) {
  const manager = new RequestManager({ accounts: { a: 'sk-a' }, baseURL, ...settings })
  t.after(() => manager.close())
  return manager
}

/** Of a stream: `next` takes one part and tells its length in the stream, `leave` stops it. */
const WAYS = {
  async class(manager, options) {
    const stream = await manager.chat(CHAT, options)
    return {
      next: async () => (await stream.next()).value && EVENT.length,
      leave: () => stream.return(),
    }
  },
  async fetch(manager, options) {
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body: JSON.stringify(CHAT), ...options }
    const response = await manager.fetch('https://api.openai.com/v1/chat/completions', init)
    const reader = response.body.getReader()
    return {
      next: async () => (await reader.read()).value?.length,
      leave: () => reader.cancel(),
    }
  },
}

for (const [way, open] of Object.entries(WAYS)) {
  test(`${way}: whoever takes one event at a time holds the server to what is on the way`, async (t) => {
    const { sent, baseURL, stuck } = await startSender(t)
    const manager = poolOf(t, baseURL)
    const stream = await open(manager)
    let read = 0
    for (let event = 0; event < 20; event++) {
      await stuck()
      assert.ok(sent.accepted - read < HELD, `${sent.accepted} bytes were taken, and ${read} read`)
      read += await stream.next()
    }
    await stream.leave()
    await sent.closed
    assert.equal((await manager.status({ model: MODEL })).accounts[0].inFlight, 0)
  })

  test(`${way}: a thousand aborts in mid-stream, of readers and of those who pause, leave nothing over`, async (t) => {
    const responses = new Set()
    const server = http.createServer(async (request, response) => {
      await request.toArray()
      responses.add(response)
      response.on('close', () => responses.delete(response))
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(`data: ${JSON.stringify(chunk('He'))}\n\n`)
    })
    const limits = { '*': { requestsPerMinute: 1_000_000, tokensPerMinute: 1_000_000_000 } }
    const accounts = [{ label: 'a', apiKey: 'sk-a', limits }]
    const manager = poolOf(t, await listen(t, server), { accounts })
    const reason = new Error('enough')
    for (let round = 0; round < 5; round++) {
      const controller = new AbortController()
      const { signal } = controller
      setMaxListeners(0, signal)
      const streams = await Promise.all(Array.from({ length: 200 }, () => open(manager, { signal })))
      for (const stream of streams) assert.ok((await stream.next()) > 0)
      assert.equal(responses.size, 200)
      const reading = streams.slice(0, 100).map((stream) => stream.next())
      controller.abort(reason)
      for (const end of await Promise.allSettled(reading)) assert.equal(end.reason, reason)
      while (responses.size > 0) await turn()
      for (const stream of streams.slice(100)) await assert.rejects(stream.next(), (error) => error === reason)
      assert.equal(getEventListeners(signal, 'abort').length, 0)
      assert.equal((await manager.status({ model: MODEL })).accounts[0].inFlight, 0)
    }
    // What had been delivered of each was counted.
    const [row] = await manager.usage()
    assert.deepEqual([row.requests, row.outputTokens], [1000, 1000])
  })
}
