#!/usr/bin/env node
'use strict'

const fs = require('node:fs')
const { parseArgs } = require('node:util')
const { version } = require('../package.json')

const HELP = `openai-request-manager ${version}

Usage: openai-request-manager simulate [options]

  simulate   an OpenAI server on loopback with exact limits, until it is interrupted

Options of simulate:
  --port <number>        default 0: a free one
  --seed <number>        default 1
  --charging <rule>      documented | 2024 | 2025 (default) | usage
  --account <key=R,T>    an account by its key, with R requests and T tokens a minute; may be repeated
                         (default: any key, limits that no test reaches)
  --latency <ms>         default 0
  --settings <file>      JSON with all settings of startSimulator (see simulator.d.ts); options go before it
  --help, --version

Example:
  openai-request-manager simulate --port 8080 --account sk-one=600,60000 --account sk-two=300,20000
`

const OPTIONS = {
  port: { type: 'string' },
  seed: { type: 'string' },
  charging: { type: 'string' },
  account: { type: 'string', multiple: true },
  latency: { type: 'string' },
  settings: { type: 'string' },
  help: { type: 'boolean' },
  version: { type: 'boolean' },
}

async function main() {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true })
  if (values.version) return console.log(version)
  if (values.help || positionals.length === 0) return console.log(HELP)
  if (positionals.length > 1 || positionals[0] !== 'simulate') {
    throw new Error(`unknown command: ${positionals.join(' ')}; there is only: simulate`)
  }
  const { startSimulator } = require('../simulator.js')
  const simulator = await startSimulator(settings(values))
  console.log(`OpenAI simulator: ${simulator.baseURL}   stats: ${simulator.url}/_simulator/stats`)
  // The server itself does not keep the process alive.
  const alive = setInterval(() => {}, 0x7fffffff)
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      clearInterval(alive)
      const { totals } = simulator.stats()
      await simulator.close()
      console.log(`admitted ${totals.admitted}, refused ${totals.refused}, charged ${totals.chargedTokens} tokens`)
    })
  }
}

function settings(values) {
  const settings = values.settings === undefined ? {} : JSON.parse(fs.readFileSync(values.settings, 'utf8'))
  for (const [option, name] of [
    ['port', 'port'],
    ['seed', 'seed'],
    ['latency', 'latencyMs'],
  ]) {
    if (values[option] !== undefined) settings[name] = number(`--${option}`, values[option])
  }
  if (values.charging !== undefined) settings.charging = values.charging
  if (values.account !== undefined) settings.accounts = values.account.map(account)
  return settings
}

function account(text) {
  const match = /^(.+)=([^,=]+),([^,=]+)$/.exec(text)
  if (!match) throw new Error(`--account must look like key=600,60000, got ${text}`)
  const limits = { requestsPerMinute: number('--account', match[2]), tokensPerMinute: number('--account', match[3]) }
  return { apiKey: match[1], limits: { '*': limits } }
}

function number(option, text) {
  const number = Number(text)
  if (text.trim() === '' || Number.isNaN(number))
    throw new Error(`${option} must be a number, got ${JSON.stringify(text)}`)
  return number
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
