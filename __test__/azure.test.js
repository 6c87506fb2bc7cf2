'use strict'

// Accounts on Azure and on compatible servers: what goes over the wire, and how they stand beside OpenAI's.

const assert = require('node:assert/strict')
const { inspect } = require('node:util')
const { test } = require('node:test')
const { RequestManager, configure, createChat, createEmbeddings } = require('..')
const { completion, openaiError, startServer } = require('./support/server.js')

const CHAT = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] }
const KEY = 'azure-key-0123456789'

/** A server and the address of an Azure resource on it. */
async function startResource(t, answer = () => ({})) {
  const server = await startServer(answer)
  t.after(() => server.close())
  return { ...server, resource: server.baseURL.replace('/v1', '') }
}

function azure(resource, fields = {}) {
  return { label: 'az', kind: 'azure', baseURL: resource, apiKey: KEY, ...fields }
}

function summary(attempts) {
  return attempts.map(({ account, outcome, status }) => `${account} ${outcome} ${status}`)
}

test('with an apiVersion the deployment is in the path, and the key in the header api-key', async (t) => {
  const server = await startResource(t)
  const account = azure(server.resource, { apiVersion: '2024-10-21', deployments: { 'gpt-4o': 'my-4o' } })
  const manager = new RequestManager({ accounts: [account] })
  const answer = await manager.chat({ ...CHAT, seed: 7 })
  assert.equal(answer.choices[0].message.content, 'Hello!')
  const [{ url, headers, body }] = server.received
  assert.equal(url, '/openai/deployments/my-4o/chat/completions?api-version=2024-10-21')
  assert.equal(headers['api-key'], KEY)
  assert.equal(headers.authorization, undefined)
  assert.equal(headers['openai-organization'], undefined)
  assert.deepEqual(body, { ...CHAT, seed: 7, model: 'my-4o' })
})

test('without an apiVersion it is the v1 API, with the deployment as the model', async (t) => {
  const server = await startResource(t)
  const account = azure(`${server.resource}/openai/v1/`, { deployments: { small: 'my-embeddings' } })
  const manager = new RequestManager({ accounts: [account], modelAliases: { 'text-embedding-3-small': 'small' } })
  await manager.embed({ model: 'text-embedding-3-small', input: ['a'] })
  const [{ url, headers, body }] = server.received
  assert.equal(url, '/openai/v1/embeddings')
  assert.equal(headers['api-key'], KEY)
  assert.deepEqual(body, { model: 'my-embeddings', input: ['a'] })
})

test('without deployments a model is the deployment of its name, and the drop-in functions go there as well', async (t) => {
  const server = await startResource(t)
  configure({ accounts: [azure(server.resource, { apiVersion: '2024-10-21' })] })
  await createChat({ text: 'Hi', model: 'gpt-4o' })
  await createEmbeddings({ text: 'Hi' })
  const paths = server.received.map(({ url }) => url.replace(/\?.*/, ''))
  assert.deepEqual(paths, [
    '/openai/deployments/gpt-4o/chat/completions',
    '/openai/deployments/text-embedding-ada-002/embeddings',
  ])
})

test('a compatible server is asked with a bearer, for models that nobody else knows', async (t) => {
  const server = await startResource(t)
  const account = { label: 'local', kind: 'compatible', baseURL: `${server.resource}/api/v2`, apiKey: 'none' }
  const manager = new RequestManager({ accounts: [account] })
  const { served } = await manager.chat({ ...CHAT, model: 'llama-9' })
  assert.deepEqual([served.account, served.cost], ['local', null])
  const [{ url, key, headers }] = server.received
  assert.deepEqual([url, key, headers['api-key']], ['/api/v2/chat/completions', 'none', undefined])
})

test('OpenAI and Azure serve the same model side by side', async (t) => {
  const server = await startResource(t)
  const limits = { '*': { requestsPerMinute: 100 } }
  const accounts = [
    { label: 'main', apiKey: 'k', baseURL: server.baseURL, limits },
    azure(server.resource, { deployments: { 'gpt-4o': 'my-4o' }, limits }),
  ]
  const manager = new RequestManager({ accounts })
  for (let request = 0; request < 6; request++) await manager.chat(CHAT)
  const models = server.received.map(({ url, body }) => `${url} ${body.model}`).sort()
  assert.deepEqual(models, [
    ...Array(3).fill('/openai/v1/chat/completions my-4o'),
    ...Array(3).fill('/v1/chat/completions gpt-4o'),
  ])
})

test('an account is left out for models that it has no deployment of', async (t) => {
  const server = await startResource(t)
  const accounts = [
    azure(server.resource, { deployments: { 'gpt-4o': 'my-4o' }, weight: 9 }),
    { label: 'main', apiKey: 'k', baseURL: server.baseURL },
  ]
  const manager = new RequestManager({ accounts })
  for (let request = 0; request < 3; request++) {
    const { served } = await manager.chat({ ...CHAT, model: 'gpt-6-luna' })
    assert.deepEqual([served.account, served.because], ['main', 'only'])
  }
  assert.equal((await manager.determineKey({ model: 'gpt-6-luna' })).org, 'main')
  await assert.rejects(manager.chat({ ...CHAT, model: 'gpt-6-luna' }, { accounts: ['az'] }), {
    code: 'ERR_NO_ACCOUNT',
    message: 'no account can take a request for "gpt-6-luna": az has no deployment of "gpt-6-luna"',
  })
  await manager.update({ accounts: [{ label: 'az' }] })
  await assert.rejects(manager.determineKey({ model: 'gpt-6-luna' }), { code: 'ERR_NO_ACCOUNT' })
  await manager.update({ accounts: [{ label: 'az', deployments: { 'gpt-6-luna': 'luna' } }] })
  await manager.chat({ ...CHAT, model: 'gpt-6-luna' })
  assert.equal(server.received.at(-1).body.model, 'luna')
})

const azureError = (code, message) => ({ error: { code, message } })

for (const [name, answer, outcome] of [
  [
    'a limit',
    {
      status: 429,
      headers: { 'retry-after': '7', 'retry-after-ms': '6900', 'x-ms-region': 'East US' },
      body: azureError('429', 'Requests to the ChatCompletions_Create Operation … have exceeded token rate limit …'),
    },
    'limited 429',
  ],
  [
    'a limit that only the message times',
    { status: 429, body: azureError('RateLimitReached', 'Your requests … Please retry after 60 seconds.') },
    'limited 429',
  ],
  ['a key that it does not know', { status: 401, body: azureError('401', 'Access denied …') }, 'key_refused 401'],
  [
    'a firewall',
    { status: 403, body: azureError('403', 'Access denied due to Virtual Network/Firewall rules.') },
    'key_refused 403',
  ],
  [
    'a deployment that is not there',
    { status: 404, body: azureError('DeploymentNotFound', 'The API deployment for this resource does not exist.') },
    'model_refused 404',
  ],
  ['a version that is not there', { status: 404, body: azureError('404', 'Resource not found') }, 'model_refused 404'],
  [
    'high demand',
    { status: 429, body: openaiError('The system is currently experiencing high demand', 'x', 'y') },
    'overloaded 429',
  ],
  ['a server error', { status: 500, body: azureError('InternalServerError', 'Oh') }, 'overloaded 500'],
]) {
  test(`${name} on Azure moves a request to OpenAI at once`, async (t) => {
    const server = await startResource(t, ({ url }) => (url.startsWith('/openai/') ? answer : {}))
    const accounts = [azure(server.resource, { weight: 2 }), { label: 'main', apiKey: 'k', baseURL: server.baseURL }]
    const { served } = await new RequestManager({ accounts }).chat(CHAT)
    assert.deepEqual(summary(served.attempts), [`az ${outcome}`, 'main ok 200'])
  })
}

test('a filtered prompt fails at once with Azure’s own error', async (t) => {
  const body = {
    error: {
      message: 'The response was filtered due to the prompt triggering Azure OpenAI’s content management policy.',
      type: null,
      param: 'prompt',
      code: 'content_filter',
      status: 400,
      innererror: { code: 'ResponsibleAIPolicyViolation' },
    },
  }
  const server = await startResource(t, () => ({ status: 400, body }))
  const manager = new RequestManager({ accounts: [azure(server.resource)] })
  const error = await manager.chat(CHAT).catch((error) => error)
  assert.deepEqual([error.code, error.status, error.error.code], ['ERR_UPSTREAM', 400, 'content_filter'])
  assert.equal(server.received.length, 1)
})

test('an error of Azure names the deployment and its request, and shows no key', async (t) => {
  const server = await startResource(t, ({ headers }) => ({
    status: 404,
    headers: { 'apim-request-id': 'apim-7' },
    body: azureError('DeploymentNotFound', `No deployment for ${headers['api-key']}.`),
  }))
  const deployments = { 'gpt-3.5-turbo': 'my-35' }
  const manager = new RequestManager({ accounts: [azure(server.resource, { deployments })] })
  const error = await manager.chat({ ...CHAT, model: 'gpt-3.5-turbo' }).catch((error) => error)
  assert.match(error.message, /^account "az" answered 404: No deployment for …\. \(asked for the deployment "my-35"\)/)
  assert.doesNotMatch(error.message, /last day/)
  assert.equal(error.requestId, 'apim-7')
  assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }) + error.stack, /0123456789/)
})

test('limits are read from Azure’s headers, and no organization merges its accounts with others', async (t) => {
  const server = await startResource(t, () => ({
    headers: {
      'openai-organization': 'org-same',
      'x-ratelimit-limit-requests': '120',
      'x-ratelimit-remaining-requests': '119',
      'x-ratelimit-reset-requests': '500',
      'x-ratelimit-renewalperiod-requests': '60',
      'x-ratelimit-limit-tokens': '-1',
      'x-ratelimit-remaining-tokens': '-1',
      'x-ms-region': 'East US',
    },
    body: completion(),
  }))
  const accounts = [
    { label: 'main', apiKey: 'k', baseURL: server.baseURL },
    azure(server.resource),
    azure(server.resource, { label: 'other' }),
  ]
  const manager = new RequestManager({ accounts })
  for (const label of ['main', 'az', 'other']) await manager.chat(CHAT, { accounts: [label] })
  const status = await manager.status({ model: 'gpt-4o' })
  assert.deepEqual(
    status.accounts.map(({ quotaGroup, requestsPerMinute, tokensPerMinute }) => [
      quotaGroup,
      requestsPerMinute,
      tokensPerMinute,
    ]),
    ['main', 'az', 'other'].map((label) => [label, 120, null]),
  )
})

test('the chosen account’s address is the one that OpenAI’s own client takes', async (t) => {
  const server = await startResource(t)
  const deployments = { 'gpt-4o': 'my-4o' }
  for (const [fields, path] of [
    [{}, '/openai/v1'],
    [{ apiVersion: '2024-10-21' }, '/openai/deployments/my-4o'],
  ]) {
    const manager = new RequestManager({ accounts: [azure(server.resource, { deployments, ...fields })] })
    const { apiKey, baseURL } = await manager.determineKey({ model: 'gpt-4o' })
    assert.deepEqual([apiKey, baseURL], [KEY, server.resource + path])
  }
})
