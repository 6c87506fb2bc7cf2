'use strict'

// The processes of a run: the server, and one for each contender. All of them end with this one.

const { execFileSync, fork, spawn } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const { createInterface } = require('node:readline')
const { root } = require('../scripts/setup.js')

/** The simulator in a process of its own, as a server is; by default without latency, and with limits that no run reaches. */
async function startServer() {
  const command = path.join(root, 'bin', 'openai-request-manager.js')
  const server = spawn(process.execPath, [command, 'simulate', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  process.once('exit', () => server.kill())
  // Without a listener, a signal ends a process before its 'exit' event.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
  for await (const line of createInterface({ input: server.stdout })) {
    const baseURL = /https?:\S+/.exec(line)?.[0]
    if (baseURL) return { baseURL, stop: () => end(server, () => server.kill()) }
  }
  throw new Error('the simulator did not start')
}

/** A contender in a process of its own. */
function startContender(name, baseURL, flags = []) {
  const child = fork(path.join(__dirname, 'worker.js'), [name, baseURL], { execArgv: flags })
  let settle = () => {}
  child.on('message', (reply) => settle(reply))
  child.on('exit', (code, signal) => settle({ failure: `its process ended with ${code ?? signal}` }))
  return {
    /** Puts it through a load of loads.js. */
    async run(load, settings) {
      const reply = await new Promise((resolve) => {
        settle = resolve
        child.send({ load, settings })
      })
      if (reply.failure) throw new Error(`${name}, ${load}: ${reply.failure}`)
      return reply.result
    },
    stop: () => end(child, () => child.disconnect()),
  }
}

async function end(child, ask) {
  const ended = once(child, 'exit')
  ask()
  await ended
}

/** How long `require` takes in a fresh process, in ms. */
function timeRequire(name) {
  const code = `const start = performance.now(); require(${JSON.stringify(name)}); console.log(performance.now() - start)`
  return Number(execFileSync(process.execPath, ['-e', code], { cwd: root, encoding: 'utf8' }))
}

module.exports = { startServer, startContender, timeRequire }
