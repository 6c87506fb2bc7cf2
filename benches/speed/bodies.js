'use strict'

// Chats whose bodies are long: what grows with them.

const { contenders, fields, input, unitsOf } = require('./calls.js')

const { ours, undici, openai } = contenders

const SIZES = { '1 KB': 1_000, '30 KB': 30_000, '600 KB': 600_000 }

module.exports = {
  title: 'Request bodies',
  about: 'A chat with a body of that size, 16 at a time.',
  contenders: { ours, undici, openai },
  input,
  unitsOf,
  cases: Object.entries(SIZES).map(([name, bytes]) => ({ name, bytes, concurrency: 16 })),
  fields: {
    perSecond: fields.perSecond,
    p50Ms: fields.p50Ms,
    p99Ms: fields.p99Ms,
    jsThreadMicros: fields.jsThreadMicros,
    processMicros: fields.processMicros,
    megabytes: fields.megabytes,
  },
  bars: [],
}
