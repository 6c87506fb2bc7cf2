'use strict'

// The requests of the tables about chats. No two are equal, so that nobody can win by remembering.

const { text } = require('./texts.js')

const MODEL = 'gpt-4o-mini'
const SYSTEM = 'You answer questions of customers of a furniture shop. Be brief, be friendly, and never promise a date.'

/** What is around the user's text. */
const AROUND = 270

let requests = 0

/** A chat whose body has about so many bytes. */
function input({ bytes }) {
  const messages = [
    { role: 'system', content: SYSTEM },
    { role: 'user', content: `Order ${++requests}. ${userText(bytes - AROUND)}` },
  ]
  return { model: MODEL, messages, max_tokens: 60 }
}

const userTexts = new Map()

function userText(characters) {
  if (!userTexts.has(characters)) userTexts.set(characters, text('prose', characters))
  return userTexts.get(characters)
}

module.exports = { MODEL, input }
