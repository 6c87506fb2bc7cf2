'use strict'

// The processes of a run. All of them end with this one.

const { once } = require('node:events')
const { createInterface } = require('node:readline')

const running = new Set()
process.once('exit', () => {
  for (const child of running) kill(child)
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
  kill(child)
  await ended
}

/** One that is busy with JavaScript hears no other signal, and none has anything to put in order. */
function kill(child) {
  child.kill('SIGKILL')
}

/** The URLs that a server prints when it listens, so many. */
async function printedURLs(server, count) {
  const urls = []
  for await (const line of createInterface({ input: server.stdout })) {
    const url = /https?:\S+/.exec(line)?.[0]
    if (url) urls.push(url)
    if (urls.length === count) return urls
  }
  throw new Error(`${server.spawnfile} did not start`)
}

/**
 * A process made by `fork` that answers each message with a `{ result }` or a `{ failure }`.
 *
 * @param {string} name of it in errors
 */
function answering(child, name) {
  track(child)
  let settle = () => {}
  child.on('message', (reply) => settle(reply))
  child.on('exit', (code, signal) => settle({ failure: `its process ended with ${code ?? signal}` }))
  return {
    async ask(message) {
      const reply = await new Promise((resolve) => {
        settle = resolve
        child.send(message)
      })
      if (reply.failure) throw new Error(`${name}: ${reply.failure}`)
      return reply.result
    },
    stop: () => stop(child),
  }
}

/** The other side of {@link answering}: answers each message with what a function makes of it. */
function answer(make) {
  process.on('message', async (message) => {
    try {
      process.send({ result: await make(message) })
    } catch (error) {
      process.send({ failure: error.stack ?? String(error) })
    }
  })
  // Idle connections would keep the process alive.
  process.on('disconnect', () => process.exit())
}

module.exports = { track, stop, printedURLs, answering, answer }
