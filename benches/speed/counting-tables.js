'use strict'

// What is printed of token counting: texts are rows here, contenders columns.

const { format, formatRatio, table } = require('../markdown.js')
const { medians, ratio, spread } = require('../statistics.js')
const { barTable } = require('./bars.js')
const { contenders } = require('./counting.js')

const PEERS = Object.keys(contenders).filter((key) => !contenders[key].isOurs)

const LEAST_MB_PER_SECOND = 60
const TIMES_THE_FASTEST = 6

/**
 * @param {{ name: string, tokens: number, bytes: number, isOrdinary: boolean }[]} cases
 * @param results of them, see compare.js
 * @param {{ same: number, all: number }} counts texts in which ours and npm's `tiktoken` agree
 */
function countingTables(cases, results, { same, all }) {
  const keys = Object.keys(contenders)
  const rows = cases.map(({ name }) => [name, ...keys.map((key) => cell(results[name], key))])
  const judged = [
    ...cases.map(({ name }) => againstFastest(name, results[name])),
    ...cases.filter(({ isLong, isOrdinary }) => isLong && isOrdinary).map((each) => speed(each, results[each.name])),
    { what: `texts in which \`tiktoken\` counts the same, of ${all}`, least: all, digits: 0, seen: { median: same } },
  ]
  return `\n${table(['µs a text', ...keys.map((key) => contenders[key].title)], rows)}\n${barTable(judged)}`
}

function cell(rounds, key) {
  if (rounds[key] === undefined) return '–'
  const micros = medians(rounds[key]).p50Ms * 1000
  const shown = format(micros, micros < 100 ? 1 : 0)
  return key === 'ours' ? shown : `${shown} (${formatRatio(ratio(rounds[key], rounds.ours, 'p50Ms').median)} ×)`
}

function againstFastest(name, rounds) {
  const median = (key) => medians(rounds[key]).p50Ms
  const fastest = PEERS.reduce((a, b) => (median(b) < median(a) ? b : a))
  return {
    what: `${name}: time of ${contenders[fastest].title}, the fastest from npm, against ours`,
    least: TIMES_THE_FASTEST,
    seen: ratio(rounds[fastest], rounds.ours, 'p50Ms'),
  }
}

function speed({ name, bytes }, { ours }) {
  const { median, least, most } = spread(ours, 'p50Ms')
  const perSecond = (ms) => bytes / 1e6 / (ms / 1000)
  const seen = { median: perSecond(median), least: perSecond(most), most: perSecond(least) }
  return { what: `${name}: MB/s`, least: LEAST_MB_PER_SECOND, digits: 0, seen }
}

module.exports = { countingTables }
