'use strict'

const { cpuNow, cpuSince } = require('../cpu.js')
const { Times } = require('./times.js')

/**
 * So many calls at a time for so long; the last ones are waited for, and each caller makes one at least. The topic makes what is sent,
 * and tells from what came how many units (requests, events) it was: CPU is that of a unit, times are those of a call.
 *
 * @param {{ input: (settings: any) => any, unitsOf: (answered: any, settings: any) => number }} topic
 * @param {(input: any) => any} send
 */
async function load({ input, unitsOf }, send, settings) {
  const { concurrency, ms } = settings
  const times = new Times()
  let units = 0
  const cpu = cpuNow()
  const start = performance.now()
  const caller = async () => {
    let before = start
    do {
      const answered = await send(input(settings))
      units += unitsOf(answered, settings)
      const now = performance.now()
      times.add(now - before)
      before = now
    } while (before - start < ms)
  }
  await Promise.all(Array.from({ length: concurrency }, caller))
  const seconds = (performance.now() - start) / 1000
  const spent = cpuSince(cpu)
  const megabytes = process.memoryUsage.rss() / 1e6
  const [p50Ms, p99Ms] = times.quantiles(0.5, 0.99)
  return {
    units,
    perSecond: units / seconds,
    p50Ms,
    p99Ms,
    jsThreadMicros: spent.jsThread === null ? null : spent.jsThread / units,
    processMicros: spent.process / units,
    megabytes,
  }
}

module.exports = { load }
