'use strict'

// Servers with TLS, as OpenAI's are: HTTP/2 where it is offered, and how many requests share a connection then.

const assert = require('node:assert/strict')
const { once } = require('node:events')
const fs = require('node:fs')
const http2 = require('node:http2')
const https = require('node:https')
const os = require('node:os')
const path = require('node:path')
const { after, before, test } = require('node:test')
const tls = require('node:tls')
const { RequestManager } = require('..')
const { makeCertificates } = require('./support/certificates.js')
const { eventually } = require('./support/eventually.js')
const { completion } = require('./support/server.js')

const CHAT = { model: 'gpt-6-luna', messages: [{ role: 'user', content: 'Hello' }] }
/** What one connection carries at most. */
const LARGEST_LOAD = 100
/** How often a call is sent again at once that came too late for its connection. */
const MOST_NOT_BEGUN = 2

let folder
let certificates

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'orm-http2-'))
  certificates = makeCertificates(folder)
  // Read when a pool first connects.
  process.env.NODE_EXTRA_CA_CERTS = certificates.caFile
})

after(() => fs.rmSync(folder, { recursive: true }))

/**
 * A server with HTTP/2, and HTTP/1.1 for those who ask for that.
 *
 * @param {(call: Call, number: number) => void} answer to a request that has come in whole; the first one has the number 1
 * @typedef {{ request: http2.Http2ServerRequest, response: http2.Http2ServerResponse, stream: http2.Http2Stream,
 *   session: http2.Http2Session }} Call
 */
async function startServer(t, answer, settings = {}) {
  const { cert, key } = certificates
  // Megabytes that Node holds for a connection before it refuses more.
  const maxSessionMemory = 1000
  const server = http2.createSecureServer({ cert, key, allowHTTP1: true, settings, maxSessionMemory })
  const sockets = []
  const sessions = []
  const calls = []
  server.on('secureConnection', (socket) => sockets.push(socket))
  server.on('session', (session) => sessions.push(session))
  server.on('request', (request, response) => {
    // The request forgets them when it has ended.
    const { stream } = request
    const call = { request, response, stream, session: stream.session }
    request.resume()
    request.on('end', () => answer(call, calls.push(call)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { sockets, sessions, calls, baseURL: `https://127.0.0.1:${server.address().port}/v1` }
}

const account = (limits) => [{ label: 'a', apiKey: 'sk-a', limits: { '*': limits } }]
/** Known limits that nothing here reaches: with unknown ones a pool begins with a few requests. */
const WIDE = account({ requestsPerMinute: 1e6, tokensPerMinute: 1e9 })

function poolOf(t, baseURL, settings = {}) {
  const manager = new RequestManager({ accounts: WIDE, baseURL, ...settings })
  t.after(() => manager.close())
  return manager
}

function respond({ response }) {
  response.writeHead(200, { 'content-type': 'application/json', 'x-request-id': 'req_1' })
  response.end(JSON.stringify(completion()))
}

function refuse({ stream }) {
  stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
}

/**
 * The frames of a server that reads a request and tells that it will answer none (RFC 9113, 4.1, 6.5 and 6.8), which Node's server never
 * does.
 */
function closeBeforeFirst(socket) {
  const [HEADERS, SETTINGS, GOAWAY] = [1, 4, 7]
  const frame = (type, ...payload) => Buffer.from([0, 0, payload.length, type, 0, 0, 0, 0, 0, ...payload])
  socket.write(frame(SETTINGS))
  let received = Buffer.alloc(0)
  let at = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.length
  socket.on('data', (data) => {
    received = Buffer.concat([received, data])
    while (received.length > at + 3) {
      // The last request that is answered is number 0, and there is no error.
      if (received[at + 3] === HEADERS) return socket.write(frame(GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0))
      at += 9 + received.readUIntBE(at, 3)
    }
  })
  socket.on('error', () => {})
}

/** Those who begin at once connect at once; the connection of one who came before is shared. */
const openOne = (manager) => manager.chat(CHAT)

const outcomes = ({ attempts }) => attempts.map(({ outcome }) => outcome)

const atOnce = (count, call) => Promise.all(Array.from({ length: count }, call))

test('many requests share one connection, each with its own headers, body and answer', async (t) => {
  const { sessions, calls, baseURL } = await startServer(t, respond)
  const manager = poolOf(t, baseURL)
  await openOne(manager)
  const answers = await atOnce(LARGEST_LOAD, () => manager.chat(CHAT))
  assert.equal(sessions.length, 1)
  assert.equal(calls.length, 1 + LARGEST_LOAD)
  for (const { request } of calls) {
    assert.equal(request.httpVersion, '2.0')
    assert.equal(request.headers.authorization, 'Bearer sk-a')
    assert.equal(request.headers['content-type'], 'application/json')
    assert.equal(request.url, '/v1/chat/completions')
  }
  for (const answer of answers) {
    assert.deepEqual({ ...answer }, completion())
    assert.equal(answer.served.requestId, 'req_1')
  }
})

test('a server without HTTP/2 is asked by HTTP/1.1', async (t) => {
  const versions = []
  const { cert, key } = certificates
  const server = https.createServer({ cert, key }, (request, response) => {
    versions.push(request.httpVersion)
    request.resume()
    respond({ response })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const manager = poolOf(t, `https://127.0.0.1:${server.address().port}/v1`)
  await atOnce(3, () => manager.chat(CHAT))
  assert.deepEqual(versions, ['1.1', '1.1', '1.1'])
})

test('more than a connection may carry get more connections, and nobody waits for another to end', async (t) => {
  const count = 2 * LARGEST_LOAD + 50
  const held = []
  const answer = (call, number) => {
    if (number === 1) return respond(call)
    held.push(call)
    // Only when all are there: who waited for the end of another would wait for ever.
    if (held.length === count) for (const call of held) respond(call)
  }
  const { baseURL } = await startServer(t, answer, { maxConcurrentStreams: LARGEST_LOAD })
  const manager = poolOf(t, baseURL)
  await openOne(manager)
  await atOnce(count, () => manager.chat(CHAT))
  const loads = new Map()
  for (const { session } of held) loads.set(session, 1 + (loads.get(session) ?? 0))
  assert.ok(loads.size >= 3 && Math.max(...loads.values()) <= LARGEST_LOAD, `loads of ${[...loads.values()]}`)
})

test('what a server refuses before it begins is repeated, and takes no room', async (t) => {
  const { sessions, calls, baseURL } = await startServer(t, (call, number) => {
    if (number === 1) return refuse(call)
    respond(call)
  })
  // One request a minute: were the first one counted, the second would find no room.
  const manager = poolOf(t, baseURL, { accounts: account({ requestsPerMinute: 1 }), maxWaitMs: 10_000 })
  const { served } = await manager.chat(CHAT)
  assert.deepEqual(outcomes(served), ['broken', 'ok'])
  assert.equal(calls.length, 2)
  assert.equal(sessions.length, 1)
})

test('what a closing server does not begin with goes over another connection at once', async (t) => {
  const { sessions, calls, baseURL } = await startServer(t, (call, number) => {
    if (number === 1) return respond(call)
    // The third is above the last one that is answered on this connection.
    if (number === 3) call.session.goaway(http2.constants.NGHTTP2_NO_ERROR, calls[1].stream.id)
    if (number === 4) for (const waiting of [calls[1], call]) respond(waiting)
  })
  const manager = poolOf(t, baseURL, { maxRetries: 0 })
  await openOne(manager)
  const begun = manager.chat(CHAT)
  await eventually(() => assert.equal(calls.length, 2))
  const notBegun = manager.chat(CHAT)
  for (const answer of [begun, notBegun]) assert.deepEqual(outcomes((await answer).served), ['ok'])
  assert.deepEqual(
    calls.map(({ session }) => sessions.indexOf(session)),
    [0, 0, 0, 1],
  )
})

test('a server that closes every connection before it begins has failed, and what it did not begin with took no room', async (t) => {
  const { cert, key } = certificates
  const server = tls.createServer({ cert, key, ALPNProtocols: ['h2'] }, closeBeforeFirst)
  let connections = 0
  server.on('secureConnection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const baseURL = `https://127.0.0.1:${server.address().port}/v1`
  const manager = poolOf(t, baseURL, { accounts: account({ requestsPerMinute: 1 }), maxRetries: 0, maxWaitMs: 0 })
  for (const times of [1, 2]) {
    await assert.rejects(manager.chat(CHAT), { code: 'ERR_UPSTREAM', message: /the server did not begin/ })
    assert.equal(connections, times * (1 + MOST_NOT_BEGUN))
  }
})

test('an answer that has begun is not one that the server did not begin with', async (t) => {
  const { calls, baseURL } = await startServer(t, (call) => {
    call.response.writeHead(200, { 'content-type': 'application/json' })
    call.response.write('{')
    call.stream.once('drain', () => refuse(call))
    call.response.write(' '.repeat(100_000))
  })
  const manager = poolOf(t, baseURL, { maxRetries: 0 })
  await assert.rejects(manager.chat(CHAT), { code: 'ERR_UPSTREAM', message: /the answer broke off/ })
  assert.equal(calls.length, 1)
})

test('a closing server answers what it has begun with, and the rest goes over another connection', async (t) => {
  const { sessions, calls, baseURL } = await startServer(t, (call, number) => {
    if (number > 1) return respond(call)
    // GOAWAY: what is under way ends, nothing new is begun.
    call.session.close()
  })
  const manager = poolOf(t, baseURL)
  const begun = manager.chat(CHAT)
  await eventually(() => assert.equal(calls.length, 1))
  await eventually(async () => {
    await manager.chat(CHAT)
    assert.equal(sessions.length, 2)
  })
  respond(calls[0])
  assert.deepEqual(outcomes((await begun).served), ['ok'])
  assert.equal(sessions.length, 2)
})

test('a connection that is lost loses none of its requests', async (t) => {
  const count = 20
  const { sessions, baseURL } = await startServer(t, (call, number) => {
    if (number === 1 || sessions.length > 1) respond(call)
    if (number === 1 + count) call.session.destroy()
  })
  const manager = poolOf(t, baseURL)
  await openOne(manager)
  const answers = await atOnce(count, () => manager.chat(CHAT))
  for (const { served } of answers) assert.deepEqual(outcomes(served), ['broken', 'ok'])
})

test('connections that are lost together count once against an account, however many requests were on them', async (t) => {
  // More than one connection carries.
  const count = LARGEST_LOAD + 20
  let isGone = false
  const lossy = await startServer(t, (call, number) => {
    if (number === 1 || isGone) return respond(call)
    if (number < 1 + count) return
    isGone = true
    // Without a word: sessions would take back what they have begun with.
    for (const socket of lossy.sockets) socket.destroy()
  })
  const other = await startServer(t, respond)
  const [wide] = WIDE
  const accounts = [
    { ...wide, label: 'a', baseURL: lossy.baseURL },
    { ...wide, label: 'b', baseURL: other.baseURL },
  ]
  const manager = new RequestManager({ accounts, maxRetries: 0 })
  t.after(() => manager.close())
  await manager.chat(CHAT, { accounts: 'a' })
  const lost = () => assert.rejects(manager.chat(CHAT, { accounts: 'a' }), { code: 'ERR_UPSTREAM' })
  await atOnce(count, lost)
  // Failures in a row would hold the account back for a second.
  const { candidates } = (await manager.chat(CHAT)).served
  assert.deepEqual(candidates.map(({ account, waitMs }) => [account, waitMs]).sort(), [
    ['a', 0],
    ['b', 0],
  ])
})

test('streams that were read to their last event end by themselves', async (t) => {
  const open = []
  const { sessions, calls, baseURL } = await startServer(t, ({ response }, number) => {
    if (number % 2 === 0) return respond({ response })
    const choices = [{ index: 0, delta: { content: 'Hello' }, finish_reason: 'stop' }]
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${JSON.stringify({ choices })}\n\ndata: [DONE]\n\n`)
    open.push(response)
  })
  const manager = poolOf(t, baseURL)
  for (let count = 0; count < 10; count++) {
    for await (const event of await manager.chat({ ...CHAT, stream: true })) assert.ok(event.choices)
    // The reader is through with it; were it taken back, that would be here before the next request.
    await manager.chat(CHAT)
    open.pop().end()
  }
  await eventually(() => assert.ok(calls.every(({ stream }) => stream.closed)))
  const codes = new Set(calls.map(({ stream }) => stream.rstCode))
  assert.deepEqual([...codes], [http2.constants.NGHTTP2_NO_ERROR])
  assert.equal(sessions.length, 1)
})

test('an answer that a server takes back is not taken for one that has ended', async (t) => {
  const { sessions, baseURL } = await startServer(t, ({ response, stream }) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' })
    response.write(Buffer.alloc(100_000, 1))
    // Only when it is on its way; to the HTTP client this is an end like any other.
    stream.on('drain', () => stream.close(http2.constants.NGHTTP2_NO_ERROR))
    response.write(Buffer.alloc(100_000, 1))
  })
  const manager = poolOf(t, baseURL)
  const download = await manager.fetch('https://api.openai.com/v1/files/file-1/content')
  assert.equal(download.status, 200)
  await assert.rejects(download.arrayBuffer())
  assert.equal(sessions.length, 1)
})

test('whoever leaves ends its own request alone', async (t) => {
  const { sessions, calls, baseURL } = await startServer(t, (call, number) => number === 1 && respond(call))
  const manager = poolOf(t, baseURL)
  await openOne(manager)
  const leaver = new AbortController()
  const left = manager.chat(CHAT, { signal: leaver.signal })
  await eventually(() => assert.equal(calls.length, 2))
  const other = manager.chat(CHAT)
  await eventually(() => assert.equal(calls.length, 3))
  leaver.abort()
  await assert.rejects(left, { name: 'AbortError' })
  await eventually(() => assert.equal(calls[1].stream.rstCode, http2.constants.NGHTTP2_CANCEL))
  respond(calls[2])
  assert.deepEqual(outcomes((await other).served), ['ok'])
  assert.equal(sessions.length, 1)
})

test('readers who stand still hold up no other answer of their connection', async (t) => {
  // Each more than its window, and all of them more than twice what a connection would hold by default.
  const [readers, size] = [40, 4e6]
  const { sessions, baseURL } = await startServer(t, (call) => {
    if (call.request.url.endsWith('/chat/completions')) return respond(call)
    call.response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size })
    call.response.end(Buffer.alloc(size, 1))
  })
  const manager = poolOf(t, baseURL)
  await openOne(manager)
  const downloads = await atOnce(readers, () => manager.fetch('https://api.openai.com/v1/files/file-1/content'))
  assert.deepEqual(outcomes((await manager.chat(CHAT)).served), ['ok'])
  for (const download of downloads) assert.equal((await download.arrayBuffer()).byteLength, size)
  assert.equal(sessions.length, 1)
})
