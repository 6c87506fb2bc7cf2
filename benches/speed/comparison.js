'use strict'

// What is printed of a topic: a table for each case, one contender a row, each figure beside how many times ours it is.

const { format, formatRatio, table } = require('../markdown.js')
const { medians, ratio } = require('../statistics.js')
const { barTable, judgedBars } = require('./bars.js')

function comparison(topic, results) {
  const tables = Object.entries(results).map(
    ([name, rounds]) => `\n#### ${capital(name)}\n\n${caseTable(topic, rounds)}\n`,
  )
  return [...tables, barTable(judgedBars(topic, results))].join('')
}

function caseTable({ contenders, fields }, rounds) {
  const shown = Object.entries(fields).filter(([field]) =>
    Object.values(rounds).some(([first]) => first[field] !== null),
  )
  const rows = Object.entries(rounds).map(([key, own]) => {
    const figures = medians(own)
    const cells = shown.map(([field, { digits, isCompared }]) => {
      const figure = format(figures[field], digits)
      const ratios = isCompared && key !== 'ours' ? ratio(own, rounds.ours, field) : null
      return ratios === null ? figure : `${figure} (${formatRatio(ratios.median)} ×)`
    })
    return [contenders[key].title, ...cells]
  })
  return table(['', ...shown.map(([, { head }]) => head)], rows)
}

function capital(name) {
  return name[0].toUpperCase() + name.slice(1)
}

module.exports = { comparison }
