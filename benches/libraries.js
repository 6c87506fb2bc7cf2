'use strict'

// The libraries that we are compared with, in this folder alone: they are nobody's dependencies.

const { run } = require('../scripts/setup.js')

function installLibraries() {
  run('npm', ['install', '--no-save', '--no-package-lock', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: __dirname,
  })
}

/** Ours, and those of the names with the versions that are installed. */
function versions(names) {
  const { version } = require('../package.json')
  const installed = [...new Set(names)].map((name) => `${name} ${versionOf(name)}`)
  return [`openai-request-manager ${version}`, ...installed].join(', ')
}

function versionOf(name) {
  const { dependencies } = require('./package.json')
  return dependencies[name]
}

module.exports = { installLibraries, versions }
