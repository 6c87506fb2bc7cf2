'use strict'

// A chat call: what a library costs where the server costs nothing.

const { throughOldModule } = require('../old-module.js')
const { MODEL, input } = require('./chats.js')
const { aiModel, axios, fetching, manager, openai, undici } = require('./clients.js')

const BODY_BYTES = 900
const PATH = '/chat/completions'

const contenders = {
  ours: {
    title: 'ours',
    isOurs: true,
    make: (server) => through(manager(server)),
  },
  'ours-redis': {
    title: 'ours, through Redis',
    isOurs: true,
    needsRedis: true,
    make: (server) => through(manager(server)),
  },
  undici: {
    title: '`undici`, a pool',
    libraries: ['undici'],
    make(server) {
      const post = undici(server)
      return async (request) => textOf(await (await post(PATH, request)).json())
    },
  },
  fetch: {
    title: '`fetch`',
    make: (server) => fetched(server, fetch),
  },
  'fetch-ours': {
    title: '`manager.fetch`',
    isOurs: true,
    make: (server) => fetched(server, manager(server).fetch),
  },
  axios: {
    title: '`axios`',
    libraries: ['axios'],
    make(server) {
      const client = axios(server)
      return async (request) => textOf((await client.post(PATH, request)).data)
    },
  },
  openai: {
    title: '`openai`',
    libraries: ['openai'],
    make: (server) => created(openai(server)),
  },
  'openai-ours': {
    title: '`openai` through `manager.fetch`',
    isOurs: true,
    libraries: ['openai'],
    make: (server) => created(openai(server, manager(server).fetch)),
  },
  ai: {
    title: '`ai`, `@ai-sdk/openai`',
    libraries: ['ai', '@ai-sdk/openai'],
    make(server) {
      const { generateText } = require('ai')
      const model = aiModel(server, MODEL)
      return async ({ messages, max_tokens }) => {
        const [{ content: system }, user] = messages
        const { text } = await generateText({ model, system, messages: [user], maxOutputTokens: max_tokens })
        return text
      }
    },
  },
  'old-way': {
    title: "`axios`, the old module's eleven Redis commands",
    libraries: ['axios', 'ioredis'],
    needsRedis: true,
    make(server) {
      const client = axios(server)
      const keys = ['org_1', 'org_2', 'org_3'].map((label) => ({ label, tokensPerMinute: 1e12 }))
      const send = (_key, request) => client.post(PATH, request)
      const call = throughOldModule({ redisPort: server.redisPort, keys, send, need: ({ max_tokens }) => max_tokens })
      return async (request) => textOf(await call(request))
    },
  },
}

function through(pool) {
  return async (request) => textOf(await pool.chat(request))
}

function fetched(server, fetch) {
  const post = fetching(server, fetch)
  return async (request) => textOf(await post(PATH, request))
}

function created(client) {
  return async (request) => textOf(await client.chat.completions.create(request))
}

function textOf({ choices }) {
  return choices[0].message.content
}

function unitsOf(answered) {
  if (answered.length < 100) throw new Error(`no answer: ${answered}`)
  return 1
}

const CROWD = '64 at a time'
const cases = [1, 16, 64, 256].map((concurrency) => ({
  name: concurrency === 1 ? 'one at a time' : `${concurrency} at a time`,
  concurrency,
  bytes: BODY_BYTES,
}))

const fields = {
  perSecond: { head: 'requests/s', digits: 0, isCompared: true },
  p50Ms: { head: 'p50 ms', digits: 2 },
  p99Ms: { head: 'p99 ms', digits: 2 },
  jsThreadMicros: { head: 'JS thread µs', digits: 1, isCompared: true },
  processMicros: { head: 'process CPU µs', digits: 1, isCompared: true },
  redisTrips: { head: 'Redis round trips', digits: 2 },
  redisMicros: { head: 'Redis CPU µs', digits: 1 },
  megabytes: { head: 'resident MB', digits: 0 },
}

/** Each against another one at 64 at a time: requests/s, JS thread and process CPU. */
const COMPARED = [
  ['ours', 'undici', { perSecond: { least: 1.8 }, jsThreadMicros: { most: 0.33 }, processMicros: { most: 0.8 } }],
  ['ours-redis', 'undici', { perSecond: { least: 1.2 }, jsThreadMicros: { most: 0.4 }, processMicros: { most: 1 } }],
  ['ours', 'openai', { perSecond: { least: 20 }, jsThreadMicros: { most: 1 / 40 }, processMicros: { most: 1 / 15 } }],
  [
    'ours-redis',
    'old-way',
    { perSecond: { least: 10 }, jsThreadMicros: { most: 1 / 25 }, processMicros: { most: 1 / 10 } },
  ],
  ['fetch-ours', 'fetch', { perSecond: { least: 3 }, jsThreadMicros: { most: 1 / 5 }, processMicros: { most: 1 / 4 } }],
  ['openai-ours', 'openai', { processMicros: { most: 1 } }],
]

const bars = [
  ...COMPARED.flatMap(([of, than, needs]) =>
    Object.entries(needs).map(([field, need]) => ({ in: CROWD, of, than, field, ...need })),
  ),
  { in: CROWD, of: 'ours-redis', field: 'redisTrips', most: 0.25 },
  // What is counted goes to Redis ten times a second, whatever the number of requests.
  { in: 'one at a time', of: 'ours-redis', field: 'redisTrips', most: 1, digits: 1 },
  { in: CROWD, of: 'ours-redis', field: 'redisMicros', most: 20 },
  { in: CROWD, of: 'ours', field: 'megabytes', most: 90 },
]

module.exports = {
  title: 'A chat call',
  about:
    'A body of 0.9 KB, an answer of 0.9 KB, a server without latency. CPU is that of one request, memory that at the end of a round.',
  contenders,
  input,
  unitsOf,
  cases,
  fields,
  bars,
}
