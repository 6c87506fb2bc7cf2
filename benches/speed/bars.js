'use strict'

// What must be reached. A bar is printed as met or not; it fails nothing.

const { format, formatRatio, table } = require('../markdown.js')
const { ratio, spread } = require('../statistics.js')

const HEADS = ['bar', 'needed', 'measured', 'least–most', 'met']

/**
 * @typedef {object} Judged
 * @property {string} what
 * @property {number} [least]
 * @property {number} [most]
 * @property {number} [digits] that are shown; left out for a ratio
 * @property {{ median: number, least?: number, most?: number } | null} seen null where a machine cannot tell
 */

/**
 * The bars of a topic for its rounds; those of contenders that were left out are left out.
 *
 * @returns {Judged[]}
 */
function judgedBars({ bars, contenders, fields }, results) {
  return bars.flatMap(({ in: name, of, than, thanIn, field, least, most, digits = fields[field].digits }) => {
    const ours = results[name][of]
    if (ours === undefined) return []
    const { head } = fields[field]
    const title = `${contenders[of].title}, ${name}`
    if (than === undefined) return [{ what: `${title}: ${head}`, least, most, digits, seen: spread(ours, field) }]
    const theirs = results[thanIn ?? name][than]
    const against = `${contenders[than].title}${thanIn ? `, ${thanIn}` : ''}`
    return [{ what: `${title}, against ${against}: ${head}`, least, most, seen: ratio(ours, theirs, field) }]
  })
}

/** @param {Judged[]} judged */
function barTable(judged) {
  if (judged.length === 0) return ''
  const rows = judged.map(({ what, least, most, digits, seen }) => {
    const show = (number) => (digits === undefined ? formatRatio(number) : format(number, digits))
    const unit = digits === undefined ? ' ×' : ''
    const needed = `${least === undefined ? `≤ ${show(most)}` : `≥ ${show(least)}`}${unit}`
    if (seen === null) return [what, needed, '–', '–', '–']
    const range = seen.least === undefined ? '–' : `${show(seen.least)}–${show(seen.most)}`
    return [what, needed, `${show(seen.median)}${unit}`, range, met({ least, most, digits }, seen.median)]
  })
  return `\n${table(HEADS, rows)}\n`
}

function met({ least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY, digits }, value) {
  // As precise as it is shown.
  const shown = digits === undefined ? value : Number(value.toFixed(digits))
  return shown >= least && shown <= most ? 'yes' : '**no**'
}

module.exports = { judgedBars, barTable }
