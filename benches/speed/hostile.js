'use strict'

// Texts that are made to be slow to count: each contender counts each in a process of its own, which is ended when it takes too long.

const { fork } = require('node:child_process')
const path = require('node:path')
const { setTimeout: pause } = require('node:timers/promises')
const { format, table } = require('../markdown.js')
const { answering } = require('../processes.js')
const { barTable } = require('./bars.js')
const { contenders } = require('./counting.js')
const { HOSTILE } = require('./texts.js')

const LIMIT_MS = { full: 2_000, quick: 500 }
const MOST_MS = 100

// `countTokensSync` does not take texts of that length.
const TAKING = Object.keys(contenders).filter((key) => key !== 'ours-sync')

/** Markdown of how long each takes for a megabyte of each text. */
async function hostileTexts({ isQuick }) {
  const limit = isQuick ? LIMIT_MS.quick : LIMIT_MS.full
  const rows = []
  const judged = []
  for (const name of Object.keys(HOSTILE)) {
    const ends = []
    for (const key of TAKING) ends.push(await count(key, name, limit))
    rows.push([name, ...ends.map(({ ms, failure }) => failure ?? format(ms, 0))])
    judged.push({
      what: `a megabyte of ${name}: ms`,
      most: MOST_MS,
      digits: 0,
      seen: ends[0].ms ? { median: ends[0].ms } : null,
    })
  }
  const heads = ['ms', ...TAKING.map((key) => contenders[key].title)]
  const about = `A megabyte that is made to be slow; a process that takes longer than ${limit / 1000} s is ended.`
  return `\n#### Hostile texts\n\n${about}\n\n${table(heads, rows)}\n${barTable(judged)}`
}

/** What an exception says is left out: of a trap it is a stack of addresses. */
async function count(key, name, limit) {
  const child = answering(fork(path.join(__dirname, 'hostile-worker.js'), [key, name], { stdio: 'ignore' }), key)
  await child.ask('load')
  const controller = new AbortController()
  const late = pause(limit, { failure: `over ${limit / 1000} s` }, { signal: controller.signal }).catch(() => null)
  const ended = child.ask('count').then(
    (ms) => ({ ms }),
    () => ({ failure: 'fails' }),
  )
  const end = await Promise.race([ended, late])
  controller.abort()
  await child.stop()
  return end
}

module.exports = { hostileTexts }
