'use strict'

// The `redis` argument in every form, read from the packages that people use. What it leads to is the JSON that the native side takes;
// fixtures/redis-targets.json holds what both sides agree on.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { generateKeyPairSync } = require('node:crypto')
const path = require('node:path')
const { test } = require('node:test')
const { createChat } = require('..')
const { redisTarget } = require('../js/redis-source.js')
const examples = require('./fixtures/redis-targets.json')
const { ask, startRedis } = require('./support/redis.js')

const ADDRESS = { host: 'redis.test', port: 6390 }
const LOGIN = { username: 'app', password: 'p@ss:/w%rd' }
const URL_OF_EVERYTHING = 'redis://app:p%40ss%3A%2Fw%25rd@redis.test:6390/3'
const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'

const ioredis = [5, 6].map((version) => ({ version, Redis: require(`ioredis-${version}`) }))
const nodeRedis = [4, 5, 6].map((version) => ({ version, ...require(`redis-${version}`) }))

function leadsTo(value, name) {
  assert.deepEqual(redisTarget(value), examples[name].target)
}

function refuses(value, message) {
  assert.throws(
    () => redisTarget(value),
    (error) => {
      assert.ok(error instanceof TypeError)
      assert.equal(error.code, 'ERR_ARGUMENT')
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /hidden/)
      return true
    },
  )
}

for (const [url, name] of [
  ['redis://', 'localhost'],
  ['redis://localhost', 'localhost'],
  ['REDIS://localhost:6379/0', 'localhost'],
  [URL_OF_EVERYTHING, 'everything'],
  ['redis://app:p%40ss%3A%2Fw%25rd@redis.test:6390?db=3', 'everything'],
  [`${URL_OF_EVERYTHING}?keyPrefix=app:`, 'prefixed'],
  ['unix:///run/redis.sock?db=2&password=pass', 'unix'],
  ['unix://:pass@/run/redis.sock?db=2', 'unix'],
  ['redis+unix:///run/redis.sock?db=2&pass=pass', 'unix'],
  ['rediss+unix:///run/redis.sock?db=2&pass=pass', 'unix'],
  ['rediss://redis.test', 'tls'],
]) {
  test(`the URL ${url} leads to its server`, () => leadsTo(url, name))
}

test('an IPv6 address in a URL loses its brackets', () => {
  assert.deepEqual(redisTarget('redis://[::1]:1'), { tcp: { host: '::1', port: 1 } })
})

test('nothing leads to REDIS_URL if that is set', () => {
  const run = (url) => {
    const code = `process.stdout.write(JSON.stringify(require('./js/redis-source.js').redisTarget()))`
    const env = { ...process.env, REDIS_URL: url }
    return spawnSync(process.execPath, ['-e', code], { cwd: path.join(__dirname, '..'), env, encoding: 'utf8' })
  }
  assert.deepEqual(JSON.parse(run('rediss://redis.test').stdout), examples.tls.target)
  assert.equal(run('').stdout, 'null')
  const { stderr } = run('http://:hidden@redis.test')
  assert.match(stderr, /REDIS_URL must begin with redis:\/\//)
  assert.doesNotMatch(stderr, /hidden/)
})

for (const [value, message] of [
  ['redis://user:hidden@host:port', /`redis` must be a URL such as/],
  ['redis://:%zz@hidden', /`redis` must be a URL such as/],
  ['unix://no-path-hidden', /`redis` must be a URL such as/],
  ['redis://user:1/hidden@host', /a database that is no number/],
  ['http://:hidden@host', /`redis` must be an ioredis client.*got a string/],
  [{ host: 'h', port: 70_000 }, /no port: 70000/],
  [{ host: 'h', db: -1 }, /database that is no number from 0 up: -1/],
  [{ host: 'h', password: ['hidden'] }, /a password that is no string but an array/],
  [{ host: 'h', password: () => 'hidden' }, /a password that is a function/],
  [{ host: 'h', Connector: class {} }, /`Connector` of its own/],
  [{ host: 'h', tls: 'RedisCloudFixed' }, /name of a profile/],
  [{ host: 'h', tls: { pfx: 'hidden' } }, /`tls.pfx`, which only Node can use/],
  [{ host: 'h', tls: { key: 'hidden', passphrase: 'hidden' } }, /does not open/],
  [{ sentinels: [], name: 'main' }, /names no server/],
  [{ sentinels: [{ host: 'h' }] }, /without the `name`/],
  [{ rootNodes: [] }, /names no server/],
  [{ socket: {}, credentialsProvider: { type: 'streaming-credentials-provider' } }, /`credentialsProvider`/],
  [{ url: 'nonsense-hidden' }, /`redis.url` must be a URL/],
  [Object.assign(() => {}, ADDRESS), /got a function/],
  [{ sendCommand() {}, on() {} }, /got an object of Object/],
]) {
  test(`${JSON.stringify(value) ?? 'a function'} is refused: ${message.source}`, () => refuses(value, message))
}

test('a refusal reaches the caller of createChat, and nothing is sent', async () => {
  await assert.rejects(createChat({ text: 'Hi' }, { host: 'h', password: () => 'hidden' }), {
    name: 'TypeError',
    code: 'ERR_ARGUMENT',
  })
})

test('options of ioredis and of node-redis lead to their servers', () => {
  leadsTo({ ...ADDRESS, ...LOGIN, db: '3', keyPrefix: 'app:' }, 'prefixed')
  leadsTo({ path: '/run/redis.sock', password: 'pass', db: 2 }, 'unix')
  leadsTo({ url: URL_OF_EVERYTHING }, 'everything')
  leadsTo({ socket: ADDRESS, ...LOGIN, database: 3, keyPrefix: Buffer.from('app:') }, 'prefixed')
})

test('what Node checks of a server is checked of it, and what it is shown is shown', () => {
  const tlsOf = (tls) => redisTarget({ host: 'h', tls }).tls
  assert.deepEqual(tlsOf({ ca: Buffer.from(CERTIFICATE), servername: 'redis.test' }), {
    ca: CERTIFICATE,
    serverName: 'redis.test',
    check: 'full',
  })
  assert.equal(tlsOf({ ca: [CERTIFICATE, Buffer.from(CERTIFICATE)] }).ca, `${CERTIFICATE}\n${CERTIFICATE}`)
  assert.equal(tlsOf({ rejectUnauthorized: false }).check, 'nothing')
  assert.equal(tlsOf({ checkServerIdentity: () => undefined }).check, 'anyName')
  // One that looks at the certificate is no reason to check less.
  assert.equal(tlsOf({ checkServerIdentity: require('node:tls').checkServerIdentity }).check, 'full')
  assert.deepEqual(tlsOf({ cert: CERTIFICATE, key: [{ pem: 'key' }] }), {
    cert: CERTIFICATE,
    key: 'key',
    check: 'full',
  })
})

test('a key with a passphrase is opened', () => {
  const cipher = { cipher: 'aes-256-cbc', passphrase: 'pass' }
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', ...cipher },
  })
  const { key } = redisTarget({ host: 'h', tls: { cert: CERTIFICATE, key: privateKey, passphrase: 'pass' } }).tls
  assert.match(key, /^-----BEGIN PRIVATE KEY-----/)
})

for (const { version, Redis } of ioredis) {
  const lazy = { lazyConnect: true }

  test(`clients of ioredis ${version} lead to their servers`, () => {
    leadsTo(new Redis(lazy), 'localhost')
    leadsTo(new Redis(URL_OF_EVERYTHING, lazy), 'everything')
    leadsTo(new Redis({ ...lazy, ...ADDRESS, ...LOGIN, db: 3, keyPrefix: 'app:' }), 'prefixed')
    leadsTo(new Redis('/run/redis.sock', { ...lazy, password: 'pass', db: 2 }), 'unix')
    leadsTo(new Redis('rediss://redis.test', lazy), 'tls')
    const tls = { servername: 'redis.test', rejectUnauthorized: false }
    leadsTo(new Redis(6380, '10.0.0.1', { ...lazy, password: 'pass', tls }), 'tls to a named server')
  })

  test(`a client of ioredis ${version} with Sentinels leads to them`, () => {
    const sentinels = [{ host: 's1.test' }, { host: 's2.test', port: 26380 }]
    const watcher = { sentinelUsername: 'watcher', sentinelPassword: 'watch' }
    const options = { ...lazy, sentinels, name: 'main', ...watcher, username: 'app', password: 'pass', db: 1 }
    leadsTo(new Redis(options), 'sentinel')
    // Without the option beside it, ioredis itself takes `tls` for nothing.
    leadsTo(new Redis({ ...options, tls: {} }), 'sentinel')
    const both = redisTarget(new Redis({ ...options, tls: {}, enableTLSForSentinelMode: true, sentinelTLS: {} }))
    assert.deepEqual([both.tls, both.sentinel.tls], [{ check: 'full' }, { check: 'full' }])
  })

  test(`a cluster of ioredis ${version} leads to its nodes`, () => {
    const redisOptions = { username: 'app', password: 'pass' }
    for (const nodes of [
      [{ host: 'c1.test', port: 7001 }, 'redis://c2.test:7002'],
      ['c1.test:7001', { host: 'c2.test', port: 7002 }],
    ]) {
      leadsTo(new Redis.Cluster(nodes, { ...lazy, redisOptions }), 'cluster')
    }
    const own = [{ host: 'c1.test', port: 7001, ...redisOptions }, 'redis://c2.test:7002']
    leadsTo(new Redis.Cluster(own, lazy), 'cluster')
    const prefixed = new Redis.Cluster([7001], { ...lazy, keyPrefix: 'app:', redisOptions: { tls: {} } })
    assert.deepEqual(redisTarget(prefixed), {
      cluster: [{ host: 'localhost', port: 7001 }],
      tls: { check: 'full' },
      keyPrefix: 'app:',
    })
  })

  test(`a server answers where a client of ioredis ${version} leads`, async (t) => {
    const port = await startRedis(t, ['--user', 'app', 'on', '>pass', '~*', '&*', '+@all'])
    const client = new Redis({ port, host: '127.0.0.1', username: 'app', password: 'pass', db: 3, keyPrefix: 'app:' })
    try {
      await client.set('greeting', `ioredis ${version}`)
      const target = redisTarget(client)
      assert.match(await ask(target, 'GET', `${target.keyPrefix}greeting`), new RegExp(`ioredis ${version}`))
      assert.match(await ask(target, 'ACL', 'WHOAMI'), /app/)
      assert.equal(client.status, 'ready')
      assert.equal(redisTarget(client), target)
    } finally {
      await client.quit()
    }
  })
}

for (const { version, createClient, createCluster, createSentinel, createClientPool } of nodeRedis) {
  test(`clients of node-redis ${version} lead to their servers`, () => {
    leadsTo(createClient(), 'localhost')
    leadsTo(createClient({ url: URL_OF_EVERYTHING }), 'everything')
    leadsTo(createClient({ socket: { ...ADDRESS }, ...LOGIN, database: 3 }), 'everything')
    leadsTo(createClient({ socket: { path: '/run/redis.sock' }, password: 'pass', database: 2 }), 'unix')
    leadsTo(createClient({ url: 'rediss://redis.test' }), 'tls')
    const tls = { tls: true, servername: 'redis.test', rejectUnauthorized: false }
    leadsTo(
      createClient({ socket: { host: '10.0.0.1', port: 6380, ...tls }, password: 'pass' }),
      'tls to a named server',
    )
  })

  test(`a cluster of node-redis ${version} leads to its nodes`, () => {
    const rootNodes = [{ url: 'redis://c1.test:7001' }, { socket: { host: 'c2.test', port: 7002 } }]
    const login = { username: 'app', password: 'pass' }
    const cluster = createCluster({ rootNodes, defaults: login })
    const itsClass = cluster.constructor
    leadsTo(cluster, 'cluster')
    leadsTo({ rootNodes, defaults: login }, 'cluster')
    leadsTo(createCluster({ rootNodes: rootNodes.map((node) => ({ ...node, ...login })) }), 'cluster')
    assert.equal(cluster.constructor, itsClass)
    const secret = createCluster({ rootNodes: [{ url: 'rediss://c1.test' }], defaults: {} })
    assert.deepEqual(redisTarget(secret), { cluster: [{ host: 'c1.test', port: 6379 }], tls: { check: 'full' } })
  })

  test(`a client of node-redis ${version} with a provider of passwords is refused`, () => {
    const credentialsProvider = {
      type: 'async-credentials-provider',
      credentials: async () => ({ password: 'hidden' }),
    }
    refuses(createClient({ credentialsProvider }), /`credentialsProvider`/)
  })

  test(`a server answers where a client of node-redis ${version} leads`, async (t) => {
    const port = await startRedis(t, ['--user', 'app', 'on', '>pass', '~*', '&*', '+@all'])
    const client = createClient({ url: `redis://app:pass@127.0.0.1:${port}/3` })
    await client.connect()
    try {
      await client.set('greeting', `node-redis ${version}`)
      const target = redisTarget(client)
      assert.match(await ask(target, 'GET', 'greeting'), new RegExp(`node-redis ${version}`))
      assert.match(await ask(target, 'ACL', 'WHOAMI'), /app/)
      assert.ok(client.isReady)
      assert.equal(redisTarget(client), target)
    } finally {
      await client.disconnect()
    }
  })

  // Since version 5.
  if (createSentinel === undefined) continue

  test(`a Sentinel client of node-redis ${version} leads to its Sentinels`, () => {
    const options = {
      name: 'main',
      sentinelRootNodes: [
        { host: 's1.test', port: 26379 },
        { host: 's2.test', port: 26380 },
      ],
      nodeClientOptions: { username: 'app', password: 'pass', database: 1 },
      sentinelClientOptions: { username: 'watcher', password: 'watch' },
    }
    leadsTo(createSentinel(options), 'sentinel')
    leadsTo(options, 'sentinel')
  })

  test(`a pool of node-redis ${version} leads where its clients lead`, () => {
    leadsTo(createClientPool(), 'localhost')
    leadsTo(createClientPool({ url: URL_OF_EVERYTHING }), 'everything')
    leadsTo(createClientPool({ url: 'rediss://redis.test' }).withTypeMapping({}), 'tls')
  })
}

test('a key prefix of node-redis 6 is carried over', () => {
  const { createClient, createCluster, createSentinel, createClientPool } = nodeRedis.at(-1)
  const prefixOf = (client) => redisTarget(client).keyPrefix
  const url = 'redis://redis.test'
  const keyPrefix = 'app:'
  assert.equal(prefixOf(createClient({ url, keyPrefix })), keyPrefix)
  assert.equal(prefixOf(createClientPool({ url, keyPrefix })), keyPrefix)
  assert.equal(prefixOf(createCluster({ rootNodes: [{ url }], keyPrefix })), keyPrefix)
  const sentinelRootNodes = [{ host: 's', port: 1 }]
  assert.equal(prefixOf(createSentinel({ name: 'main', sentinelRootNodes, keyPrefix })), keyPrefix)
})

test('a client in a worker is read as well', async () => {
  const { Worker } = require('node:worker_threads')
  const code = `
    const { createClientPool } = require('redis-6')
    const { redisTarget } = require('./js/redis-source.js')
    require('node:worker_threads').parentPort.postMessage(redisTarget(createClientPool({ url: 'rediss://redis.test' })))`
  const worker = new Worker(code, { eval: true })
  const [target] = await require('node:events').once(worker, 'message')
  assert.deepEqual(target, examples.tls.target)
  await worker.terminate()
})
