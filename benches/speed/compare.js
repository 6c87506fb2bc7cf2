'use strict'

// Contenders take turns, round by round: a shared machine changes its speed by half within an hour, and only what ran side by side
// can be compared.

const { fork } = require('node:child_process')
const path = require('node:path')
const { answering } = require('../processes.js')
const { redisCommands, redisCpu, startRedis } = require('../redis-server.js')
const topics = require('./topics.js')

/** Until everything is compiled and connected. */
const WARM_UP_MS = 1500

/** Of a contender whose call takes longer, the first round is all that is waited for. */
const SLOW_CALL_MS = 3000

/**
 * The rounds of each contender in each case of a topic: `rounds[case][contender]`. The first round of a case is not counted,
 * but of a contender that is very slow.
 *
 * @param {string} name of the topic
 * @param {Server} server
 * @typedef {{ url: string, certificate?: string }} Server by default its certificate, if it has one, is as good as anybody's
 * @param {{ rounds: number, ms: number, hasRedis: boolean }} settings how many rounds, and how long each of a contender is
 */
async function compare(name, server, { rounds, ms, hasRedis, cases = topics[name].cases }) {
  const { contenders } = topics[name]
  const running = {}
  for (const [key, contender] of Object.entries(contenders)) {
    if (hasRedis || !contender.needsRedis) running[key] = await start(name, key, contender, server)
  }
  const results = {}
  for (const each of cases) {
    const taking = Object.keys(running).filter((key) => contenders[key].takes?.(each) ?? true)
    const seen = {}
    for (const key of taking) {
      const first = await running[key].run({ ...each, ms: each === cases[0] ? WARM_UP_MS : ms })
      seen[key] = first.p50Ms > SLOW_CALL_MS ? [first] : []
    }
    const inTurns = taking.filter((key) => seen[key].length === 0)
    for (let round = 0; round < rounds; round++) {
      for (const key of inTurns) seen[key].push(await running[key].run({ ...each, ms }))
    }
    results[each.name] = seen
  }
  for (const contender of Object.values(running)) await contender.stop()
  return results
}

async function start(topic, key, { needsRedis }, server) {
  const redis = needsRedis ? await startRedis() : null
  const passed = JSON.stringify({ url: server.url, redisPort: redis?.port })
  const env = { ...process.env, ...(server.certificate && { NODE_EXTRA_CA_CERTS: server.certificate }) }
  const child = answering(fork(path.join(__dirname, 'worker.js'), [topic, key, passed], { env }), `${topic}, ${key}`)
  return {
    async run(settings) {
      if (redis === null) return { ...(await child.ask(settings)), redisTrips: null, redisMicros: null }
      const commands = redisCommands(redis.port)
      const micros = redisCpu(redis.port)
      const seen = await child.ask(settings)
      return {
        ...seen,
        redisTrips: (redisCommands(redis.port) - commands) / seen.units,
        redisMicros: (redisCpu(redis.port) - micros) / seen.units,
      }
    },
    async stop() {
      await child.stop()
      await redis?.stop()
    },
  }
}

module.exports = { compare }
