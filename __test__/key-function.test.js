'use strict'

// Keys that functions give: asked when they are needed, once for all, and again after a 401.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const path = require('node:path')
const { inspect } = require('node:util')
const { test } = require('node:test')
const { RequestManager, configure, createChat, determineOpenAIKey } = require('..')
const { startServer } = require('./support/server.js')

const CHAT = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] }
const REFUSED = { status: 401, body: { error: { code: '401', message: 'Access denied' } } }

/** A server that takes only these keys, at first. */
async function startTaking(t, ...keys) {
  const taken = new Set(keys)
  const server = await startServer(({ key }) => (taken.has(key) ? {} : REFUSED))
  t.after(() => server.close())
  return { ...server, taken }
}

/** A function that gives keys in turn, the last one again and again, and counts. */
function giving(...keys) {
  const give = async () => keys[Math.min(give.asked++, keys.length - 1)]
  give.asked = 0
  return give
}

/** A function that gives a key when the test says so. */
function holding() {
  const hold = () =>
    new Promise((resolve, reject) => {
      hold.asked++
      hold.give = resolve
      hold.fail = reject
    })
  hold.asked = 0
  return hold
}

function summary(attempts) {
  return attempts.map(({ account, outcome, status }) => `${account} ${outcome} ${status}`)
}

async function until(condition) {
  while (!(await condition())) await new Promise(setImmediate)
}

test('a function is asked before the first request, once for all, and for no request after it', async (t) => {
  const server = await startTaking(t, 'one')
  const apiKey = holding()
  const manager = new RequestManager({ accounts: [{ label: 'a', apiKey }], baseURL: server.baseURL })
  assert.equal(apiKey.asked, 0)
  const chats = Array.from({ length: 8 }, () => manager.chat(CHAT))
  await until(() => apiKey.asked === 1)
  apiKey.give('one')
  for (const chat of chats) assert.deepEqual(summary((await chat).served.attempts), ['a ok 200'])
  await manager.chat(CHAT)
  assert.equal(apiKey.asked, 1)
  assert.deepEqual(new Set(server.keys()), new Set(['one']))
})

test('a function that gives a string at once will do, also in the place of a key by label', async (t) => {
  const server = await startTaking(t, 'one')
  configure({ accounts: { a: () => 'one' }, baseURL: server.baseURL })
  await createChat({ text: 'Hi', model: 'gpt-4o' })
  assert.equal((await determineOpenAIKey()).apiKey, 'one')
  assert.deepEqual(server.keys(), ['one'])
})

test('after a 401 it is asked again, and the request served by the same account', async (t) => {
  const server = await startTaking(t, 'one')
  const apiKey = giving('one', 'two')
  const accounts = [
    { label: 'a', apiKey, weight: 2 },
    { label: 'b', apiKey: 'one' },
  ]
  const manager = new RequestManager({ accounts, baseURL: server.baseURL })
  await manager.chat(CHAT, { accounts: ['a'] })
  server.taken.add('two').delete('one')
  const { served } = await manager.chat(CHAT, { accounts: ['a'], maxRetries: 0 })
  assert.deepEqual(summary(served.attempts), ['a key_refused 401', 'a ok 200'])
  const [{ parked, inFlight }] = (await manager.status({ model: 'gpt-4o' })).accounts
  assert.deepEqual([parked, inFlight], [null, 0])
  assert.deepEqual(server.keys(), ['one', 'one', 'two'])
})

test('requests that are refused together ask once', async (t) => {
  const apiKey = giving('one', 'two')
  let arrived = 0
  let isOld = false
  const server = await startServer(({ key }) => {
    arrived++
    return isOld && key === 'one' ? REFUSED : {}
  })
  t.after(() => server.close())
  const manager = new RequestManager({ accounts: [{ label: 'a', apiKey }], baseURL: server.baseURL })
  // So that the lane is wide.
  for (let request = 0; request < 8; request++) await manager.chat(CHAT)
  isOld = true
  const answers = await Promise.all(Array.from({ length: 8 }, () => manager.chat(CHAT)))
  for (const { served } of answers) assert.equal(served.attempts.at(-1).outcome, 'ok')
  assert.equal(apiKey.asked, 2)
  assert.ok(arrived > 16)
})

test('a function that gives the refused key again parks the account, and another one serves', async (t) => {
  const server = await startTaking(t, 'good')
  const apiKey = giving('bad')
  const accounts = [
    { label: 'a', apiKey, weight: 2 },
    { label: 'b', apiKey: 'good' },
  ]
  const manager = new RequestManager({ accounts, baseURL: server.baseURL })
  assert.deepEqual(summary((await manager.chat(CHAT)).served.attempts), ['a key_refused 401', 'b ok 200'])
  assert.deepEqual(summary((await manager.chat(CHAT)).served.attempts), ['b ok 200'])
  assert.equal(apiKey.asked, 2)
  assert.equal((await manager.status({ model: 'gpt-4o' })).accounts[0].parked.because, 'key_refused')
  await assert.rejects(manager.chat(CHAT, { accounts: ['a'] }), { code: 'ERR_NO_ACCOUNT' })
})

const SECRET = 'verysecret0123456789verysecret0123456789'

for (const [name, apiKey, why] of [
  ['rejects', async () => Promise.reject(new TypeError('vault is closed')), 'TypeError: vault is closed'],
  [
    'throws',
    () => {
      throw new Error(`vault is closed for ${SECRET}`)
    },
    'Error: vault is closed for …',
  ],
  ['throws no error', () => Promise.reject({ secret: SECRET }), 'it threw object'],
  ['rejects with a text', () => Promise.reject('no'), 'no'],
  [
    'rejects with what cannot be looked at',
    () =>
      Promise.reject({
        get message() {
          throw new Error(SECRET)
        },
      }),
    'it threw object',
  ],
  ['gives a number', async () => 5, 'it gave number and not a string'],
  ['gives nothing', () => {}, 'it gave undefined and not a string'],
  ['gives null', () => null, 'it gave null and not a string'],
  ['gives an empty key', () => '', 'its key must not be empty'],
  ['gives a key that fits no header', () => `${SECRET}\n`, /^its key must be printable ASCII/],
]) {
  test(`where a function ${name}, other accounts serve, and without one the error says why`, async (t) => {
    const server = await startTaking(t, 'good')
    const accounts = [
      { label: 'a', apiKey, weight: 2 },
      { label: 'b', apiKey: 'good' },
    ]
    const manager = new RequestManager({ accounts, baseURL: server.baseURL })
    assert.deepEqual(summary((await manager.chat(CHAT)).served.attempts), ['b ok 200'])
    assert.equal((await manager.determineKey()).org, 'b')
    const only = new RequestManager({ accounts: [accounts[0]], baseURL: server.baseURL })
    for (let request = 0; request < 2; request++) {
      const error = await only.chat(CHAT).catch((error) => error)
      assert.equal(error.code, 'ERR_NO_ACCOUNT')
      const [, reason] = /: a is parked \(key_refused: its key function failed: (.*); asked again in 60 s\)$/.exec(
        error.message,
      )
      assert.match(reason, why instanceof RegExp ? why : new RegExp(`^${why.replace(/[.()]/g, '\\$&')}$`))
      assert.ok(error.retryAfterMs > 50_000)
      assert.deepEqual(error.attempts, [])
      assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }) + error.stack, /verysecret/)
    }
    await assert.rejects(only.determineKey(), {
      code: 'ERR_NO_ACCOUNT',
      message: /^no account has a key: a: its key function failed: /,
    })
    assert.equal(server.received.length, 1)
  })
}

test('a failure after a 401 is the server’s error first, and is told to those who come later', async (t) => {
  const server = await startTaking(t)
  const keys = ['old']
  const apiKey = async () => keys.pop() ?? Promise.reject(new Error('vault is closed'))
  const manager = new RequestManager({ accounts: [{ label: 'a', apiKey }], baseURL: server.baseURL })
  const error = await manager.chat(CHAT).catch((error) => error)
  assert.deepEqual([error.code, error.status], ['ERR_UPSTREAM', 401])
  await assert.rejects(manager.chat(CHAT), {
    code: 'ERR_NO_ACCOUNT',
    message: /its key function failed: Error: vault is closed/,
  })
})

test('an abort while a key is fetched rejects at once, gives back its place, and the key is there for others', async (t) => {
  const server = await startTaking(t, 'one')
  const apiKey = holding()
  const accounts = [{ label: 'a', apiKey, maxConcurrency: 1 }]
  const manager = new RequestManager({ accounts, baseURL: server.baseURL })
  const abort = new AbortController()
  const aborted = manager.chat(CHAT, { signal: abort.signal })
  await until(() => apiKey.asked === 1)
  abort.abort(new Error('enough'))
  await assert.rejects(aborted, /enough/)
  const served = manager.chat(CHAT)
  apiKey.give('one')
  assert.deepEqual(summary((await served).served.attempts), ['a ok 200'])
  assert.equal(apiKey.asked, 1)
})

test('timeoutsMs.total bounds the wait for a key', async (t) => {
  const server = await startTaking(t)
  const accounts = [{ label: 'a', apiKey: () => new Promise(() => {}) }]
  const manager = new RequestManager({ accounts, baseURL: server.baseURL })
  await assert.rejects(manager.chat(CHAT, { timeoutsMs: { total: 50 } }), { code: 'ERR_TIMEOUT' })
})

test('update replaces a key by a function, a function by another, and a function by a key', async (t) => {
  const server = await startTaking(t, 'one', 'two', 'three')
  const manager = new RequestManager({ accounts: { a: 'bad' }, baseURL: server.baseURL })
  await assert.rejects(manager.chat(CHAT), { status: 401 })
  const first = giving('one')
  await manager.update({ accounts: [{ label: 'a', apiKey: first }] })
  await manager.chat(CHAT)
  // What is not named stays, and so does the same function.
  await manager.update({ accounts: [{ label: 'a', weight: 2 }] })
  await manager.update({ accounts: { a: first } })
  await assert.rejects(manager.update({ accounts: [{ label: 'a', apiKey: giving('wrong'), weight: 0 }] }))
  await manager.chat(CHAT)
  assert.equal(first.asked, 1)
  await Promise.all([
    manager.update({ accounts: { a: giving('two') } }),
    manager.update({ accounts: { a: giving('two') } }),
  ])
  await manager.chat(CHAT)
  await manager.update({ accounts: { a: 'three' } })
  await manager.chat(CHAT)
  assert.deepEqual(server.keys(), ['bad', 'one', 'one', 'two', 'three'])
})

test('a request that waits for the key of a function which is replaced takes the new one', async (t) => {
  const server = await startTaking(t, 'new')
  const old = holding()
  const manager = new RequestManager({ accounts: { a: old }, baseURL: server.baseURL })
  const chat = manager.chat(CHAT)
  await until(() => old.asked === 1)
  await manager.update({ accounts: { a: giving('new') } })
  old.fail(new Error('too late'))
  assert.deepEqual(summary((await chat).served.attempts), ['a ok 200'])
  assert.deepEqual(server.keys(), ['new'])
})

test('on Azure a function’s value is a token, and no function is shared through Redis', async (t) => {
  const server = await startTaking(t, 'token-1')
  const account = { label: 'az', kind: 'azure', baseURL: server.baseURL.replace('/v1', ''), apiKey: giving('token-1') }
  const manager = new RequestManager({ accounts: [account] })
  await manager.chat(CHAT)
  const [{ url, headers }] = server.received
  assert.deepEqual(
    [url, headers.authorization, headers['api-key']],
    ['/openai/v1/chat/completions', 'Bearer token-1', undefined],
  )
  await assert.rejects(manager.update({ accounts: [{ label: 'az', apiKey: giving('x') }] }, { everywhere: true }), {
    code: 'ERR_CONFIG',
    message: /is not shared with other processes/,
  })
})

test('a key that is neither a string nor a function is refused at once', () => {
  for (const apiKey of [5, {}, [], null, undefined, Symbol('x')]) {
    for (const accounts of [[{ label: 'a', apiKey }], { a: apiKey ?? null }]) {
      assert.throws(() => new RequestManager({ accounts }), { code: 'ERR_CONFIG' })
    }
  }
})

/** Runs a script in a process of its own; kills it, and so fails, if it does not end by itself. */
function run(script) {
  const ended = spawnSync(process.execPath, ['--expose-gc', '-e', script], {
    cwd: path.join(__dirname, '..'),
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.equal(ended.signal, null, `killed; printed: ${ended.stdout}${ended.stderr}`)
  assert.equal(ended.stderr, '')
  assert.equal(ended.status, 0)
  return ended.stdout
}

const NEVER = `
  const { RequestManager } = require('.')
  const CHAT = { model: 'm', messages: [] }
  const manager = () => new RequestManager({ accounts: { a: () => (console.log('asked'), new Promise(() => {})) } })
`

test('a function that never settles keeps no program from ending that has given up', () => {
  const script = `${NEVER}
    manager().chat(CHAT, { signal: AbortSignal.timeout(50) }).catch((error) => console.log(error.name))`
  assert.equal(run(script), 'asked\nTimeoutError\n')
  assert.equal(run(`${NEVER} manager().chat(CHAT); setTimeout(() => process.exit(0), 50)`), 'asked\n')
})

test('a worker thread that ends while its function is asked harms nobody', () => {
  const script = `
    const { Worker } = require('node:worker_threads')
    const worker = new Worker(${JSON.stringify(`${NEVER} for (let call = 0; call < 9; call++) manager().chat(CHAT).catch(() => {})`)}, { eval: true })
    setTimeout(() => worker.terminate().then(() => console.log('ended')), 300)`
  assert.match(run(script), /^(asked\n)+ended\n$/)
})

test('a manager that its own function holds is collected', () => {
  const script = `
    const { RequestManager } = require('.')
    let collected = 0
    const registry = new FinalizationRegistry(() => collected++)
    function make() {
      const manager = new RequestManager({ accounts: { a: () => (manager, 'k') } })
      registry.register(manager)
    }
    for (let count = 0; count < 20; count++) make()
    const timer = setInterval(() => {
      gc()
      if (collected >= 19) clearInterval(timer), console.log('collected')
    }, 5)`
  assert.equal(run(script), 'collected\n')
})
