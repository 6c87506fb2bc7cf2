'use strict'

// A real cluster of three masters for one test.

const assert = require('node:assert/strict')
const { eventually } = require('./eventually.js')
const { ask, startRedisServer } = require('./redis.js')

/** A third of the slots each, the first included and the last not. */
const SLOTS = [
  [0, 5_000],
  [5_000, 10_000],
  [10_000, 16_384],
]

const WHOLE = ['cluster_state:ok', 'cluster_known_nodes:3', 'cluster_slots_ok:16384']

/**
 * Starts a cluster; it ends with the test. Without one of its masters the others go on.
 *
 * @param {import('node:test').TestContext} t
 * @param {{ password?: string }} [settings]
 */
async function startRedisCluster(t, { password } = {}) {
  const words = ['--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no', '--cluster-node-timeout', '1000']
  const secret = password ? ['--requirepass', password] : []
  const masters = await Promise.all(
    SLOTS.map(() => startRedisServer(t, (port) => ['--port', String(port), ...words, ...secret])),
  )
  for (const master of masters) master.target.password = password
  const [first, ...others] = masters.map(({ target }) => target)
  for (const [index, { target }] of masters.entries()) {
    const [from, to] = SLOTS[index]
    const slots = Array.from({ length: to - from }, (_, offset) => String(from + offset))
    await ask(target, 'CLUSTER', 'ADDSLOTS', ...slots)
  }
  for (const { tcp } of others) await ask(first, 'CLUSTER', 'MEET', tcp.host, String(tcp.port))
  for (const { target } of masters) {
    await eventually(async () => {
      const info = await ask(target, 'CLUSTER', 'INFO')
      for (const sign of WHOLE) assert.ok(info.includes(sign), info)
    })
  }
  return {
    masters,
    nodes: masters.map(({ target }) => target.tcp),
    /** The master that a key belongs to. */
    async masterOf(key) {
      const slot = Number((await ask(first, 'CLUSTER', 'KEYSLOT', key)).slice(1))
      return masters[SLOTS.findIndex(([, to]) => slot < to)]
    },
  }
}

module.exports = { startRedisCluster }
