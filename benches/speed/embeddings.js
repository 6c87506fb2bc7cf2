'use strict'

// Embeddings of 1,536 numbers, as arrays of numbers and as typed arrays.

const { axios, manager, openai, undici } = require('./clients.js')

const MODEL = 'text-embedding-3-small'
const NUMBERS = 1536

// Each makes a function that sends a request and resolves to the vectors: with `isTyped` as `Float32Array`s. Who is not told otherwise
// fetches what is parsed fastest: numbers in JSON for arrays, base64 for typed arrays.
const contenders = {
  ours: {
    title: 'ours',
    make(server) {
      const pool = manager(server)
      return async ({ request, isTyped }) => {
        const { data } = await pool.embed(isTyped ? { ...request, encoding_format: 'float32' } : request)
        return data.map(({ embedding }) => embedding)
      }
    },
  },
  // Fetches base64 by itself, and decodes it to numbers.
  openai: {
    title: '`openai`',
    libraries: ['openai'],
    make(server) {
      const client = openai(server)
      return async ({ request, isTyped }) => {
        const { data } = await client.embeddings.create(isTyped ? { ...request, encoding_format: 'base64' } : request)
        return vectors(data, isTyped)
      }
    },
  },
  axios: {
    title: '`axios`',
    libraries: ['axios'],
    make(server) {
      const client = axios(server)
      return async ({ request, isTyped }) => {
        const { data } = await client.post('/embeddings', formed(request, isTyped))
        return vectors(data.data, isTyped)
      }
    },
  },
  undici: {
    title: '`undici`, a pool',
    libraries: ['undici'],
    make(server) {
      const post = undici(server)
      return async ({ request, isTyped }) => {
        const { data } = await (await post('/embeddings', formed(request, isTyped))).json()
        return vectors(data, isTyped)
      }
    },
  },
}

function formed(request, isTyped) {
  return { ...request, encoding_format: isTyped ? 'base64' : 'float' }
}

function vectors(data, isTyped) {
  return data.map(({ embedding }) => (isTyped ? decoded(embedding) : embedding))
}

function decoded(base64) {
  const bytes = Buffer.from(base64, 'base64')
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Float32Array.BYTES_PER_ELEMENT)
}

let requests = 0

function input({ inputs, isTyped }) {
  const number = ++requests
  const texts = Array.from({ length: inputs }, (_, index) => `Oak table ${number}, part ${index}`)
  return { request: { model: MODEL, input: texts }, isTyped }
}

function unitsOf(made, { inputs, isTyped }) {
  const last = made.at(-1)
  const isRight = made.length === inputs && last.length === NUMBERS && last instanceof Float32Array === isTyped
  if (!isRight) throw new Error(`${made.length} vectors, the last of ${last?.length} numbers`)
  return 1
}

const named = (inputs, isTyped) =>
  `${inputs.toLocaleString('en-US')} ${inputs === 1 ? 'input' : 'inputs'}, ${isTyped ? '`Float32Array`' : '`number[]`'}`

/** Calls at a time: with one input as many as of chats, with more a few, as 2,048 embeddings are megabytes of text each time. */
const CONCURRENCY = { 1: 64, 100: 4, 2048: 4 }

const cases = [1, 100, 2048].flatMap((inputs) =>
  [false, true].map((isTyped) => ({ name: named(inputs, isTyped), inputs, isTyped, concurrency: CONCURRENCY[inputs] })),
)

/** Ours as it is meant to be used, against `openai` as it is used. */
const bars = [1, 100, 2048].map((inputs) => ({
  in: named(inputs, true),
  of: 'ours',
  than: 'openai',
  thanIn: named(inputs, false),
  field: 'jsThreadMicros',
  most: 1 / 40,
}))

module.exports = {
  title: 'Embeddings',
  about: `${NUMBERS.toLocaleString('en-US')} numbers each; 64 calls at a time with one input, 4 with more. CPU is that of one call.`,
  contenders,
  input,
  unitsOf,
  cases,
  fields: {
    perSecond: { head: 'calls/s', digits: 1, isCompared: true },
    p50Ms: { head: 'p50 ms', digits: 2 },
    p99Ms: { head: 'p99 ms', digits: 2 },
    jsThreadMicros: { head: 'JS thread µs', digits: 0, isCompared: true },
    processMicros: { head: 'process CPU µs', digits: 0, isCompared: true },
    megabytes: { head: 'resident MB', digits: 0 },
  },
  bars,
}
