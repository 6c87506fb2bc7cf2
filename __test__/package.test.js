'use strict'

// The packages as users get them: packed, installed in an empty folder, loaded both ways.

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test } = require('node:test')
const main = require('../package.json')

const ROOT = path.join(__dirname, '..')
const npm = (args, cwd) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })

/** The folder under npm/ whose package is for this machine. */
function ownPlatform() {
  const built = fs.readdirSync(ROOT).filter((file) => /^openai-request-manager\..+\.node$/.test(file))
  assert.equal(built.length, 1, `one built addon, got ${built}`)
  return { addon: built[0], folder: path.join(ROOT, 'npm', built[0].split('.')[1]) }
}

test('packed and installed in an empty folder, it loads with require and import, with its types and its command', (t) => {
  const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'openai-request-manager-'))
  t.after(() => fs.rmSync(temporary, { recursive: true }))
  const { addon, folder } = ownPlatform()
  const platform = path.join(temporary, 'platform')
  fs.cpSync(folder, platform, { recursive: true })
  fs.copyFileSync(path.join(ROOT, addon), path.join(platform, addon))
  const pack = (cwd) =>
    path.join(temporary, npm(['pack', '--ignore-scripts', '--silent', '--pack-destination', temporary], cwd).trim())
  const tarballs = [pack(ROOT), pack(platform)]

  const app = path.join(temporary, 'app')
  fs.mkdirSync(app)
  fs.writeFileSync(path.join(app, 'package.json'), '{"private":true}')
  npm(['install', '--offline', '--no-audit', '--no-fund', ...tarballs], app)
  const node = (...args) => execFileSync(process.execPath, args, { cwd: app, encoding: 'utf8' }).trim()

  assert.equal(node('-p', `require('openai-request-manager').countTokensSync('hello world', 'gpt-4o')`), '2')
  const script = `import { countTokens, createChat } from 'openai-request-manager'
    import { startSimulator } from 'openai-request-manager/simulator'
    console.log(typeof createChat, typeof startSimulator, await countTokens('hello world', 'gpt-4o'))`
  assert.equal(node('--input-type=module', '-e', script), 'function function 2')
  assert.match(
    node(path.join('node_modules', '.bin', 'openai-request-manager'), 'simulate', '--help'),
    /^openai-request-manager \d/,
  )

  const installed = path.join(app, 'node_modules', 'openai-request-manager')
  const files = fs.readdirSync(installed, { recursive: true }).map(String)
  for (const file of ['index.d.ts', 'simulator.d.ts', 'README.md', 'LICENSE']) assert.ok(files.includes(file), file)
  assert.deepEqual(
    files.filter((file) => /\.(rs|node)$|^(src|__test__|target|examples)/.test(file)),
    [],
  )
})

test('there is a package for every target, of the same version', () => {
  const folders = fs.readdirSync(path.join(ROOT, 'npm')).sort()
  assert.deepEqual(folders, [
    'darwin-arm64',
    'darwin-x64',
    'linux-arm64-gnu',
    'linux-arm64-musl',
    'linux-x64-gnu',
    'linux-x64-musl',
    'win32-arm64-msvc',
    'win32-x64-msvc',
  ])
  assert.equal(folders.length, main.napi.targets.length)
  for (const folder of folders) {
    const platform = require(`../npm/${folder}/package.json`)
    assert.equal(platform.name, `${main.napi.packageName}-${folder}`)
    assert.deepEqual([platform.version, platform.license], [main.version, main.license])
    assert.deepEqual(platform.files, [`${main.napi.binaryName}.${folder}.node`])
  }
})

test('one version in every place, and nothing runs at installation', () => {
  const cargo = fs.readFileSync(path.join(ROOT, 'Cargo.toml'), 'utf8')
  assert.equal(/^version = "(.+)"$/m.exec(cargo)[1], main.version)
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare'])
    assert.equal(main.scripts[script], undefined)
  assert.equal(main.dependencies, undefined)
})

test('require takes nothing but the addon and its own files', () => {
  const script = `require('.'); console.log(Object.keys(require.cache).map((file) => require('node:path').relative('.', file)).join(' '))`
  const loaded = execFileSync(process.execPath, ['-e', script], { cwd: ROOT, encoding: 'utf8' })
  assert.doesNotMatch(loaded, /node_modules/)
})
