'use strict'

// What a contender's process is put through, and what is read there.

const { setTimeout: pause } = require('node:timers/promises')
const { CONNECTIONS } = require('./contenders.js')
const { cpuNow, cpuSince } = require('./cpu.js')
const { median } = require('./statistics.js')

const SYSTEM = 'You answer questions of customers of a furniture shop. Be brief, be friendly, and never promise a date.'
// Makes a body of about 0.9 KB, as a support or search backend sends it.
const USER =
  'Hello! I ordered an oak table with six chairs three weeks ago, and on Tuesday the carrier left two of the chairs and the ' +
  'table top, but neither the legs nor the other chairs. The tracking page says "delivered" for all of the four parcels. I ' +
  'have called the number on the receipt twice, and both times I was told that somebody would call me back within a day, ' +
  'which did not happen. Could you please find out where the missing parcels are, and tell me whether I can send back the ' +
  'whole order instead? I paid by card, the invoice went to my office, and the goods to my home, in case that matters. I ' +
  'would also like to know whether the wax that you sell for oak is safe for a table at which small children eat.'

let chats = 0

/** No two are equal, so that nobody can win by remembering. */
function nextRequest() {
  const messages = [
    { role: 'system', content: SYSTEM },
    { role: 'user', content: `Order ${++chats}. ${USER}` },
  ]
  return { model: 'gpt-4o-mini', messages, max_tokens: 60 }
}

async function chatOnce(chat) {
  const answer = await chat(nextRequest())
  if (answer.choices.length !== 1) throw new Error(`no chat completion: ${JSON.stringify(answer)}`)
}

/** `CONNECTIONS` chats at a time for as long as `hasMore`; resolves to their number. */
async function crowd(chat, hasMore) {
  const before = chats
  const caller = async () => {
    while (hasMore()) await chatOnce(chat)
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, caller))
  return chats - before
}

const loads = {
  /** One chat after the other. */
  async alone(chat, { ms }) {
    const times = []
    const end = performance.now() + ms
    while (performance.now() < end) {
      const start = performance.now()
      await chatOnce(chat)
      times.push(performance.now() - start)
    }
    return { latencyMs: median(times) }
  },

  async crowded(chat, { ms }) {
    const cpu = cpuNow()
    const start = performance.now()
    const count = await crowd(chat, () => performance.now() - start < ms)
    const seconds = (performance.now() - start) / 1000
    const spent = cpuSince(cpu)
    return {
      perSecond: count / seconds,
      jsThreadMicros: spent.jsThread === null ? null : spent.jsThread / count,
      processMicros: spent.process / count,
    }
  },

  /** Resident memory once this process has made `chats` chats in all. Needs --expose-gc. */
  async memory(chat, { chats: total }) {
    await crowd(chat, () => chats + CONNECTIONS <= total)
    while (chats < total) await chatOnce(chat)
    // Twice, with a pause: what a first collection makes unreachable or hands to finalizers goes with the second.
    globalThis.gc()
    await pause(200)
    globalThis.gc()
    return { megabytes: process.memoryUsage.rss() / 1e6 }
  },
}

module.exports = { loads }
