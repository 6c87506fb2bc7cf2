// @ts-check
'use strict'

// Every form in which callers name a Redis: a client of theirs, a URL, options. A client is read, never used and never closed: we open
// connections of our own to where it leads. What is read here, src/config/redis_target parses; the two agree on the examples in
// __test__/fixtures/redis-targets.json.

const { wrongRedis } = require('./errors.js')
const { fromIoredis, fromIoredisOptions, isIoredis } = require('./redis-ioredis.js')
const { fromNodeRedis, fromNodeRedisOptions, isNodeRedis, isNodeRedisOptions } = require('./redis-node-redis.js')
const { isClient } = require('./redis-source.js')
const { fromUrl, isUrl } = require('./redis-url.js')

const ACCEPTED =
  'an ioredis client or cluster, a node-redis client, pool, cluster or sentinel, a URL (redis://, rediss://, redis+unix://), an ' +
  'object of ioredis or node-redis options, null or undefined'

/** Options of which ioredis needs at least one to find a server. */
const IOREDIS_OPTIONS = ['host', 'port', 'path', 'db', 'sentinels']

/** Targets by client: reading one costs up to milliseconds, and most callers pass the same one with every call. */
const targets = new WeakMap()

/**
 * The target that a form leads to, as JSON for the native side.
 *
 * @param {any} value
 * @returns {Record<string, any>}
 */
function targetOf(value) {
  if (isUrl(value)) return fromUrl(value)
  if (typeof value !== 'object' || Array.isArray(value)) throw unknown(value)
  if (isClient(value)) return fromClient(value)
  if (isNodeRedisOptions(value)) return fromNodeRedisOptions(value)
  if (IOREDIS_OPTIONS.some((name) => name in value)) return fromIoredisOptions(value)
  throw unknown(value)
}

function fromEnvironment(url) {
  if (!isUrl(url))
    throw wrongRedis('REDIS_URL must begin with redis://, rediss:// or redis+unix:// (the value is not shown)')
  return fromUrl(url, 'REDIS_URL')
}

function fromClient(client) {
  const known = targets.get(client)
  if (known !== undefined) return known
  const target = isIoredis(client) ? fromIoredis(client) : isNodeRedis(client) ? fromNodeRedis(client) : undefined
  if (target === undefined) throw unknown(client)
  targets.set(client, target)
  return target
}

function unknown(value) {
  return wrongRedis(`\`redis\` must be ${ACCEPTED}; got ${kind(value)}`)
}

/** The value's kind; a string's text may hold a password. */
function kind(value) {
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return `an object of ${value.constructor?.name ?? 'no class'}`
  return `a ${typeof value}`
}

module.exports = { targetOf, fromEnvironment }
