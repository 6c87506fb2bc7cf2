'use strict'

// Budgets on the wire: who has spent sends nothing more, in whatever process.

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const { once } = require('node:events')
const http = require('node:http')
const path = require('node:path')
const { test } = require('node:test')
const { promisify } = require('node:util')
const { createChat, configure, RequestManager } = require('..')
const { startRedis } = require('./support/redis.js')
const { completion, startServer } = require('./support/server.js')

const ROOT = path.join(__dirname, '..')
const CHAT = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 }
const run = promisify(execFile)

/** A server that answers everything with 12 tokens; gpt-4o's prices make that 9 × 2.5 + 3 × 10 millionths of a dollar. */
async function upstream(t, answer = () => ({})) {
  const server = await startServer(answer)
  t.after(() => server.close())
  return server
}

/** Redis in the place of memory, so that the same test is about both. */
const places = [
  ['in memory', async () => undefined],
  ['in Redis', async (t) => ({ host: '127.0.0.1', port: await startRedis(t) })],
]

for (const [where, place] of places) {
  test(`the request that reaches the limit is the last, ${where}`, async (t) => {
    const [server, redis] = [await upstream(t), await place(t)]
    const accounts = [
      { label: 'a', apiKey: 'key-a', budget: { tokensPerDay: 24 } },
      { label: 'b', apiKey: 'key-b', budget: { usdPerMonth: 0.0001 } },
    ]
    const manager = new RequestManager({ accounts, baseURL: server.baseURL, redis })
    const onA = { accounts: ['a'] }
    await manager.chat(CHAT, onA)
    await manager.chat(CHAT, onA)
    const error = await manager.chat(CHAT, onA).catch((error) => error)
    assert.equal(error.code, 'ERR_BUDGET')
    assert.match(
      error.message,
      /a has spent its budget \(tokensPerDay: 24; the next period begins on \d{4}-\d\d-\d\d 00:00 UTC\)/,
    )
    assert.ok(error.retryAfterMs > 0 && error.retryAfterMs <= 86_400_000, String(error.retryAfterMs))
    assert.deepEqual(error.attempts, [])
    assert.equal(server.received.length, 2)
    // Two chats cost 0.000105 dollars; of all accounts the one that may spend is taken.
    assert.equal((await manager.chat(CHAT)).served.account, 'b')
    assert.equal((await manager.chat(CHAT)).served.account, 'b')
    await assert.rejects(manager.chat(CHAT), { code: 'ERR_BUDGET' })
    assert.deepEqual(server.keys(), ['key-a', 'key-a', 'key-b', 'key-b'])
    const { budgets, accounts: stand } = await manager.status()
    assert.deepEqual(budgets, [])
    const [[a], [b]] = stand.map((account) => account.budgets)
    assert.deepEqual([a.budget, a.limit, a.spent], ['tokensPerDay', 24, 24])
    assert.deepEqual([b.budget, b.limit, b.spent], ['usdPerMonth', 0.0001, 0.000105])
    assert.ok(a.resetsInMs > 0 && a.resetsInMs <= 86_400_000)
    assert.ok(b.resetsInMs > 0 && b.resetsInMs <= 31 * 86_400_000)
    await manager.close()
  })

  test(`requests in flight count with their estimates, and others wait for what they leave, ${where}`, async (t) => {
    const [server, redis] = [await upstream(t), await place(t)]
    const config = { accounts: { a: 'k' }, baseURL: server.baseURL, redis, budget: { tokensPerDay: 100 } }
    const manager = new RequestManager(config)
    // Each books 11 tokens or so of its prompt and up to 60 of its answer, and uses 12.
    const answers = await Promise.all(
      Array.from({ length: 9 }, () => manager.chat({ ...CHAT, max_tokens: 60 }).catch((error) => error)),
    )
    assert.equal(answers.filter((answer) => answer.code === 'ERR_BUDGET').length, 0)
    await assert.rejects(
      manager.chat(CHAT),
      ({ code, message }) => code === 'ERR_BUDGET' && message.includes('the pool has spent'),
    )
    assert.equal(server.received.length, 9)
    const { budgets } = await manager.status()
    assert.deepEqual([budgets[0].budget, budgets[0].spent], ['tokensPerDay', 108])
    await manager.close()
  })

  test(`what fails is not spent, ${where}`, async (t) => {
    const [server, redis] = [
      await upstream(t, () => ({ status: 400, body: { error: { message: 'no' } } })),
      await place(t),
    ]
    const config = { accounts: { a: 'k' }, baseURL: server.baseURL, redis, budget: { tokensPerDay: 1 } }
    const manager = new RequestManager(config)
    for (let request = 0; request < 3; request++) await assert.rejects(manager.chat(CHAT), { code: 'ERR_UPSTREAM' })
    assert.equal((await manager.status()).budgets[0].spent, 0)
    await manager.close()
  })

  test(`force does not go around a budget, ${where}`, async (t) => {
    const [server, redis] = [await upstream(t), await place(t)]
    configure({ accounts: { a: 'k' }, baseURL: server.baseURL, redis, budget: { usdPerDay: 0.00001 } })
    await createChat({ text: 'Hi', model: 'gpt-4o' }, undefined, 1)
    await assert.rejects(createChat({ text: 'Hi', model: 'gpt-4o' }, undefined, 1), { code: 'ERR_BUDGET' })
    assert.equal(server.received.length, 1)
  })
}

test('an account that has spent is no place to fail over to', async (t) => {
  const server = await upstream(t, ({ key }) =>
    key === 'key-a' ? { status: 500, body: { error: { message: 'oops' } } } : {},
  )
  const accounts = [
    { label: 'a', apiKey: 'key-a', weight: 9 },
    { label: 'b', apiKey: 'key-b', budget: { tokensPerDay: 12 } },
  ]
  const manager = new RequestManager({ accounts, baseURL: server.baseURL, maxRetries: 1 })
  assert.equal((await manager.chat(CHAT)).served.account, 'b')
  const error = await manager.chat(CHAT, { maxRetries: 0 }).catch((error) => error)
  assert.equal(error.code, 'ERR_UPSTREAM')
  assert.deepEqual(server.keys(), ['key-a', 'key-b', 'key-a'])
})

test('one that waits for a budget gives up at the end of its patience', async (t) => {
  let answer
  const server = http.createServer((_, response) => {
    answer = () => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(completion()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const baseURL = `http://127.0.0.1:${server.address().port}/v1`
  const manager = new RequestManager({ accounts: { a: 'k' }, baseURL, budget: { tokensPerDay: 10 } })
  const first = manager.chat(CHAT)
  await once(server, 'request')
  await assert.rejects(manager.chat(CHAT, { maxWaitMs: 0 }), { code: 'ERR_WAIT' })
  answer()
  await first
  await assert.rejects(manager.chat(CHAT), { code: 'ERR_BUDGET' })
})

/** Makes requests until one fails, and prints how many were served and why it ended. */
const UNTIL_SPENT = `
  const { RequestManager } = require(process.env.ADDON)
  const { BASE_URL, REDIS } = process.env
  const manager = new RequestManager({ accounts: { a: 'k', b: 'k' }, baseURL: BASE_URL, redis: REDIS, budget: { tokensPerDay: 600 } })
  const chat = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 }
  let served = 0
  async function work() {
    for (;;) {
      await manager.chat(chat)
      served++
    }
  }
  Promise.allSettled([work(), work(), work()]).then(async (ends) => {
    await manager.close()
    console.log(JSON.stringify({ served, codes: ends.map((end) => end.reason.code) }))
  })
`

test('processes spend one budget together', async (t) => {
  // Each request books 9 tokens and uses 12; of those in flight at the end nine at most do so.
  const [server, port] = [await upstream(t), await startRedis(t)]
  const env = { ...process.env, ADDON: ROOT, BASE_URL: server.baseURL, REDIS: `redis://127.0.0.1:${port}` }
  const ends = await Promise.all([1, 2, 3].map(() => run(process.execPath, ['-e', UNTIL_SPENT], { cwd: ROOT, env })))
  const results = ends.map(({ stdout }) => JSON.parse(stdout))
  for (const { codes } of results) assert.deepEqual(new Set(codes), new Set(['ERR_BUDGET']))
  const served = results.reduce((sum, result) => sum + result.served, 0)
  assert.equal(served, server.received.length)
  assert.ok(served >= 50 && served <= 50 + 9, String(served))
})

test('a wrong budget is named with its value and what is accepted', () => {
  for (const [budget, message] of [
    [{ usdPerDay: 0 }, /`config.budget.usdPerDay` must be a number above 0, got 0/],
    [
      { perDay: 5 },
      /`config.budget` has no field `perDay`; it has: usdPerDay, usdPerMonth, tokensPerDay, tokensPerMonth/,
    ],
    [5, /`config.budget` must be an object, got a number/],
  ]) {
    assert.throws(
      () => configure({ accounts: { a: 'k' }, budget }),
      (error) => error.code === 'ERR_CONFIG' && message.test(error.message),
    )
  }
})
