// @ts-check
'use strict'

// What callers pass as `redis`, or nothing. Its forms are loaded when somebody names one: most programs that load this package have no
// Redis, or name it later.

/**
 * The target that a `redis` argument leads to, as JSON for the native side; null for none.
 *
 * @param {any} value
 * @returns {Record<string, any> | null}
 */
function redisTarget(value) {
  const url = process.env.REDIS_URL
  if (value == null && !url) return null
  const { fromEnvironment, targetOf } = require('./redis-forms.js')
  return value == null ? fromEnvironment(url) : targetOf(value)
}

/** Clients of both libraries send commands and emit events. */
function isClient(value) {
  return typeof value.sendCommand === 'function' && typeof value.on === 'function'
}

module.exports = { redisTarget, isClient }
