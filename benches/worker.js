'use strict'

// The process of one contender: takes one load at a time from its parent, and answers with what it read.

const { contenders } = require('./contenders.js')
const { loads } = require('./loads.js')

const [name, baseURL] = process.argv.slice(2)
const chat = contenders[name](baseURL)

process.on('message', async ({ load, settings }) => {
  try {
    process.send({ result: await loads[load](chat, settings) })
  } catch (error) {
    process.send({ failure: error.stack })
  }
})
// Idle connections would keep the process alive.
process.on('disconnect', () => process.exit())
