'use strict'

// Prompts that share a prefix, over accounts of different organizations.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { RequestManager } = require('..')
const { startSimulator } = require('../simulator.js')

const LABELS = ['a', 'b', 'c', 'd']

async function pool(t, settings = {}) {
  const simulator = await startSimulator({
    accounts: LABELS.map((label) => ({ label, apiKey: `sk-${label}`, ...settings.simulated })),
  })
  t.after(() => simulator.close())
  const manager = new RequestManager({
    accounts: LABELS.map((label) => ({ label, apiKey: `sk-${label}`, ...settings.account })),
    baseURL: simulator.baseURL,
    ...settings.manager,
  })
  t.after(() => manager.close())
  return { simulator, manager }
}

/** A chat of some 1,500 tokens; conversations differ from the first word on. */
function chat(conversation, rest) {
  const said = `Conversation ${conversation}. ${'All that was said before. '.repeat(300)}`
  const messages = [
    { role: 'system', content: said },
    { role: 'user', content: 'And now?' },
  ]
  return { model: 'gpt-6-luna', messages, ...rest }
}

/** The accounts that serve each of some conversations, three times each and mixed. */
async function servedBy(manager, conversations, rest, options) {
  const accounts = new Map()
  let cached = 0
  for (let round = 0; round < 3; round++) {
    for (const conversation of conversations) {
      const { served } = await manager.chat(chat(conversation, rest), options)
      accounts.set(conversation, (accounts.get(conversation) ?? new Set()).add(served.account))
      cached += served.usage.cachedInputTokens
    }
  }
  return { accounts: [...accounts.values()], cached }
}

const limits = { '*': { requestsPerMinute: 10_000, tokensPerMinute: 1_000_000 } }
const TWELVE = Array.from({ length: 12 }, (_, number) => number)

test('a conversation stays on its home, and homes are spread over all accounts', async (t) => {
  const { simulator, manager } = await pool(t, { account: { limits }, simulated: { limits } })
  const { accounts, cached } = await servedBy(manager, TWELVE)
  for (const of of accounts) assert.equal(of.size, 1)
  assert.ok(new Set(accounts.flatMap((of) => [...of])).size >= 3)
  const { promptTokens, cachedTokens } = simulator.stats().totals
  // Two of three rounds, but for the last tokens of each prompt, which are no full step.
  assert.ok(cachedTokens > 0.6 * promptTokens, `${cachedTokens} of ${promptTokens}`)
  assert.equal(cached, cachedTokens)
})

test('a prompt_cache_key keeps together what begins otherwise', async (t) => {
  const { manager } = await pool(t, { account: { limits }, simulated: { limits } })
  const { accounts } = await servedBy(manager, TWELVE, { prompt_cache_key: 'one' })
  assert.equal(new Set(accounts.flatMap((of) => [...of])).size, 1)
})

test('another manager, as in another process, finds the same homes', async (t) => {
  const first = await pool(t, { account: { limits }, simulated: { limits } })
  const second = await pool(t, { account: { limits }, simulated: { limits } })
  const [one, other] = await Promise.all([servedBy(first.manager, TWELVE), servedBy(second.manager, TWELVE)])
  assert.deepEqual(one.accounts, other.accounts)
})

test('a pool or a call can do without homes', async (t) => {
  const off = await pool(t, { account: { limits }, simulated: { limits }, manager: { cacheAffinity: false } })
  const spread = await servedBy(off.manager, [1])
  assert.ok(spread.accounts[0].size > 1)
  const on = await pool(t, { account: { limits }, simulated: { limits } })
  const call = await servedBy(on.manager, [1], {}, { cacheAffinity: false })
  assert.ok(call.accounts[0].size > 1)
  await assert.rejects(on.manager.chat(chat(1), { cacheAffinity: 'yes' }), { code: 'ERR_ARGUMENT' })
})

test('a prompt does not wait for a home that has no room for long', async (t) => {
  // Some 2,000 tokens each: the third would have to wait for most of a minute.
  const small = { '*': { requestsPerMinute: 100, tokensPerMinute: 5_000 } }
  const { manager } = await pool(t, { account: { limits: small }, simulated: { limits: small } })
  const because = []
  for (let round = 0; round < 4; round++) because.push((await manager.chat(chat(1))).served.because)
  assert.deepEqual(because.slice(0, 2), ['cache', 'cache'])
  assert.ok(because.includes('spilled'), String(because))
})

test('a prompt that may not wait takes any account that is free', async (t) => {
  const small = { '*': { requestsPerMinute: 100, tokensPerMinute: 5_000 } }
  const { manager } = await pool(t, { account: { limits: small }, simulated: { limits: small } })
  for (let round = 0; round < 6; round++) await manager.chat(chat(1), { maxWaitMs: 0 })
})
