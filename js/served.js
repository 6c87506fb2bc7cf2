// @ts-check
'use strict'

// How an answer was served, beside OpenAI's answer. Reading that takes this thread as long as reading a short answer itself, and few look
// at it: so it stays a text until somebody does.

const { readEnd } = require('./events.js')
const { readAnswer } = require('./stream.js')

/** Longer texts are not kept for the part of them that is read later: that would hold the answer twice. @unit UTF-16 code units */
const MOST_KEPT = 16 * 1024

/** Only what is told to listeners begins so. */
const OBSERVED = '{"warnings":'

const HELD = Symbol('how it was served')

/** One for all, so that all answers have one hidden class. */
const whenRead = {
  /** @this {any} */
  get() {
    const held = this[HELD]
    if (held.text !== undefined) {
      held.served = JSON.parse(held.text).served
      held.text = undefined
    }
    return held.served
  },
}

/**
 * The end of a call of the class: JSON that says how it was served, a line feed, and OpenAI's answer; or a stream that it has begun.
 *
 * @param {string} told
 * @param {AbortSignal} [signal]
 */
function readServed(told, signal) {
  const line = told.indexOf('\n')
  if (line === -1) return readAnswer(told, signal)
  const end = servedBy(told, line)
  end.data = JSON.parse(told.slice(line + 1))
  return { end, stream: undefined }
}

/**
 * How a call was served, of a text that says so before a line feed.
 *
 * @returns {{ data: any, served?: object, servedText?: string }} to be completed by OpenAI's answer
 */
function servedBy(text, line) {
  const head = text.slice(0, line)
  const isForLater = !head.startsWith(OBSERVED) && text.length <= MOST_KEPT
  return isForLater ? { data: undefined, servedText: head } : { data: undefined, ...readEnd(head) }
}

/**
 * OpenAI's answer; `served` is not listed, so that what is serialized is OpenAI's.
 *
 * @param {{ data: any, served?: object, servedText?: string }} end
 */
function withServed({ data, served, servedText }) {
  if (servedText === undefined) return Object.defineProperty(data, 'served', { value: served })
  Object.defineProperty(data, HELD, { value: { text: servedText, served: undefined } })
  return Object.defineProperty(data, 'served', whenRead)
}

module.exports = { readServed, servedBy, withServed }
