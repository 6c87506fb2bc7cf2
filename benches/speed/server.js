'use strict'

// The server of benches/server, in a process of its own.

const { spawn } = require('node:child_process')
const path = require('node:path')
const { run } = require('../../scripts/setup.js')
const { printedURLs, stop, track } = require('../processes.js')

const folder = path.join(__dirname, '..', 'server')

function buildServer() {
  run('cargo', ['build', '--release', '--manifest-path', path.join('benches', 'server', 'Cargo.toml')])
}

/** `secure` is the same server with TLS, for those who read its certificate before they start. */
async function startServer() {
  const certificate = path.join(folder, 'target', 'localhost.pem')
  const program = path.join(folder, 'target', 'release', 'bench-server')
  const server = track(spawn(program, [certificate], { stdio: ['ignore', 'pipe', 'inherit'] }))
  const [secureURL, url] = await printedURLs(server, 2)
  return { url, secure: { url: secureURL, certificate }, stop: () => stop(server) }
}

module.exports = { buildServer, startServer }
