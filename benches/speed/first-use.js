'use strict'

// From nothing to the first answer: each in fresh processes, in turns.

const { fork } = require('node:child_process')
const path = require('node:path')
const { format, table } = require('../markdown.js')
const { answering } = require('../processes.js')
const { generator } = require('../random.js')
const { startRedis } = require('../redis-server.js')
const { medians, spread } = require('../statistics.js')
const { barTable } = require('./bars.js')
const topics = require('./topics.js')

const ROUNDS = { full: 11, quick: 2 }

/** What the first call is. */
const FIRST = { calls: { bytes: 900 }, tokens: { kind: 'prose', characters: 2_000, of: 2_001 } }

const FIELDS = {
  requireMs: { head: '`require` ms', digits: 1 },
  requiredMegabytes: { head: 'resident MB then', digits: 0 },
  firstMs: { head: 'first answer ms', digits: 1 },
  firstJsMs: { head: 'JS thread of it, ms', digits: 1 },
  answeredMegabytes: { head: 'resident MB then', digits: 0 },
}

const BARS = {
  calls: [{ of: 'ours', field: 'requireMs', most: 5 }],
  tokens: [
    { of: 'ours', field: 'requireMs', most: 5 },
    { of: 'ours', field: 'firstMs', most: 100 },
  ],
}

/** Markdown of it, for the contenders of a topic. */
async function firstUse(name, server, { hasRedis = false, isQuick }) {
  const { contenders } = topics[name]
  const redis = hasRedis ? await startRedis() : null
  const keys = Object.keys(contenders).filter((key) => hasRedis || !contenders[key].needsRedis)
  const passed = JSON.stringify({ url: server.url, redisPort: redis?.port })
  const seen = Object.fromEntries(keys.map((key) => [key, []]))
  // The first of each reads its files from disk.
  for (let round = -1; round < (isQuick ? ROUNDS.quick : ROUNDS.full); round++) {
    for (const key of shuffled(keys, round)) {
      const reading = await once(name, key, passed)
      if (round >= 0) seen[key].push(reading)
    }
  }
  await redis?.stop()

  const figures = Object.fromEntries(keys.map((key) => [key, medians(seen[key])]))
  const fields = Object.entries(FIELDS)
  const rows = keys.map((key) => [
    contenders[key].title,
    ...fields.map(([field, { digits }]) => format(figures[key][field], digits)),
  ])
  const judged = BARS[name].map(({ of, field, most }) => {
    const { head, digits } = FIELDS[field]
    return { what: `${contenders[of].title}: ${head}`, most, digits, seen: spread(seen[of], field) }
  })
  const about = 'In a fresh process; the first answer is measured from the end of `require`.'
  return `\n${about}\n\n${table(['', ...fields.map(([, { head }]) => head)], rows)}\n${barTable(judged)}`
}

/** In another order each round: whoever always comes behind the same one pays for what that leaves behind. */
function shuffled(keys, round) {
  const random = generator(round)
  const weighed = keys.map((key) => ({ key, weight: random() }))
  return weighed.toSorted((one, other) => one.weight - other.weight).map(({ key }) => key)
}

async function once(topic, key, server) {
  const child = answering(fork(path.join(__dirname, 'first-use-worker.js'), [topic, key, server]), `${topic}, ${key}`)
  const reading = await child.ask(FIRST[topic])
  await child.stop()
  return reading
}

module.exports = { firstUse }
