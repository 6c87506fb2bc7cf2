'use strict'

// A real master, its replica and a Sentinel for one test.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { eventually } = require('./eventually.js')
const { ask, startRedisServer } = require('./redis.js')

/**
 * Starts a master of the name `main` with a replica, and a Sentinel that takes half a second of silence for the master's end. All
 * end with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {{ password: string, sentinelPassword: string }} passwords
 */
async function startRedisSentinel(t, { password, sentinelPassword }) {
  // A master waits five seconds for further replicas otherwise.
  const secret = ['--requirepass', password, '--masterauth', password, '--repl-diskless-sync-delay', '0']
  const master = await startRedisServer(t, (port) => ['--port', String(port), ...secret])
  const replicaOf = ['--replicaof', '127.0.0.1', String(master.port)]
  const replica = await startRedisServer(t, (port) => ['--port', String(port), ...secret, ...replicaOf])
  const sentinel = await startRedisServer(t, (port, folder) => {
    const file = path.join(folder, 'sentinel.conf')
    const settings = [
      `sentinel monitor main 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds main 500',
      'sentinel failover-timeout main 5000',
      `sentinel auth-pass main ${password}`,
      `requirepass ${sentinelPassword}`,
    ]
    fs.writeFileSync(file, `${settings.join('\n')}\n`)
    return [file, '--port', String(port), '--sentinel']
  })
  for (const server of [master, replica]) server.target.password = password
  sentinel.target.password = sentinelPassword
  // A failover needs a Sentinel that knows a replica that has everything.
  await eventually(async () => {
    assert.match(await ask(replica.target, 'INFO', 'replication'), /master_link_status:up/)
    assert.match(await ask(sentinel.target, 'SENTINEL', 'REPLICAS', 'main'), /^\*1\r\n/)
  })
  return { master, replica, sentinel: sentinel.target.tcp }
}

module.exports = { startRedisSentinel }
