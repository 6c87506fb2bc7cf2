'use strict'

// Settings that the processes of a pool share through Redis.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const { test } = require('node:test')
const { setTimeout: pause } = require('node:timers/promises')
const { RequestManager } = require('..')
const { ask, startRedis } = require('./support/redis.js')
const { startServer } = require('./support/server.js')

const CHAT = { model: 'old', messages: [{ role: 'user', content: 'Hi' }] }
const KEY = 'orm:{shop:settings}'

/** A server that says which model it was asked for, a Redis, and a configuration of both. */
async function pool(t) {
  const server = await startServer(({ body }) => ({ body: { model: body.model } }))
  t.after(() => server.close())
  const port = await startRedis(t)
  const accounts = [
    { label: 'a', apiKey: 'sk-secret-of-a', headers: { 'x-team': 'secret-team' } },
    { label: 'b', apiKey: 'sk-secret-of-b' },
  ]
  const config = { accounts, baseURL: server.baseURL, redis: `redis://127.0.0.1:${port}`, pool: 'shop' }
  return { config, server, redis: (...command) => ask({ tcp: { host: '127.0.0.1', port } }, ...command) }
}

/** Asks until it is so. */
async function until(isSo) {
  while (!(await isSo())) await pause(20)
}

async function modelSent(manager) {
  return (await manager.chat(CHAT)).model
}

async function limitOf(manager, label) {
  const { accounts } = await manager.status({ model: 'limited' })
  return accounts.find(({ account }) => account === label)?.tokensPerMinute
}

/** A process with a manager of its own; ends by itself when it has the model alias and the limit that were shared. */
async function otherProcess(config) {
  const script = `
    const { RequestManager } = require('.')
    const manager = new RequestManager(${JSON.stringify(config)})
    const look = async () => {
      const { model } = await manager.chat(${JSON.stringify(CHAT)})
      const { accounts } = await manager.status({ model: 'limited' })
      console.log(model, accounts.map(({ account, tokensPerMinute }) => account + '=' + tokensPerMinute).join())
      if (model !== 'new' || accounts.at(-1).tokensPerMinute !== 5000) setTimeout(look, 20)
    }
    look()`
  const child = spawn(process.execPath, ['-e', script], {
    cwd: path.join(__dirname, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = []
  child.stdout.setEncoding('utf8').on('data', (text) => lines.push(...text.trim().split('\n')))
  const ended = once(child, 'close')
  return {
    looked: () => (lines.length > 0 ? undefined : once(child.stdout, 'data')),
    /** The last that it saw. */
    async end() {
      const [code] = await ended
      assert.equal(code, 0)
      return lines.at(-1)
    },
  }
}

test('what is shared reaches a running process and one that starts later, without accounts that they do not have', async (t) => {
  const { config, redis } = await pool(t)
  const manager = new RequestManager(config)
  const running = await otherProcess(config)
  await running.looked()
  const limits = { limited: { tokensPerMinute: 5000 } }
  const accounts = ['a', 'b'].map((label) => ({ label, limits }))
  await manager.update({ accounts, modelAliases: { old: 'new' } }, { everywhere: true })
  assert.equal(await modelSent(manager), 'new')
  assert.equal(await limitOf(manager, 'b'), 5000)
  assert.equal(await running.end(), 'new a=5000,b=5000')
  const later = await otherProcess({
    ...config,
    accounts: [{ label: 'c', apiKey: 'sk-secret-of-c' }, config.accounts[1]],
  })
  assert.equal(await later.end(), 'new c=null,b=5000')
  assert.match(
    await redis('HGET', KEY, 'account:b:limits'),
    /^\$\d+\r\n1 \{"limited":\{"tokensPerMinute":5000\}\}\r\n$/,
  )
})

test('no secret is in Redis, and nothing that says where requests go', async (t) => {
  const { config, redis } = await pool(t)
  const manager = new RequestManager(config)
  await manager.chat(CHAT)
  const refused = [
    ['accounts[0].apiKey', { accounts: [{ label: 'a', weight: 2, apiKey: 'sk-secret-new' }] }],
    ['accounts[0].headers', { accounts: [{ label: 'a', headers: { 'x-a': 'secret' } }] }],
    ['accounts[0].baseURL', { accounts: [{ label: 'a', baseURL: 'http://secret' }] }],
    ['accounts[0].organization', { accounts: [{ label: 'a', organization: 'secret' }] }],
    ['accounts[0].project', { accounts: [{ label: 'a', project: 'secret' }] }],
    ['accounts[0].quotaGroup', { accounts: [{ label: 'a', quotaGroup: 'secret' }] }],
    ['accounts', { accounts: { a: 'sk-secret-new' } }],
    ['baseURL', { baseURL: 'http://secret', maxWaitMs: 5 }],
    ['timeoutsMs', { timeoutsMs: { idle: 5 } }],
    ['accounts[1].label', { accounts: [{ label: 'a', weight: 2 }, { label: 'new' }] }],
    ['accounts[0].weight', { accounts: [{ label: 'a', weight: 0 }], maxWaitMs: 7 }],
  ]
  for (const [name, changes] of refused) {
    const error = await manager.update(changes, { everywhere: true }).catch((error) => error)
    assert.equal(error.code, 'ERR_CONFIG', name)
    assert.ok(error.message.startsWith(`\`changes.${name}\` `), error.message)
    assert.doesNotMatch(error.message, /secret/)
  }
  assert.equal(await redis('EXISTS', KEY), ':0\r\n')
  await manager.update({ accounts: [{ label: 'a', apiKey: 'sk-secret-new' }, { label: 'b' }] })
  await manager.update({ maxRetries: 2, accounts: [{ label: 'a', weight: 2 }] }, { everywhere: true })
  await manager.chat(CHAT)
  await manager.close()
  const keys = (await redis('KEYS', '*')).split('\r\n').filter((word) => word.startsWith('orm:'))
  assert.ok(keys.includes(KEY) && keys.length > 1, String(keys))
  const contents = await Promise.all(keys.map(async (key) => [await redis('HGETALL', key), await redis('GET', key)]))
  assert.doesNotMatch(`${keys} ${contents}`, /secret|127\.0\.0\.1/)
})

test('later changes go over earlier ones field by field, and what a process changes for itself stays', async (t) => {
  const { config } = await pool(t)
  const [one, other] = [new RequestManager(config), new RequestManager(config)]
  const share = (manager, changes) => manager.update(changes, { everywhere: true })
  await share(one, {
    modelAliases: { old: 'first' },
    accounts: [{ label: 'a', limits: { limited: { tokensPerMinute: 7 } } }],
  })
  await until(async () => (await modelSent(other)) === 'first')
  assert.equal(await limitOf(other, 'a'), 7)
  await other.update({ modelAliases: { old: 'own' } })
  await Promise.all([
    share(one, { accounts: [{ label: 'a', limits: { limited: { tokensPerMinute: 8 } } }] }),
    share(other, { accounts: [{ label: 'b', limits: { limited: { tokensPerMinute: 9 } } }] }),
  ])
  for (const manager of [one, other]) {
    await until(async () => (await limitOf(manager, 'a')) === 8 && (await limitOf(manager, 'b')) === 9)
  }
  assert.deepEqual([await modelSent(one), await modelSent(other)], ['first', 'own'])
  await share(one, { modelAliases: null })
  await until(async () => (await modelSent(other)) === 'old')
})

test('what cannot be used in Redis is passed over', async (t) => {
  const { config, server, redis } = await pool(t)
  const [one, other] = [new RequestManager(config), new RequestManager(config)]
  const broken = {
    version: '7',
    maxWaitMs: '7 -1',
    maxRetries: 'nothing',
    modelAliases: '7 {"old":',
    accounts: '7 {"a":"sk-stolen"}',
    baseURL: '7 "http://elsewhere"',
    'account:a:apiKey': '7 "sk-stolen"',
    'account:a:baseURL': '7 "http://elsewhere"',
    'account:a:weight': '7 "heavy"',
    'account:nobody:weight': '7 2',
    'account:a': '7 {}',
    prices: '7 {"old":{"input":2,"output":2}}',
  }
  await redis('HSET', KEY, ...Object.entries(broken).flat())
  assert.equal(await modelSent(one), 'old')
  await other.update({ modelAliases: { old: 'new' } }, { everywhere: true })
  await until(async () => (await modelSent(one)) === 'new')
  assert.equal((await one.chat(CHAT, { accounts: ['a'] })).served.account, 'a')
  const ours = config.accounts.map(({ apiKey }) => apiKey)
  assert.ok(server.keys().every((key) => ours.includes(key)))
})

test('an account that is added has its lane in Redis under its name', async (t) => {
  const { config, redis } = await pool(t)
  const manager = new RequestManager(config)
  await manager.chat(CHAT)
  await manager.update({ accounts: [{ label: 'b' }, { label: 'c', apiKey: 'sk-secret-of-c' }] })
  await manager.chat(CHAT, { accounts: ['c'] })
  await manager.close()
  await until(async () => (await redis('HGET', 'orm:{shop:old}:lane:c', 'answers')) === '$1\r\n1\r\n')
})

test('where Redis is away nothing is changed', async (t) => {
  const { config } = await pool(t)
  // Nobody listens there.
  const manager = new RequestManager({ ...config, redis: 'redis://127.0.0.1:1' })
  const error = await manager.update({ maxWaitMs: 5 }, { everywhere: true }).catch((error) => error)
  assert.equal(error.code, 'ERR_STORE')
  assert.match(error.message, /^The changes were not shared, and nothing is changed here: .*127\.0\.0\.1:1/)
  await manager.update({ maxWaitMs: 5 })
})
