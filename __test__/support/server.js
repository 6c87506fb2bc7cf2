'use strict'

// A server of the test's own, which keeps what arrived and answers as told: the tests assert the wire, and the absence of calls.

const http = require('node:http')
const { once } = require('node:events')

/**
 * @param {(request: Received) => Answer | Promise<Answer> | Answer['body'] | null} answer null cuts the connection
 * @typedef {{ url: string, key: string, headers: http.IncomingHttpHeaders, body: any }} Received `key` is the bearer token
 * @typedef {{ status?: number, headers?: Record<string, string>, body?: unknown, cutAfter?: number }} Answer
 */
async function startServer(answer) {
  const received = []
  const server = http.createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', async () => {
      const call = {
        url: request.url,
        key: request.headers.authorization?.replace('Bearer ', ''),
        headers: request.headers,
        body: JSON.parse(text),
      }
      received.push(call)
      respond(request, response, await answer(call))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    received,
    baseURL: `http://127.0.0.1:${server.address().port}/v1`,
    keys: () => received.map((call) => call.key),
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function respond(request, response, answer) {
  if (answer === null) return request.socket.destroy()
  const { status = 200, headers = {}, body = completion(), cutAfter } = answer
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  })
  if (cutAfter === undefined) return response.end(text)
  response.write(text.slice(0, cutAfter))
  setImmediate(() => request.socket.destroy())
}

/** A chat completion as OpenAI sends it. */
function completion(content = 'Hello!', usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 }) {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1700000000,
    model: 'gpt-4o-2024-08-06',
    choices: [
      { index: 0, message: { role: 'assistant', content, refusal: null }, logprobs: null, finish_reason: 'stop' },
    ],
    usage,
    service_tier: 'default',
  }
}

/** An error body as OpenAI sends it. */
function openaiError(message, type, code) {
  return { error: { message, type, param: null, code } }
}

/** OpenAI's 429 for a limit that will have room after `wait`. */
function limited(wait) {
  const message =
    'Rate limit reached for gpt-4o in organization org-AbCdEfGhIjKl on tokens per min (TPM): Limit 30000, Used 29937, ' +
    `Requested 385. Please try again in ${wait}. Visit https://platform.openai.com/account/rate-limits to learn more.`
  return { status: 429, body: openaiError(message, 'tokens', 'rate_limit_exceeded') }
}

module.exports = { startServer, completion, openaiError, limited }
