// @ts-check
'use strict'

/** Marks our errors, so that `instanceof` holds between two installed copies of this package. */
const brand = Symbol.for('openai-request-manager.error')

/** Every error of ours; see index.d.ts. */
class RequestManagerError extends Error {
  /**
   * @param {{ code: string, message: string } & Record<string, unknown>} facts
   * @param {{ cause?: unknown }} [options]
   */
  constructor(facts, options) {
    super(facts.message, options)
    Object.defineProperty(this, brand, { value: true })
    this.code = facts.code
    this.attempts = facts.attempts ?? []
    for (const name of ['status', 'error', 'headers', 'requestId', 'retryAfterMs', 'phase']) {
      if (facts[name] != null) this[name] = facts[name]
    }
  }

  get name() {
    return 'RequestManagerError'
  }

  static [Symbol.hasInstance](value) {
    return typeof value === 'object' && value !== null && value[brand] === true
  }
}

/** An error from the native side's JSON text. */
function fromJson(json) {
  return new RequestManagerError(JSON.parse(json))
}

/** An error about an argument. */
function wrongArgument(message, cause) {
  return new RequestManagerError({ code: 'ERR_ARGUMENT', message }, cause && { cause })
}

/** An error about the `redis` argument, which is a TypeError. */
function wrongRedis(message) {
  return Object.assign(new TypeError(message), { code: 'ERR_ARGUMENT' })
}

module.exports = { RequestManagerError, fromJson, wrongArgument, wrongRedis }
