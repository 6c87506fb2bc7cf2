// @ts-check
'use strict'

const { ask, openPool, pass, run } = require('./pool.js')
const { choice } = require('./drop-in.js')
const { wrongArgument } = require('./errors.js')
const { readServed, withServed } = require('./served.js')

// What only some programs use, or nobody before the first manager, is loaded where it is used: loading the package is a part of every start.

/** As for the native side. */
const DEFAULT_MODEL = 'gpt-3.5-turbo'

/** Several accounts used as one; see index.d.ts. */
class RequestManager {
  #pool

  constructor(config) {
    this.#pool = openPool(config)
    const { makeFetch } = require('./fetch.js')
    this.fetch = makeFetch(this.#pool, () => this.#pool.baseUrls())
  }

  chat(params, options) {
    return ask(this.#pool, 'chat', 'params', params, options ?? undefined, readServed, streamOrAnswer)
  }

  embed(params, options) {
    const { readServedEmbeddings } = require('./embeddings.js')
    return ask(this.#pool, 'embed', 'params', params, options ?? undefined, readServedEmbeddings, streamOrAnswer)
  }

  responses(params, options) {
    return ask(this.#pool, 'responses', 'params', params, options ?? undefined, readServed, streamOrAnswer)
  }

  async request(path, body, options) {
    const { method = body === undefined ? 'GET' : 'POST', ...rest } = options ?? {}
    const isJson = body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)
    const text = isJson ? JSON.stringify(body) : (body ?? '')
    const { end, body: answer } = await pass(this.#pool, { method, path }, text, rest)
    return { status: end.status, headers: end.headers, data: dataOf(end, answer), served: end.served }
  }

  async determineKey(need = {}) {
    checkObject('need', need)
    return choice(await run(this.#pool, 'determineKey', 'need', need))
  }

  async status(query = {}) {
    checkObject('query', query)
    return JSON.parse(await run(this.#pool, 'status', 'query', query))
  }

  async usage(query = {}) {
    checkObject('query', query)
    const { from, to, ...rest } = query
    const { momentOf } = require('./moments.js')
    const days = { from: momentOf('query.from', from), to: momentOf('query.to', to) }
    return JSON.parse(await run(this.#pool, 'usage', 'query', { ...rest, ...days }))
  }

  async metrics({ model = DEFAULT_MODEL } = {}) {
    const [status, usage] = await Promise.all([
      this.status({ model }),
      this.usage({ by: ['account', 'model', 'type'] }),
    ])
    const { metricsText } = require('./metrics.js')
    return metricsText(status, usage, model)
  }

  async update(changes, options) {
    const { changeWithFunctions } = require('./key-functions.js')
    const apply = (numbered) => run(this.#pool, 'update', 'changes', numbered, options ?? undefined)
    await changeWithFunctions(this.#pool, writable(changes), apply)
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

/**
 * Changes as JSON can hold them. A `redis`, which can be a client, is only named: it cannot be changed. A key that is undefined, as from an
 * environment variable that is not set, would vanish, and its account with it.
 */
function writable(changes) {
  if (typeof changes !== 'object' || changes === null || Array.isArray(changes)) return changes
  const { redis, accounts } = changes
  const isByLabel = typeof accounts === 'object' && accounts !== null && !Array.isArray(accounts)
  return {
    ...changes,
    redis: redis === undefined ? undefined : null,
    accounts: isByLabel
      ? Object.fromEntries(Object.entries(accounts).map(([label, key]) => [label, key ?? null]))
      : accounts,
  }
}

/** JSON as a value, other text as it is, bytes as a Buffer, events as a stream of bytes. */
function dataOf({ headers, isText }, body) {
  return isText && headers['content-type']?.includes('json') ? JSON.parse(body) : body
}

function streamOrAnswer({ end, stream }) {
  return stream ?? withServed(end)
}

module.exports = { RequestManager }
