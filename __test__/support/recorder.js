'use strict'

// A server for any endpoint: it keeps requests as bytes.

const http = require('node:http')
const { listen } = require('./listen.js')

/**
 * Starts it; it ends with the test. Its answers are JSON where `answer` says nothing else.
 *
 * @param {import('node:test').TestContext} t
 * @param {(call: Call, response: http.ServerResponse) => void} answer
 * @typedef {{ method: string, url: string, headers: http.IncomingHttpHeaders, body: Buffer }} Call
 */
async function startRecorder(t, answer = (_, response) => response.end('{}')) {
  /** @type {Call[]} */
  const received = []
  const server = http.createServer(async (request, response) => {
    const call = { method: request.method, url: request.url, headers: request.headers, body: null }
    received.push(call)
    call.body = Buffer.concat(await request.toArray())
    response.setHeader('content-type', 'application/json')
    answer(call, response)
  })
  return { received, baseURL: await listen(t, server) }
}

module.exports = { startRecorder }
