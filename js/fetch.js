// @ts-check
'use strict'

// `fetch` through a pool, for clients that take one. The URL says the endpoint, the pool says the account: its key and its base URL.

const { wrongArgument } = require('./errors.js')
const { pass } = require('./pool.js')

const OPENAI = 'https://api.openai.com/v1'

/** Statuses of errors of ours, as OpenAI would answer: clients know what to make of them. */
const STATUS_OF = {
  ERR_ARGUMENT: 400,
  ERR_TOO_LARGE: 400,
  ERR_BUDGET: 429,
  ERR_WAIT: 429,
  ERR_TIMEOUT: 504,
}

/** No body goes with these statuses. */
const WITHOUT_BODY = new Set([101, 103, 204, 205, 304])

/**
 * A `fetch` that sends through a pool what is below OpenAI's base URL or one of `baseURLs`.
 *
 * @param {any} pool
 * @param {() => string[]} baseURLs of the pool's accounts
 * @returns {typeof globalThis.fetch}
 */
function makeFetch(pool, baseURLs) {
  return async function fetch(input, init) {
    const request = await read(input, init)
    const path = pathOf(request.url, baseURLs())
    const { url: _, signal, body, ...head } = request
    try {
      const { end: answer, body: answered } = await pass(pool, { ...head, path, takesPieces: true }, body, { signal })
      return responseOf(answer, answered)
    } catch (error) {
      // Aborts are the caller's, and an answer that was an error is an answer.
      if (signal?.aborted || typeof error?.code !== 'string' || !error.code.startsWith('ERR_')) throw error
      return errorResponse(error)
    }
  }
}

/** What is to be sent, of any form that `fetch` takes. */
async function read(input, init = {}) {
  if (typeof input === 'string' || input instanceof URL) {
    const { method = 'GET', headers, body, signal } = init
    if (body == null || typeof body === 'string' || body instanceof Uint8Array) {
      const own = Object.fromEntries(headers instanceof Headers ? headers : new Headers(headers))
      if (typeof body === 'string') own['content-type'] ??= 'text/plain;charset=UTF-8'
      return { url: String(input), method, headers: own, body: body ?? '', signal: signal ?? undefined }
    }
  }
  // Node's own reading of everything else: forms, blobs, streams, requests.
  const request = new Request(input, /** @type {any} */ ({ duplex: 'half', ...init }))
  return {
    url: request.url,
    method: request.method,
    headers: Object.fromEntries(request.headers),
    body: Buffer.from(await request.arrayBuffer()),
    signal: request.signal,
  }
}

/** The path below the base URL that a URL begins with. */
function pathOf(url, baseURLs) {
  for (const base of [OPENAI, ...baseURLs]) {
    const root = base.endsWith('/') ? base.slice(0, -1) : base
    if (url.startsWith(`${root}/`)) return url.slice(root.length)
  }
  const { origin, pathname } = URL.canParse(url) ? new URL(url) : { origin: 'an invalid URL', pathname: '' }
  throw wrongArgument(
    `a pool's fetch sends to ${OPENAI} and to its accounts' base URLs alone, got ${origin}${pathname}; nothing was sent`,
  )
}

/** @returns {Response} */
function responseOf({ status, statusText, headers }, body) {
  const init = { status, statusText, headers: clean(headers) }
  if (WITHOUT_BODY.has(status)) return new Response(null, init)
  // Loading it loads Node's `fetch`, which takes 15 ms.
  const { WholeResponse } = require('./whole-response.js')
  return body instanceof ReadableStream ? new Response(body, init) : /** @type {any} */ (new WholeResponse(body, init))
}

/** An error as OpenAI would answer it; our own attempts are spent, so that nobody needs to repeat it. */
function errorResponse(error) {
  const status = error.status ?? STATUS_OF[error.code] ?? 503
  const headers = clean(error.headers ?? {})
  headers['content-type'] = 'application/json'
  headers['x-should-retry'] = 'false'
  if (error.retryAfterMs !== undefined) headers['retry-after-ms'] = String(Math.ceil(error.retryAfterMs))
  if (error.requestId !== undefined) headers['x-request-id'] = error.requestId
  const told = error.error ?? { message: error.message, type: 'request_manager_error', param: null, code: error.code }
  return new Response(JSON.stringify({ error: told }), { status, headers })
}

/** The body is whole and decoded by now, whatever its length on the wire was, and the connection is not the caller's. */
function clean({
  'content-length': _,
  'content-encoding': __,
  'transfer-encoding': ___,
  connection: ____,
  'keep-alive': _____,
  ...headers
}) {
  return headers
}

module.exports = { makeFetch }
