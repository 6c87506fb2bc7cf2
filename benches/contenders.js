'use strict'

// The clients that are compared. Each makes a function that sends one chat and resolves to OpenAI's answer. Libraries are loaded
// inside, so that a process has only its own contender in memory.

/** As many as chats at a time, so that neither client waits for a connection. */
const CONNECTIONS = 64

const API_KEY = 'sk-bench'

/** What no run reaches: everything is counted and booked, nothing waits. */
const NO_LIMIT = { requestsPerMinute: 1e9, tokensPerMinute: 1e12 }

const contenders = {
  ours(baseURL) {
    const { RequestManager } = require('..')
    const account = { label: 'bench', apiKey: API_KEY, limits: { '*': NO_LIMIT } }
    const manager = new RequestManager({ accounts: [account], baseURL })
    return (request) => manager.chat(request)
  },

  // The fastest HTTP client for Node.js, and nothing around it: no booking, counting, retry or cost.
  undici(baseURL) {
    const { Pool } = require('undici')
    const { origin, pathname } = new URL(`${baseURL}/chat/completions`)
    const pool = new Pool(origin, { connections: CONNECTIONS })
    const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' }
    return async (request) => {
      const call = { path: pathname, method: 'POST', headers, body: JSON.stringify(request) }
      const { statusCode, body } = await pool.request(call)
      const text = await body.text()
      if (statusCode !== 200) throw new Error(`HTTP ${statusCode}: ${text}`)
      return JSON.parse(text)
    }
  },
}

module.exports = { contenders, CONNECTIONS }
