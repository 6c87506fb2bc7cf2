'use strict'

// A real redis-server for one test, and a way to ask what a target leads to without any client library.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: pause } = require('node:timers/promises')
const { kept, kill } = require('./children.js')

/** A server starts within this time on the slowest machine. @unit milliseconds */
const DEADLINE = 60_000

/** How often a server is started on another port, where somebody was faster to take the port that was free. */
const TRIES = 5

/**
 * Starts a server on a free port; it ends with the test. Resolves to the port.
 *
 * @param {import('node:test').TestContext} t
 * @param {string[]} settings further words of the command line
 */
async function startRedis(t, settings = []) {
  const { port } = await startRedisServer(t, (port) => ['--port', String(port), ...settings])
  return port
}

/**
 * Starts a server that a test can break; it ends with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {(port: number, folder: string) => string[]} wordsFor the words of its command line; `port` is free, `folder` its own
 */
async function startRedisServer(t, wordsFor = (port) => ['--port', String(port)]) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'request-manager-redis-'))
  let child
  t.after(async () => {
    await kill(child)
    fs.rmSync(folder, { recursive: true })
  })
  const start = (words) => {
    // Written when the server has its port: until then somebody else may answer there.
    const pidfile = path.join(folder, 'pid')
    fs.rmSync(pidfile, { force: true })
    // A file of settings comes first, as in redis-server's own usage.
    const file = words[0].startsWith('--') ? [] : [words[0]]
    const common = ['--bind', '127.0.0.1', '--save', '', '--dir', folder, '--pidfile', pidfile]
    child = kept(spawn('redis-server', [...file, ...common, ...words.slice(file.length)], { stdio: 'ignore' }))
    // Rejects where there is no redis-server.
    const ended = once(child, 'exit').then(() => false)
    return Promise.race([written(pidfile), ended])
  }
  for (let tries = 0; tries < TRIES; tries++) {
    const port = await freePort()
    const words = wordsFor(port, folder)
    if (!(await start(words))) {
      await kill(child)
      continue
    }
    return {
      port,
      folder,
      /** Where it is, for `ask` and as the target of one server. */
      target: { tcp: { host: '127.0.0.1', port } },
      /** Ends it as a crash would. */
      kill: () => kill(child),
      /** Starts it again after `kill`, on the same port. */
      async restart() {
        if (!(await start(words))) throw new Error('redis-server does not start again')
      },
      /** Stops it where it is, as a machine that hangs would. */
      hang: () => child.kill('SIGSTOP'),
      goOn: () => child.kill('SIGCONT'),
    }
  }
  throw new Error('redis-server does not start')
}

/** A port that was free a moment ago, with room above for a cluster's second port. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port < 55_000 ? port : freePort()
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
  // Sentinels have no databases to select.
  if (database !== 0) login.push(['SELECT', String(database)])
  for (const words of [...login, command]) {
    socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
  }
  // The server closes when it has answered. Not by QUIT, which a Sentinel does not know.
  socket.end()
  const answers = Buffer.concat(await socket.toArray()).toString()
  const before = '+OK\r\n'.repeat(login.length)
  if (!answers.startsWith(before)) throw new Error(`the login failed: ${answers}`)
  return answers.slice(before.length)
}

module.exports = { startRedis, startRedisServer, freePort, ask }
