// @ts-check
'use strict'

// An answer that comes piece by piece. One call into the native side, and one turn of this thread, brings all that has come since the
// last; nothing is read ahead of the caller by more than that.

const { completions, reserved, call } = require('./calls.js')
const { readEnd } = require('./events.js')

/** Streams that nobody holds any more are stopped. */
const abandoned = new FinalizationRegistry(stop)

/**
 * Stops the upstream, and tells whoever watches the stream.
 *
 * @param {Remains} remains
 * @param {unknown} [error] that it ends with
 */
function stop({ number, watcher }, error) {
  completions.closeStream(number)
  reserved.delete(number)
  watcher?.over(error)
}

/**
 * What is left of a stream that nobody holds any more: the number of the call that it began with, and who watches it.
 *
 * @typedef {{ number: number, watcher?: Watcher }} Remains
 * @typedef {{ came(batch: any): void, over(error?: unknown): void }} Watcher
 */

/** The chunks of a chat, to be read once; see index.d.ts. */
class ChatStream {
  /** @type {Remains} */
  #remains
  #signal
  /** Chunks that have come and were not taken. */
  #chunks = []
  #taken = 0
  #isOver = false
  #onAbort
  #served

  /**
   * @param {number} number of the call that it began with
   * @param {object} served
   * @param {AbortSignal} [signal]
   */
  constructor(number, served, signal) {
    this.#remains = { number }
    this.#served = served
    this.#signal = signal
    reserved.add(number)
    abandoned.register(this, this.#remains, this)
    if (signal === undefined) return
    // Weak: a signal that lives on must not keep the stream.
    const stream = new WeakRef(this)
    this.#onAbort = () => {
      const held = stream.deref()
      if (held !== undefined) held.#end(true)
    }
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /**
   * Has somebody told what comes, and once when it is over.
   *
   * @param {ChatStream} stream
   * @param {Watcher} watcher
   */
  static watch(stream, watcher) {
    if (stream.#isOver) return watcher.over()
    stream.#remains.watcher = watcher
  }

  get served() {
    return this.#served
  }

  async next() {
    while (this.#taken === this.#chunks.length) {
      this.#signal?.throwIfAborted()
      if (this.#isOver) return { done: true, value: undefined }
      await this.#read()
    }
    return { done: false, value: this.#chunks[this.#taken++] }
  }

  /** Stops the upstream: `break` and `return` in a loop come here. */
  async return(value) {
    this.#end(true)
    return { done: true, value }
  }

  /** Stops the upstream, and throws. */
  async throw(error) {
    this.#end(true)
    throw error
  }

  [Symbol.asyncIterator]() {
    return this
  }

  async [Symbol.asyncDispose]() {
    await this.return()
  }

  async #read() {
    try {
      const read = (turn) => completions.readStream(this.#remains.number, turn)
      const batch = JSON.parse(await call(read, this.#signal))
      // A `return` in the meantime has ended it.
      if (this.#isOver) return
      this.#remains.watcher?.came(batch)
      const { events, frames, bytes, served } = batch
      this.#chunks = events ?? [frames ?? Buffer.from(bytes, 'base64')].filter(({ length }) => length > 0)
      this.#taken = 0
      if (served === undefined) return
      this.#served = served
      this.#end(false)
    } catch (error) {
      this.#end(true, error)
      throw error
    }
  }

  #end(isCutShort, error) {
    if (isCutShort) {
      this.#chunks = []
      this.#taken = 0
    }
    if (this.#isOver) return
    this.#isOver = true
    if (this.#onAbort) this.#signal?.removeEventListener('abort', this.#onAbort)
    abandoned.unregister(this)
    stop(this.#remains, error)
  }
}

/**
 * The end of a call: what it says, and the stream that it has begun, if any.
 *
 * @param {string} json
 * @param {AbortSignal} [signal]
 */
function readAnswer(json, signal) {
  const end = readEnd(json)
  const stream = end.stream === undefined ? undefined : new ChatStream(end.stream, end.served, signal ?? undefined)
  return { end, stream }
}

/**
 * The end of a call that passed a request on: its head, and its body; a stream of bytes where it comes piece by piece.
 *
 * @param {string} text
 * @param {AbortSignal} [signal]
 */
function readPassed(text, signal) {
  const line = text.indexOf('\n')
  if (line === -1) {
    const { end, stream } = readAnswer(text, signal)
    return { end, stream, body: bytesOf(stream) }
  }
  const end = readEnd(text.slice(0, line))
  const body = text.slice(line + 1)
  return { end, body: end.isText ? body : Buffer.from(body, 'base64') }
}

/** What a stream brings as bytes. */
function bytesOf(stream) {
  const encoder = new TextEncoder()
  return new ReadableStream(
    {
      type: 'bytes',
      async pull(controller) {
        const { done, value } = await stream.next()
        // A copy of bytes: what is enqueued is transferred, and they may lie in a buffer that Node shares out.
        if (!done) return controller.enqueue(typeof value === 'string' ? encoder.encode(value) : new Uint8Array(value))
        controller.close()
        controller.byobRequest?.respond(0)
      },
      cancel: () => stream.return(),
    },
    // Nothing is read before somebody wants it.
    { highWaterMark: 0 },
  )
}

module.exports = { readAnswer, readPassed, watch: ChatStream.watch }
