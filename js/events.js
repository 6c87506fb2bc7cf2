// @ts-check
'use strict'

// What happens inside calls, for those who listen, on channels of node:diagnostics_channel. While nobody listens, a call costs a few
// looks at `hasSubscribers`, and its end tells nothing more than the caller gets.

const { channel } = require('node:diagnostics_channel')

const waits = channel('openai-request-manager:wait')
const attemptsMade = channel('openai-request-manager:attempt')
const retries = channel('openai-request-manager:retry')
const blocks = channel('openai-request-manager:block')
const budgets = channel('openai-request-manager:budget')
const warnings = channel('openai-request-manager:warning')
const all = [waits, attemptsMade, retries, blocks, budgets, warnings]

/** Warnings kept while only other channels have subscribers; the oldest goes. */
const MOST_UNHEARD = 64
const unheard = []

/** Whether the end of a call that starts now should tell what the events need. */
function isObserved() {
  return all.some((one) => one.hasSubscribers)
}

/** Reads a call's end from JSON text, and publishes what it tells those who listen. */
function readEnd(json) {
  const end = JSON.parse(json)
  // Only the end of an observed call tells warnings, be it none.
  if (end.warnings !== undefined) publish(end.served?.attempts ?? end.attempts, end)
  return end
}

// Subscribers run here, before the caller's promise settles. One that throws does not harm the call: node goes on with the next
// subscriber, and throws the error in the next tick, where it is an uncaught exception of the process.
function publish(attempts, { code, message, retryAfterMs, warnings: told }) {
  for (const [index, attempt] of attempts.entries()) {
    const { account, outcome, status, waitedMs, tookMs, because, candidates } = attempt
    // A channel without subscribers passes a message over; what costs something to make is only made for somebody.
    if (waits.hasSubscribers) waits.publish({ account, waitedMs, because, candidates })
    if (attemptsMade.hasSubscribers) attemptsMade.publish({ account, outcome, status, waitedMs, tookMs })
    if (outcome === 'limited') blocks.publish({ account, status })
    const next = attempts[index + 1]
    if (next !== undefined) retries.publish({ account, outcome, next: next.account, waitedMs: next.waitedMs })
  }
  if (code === 'ERR_BUDGET') budgets.publish({ message, retryAfterMs })
  unheard.push(...told)
  if (warnings.hasSubscribers) {
    for (const warning of unheard.splice(0)) warnings.publish(warning)
  } else {
    unheard.splice(0, unheard.length - MOST_UNHEARD)
  }
}

module.exports = { isObserved, readEnd }
