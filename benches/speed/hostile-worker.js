'use strict'

// The process of one contender and one hostile text: loads at the first message, counts at the second.

const { answer } = require('../processes.js')
const { contenders } = require('./counting.js')
const { HOSTILE } = require('./texts.js')

const [key, name] = process.argv.slice(2)
const count = contenders[key].make()
const texts = { load: 'Hello', count: HOSTILE[name]() }

answer(async (message) => {
  const start = performance.now()
  await count(texts[message])
  return performance.now() - start
})
