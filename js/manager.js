// @ts-check
'use strict'

const { openPool, run } = require('./pool.js')
const { choice } = require('./drop-in.js')
const { wrongArgument } = require('./errors.js')
const { readEnd } = require('./events.js')

/** Several accounts used as one; see index.d.ts. */
class RequestManager {
  #pool

  constructor(config) {
    this.#pool = openPool(config)
  }

  async chat(params, options) {
    return answer(await run(this.#pool, 'chat', 'params', params, options ?? undefined))
  }

  async embed(params, options) {
    return answer(await run(this.#pool, 'embed', 'params', params, options ?? undefined))
  }

  async determineKey(need = {}) {
    checkObject('need', need)
    return choice(await run(this.#pool, 'determineKey', 'need', need))
  }

  async status(query = {}) {
    checkObject('query', query)
    return JSON.parse(await run(this.#pool, 'status', 'query', query))
  }

  async close() {
    await run(this.#pool, 'close', 'close', {})
  }

  async [Symbol.asyncDispose]() {
    await this.close()
  }
}

function checkObject(name, value) {
  if (typeof value !== 'object' || value === null) {
    throw wrongArgument(`\`${name}\` must be an object, got ${typeof value}`)
  }
}

/** OpenAI's answer; `served` is not listed, so that what is serialized is OpenAI's. */
function answer(json) {
  const { data, served } = readEnd(json)
  return Object.defineProperty(data, 'served', { value: served })
}

module.exports = { RequestManager }
