'use strict'

// What a fresh clone lacks: npm packages and the addon. Used by every command of package.json that runs the addon.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..')

/** Runs a command, shown first; ends this process if it fails. */
function run(command, args, options = {}) {
  console.log(`\n$ ${[command, ...args].join(' ')}`)
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
    ...options,
  })
  if (result.status !== 0) {
    console.error(`\nFailed: ${[command, ...args].join(' ')}`)
    process.exit(result.status || 1)
  }
}

/** Ends this process with one line if a tool is missing. */
function needTool(command, advice) {
  if (!runs(command)) {
    console.error(`${command} is missing: ${advice}, then run this again.`)
    process.exit(1)
  }
}

/** Makes sure that the tests can start Redis servers of their own: on Debian as root by installing it, else by advice. */
function needRedis() {
  if (runs('redis-server') && runs('openssl', 'version')) return
  const packages = ['redis-server', 'openssl']
  if (process.getuid?.() === 0 && runs('apt-get')) {
    run('apt-get', ['update'])
    run('apt-get', ['install', '--yes', '--no-install-recommends', ...packages], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
    return
  }
  console.error(`redis-server or openssl is missing: install ${packages.join(' and ')}, then run this again.`)
  process.exit(1)
}

/** Whether a program is there. */
function runs(command, argument = '--version') {
  return spawnSync(command, [argument], { stdio: 'ignore', shell: process.platform === 'win32' }).status === 0
}

/** Installs npm packages where they are missing or older than the lock file. */
function installPackages() {
  const installed = path.join(root, 'node_modules', '.package-lock.json')
  const lock = path.join(root, 'package-lock.json')
  const isCurrent = fs.existsSync(installed) && fs.statSync(installed).mtimeMs >= fs.statSync(lock).mtimeMs
  // Not `npm ci`: that refuses where a registry lacks a tool's binary for some other platform, which is needed by nobody here.
  if (!isCurrent) run('npm', ['install', '--no-save', '--no-fund', '--no-audit'])
}

/** The platform for which everything is built, so that the addon and the Rust tests share one build of the libraries. */
function hostTarget() {
  const version = spawnSync('rustc', ['-vV'], { encoding: 'utf8' }).stdout
  return /^host: (.+)$/m.exec(version)[1]
}

/** Installs and builds what is missing. `profile` is 'dev' or 'release'. */
function setUp(profile = 'dev') {
  needTool('cargo', 'install Rust 1.88 or later from https://rustup.rs')
  if (process.platform !== 'win32')
    needTool('cc', 'install a C compiler (Debian: apt-get install gcc; macOS: xcode-select --install)')
  installPackages()
  run('npx', ['napi', ...buildArguments(profile)])
}

function buildArguments(profile) {
  const target = ['--platform', '--target', hostTarget(), '--features', 'mimalloc']
  const loader = ['--js', 'binding.js', '--dts', 'binding.d.ts']
  return ['build', ...target, ...loader, ...(profile === 'release' ? ['--release'] : [])]
}

module.exports = { root, run, setUp, needRedis, hostTarget }
