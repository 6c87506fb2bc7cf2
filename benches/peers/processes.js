'use strict'

// The processes of a row: a fresh simulator, and the client in as many as it has.

const { fork, spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { root } = require('../../scripts/setup.js')
const { answering, printedURLs, stop, track } = require('../processes.js')
const { simulatorSettings } = require('./workload.js')

/** The simulator as a server of its own. */
async function startServer() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-peers-'))
  const settings = path.join(folder, 'simulator.json')
  fs.writeFileSync(settings, JSON.stringify(simulatorSettings))
  const command = path.join(root, 'bin', 'openai-request-manager.js')
  const args = [command, 'simulate', '--settings', settings]
  const server = track(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }))
  try {
    return { baseURL: (await printedURLs(server, 1))[0], stop: () => stop(server) }
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
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
  const client = answering(fork(path.join(__dirname, 'worker.js')), task.name)
  const result = await client.ask(task)
  await client.stop()
  return result
}

module.exports = { startServer, runClient }
