'use strict'

// Troubles that a pool cannot help, and how often it then sends a request: a client library must tell its caller what happened, and must
// not send it again.

const http = require('node:http')
const { once } = require('node:events')
const { RequestManager } = require('../..')
const { listen } = require('./listen.js')
const { firstPart } = require('./model.js')
const { limited, openaiError } = require('./server.js')

/** The accounts of every pool here are two; a request goes to each once. */
const SETTINGS = { accounts: { a: 'sk-a', b: 'sk-b' }, maxRetries: 1, maxWaitMs: 1000 }

/**
 * By name: what the server answers, what of it the caller sees, and how often the request is sent. `ends` are those that no client that we
 * know repeats, whatever its settings.
 */
const TROUBLES = {
  'a 400': {
    answer: {
      status: 400,
      body: openaiError('Unsupported value: temperature.', 'invalid_request_error', 'unsupported_value'),
    },
    status: 400,
    message: /Unsupported value: temperature\./,
    type: 'invalid_request_error',
    sent: 1,
    ends: true,
  },
  'a 401 of all accounts': {
    answer: { status: 401, body: openaiError('Incorrect API key.', 'invalid_request_error', 'invalid_api_key') },
    status: 401,
    message: /Incorrect API key\./,
    type: 'invalid_request_error',
    sent: 2,
    ends: true,
  },
  'a 429 of all accounts': {
    answer: limited('20s'),
    status: 429,
    message: /Rate limit reached/,
    type: 'tokens',
    sent: 2,
  },
  'a 500 of all accounts': {
    answer: { status: 500, body: openaiError('The server had an error.', 'server_error', null) },
    status: 500,
    message: /The server had an error\./,
    type: 'server_error',
    sent: 2,
  },
  'a connection that breaks on all accounts': {
    answer: null,
    status: 503,
    message: /the connection broke/,
    type: 'request_manager_error',
    sent: 2,
  },
}

/**
 * A manager of two accounts on a server; it ends with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {{ baseURL: string }} server
 */
function poolOf(t, { baseURL }) {
  const manager = new RequestManager({ ...SETTINGS, baseURL })
  t.after(() => manager.close())
  return manager
}

/**
 * A server that begins to answer and never ends: a stream has half a text. `arrived` and `closed` resolve when the request has come and when
 * its connection has gone.
 *
 * @param {import('node:test').TestContext} t
 */
async function startStalling(t) {
  const server = http.createServer(async (request, response) => {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString())
    response.on('close', () => server.emit('left'))
    if (body.stream) {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(firstPart({ url: request.url, body }))
    }
    server.emit('arrived')
  })
  const [arrived, closed] = [once(server, 'arrived'), once(server, 'left')]
  return { baseURL: await listen(t, server), arrived, closed }
}

module.exports = { TROUBLES, poolOf, startStalling }
