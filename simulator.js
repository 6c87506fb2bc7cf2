// @ts-check
'use strict'

const { binding, completions, call } = require('./js/calls.js')

/** Those that run: one whose handle is forgotten still serves whoever has its address. */
const running = new Set()

/**
 * An OpenAI server on loopback; see simulator.d.ts.
 *
 * @param {import('./simulator').SimulatorSettings} [settings]
 * @returns {Promise<import('./simulator').Simulator>}
 */
async function startSimulator(settings = {}) {
  const simulation = new binding.Simulation()
  const json = JSON.stringify(settings)
  const port = Number(await call((number) => simulation.start(completions, number, json)))
  running.add(simulation)
  const url = `http://127.0.0.1:${port}`
  const close = async () => {
    await call((number) => simulation.stop(completions, number))
    running.delete(simulation)
  }
  return {
    port,
    url,
    baseURL: `${url}/v1`,
    stats: () => JSON.parse(simulation.stats()),
    close,
    [Symbol.asyncDispose]: close,
  }
}

module.exports = { startSimulator }
