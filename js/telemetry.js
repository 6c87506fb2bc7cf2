// @ts-check
'use strict'

// Spans and metrics of requests, for applications that have registered a provider with `@opentelemetry/api`. Names are those of
// https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/README.md, the last version before the conventions for
// generative AI got a repository of their own; ours begin with `openai_request_manager.`. What a prompt or an answer says is not told.

const { asItIs } = require('./calls.js')

/**
 * Where all copies of the API package of major version 1 keep what the application has registered. As long as nothing is there, whatever
 * the package made would go nowhere, so it need not be loaded: that takes 8 ms, and a look takes nothing. An application without
 * OpenTelemetry never loads it, wherever it is installed, and one that registers a provider late is found all the same.
 */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

/** What makes a call's telemetry; null where something is registered and the package cannot be found from here. */
let loaded

/** What makes a call's telemetry where an application wants it, else undefined. */
function inUse() {
  const registered = globalThis[REGISTERED]
  if (registered?.trace === undefined && registered?.metrics === undefined) return undefined
  if (loaded === undefined) loaded = load()
  return loaded ?? undefined
}

function load() {
  let api
  try {
    api = require('@opentelemetry/api')
  } catch {
    return null
  }
  const { TracedCall } = require('./telemetry-call.js')
  return (pool, request, options) => {
    try {
      return new TracedCall(api, pool, request, options?.signal)
    } catch (error) {
      // What an application has registered can throw, and must not keep a request from being served.
      api.diag.error('openai-request-manager: a request has no telemetry', error)
      return undefined
    }
  }
}

/** Whether the end of a call that starts now should tell how it was served. */
function isTraced() {
  return inUse() !== undefined
}

/**
 * Serves a request, with a span and metrics where somebody wants them.
 *
 * @param {any} pool
 * @param {{ operation: string, params: any } | { head: any, body: any }} request as the native side gets it
 * @param {Record<string, any> | undefined} options of the call
 * @param {(noteEnd: (answered: any) => any) => Promise<any>} serve has `noteEnd` see the end of the call, as read
 */
function traced(pool, request, options, serve) {
  const call = inUse()?.(pool, request, options)
  if (call === undefined) return serve(asItIs)
  let answered
  const ending = serve((read) => {
    answered = read
    return read
  })
  // Beside the caller, who gets the same promise: a call that ends before another one also settles before it.
  ending.then(
    () => call.answered(answered),
    (error) => call.over(error),
  )
  return ending
}

module.exports = { isTraced, traced }
