'use strict'

// The contract of the older module: every function, field, default and type, seen from the caller and on the wire.

const assert = require('node:assert/strict')
const { inspect } = require('node:util')
const { test } = require('node:test')
const { configure, createChat, createEmbeddings, determineOpenAIKey, processRedis } = require('..')
const { startSimulator } = require('../simulator.js')
const { completion, startServer } = require('./support/server.js')

const CONSTANTS = {
  OPEN_AI_KEYS: { ORG_1: 'sk-one', ORG_2: 'sk-two', ORG_3: 'sk-three' },
  EMBEDDINGS_TPM_MAX: 1_000_000,
  EMBEDDINGS_COST: 0.0001,
  models: {
    gpt_3: { modelLimit: 90_000, modelCostInput: 0.0015, modelCostOutput: 0.002 },
    gpt_3_16k: { modelLimit: 180_000, modelCostInput: 0.003, modelCostOutput: 0.004 },
    gpt_3_instruct: { modelLimit: 90_000, modelCostInput: 0.0015, modelCostOutput: 0.002 },
    gpt_4: { modelLimit: 10_000, modelCostInput: 0.03, modelCostOutput: 0.06 },
  },
  PORT: 3000,
}

/** The old constants on a server that answers everything with a completion. */
async function oldBackend(t, answer = () => ({})) {
  const server = await startServer(answer)
  t.after(() => server.close())
  configure({ ...CONSTANTS, baseURL: server.baseURL })
  return server
}

test('createChat resolves to every field of the contract', async (t) => {
  const server = await oldBackend(t, () => ({
    headers: {
      'x-ratelimit-limit-tokens': '90000',
      'x-ratelimit-remaining-tokens': '88000',
      'x-ratelimit-reset-tokens': '1.333s',
      'x-request-id': 'req_1',
    },
  }))
  const result = await createChat({ text: 'Hi', systemPrompt: 'Be kind', maxTokens: 50, temperature: 0.2 }, null)
  const { output, ...rest } = result
  assert.deepEqual(rest, {
    prompt: 'Hi',
    org: 'org_1',
    remainingAvailableTokensThisMinute: 88_000,
    tokensUsed: 12,
    // 9 prompt tokens at 1.5 and 3 completion tokens at 2 US dollars per million.
    totalCost: (9 * 1.5 + 3 * 2) / 1e6,
  })
  assert.equal(output.status, 200)
  assert.equal(output.statusText, 'OK')
  assert.equal(output.headers['x-request-id'], 'req_1')
  assert.deepEqual(output.data, completion())
  assert.equal(output.data.choices[0].message.content, 'Hello!')
  assert.deepEqual(Object.keys(result), [
    'prompt',
    'org',
    'remainingAvailableTokensThisMinute',
    'tokensUsed',
    'totalCost',
    'output',
  ])
  const [call] = server.received
  assert.equal(call.url, '/v1/chat/completions')
  assert.equal(call.key, 'sk-one')
  assert.deepEqual(call.body, {
    model: 'gpt-3.5-turbo',
    messages: [
      { role: 'system', content: 'Be kind' },
      { role: 'user', content: 'Hi' },
    ],
    max_tokens: 50,
    temperature: 0.2,
  })
})

test('createChat needs nothing but a text', async (t) => {
  const server = await oldBackend(t)
  const { tokensUsed } = await createChat({ text: 'Hi' })
  assert.equal(tokensUsed, 12)
  assert.deepEqual(server.received[0].body, {
    model: 'gpt-3.5-turbo',
    messages: [{ role: 'user', content: 'Hi' }],
    temperature: 1,
  })
})

test('the instruct model goes to the legacy endpoint with a prompt', async (t) => {
  const server = await oldBackend(t, () => ({
    body: {
      object: 'text_completion',
      choices: [{ text: 'Hello!', index: 0, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    },
  }))
  const { output, totalCost } = await createChat({ text: 'Hi', model: 'gpt-3.5-turbo-instruct', maxTokens: 7 })
  assert.equal(output.data.choices[0].text, 'Hello!')
  assert.equal(totalCost, (1 * 1.5 + 2 * 2) / 1e6)
  assert.equal(server.received[0].url, '/v1/completions')
  assert.deepEqual(server.received[0].body, {
    model: 'gpt-3.5-turbo-instruct',
    prompt: 'Hi',
    max_tokens: 7,
    temperature: 1,
  })
})

test('a request in OpenAI\u2019s own form passes untouched', async (t) => {
  const server = await oldBackend(t)
  const request = {
    model: 'gpt-4',
    messages: [
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'second' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'third' },
          { type: 'image_url', image_url: { url: 'https://x/y.png' } },
        ],
      },
    ],
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
    response_format: { type: 'json_object' },
    a_field_of_tomorrow: { deep: [1, 2, { x: null }] },
  }
  const result = await createChat(request)
  assert.equal(result.prompt, 'third')
  assert.deepEqual(server.received[0].body, request)
})

test('an alias is sent in the place of the model that was asked for', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  configure({ accounts: { a: 'k' }, baseURL: server.baseURL, modelAliases: { 'gpt-3.5-turbo': 'gpt-6-luna' } })
  const { totalCost } = await createChat({ text: 'Hi', maxTokens: 9, temperature: 0.5 })
  assert.deepEqual(server.received[0].body, {
    model: 'gpt-6-luna',
    messages: [{ role: 'user', content: 'Hi' }],
    max_completion_tokens: 9,
  })
  // gpt-6-luna: 0.10 and 0.50 US dollars per million.
  assert.ok(Math.abs(totalCost - (9 * 0.1 + 3 * 0.5) / 1e6) < 1e-15)
})

test('an unknown model costs null, and an answer without usage is still an answer', async (t) => {
  const server = await startServer(({ body }) => (body.model === 'own' ? {} : { body: { choices: [] } }))
  t.after(() => server.close())
  configure({ accounts: { a: 'k' }, baseURL: server.baseURL })
  assert.equal((await createChat({ text: 'Hi', model: 'own' })).totalCost, null)
  const { totalCost, tokensUsed, output } = await createChat({ text: 'Hi', model: 'gpt-6-luna' })
  assert.deepEqual([totalCost, output.data], [null, { choices: [] }])
  assert.ok(tokensUsed > 0)
})

test('cached tokens have their own price', async (t) => {
  const usage = {
    prompt_tokens: 2000,
    completion_tokens: 10,
    total_tokens: 2010,
    prompt_tokens_details: { cached_tokens: 1920 },
  }
  const server = await startServer(() => ({ body: completion('x', usage) }))
  t.after(() => server.close())
  configure({ accounts: { a: 'k' }, baseURL: server.baseURL })
  const { totalCost } = await createChat({ text: 'Hi', model: 'gpt-4o' })
  assert.ok(Math.abs(totalCost - (80 * 2.5 + 1920 * 1.25 + 10 * 10) / 1e6) < 1e-12)
})

test('createEmbeddings resolves to every field of the contract', async (t) => {
  const simulator = await startSimulator()
  t.after(() => simulator.close())
  configure({ ...CONSTANTS, baseURL: simulator.baseURL })
  const one = await createEmbeddings({ text: 'a text' }, null)
  assert.deepEqual(Object.keys(one), [
    'text_to_embed',
    'org',
    'remainingAvailableTokensThisMinute',
    'tokensUsed',
    'cost',
    'embeddings',
  ])
  assert.equal(one.text_to_embed, 'a text')
  assert.equal(one.org, 'org_1')
  assert.equal(typeof one.remainingAvailableTokensThisMinute, 'number')
  assert.equal(one.tokensUsed, 2)
  assert.ok(Math.abs(one.cost - (2 * 0.0001) / 1000) < 1e-15)
  assert.equal(one.embeddings.object, 'embedding')
  assert.equal(one.embeddings.index, 0)
  assert.equal(one.embeddings.embedding.length, 1536)
})

test('several texts come back in their order, other fields are passed on', async (t) => {
  const server = await startServer(({ body }) => ({
    body: {
      object: 'list',
      data: body.input.map((text, index) => ({ object: 'embedding', index, embedding: [text.length] })).reverse(),
      usage: { prompt_tokens: 5, total_tokens: 5 },
    },
  }))
  t.after(() => server.close())
  configure({ accounts: { a: 'k' }, baseURL: server.baseURL })
  const { embeddings, text_to_embed } = await createEmbeddings({
    text: ['a', 'bb', 'ccc'],
    model: 'text-embedding-3-small',
    dimensions: 2,
  })
  assert.deepEqual(
    embeddings.map(({ embedding }) => embedding[0]),
    [1, 2, 3],
  )
  assert.deepEqual(text_to_embed, ['a', 'bb', 'ccc'])
  assert.equal(server.received[0].url, '/v1/embeddings')
  assert.deepEqual(server.received[0].body, {
    model: 'text-embedding-3-small',
    input: ['a', 'bb', 'ccc'],
    dimensions: 2,
    encoding_format: 'base64',
  })
})

test('determineOpenAIKey chooses the account with the most room, keeps the current one on a tie, and takes nothing', async (t) => {
  const server = await oldBackend(t)
  assert.equal((await determineOpenAIKey()).org, 'org_1')
  const kept = await determineOpenAIKey('org_3')
  assert.deepEqual(
    { ...kept },
    {
      org: 'org_3',
      baseURL: server.baseURL,
      availableTokens: 90_000,
      availableRequests: Number.POSITIVE_INFINITY,
      waitMs: 0,
    },
  )
  assert.equal(kept.apiKey, 'sk-three')
  assert.doesNotMatch(inspect(kept) + JSON.stringify(kept), /sk-three/)
  await processRedis(50_000, 40_000, 9, 'chat', 'org_3', null)
  assert.equal((await determineOpenAIKey('org_3')).org, 'org_1')
  assert.equal(server.received.length, 0)
})

test('after processRedis the scheduler knows what is left', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  // No limits are configured: what the caller read is all that is known. Header texts are as good as numbers.
  configure({ accounts: { org_1: 'sk-one', org_2: 'sk-two' }, baseURL: server.baseURL })
  await processRedis(900, '0', '0', 'chat', 'org_1')
  await processRedis(100, '5000', '50', 'chat', 'org_2')
  const choice = await determineOpenAIKey('org_1')
  assert.deepEqual([choice.org, choice.availableTokens, choice.availableRequests], ['org_2', 5000, 50])
  await createChat({ text: 'Hi' })
  assert.deepEqual(server.keys(), ['sk-two'])
})

test('any number of accounts with any labels', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  const accounts = Array.from({ length: 40 }, (_, index) => ({
    label: `team-${index}`,
    apiKey: `sk-${index}`,
    limits: { '*': { requestsPerMinute: 1 } },
  }))
  configure({ accounts, baseURL: server.baseURL })
  const results = await Promise.all(accounts.map(() => createChat({ text: 'Hi' })))
  assert.deepEqual(new Set(results.map(({ org }) => org)).size, 40)
})

test('organization, project and own headers are sent with the account they belong to', async (t) => {
  const server = await startServer(() => ({}))
  t.after(() => server.close())
  const account = { label: 'a', apiKey: 'k', organization: 'org-x', project: 'proj_y', headers: { 'X-Team': 'blue' } }
  configure({ accounts: [account], baseURL: server.baseURL })
  await createChat({ text: 'Hi' })
  const { headers } = server.received[0]
  assert.deepEqual(
    [
      headers.authorization,
      headers['openai-organization'],
      headers['openai-project'],
      headers['x-team'],
      headers['content-type'],
    ],
    ['Bearer k', 'org-x', 'proj_y', 'blue', 'application/json'],
  )
})

test('requests in flight end on the pool they began on', async (t) => {
  const simulator = await startSimulator({ latencyMs: 50 })
  t.after(() => simulator.close())
  configure({ accounts: { before: 'k' }, baseURL: simulator.baseURL })
  const running = createChat({ text: 'Hi' })
  configure({ accounts: { after: 'k' }, baseURL: simulator.baseURL })
  assert.equal((await createChat({ text: 'Hi' })).org, 'after')
  assert.equal((await running).org, 'before')
})
