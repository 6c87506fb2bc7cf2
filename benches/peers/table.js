'use strict'

// What is printed: Markdown, one client a row.

const { format } = require('../markdown.js')
const { quantile } = require('../statistics.js')

const HEADS = [
  '',
  'capacity used',
  '429s per success',
  'failed requests',
  'p50 ms',
  'p99 ms',
  'Redis commands a request',
]

function row(title, { times, failures, atEnd, after, redisCommands }) {
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0)
  const calls = times.length + failed
  const sorted = times.toSorted((a, b) => a - b)
  return [
    title,
    percent(atEnd.chargedTokens / atEnd.capacityTokens),
    percent(after.refused / times.length),
    percent(failed / calls),
    format(quantile(sorted, 0.5), 0),
    format(quantile(sorted, 0.99), 0),
    redisCommands === undefined ? '–' : (redisCommands / calls).toFixed(1),
  ]
}

function percent(share) {
  return Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : '–'
}

module.exports = { HEADS, row }
