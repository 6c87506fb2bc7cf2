'use strict'

// OpenTelemetry is not needed, and nothing of it is loaded before an application uses it.

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test } = require('node:test')
const { promisify } = require('node:util')
const main = require('../package.json')
const { startSimulator } = require('../simulator.js')

const ROOT = path.join(__dirname, '..')

/** What a script prints, which is a JSON; it has `request()`, which serves a chat on a simulator. */
async function printed(t, folder, script) {
  const simulator = await startSimulator()
  t.after(() => simulator.close())
  const program = `
    const { RequestManager } = require(${JSON.stringify(folder)})
    const manager = new RequestManager({ accounts: { a: 'k' }, baseURL: '${simulator.baseURL}' })
    const request = () => manager.chat({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] })
    const main = async () => { ${script} }
    main().then((result) => console.log(JSON.stringify(result)))`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], { cwd: ROOT })
  return JSON.parse(stdout)
}

const REGISTER = `
  const { trace } = require('@opentelemetry/api')
  const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base')
  const exporter = new InMemorySpanExporter()
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))`

test('nothing of OpenTelemetry is loaded where no provider is registered', async (t) => {
  const script = `
    await request()
    return Object.keys(require.cache).filter((file) => file.includes('opentelemetry'))`
  assert.deepEqual(await printed(t, ROOT, script), [])
})

test('a provider that is registered between two requests is told of the second', async (t) => {
  const script = `
    await request()
    ${REGISTER}
    await request()
    trace.disable()
    await request()
    return exporter.getFinishedSpans().map(({ name }) => name)`
  assert.deepEqual(await printed(t, ROOT, script), ['attempt a', 'chat gpt-4o'])
})

test('where the package cannot be found, requests are served as ever', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'openai-request-manager-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const addons = fs.readdirSync(ROOT).filter((file) => file.endsWith('.node'))
  for (const addon of addons) fs.symlinkSync(path.join(ROOT, addon), path.join(folder, addon))
  const files = [...main.files, 'package.json']
  for (const file of files) fs.cpSync(path.join(ROOT, file), path.join(folder, file), { recursive: true })
  const script = `
    ${REGISTER}
    const { served } = await request()
    const { createRequire } = require('node:module')
    let found = true
    try {
      createRequire(${JSON.stringify(path.join(folder, 'js/'))}).resolve('@opentelemetry/api')
    } catch {
      found = false
    }
    return { found, account: served.account, spans: exporter.getFinishedSpans().length }`
  assert.deepEqual(await printed(t, folder, script), { found: false, account: 'a', spans: 0 })
})
