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
    return this[HELD]?.read()
  },
}

/** How an answer was served, as the text that says it, until somebody reads it. */
class Held {
  #text
  #served

  /** @param {string} text */
  constructor(text) {
    this.#text = text
  }

  read() {
    if (this.#text !== undefined) {
      this.#served = JSON.parse(this.#text).served
      this.#text = undefined
    }
    return this.#served
  }
}

/** The end of a call of the class: OpenAI's answer, and how it was served. */
class AnswerEnd {
  data
  held

  /** @param {Held} held */
  constructor(held) {
    this.held = held
  }

  get served() {
    return this.held.read()
  }
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
 * @returns {{ data: any, served: any }} to be completed by OpenAI's answer
 */
function servedBy(text, line) {
  const head = text.slice(0, line)
  const isForLater = !head.startsWith(OBSERVED) && text.length <= MOST_KEPT
  return isForLater ? new AnswerEnd(new Held(head)) : { data: undefined, ...readEnd(head) }
}

/**
 * OpenAI's answer; `served` is not listed, so that what is serialized is OpenAI's.
 *
 * @param {{ data: any, served: any } | AnswerEnd} end
 */
function withServed(end) {
  if (!(end instanceof AnswerEnd)) return Object.defineProperty(end.data, 'served', { value: end.served })
  Object.defineProperty(end.data, HELD, { value: end.held })
  return Object.defineProperty(end.data, 'served', whenRead)
}

module.exports = { readServed, servedBy, withServed }
