// @ts-check
'use strict'

const { binding, completions, call } = require('./calls.js')
const { wrongArgument } = require('./errors.js')

/** More text than this is counted on another thread. @unit bytes of UTF-8 */
const MOST_BYTES_SYNC = 64 * 1024

/** Up to so much text is counted sooner than handed to another thread. @unit UTF-16 code units */
const SHORT = 4_096

/** An unknown model, and so no model, means OpenAI's newest encoding. */
const NO_MODEL = ''

async function countTokens(text, model = NO_MODEL) {
  checkText(text, model)
  if (text.length <= SHORT) return binding.countTextSync(text, model)
  return Number(await call((number) => completions.countText(number, text, model)))
}

function countTokensSync(text, model = NO_MODEL) {
  checkText(text, model)
  const bytes = Buffer.byteLength(text)
  if (bytes > MOST_BYTES_SYNC) {
    const error = new RangeError(
      `\`text\` must be at most ${MOST_BYTES_SYNC} bytes to be counted at once, got ${bytes}; use countTokens`,
    )
    throw Object.assign(error, { code: 'ERR_ARGUMENT' })
  }
  return binding.countTextSync(text, model)
}

async function countChatTokens(request) {
  if (!Array.isArray(request?.messages)) {
    throw wrongArgument('`request` must be a chat request with a list of messages')
  }
  const json = JSON.stringify(request)
  return Number(await call((number) => completions.countChat(number, json)))
}

function checkText(text, model) {
  if (typeof text !== 'string') throw wrongArgument(`\`text\` must be a string, got ${typeof text}`)
  if (typeof model !== 'string') throw wrongArgument(`\`model\` must be a string, got ${typeof model}`)
}

module.exports = { countTokens, countTokensSync, countChatTokens }
