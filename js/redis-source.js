// @ts-check
'use strict'

// What callers pass as `redis`: a client of theirs, a URL, options, or nothing. This version keeps the books in the process, so the
// argument is only checked; a wrong one is a mistake of the caller's that should not go unnoticed.

const ACCEPTED =
  'an ioredis client or cluster, a node-redis client or cluster, a URL (redis://, rediss://, redis+unix://), an object of ' +
  'ioredis options, null or undefined'

const SCHEMES = ['redis:', 'rediss:', 'redis+unix:', 'rediss+unix:', 'unix:']

/** Options of which ioredis needs at least one to find a server. */
const OPTIONS = ['host', 'port', 'path', 'url', 'db', 'sentinels', 'nodes']

/** @param {unknown} value */
function checkRedis(value) {
  if (value == null || isUrl(value) || isClient(value) || isOptions(value)) return
  const error = new TypeError(`\`redis\` must be ${ACCEPTED}; got ${kind(value)}`)
  throw Object.assign(error, { code: 'ERR_ARGUMENT' })
}

function isUrl(value) {
  return typeof value === 'string' && SCHEMES.some((scheme) => value.startsWith(`${scheme}//`))
}

/** Clients of both libraries keep their options, and send commands. */
function isClient(value) {
  return typeof value === 'object' && typeof value.sendCommand === 'function' && typeof value.on === 'function'
}

function isOptions(value) {
  return typeof value === 'object' && !Array.isArray(value) && OPTIONS.some((name) => name in value)
}

/** The value's kind; a string's text may hold a password. */
function kind(value) {
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return `an object of ${value.constructor?.name ?? 'no class'}`
  return `a ${typeof value}`
}

module.exports = { checkRedis }
