'use strict'

// The processes of a row: a fresh simulator, a fresh Redis where one is needed, and the client. All of them end with this one.

const { execFileSync, fork, spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { createInterface } = require('node:readline')
const { setTimeout: pause } = require('node:timers/promises')
const { root } = require('../../scripts/setup.js')
const { simulatorSettings } = require('./workload.js')

const running = new Set()
process.once('exit', () => {
  for (const child of running) child.kill()
})
// Without a listener, a signal ends a process before its 'exit' event.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

function track(child) {
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

async function stop(child) {
  if (!running.has(child)) return
  const ended = once(child, 'exit')
  child.kill()
  await ended
}

/** The simulator as a server of its own. */
async function startServer() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-peers-'))
  const settings = path.join(folder, 'simulator.json')
  fs.writeFileSync(settings, JSON.stringify(simulatorSettings))
  const command = path.join(root, 'bin', 'openai-request-manager.js')
  const args = [command, 'simulate', '--settings', settings]
  const server = track(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }))
  try {
    for await (const line of createInterface({ input: server.stdout })) {
      const baseURL = /https?:\S+/.exec(line)?.[0]
      if (baseURL) return { baseURL, stop: () => stop(server) }
    }
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
  throw new Error('the simulator did not start')
}

/** Runs the load of worker.js through a client, in as many processes as it has; resolves to what all of them saw. */
async function runClient({ processes = 1, ...task }) {
  const parts = Array.from({ length: processes }, (_, part) => runPart({ ...task, part, parts: processes }))
  const seen = await Promise.all(parts)
  const failures = {}
  for (const [cause, count] of seen.flatMap((each) => Object.entries(each.failures))) {
    failures[cause] = (failures[cause] ?? 0) + count
  }
  // Each asked the server at its own end: the last one saw all.
  const last = (stats) => seen.map(stats).reduce((a, b) => (b.capacityTokens > a.capacityTokens ? b : a))
  return {
    times: seen.flatMap((each) => each.times),
    failures,
    atEnd: last((each) => each.atEnd),
    after: last((each) => each.after),
  }
}

async function runPart(task) {
  const child = track(fork(path.join(__dirname, 'worker.js')))
  const reply = new Promise((resolve) => {
    child.once('message', resolve)
    child.once('exit', (code, signal) => resolve({ failure: `its process ended with ${code ?? signal}` }))
  })
  child.send(task)
  const { result, failure } = await reply
  await stop(child)
  if (failure) throw new Error(`${task.name}: ${failure}`)
  return result
}

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
  const info = execFileSync('redis-cli', ['-p', String(port), 'info', 'commandstats'], { encoding: 'utf8' })
  const isScript = /^cmdstat_evalsha:/m.test(info)
  const calls = [
    ...info.matchAll(isScript ? /^cmdstat_eval(?:sha)?:calls=(\d+)/gm : /^cmdstat_(?:get|set):calls=(\d+)/gm),
  ]
  return calls.reduce((sum, [, count]) => sum + Number(count), 0)
}

module.exports = { startServer, runClient, redisVersion, startRedis, redisCommands }
