'use strict'

// The sections of a run, by their names in `--only`. Each measures, and gives the Markdown of what it saw.

const { compare } = require('./compare.js')
const { comparison } = require('./comparison.js')
const { countingTables } = require('./counting-tables.js')
const { firstUse } = require('./first-use.js')
const { hostileTexts } = require('./hostile.js')
const { memory } = require('./memory.js')
const topics = require('./topics.js')

/** How many rounds, and how long each of a contender is; few where a single call is long. */
const ROUNDS = {
  calls: { rounds: 5, ms: 300 },
  tls: { rounds: 5, ms: 300 },
  streams: { rounds: 5, ms: 500 },
  bodies: { rounds: 5, ms: 500 },
  embeddings: { rounds: 3, ms: 500 },
  tokens: { rounds: 3, ms: 100 },
}
const QUICK = { rounds: 2, ms: 150 }

/** @typedef {{ server: { url: string, secure: import('./compare.js').Server }, hasRedis: boolean, isQuick: boolean }} Run */

function compared(name) {
  /** @param {Run} run */
  return async ({ server, hasRedis, isQuick }) => {
    const topic = topics[name]
    const results = await compare(name, topic.isSecure ? server.secure : server, {
      ...(isQuick ? QUICK : ROUNDS[name]),
      hasRedis,
    })
    return `### ${topic.title}\n\n${topic.about}\n${comparison(topic, results)}`
  }
}

module.exports = {
  calls: compared('calls'),
  tls: compared('tls'),
  streams: compared('streams'),
  bodies: compared('bodies'),
  embeddings: compared('embeddings'),
  async tokens({ server, isQuick }) {
    const { title, about, cases, sameCounts } = topics.tokens
    const results = await compare('tokens', server, { ...(isQuick ? QUICK : ROUNDS.tokens), cases })
    const tables = [
      countingTables(cases, results, await sameCounts(cases)),
      await hostileTexts({ isQuick }),
      '\n#### First use\n',
      await firstUse('tokens', server, { isQuick }),
    ]
    return `### ${title}\n\n${about}\n${tables.join('')}`
  },
  async start({ server, hasRedis, isQuick }) {
    return `### Start\n${await firstUse('calls', server, { hasRedis, isQuick })}`
  },
  memory,
}
