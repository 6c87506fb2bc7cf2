'use strict'

// Resident memory over a million requests: it must not grow with their number.

const { fork } = require('node:child_process')
const path = require('node:path')
const { format, table } = require('../markdown.js')
const { answering } = require('../processes.js')
const { barTable } = require('./bars.js')

/** How many of each in all. A quick run makes a tenth. */
const COUNTS = { requests: 1_000_000, errors: 200_000, aborts: 200_000, streams: 20_000 }
/** Where memory is read, in parts of the whole: after the start, when V8's young generation has its full size, and much later. */
const READ_AT = [0.01, 0.1, 1]
/**
 * A second time with the smallest young generation: V8's grows with the load in every client by tens of MB, which would hide what a
 * client keeps.
 */
const FLAGS = [null, '--max-semi-space-size=1']

const MOST_GROWTH = 15

/** @param {{ server: { url: string }, isQuick: boolean }} run */
async function memory({ server, isQuick }) {
  const rows = []
  const judged = []
  for (const flag of FLAGS) {
    for (const [kind, full] of Object.entries(COUNTS)) {
      const count = isQuick ? full / 10 : full
      const readings = await readingsOf(kind, count, server, flag)
      const growth = readings.at(-1) - readings.at(-2)
      const flags = flag === null ? 'default' : `\`${flag}\``
      rows.push([count.toLocaleString('en-US'), kind, flags, ...[...readings, growth].map((each) => format(each, 1))])
      judged.push({
        what: `${count.toLocaleString('en-US')} ${kind}, V8 flags ${flags}: growth, MB`,
        most: MOST_GROWTH,
        digits: 1,
        seen: { median: growth },
      })
    }
  }
  const heads = ['', '', 'V8 flags', ...READ_AT.map((part) => `after ${part * 100} %`), 'growth since']
  const about =
    'Of ours, in MB, 64 at a time, after a collection. An error is a 400, an abort one of a request under way, a stream has 100 events.'
  return `### Resident memory over many calls\n\n${about}\n\n${table(heads, rows)}\n${barTable(judged)}`
}

async function readingsOf(kind, count, { url }, flag) {
  const execArgv = ['--expose-gc', ...(flag ? [flag] : [])]
  const child = answering(fork(path.join(__dirname, 'memory-worker.js'), [kind, url], { execArgv }), kind)
  const readings = []
  for (const part of READ_AT) readings.push(await child.ask(Math.round(count * part)))
  await child.stop()
  return readings
}

module.exports = { memory }
