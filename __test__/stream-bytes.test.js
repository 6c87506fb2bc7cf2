'use strict'

// Streams that stand still, end or break off after any of their bytes: what the caller sees of them.

const assert = require('node:assert/strict')
const http = require('node:http')
const { test } = require('node:test')
const { setImmediate: turn } = require('node:timers/promises')
const { RequestManager } = require('..')
const { listen } = require('./support/listen.js')

const chunk = (delta, finish_reason = null) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta, finish_reason }],
})

/** Streams as OpenAI writes them: of each event its lines, without the empty one. `finishedBy` events the answer is whole. */
const STREAMS = {
  chat: {
    path: '/chat/completions',
    body: {
      model: 'gpt-6-luna',
      messages: [{ role: 'user', content: 'Hello' }],
      stream: true,
      stream_options: { include_usage: true },
    },
    events: [
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'Hä' }),
      chunk({ content: '€ 😀\n\n' }),
      chunk({}, 'stop'),
      { choices: [], usage: { prompt_tokens: 8, completion_tokens: 2, total_tokens: 10 } },
    ],
    lines: (data) => `data: ${JSON.stringify(data)}`,
    last: ['data: [DONE]'],
    finishedBy: 4,
  },
  // Its events have names, and no event besides tells the end.
  response: {
    path: '/responses',
    body: { model: 'gpt-6-luna', input: 'Hello', stream: true },
    events: [
      { type: 'response.created', response: { id: 'resp_1' } },
      { type: 'response.output_text.delta', delta: 'Hä€😀' },
      { type: 'response.completed', response: { id: 'resp_1', usage: { input_tokens: 8, output_tokens: 2 } } },
    ],
    lines: (data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}`,
    last: [],
    finishedBy: 3,
  },
}

/** What becomes of the connection behind the first bytes. */
const ENDS = {
  'breaks off': (response, first) => {
    response.flushHeaders()
    response.write(first, () => response.socket.destroy())
  },
  // As if this were all, which a proxy in between makes of a broken connection.
  ends: (response, first) => response.end(first),
  'stands still': async (response, first, rest) => {
    response.write(first)
    await turn()
    response.end(rest)
  },
}

/** What a caller sees: of a stream of values these, of bytes their text; and the error behind them, if any. */
const WAYS = {
  async class(manager, { path, body }) {
    const stream = await (path === '/responses' ? manager.responses(body) : manager.chat(body))
    return read(stream, [], (seen, event) => [...seen, event])
  },
  async fetch(manager, { path, body }) {
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    const response = await manager.fetch(`https://api.openai.com/v1${path}`, init)
    return read(response.body.pipeThrough(new TextDecoderStream()), '', (seen, text) => seen + text)
  },
}

async function read(stream, nothing, add) {
  let seen = nothing
  try {
    for await (const part of stream) seen = add(seen, part)
    return { seen, code: null }
  } catch (error) {
    return { seen, code: error.code }
  }
}

/** A server whose account `a` gets so many bytes of a stream and then its end, and account `b` all of it. */
async function serve(t, bytes, end) {
  const cut = { at: 0, keys: [] }
  const server = http.createServer(async (request, response) => {
    await request.toArray()
    const key = request.headers.authorization.slice('Bearer '.length)
    cut.keys.push(key)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    if (key === 'sk-b') return response.end(bytes)
    end(response, bytes.subarray(0, cut.at), bytes.subarray(cut.at))
  })
  return { cut, baseURL: await listen(t, server) }
}

for (const [api, stream] of Object.entries(STREAMS)) {
  const texts = [...stream.events.map(stream.lines), ...stream.last]
  const bytes = Buffer.from(texts.map((text) => `${text}\n\n`).join(''))
  /** Of each event how many bytes it takes to its end, without its empty line. */
  const lengths = texts.map((_, index) => Buffer.byteLength(texts.slice(0, index + 1).join('\n\n')))

  for (const [how, end] of Object.entries(ENDS)) {
    for (const [way, see] of Object.entries(WAYS)) {
      test(`${way}: a ${api} that ${how} after any byte is seen up to there, and is whole or an error`, async (t) => {
        const { cut, baseURL } = await serve(t, bytes, end)
        for (cut.at = 0; cut.at <= bytes.length; cut.at++) {
          // One of its own for each: none has learned yet that account `a` fails.
          const manager = new RequestManager({ accounts: { a: 'sk-a', b: 'sk-b' }, baseURL })
          cut.keys = []
          const { seen, code } = await see(manager, stream)
          await manager.close()

          // Where the body ends by itself, the empty line behind the last event may be missing.
          const came = lengths.filter((length) => cut.at >= (how === 'ends' ? length : length + 2)).length
          const isAll = how === 'stands still' || came === 0 || came === texts.length
          const events = isAll ? texts.length : came
          const expected = {
            class: stream.events.slice(0, events),
            fetch: texts.slice(0, events).map((text) => `${text}\n\n`),
          }[way]
          const what = `after ${cut.at} bytes`
          assert.deepEqual(seen, way === 'class' ? expected : expected.join(''), what)
          assert.equal(code, isAll || (how === 'ends' && came >= stream.finishedBy) ? null : 'ERR_UPSTREAM', what)
          // Before the first event the request moves on; later it is never repeated.
          assert.deepEqual(cut.keys, came === 0 && how !== 'stands still' ? ['sk-a', 'sk-b'] : ['sk-a'], what)
        }
      })
    }
  }
}
