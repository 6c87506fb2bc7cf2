'use strict'

// What is printed: Markdown, one client a row.

const os = require('node:os')

const HEADS = [
  '',
  'capacity used',
  '429s per success',
  'failed requests',
  'p50 ms',
  'p99 ms',
  'Redis commands a request',
]

function machine() {
  const cpus = os.cpus()
  return `${cpus[0]?.model ?? 'unknown CPU'}, ${cpus.length} cores, ${process.platform} ${process.arch}, Node.js ${process.version}`
}

function row(title, { times, failures, atEnd, after, redisCommands }) {
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0)
  const calls = times.length + failed
  const sorted = times.toSorted((a, b) => a - b)
  return [
    title,
    percent(atEnd.chargedTokens / atEnd.capacityTokens),
    percent(after.refused / times.length),
    percent(failed / calls),
    whole(quantile(sorted, 0.5)),
    whole(quantile(sorted, 0.99)),
    redisCommands === undefined ? '–' : (redisCommands / calls).toFixed(1),
  ]
}

function table(rows) {
  const rule = HEADS.map((_, index) => (index === 0 ? '---' : '---:'))
  return [HEADS, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function quantile(sorted, share) {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

function percent(share) {
  return Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : '–'
}

function whole(number) {
  return Number.isFinite(number) ? Math.round(number).toLocaleString('en-US') : '–'
}

module.exports = { machine, row, table }
