'use strict'

// How programs that use Redis end, and what worker threads that come and go do to the connection that all share.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const { describe, test } = require('node:test')
const { kept, kill } = require('./support/children.js')
const { ask, startRedisServer } = require('./support/redis.js')

const ROOT = path.join(__dirname, '..')
const SECRET = 'hidden-password'

/** Defines `pool(config)`: a simulator and a manager on it, at the Redis in the environment. */
const POOL = `
  const { RequestManager } = require(${JSON.stringify(ROOT)})
  const { startSimulator } = require(${JSON.stringify(path.join(ROOT, 'simulator.js'))})
  const CHAT = { model: 'gpt-6-luna', messages: [{ role: 'user', content: 'Hi' }] }
  async function pool(config) {
    const simulator = await startSimulator()
    const accounts = { acme: 'k' }
    return { simulator, manager: new RequestManager({ accounts, baseURL: simulator.baseURL, ...config }) }
  }
`

/** Runs a script that must end by itself; resolves to what it printed. */
async function run(t, script, redis) {
  const env = { ...process.env, REDIS_URL: redis }
  const child = kept(spawn(process.execPath, ['-e', script], { cwd: ROOT, env }))
  t.after(() => kill(child))
  const [printed, errors, [code]] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    once(child, 'exit'),
  ])
  assert.equal(errors.join(''), '')
  assert.equal(code, 0)
  return printed.join('')
}

/** The test ends the program, and fails, where it does not end by itself. */
const PATIENCE = { timeout: 60_000 }

describe('a program that uses Redis', { concurrency: 3 }, () => {
  for (const [name, ending] of [
    ['after it has closed its manager', 'await manager.close()'],
    ['without closing anything', ''],
  ]) {
    test(`ends by itself ${name}`, PATIENCE, async (t) => {
      const { target, port } = await startRedisServer(t)
      const script = `${POOL}
        pool().then(async ({ manager }) => {
          for (let request = 0; request < 5; request++) await manager.chat(CHAT)
          ${ending}
          console.log('served')
        })`
      assert.equal(await run(t, script, `redis://127.0.0.1:${port}`), 'served\n')
      assert.equal(await ask(target, 'EXISTS', 'orm:{default:gpt-6-luna}:line'), ':1\r\n')
    })
  }

  test('has told Redis all that it used when it has closed its manager', PATIENCE, async (t) => {
    const { target, port } = await startRedisServer(t)
    const script = `${POOL}
      pool().then(async ({ manager }) => {
        await Promise.all(Array.from({ length: 50 }, () => manager.chat(CHAT)))
        await manager.close()
        process.exit()
      })`
    await run(t, script, `redis://127.0.0.1:${port}`)
    const lanes = (await ask(target, 'KEYS', 'orm:*:lane:*')).split('\r\n').filter((word) => word.startsWith('orm:'))
    for (const lane of lanes) assert.equal(await ask(target, 'HGET', lane, 'unsettled'), '$1\r\n0\r\n')
    assert.ok(lanes.length > 0)
  })

  test('ends by itself while Redis is away, closed or not', PATIENCE, async (t) => {
    const server = await startRedisServer(t)
    await server.kill()
    const script = `${POOL}
      pool().then(async ({ manager }) => {
        await manager.chat(CHAT)
        if (process.env.CLOSE) await manager.close()
        console.log((await manager.status({ model: CHAT.model })).redis.away === null)
      })`
    const url = `redis://127.0.0.1:${server.port}`
    assert.equal(await run(t, script, url), 'false\n')
    assert.equal(await run(t, `process.env.CLOSE = '1';${script}`, url), 'false\n')
  })

  test('prints nothing and shows its password nowhere', PATIENCE, async (t) => {
    const server = await startRedisServer(t, (port) => ['--port', String(port), '--requirepass', SECRET])
    const script = `${POOL}
      const { inspect } = require('node:util')
      const shown = []
      require('node:diagnostics_channel').subscribe('openai-request-manager:warning', (told) => shown.push(told))
      pool().then(async ({ manager }) => {
        shown.push(await manager.chat(CHAT), await manager.status(), await manager.determineKey(), manager)
        const strict = (await pool({ onRedisDown: 'fail' })).manager
        process.send('ready')
        await new Promise((go) => process.once('message', go))
        for (let request = 0; request < 3; request++) {
          shown.push(await manager.chat(CHAT), await strict.chat(CHAT).catch((error) => error))
        }
        shown.push(await manager.status({ model: CHAT.model }), await strict.status().catch((error) => error))
        const text = inspect(shown, { depth: 9, showHidden: true }) + JSON.stringify(shown)
        process.send({ isShown: text.includes(${JSON.stringify(SECRET)}), text })
        process.disconnect()
      })`
    const env = { ...process.env, REDIS_URL: `redis://:${SECRET}@127.0.0.1:${server.port}` }
    const child = kept(
      spawn(process.execPath, ['-e', script], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }),
    )
    t.after(() => kill(child))
    const printed = Promise.all([child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray()))
    assert.deepEqual(await once(child, 'message'), ['ready', undefined])
    const target = { ...server.target, password: SECRET }
    assert.doesNotMatch(await ask(target, 'CLIENT', 'LIST'), new RegExp(SECRET))
    await server.kill()
    const ended = once(child, 'exit')
    child.send('go')
    const [{ isShown, text }] = await once(child, 'message')
    assert.ok(!isShown, text)
    assert.match(text, /REDIS_AWAY/)
    assert.match(text, /ERR_STORE/)
    assert.deepEqual(await ended, [0, null])
    assert.deepEqual((await printed).flat(), [])
  })

  test('goes on sharing one connection while its worker threads come and go', PATIENCE, async (t) => {
    const { port } = await startRedisServer(t)
    const worker = `${POOL}
      const { parentPort } = require('node:worker_threads')
      pool().then(async ({ manager }) => {
        for (let request = 0; request < 5; request++) await manager.chat(CHAT)
        const { redis } = await manager.status({ model: CHAT.model })
        parentPort.postMessage(redis.away)
        // One in the middle of everything.
        manager.chat(CHAT).catch(() => {})
        process.exit()
      })`
    const script = `${POOL}
      const { Worker } = require('node:worker_threads')
      const { channel } = require('node:diagnostics_channel')
      channel('openai-request-manager:warning').subscribe(({ message }) => console.log(message))
      async function thread() {
        const worker = new Worker(${JSON.stringify(worker)}, { eval: true })
        const told = []
        worker.on('message', (away) => told.push(away))
        await new Promise((resolve, reject) => worker.on('error', reject).on('exit', resolve))
        return told
      }
      async function churn() {
        // The first one opens the connection, and its thread ends.
        console.log(JSON.stringify(await thread()))
        const { manager, simulator } = await pool()
        for (let round = 0; round < 4; round++) {
          const told = await Promise.all([thread(), thread(), thread(), manager.chat(CHAT).then(() => [])])
          console.log(JSON.stringify(told.flat()))
        }
        const { redis } = await manager.status({ model: CHAT.model })
        console.log(JSON.stringify(redis.away), simulator.stats().totals.admitted)
      }
      churn()`
    const printed = await run(t, script, `redis://127.0.0.1:${port}`)
    assert.equal(printed, `[null]\n${'[null,null,null]\n'.repeat(4)}null 4\n`)
  })
})
