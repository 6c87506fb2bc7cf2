'use strict'

const assert = require('node:assert/strict')
const { spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const { test } = require('node:test')
const { default: OpenAI } = require('openai')
const { startSimulator } = require('../simulator.js')

const BIN = path.join(__dirname, '..', 'bin', 'openai-request-manager.js')
const messages = [{ role: 'user', content: 'Hi' }]

test('the official client takes it for OpenAI: chat, stream, embeddings, completions, models', async (t) => {
  const simulator = await startSimulator({ outputTokens: 8 })
  t.after(() => simulator.close())
  const openai = new OpenAI({ apiKey: 'sk-any', baseURL: simulator.baseURL })
  const chat = await openai.chat.completions.create({ model: 'gpt-6-luna', messages })
  assert.equal(chat.usage.completion_tokens, 8)
  assert.match(chat._request_id, /^req_[0-9a-f]{32}$/)
  const stream = await openai.chat.completions.create({
    model: 'gpt-6-luna',
    messages,
    stream: true,
    stream_options: { include_usage: true },
  })
  let text = ''
  let usage
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ''
    usage = chunk.usage ?? usage
  }
  assert.ok(text.length > 0)
  assert.equal(usage.completion_tokens, 8)
  const embeddings = await openai.embeddings.create({ model: 'text-embedding-3-small', input: ['a', 'b'] })
  assert.deepEqual(
    embeddings.data.map(({ embedding }) => embedding.length),
    [1536, 1536],
  )
  const completion = await openai.completions.create({ model: 'gpt-3.5-turbo-instruct', prompt: 'Hi' })
  assert.equal(completion.object, 'text_completion')
  const models = []
  for await (const model of openai.models.list()) models.push(model.id)
  assert.ok(models.includes('gpt-6-luna'))
})

test('limits hold to the token, and stats say what could have been admitted', async (t) => {
  const limits = { 'gpt-6-luna': { requestsPerMinute: 3, tokensPerMinute: 60_000 } }
  const simulator = await startSimulator({ accounts: [{ label: 'a', apiKey: 'sk-a', limits }] })
  t.after(() => simulator.close())
  const openai = new OpenAI({ apiKey: 'sk-a', baseURL: simulator.baseURL, maxRetries: 0 })
  for (let request = 0; request < 3; request++) await openai.chat.completions.create({ model: 'gpt-6-luna', messages })
  const error = await openai.chat.completions.create({ model: 'gpt-6-luna', messages }).catch((error) => error)
  assert.equal(error.status, 429)
  assert.match(error.message, /on requests per min \(RPM\): Limit 3, Used 3, Requested 1\. Please try again in 20s\./)
  const { models } = simulator.stats().accounts.a
  assert.deepEqual([models['gpt-6-luna'].admitted, models['gpt-6-luna'].refused], [3, 1])
  const http = await fetch(`${simulator.url}/_simulator/stats`)
  assert.equal((await http.json()).totals.admitted, 3)
})

test('a prompt that its organization has sent before is reported as cached, also in a stream', async (t) => {
  const simulator = await startSimulator({
    accounts: [
      { label: 'a', apiKey: 'sk-a', organization: 'org-one' },
      { label: 'b', apiKey: 'sk-b', organization: 'org-one', project: 'proj_other' },
      { label: 'c', apiKey: 'sk-c', organization: 'org-two' },
    ],
  })
  t.after(() => simulator.close())
  const request = {
    model: 'gpt-6-luna',
    messages: [{ role: 'system', content: 'All of this is well known. '.repeat(300) }, ...messages],
  }
  const client = (apiKey) => new OpenAI({ apiKey, baseURL: simulator.baseURL }).chat.completions
  const sums = { promptTokens: 0, cachedTokens: 0 }
  const cached = ({ prompt_tokens, prompt_tokens_details }) => {
    sums.promptTokens += prompt_tokens
    sums.cachedTokens += prompt_tokens_details.cached_tokens
    return prompt_tokens_details.cached_tokens
  }
  const whole = async (apiKey, more) => (await client(apiKey).create({ ...request, ...more })).usage
  assert.equal(cached(await whole('sk-a')), 0)
  const usage = await whole('sk-a')
  const all = usage.prompt_tokens - (usage.prompt_tokens % 128)
  assert.equal(cached(usage), all)
  const stream = await client('sk-b').create({ ...request, stream: true, stream_options: { include_usage: true } })
  for await (const chunk of stream) if (chunk.usage) assert.equal(cached(chunk.usage), all)
  assert.equal(cached(await whole('sk-a', { prompt_cache_key: 'tenant' })), 0)
  assert.equal(cached(await whole('sk-c')), 0)
  const { accounts, totals } = simulator.stats()
  assert.deepEqual({ promptTokens: totals.promptTokens, cachedTokens: totals.cachedTokens }, sums)
  assert.deepEqual(
    ['a', 'b', 'c'].map((label) => accounts[label].models['gpt-6-luna'].cachedTokens),
    [all, all, 0],
  )
})

test('faults strike as told', async (t) => {
  const simulator = await startSimulator({
    accounts: [{ label: 'a', apiKey: 'sk-a' }],
    faults: [
      { account: 'a', after: 1, times: 1, error: 'insufficient_quota' },
      { status: 503, after: 1, times: 1 },
    ],
  })
  t.after(() => simulator.close())
  const openai = new OpenAI({ apiKey: 'sk-a', baseURL: simulator.baseURL, maxRetries: 0 })
  const statuses = []
  for (let request = 0; request < 4; request++) {
    const answer = openai.chat.completions.create({ model: 'gpt-6-luna', messages })
    statuses.push(await answer.then(() => 200).catch((error) => error.code ?? error.status))
  }
  assert.ok(
    statuses.includes('insufficient_quota') && statuses.filter((status) => status === 200).length >= 2,
    String(statuses),
  )
})

test('equal seeds give equal answers', async (t) => {
  const answers = []
  for (const seed of [7, 7, 8]) {
    const simulator = await startSimulator({ seed })
    t.after(() => simulator.close())
    const openai = new OpenAI({ apiKey: 'sk', baseURL: simulator.baseURL })
    const chat = await openai.chat.completions.create({ model: 'gpt-6-luna', messages })
    answers.push(chat.choices[0].message.content)
  }
  assert.equal(answers[0], answers[1])
  assert.notEqual(answers[0], answers[2])
})

test('a wrong setting is named with its value', async () => {
  for (const [settings, message] of [
    [{ charging: 'x' }, /charging must be one of .*"x"/],
    [{ accounts: [{ apiKey: 'k', limits: { '*': { tokensPerMinute: 0 } } }] }, /tokensPerMinute/],
    [{ ports: 1 }, /ports/],
  ]) {
    await assert.rejects(startSimulator(settings), { code: 'ERR_CONFIG', message })
  }
})

test('the command says what it takes, and refuses what it does not', () => {
  const command = (...args) => spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8' })
  assert.match(command('simulate', '--help').stdout, /--account <key=R,T>/)
  assert.match(command('--version').stdout, /^\d+\.\d+\.\d+/)
  for (const [args, message] of [
    [['simulat'], /unknown command/],
    [['simulate', '--port', 'x'], /--port must be a number/],
    [['simulate', '--account', 'x'], /--account must look like/],
    [['simulate', '--nothing'], /--nothing/],
  ]) {
    const { status, stderr } = command(...args)
    assert.equal(status, 1)
    assert.match(stderr, message)
  }
})

test('the command serves until it is interrupted', async () => {
  const child = spawn(process.execPath, [BIN, 'simulate', '--account', 'sk-a=10,10000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  while (!output.includes('\n')) await once(child.stdout, 'data')
  const [baseURL] = /http:\S+\/v1/.exec(output)
  const openai = new OpenAI({ apiKey: 'sk-a', baseURL })
  await openai.chat.completions.create({ model: 'gpt-6-luna', messages })
  child.kill('SIGTERM')
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  assert.match(output, /admitted 1, refused 0/)
})
