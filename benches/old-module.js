'use strict'

// The old module's way: eleven commands of Redis a request, one after the other. Without its mistakes of arithmetic: numbers are
// compared as numbers, and the account with most left is taken. With its ways: nothing is booked before it is sent, an account
// without room is reset to full, a 429 is the caller's.

/**
 * @param {object} options
 * @param {number} options.redisPort
 * @param {{ label: string, tokensPerMinute: number }[]} options.keys three of them make eleven commands
 * @param options.send sends a request with a key; resolves to the answer's data and headers
 * @param {(request: any) => number} options.need tokens that a request takes
 */
function throughOldModule({ redisPort, keys, send, need }) {
  const { Redis } = require('ioredis')
  const redis = new Redis({ port: redisPort })
  return async (request) => {
    const key = await mostLeft(redis, keys, need(request))
    const { data, headers } = await send(key, request)
    await redis.set(`${key.label}:availability:tokens`, headers['x-ratelimit-remaining-tokens'])
    await redis.set(`${key.label}:availability:requests`, headers['x-ratelimit-remaining-requests'])
    for (const name of [`${key.label}:tokensUsed`, 'chat:tokensUsed', `chat:tokensUsed:${key.label}`]) {
      const used = Number(await redis.get(name))
      await redis.set(name, used + data.usage.total_tokens)
    }
    return data
  }
}

async function mostLeft(redis, keys, need) {
  let best = null
  for (const key of keys) {
    const left = Number((await redis.get(`${key.label}:availability:tokens`)) ?? key.tokensPerMinute)
    if (best === null || left > best.left) best = { key, left }
  }
  if (best.left < need) await redis.set(`${best.key.label}:availability:tokens`, best.key.tokensPerMinute)
  return best.key
}

module.exports = { throughOldModule }
