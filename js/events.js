// @ts-check
'use strict'

// What happens inside calls, for those who listen, on channels of node:diagnostics_channel. While nobody listens, a call costs two
// looks at `hasSubscribers`, and its end tells nothing more than the caller gets.

const { channel } = require('node:diagnostics_channel')

const waits = channel('openai-request-manager:wait')
const warnings = channel('openai-request-manager:warning')

/** Warnings kept while only the other channel has subscribers; the oldest goes. */
const MOST_UNHEARD = 64
const unheard = []

/** Whether the end of a call that starts now should tell what the events need. */
function isObserved() {
  return waits.hasSubscribers || warnings.hasSubscribers
}

/** Reads a call's end from JSON text, and publishes what it tells those who listen. */
function readEnd(json) {
  const end = JSON.parse(json)
  // Only the end of an observed call tells warnings, be it none.
  if (end.warnings !== undefined) publish(end.served?.attempts ?? end.attempts, end.warnings)
  return end
}

// Subscribers run here, before the caller's promise settles. One that throws does not harm the call: node goes on with the next
// subscriber, and throws the error in the next tick, where it is an uncaught exception of the process.
function publish(attempts, told) {
  if (waits.hasSubscribers) {
    for (const { account, waitedMs, because, candidates } of attempts) {
      waits.publish({ account, waitedMs, because, candidates })
    }
  }
  unheard.push(...told)
  if (warnings.hasSubscribers) {
    for (const warning of unheard.splice(0)) warnings.publish(warning)
  } else {
    unheard.splice(0, unheard.length - MOST_UNHEARD)
  }
}

module.exports = { isObserved, readEnd }
