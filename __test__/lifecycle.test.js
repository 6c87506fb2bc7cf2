'use strict'

// How it begins and ends: loading, exit, worker threads. Each in a process of its own.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const path = require('node:path')
const { test } = require('node:test')

const ROOT = path.join(__dirname, '..')

/** Runs a script; kills it, and so fails, if it does not end by itself. */
function run(script, env = {}) {
  const ended = spawnSync(process.execPath, ['-e', script], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, ...env },
  })
  assert.equal(ended.signal, null, `killed; printed: ${ended.stdout}${ended.stderr}`)
  assert.equal(ended.stderr, '')
  assert.equal(ended.status, 0)
  return ended.stdout
}

/** Defines `pool()`: a simulator and a manager on it. */
const POOL = `
  const { RequestManager } = require('.')
  const { startSimulator } = require('./simulator.js')
  const CHAT = { model: 'gpt-6-luna', messages: [{ role: 'user', content: 'Hi' }] }
  async function pool(settings) {
    const simulator = await startSimulator(settings)
    return { simulator, manager: new RequestManager({ accounts: { a: 'k' }, baseURL: simulator.baseURL }) }
  }
`

test('a program that only loads it, configures it and looks ends by itself', () => {
  const script = `
    const { configure, determineOpenAIKey } = require('.')
    configure({ accounts: { a: 'k' } })
    determineOpenAIKey().then(({ org }) => console.log(org))`
  assert.equal(run(script), 'a\n')
})

test('an open request keeps the process alive, and nothing does after it', () => {
  const script = `${POOL}
    pool({ latencyMs: 200 }).then(({ manager }) => manager.chat(CHAT)).then(({ served }) => console.log(served.account))`
  assert.equal(run(script), 'a\n')
})

test('process.exit with requests in flight does not crash', () => {
  const script = `${POOL}
    pool({ latencyMs: 5000 }).then(({ manager, simulator }) => {
      for (let request = 0; request < 50; request++) manager.chat(CHAT)
      const timer = setInterval(() => {
        if (simulator.stats().totals.admitted === 50) process.exit(0)
      }, 1)
    })`
  assert.equal(run(script), '')
})

test('worker threads come and go without taking anything from each other', () => {
  const worker = `${POOL.replaceAll("require('.", `require('${ROOT}`)}
    const { parentPort } = require('node:worker_threads')
    pool().then(async ({ manager, simulator }) => {
      for (let request = 0; request < 5; request++) await manager.chat(CHAT)
      parentPort.postMessage(simulator.stats().totals.admitted)
      manager.chat(CHAT).catch(() => {})
      process.exit()
    })`
  const script = `
    const { Worker } = require('node:worker_threads')
    ${POOL}
    async function churn() {
      const { manager, simulator } = await pool()
      let served = 0
      for (let round = 0; round < 4; round++) {
        await Promise.all(Array.from({ length: 4 }, () => new Promise((resolve, reject) => {
          const worker = new Worker(${JSON.stringify(worker)}, { eval: true })
          worker.on('message', (count) => (served += count)).on('error', reject).on('exit', resolve)
        })))
        await manager.chat(CHAT)
      }
      console.log(served, simulator.stats().totals.admitted)
    }
    churn()`
  assert.equal(run(script), '80 4\n')
})

test('it works in a worker when the main thread never loaded it, one worker after the other', () => {
  const worker = `${POOL.replaceAll("require('.", `require('${ROOT}`)}
    pool().then(({ manager }) => manager.chat(CHAT)).then(({ served }) => console.log(served.account))`
  const script = `
    const { Worker } = require('node:worker_threads')
    const { once } = require('node:events')
    ;(async () => {
      for (let round = 0; round < 3; round++) await once(new Worker(${JSON.stringify(worker)}, { eval: true }), 'exit')
    })()`
  assert.equal(run(script), 'a\na\na\n')
})

test('worker threads that end in the middle of requests, by themselves or terminated, take nothing from those that come after', () => {
  // Memory that one thread asked for is given back by another, and the thread that loaded the addon first has ended long ago.
  const worker = (end) => `${POOL.replaceAll("require('.", `require('${ROOT}`)}
    pool().then(async ({ manager, simulator }) => {
      const answers = Array.from({ length: 40 }, () => manager.chat(CHAT).catch(() => {}))
      await answers[0]
      ${end}
    })`
  const script = `
    const { Worker } = require('node:worker_threads')
    const { once } = require('node:events')
    const workers = ${JSON.stringify([
      worker('await Promise.all(answers); await simulator.close()'),
      worker('process.exit()'),
      worker("require('node:worker_threads').parentPort.postMessage('served')"),
    ])}
    ;(async () => {
      for (let round = 0; round < 20; round++) {
        const running = workers.map((source) => new Worker(source, { eval: true }))
        running[2].once('message', () => running[2].terminate())
        await Promise.all(running.map((worker) => once(worker, 'exit')))
      }
      console.log('all ended')
    })()`
  assert.equal(run(script), 'all ended\n')
})

test('accounts come from the environment where nothing is configured', () => {
  const script = `
    const { createChat } = require('.')
    const { startSimulator } = require('./simulator.js')
    startSimulator({ accounts: [{ apiKey: 'sk-2' }] }).then(async (simulator) => {
      process.env.OPENAI_BASE_URL = simulator.baseURL
      const { org } = await createChat({ text: 'Hi', model: 'gpt-6-luna' })
      console.log(org)
    })`
  assert.equal(run(script, { OPENAI_API_KEYS: 'sk-wrong, second=sk-2' }), 'second\n')
})

test('nothing is printed, whatever happens', () => {
  const script = `${POOL}
    pool({ faults: [{ status: 500 }] }).then(({ manager }) => manager.chat(CHAT, { maxRetries: 1 }).catch(() => {}))`
  assert.equal(run(script), '')
})

test('requests, errors and aborts leave no memory behind', () => {
  const script = `${POOL}
    pool({ faults: [{ status: 400, probability: 0.2 }] }).then(async ({ manager }) => {
      const some = async (count) => {
        for (let round = 0; round < count / 50; round++) {
          await Promise.allSettled(Array.from({ length: 50 }, (_, index) => {
            if (index % 5 > 0) return manager.chat(CHAT)
            const controller = new AbortController()
            const answer = manager.chat(CHAT, { signal: controller.signal })
            controller.abort()
            return answer
          }))
        }
        gc()
        return process.memoryUsage().rss / 1e6
      }
      // Allocators take what they need for the load at first: what counts is what comes after.
      await some(12000)
      const before = await some(12000)
      const after = await some(12000)
      const { accounts } = await manager.status({ model: CHAT.model })
      // Four of five are not aborted, and four of five of those are not refused.
      if (accounts[0].requests < 36000 * 0.6) console.log('served only', accounts[0].requests)
      console.log(after - before < 12 ? 'flat' : 'grew by ' + (after - before) + ' MB')
    })`
  // V8's young generation grows with the load to tens of megabytes, which would hide what is asked for here.
  const flags = ['--expose-gc', '--max-semi-space-size=1']
  const ended = spawnSync(process.execPath, [...flags, '-e', script], { cwd: ROOT, encoding: 'utf8' })
  assert.equal(ended.stdout, 'flat\n')
})
