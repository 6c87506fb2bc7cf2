'use strict'

// Settings that change while requests wait and are under way.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { RequestManager } = require('..')
const { startSimulator } = require('../simulator.js')
const { startHolding } = require('./support/holding.js')
const { startServer } = require('./support/server.js')

const CHAT = { model: 'gpt-6-luna', messages: [{ role: 'user', content: 'Hi' }] }

/** Resolves when so many requests wait for room. */
async function waiting(manager, count) {
  while ((await manager.status()).waiting !== count) await new Promise(setImmediate)
}

test('a request in flight ends on the key that it was sent with, and one that waits takes the new one', async (t) => {
  const server = await startHolding(t)
  const accounts = [{ label: 'a', apiKey: 'old', maxConcurrency: 1 }]
  const manager = new RequestManager({ accounts, baseURL: server.baseURL })
  const first = manager.chat(CHAT)
  const [inFlight] = await server.arrived(1)
  const second = manager.chat(CHAT)
  await waiting(manager, 1)
  await manager.update({ accounts: [{ label: 'a', apiKey: 'new' }] })
  assert.equal((await manager.status()).accounts[0].inFlight, 1)
  inFlight.answer()
  assert.equal((await first).served.attempts.length, 1)
  const [, next] = await server.arrived(2)
  next.answer()
  await second
  assert.deepEqual(server.keys(), ['old', 'new'])
})

test('a new key ends the parking for a refused one', async (t) => {
  const server = await startServer(({ key }) => (key === 'good' ? {} : { status: 401, body: {} }))
  t.after(() => server.close())
  const manager = new RequestManager({ accounts: { a: 'bad' }, baseURL: server.baseURL })
  await assert.rejects(manager.chat(CHAT), { code: 'ERR_UPSTREAM', status: 401 })
  await manager.update({ maxRetries: 1 })
  await assert.rejects(manager.chat(CHAT), { code: 'ERR_NO_ACCOUNT' })
  await manager.update({ accounts: { a: 'good' } })
  const { served } = await manager.chat(CHAT)
  assert.equal(served.account, 'a')
  const [{ requests }] = (await manager.status()).accounts
  assert.equal(requests, 1)
})

test('an account that is added serves at once who waits', async (t) => {
  const account = (label, tokensPerMinute) => ({ label, apiKey: label, limits: { '*': { tokensPerMinute } } })
  const simulator = await startSimulator({ accounts: [account('a', 600), account('b', 60_000)] })
  t.after(() => simulator.close())
  const manager = new RequestManager({ accounts: [account('a', 600)], baseURL: simulator.baseURL })
  await manager.chat({ ...CHAT, max_completion_tokens: 500 })
  const waits = manager.chat({ ...CHAT, max_completion_tokens: 500 })
  await waiting(manager, 1)
  await manager.update({ accounts: [{ label: 'a' }, account('b', 60_000)] })
  const { served } = await waits
  assert.equal(served.account, 'b')
  assert.ok(served.waitedMs < 40_000, String(served.waitedMs))
})

test('of those who wait for an account that is removed only those fail who have no other', async (t) => {
  const server = await startHolding(t)
  const accounts = ['a', 'b'].map((label) => ({ label, apiKey: label, maxConcurrency: 1 }))
  const manager = new RequestManager({ accounts, baseURL: server.baseURL })
  const onA = manager.chat(CHAT, { accounts: ['a'] })
  const onB = manager.chat(CHAT, { accounts: ['b'] })
  const inFlight = await server.arrived(2)
  const onlyA = manager.chat(CHAT, { accounts: ['a'] })
  const ofAny = manager.chat(CHAT)
  await waiting(manager, 2)
  await manager.update({ accounts: [{ label: 'b' }] })
  await assert.rejects(onlyA, { code: 'ERR_NO_ACCOUNT', message: /a is not configured any more/ })
  await assert.rejects(manager.chat(CHAT, { accounts: ['a'] }), { code: 'ERR_ARGUMENT' })
  for (const { answer } of inFlight) answer()
  assert.equal((await onA).served.account, 'a')
  assert.equal((await onB).served.account, 'b')
  const [, , next] = await server.arrived(3)
  next.answer()
  assert.equal((await ofAny).served.account, 'b')
  assert.equal(next.key, 'b')
})

test('a raised limit lets go who waits, and a lowered one holds who comes', async (t) => {
  const simulator = await startSimulator()
  t.after(() => simulator.close())
  const accounts = (tokensPerMinute) => [{ label: 'a', apiKey: 'k', limits: { '*': { tokensPerMinute } } }]
  const manager = new RequestManager({ accounts: accounts(600), baseURL: simulator.baseURL })
  const chat = { ...CHAT, max_completion_tokens: 500 }
  await manager.chat(chat)
  const waits = manager.chat(chat)
  await waiting(manager, 1)
  await manager.update({ accounts: accounts(6_000_000) })
  const { served } = await waits
  assert.ok(served.waitedMs < 40_000, String(served.waitedMs))
  await manager.update({ accounts: accounts(600) })
  await manager.chat(chat, { maxWaitMs: 0 })
  const error = await manager.chat(chat, { maxWaitMs: 0 }).catch((error) => error)
  assert.equal(error.code, 'ERR_WAIT')
  assert.ok(error.retryAfterMs > 10_000, String(error.retryAfterMs))
})

test('what is not named stays, and null is the default', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  const account = { label: 'a', apiKey: 'k', headers: { 'x-team': 't' }, project: 'p' }
  const manager = new RequestManager({ accounts: [account], modelAliases: { old: 'new' }, baseURL: server.baseURL })
  const old = { ...CHAT, model: 'old' }
  await manager.update({ maxWaitMs: 5, modelAliases: undefined, accounts: undefined, redis: undefined })
  await manager.chat(old)
  await manager.update({ modelAliases: null, accounts: [{ label: 'a', headers: null, project: undefined }] })
  await manager.chat(old)
  assert.deepEqual(
    server.received.map(({ key, body, headers }) => [key, body.model, headers['x-team'], headers['openai-project']]),
    [
      ['k', 'new', 't', 'p'],
      ['k', 'old', undefined, 'p'],
    ],
  )
})

test('a wrong change changes nothing and shows no key', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  const manager = new RequestManager({ accounts: { a: 'k' }, baseURL: server.baseURL })
  const before = await manager.status()
  const wrong = [
    [
      { maxWaitMs: 1, accounts: [{ label: 'a', apiKey: 'sk-secret key' }] },
      /^`changes\.accounts\[0\]\.apiKey` must be/,
    ],
    [
      { accounts: [{ label: 'a', apiKey: 'new' }, { label: 'b' }] },
      /^`changes\.accounts\[1\]\.apiKey` must be a string/,
    ],
    [{ accounts: [{ label: 'b', apiKey: 'x', limits: { m: { tokensPerMinute: -1 } } }] }, /accounts\[0\]\.limits\.m\./],
    [
      { accounts: { a: process.env.NOT_SET } },
      /^`changes\.accounts\.a` must be a string or a function that gives one, got nothing/,
    ],
    [{ accounts: {} }, /holds no account/],
    [{ acounts: {} }, /^`changes` has no field `acounts`/],
    [{ redis: { on() {} } }, /^`changes\.redis` cannot be changed; make a new RequestManager/],
    [{ pool: 'other' }, /^`changes\.pool` cannot be changed/],
    [{ onRedisDown: 'fail' }, /^`changes\.onRedisDown` cannot be changed/],
    [null, /^`changes` must be an object, got nothing/],
  ]
  for (const [changes, message] of wrong) {
    const error = await manager.update(changes).catch((error) => error)
    assert.equal(error.code, 'ERR_CONFIG')
    assert.match(error.message, message)
    assert.doesNotMatch(error.message, /secret/)
  }
  await assert.rejects(manager.update({}, { everwhere: true }), { code: 'ERR_ARGUMENT' })
  await assert.rejects(manager.update({}, { everywhere: 1 }), { code: 'ERR_ARGUMENT' })
  assert.deepEqual(await manager.status(), before)
  await manager.chat(CHAT)
  assert.deepEqual(server.keys(), ['k'])
  await manager.close()
  await assert.rejects(manager.update({}), { code: 'ERR_CLOSED' })
})

test('of many requests during a series of updates none fails and none is sent twice', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  const account = (label, apiKey, maxConcurrency) => ({
    label,
    apiKey,
    maxConcurrency,
    limits: { '*': { requestsPerMinute: 100_000 * maxConcurrency, tokensPerMinute: 100_000_000 } },
  })
  const lists = [
    [account('a', 'k1', 2), account('b', 'k2', 1)],
    [account('b', 'k3', 3), account('c', 'k4', 1)],
    [account('a', 'k5', 1), account('c', 'k4', 2)],
    [account('a', 'k5', 3)],
  ]
  const manager = new RequestManager({ accounts: lists[0], baseURL: server.baseURL })
  const chats = Array.from({ length: 64 }, (_, index) =>
    manager.chat({ ...CHAT, messages: [{ role: 'user', content: `number ${index}` }] }),
  )
  let done = false
  const all = Promise.all(chats).finally(() => {
    done = true
  })
  for (let round = 0; !done; round++) {
    await manager.update({ accounts: lists[round % lists.length], maxWaitMs: 60_000 + round })
    await new Promise(setImmediate)
  }
  const answers = await all
  assert.ok(answers.every(({ served }) => served.attempts.length === 1))
  const texts = server.received.map(({ body }) => body.messages[0].content)
  assert.deepEqual([...new Set(texts)].length, 64)
  assert.equal(texts.length, 64)
  const { waiting, accounts } = await manager.status()
  assert.equal(waiting, 0)
  assert.ok(accounts.every(({ inFlight }) => inFlight === 0))
})

test('changes for all processes are made in one that has no Redis, where they can be shared', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  const manager = new RequestManager({ accounts: { a: 'ka', b: 'kb' }, baseURL: server.baseURL })
  const limits = { '*': { tokensPerMinute: 5000 } }
  await manager.update({ modelAliases: { x: 'y' }, accounts: [{ label: 'b', limits }] }, { everywhere: true })
  const { accounts } = await manager.status()
  assert.deepEqual(
    accounts.map(({ account, tokensPerMinute }) => [account, tokensPerMinute]),
    [
      ['a', null],
      ['b', 5000],
    ],
  )
  await manager.chat({ ...CHAT, model: 'x' })
  assert.equal(server.received[0].body.model, 'y')
  await assert.rejects(manager.update({ baseURL: 'http://x' }, { everywhere: true }), { code: 'ERR_CONFIG' })
})
