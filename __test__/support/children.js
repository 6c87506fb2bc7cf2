'use strict'

// Child processes that never outlive the process of their test, also where that fails or is ended.

const { once } = require('node:events')

const alive = new Set()

process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

/**
 * Sees to it that a child ends with this process at the latest.
 *
 * @template {import('node:child_process').ChildProcess} Child
 * @param {Child} child
 * @returns {Child}
 */
function kept(child) {
  alive.add(child)
  child.once('exit', () => alive.delete(child))
  return child
}

/**
 * Ends a child as a crash would.
 *
 * @param {import('node:child_process').ChildProcess} child
 */
async function kill(child) {
  // Without a number it has never begun.
  if (!alive.has(child) || child.pid === undefined) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

module.exports = { kept, kill }
