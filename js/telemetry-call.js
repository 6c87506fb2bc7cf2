// @ts-check
'use strict'

// The span and the metrics of one request, from its start until its answer, or the last event of that, has come.

const { RequestManagerError } = require('./errors.js')
const { watch } = require('./stream.js')
const { AnswerFacts } = require('./telemetry-answer.js')
const { instrumentsOf, tracerOf } = require('./telemetry-instruments.js')
const { placeAttributes } = require('./telemetry-place.js')
const { describe } = require('./telemetry-request.js')

/** Answers that say something of themselves; others are files, vectors and the like. */
const TELLING = ['chat', 'text_completion']

/** Ours. */
const ACCOUNT = 'openai_request_manager.account'
const WAITED = 'openai_request_manager.waited_ms'

class TracedCall {
  #api
  #pool
  #request
  #signal
  // Start and end of all spans are counted from here, on the clock that cannot be set: so they fit together.
  #startedAt = Date.now()
  #began = performance.now()
  /** Attributes by account; as far as all accounts agree, by none. */
  #places = new Map()
  #span
  /** Where the request was made, with its span as the active one. */
  #context
  #answer = new AnswerFacts()
  #served
  /** When an answer that comes piece by piece began. @unit ms since the start */
  #begunMs

  /**
   * @param {any} api
   * @param {any} pool
   * @param {any} request as `describe` takes it
   * @param {AbortSignal | null | undefined} signal
   */
  constructor(api, pool, request, signal) {
    this.#api = api
    this.#pool = pool
    this.#request = describe(request)
    this.#signal = signal
    const { operation, model, attributes } = this.#request
    // Below the span that is active where the request is made.
    this.#span = tracerOf(api).startSpan(model === undefined ? operation : `${operation} ${model}`, {
      kind: api.SpanKind.CLIENT,
      startTime: this.#startedAt,
      attributes: known({ ...attributes, ...this.#placeOf() }),
    })
    this.#context = api.trace.setSpan(api.context.active(), this.#span)
  }

  /**
   * The call has ended well; a stream goes on.
   *
   * @param {{ end: any, stream?: any, body?: any }} answered
   */
  answered(answered) {
    this.#quietly(() => this.#answered(answered))
  }

  /** Pieces of the answer have come; the last ones with how it was served. */
  came(batch) {
    this.#quietly(() => this.#came(batch))
  }

  /** Nothing more comes: all has come, or the caller has left, or it failed. */
  over(error) {
    this.#quietly(() => this.#over(error))
  }

  /** What an application has registered can throw, and must not harm the call. */
  #quietly(step) {
    try {
      step()
    } catch (error) {
      this.#api.diag.error('openai-request-manager: the telemetry of a request is not whole', error)
    }
  }

  /** @param {{ end: any, stream?: any, body?: any }} answered */
  #answered({ end, stream, body }) {
    this.#served = end.served
    if (stream !== undefined) {
      this.#begunMs = this.#elapsed()
      watch(stream, this)
      return
    }
    if (typeof body !== 'string') this.#answer.take(end.data ?? end.output?.data)
    else if (TELLING.includes(this.#request.operation)) this.#answer.takeText(body)
    this.#over()
  }

  #came({ events, frames, served }) {
    for (const event of events ?? []) this.#answer.take(event)
    if (frames !== undefined) this.#answer.takeFrames(frames)
    this.#served = served ?? this.#served
  }

  #over(error) {
    const elapsed = this.#elapsed()
    const attempts = (error instanceof RequestManagerError ? error : this.#served)?.attempts ?? []
    const account = this.#served?.account ?? attempts.at(-1)?.account
    const place = this.#placeOf(account)
    const errorType = this.#errorType(error, attempts)
    if (this.#span.isRecording()) {
      this.#attemptSpans(attempts, elapsed, error)
      this.#endSpan(elapsed, errorType, { ...place, ...this.#servedAttributes(account, attempts) })
    }
    this.#record(elapsed, errorType, { ...place, [ACCOUNT]: account })
  }

  #elapsed() {
    return performance.now() - this.#began
  }

  #placeOf(account) {
    const place = this.#places.get(account) ?? placeAttributes(this.#pool.place(account))
    this.#places.set(account, place)
    return place
  }

  /** Of an error its stable code. The message is not told: OpenAI's can quote the request. */
  #errorType(error, attempts) {
    if (this.#signal?.aborted) return 'aborted'
    if (error !== undefined) return error?.code ?? '_OTHER'
    // Whoever gets events as they stand in a stream reads an error in them.
    return attempts.at(-1)?.outcome === 'broken' ? 'ERR_UPSTREAM' : undefined
  }

  #servedAttributes(account, attempts) {
    const { waitedMs } = this.#served ?? {}
    const { usage, cost } = this.#used()
    return {
      ...this.#answer.attributes,
      'gen_ai.response.time_to_first_chunk': this.#firstChunk(),
      'gen_ai.usage.input_tokens': usage?.inputTokens,
      'gen_ai.usage.cache_read.input_tokens': usage?.cachedInputTokens,
      'gen_ai.usage.output_tokens': this.#hasOutput() ? usage?.outputTokens : undefined,
      [ACCOUNT]: account,
      [WAITED]: waitedMs ?? attempts.reduce((sum, attempt) => sum + attempt.waitedMs, 0),
      'openai_request_manager.attempts': attempts.length,
      'openai_request_manager.cost_usd': cost ?? undefined,
    }
  }

  /** When the first event came, of those that were asked for: a download is none. @unit seconds since the start */
  #firstChunk() {
    const isAsked = this.#begunMs !== undefined && this.#request.attributes['gen_ai.request.stream']
    return isAsked ? seconds(this.#begunMs) : undefined
  }

  /** What another call has used is told there. */
  #used() {
    return this.#served === undefined || this.#served.coalesced ? {} : this.#served
  }

  #hasOutput() {
    return this.#request.operation !== 'embeddings'
  }

  #endSpan(elapsed, errorType, attributes) {
    this.#span.setAttributes(known(attributes))
    if (errorType !== undefined) this.#fail(this.#span, errorType)
    this.#span.end(this.#startedAt + elapsed)
  }

  #fail(span, errorType) {
    span.setAttribute('error.type', errorType)
    span.setStatus({ code: this.#api.SpanStatusCode.ERROR })
  }

  /**
   * A span for each HTTP call below the request's. They are made when all is known: how long each waited and took says when it was sent,
   * as they follow each other. Those of several requests side by side, and those that another call made, would stand in a wrong place.
   */
  #attemptSpans(attempts, elapsed, error) {
    if (attempts.length === 0 || this.#served?.parts !== undefined || this.#served?.coalesced) return
    const last = attempts.at(-1)
    const answeredAt = this.#begunMs ?? elapsed
    const spent = attempts.reduce((sum, { waitedMs, tookMs }) => sum + waitedMs + tookMs, 0)
    // What is left over was spent before the first: on counting, on a key; but a call that could not be sent again waited after the last.
    const endsWithLast = error === undefined || error?.code === 'ERR_UPSTREAM' || last.outcome === 'aborted'
    let at = endsWithLast || this.#begunMs !== undefined ? Math.max(0, answeredAt - spent) : 0
    for (const attempt of attempts) {
      const sent = at + attempt.waitedMs
      at = sent + attempt.tookMs
      // That of a stream takes until it is over.
      const ended = attempt === last && this.#begunMs !== undefined ? elapsed : Math.min(at, elapsed)
      this.#attemptSpan(attempt, Math.min(sent, ended), ended)
    }
  }

  #attemptSpan({ account, outcome, status, waitedMs, because }, sent, ended) {
    const span = tracerOf(this.#api).startSpan(
      `attempt ${account}`,
      {
        kind: this.#api.SpanKind.CLIENT,
        startTime: this.#startedAt + sent,
        attributes: known({
          ...this.#placeOf(account),
          'http.response.status_code': status ?? undefined,
          [ACCOUNT]: account,
          [WAITED]: waitedMs,
          'openai_request_manager.outcome': outcome,
          'openai_request_manager.because': because,
        }),
      },
      this.#context,
    )
    if (outcome !== 'ok') this.#fail(span, outcome)
    span.end(this.#startedAt + ended)
  }

  #record(elapsed, errorType, whereTo) {
    const { duration, tokens, firstChunk } = instrumentsOf(this.#api)
    const { operation, model } = this.#request
    // For exemplars, which name the span.
    const context = this.#context
    const attributes = known({
      'gen_ai.operation.name': operation,
      'gen_ai.request.model': model,
      'gen_ai.response.model': this.#answer.model,
      ...whereTo,
    })
    duration.record(seconds(elapsed), known({ ...attributes, 'error.type': errorType }), context)
    const begun = this.#firstChunk()
    if (begun !== undefined) firstChunk.record(begun, attributes, context)
    const { usage } = this.#used()
    if (usage == null) return
    tokens.record(usage.inputTokens, { ...attributes, 'gen_ai.token.type': 'input' }, context)
    if (!this.#hasOutput()) return
    tokens.record(usage.outputTokens, { ...attributes, 'gen_ai.token.type': 'output' }, context)
  }
}

function seconds(milliseconds) {
  return milliseconds / 1000
}

/** Attributes without those that are undefined. */
function known(attributes) {
  const some = {}
  for (const name in attributes) {
    if (attributes[name] !== undefined) some[name] = attributes[name]
  }
  return some
}

module.exports = { TracedCall }
