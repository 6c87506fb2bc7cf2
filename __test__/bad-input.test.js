'use strict'

// What bad input gets: never a synchronous throw of a promise-returning function, never a call, always a typed error that names the
// argument, the value and the accepted form.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const api = require('..')
const { startServer } = require('./support/server.js')

async function pool(t) {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  const accounts = [{ label: 'org_1', apiKey: 'k', limits: { '*': { tokensPerMinute: 1000 } } }]
  api.configure({ accounts, baseURL: server.baseURL })
  return server
}

const circular = {}
circular.self = circular

const CASES = [
  ['createChat', [], '`data` must be an object, got nothing'],
  ['createChat', [null], '`data` must be an object, got null'],
  ['createChat', ['Hi'], '`data` must be an object, got "Hi"'],
  ['createChat', [[]], '`data` must be an object, got []'],
  ['createChat', [{}], '`data.text` must be a non-empty string, got nothing'],
  ['createChat', [{ text: 5 }], '`data.text` must be a non-empty string, got 5'],
  ['createChat', [{ text: '' }], '`data.text` must be a non-empty string, got ""'],
  ['createChat', [{ text: 'a', maxTokens: -1 }], '`data.maxTokens` must be a positive integer, got -1'],
  ['createChat', [{ text: 'a', maxTokens: 2.5 }], '`data.maxTokens` must be a positive integer, got 2.5'],
  ['createChat', [{ text: 'a', stream: true, stream_options: 5 }], '`data.stream_options` must be an object, got 5'],
  ['createChat', [{ text: 'a' }, null, 2], '`force` must be a whole number from 0 to 1, got 2 (a number)'],
  ['createChat', [{ text: 'a' }, null, 'yes'], '`force` must be a whole number from 0 to 1, got "yes" (a string)'],
  ['createChat', [{ text: 'a' }, null, 0, -1], '`retryCount` must be a whole number from 0 to 100, got -1 (a number)'],
  [
    'createChat',
    [{ text: 'a' }, null, 0, 101],
    '`retryCount` must be a whole number from 0 to 100, got 101 (a number)',
  ],
  ['createChat', [{ text: 'a', n: 1n }], /^`data` cannot be written as JSON: .*BigInt/],
  ['createChat', [circular], /^`data` cannot be written as JSON: .*circular/],
  ['createEmbeddings', [{}], '`data.text` must be a non-empty string or an array of non-empty strings, got nothing'],
  [
    'createEmbeddings',
    [{ text: ['a', ''] }],
    '`data.text` must be a non-empty string or an array of non-empty strings, got ["a",""]',
  ],
  ['createEmbeddings', [{ text: 'a', model: '' }], '`data.model` must be a non-empty string, got ""'],
  [
    'determineOpenAIKey',
    ['nobody'],
    '`org` names the account "nobody", which is not configured; configured are: org_1',
  ],
  ['determineOpenAIKey', [7], '`org` must be a non-empty string, got 7 (a number)'],
  [
    'processRedis',
    [1, 2, 3, 'chat', 'nobody'],
    '`org` names the account "nobody", which is not configured; configured are: org_1',
  ],
  ['processRedis', [-1, 2, 3, 'chat', 'org_1'], '`tokens` must be a number of at least 0, got -1 (a number)'],
  ['processRedis', [1, 'x', 3, 'chat', 'org_1'], '`tokensRem` must be a number, got "x"'],
  ['processRedis', [1, 2, 3, '', 'org_1'], '`type` must be a non-empty string, got "" (a string)'],
  ['countTokens', [5], '`text` must be a string, got number'],
  ['countChatTokens', ['x'], '`request` must be a chat request with a list of messages'],
]

for (const [name, args, message] of CASES) {
  const shown = args.map((argument) => (argument === circular ? 'circular' : require('node:util').inspect(argument)))
  test(`${name}(${shown.join(', ')}) is refused and sends nothing`, async (t) => {
    const server = await pool(t)
    const promise = api[name](...args)
    assert.ok(promise instanceof Promise)
    await assert.rejects(promise, { name: 'RequestManagerError', code: 'ERR_ARGUMENT', message })
    assert.equal(server.received.length, 0)
  })
}

for (const redis of [5, true, 'localhost:6379', 'http://x', [], {}, { foo: 1 }, () => {}, Symbol('x')]) {
  test(`${String(typeof redis)} ${Array.isArray(redis) ? '[]' : ''} as redis is a TypeError that lists the forms`, async (t) => {
    const server = await pool(t)
    await assert.rejects(api.createChat({ text: 'a' }, redis), (error) => {
      assert.ok(error instanceof TypeError)
      assert.equal(error.code, 'ERR_ARGUMENT')
      assert.match(error.message, /ioredis client.*node-redis client.*rediss:\/\/.*null/)
      return true
    })
    assert.equal(server.received.length, 0)
  })
}

for (const redis of [5, true, 'localhost:6379', [], {}, () => {}]) {
  test(`${typeof redis} ${Array.isArray(redis) ? '[]' : ''} as redis of a configuration is a TypeError at once`, () => {
    const config = { accounts: { a: 'k' }, redis }
    for (const use of [() => api.configure(config), () => new api.RequestManager(config)]) {
      assert.throws(use, (error) => {
        assert.ok(error instanceof TypeError)
        assert.equal(error.code, 'ERR_ARGUMENT')
        assert.match(error.message, /ioredis client.*node-redis client.*rediss:\/\/.*null/)
        return true
      })
    }
  })
}

for (const [setting, message] of [
  [{ pool: 5 }, /`config.pool` must be .*string.*, got 5/],
  [{ pool: '' }, /`config.pool` must be .*, got ""/],
  [{ pool: 'x'.repeat(65) }, /`config.pool` must be .*64.*, got "x+/],
  [{ onRedisDown: 'x' }, "`config.onRedisDown` must be 'degrade' or 'fail', got \"x\" (a string)"],
  [{ onRedisDown: true }, /`config.onRedisDown` must be .*, got true/],
]) {
  test(`configure with ${JSON.stringify(setting)} names the value and what is accepted`, () => {
    const config = { accounts: { a: 'k' }, ...setting }
    for (const use of [() => api.configure(config), () => new api.RequestManager(config)]) {
      assert.throws(use, { name: 'RequestManagerError', code: 'ERR_CONFIG', message })
    }
  })
}

for (const redis of [
  'redis://:secret@host:6379/1',
  { host: 'x' },
  { sentinels: [{ host: 'x' }], name: 'main' },
  undefined,
]) {
  test(`${JSON.stringify(redis)} is accepted as redis`, async (t) => {
    await pool(t)
    await api.createChat({ text: 'a' }, redis)
  })
}

for (const config of [
  undefined,
  null,
  5,
  'x',
  [],
  {},
  { accounts: [] },
  { accounts: { a: '' } },
  { accounts: { a: 'x\ny' } },
  { accounts: { a: 'k' }, baseURL: 'x' },
  { accounts: { a: 'k' }, coalesce: 1 },
  { accounts: { a: 'k' }, batchWindowMs: -1 },
  { OPEN_AI_KEYS: {} },
]) {
  test(`configure(${JSON.stringify(config)}) throws at once`, () => {
    for (const use of [() => api.configure(config), () => new api.RequestManager(config)]) {
      assert.throws(use, { name: 'RequestManagerError', code: 'ERR_CONFIG' })
    }
  })
}

test('a refused configuration leaves the old pool in its place', async (t) => {
  const server = await pool(t)
  assert.throws(() => api.configure({}))
  await api.createChat({ text: 'a' })
  assert.equal(server.received.length, 1)
})

test('a request larger than every limit is refused at once with the numbers', async (t) => {
  const server = await pool(t)
  const error = await api.createChat({ text: 'word '.repeat(2000) }).catch((error) => error)
  assert.equal(error.code, 'ERR_TOO_LARGE')
  assert.match(error.message, /the request needs 2\d\d\d tokens, but the largest limit .* is 1000 tokens per minute/)
  assert.equal(server.received.length, 0)
})

test('without any account the error says how to get one', () => {
  const { spawnSync } = require('node:child_process')
  const script = `require('.').createChat({ text: 'a' }).catch((error) => console.log(error.code, error.message))`
  const { PATH } = process.env
  const { stdout } = spawnSync(process.execPath, ['-e', script], {
    cwd: `${__dirname}/..`,
    env: { PATH },
    encoding: 'utf8',
  })
  assert.match(stdout, /^ERR_NO_ACCOUNT no account is configured; call configure\(.*OPENAI_API_KEY/)
})

test('options of a call are checked as well', async () => {
  const manager = new api.RequestManager({ accounts: { a: 'k' } })
  const params = { model: 'm', messages: [] }
  for (const [options, message] of [
    [{ maxWait: 5 }, /`options` has no field `maxWait`/],
    [{ accounts: ['b'] }, /`options.accounts` names the account "b"/],
    [{ signal: 5 }, /`options.signal` must be an AbortSignal/],
    [{ timeoutsMs: { total: -1 } }, /`options.timeoutsMs.total` must be a number of milliseconds/],
  ]) {
    await assert.rejects(manager.chat(params, options), { code: 'ERR_ARGUMENT', message })
  }
  for (const [bad, message] of [
    [{ messages: [] }, '`params.model` must be a non-empty string, got nothing'],
    [{ model: 'm' }, '`params.messages` must be an array of messages, got nothing'],
    [{ model: 'm', messages: 'Hi' }, '`params.messages` must be an array of messages, got "Hi"'],
  ]) {
    await assert.rejects(manager.chat(bad), { code: 'ERR_ARGUMENT', message })
  }
})

test('what the caller’s own getters throw is a rejection as well', async () => {
  const manager = new api.RequestManager({ accounts: { a: 'k' } })
  const thrown = new Error('boom')
  const options = {
    get signal() {
      throw thrown
    },
  }
  const params = {
    get model() {
      throw thrown
    },
  }
  for (const method of ['chat', 'embed', 'responses']) {
    const withOptions = manager[method]({ model: 'm', messages: [], input: 'a' }, options)
    await assert.rejects(withOptions, thrown)
    const withParams = manager[method](params)
    await assert.rejects(withParams, { code: 'ERR_ARGUMENT', cause: thrown })
  }
})
