'use strict'

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The medians of all rounds, field by field; null where a machine cannot tell. */
function medians(rounds) {
  return Object.fromEntries(Object.keys(rounds[0]).map((field) => [field, medianOf(rounds, (round) => round[field])]))
}

/**
 * How the first compares to the second in a field: the ratio of each round, of these the median and both ends. Two that ran one
 * after the other had the same machine; what a machine does over minutes is in both of them and cancels out.
 */
function ratio(first, second, field) {
  if (first[0][field] === null || second[0][field] === null) return null
  const ratios = first.map((round, index) => round[field] / second[index][field])
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) }
}

function medianOf(rounds, value) {
  const values = rounds.map(value)
  return values.includes(null) ? null : median(values)
}

module.exports = { median, medians, ratio }
