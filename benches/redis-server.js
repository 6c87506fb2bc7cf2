'use strict'

// A Redis for a run, and what it has done so far.

const { execFileSync, spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const net = require('node:net')
const os = require('node:os')
const { setTimeout: pause } = require('node:timers/promises')
const { stop, track } = require('./processes.js')

/** `Redis server v=7.0.15 …` → 7.0.15; null where there is none. */
function redisVersion() {
  const { status, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
  return status === 0 ? (/v=(\S+)/.exec(stdout)?.[1] ?? 'unknown') : null
}

/** An empty Redis on a free port, which writes nothing to disk. */
async function startRedis() {
  const port = await freePort()
  const args = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const server = track(spawn('redis-server', args.map(String), { stdio: 'ignore', cwd: os.tmpdir() }))
  await listening(port)
  return { port, stop: () => stop(server) }
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function listening(port) {
  for (let tries = 0; tries < 100; tries++) {
    const socket = net.connect(port, '127.0.0.1')
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (connected) return
    await pause(50)
  }
  throw new Error('redis-server did not start')
}

/** Commands of clients that a Redis has run so far; what scripts call is part of them. */
function redisCommands(port) {
  const stats = info(port, 'commandstats')
  const isScript = /^cmdstat_evalsha:/m.test(stats)
  const calls = [
    ...stats.matchAll(isScript ? /^cmdstat_eval(?:sha)?:calls=(\d+)/gm : /^cmdstat_(?:get|set):calls=(\d+)/gm),
  ]
  return calls.reduce((sum, [, count]) => sum + Number(count), 0)
}

/** CPU of its process so far, in µs. */
function redisCpu(port) {
  const seconds = [...info(port, 'cpu').matchAll(/^used_cpu_(?:user|sys):([\d.]+)/gm)]
  return seconds.reduce((sum, [, each]) => sum + Number(each) * 1e6, 0)
}

function info(port, section) {
  return execFileSync('redis-cli', ['-p', String(port), 'info', section], { encoding: 'utf8' })
}

module.exports = { redisVersion, startRedis, redisCommands, redisCpu }
