// @ts-check
'use strict'

// A native pool, and calls on it.

const { asItIs, binding, completions, call } = require('./calls.js')
const { fromJson, wrongArgument } = require('./errors.js')
const { isObserved } = require('./events.js')
const { redisTarget } = require('./redis-source.js')
const { readPassed } = require('./stream.js')
const { isTraced, traced } = require('./telemetry.js')

/**
 * A pool from a configuration; throws at once where that is wrong.
 *
 * @param {any} config
 * @param {object | null} [target] where its Redis is; left out, as the configuration says
 */
function openPool(config, target = redisTarget(config?.redis)) {
  // A client cannot be written as JSON, and its password has no place there.
  const rest = isSettings(config) ? { ...config, redis: undefined } : config
  const open = (settings, askKey) =>
    binding.openPool(completions, toJson('config', settings), redisJson(target), askKey)
  const { openWithFunctions } = require('./key-functions.js')
  return opened(openWithFunctions(rest, open), target)
}

/**
 * A pool from this thread's environment variables.
 *
 * @param {object | null} target where its Redis is
 */
function openPoolFromEnvironment(target) {
  const { OPENAI_API_KEY, OPENAI_API_KEYS, OPENAI_BASE_URL } = process.env
  return opened(
    binding.openPoolFromEnvironment(completions, OPENAI_API_KEY, OPENAI_API_KEYS, OPENAI_BASE_URL, redisJson(target)),
    target,
  )
}

function isSettings(config) {
  return typeof config === 'object' && config !== null && !Array.isArray(config)
}

function redisJson(target) {
  return target === null ? undefined : JSON.stringify(target)
}

function opened(poolOrError, target) {
  if (typeof poolOrError === 'string') throw fromJson(poolOrError)
  if (target !== null) require('./last-words.js').flushAtExit(poolOrError)
  return poolOrError
}

/**
 * One call on a pool.
 *
 * @param {any} pool
 * @param {string} operation
 * @param {string} argumentName for messages
 * @param {unknown} argument written as JSON
 * @param {Record<string, any>} [options] JSON as well, but for `signal`
 * @param {(told: any, signal?: AbortSignal) => any} [read] makes of the end what the call resolves to
 */
function run(pool, operation, argumentName, argument, options, read) {
  return start(options, read, (number, optionsJson, cancellable, observed) =>
    pool.start(number, operation, toJson(argumentName, argument), optionsJson, cancellable, observed),
  )
}

/**
 * One request to OpenAI on a pool: a call, as `run` takes it, that telemetry tells of.
 *
 * @param {(read: any) => any} [give] makes of what `read` has made what the call resolves to
 */
function ask(pool, operation, argumentName, argument, options, read, give = asItIs) {
  return traced(pool, { operation, params: argument }, options, (noteEnd) =>
    run(pool, operation, argumentName, argument, options, (told, signal) => give(noteEnd(read(told, signal)))),
  )
}

/**
 * One request on a pool as it is, to whatever endpoint; resolves to the head and the body of its answer.
 *
 * @param {any} pool
 * @param {{ method: string, path: string, headers?: Record<string, string>, takesPieces?: boolean }} request
 * @param {string | Uint8Array} body
 * @param {Record<string, any>} [options]
 * @returns {Promise<{ end: any, stream?: any, body: string | Uint8Array | ReadableStream }>}
 */
function pass(pool, request, body, options) {
  const send = (number, optionsJson, cancellable, observed) => {
    const bytes = typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    pool.pass(number, toJson('request', request), bytes, optionsJson, cancellable, observed)
  }
  return traced(pool, { head: request, body }, options, (noteEnd) =>
    start(options, (told, signal) => noteEnd(readPassed(told, signal)), send),
  )
}

/** Starts a call; what is wrong becomes a rejection. */
function start(options, read, begin) {
  const observed = isObserved() || isTraced()
  if (options === undefined) return call((number) => begin(number, null, false, observed), undefined, read)
  try {
    const { json, signal } = written(options)
    return call((number) => begin(number, json, signal !== undefined, observed), signal, read)
  } catch (error) {
    return Promise.reject(error)
  }
}

/** The options of a call: JSON for the native side, with a `deadline` as Unix milliseconds, and beside it the `signal`. */
function written(options) {
  if (typeof options !== 'object' || options === null) {
    throw wrongArgument(`\`options\` must be an object, got ${typeof options}`)
  }
  const { signal: given, deadline, ...rest } = options
  const signal = given ?? undefined
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrongArgument(`\`options.signal\` must be an AbortSignal, got ${typeof signal}`)
  }
  // A number or a date that is none would be null in JSON, as if it was left out.
  if (deadline != null) {
    const { momentOf } = require('./moments.js')
    rest.deadline = Number.isFinite(deadline) ? deadline : momentOf('options.deadline', deadline)
  }
  return { json: toJson('options', rest), signal }
}

function toJson(name, value) {
  try {
    // What JSON cannot hold at all (undefined, a function) becomes an empty text, which the native side names.
    return JSON.stringify(value) ?? ''
  } catch (cause) {
    throw wrongArgument(`\`${name}\` cannot be written as JSON: ${cause.message}`, cause)
  }
}

module.exports = { ask, openPool, openPoolFromEnvironment, run, pass }
