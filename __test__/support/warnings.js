'use strict'

const { subscribe, unsubscribe } = require('node:diagnostics_channel')

const CHANNEL = 'openai-request-manager:warning'

/**
 * Keeps the warnings of this thread until the test ends.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} word that is in the message of each: tests of one file run at the same time
 * @returns {{ code: string, message: string }[]} what has been heard so far
 */
function hearWarnings(t, word) {
  const heard = []
  const hear = (warning) => warning.message.includes(word) && heard.push(warning)
  subscribe(CHANNEL, hear)
  t.after(() => unsubscribe(CHANNEL, hear))
  return heard
}

module.exports = { hearWarnings }
