// @ts-check
'use strict'

// What was counted in the last moment goes to Redis before the program ends by itself. After `process.exit` or a signal nobody can
// do that.

const { call } = require('./calls.js')

/** Pools with a Redis, as far as they are still there. @type {Set<WeakRef<any>>} */
const pools = new Set()
/** Pools whose Redis did not answer in time: they do not hold up the end twice. */
const given = new WeakSet()
let isListening = false

/**
 * Has a pool say everything before this thread ends by itself.
 *
 * @param {any} pool
 */
function flushAtExit(pool) {
  if (!isListening) process.on('beforeExit', flushAll)
  isListening = true
  livePools()
  pools.add(new WeakRef(pool))
}

function flushAll() {
  for (const pool of livePools()) {
    if (pool.hasNews() && !given.has(pool)) flush(pool)
  }
}

function livePools() {
  const live = []
  for (const reference of pools) {
    const pool = reference.deref()
    if (pool === undefined) pools.delete(reference)
    else live.push(pool)
  }
  return live
}

/** An open call keeps the process alive; when it has ended, `beforeExit` comes again. */
async function flush(pool) {
  await call((number) => pool.start(number, 'flush', '{}', null, false, false))
  if (pool.hasNews()) given.add(pool)
}

module.exports = { flushAtExit }
