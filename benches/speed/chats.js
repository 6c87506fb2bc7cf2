'use strict'

// The requests of the tables about chats. No two are equal, and the number of each stands all through its user's text, so that no
// passage of that comes again: nobody wins by remembering more than words.

const { text } = require('./texts.js')

const MODEL = 'gpt-4o-mini'
const SYSTEM = 'You answer questions of customers of a furniture shop. Be brief, be friendly, and never promise a date.'

/** What is around the user's text. */
const AROUND = 270

/** The number of a request is in its text, in so many places at most. */
const PLACES = 128

/** Between two of them there is no less. @unit characters */
const LEAST_BETWEEN = 100

let requests = 0

/** A chat whose body has about so many bytes. */
function input({ bytes }) {
  const number = ++requests
  const messages = [
    { role: 'system', content: SYSTEM },
    { role: 'user', content: `Order ${number}. ${piecesOf(bytes - AROUND).join(` ${number} `)}` },
  ]
  return { model: MODEL, messages, max_tokens: 60 }
}

const pieces = new Map()

/** A text that is as long as this with the numbers between its pieces. */
function piecesOf(characters) {
  if (!pieces.has(characters)) {
    const between = Math.max(LEAST_BETWEEN, Math.ceil(characters / PLACES))
    const whole = text('prose', characters)
    const length = between - ' 123456 '.length
    const count = Math.ceil(characters / between)
    pieces.set(
      characters,
      Array.from({ length: count }, (_, at) => whole.slice(at * length, (at + 1) * length)),
    )
  }
  return pieces.get(characters)
}

module.exports = { MODEL, input }
