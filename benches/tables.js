'use strict'

// What is printed: Markdown, each figure of ours beside undici's and the bar that it must reach.

const os = require('node:os')
const { CONNECTIONS } = require('./contenders.js')
const { medians, ratio } = require('./statistics.js')

/** At most these. */
const BARS = { requireMs: 10, aloneRatio: 2, jsThreadRatio: 0.6, growthMegabytes: 15 }

const COMPARED = ['', 'ours', '`undici`', 'ratio (least–most)', 'bar', 'met']

function machine() {
  const cpus = os.cpus()
  return `${cpus[0]?.model ?? 'unknown CPU'}, ${cpus.length} cores, ${process.platform} ${process.arch}, Node.js ${process.version}`
}

function requireTable(rounds) {
  return table('`require` in a fresh process', COMPARED, [
    compared('ms', rounds, 'ms', 1, { most: BARS.requireMs, of: 'ours' }),
  ])
}

function chatTable({ alone, crowded }) {
  const many = `${CONNECTIONS} at a time`
  return table('A chat of 0.9 KB, a server without latency', COMPARED, [
    compared('one at a time: ms', alone, 'latencyMs', 3, { most: BARS.aloneRatio, of: 'ratio' }),
    compared(`${many}: requests/s`, crowded, 'perSecond', 0),
    compared(`${many}: JS thread, µs each`, crowded, 'jsThreadMicros', 1, {
      most: BARS.jsThreadRatio,
      of: 'ratio',
    }),
    compared(`${many}: process CPU, µs each`, crowded, 'processMicros', 1),
  ])
}

/** The bar is one of the whole growth, from the first reading to the last. */
function memoryTable(rows, chats) {
  const heads = ['', 'V8 flags', ...chats.map((count) => `after ${format(count, 0)}`), 'growth', 'bar', 'met']
  const cells = rows.map(({ name, flag, readings }) => {
    const growth = readings.at(-1) - readings[0]
    const bar = name === 'ours' ? BARS.growthMegabytes : null
    const flags = flag === null ? 'default' : `\`${flag}\``
    return [name, flags, ...[...readings, growth].map((megabytes) => format(megabytes, 1)), ...judged(growth, bar)]
  })
  return table('Resident memory after chats, MB', heads, cells)
}

/** A row of ours against undici; the bar, if any, is one of our own figure or of the ratio. */
function compared(label, rounds, field, digits, bar = null) {
  const ours = medians(rounds.ours)[field]
  const undici = medians(rounds.undici)[field]
  const ratios = ratio(rounds.ours, rounds.undici, field)
  const value = bar?.of === 'ours' ? ours : (ratios?.median ?? null)
  const [limit, met] = judged(value, bar?.most ?? null)
  const unit = bar?.of === 'ratio' ? ' ×' : ''
  return [label, format(ours, digits), format(undici, digits), formatRatio(ratios), bar ? limit + unit : limit, met]
}

function judged(value, most) {
  if (most === null) return ['–', '–']
  return [`≤ ${most}`, value === null ? '–' : value <= most ? 'yes' : '**no**']
}

function formatRatio(ratios) {
  if (ratios === null) return '–'
  return `${format(ratios.median, 2)} × (${format(ratios.least, 2)}–${format(ratios.most, 2)})`
}

function format(number, digits) {
  if (number === null) return '–'
  return number.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

function table(title, heads, rows) {
  const rule = heads.map((_, index) => (index === 0 ? '---' : '---:'))
  return [`### ${title}\n`, ...[heads, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`), ''].join('\n')
}

module.exports = { machine, requireTable, chatTable, memoryTable }
