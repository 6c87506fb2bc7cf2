'use strict'

// Real processes with a manager each, as a backend has on several machines.

const { fork } = require('node:child_process')
const path = require('node:path')
const { kept, kill } = require('./children.js')

/**
 * Starts a process with a manager; it ends with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {object} config of the manager
 */
async function startProcess(t, config) {
  const child = kept(fork(path.join(__dirname, 'process-of-pool.js')))
  t.after(() => kill(child))
  const waiting = new Map()
  child.on('message', ({ number, answer }) => {
    waiting.get(number).resolve(answer)
    waiting.delete(number)
  })
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the process has ended'))
  })
  let number = 0
  const run = (task, argument) => {
    number += 1
    child.send({ number, task, argument })
    return new Promise((resolve, reject) => waiting.set(number, { resolve, reject }))
  }
  await run('open', config)
  return {
    /** Makes so many chats, `atOnce` of them at the same time; resolves to `{ served, tokens, errors }`. */
    chats: (count, params, { atOnce = count, ...options } = {}) => run('chats', { params, options, count, atOnce }),
    status: (query) => run('status', query),
    close: () => run('close'),
    /** Ends it as a crash would. */
    kill: () => kill(child),
  }
}

module.exports = { startProcess }
