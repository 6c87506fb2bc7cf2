'use strict'

const { once } = require('node:events')

/**
 * Has an HTTP server listen on a free port until the test ends; resolves to the base URL that accounts have there.
 *
 * @param {import('node:test').TestContext} t
 * @param {import('node:http').Server} server
 */
async function listen(t, server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${server.address().port}/v1`
}

module.exports = { listen }
