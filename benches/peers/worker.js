'use strict'

// The process of one client: runs the load against the server that its parent names, and answers with what the callers saw.

const { setTimeout: pause } = require('node:timers/promises')
const { clients } = require('./clients.js')
const { CALLERS, arrivals, request } = require('./workload.js')

async function run({ name, server, seconds }) {
  const chat = await clients[name].make(server)
  const waiting = arrivals(seconds).map(({ atMs, charge }, index) => ({ atMs, chat: request(index + 1, charge) }))
  const times = []
  const failures = {}
  let next = 0

  // Nobody calls before, so that the buckets are full.
  const before = await stats(server)
  const start = performance.now()
  const now = () => performance.now() - start

  const caller = async () => {
    while (next < waiting.length) {
      const { atMs, chat: body } = waiting[next++]
      if (atMs > now()) await pause(atMs - now())
      // What is still in line when the time is over is not called.
      if (now() >= seconds * 1000) return
      const called = now()
      try {
        const { choices } = await chat(body)
        if (choices.length !== 1) throw new Error('no chat completion')
        times.push(now() - called)
      } catch (error) {
        const kind = String(error.code ?? error.status ?? error.message)
        failures[kind] = (failures[kind] ?? 0) + 1
      }
    }
  }
  const callers = Promise.all(Array.from({ length: CALLERS }, caller))
  await pause(seconds * 1000 - now())
  const atEnd = await stats(server)
  await callers
  return { times, failures, before, atEnd, after: await stats(server) }
}

async function stats({ baseURL }) {
  const response = await fetch(new URL('/_simulator/stats', baseURL))
  return response.json()
}

process.once('message', async (task) => {
  try {
    process.send({ result: await run(task) }, () => process.exit())
  } catch (error) {
    process.send({ failure: error.stack }, () => process.exit(1))
  }
})
