'use strict'

const fs = require('node:fs')

/** Ticks of /proc are hundredths of a second for every program, whatever the kernel uses inside. */
const MICROS_PER_TICK = 10_000

const mainThread = `/proc/self/task/${process.pid}`

/** CPU of the thread that runs JavaScript, garbage collection on other threads left out. In µs; null where nothing tells it. */
function jsThreadNow() {
  if (process.threadCpuUsage) {
    const { user, system } = process.threadCpuUsage()
    return user + system
  }
  return fromSchedstat() ?? fromStat()
}

/** Counted in nanoseconds, but not by every kernel. */
function fromSchedstat() {
  const text = read('schedstat')
  return text === null ? null : Number(text.split(' ')[0]) / 1000 || null
}

function fromStat() {
  const text = read('stat')
  if (text === null) return null
  // The second field, the program's name, may have spaces: count from behind it. utime and stime are fields 14 and 15.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK
}

function read(name) {
  try {
    return fs.readFileSync(`${mainThread}/${name}`, 'utf8')
  } catch {
    return null
  }
}

function cpuNow() {
  const { user, system } = process.cpuUsage()
  return { jsThread: jsThreadNow(), process: user + system }
}

/** CPU spent since a {@link cpuNow}, in µs. */
function cpuSince(before) {
  const now = cpuNow()
  return {
    jsThread: now.jsThread === null ? null : now.jsThread - before.jsThread,
    process: now.process - before.process,
  }
}

module.exports = { cpuNow, cpuSince }
