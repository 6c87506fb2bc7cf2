'use strict'

const os = require('node:os')

/** What a run was on: figures of different machines are no comparison. */
function machine() {
  const cpus = os.cpus()
  return `${cpus[0]?.model ?? 'unknown CPU'}, ${cpus.length} cores, ${process.platform} ${process.arch}, Node.js ${process.version}`
}

module.exports = { machine }
