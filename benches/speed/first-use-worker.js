'use strict'

// A fresh process that loads what one contender needs, and makes its first call.

const { root } = require('../../scripts/setup.js')
const { cpuNow, cpuSince } = require('../cpu.js')
const { answer } = require('../processes.js')
const topics = require('./topics.js')

const [name, contender, server] = process.argv.slice(2)
const { contenders, input, unitsOf } = topics[name]
const { isOurs, libraries = [], modules = libraries, make } = contenders[contender]

answer(async (settings) => {
  const sent = input(settings)
  const start = performance.now()
  if (isOurs) require(root)
  for (const module of modules) require(module)
  const required = performance.now()
  const requiredMegabytes = megabytes()

  const cpu = cpuNow()
  unitsOf(await make(JSON.parse(server))(sent), settings)
  const { jsThread } = cpuSince(cpu)
  return {
    requireMs: required - start,
    requiredMegabytes,
    firstMs: performance.now() - required,
    firstJsMs: jsThread === null ? null : jsThread / 1000,
    answeredMegabytes: megabytes(),
  }
})

function megabytes() {
  return process.memoryUsage.rss() / 1e6
}
