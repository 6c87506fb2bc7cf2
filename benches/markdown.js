'use strict'

/** A table: the first column is text, the others are figures. */
function table(heads, rows) {
  const rule = heads.map((_, index) => (index === 0 ? '---' : '---:'))
  return [heads, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** `–` where there is no figure. */
function format(number, digits) {
  if (number === null || !Number.isFinite(number)) return '–'
  return number.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** Small ones as fractions, which are easier to read: 0.025 → 1/40. */
function formatRatio(ratio) {
  if (ratio === null || !Number.isFinite(ratio)) return '–'
  if (ratio > 0 && ratio <= 0.25) return `1/${significant(1 / ratio)}`
  return significant(ratio)
}

function significant(number) {
  return number.toLocaleString('en-US', { maximumSignificantDigits: number >= 100 ? 3 : 2 })
}

module.exports = { table, format, formatRatio }
