// @ts-check
'use strict'

// Calls into the native side. Each gets a number; its end comes back through one queue for this thread, so that any number of
// calls that end together cost one wake-up (see src/binding/completions.rs).

const binding = require('../binding.js')
const { RequestManagerError } = require('./errors.js')
const { readEnd } = require('./events.js')

/** The native side numbers calls with 31 bits. */
const MOST_CALLS = 0x7fffffff

/** Open calls by number. */
const open = new Map()
/** Numbers that are streams' for as long as these are read. */
const reserved = new Set()
let lastNumber = 0

// Open calls keep the process alive, as a pending fetch does; the queue itself does not. The timer never has anything to do.
const keepAlive = setInterval(() => {}, MOST_CALLS)
keepAlive.unref()

const completions = new binding.Completions(deliver)

function deliver(numbers, texts, floats) {
  for (let index = 0; index < numbers.length; index++) {
    const number = numbers[index]
    const call = open.get(Math.abs(number))
    // A call that was aborted is not open any more.
    if (call === undefined) continue
    close(Math.abs(number))
    if (number < 0) call.reject(new Failure(texts[index]))
    else if (floats?.[index] == null) call.resolve(texts[index])
    else call.resolve({ text: texts[index], floats: floats[index] })
  }
}

function close(number) {
  open.delete(number)
  if (open.size === 0) keepAlive.unref()
}

/**
 * Runs one native call and resolves to what `read` makes of its text; of one that has embeddings, of both, text and floats.
 *
 * All that a call needs is done within this one function: each further promise on the way would cost every call a turn.
 *
 * @param {(number: number) => void} start hands the call to the native side under a number; what it throws, the call rejects with
 * @param {AbortSignal} [signal]
 * @param {(told: any, signal?: AbortSignal) => any} [read]
 * @returns {Promise<any>}
 */
async function call(start, signal, read = asItIs) {
  signal?.throwIfAborted()
  do {
    lastNumber = (lastNumber % MOST_CALLS) + 1
  } while (open.has(lastNumber) || reserved.has(lastNumber))
  const number = lastNumber
  const end = new Promise((resolve, reject) => {
    if (open.size === 0) keepAlive.ref()
    // With what was called: a pool whose calls are open stays, and its key functions with it.
    open.set(number, { resolve, reject, start })
  })
  let told
  try {
    start(number)
    told = signal === undefined ? await end : await abortable(number, end, signal)
  } catch (error) {
    close(number)
    // The error is made here, behind the await, so that its stack names the caller.
    throw error instanceof Failure ? new RequestManagerError(readEnd(error.json)) : error
  }
  return read(told, signal)
}

function asItIs(value) {
  return value
}

async function abortable(number, end, signal) {
  let onAbort
  const aborted = new Promise((_, reject) => {
    onAbort = () => {
      completions.cancel(number)
      reject(new Aborted())
    }
    signal.addEventListener('abort', onAbort, { once: true })
    // While the argument was written as JSON, code of the caller's could run.
    if (signal.aborted) onAbort()
  })
  try {
    return await Promise.race([end, aborted])
  } catch (error) {
    if (error instanceof Aborted) throw signal.reason
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** A failure as the native side tells it. */
class Failure {
  constructor(json) {
    this.json = json
  }
}

/** Tells an abort from a failure, whatever value the signal's reason is. */
class Aborted {}

module.exports = { asItIs, binding, completions, reserved, call }
