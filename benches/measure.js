'use strict'

// The measurements. Contenders take turns, round by round: a shared machine changes its speed by half within an hour, and only what
// ran side by side can be compared.

const { startContender, timeRequire } = require('./processes.js')

const REQUIRES = 15
/**
 * One at a time, chats hang on how the system places threads, which changes from moment to moment: many short rounds. With many at a
 * time a round is long enough for ticks of 10 ms to tell CPU to a percent.
 */
const CHAT_ROUNDS = { alone: { rounds: 15, ms: 400 }, crowded: { rounds: 7, ms: 1500 } }
/** Until both are compiled, connected and have their tokenizer's tables. */
const WARM_UP_MS = 1500

/** Where memory is read: after the start, when V8's young generation has its full size, and much later. */
const MEMORY_AFTER_CHATS = [1_000, 10_000, 100_000]
const SMALL_YOUNG_GENERATION = '--max-semi-space-size=1'

/** Rounds of `require` for each module: ours by its folder. */
function measureRequire() {
  const modules = { ours: '.', undici: 'undici' }
  // The first of each reads its files from disk.
  for (const name of Object.values(modules)) timeRequire(name)
  return takeTurns(Object.keys(modules), REQUIRES, (name) => ({ ms: timeRequire(modules[name]) }))
}

/** Rounds of the loads `alone` and `crowded` for each contender. */
async function measureChats(baseURL) {
  const processes = { ours: startContender('ours', baseURL), undici: startContender('undici', baseURL) }
  const names = Object.keys(processes)
  for (const name of names) await processes[name].run('crowded', { ms: WARM_UP_MS })
  const rounds = {}
  for (const [load, { rounds: count, ms }] of Object.entries(CHAT_ROUNDS)) {
    rounds[load] = await takeTurns(names, count, (name) => processes[name].run(load, { ms }))
  }
  for (const name of names) await processes[name].stop()
  return rounds
}

/**
 * Resident memory after some numbers of chats, in MB. A second time with the smallest young generation: V8's grows with the load
 * in every client by tens of MB, which would hide what a client keeps.
 */
async function measureMemory(baseURL) {
  const rows = []
  for (const flag of [null, SMALL_YOUNG_GENERATION]) {
    for (const name of ['ours', 'undici']) {
      const contender = startContender(name, baseURL, ['--expose-gc', ...(flag ? [flag] : [])])
      const readings = []
      for (const chats of MEMORY_AFTER_CHATS) readings.push((await contender.run('memory', { chats })).megabytes)
      await contender.stop()
      rows.push({ name, flag, readings })
    }
  }
  return rows
}

async function takeTurns(names, rounds, measure) {
  const results = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of names) results[name].push(await measure(name))
  }
  return results
}

module.exports = { MEMORY_AFTER_CHATS, measureRequire, measureChats, measureMemory }
