'use strict'

// What callers pass as `redis`, and where their requests are booked then: seen in real servers, with the packages that people use.

const assert = require('node:assert/strict')
const { once } = require('node:events')
const path = require('node:path')
const { test } = require('node:test')
const { Worker } = require('node:worker_threads')
const { RequestManager, configure, createChat, createEmbeddings, determineOpenAIKey, processRedis } = require('..')
const { makeCertificates } = require('./support/certificates.js')
const { eventually } = require('./support/eventually.js')
const { startRedisCluster } = require('./support/redis-cluster.js')
const { startRedisSentinel } = require('./support/redis-sentinel.js')
const { ask, freePort, startRedisServer } = require('./support/redis.js')
const { startServer } = require('./support/server.js')

const LOGIN = { username: 'app', password: 'pass' }
const CLUSTER_PASSWORD = 'pass'
const SENTINEL_PASSWORDS = { password: 'pass', sentinelPassword: 'watch' }

const ioredis = [5, 6].map((version) => ({ version, Redis: require(`ioredis-${version}`) }))
const nodeRedis = [4, 5, 6].map((version) => ({ version, ...require(`redis-${version}`) }))

const EMBEDDINGS = {
  object: 'list',
  data: [{ object: 'embedding', index: 0, embedding: [0.5] }],
  model: 'any',
  usage: {},
}

/** The default pool on a server that answers everything. */
async function backend(t) {
  const server = await startServer(({ url }) => (url.endsWith('/embeddings') ? { body: EMBEDDINGS } : {}))
  t.after(() => server.close())
  configure({ accounts: { acme: 'k' }, baseURL: server.baseURL })
  return server
}

/** A server on a plain port, a TLS port and a socket, with one user. */
async function startAllInOne(t) {
  const tlsPort = await freePort()
  let certificates
  const server = await startRedisServer(t, (port, folder) => {
    certificates = makeCertificates(folder)
    const places = ['--port', String(port), '--tls-port', String(tlsPort), '--unixsocket', path.join(folder, 'socket')]
    return [...places, ...certificates.words, '--user', LOGIN.username, 'on', `>${LOGIN.password}`, '~*', '&*', '+@all']
  })
  const socket = path.join(server.folder, 'socket')
  return { target: { ...server.target, ...LOGIN }, port: server.port, tlsPort, socket, ca: certificates.ca }
}

/** Where a cluster's masters have a third of the slots each. */
const KEY_OF_EACH_MASTER = ['hello', 'bar', 'foo']

const lanePattern = (model) => `orm:{default:${model}}:lane:*`
const lane = (model) => `orm:{default:${model}}:lane:acme`

/** A list of one text, as Redis writes it. */
const listOf = (text) => `*1\r\n$${text.length}\r\n${text}\r\n`

/** The numbers of the connections to a server of which this was the last command. */
async function connections(target, command) {
  const clients = (await ask(target, 'CLIENT', 'LIST')).split('\n')
  return clients.filter((line) => command.test(line)).map((line) => /\bid=(\d+)/.exec(line)[1])
}

const connectionsThatSet = (target) => connections(target, /\bcmd=set\b/)

/** Our own connections run the script. */
const ownConnections = (target) => connections(target, /\bcmd=eval(sha)?\b/)

/** A chat with this `redis` is booked in this database of this server, and in no other one. */
async function assertBooksIn(target, redis) {
  const model = `model-${++models}`
  const { output } = await createChat({ text: 'Hi', model }, redis)
  assert.equal(output.status, 200)
  assert.equal(await ask(target, 'KEYS', lanePattern(model)), listOf(lane(model)))
  if (target.database) assert.equal(await ask({ ...target, database: 0 }, 'EXISTS', lane(model)), ':0\r\n')
}

/** Each chat has a model of its own, so that no two look for the same key. */
let models = 0

/** A chat with a connected client: it is booked where the client leads, and the client does not notice. */
async function assertLeavesAlone(client, targets, run) {
  // So that the last command of its connections is known.
  for (const key of KEY_OF_EACH_MASTER) await client.set(key, 'here')
  const before = await Promise.all(targets.map(connectionsThatSet))
  await run()
  const after = await Promise.all(targets.map(connectionsThatSet))
  assert.deepEqual(after, before)
  assert.ok(before.every((connections) => connections.length > 0))
  for (const key of KEY_OF_EACH_MASTER) assert.equal(await client.get(key), 'here')
}

/** Opens clients of both libraries in every form; each `open` resolves to one that is connected, and to how it is closed. */
function clientsOfOneServer({ port, tlsPort, socket, ca }) {
  const host = '127.0.0.1'
  const forms = []
  for (const { version, Redis } of ioredis) {
    const add = (name, database, ...options) => {
      const open = async () => {
        const client = new Redis(...options)
        await once(client, 'ready')
        return [client, () => client.disconnect()]
      }
      forms.push([`a client of ioredis ${version} ${name}`, database, open])
    }
    add('with a user and a database', 3, { host, port, ...LOGIN, db: 3 })
    add('with a key prefix', 0, `redis://app:pass@${host}:${port}`, { keyPrefix: 'shop:' })
    add('on a socket', 2, socket, { ...LOGIN, db: 2 })
    add('over TLS', 1, { host, port: tlsPort, ...LOGIN, db: 1, tls: { ca } })
  }
  for (const { version, createClient, createClientPool } of nodeRedis) {
    const add = (name, database, options, create = createClient) => {
      const open = async () => {
        const client = create(options)
        await client.connect()
        return [client, () => (client.close ?? client.disconnect).call(client)]
      }
      forms.push([`a client of node-redis ${version} ${name}`, database, open])
    }
    add('with a user and a database', 3, { socket: { host, port }, ...LOGIN, database: 3 })
    add('of a URL', 4, { url: `redis://app:pass@${host}:${port}/4` })
    add('on a socket', 2, { socket: { path: socket }, ...LOGIN, database: 2 })
    add('over TLS', 1, { url: `rediss://app:pass@${host}:${tlsPort}/1`, socket: { ca } })
    if (createClientPool) add('that is a pool', 3, { url: `redis://app:pass@${host}:${port}/3` }, createClientPool)
  }
  return forms
}

test('requests are booked where their `redis` leads', async (t) => {
  await backend(t)
  const server = await startAllInOne(t)
  const { target, port, tlsPort, socket, ca } = server
  const host = '127.0.0.1'

  for (const [name, database, open] of clientsOfOneServer(server)) {
    await t.test(`${name}, which is not used and not closed`, async (t) => {
      const [client, close] = await open()
      t.after(close)
      await assertLeavesAlone(client, [target], () => assertBooksIn({ ...target, database }, client))
    })
  }

  for (const [name, database, redis] of [
    ['a URL', 5, `redis://app:pass@${host}:${port}/5`],
    ['a URL of a socket', 6, `redis+unix://app:pass@${socket}?db=6`],
    ['options of ioredis', 7, { host, port, ...LOGIN, db: 7 }],
    ['options of ioredis with TLS', 8, { host, port: tlsPort, ...LOGIN, db: 8, tls: { ca } }],
    ['options of ioredis for a socket', 9, { path: socket, ...LOGIN, db: 9 }],
    ['options of node-redis with a rediss URL', 10, { url: `rediss://app:pass@${host}:${tlsPort}/10`, socket: { ca } }],
  ]) {
    await t.test(name, () => assertBooksIn({ ...target, database }, redis))
  }

  await t.test('a rediss URL alone, where this process is told to check nothing', async (t) => {
    const { NODE_TLS_REJECT_UNAUTHORIZED: before } = process.env
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    t.after(() => {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
    })
    await assertBooksIn({ ...target, database: 11 }, `rediss://app:pass@${host}:${tlsPort}/11`)
  })

  await t.test('a client that is not connected stays so', async () => {
    const [{ Redis }] = ioredis
    const client = new Redis({ host, port, ...LOGIN, lazyConnect: true })
    await assertBooksIn(target, client)
    assert.equal(client.status, 'wait')
    const [{ createClient }] = nodeRedis
    const closed = createClient({ url: `redis://app:pass@${host}:${port}` })
    await assertBooksIn(target, closed)
    assert.equal(closed.isOpen, false)
  })
})

test('requests are booked in the cluster to which a client leads', async (t) => {
  await backend(t)
  const { masters, nodes, masterOf } = await startRedisCluster(t, { password: CLUSTER_PASSWORD })
  const targets = masters.map(({ target }) => target)
  const books = async (redis) => {
    const master = await masterOf(lane(`model-${models + 1}`))
    await assertBooksIn(master.target, redis)
  }
  for (const { version, Redis } of ioredis) {
    await t.test(`of ioredis ${version}`, async (t) => {
      // It asks for the cluster's map by itself otherwise.
      const options = { slotsRefreshInterval: 0, redisOptions: { password: CLUSTER_PASSWORD } }
      const client = new Redis.Cluster(nodes, options)
      t.after(() => client.disconnect())
      await once(client, 'ready')
      await assertLeavesAlone(client, targets, () => books(client))
    })
  }
  for (const { version, createCluster } of nodeRedis) {
    await t.test(`of node-redis ${version}`, async (t) => {
      const rootNodes = nodes.map(({ host, port }) => ({ socket: { host, port } }))
      const client = createCluster({ rootNodes, defaults: { password: CLUSTER_PASSWORD } })
      t.after(() => (client.close ?? client.disconnect).call(client))
      await client.connect()
      await assertLeavesAlone(client, targets, () => books(client))
    })
  }
})

test('requests are booked in the master to which a client with Sentinels leads', async (t) => {
  await backend(t)
  const { master, sentinel } = await startRedisSentinel(t, SENTINEL_PASSWORDS)
  const { password, sentinelPassword } = SENTINEL_PASSWORDS
  const target = { ...master.target, database: 1 }
  for (const { version, Redis } of ioredis) {
    await t.test(`of ioredis ${version}`, async (t) => {
      const client = new Redis({ sentinels: [sentinel], name: 'main', sentinelPassword, password, db: 1 })
      t.after(() => client.disconnect())
      await once(client, 'ready')
      await assertLeavesAlone(client, [target], () => assertBooksIn(target, client))
    })
  }
  for (const { version, createSentinel } of nodeRedis) {
    // Since version 5.
    if (createSentinel === undefined) continue
    await t.test(`of node-redis ${version}`, async (t) => {
      const client = createSentinel({
        name: 'main',
        sentinelRootNodes: [sentinel],
        nodeClientOptions: { password, database: 1 },
        sentinelClientOptions: { password: sentinelPassword },
      })
      t.after(() => client.close())
      await client.connect()
      await assertLeavesAlone(client, [target], () => assertBooksIn(target, client))
    })
  }
})

test('all drop-in functions use the Redis that they are given', async (t) => {
  await backend(t)
  const { target, port } = await startRedisServer(t)
  const url = `redis://127.0.0.1:${port}`
  await processRedis(100, 500, 5, 'chat', 'acme', url)
  await eventually(async () => assert.equal(await ask(target, 'EXISTS', lane('gpt-3.5-turbo')), ':1\r\n'))
  const choice = await determineOpenAIKey('acme', url)
  assert.ok(choice.availableTokens <= 500, `${choice.availableTokens}`)
  // The pool without a Redis knows nothing of it.
  assert.equal((await determineOpenAIKey('acme')).availableTokens, Number.POSITIVE_INFINITY)
  await createEmbeddings({ text: 'Hi' }, url)
  assert.equal(await ask(target, 'EXISTS', lane('text-embedding-ada-002')), ':1\r\n')
})

test('without a `redis` argument the configuration names it, else REDIS_URL', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  const { target, port } = await startRedisServer(t)
  const accounts = { acme: 'k' }
  configure({ accounts, baseURL: server.baseURL, redis: `redis://127.0.0.1:${port}/1` })
  await assertBooksIn({ ...target, database: 1 }, undefined)
  process.env.REDIS_URL = `redis://127.0.0.1:${port}/2`
  t.after(() => {
    delete process.env.REDIS_URL
  })
  configure({ accounts, baseURL: server.baseURL })
  await assertBooksIn({ ...target, database: 2 }, null)
})

test('all that lead to the same place share one connection', async (t) => {
  const upstream = await backend(t)
  const { target, port } = await startRedisServer(t)
  const url = `redis://127.0.0.1:${port}`
  const [{ Redis }] = ioredis
  const client = new Redis({ host: '127.0.0.1', port, lazyConnect: true })
  for (const redis of [url, { host: '127.0.0.1', port }, client, new URL(url).href]) await assertBooksIn(target, redis)
  const managers = ['one', 'two'].map(
    (pool) => new RequestManager({ accounts: { acme: 'k' }, baseURL: upstream.baseURL, redis: url, pool }),
  )
  const chat = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] }
  for (const manager of managers) await manager.chat(chat)
  const worker = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { RequestManager } = require(workerData.entry)
    new RequestManager(workerData.config).chat(workerData.chat).then(
      () => parentPort.postMessage('served'), (error) => parentPort.postMessage(error.message))
    parentPort.on('message', () => process.exit())`
  const config = { accounts: { acme: 'k' }, baseURL: upstream.baseURL, redis: url, pool: 'three' }
  const workerData = { entry: path.join(__dirname, '..'), config, chat }
  const thread = new Worker(worker, { eval: true, workerData })
  t.after(() => thread.terminate())
  assert.deepEqual(await once(thread, 'message'), ['served'])
  for (const pool of ['one', 'two', 'three']) {
    assert.equal(await ask(target, 'EXISTS', `orm:{${pool}:gpt-4o}:lane:acme`), ':1\r\n')
  }
  assert.equal((await ownConnections(target)).length, 1)
  thread.postMessage('end')
  await once(thread, 'exit')
  await managers[0].chat(chat)
  assert.equal((await ownConnections(target)).length, 1)
})
