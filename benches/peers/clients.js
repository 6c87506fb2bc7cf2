'use strict'

// The clients that are compared, each in one process unless it says otherwise. Each is made for a server and sends one chat a call; it
// rejects where its user would see an error.
// Libraries are loaded inside, so that a process has only its own client in memory.

const { throughOldModule } = require('../old-module.js')
const { ACCOUNTS } = require('./workload.js')

const clients = {
  ours: {
    title: 'ours, limits known',
    make: (server) => ours(server, ({ label, apiKey, ...limits }) => limits),
  },

  'ours-unknown': {
    title: 'ours, limits unknown',
    make: (server) => ours(server, () => undefined),
  },

  'ours-redis': {
    title: 'ours, limits known, through Redis',
    needsRedis: true,
    make: (server) => ours(server, ({ label, apiKey, ...limits }) => limits),
  },

  'ours-redis-8': {
    title: 'ours, limits known, eight processes through Redis',
    needsRedis: true,
    processes: 8,
    make: (server) => ours(server, ({ label, apiKey, ...limits }) => limits),
  },

  'ours-redis-8-unknown': {
    title: 'ours, limits unknown, eight processes through Redis',
    needsRedis: true,
    processes: 8,
    make: (server) => ours(server, () => undefined),
  },

  openai: {
    title: '`openai`, keys in turn, 5 retries',
    libraries: ['openai'],
    make({ baseURL }) {
      const keys = ACCOUNTS.map((account) => openai(account, baseURL, 5))
      let turn = 0
      return (request) => keys[turn++ % keys.length].chat.completions.create(request)
    },
  },

  // Reservoirs that grow as the server's do: each second by a sixtieth. The library looks at the clock in its heartbeat, counts from
  // the moment it looked, and is by default late by up to 250 ms each time.
  bottleneck: {
    title: '`bottleneck`, limiters of tokens and requests a key, reservoir increase',
    libraries: ['bottleneck', 'openai'],
    make({ baseURL }) {
      const Bottleneck = require('bottleneck')
      const limiter = (perMinute) =>
        new Bottleneck({
          reservoir: perMinute,
          reservoirIncreaseAmount: perMinute / 60,
          reservoirIncreaseInterval: 1000,
          reservoirIncreaseMaximum: perMinute,
          heartbeatInterval: 10,
        })
      const keys = ACCOUNTS.map((account) => {
        const client = openai(account, baseURL)
        const requests = limiter(account.requestsPerMinute)
        const tokens = limiter(account.tokensPerMinute)
        return { share: account.tokensPerMinute, client, requests, tokens }
      })
      const next = inProportion(keys)
      return (request) => {
        const weight = request.max_completion_tokens
        const { client, requests, tokens } = next(weight)
        return tokens.schedule({ weight }, () => requests.schedule(() => client.chat.completions.create(request)))
      }
    },
  },

  'p-queue': {
    title: '`p-queue`, a queue of requests a key',
    libraries: ['p-queue', 'openai'],
    async make({ baseURL }) {
      const { default: PQueue } = await import('p-queue')
      const keys = ACCOUNTS.map((account) => {
        const queue = new PQueue({ interval: 1000, intervalCap: account.requestsPerMinute / 60 })
        return { share: account.requestsPerMinute, client: openai(account, baseURL), queue }
      })
      const next = inProportion(keys)
      return (request) => {
        const { client, queue } = next(1)
        return queue.add(() => client.chat.completions.create(request))
      }
    },
  },

  'old-module': {
    title: "the old module's way: read Redis, choose, send, write",
    libraries: ['ioredis', 'openai'],
    needsRedis: true,
    make({ baseURL, redisPort }) {
      const keys = ACCOUNTS.map((account) => ({ ...account, client: openai(account, baseURL, 0) }))
      const send = async ({ client }, request) => {
        const { data, response } = await client.chat.completions.create(request).withResponse()
        return { data, headers: Object.fromEntries(response.headers) }
      }
      return throughOldModule({ redisPort, keys, send, need: (request) => request.max_completion_tokens })
    },
  },
}

function ours({ baseURL, redisPort }, limits) {
  const { RequestManager } = require('../..')
  const accounts = ACCOUNTS.map((account) => {
    const known = limits(account)
    return { label: account.label, apiKey: account.apiKey, ...(known && { limits: { '*': known } }) }
  })
  const redis = redisPort && { host: '127.0.0.1', port: redisPort }
  const manager = new RequestManager({ accounts, baseURL, redis })
  return (request) => manager.chat(request)
}

/** A client for one key; by default with as many retries as it comes with. */
function openai({ apiKey }, baseURL, maxRetries) {
  const { OpenAI } = require('openai')
  return new OpenAI({ apiKey, baseURL, ...(maxRetries !== undefined && { maxRetries }) })
}

/** Deals out weights to keys in proportion to their shares: nothing better is known to a client that sees limits and no load. */
function inProportion(keys) {
  const dealt = keys.map(() => 0)
  return (weight) => {
    const after = keys.map(({ share }, index) => (dealt[index] + weight) / share)
    const index = after.indexOf(Math.min(...after))
    dealt[index] += weight
    return keys[index]
  }
}

module.exports = { clients }
