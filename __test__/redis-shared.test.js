'use strict'

// Several processes use the same accounts as one pool: they share the limits exactly, through a real Redis.

const assert = require('node:assert/strict')
const { describe, test } = require('node:test')
const { RequestManager } = require('..')
const { startSimulator } = require('../simulator.js')
const { eventually } = require('./support/eventually.js')
const { startProcess } = require('./support/processes.js')
const { ask, startRedisServer } = require('./support/redis.js')
const { startServer } = require('./support/server.js')

const CHAT = { model: 'gpt-6-luna', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 10 }

/** A simulator with these limits, in requests a minute by account. */
async function startUpstream(t, limits, settings = {}) {
  const accounts = Object.entries(limits).map(([label, requestsPerMinute]) => ({
    label,
    apiKey: `sk-${label}`,
    limits: { '*': { requestsPerMinute } },
  }))
  const simulator = await startSimulator({ accounts, latencyMs: 20, ...settings })
  t.after(() => simulator.close())
  const configured = accounts.map(({ label, apiKey, limits }) => ({ label, apiKey, limits }))
  return { simulator, config: { accounts: configured, baseURL: simulator.baseURL } }
}

function assertServed(ends, count) {
  assert.deepEqual(
    ends.map(({ errors }) => errors),
    ends.map(() => []),
  )
  assert.equal(
    ends.reduce((sum, { served }) => sum + served, 0),
    count,
  )
}

/** A manager of this process. */
function manager(t, config) {
  const manager = new RequestManager(config)
  t.after(() => manager.close())
  return manager
}

/**
 * Without common books, processes would be refused as often as served. A few 429s are in order: the server's buckets begin to refill with
 * the first request that arrives, ours with the first booking, and a slow machine takes its time in between.
 */
function assertFewRefused({ refused, admitted }) {
  assert.ok(refused <= admitted / 10, `${refused} refused, ${admitted} admitted`)
}

describe('processes of a pool', { concurrency: 3 }, () => {
  test('share the limits of their accounts: more than fits is sent later, and next to nothing is refused', async (t) => {
    const { target, port } = await startRedisServer(t)
    // 600 at once, and 10 a second after that: each process alone would send more than is left by the others.
    const { simulator, config } = await startUpstream(t, { acme: 360, globex: 240 })
    const shared = { ...config, redis: `redis://127.0.0.1:${port}` }
    const processes = await Promise.all(Array.from({ length: 4 }, () => startProcess(t, shared)))
    const ends = await Promise.all(processes.map((one) => one.chats(160, CHAT, { atOnce: 8 })))
    assertServed(ends, 640)
    const { totals } = simulator.stats()
    assert.equal(totals.admitted, 640)
    assertFewRefused(totals)
    const { redis } = await processes[0].status({ model: CHAT.model })
    assert.equal(redis.server, `redis at 127.0.0.1:${port}`)
    assert.equal(redis.away, null)
    // To the token: what all have used, as their answers say, is what the counters hold, and the usage of the pool.
    const used = ends.reduce((sum, { tokens }) => sum + tokens, 0)
    await Promise.all(processes.map((one) => one.close()))
    const [row] = await manager(t, shared).usage({ by: [] })
    assert.deepEqual([row.requests, row.totalTokens], [640, used])
    const counter = async (key) => Number((await ask(target, 'GET', key)).split('\r\n')[1])
    assert.equal(await counter('chat:tokensUsed'), used)
    assert.equal((await counter('acme:tokensUsed')) + (await counter('globex:tokensUsed')), used)
  })

  test('share limits that only the answers tell', async (t) => {
    const { port } = await startRedisServer(t)
    const { simulator, config } = await startUpstream(t, { acme: 200 })
    const accounts = { acme: 'sk-acme' }
    const shared = { ...config, accounts, redis: `redis://127.0.0.1:${port}` }
    const processes = await Promise.all(Array.from({ length: 3 }, () => startProcess(t, shared)))
    await processes[0].chats(1, CHAT)
    const ends = await Promise.all(processes.map((one) => one.chats(70, CHAT, { atOnce: 8 })))
    assertServed(ends, 210)
    const { totals } = simulator.stats()
    assert.equal(totals.admitted, 211)
    assertFewRefused(totals)
  })

  test('go on when one of them is killed, and what it had booked flows back', async (t) => {
    const { target, port } = await startRedisServer(t)
    const { simulator, config } = await startUpstream(t, { acme: 1200 }, { latencyMs: 200 })
    const shared = { ...config, redis: `redis://127.0.0.1:${port}` }
    const [killed, ...others] = await Promise.all(Array.from({ length: 3 }, () => startProcess(t, shared)))
    // More than fits at once, so that it leaves calls under way, and claims of those that wait.
    const lost = killed.chats(700, CHAT).catch((error) => error.message)
    const ends = others.map((one) => one.chats(350, CHAT))
    const claims = () => ask(target, 'HGET', `orm:{default:${CHAT.model}}:lane:acme`, 'claims')
    await eventually(async () => assert.match(await claims(), /^\$\d+\r\n[1-9]/))
    await killed.kill()
    assert.equal(await lost, 'the process has ended')
    assertServed(await Promise.all(ends), 700)
    assertFewRefused(simulator.stats().totals)
    const room = async () => (await others[0].status({ model: CHAT.model })).accounts[0].requestsLeft
    const before = await room()
    await eventually(async () => assert.ok((await room()) > before + 20, `${before}, then ${await room()}`))
  })
})

test('managers of one pool see what the others use, and those of another pool do not', async (t) => {
  const { target, port } = await startRedisServer(t)
  const upstream = await startServer(() => ({}))
  t.after(() => upstream.close())
  const accounts = [{ label: 'acme', apiKey: 'k', limits: { '*': { requestsPerDay: 86_400 } } }]
  const open = (pool) =>
    new RequestManager({ accounts, baseURL: upstream.baseURL, redis: `redis://127.0.0.1:${port}`, pool })
  const [one, same, other] = [open('shop'), open('shop'), open('site')]
  const chats = (manager, count) => Promise.all(Array.from({ length: count }, () => manager.chat(CHAT)))
  await chats(one, 20)
  await chats(same, 30)
  await chats(other, 7)
  // In this test one flows back in a second.
  const used = async (pool) => {
    const level = await ask(target, 'HGET', `orm:{${pool}:${CHAT.model}}:lane:acme`, 'level:requests_per_day')
    return 86_400 - Number(level.split('\r\n')[1])
  }
  const [ofShop, ofSite] = [await used('shop'), await used('site')]
  assert.ok(ofShop > 30 && ofShop <= 50, `${ofShop}`)
  assert.ok(ofSite >= 0 && ofSite <= 7, `${ofSite}`)
  await one.close()
  // The connection is everybody's.
  await chats(same, 1)
  assert.equal((await same.status({ model: CHAT.model })).redis.away, null)
})
