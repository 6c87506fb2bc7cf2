'use strict'

// A process of one client: runs the load, or its part of it, against the server that its parent names, and answers with what the
// callers saw.

const { setTimeout: pause } = require('node:timers/promises')
const { answer } = require('../processes.js')
const { clients } = require('./clients.js')
const { ACCOUNTS, CALLERS, MODEL, arrivals, request } = require('./workload.js')

/** Has the same tokenizer. */
const WARM_UP_MODEL = 'gpt-4o'

async function run({ name, server, seconds, part, parts }) {
  await warmUp(server)
  const chat = await clients[name].make(server)
  const waiting = arrivals(seconds)
    .map(({ atMs, charge }, index) => ({ atMs, chat: request(index + 1, charge) }))
    .filter((_, index) => index % parts === part)
  const times = []
  const failures = {}
  let next = 0

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
  const callers = Promise.all(Array.from({ length: CALLERS / parts }, caller))
  await pause(seconds * 1000 - now())
  const atEnd = await stats(server)
  await callers
  return { times, failures, atEnd, after: await stats(server) }
}

/** Lets the server load its tokenizer's tables, on a model with limits of its own: the buckets of ours begin with its first request. */
async function warmUp({ baseURL }) {
  for (const [index, { apiKey }] of ACCOUNTS.entries()) {
    const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ ...request(index, 50), model: WARM_UP_MODEL })
    const response = await fetch(`${baseURL}/chat/completions`, { method: 'POST', headers, body })
    if (!response.ok) throw new Error(`the simulator answers with ${response.status}`)
    await response.text()
  }
}

/** What the server counted for our model, over all accounts. */
async function stats({ baseURL }) {
  const response = await fetch(new URL('/_simulator/stats', baseURL))
  const { accounts } = await response.json()
  const models = Object.values(accounts).flatMap(({ models }) => models[MODEL] ?? [])
  const sum = (read) => models.reduce((total, model) => total + read(model), 0)
  return {
    chargedTokens: sum((model) => model.chargedTokens),
    capacityTokens: sum((model) => model.capacityTokens),
    refused: sum((model) => model.statuses[429] ?? 0),
  }
}

answer(run)
