'use strict'

// Why an account was chosen, on results and in events.

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const { subscribe, unsubscribe } = require('node:diagnostics_channel')
const path = require('node:path')
const { promisify } = require('node:util')
const { test } = require('node:test')
const { RequestManager, configure, createChat, createEmbeddings } = require('..')
const { startSimulator } = require('../simulator.js')

const CHAT = { model: 'gpt-6-luna', messages: [{ role: 'user', content: 'Hi' }] }
const WAIT = 'openai-request-manager:wait'
const WARNING = 'openai-request-manager:warning'

/** A simulator of accounts a0, a1, … with these tokens per minute, and a configuration that knows them. */
async function accounts(t, tokensPerMinute, settings = {}) {
  const accounts = tokensPerMinute.map((tokens, index) => ({
    label: `a${index}`,
    apiKey: `k${index}`,
    limits: { '*': { tokensPerMinute: tokens } },
  }))
  const simulator = await startSimulator({ accounts, charging: 'documented', ...settings })
  t.after(() => simulator.close())
  return { accounts, baseURL: simulator.baseURL }
}

/** A manager of two keys that belong to one organization, which it does not know. */
async function twoOfOneOrganization(t) {
  const accounts = ['a', 'b'].map((label) => ({ label, apiKey: label, organization: 'org-same', project: 'proj_same' }))
  const simulator = await startSimulator({ accounts })
  t.after(() => simulator.close())
  return new RequestManager({ accounts: { a: 'a', b: 'b' }, baseURL: simulator.baseURL })
}

/** The messages that a channel publishes during a test. */
function listen(t, channel) {
  const messages = []
  const listener = (message) => messages.push(message)
  subscribe(channel, listener)
  t.after(() => unsubscribe(channel, listener))
  return messages
}

test('a result tells why its account was chosen and when the others could have started', async (t) => {
  const manager = new RequestManager(await accounts(t, [600, 60_000]))
  const chat = { ...CHAT, max_completion_tokens: 500 }
  const first = await manager.chat(chat, { accounts: ['a0'] })
  assert.equal(first.served.because, 'only')
  assert.deepEqual(first.served.candidates, [{ account: 'a0', waitMs: 0 }])

  const { served } = await manager.chat(chat)
  assert.equal(served.because, 'earliest')
  const [chosen, other] = served.candidates
  assert.deepEqual(chosen, { account: 'a1', waitMs: 0 })
  assert.equal(other.account, 'a0')
  // At least 400 of its tokens are missing, at 10 a second.
  assert.ok(other.waitMs > 35_000 && other.waitMs <= 60_000, String(other.waitMs))
  const { because, candidates } = served.attempts[0]
  assert.deepEqual({ because, candidates }, { because: served.because, candidates: served.candidates })

  const large = await manager.chat({ ...CHAT, max_completion_tokens: 5000 })
  assert.deepEqual(large.served.candidates, [
    { account: 'a1', waitMs: 0 },
    { account: 'a0', waitMs: null },
  ])
})

test('among accounts that could start at once, the one with most room is chosen', async (t) => {
  const manager = new RequestManager(await accounts(t, [6000, 60_000]))
  const { served } = await manager.chat({ ...CHAT, max_completion_tokens: 500 })
  assert.equal(served.because, 'most_room')
  assert.deepEqual(served.candidates, [
    { account: 'a1', waitMs: 0 },
    { account: 'a0', waitMs: 0 },
  ])
})

test('each call publishes what it waited for, and its result holds nothing more than without', async (t) => {
  const config = await accounts(t, [60_000])
  configure(config)
  const unheard = { chat: await createChat({ text: 'Hi' }), embeddings: await createEmbeddings({ text: 'Hi' }) }
  const waits = listen(t, WAIT)
  const chat = await createChat({ text: 'Hi' })
  assert.deepEqual(Object.keys(chat), Object.keys(unheard.chat))
  const [{ waitedMs, ...message }] = waits.splice(0)
  assert.ok(waitedMs >= 0)
  assert.deepEqual(message, { account: 'a0', because: 'only', candidates: [{ account: 'a0', waitMs: 0 }] })
  await createChat({ text: 'Hi' }, null, 1)
  const embeddings = await createEmbeddings({ text: 'Hi' })
  assert.deepEqual(Object.keys(embeddings), Object.keys(unheard.embeddings))
  const manager = new RequestManager(config)
  const answer = await manager.chat(CHAT)
  assert.ok(!('warnings' in answer) && !('warnings' in answer.served))
  await manager.embed({ model: 'text-embedding-3-small', input: 'Hi' })
  assert.deepEqual(
    waits.map(({ because }) => because),
    ['forced', 'only', 'only', 'only'],
  )
})

test('a call that moves on publishes a message for each attempt', async (t) => {
  const faults = [{ account: 'a0', error: 'insufficient_quota' }]
  const { accounts: settings, baseURL } = await accounts(t, [60_000, 60_000], { faults })
  // The heavier account is chosen first.
  settings[0].weight = 2
  const waits = listen(t, WAIT)
  const { served } = await new RequestManager({ accounts: settings, baseURL }).chat(CHAT)
  assert.deepEqual(
    waits.map(({ account, because, candidates }) => [account, because, candidates.length]),
    [
      ['a0', 'most_room', 2],
      ['a1', 'only', 1],
    ],
  )
  assert.deepEqual([served.because, served.candidates], ['only', waits[1].candidates])
})

test('a call that fails publishes as well, and its error holds nothing more than without', async (t) => {
  const config = await accounts(t, [60_000], { faults: [{ error: 'insufficient_quota' }] })
  const failure = () => new RequestManager(config).chat(CHAT).catch((error) => error)
  const unheard = await failure()
  const waits = listen(t, WAIT)
  const error = await failure()
  assert.deepEqual(Object.keys(error), Object.keys(unheard))
  assert.equal(error.attempts[0].because, 'only')
  assert.deepEqual(
    waits.map(({ account, candidates }) => ({ account, candidates })),
    [{ account: 'a0', candidates: error.attempts[0].candidates }],
  )
})

test('a call that is refused before any attempt, and one that is aborted, publish no wait', async (t) => {
  const config = await accounts(t, [600])
  const waits = listen(t, WAIT)
  const manager = new RequestManager({ ...config, maxWaitMs: 0 })
  await assert.rejects(manager.chat({ ...CHAT, max_completion_tokens: 5000 }), { code: 'ERR_TOO_LARGE' })
  await assert.rejects(manager.chat(CHAT, { signal: AbortSignal.abort(null) }), (reason) => reason === null)
  assert.deepEqual(waits, [])
})

test('keys of one organization are warned of once, also where nobody listened when it was found', async (t) => {
  const manager = await twoOfOneOrganization(t)
  await manager.chat(CHAT, { accounts: ['a'] })
  await manager.chat(CHAT, { accounts: ['b'] })
  const warnings = listen(t, WARNING)
  await manager.chat(CHAT)
  await manager.chat(CHAT)
  assert.equal(warnings.length, 1)
  const { message, ...rest } = warnings[0]
  assert.deepEqual(rest, { code: 'QUOTA_GROUPS_MERGED', account: 'b', quotaGroup: 'a' })
  assert.match(message, /"b".+"a".+`quotaGroup`/)
  assert.doesNotMatch(message, /org-/)
})

test('a warning is kept while only waits are listened to, and a failed call publishes it', async (t) => {
  const manager = await twoOfOneOrganization(t)
  listen(t, WAIT)
  await manager.chat(CHAT, { accounts: ['a'] })
  await manager.chat(CHAT, { accounts: ['b'] })
  const warnings = listen(t, WARNING)
  await assert.rejects(manager.chat(CHAT, { accounts: ['c'] }), { code: 'ERR_ARGUMENT' })
  assert.deepEqual(
    warnings.map(({ code, account }) => [code, account]),
    [['QUOTA_GROUPS_MERGED', 'b']],
  )
})

test('a subscriber that throws does not harm the call; its error is an uncaught exception', async (t) => {
  const { baseURL } = await accounts(t, [60_000])
  const script = `
    process.on('uncaughtException', (error) => console.log('uncaught', error.message))
    const { subscribe } = require('node:diagnostics_channel')
    subscribe('${WAIT}', () => { throw new Error('mine') })
    subscribe('${WAIT}', ({ account }) => console.log('next', account))
    const { RequestManager } = require('.')
    const manager = new RequestManager({ accounts: { a: 'k0' }, baseURL: '${baseURL}' })
    manager.chat(${JSON.stringify(CHAT)}).then(({ served }) => console.log('served', served.account))`
  const cwd = path.join(__dirname, '..')
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd })
  assert.deepEqual(stdout.trim().split('\n').sort(), ['next a', 'served a', 'uncaught mine'])
})

test('attempts, the repeats of them, and blocks are told with their accounts', async (t) => {
  const simulator = await startSimulator({
    accounts: [
      { label: 'a', apiKey: 'sk-a', limits: { '*': { requestsPerMinute: 1 } } },
      { label: 'b', apiKey: 'sk-b' },
    ],
  })
  t.after(() => simulator.close())
  const manager = new RequestManager({ accounts: { a: 'sk-a', b: 'sk-b' }, baseURL: simulator.baseURL })
  const names = ['attempt', 'retry', 'block', 'budget']
  const told = Object.fromEntries(names.map((name) => [name, listen(t, `openai-request-manager:${name}`)]))
  // The limit is used up by somebody else.
  await fetch(`${simulator.baseURL}/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-a', 'content-type': 'application/json' },
    body: JSON.stringify(CHAT),
  })
  await manager.chat(CHAT)
  assert.deepEqual(
    told.attempt.map(({ account, outcome, status }) => [account, outcome, status]),
    [
      ['a', 'limited', 429],
      ['b', 'ok', 200],
    ],
  )
  assert.ok(told.attempt.every(({ waitedMs, tookMs }) => waitedMs >= 0 && tookMs > 0))
  assert.deepEqual(
    told.retry.map(({ account, outcome, next }) => [account, outcome, next]),
    [['a', 'limited', 'b']],
  )
  assert.deepEqual(told.block, [{ account: 'a', status: 429 }])
  assert.deepEqual(told.budget, [])
})

test('a call that a budget turns away is told', async (t) => {
  const simulator = await startSimulator({ accounts: [{ label: 'a', apiKey: 'sk-a' }] })
  t.after(() => simulator.close())
  const accounts = [{ label: 'a', apiKey: 'sk-a', budget: { tokensPerDay: 1 } }]
  const manager = new RequestManager({ accounts, baseURL: simulator.baseURL })
  await manager.chat(CHAT)
  const told = listen(t, 'openai-request-manager:budget')
  await assert.rejects(manager.chat(CHAT), { code: 'ERR_BUDGET' })
  assert.equal(told.length, 1)
  assert.match(told[0].message, /a has spent its budget/)
  assert.ok(told[0].retryAfterMs > 0)
})
