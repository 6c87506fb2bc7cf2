'use strict'

// A real redis-server for one test, and a way to ask what a target leads to without any client library.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: pause } = require('node:timers/promises')

/** A server starts within this time on the slowest machine. @unit milliseconds */
const DEADLINE = 60_000

/** How often a server is started on another port, where somebody was faster to take the port that was free. */
const TRIES = 5

/**
 * Starts a server on a free port; it ends with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {string[]} settings further words of the command line
 */
async function startRedis(t, settings = []) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'request-manager-redis-'))
  const started = []
  const killAll = () => started.map((server) => server.kill('SIGKILL'))
  process.once('exit', killAll)
  t.after(async () => {
    process.off('exit', killAll)
    const ends = started.filter((server) => server.exitCode === null).map((server) => once(server, 'exit'))
    killAll()
    await Promise.all(ends)
    fs.rmSync(folder, { recursive: true })
  })
  // Written when the server has its port: until then somebody else may answer there.
  const pidfile = path.join(folder, 'pid')
  for (let tries = 0; tries < TRIES; tries++) {
    const port = await freePort()
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder, '--pidfile', pidfile]
    const server = spawn('redis-server', [...args, ...settings], { stdio: 'ignore' })
    // Rejects where there is no redis-server.
    const ended = once(server, 'exit').then(() => false)
    started.push(server)
    if (await Promise.race([written(pidfile), ended])) return port
  }
  throw new Error('redis-server does not start')
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function written(file) {
  for (const end = Date.now() + DEADLINE; Date.now() < end; await pause(20)) {
    if (fs.existsSync(file)) return true
  }
  return false
}

/** Logs in where a target of one server leads, and runs one command; resolves to the raw answer. */
async function ask({ tcp, unix, username, password, database = 0 }, ...command) {
  const socket = unix ? net.connect(unix) : net.connect(tcp.port, tcp.host)
  const login = password ? [['AUTH', ...(username ? [username] : []), password]] : []
  for (const words of [...login, ['SELECT', String(database)], command, ['QUIT']]) {
    socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
  }
  const answers = Buffer.concat(await socket.toArray()).toString()
  const before = '+OK\r\n'.repeat(login.length + 1)
  if (!answers.startsWith(before)) throw new Error(`the login failed: ${answers}`)
  return answers.slice(before.length, -'+OK\r\n'.length)
}

module.exports = { startRedis, ask }
