// @ts-check
'use strict'

// Embeddings cross the boundary beside the text of their answer, as 32-bit floats in one buffer: reading them from JSON would take this
// thread forty times as long.

const { readEnd } = require('./events.js')
const { servedBy } = require('./served.js')

/**
 * The end of a call of the class for embeddings: how it was served, a line feed, and OpenAI's answer without the embeddings that are
 * not in its text.
 *
 * @param {string | { text: string, floats: Float32Array }} told
 */
function readServedEmbeddings(told) {
  const { text, floats } = typeof told === 'string' ? { text: told, floats: undefined } : told
  const line = text.indexOf('\n')
  const end = servedBy(text, line)
  const { data, vectors } = JSON.parse(text.slice(line + 1))
  if (floats !== undefined) data.data = embeddingsOf(floats, vectors)
  end.data = data
  return { end, stream: undefined }
}

/**
 * The end of a drop-in call for embeddings, and the embeddings where they are not in its text.
 *
 * @param {string | { text: string, floats: Float32Array }} told
 * @returns {{ end: any, embeddings: object[] | undefined }}
 */
function readEmbeddings(told) {
  if (typeof told === 'string') return { end: readEnd(told), embeddings: undefined }
  const { vectors, ...end } = readEnd(told.text)
  return { end, embeddings: embeddingsOf(told.floats, vectors) }
}

function embeddingsOf({ buffer }, { count, dimensions, as }) {
  const bytes = dimensions * Float32Array.BYTES_PER_ELEMENT
  const embeddings = new Array(count)
  for (let index = 0; index < count; index++) {
    const view = new Float32Array(buffer, index * bytes, dimensions)
    embeddings[index] = { object: 'embedding', index, embedding: as === 'float32' ? view : numbersOf(view) }
  }
  return embeddings
}

/** A loop takes a fifteenth of what `Array.from` takes. */
function numbersOf(view) {
  const numbers = new Array(view.length)
  for (let index = 0; index < view.length; index++) numbers[index] = view[index]
  return numbers
}

module.exports = { readEmbeddings, readServedEmbeddings }
