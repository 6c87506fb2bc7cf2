'use strict'

// A server that answers when the test says so: what is in flight stays there.

const http = require('node:http')
const { once } = require('node:events')
const { completion } = require('./server.js')

/**
 * Starts it; it ends with the test.
 *
 * @param {import('node:test').TestContext} t
 */
async function startHolding(t) {
  const received = []
  let told = () => {}
  const server = http.createServer((request, response) => {
    request.resume()
    received.push({
      key: request.headers.authorization?.replace('Bearer ', ''),
      answer: () => response.end(JSON.stringify(completion())),
    })
    told()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    baseURL: `http://127.0.0.1:${server.address().port}/v1`,
    keys: () => received.map(({ key }) => key),
    /** All requests, as soon as there are so many: each with its `key`, and `answer()` to let it go. */
    async arrived(count) {
      while (received.length < count) {
        await new Promise((resolve) => {
          told = resolve
        })
      }
      return received
    },
  }
}

module.exports = { startHolding }
