'use strict'

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The value that the share of the sorted ones does not exceed. */
function quantile(sorted, share) {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

/** The medians of all rounds, field by field; null where a machine cannot tell. */
function medians(rounds) {
  const fields = Object.keys(rounds[0])
  return Object.fromEntries(fields.map((field) => [field, spread(rounds, field)?.median ?? null]))
}

/** The median of a field over all rounds, and both ends; null where a machine cannot tell. */
function spread(rounds, field) {
  return spreadOf(rounds.map((round) => round[field]))
}

/**
 * How the first compares to the second in a field: the ratio of each round, of these the median and both ends. Two that ran one
 * after the other had the same machine; what a machine does over minutes is in both of them and cancels out.
 */
function ratio(first, second, field) {
  if (first[0][field] === null || second[0][field] === null) return null
  const rounds = Math.min(first.length, second.length)
  return spreadOf(first.slice(0, rounds).map((round, index) => round[field] / second[index][field]))
}

function spreadOf(values) {
  if (values.includes(null)) return null
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) }
}

module.exports = { medians, quantile, ratio, spread }
