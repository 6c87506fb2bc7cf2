'use strict'

// A chat in 100 events.

const { MODEL, input } = require('./chats.js')
const { aiModel, manager, openai, undici } = require('./clients.js')

const EVENTS = 100
/** Events with a part of the text; the first and the last have none. */
const WITH_TEXT = 98

// Each makes a function that sends a chat and resolves to the number of events with text.
const contenders = {
  ours: {
    title: 'ours',
    make(server) {
      const pool = manager(server)
      return async (request) => count(await pool.chat({ ...request, stream: true }))
    },
  },
  undici: {
    title: '`undici`, split at empty lines',
    libraries: ['undici'],
    make(server) {
      const post = undici(server)
      return async (request) => count(events(await post('/chat/completions', { ...request, stream: true })))
    },
  },
  openai: {
    title: '`openai`',
    libraries: ['openai'],
    make: (server) => created(openai(server)),
  },
  'openai-ours': {
    title: '`openai` through `manager.fetch`',
    libraries: ['openai'],
    make: (server) => created(openai(server, manager(server).fetch)),
  },
  ai: {
    title: '`ai`, `@ai-sdk/openai`',
    libraries: ['ai', '@ai-sdk/openai'],
    make(server) {
      const { streamText } = require('ai')
      const model = aiModel(server, MODEL)
      return async ({ messages, max_tokens }) => {
        const [{ content: system }, user] = messages
        const { textStream } = streamText({ model, system, messages: [user], maxOutputTokens: max_tokens })
        let texts = 0
        for await (const _text of textStream) texts++
        return texts
      }
    },
  },
}

function created(client) {
  return async (request) => count(await client.chat.completions.create({ ...request, stream: true }))
}

/** As short as it can be: no comments, no fields but `data`, and lines that end with a line feed. */
async function* events(body) {
  body.setEncoding('utf8')
  let rest = ''
  for await (const piece of body) {
    const blocks = (rest + piece).split('\n\n')
    rest = blocks.pop()
    for (const block of blocks) {
      const data = block.slice('data: '.length)
      if (data !== '[DONE]') yield JSON.parse(data)
    }
  }
}

async function count(chunks) {
  let texts = 0
  for await (const { choices } of chunks) {
    if (choices[0]?.delta.content) texts++
  }
  return texts
}

function unitsOf(texts) {
  if (texts !== WITH_TEXT) throw new Error(`${texts} events with text`)
  return EVENTS
}

const CASE = '16 at a time'

module.exports = {
  title: 'Streams',
  about: `A chat in ${EVENTS} events, which the server sends in a few writes; each event is parsed. CPU is that of one event.`,
  contenders,
  input,
  unitsOf,
  cases: [{ name: CASE, concurrency: 16, bytes: 900 }],
  fields: {
    perSecond: { head: 'events/s', digits: 0, isCompared: true },
    p50Ms: { head: 'p50 ms a stream', digits: 2 },
    p99Ms: { head: 'p99 ms a stream', digits: 2 },
    jsThreadMicros: { head: 'JS thread µs', digits: 2, isCompared: true },
    processMicros: { head: 'process CPU µs', digits: 2, isCompared: true },
    megabytes: { head: 'resident MB', digits: 0 },
  },
  // 114 events in 230 µs are the same.
  bars: [{ in: CASE, of: 'ours', field: 'jsThreadMicros', most: 2 }],
}
