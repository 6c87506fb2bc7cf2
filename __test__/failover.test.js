'use strict'

// What each kind of answer leads to, seen on the wire.

const assert = require('node:assert/strict')
const { inspect } = require('node:util')
const { test } = require('node:test')
const { RequestManager, RequestManagerError, configure, createChat } = require('..')
const { limited, openaiError, startServer } = require('./support/server.js')

const CHAT = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] }

/** A server whose answers to account a (key `key-a`) are as told; account b (key `key-b`) always gets a completion. */
async function twoAccounts(t, answer, config = {}) {
  const server = await startServer((call) => (call.key === 'key-a' ? answer(call) : {}))
  t.after(() => server.close())
  const accounts = [
    // The heavier account is chosen first.
    { label: 'a', apiKey: 'key-a', weight: 2 },
    { label: 'b', apiKey: 'key-b' },
  ]
  return { server, manager: new RequestManager({ accounts, baseURL: server.baseURL, ...config }) }
}

/** Answers in turn; the last one again and again. */
function inTurn(...answers) {
  return () => (answers.length > 1 ? answers.shift() : answers[0])
}

function summary(attempts) {
  return attempts.map(({ account, outcome, status }) => `${account} ${outcome} ${status}`)
}

const TOO_LARGE = openaiError(
  'Request too large for gpt-4o in organization org-AbCdEfGhIjKl on tokens per min (TPM): Limit 3, Requested 9. The input or ' +
    'output tokens must be reduced in order to run successfully.',
  'tokens',
  'rate_limit_exceeded',
)
const NO_MONEY = openaiError('You exceeded your current quota', 'insufficient_quota', 'insufficient_quota')
const WRONG_KEY = openaiError(
  'Incorrect API key provided: sk-proj-********wxyz.',
  'invalid_request_error',
  'invalid_api_key',
)
const NO_MODEL = openaiError('The model `x` does not exist', 'invalid_request_error', 'model_not_found')
const SERVER_ERROR = openaiError('The server had an error', 'server_error', null)
const WRONG_REQUEST = openaiError("Invalid value: 'x'.", 'invalid_request_error', 'invalid_value')

for (const [name, answer, outcome] of [
  ['a 429 with a wait', limited('20s'), 'limited 429'],
  ['a 429 that can never fit', { status: 429, body: TOO_LARGE }, 'too_large 429'],
  ['an empty purse', { status: 429, body: NO_MONEY }, 'out_of_money 429'],
  ['a refused key', { status: 401, body: WRONG_KEY }, 'key_refused 401'],
  ['a model without access', { status: 404, body: NO_MODEL }, 'model_refused 404'],
  ['a server error', { status: 500, body: SERVER_ERROR }, 'overloaded 500'],
  ['a gateway page', { status: 502, body: '<html>502</html>' }, 'overloaded 502'],
  ['a cut connection', null, 'broken null'],
  ['a cut body', { cutAfter: 40 }, 'broken null'],
  ['a body that is not JSON', { body: 'Hello' }, 'broken 200'],
]) {
  test(`${name} moves a request to another account at once`, async (t) => {
    const { server, manager } = await twoAccounts(t, () => answer)
    const chat = await manager.chat(CHAT)
    assert.equal(chat.choices[0].message.content, 'Hello!')
    assert.deepEqual(summary(chat.served.attempts), [`a ${outcome}`, 'b ok 200'])
    assert.deepEqual(server.keys(), ['key-a', 'key-b'])
  })
}

test('a wrong request fails at once with OpenAI\u2019s own error and is sent once', async (t) => {
  const { server, manager } = await twoAccounts(t, () => ({
    status: 400,
    headers: { 'x-request-id': 'req_7', 'set-cookie': '__cf_bm=session' },
    body: WRONG_REQUEST,
  }))
  const error = await manager.chat(CHAT).catch((error) => error)
  assert.ok(error instanceof RequestManagerError && error instanceof Error)
  assert.equal(error.code, 'ERR_UPSTREAM')
  assert.equal(error.status, 400)
  assert.deepEqual(error.error, {
    message: "Invalid value: 'x'.",
    type: 'invalid_request_error',
    param: null,
    code: 'invalid_value',
  })
  assert.equal(error.requestId, 'req_7')
  assert.equal(error.headers['x-request-id'], 'req_7')
  assert.equal(error.headers['set-cookie'], undefined)
  assert.deepEqual(summary(error.attempts), ['a bad_request 400'])
  assert.equal(error.message, 'account "a" answered 400: Invalid value: \'x\'.')
  assert.match(error.stack, /failover\.test\.js/)
  assert.equal(server.received.length, 1)
})

test('a refused account is left out by the requests that follow', async (t) => {
  const { server, manager } = await twoAccounts(t, () => ({ status: 401, body: WRONG_KEY }))
  for (let request = 0; request < 4; request++) await manager.chat(CHAT)
  assert.deepEqual(server.keys(), ['key-a', 'key-b', 'key-b', 'key-b', 'key-b'])
  const { accounts } = await manager.status({ model: 'gpt-4o' })
  assert.equal(accounts[0].parked.because, 'key_refused')
})

test('a model that an account refuses stays open for its other models', async (t) => {
  const { server, manager } = await twoAccounts(t, ({ body }) =>
    body.model === 'gpt-4o' ? { status: 404, body: NO_MODEL } : {},
  )
  await manager.chat(CHAT)
  await manager.chat(CHAT)
  await manager.chat({ ...CHAT, model: 'gpt-4.1' })
  assert.deepEqual(server.keys(), ['key-a', 'key-b', 'key-b', 'key-a'])
})

test('a limited account is waited for where there is no other', async (t) => {
  const { server, manager } = await twoAccounts(t, inTurn(limited('50ms'), {}))
  const chat = await manager.chat(CHAT, { accounts: ['a'] })
  assert.deepEqual(summary(chat.served.attempts), ['a limited 429', 'a ok 200'])
  assert.ok(chat.served.attempts[1].waitedMs >= 50, `waited ${chat.served.attempts[1].waitedMs} ms`)
  assert.deepEqual(server.keys(), ['key-a', 'key-a'])
})

test('a limit that frees too late is an error with the true time, at once', async (t) => {
  const { server, manager } = await twoAccounts(t, () => limited('1h0m0s'))
  const error = await manager.chat(CHAT, { accounts: ['a'] }).catch((error) => error)
  assert.equal(error.code, 'ERR_WAIT')
  assert.equal(error.status, 429)
  assert.ok(error.retryAfterMs > 3_590_000 && error.retryAfterMs <= 3_600_000, String(error.retryAfterMs))
  assert.equal(server.received.length, 1)
})

test('a failing server is asked again after the time it names', async (t) => {
  const failing = { status: 503, headers: { 'retry-after-ms': '30' }, body: SERVER_ERROR }
  const { manager } = await twoAccounts(t, inTurn(failing, failing, {}))
  const chat = await manager.chat(CHAT, { accounts: ['a'] })
  assert.deepEqual(summary(chat.served.attempts), ['a overloaded 503', 'a overloaded 503', 'a ok 200'])
  for (const { waitedMs } of chat.served.attempts.slice(1)) assert.ok(waitedMs >= 30)
})

test('a server that fails for good is an error that lists every attempt', async (t) => {
  const { server, manager } = await twoAccounts(t, () => ({
    status: 500,
    headers: { 'retry-after-ms': '1' },
    body: SERVER_ERROR,
  }))
  const error = await manager.chat(CHAT, { accounts: ['a'] }).catch((error) => error)
  assert.deepEqual([error.code, error.status, error.error.type], ['ERR_UPSTREAM', 500, 'server_error'])
  assert.deepEqual(summary(error.attempts), ['a overloaded 500', 'a overloaded 500', 'a overloaded 500'])
  assert.equal(server.received.length, 3)
})

test('x-should-retry: false is obeyed', async (t) => {
  const { server, manager } = await twoAccounts(t, () => ({
    status: 500,
    headers: { 'x-should-retry': 'false' },
    body: SERVER_ERROR,
  }))
  await assert.rejects(manager.chat(CHAT), { code: 'ERR_UPSTREAM', status: 500 })
  assert.equal(server.received.length, 1)
})

for (const [retryCount, calls] of [
  [0, 1],
  [1, 2],
  [4, 5],
]) {
  test(`retryCount ${retryCount} allows ${calls} calls`, async (t) => {
    const server = await startServer(() => ({ status: 500, headers: { 'retry-after-ms': '1' }, body: SERVER_ERROR }))
    t.after(() => server.close())
    configure({ accounts: { a: 'key-a', b: 'key-b' }, baseURL: server.baseURL })
    const error = await createChat({ text: 'Hi' }, null, 0, retryCount).catch((error) => error)
    assert.equal(error.attempts.length, calls)
    assert.equal(server.received.length, calls)
  })
}

test('force sends where the books say that nothing is left', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  const account = { label: 'a', apiKey: 'k', limits: { '*': { requestsPerMinute: 1 } } }
  configure({ accounts: [account], baseURL: server.baseURL, maxWaitMs: 0 })
  await createChat({ text: 'Hi' })
  await assert.rejects(createChat({ text: 'Hi' }), { code: 'ERR_WAIT' })
  await createChat({ text: 'Hi' }, null, 1)
  assert.equal(server.received.length, 2)
})

test('the error for a retired model names its last day and the setting that replaces it', async (t) => {
  const server = await startServer(() => ({ status: 404, body: NO_MODEL }))
  t.after(() => server.close())
  configure({ accounts: { a: 'k' }, baseURL: server.baseURL })
  await assert.rejects(createChat({ text: 'Hi' }), /gpt-3\.5-turbo.* is 2026-10-23.*modelAliases/)
})

test('no error shows a key, a cookie or an organization id', async (t) => {
  const key = 'sk-secret0123456789'
  const bodies = [WRONG_KEY, TOO_LARGE, limited('1h0m0s').body, openaiError(`Wrong key ${key}`, 'x', 'y')]
  for (const body of bodies) {
    const server = await startServer(() => ({
      status: body === WRONG_KEY ? 401 : 429,
      body,
      headers: { 'set-cookie': 'c=1' },
    }))
    t.after(() => server.close())
    const manager = new RequestManager({ accounts: { a: key }, baseURL: server.baseURL })
    const error = await manager.chat(CHAT, { maxRetries: 1 }).catch((error) => error)
    const shown = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error) + error.stack
    assert.doesNotMatch(shown, /secret0123|wxyz|AbCdEfGh|c=1/)
  }
})

test('a key that a server echoes is hidden whatever it looks like', async (t) => {
  const key = 'gsk_verysecretkey123'
  const echo = { error: { message: `Wrong key ${key}`, type: key, param: key, code: key } }
  const server = await startServer(() => ({ status: 400, body: echo }))
  t.after(() => server.close())
  const manager = new RequestManager({ accounts: { a: key }, baseURL: server.baseURL })
  const error = await manager.chat(CHAT).catch((error) => error)
  assert.equal(error.error.message, 'Wrong key …')
  assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }) + error.stack, /verysecret/)
})

for (const body of ['null', '5', '"x"', '[]', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])]) {
  test(`a 200 with ${JSON.stringify(String(body))} is no answer`, async (t) => {
    const { manager } = await twoAccounts(t, () => ({ body }))
    const chat = await manager.chat(CHAT)
    assert.deepEqual(summary(chat.served.attempts), ['a broken 200', 'b ok 200'])
  })
}

test('an account that cannot be reached is passed over', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  const manager = new RequestManager({
    accounts: [
      { label: 'gone', apiKey: 'k', baseURL: 'http://127.0.0.1:1/v1', weight: 9 },
      { label: 'here', apiKey: 'k' },
    ],
    baseURL: server.baseURL,
  })
  const { served } = await manager.chat(CHAT)
  assert.deepEqual(summary(served.attempts), ['gone broken null', 'here ok 200'])
})

test('a redirect is not followed: a key must not reach another host', async (t) => {
  const elsewhere = await startServer(() => ({}))
  t.after(() => elsewhere.close())
  const { manager } = await twoAccounts(t, () => ({
    status: 307,
    headers: { location: `${elsewhere.baseURL}/x` },
    body: {},
  }))
  await assert.rejects(manager.chat(CHAT), { code: 'ERR_UPSTREAM', status: 307 })
  assert.equal(elsewhere.received.length, 0)
})

test('a silent server ends in a typed error when the total time is over', async (t) => {
  const { createServer } = require('node:net')
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const manager = new RequestManager({ accounts: { a: 'k' }, baseURL: `http://127.0.0.1:${server.address().port}` })
  await assert.rejects(manager.chat(CHAT, { timeoutsMs: { total: 60 } }), { code: 'ERR_TIMEOUT', phase: 'total' })
  const slow = await manager.chat(CHAT, { timeoutsMs: { firstByte: 30 }, maxRetries: 0 }).catch((error) => error)
  assert.deepEqual([slow.code, slow.phase], ['ERR_TIMEOUT', 'firstByte'])
  assert.match(slow.message, /no answer within 30 ms \(timeoutsMs\.firstByte\)/)
})

test('a server that never ends the TLS handshake is a typed error about connecting', async (t) => {
  const { createServer } = require('node:net')
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const baseURL = `https://127.0.0.1:${server.address().port}/v1`
  const manager = new RequestManager({ accounts: { a: 'k' }, baseURL, timeoutsMs: { connect: 40 }, maxRetries: 0 })
  const error = await manager.chat(CHAT).catch((error) => error)
  assert.deepEqual([error.code, error.phase], ['ERR_TIMEOUT', 'connect'])
  assert.match(error.message, /no connection within 40 ms \(timeoutsMs\.connect\)/)
})
