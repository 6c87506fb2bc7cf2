'use strict'

// Waiting for what must come to be, without a guess how long that takes.

const { setTimeout: pause } = require('node:timers/promises')

/** Whatever a test waits for comes by then, on the slowest machine. @unit milliseconds */
const DEADLINE = 60_000

/**
 * Asks until the question does not throw; after the deadline it throws what the last one threw.
 *
 * @template T
 * @param {() => T | Promise<T>} question
 * @returns {Promise<T>}
 */
async function eventually(question) {
  for (const end = Date.now() + DEADLINE; ; await pause(20)) {
    try {
      return await question()
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}

module.exports = { eventually }
