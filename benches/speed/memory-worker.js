'use strict'

// The process whose memory is read: makes calls of one kind until they are as many as its parent wants, and answers with its resident
// memory in MB. Needs --expose-gc.

const { setTimeout: pause } = require('node:timers/promises')
const { answer } = require('../processes.js')
const { input } = require('./chats.js')
const { manager } = require('./clients.js')

const AT_A_TIME = 64
const SETTINGS = { bytes: 900 }
/** Until a request has left for the server. */
const UNDER_WAY_MS = 2

const kinds = {
  requests: { path: '/v1', call: (pool) => pool.chat(input(SETTINGS)) },

  errors: {
    path: '/errors/v1',
    call: (pool) =>
      pool.chat(input(SETTINGS)).then(fail, (error) => {
        if (error.status !== 400) throw error
      }),
  },

  // The server never answers.
  aborts: {
    path: '/silent/v1',
    async call(pool) {
      const controller = new AbortController()
      const timer = setTimeout(() => controller.abort(), UNDER_WAY_MS)
      await pool.chat(input(SETTINGS), { signal: controller.signal }).then(fail, (error) => {
        if (error.name !== 'AbortError') throw error
      })
      clearTimeout(timer)
    },
  },

  streams: {
    path: '/v1',
    async call(pool) {
      for await (const chunk of await pool.chat({ ...input(SETTINGS), stream: true })) if (!chunk.id) fail()
    },
  },
}

function fail() {
  throw new Error('not what was to come')
}

const [kind, url] = process.argv.slice(2)
const { path, call } = kinds[kind]
const pool = manager({ url, path })
let begun = 0

async function callUntil(total) {
  while (begun < total) {
    begun++
    await call(pool)
  }
}

answer(async (total) => {
  await Promise.all(Array.from({ length: AT_A_TIME }, () => callUntil(total)))
  // Twice, with a pause: what a first collection makes unreachable or hands to finalizers goes with the second.
  globalThis.gc()
  await pause(200)
  globalThis.gc()
  return process.memoryUsage.rss() / 1e6
})
