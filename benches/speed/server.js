'use strict'

// The server of benches/server, in a process of its own.

const { spawn } = require('node:child_process')
const path = require('node:path')
const { run } = require('../../scripts/setup.js')
const { printedURL, stop, track } = require('../processes.js')

const folder = path.join(__dirname, '..', 'server')

function buildServer() {
  run('cargo', ['build', '--release', '--manifest-path', path.join('benches', 'server', 'Cargo.toml')])
}

async function startServer() {
  const server = track(
    spawn(path.join(folder, 'target', 'release', 'bench-server'), { stdio: ['ignore', 'pipe', 'inherit'] }),
  )
  return { url: await printedURL(server), stop: () => stop(server) }
}

module.exports = { buildServer, startServer }
