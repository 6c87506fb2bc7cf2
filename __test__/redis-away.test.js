'use strict'

// What happens while Redis is away, whatever the reason: requests go on, each process with its share, and no call fails. Nothing here
// waits for a while: Redis comes back only after requests were served without it.

const assert = require('node:assert/strict')
const { describe, test } = require('node:test')
const { RequestManager } = require('..')
const { startSimulator } = require('../simulator.js')
const { eventually } = require('./support/eventually.js')
const { startProcess } = require('./support/processes.js')
const { startRedisCluster } = require('./support/redis-cluster.js')
const { startRedisSentinel } = require('./support/redis-sentinel.js')
const { ask, freePort, startRedisServer } = require('./support/redis.js')
const { startServer } = require('./support/server.js')
const { hearWarnings } = require('./support/warnings.js')

const SECRET = 'hidden-password'

/** One flows back in a second: next to nothing while a test runs. */
const DAILY = 86_400

const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']

const chatOf = (model) => ({ model, messages: [{ role: 'user', content: 'Hi' }] })
const laneOf = (model) => `orm:{default:${model}}:lane:acme`

let models = 0

/** A manager on a server that answers everything, with a model of its own, and what can be seen of it. */
async function startPool(t, redis, settings = {}) {
  const upstream = await startServer(() => ({}))
  t.after(() => upstream.close())
  const accounts = [{ label: 'acme', apiKey: 'k', limits: { '*': { requestsPerDay: DAILY } } }]
  const manager = new RequestManager({ accounts, baseURL: upstream.baseURL, redis, ...settings })
  models += 1
  const model = `away-${models}-model`
  const chat = () => manager.chat(chatOf(model))
  const away = async () => (await manager.status({ model })).redis.away
  return {
    manager,
    model,
    upstream,
    warnings: hearWarnings(t, `"${model}"`),
    chat,
    away,
    /** Serves requests until Redis is known to be away, and some more. */
    async servedAlone() {
      await eventually(async () => {
        await chat()
        assert.ok(await away())
      })
      for (let request = 0; request < 10; request++) await chat()
      return away()
    },
    /** Serves requests until Redis is there again. */
    async sharedAgain() {
      await eventually(async () => {
        await chat()
        assert.equal(await away(), null)
      })
      // What was told at the end is heard with the next call.
      await chat()
      await manager.close()
    },
  }
}

function assertTold({ warnings }, codes) {
  assert.deepEqual(
    warnings.map(({ code }) => code),
    codes,
  )
  for (const { message } of warnings) assert.doesNotMatch(message, new RegExp(SECRET))
}

/** What Redis says has been used of a lane. */
async function used(target, model) {
  const level = await ask(target, 'HGET', laneOf(model), 'level:requests_per_day')
  return DAILY - Number(level.split('\r\n')[1])
}

/**
 * Redis knows of all that was sent, but for what has flowed back in this test. Bookings whose answers are `lost` count twice: nobody can
 * know whether Redis has made them.
 */
async function assertKnows(target, { model, upstream }, lost = 0) {
  const [sent, known] = [upstream.received.length, await used(target, model)]
  assert.ok(known <= sent + lost + 1 && known > sent - 60 && known > 0, `${sent} sent, ${known} known`)
}

/** How often a server was asked to run the script. */
async function scriptsRun(target) {
  const statistics = await ask(target, 'INFO', 'commandstats')
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(statistics)[1])
}

describe('while Redis is away', { concurrency: 4 }, () => {
  for (const [name, settings] of [
    ['comes back with all it knew', DURABLE],
    ['comes back empty', []],
  ]) {
    test(`no request fails when it is killed and ${name}`, async (t) => {
      const server = await startRedisServer(t, (port) => ['--port', String(port), ...settings])
      const pool = await startPool(t, `redis://127.0.0.1:${server.port}`)
      // Some are on their way to it when it dies.
      const before = Array.from({ length: 30 }, pool.chat)
      await before[0]
      await server.kill()
      await Promise.all(before)
      const away = await pool.servedAlone()
      assert.match(away.because, new RegExp(`redis at 127.0.0.1:${server.port}`))
      assert.ok(away.forMs >= 0)
      await server.restart()
      await pool.sharedAgain()
      await assertKnows(server.target, pool, before.length)
      assertTold(pool, ['REDIS_AWAY', 'REDIS_BACK'])
    })
  }

  test('no request fails when it hangs', async (t) => {
    const server = await startRedisServer(t)
    const pool = await startPool(t, `redis://127.0.0.1:${server.port}`)
    await pool.chat()
    server.hang()
    await Promise.all(Array.from({ length: 30 }, pool.chat))
    const away = await pool.servedAlone()
    assert.match(away.because, /did not answer in time/)
    server.goOn()
    await pool.sharedAgain()
    assertTold(pool, ['REDIS_AWAY', 'REDIS_BACK'])
  })

  test('no request fails when it takes no writes for a while', async (t) => {
    const server = await startRedisServer(t)
    const { target } = server
    const nowhere = String(await freePort())
    for (const [word, broken, whole] of [
      [/memory/, ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
      [/replica/, ['REPLICAOF', '127.0.0.1', nowhere], ['REPLICAOF', 'NO', 'ONE']],
    ]) {
      const pool = await startPool(t, `redis://127.0.0.1:${server.port}`)
      await pool.chat()
      await ask(target, ...broken)
      assert.match((await pool.servedAlone()).because, word)
      // It answers those who only ask, and is away nevertheless.
      const before = await scriptsRun(target)
      await eventually(async () => assert.ok((await scriptsRun(target)) > before + 2))
      await pool.chat()
      assertTold(pool, ['REDIS_AWAY'])
      await ask(target, ...whole)
      await pool.sharedAgain()
      await assertKnows(target, pool)
      assertTold(pool, ['REDIS_AWAY', 'REDIS_BACK'])
    }
  })

  test('a script that it has forgotten is sent again', async (t) => {
    const { target, port } = await startRedisServer(t)
    const pool = await startPool(t, `redis://127.0.0.1:${port}`)
    for (let flushes = 0; flushes < 5; flushes++) {
      const served = Promise.all(Array.from({ length: 10 }, pool.chat))
      await ask(target, 'SCRIPT', 'FLUSH')
      await served
      assert.equal(await pool.away(), null)
    }
    await pool.manager.close()
    await assertKnows(target, pool)
    assertTold(pool, [])
  })

  test('a wrong password is an outage like others, and shown nowhere', async (t) => {
    const { target, port } = await startRedisServer(t, (port) => ['--port', String(port), '--requirepass', 'right'])
    const pool = await startPool(t, `redis://:${SECRET}@127.0.0.1:${port}`)
    const away = await pool.servedAlone()
    assert.match(away.because, /refused the login/)
    assert.doesNotMatch(JSON.stringify(await pool.manager.status({ model: pool.model })), new RegExp(SECRET))
    await ask({ ...target, password: 'right' }, 'CONFIG', 'SET', 'requirepass', SECRET)
    await pool.sharedAgain()
    await assertKnows({ ...target, password: SECRET }, pool)
    assert.doesNotMatch(await ask({ ...target, password: SECRET }, 'CLIENT', 'LIST'), new RegExp(SECRET))
    assertTold(pool, ['REDIS_AWAY', 'REDIS_BACK'])
  })

  test('one that is not there at the start is used as soon as it comes', async (t) => {
    const server = await startRedisServer(t)
    await server.kill()
    const pool = await startPool(t, `redis://127.0.0.1:${server.port}`)
    await pool.servedAlone()
    await server.restart()
    await pool.sharedAgain()
    await assertKnows(server.target, pool)
    assertTold(pool, ['REDIS_AWAY', 'REDIS_BACK'])
  })

  test('with onRedisDown "fail" requests are refused, nothing is sent, and afterwards it works again', async (t) => {
    const server = await startRedisServer(t, (port) => ['--port', String(port), '--requirepass', SECRET])
    const redis = `redis://:${SECRET}@127.0.0.1:${server.port}`
    const pool = await startPool(t, redis, { onRedisDown: 'fail' })
    await server.kill()
    for (let request = 0; request < 3; request++) {
      await assert.rejects(pool.chat(), (error) => {
        assert.equal(error.name, 'RequestManagerError')
        assert.equal(error.code, 'ERR_STORE')
        assert.match(error.message, new RegExp(`redis at 127.0.0.1:${server.port}.*nothing was sent`))
        assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, new RegExp(SECRET))
        assert.deepEqual(error.attempts, [])
        return true
      })
    }
    await assert.rejects(pool.manager.status({ model: pool.model }), { code: 'ERR_STORE' })
    assert.equal(pool.upstream.received.length, 0)
    await server.restart()
    await eventually(pool.chat)
    await server.kill()
    await assert.rejects(pool.chat(), { code: 'ERR_STORE' })
    await server.restart()
    await eventually(pool.chat)
    assert.equal(pool.upstream.received.length, 2)
    assertTold(pool, [])
  })

  test('each process sends no more than its share', async (t) => {
    const [limit, count] = [400, 4]
    const server = await startRedisServer(t)
    const limits = { '*': { requestsPerMinute: limit } }
    const simulator = await startSimulator({ accounts: [{ label: 'acme', apiKey: 'k', limits }] })
    t.after(() => simulator.close())
    const config = {
      accounts: [{ label: 'acme', apiKey: 'k', limits }],
      baseURL: simulator.baseURL,
      redis: `redis://127.0.0.1:${server.port}`,
    }
    const model = 'gpt-6-luna'
    const processes = await Promise.all(Array.from({ length: count }, () => startProcess(t, config)))
    await Promise.all(processes.map((one) => one.chats(1, chatOf(model))))
    // Each asks every few seconds how many they are.
    for (const one of processes) {
      await eventually(async () => assert.equal((await one.status({ model })).redis.processes, count))
    }
    const before = simulator.stats().totals.admitted
    const began = Date.now()
    await server.kill()
    const ends = await Promise.all(processes.map((one) => one.chats(150, chatOf(model), { maxWaitMs: 0, atOnce: 8 })))
    const most = (limit / count) * (1 + (Date.now() - began) / 60_000)
    for (const { served, errors } of ends) {
      assert.ok(served <= most, `${served} of ${most}`)
      // Its share is used, but for its part of what had been sent already.
      assert.ok(served >= limit / count - before / count - 5, `${served} after ${before}`)
      for (const { code } of errors) assert.equal(code, 'ERR_WAIT')
    }
    const { refused } = simulator.stats().totals
    assert.ok(refused <= 5, `${refused} refused`)
  })

  test('Sentinels lead to the replica that takes its place', async (t) => {
    const passwords = { password: SECRET, sentinelPassword: 'watch' }
    const { master, replica, sentinel } = await startRedisSentinel(t, passwords)
    const redis = { sentinels: [sentinel], name: 'main', sentinelPassword: 'watch', password: SECRET }
    const pool = await startPool(t, redis)
    await pool.chat()
    assert.equal(await ask(master.target, 'EXISTS', laneOf(pool.model)), ':1\r\n')
    await master.kill()
    const away = await pool.servedAlone()
    assert.match(away.because, /redis master "main"/)
    await pool.sharedAgain()
    await assertKnows(replica.target, pool)
    assertTold(pool, ['REDIS_AWAY', 'REDIS_BACK'])
  })

  test('without one master of a cluster only the models on it go on alone', async (t) => {
    const { masters, nodes, masterOf } = await startRedisCluster(t, { password: SECRET })
    const rootNodes = nodes.map(({ host, port }) => ({ socket: { host, port } }))
    const pool = await startPool(t, { rootNodes, defaults: { password: SECRET } })
    const modelOf = new Map()
    for (let number = 0; modelOf.size < masters.length; number++) {
      const model = `clustered-${number}`
      const master = await masterOf(laneOf(model))
      if (!modelOf.has(master)) modelOf.set(master, model)
    }
    const [lost, ...others] = masters
    const chat = (master) => pool.manager.chat(chatOf(modelOf.get(master)))
    const away = async (master) => (await pool.manager.status({ model: modelOf.get(master) })).redis.away
    for (const master of masters) await chat(master)
    await lost.kill()
    await eventually(async () => {
      await chat(lost)
      assert.ok(await away(lost))
    })
    for (const master of others) {
      await eventually(async () => {
        await chat(master)
        assert.equal(await away(master), null)
      })
      assert.ok((await used(master.target, modelOf.get(master))) > 0)
    }
    for (let request = 0; request < 10; request++) await chat(lost)
    await lost.restart()
    await eventually(async () => {
      await chat(lost)
      assert.equal(await away(lost), null)
    })
    await pool.manager.close()
    assert.ok((await used(lost.target, modelOf.get(lost))) > 5)
  })
})
