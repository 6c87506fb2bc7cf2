'use strict'

// What was used: the keys that other programs read, and `usage`, over all processes that share one Redis.

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const { test } = require('node:test')
const { promisify } = require('node:util')
const { Worker } = require('node:worker_threads')
const { configure, createChat, createEmbeddings, processRedis, RequestManager } = require('..')
const { ask, startRedis } = require('./support/redis.js')
const { completion, startServer } = require('./support/server.js')

const ROOT = path.join(__dirname, '..')
const CHAT = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] }
const USED = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, prompt_tokens_details: { cached_tokens: 4 } }
const run = promisify(execFile)

/** A server that answers everything with 12 tokens, and says what is left. */
async function upstream(t) {
  const server = await startServer(({ url }) => ({
    headers: { 'x-ratelimit-remaining-tokens': '29988', 'x-ratelimit-remaining-requests': '499' },
    body: url.endsWith('/embeddings')
      ? {
          object: 'list',
          data: [{ object: 'embedding', index: 0, embedding: [1] }],
          usage: { prompt_tokens: 5, total_tokens: 5 },
        }
      : completion('Hello!', USED),
  }))
  t.after(() => server.close())
  return server
}

/** The value of a key; null where it is not there. */
async function get(port, key) {
  const answer = await ask({ tcp: { host: '127.0.0.1', port } }, 'GET', key)
  return answer === '$-1\r\n' ? null : answer.split('\r\n')[1]
}

async function hash(port, key) {
  const answer = await ask({ tcp: { host: '127.0.0.1', port } }, 'HGETALL', key)
  const words = answer
    .split('\r\n')
    .slice(1)
    .filter((_, index) => index % 2 === 1)
  return Object.fromEntries(words.flatMap((word, index) => (index % 2 === 0 ? [[word, words[index + 1]]] : [])))
}

/** Asks until a key has the value. */
async function arrives(port, key, value) {
  for (;;) {
    const found = await get(port, key)
    if (found === value) return
  }
}

test('the drop-in functions write the five keys, behind the prefix of the caller’s client', {
  timeout: 60_000,
}, async (t) => {
  const [server, port] = [await upstream(t), await startRedis(t)]
  configure({ accounts: { org_1: 'sk-one' }, baseURL: server.baseURL })
  const redis = { host: '127.0.0.1', port, keyPrefix: 'app:' }
  await createChat({ text: 'Hi', model: 'gpt-4o' }, redis)
  await arrives(port, 'app:org_1:tokensUsed', '12')
  await createEmbeddings({ text: 'Hi' }, redis)
  await processRedis(100, '29000', '77', 'own type', 'org_1', redis)
  await arrives(port, 'app:org_1:tokensUsed', '117')
  for (const [key, value] of [
    ['chat:tokensUsed', '12'],
    ['chat:tokensUsed:org_1', '12'],
    ['embeddings:tokensUsed', '5'],
    ['embeddings:tokensUsed:org_1', '5'],
    ['own type:tokensUsed', '100'],
    ['own type:tokensUsed:org_1', '100'],
    ['org_1:availability:tokens', '29000'],
    ['org_1:availability:requests', '77'],
  ]) {
    await arrives(port, `app:${key}`, value)
    assert.equal(await get(port, key), null)
  }
})

test('a day is a hash that a person can read', async (t) => {
  const [server, port] = [await upstream(t), await startRedis(t)]
  const config = {
    accounts: { org_1: 'sk-one' },
    baseURL: server.baseURL,
    redis: `redis://127.0.0.1:${port}`,
    pool: 'shop',
  }
  const manager = new RequestManager(config)
  await manager.chat(CHAT)
  // Also where midnight passes meanwhile, it was counted on one of two days.
  const [{ day }] = await manager.usage({ from: new Date(Date.now() - 86_400_000), by: ['day'] })
  await manager.close()
  const row = await hash(port, `orm:{shop:usage}:${day}`)
  assert.deepEqual(row, {
    'org_1 gpt-4o chat requests': '1',
    'org_1 gpt-4o chat input_tokens': '9',
    'org_1 gpt-4o chat cached_input_tokens': '4',
    'org_1 gpt-4o chat output_tokens': '3',
    'org_1 gpt-4o chat tokens': '12',
    'org_1 gpt-4o chat nano_usd': String(5 * 2500 + 4 * 1250 + 3 * 10000),
  })
})

test('usage is that of all processes, with Redis and after close', async (t) => {
  const [server, port] = [await upstream(t), await startRedis(t)]
  const config = { accounts: { a: 'k', b: 'k' }, baseURL: server.baseURL, redis: { host: '127.0.0.1', port } }
  const [one, two] = [new RequestManager(config), new RequestManager(config)]
  const served = { accounts: ['a'] }
  await Promise.all([
    one.chat(CHAT, served),
    two.chat(CHAT, served),
    two.embed({ model: 'text-embedding-3-small', input: 'x' }, { accounts: ['b'] }),
  ])
  await two.close()
  assert.deepEqual(await one.usage({ by: ['account'] }), [
    {
      account: 'a',
      requests: 2,
      inputTokens: 18,
      cachedInputTokens: 8,
      outputTokens: 6,
      totalTokens: 24,
      cost: 2 * 0.0000475,
    },
    {
      account: 'b',
      requests: 1,
      inputTokens: 5,
      cachedInputTokens: 0,
      outputTokens: 0,
      totalTokens: 5,
      cost: 0.0000001,
    },
  ])
  const rows = await one.usage({ from: new Date(Date.now() - 86_400_000), to: new Date() })
  assert.deepEqual(
    rows.map(({ account, model, type, requests }) => [account, model, type, requests]),
    [
      ['a', 'gpt-4o', 'chat', 2],
      ['b', 'text-embedding-3-small', 'embeddings', 1],
    ],
  )
  assert.match(rows[0].day, /^\d{4}-\d\d-\d\d$/)
  assert.deepEqual(await one.usage({ to: new Date(0), by: ['day'] }), [])
})

test('without Redis usage is that of this manager', async (t) => {
  const server = await upstream(t)
  const manager = new RequestManager({ accounts: { a: 'k' }, baseURL: server.baseURL })
  assert.deepEqual(await manager.usage(), [])
  await manager.chat(CHAT)
  const [{ totalTokens, cost }] = await manager.usage({ by: [] })
  assert.deepEqual([totalTokens, cost], [12, 0.0000475])
})

test('a wrong question is named with its value and what is accepted', async () => {
  const manager = new RequestManager({ accounts: { a: 'k' } })
  for (const [query, message] of [
    [5, /`query` must be an object, got number/],
    [{ from: 5 }, /`query.from` must be a valid Date from 1970 on, got 5/],
    [{ to: new Date('x') }, /`query.to` must be a valid Date from 1970 on, got Invalid Date/],
    [{ from: new Date(0) }, /400 days in all at most, got 1970-01-01 and/],
    [{ by: 'day' }, /`query.by` must be an array, got a string/],
    [{ by: ['hour'] }, /`query.by\[0\]` must be 'day', 'account', 'model' or 'type', got "hour"/],
    [{ since: 1 }, /has no field `since`/],
  ]) {
    await assert.rejects(manager.usage(query), (error) => error.code === 'ERR_ARGUMENT' && message.test(error.message))
  }
})

test('usage that is in a Redis which is away is an error', async () => {
  const manager = new RequestManager({ accounts: { a: 'k' }, redis: 'redis://127.0.0.1:1' })
  await assert.rejects(manager.usage(), ({ code, message }) => code === 'ERR_STORE' && message.includes('127.0.0.1:1'))
})

/** Makes `requests` requests on the server and ends by itself, without waiting for the counters. */
const REQUESTS = `
  const { configure, createChat, processRedis } = require(process.env.ADDON)
  const { BASE_URL, REDIS, REQUESTS } = process.env
  configure({ accounts: { org_1: 'sk-one', org_2: 'sk-two' }, baseURL: BASE_URL })
  for (let request = 0; request < REQUESTS; request++) {
    createChat({ text: 'Hi', model: 'gpt-4o' }, REDIS).then(() => processRedis(1, null, null, 'own', 'org_2', REDIS))
  }
`

for (const [what, start] of [
  ['processes', (env) => run(process.execPath, ['-e', REQUESTS], { cwd: ROOT, env: { ...process.env, ...env } })],
  ['worker threads', (env) => once(new Worker(REQUESTS, { eval: true, env: { ...process.env, ...env } }), 'exit')],
]) {
  test(`${what} that end by themselves have counted every token once`, async (t) => {
    const [server, port] = [await upstream(t), await startRedis(t)]
    const env = { ADDON: ROOT, BASE_URL: server.baseURL, REDIS: `redis://127.0.0.1:${port}`, REQUESTS: '40' }
    await Promise.all([start(env), start(env), start(env)])
    assert.equal(server.received.length, 120)
    const [one, two] = [await get(port, 'org_1:tokensUsed'), await get(port, 'org_2:tokensUsed')]
    assert.equal(Number(one) + Number(two), 120 * 13)
    assert.equal(await get(port, 'chat:tokensUsed'), String(120 * 12))
    assert.equal(await get(port, 'own:tokensUsed:org_2'), '120')
  })
}
