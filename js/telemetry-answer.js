// @ts-check
'use strict'

// What telemetry tells of an answer, whole or in events.

/** Of a response of the Responses API that goes on. */
const UNFINISHED = ['in_progress', 'queued']

/** OpenAI gives 128 at most; what another server counts beyond all measure is not kept. */
const MOST_CHOICES = 1_024

/** What an answer says of itself. */
class AnswerFacts {
  #facts = {}
  /** By the index of the choice. */
  #finishReasons = []

  get model() {
    return this.#facts['gen_ai.response.model']
  }

  get attributes() {
    // A choice that has not told its end is one that failed.
    const reasons = Array.from(this.#finishReasons, (reason) => reason ?? 'error')
    return { ...this.#facts, 'gen_ai.response.finish_reasons': reasons.length > 0 ? reasons : undefined }
  }

  /** Takes in an answer, or an event of one. */
  take(piece) {
    // Events of the Responses API hold the response as it stands then, if anything of it.
    const answer = piece?.response ?? piece
    if (typeof answer !== 'object' || answer === null) return
    this.#note('gen_ai.response.id', answer.id)
    this.#note('gen_ai.response.model', answer.model)
    this.#note('openai.response.service_tier', answer.service_tier)
    this.#note('openai.response.system_fingerprint', answer.system_fingerprint)
    const { choices, status } = answer
    if (Array.isArray(choices)) {
      for (const choice of choices) {
        const index = choice?.index ?? 0
        if (typeof choice?.finish_reason === 'string' && index >= 0 && index < MOST_CHOICES) {
          this.#finishReasons[Math.trunc(index)] = choice.finish_reason
        }
      }
    } else if (answer.object === 'response' && !UNFINISHED.includes(status)) {
      this.#finishReasons = [answer.incomplete_details?.reason ?? status]
    }
  }

  /** Takes in events as they stand in a stream. */
  takeFrames(frames) {
    for (const line of frames.split('\n')) {
      if (line.startsWith('data: {')) this.takeText(line.slice('data: '.length))
    }
  }

  takeText(text) {
    try {
      this.take(JSON.parse(text))
    } catch {
      // What is no JSON says nothing of itself.
    }
  }

  #note(name, value) {
    if (typeof value === 'string') this.#facts[name] = value
  }
}

module.exports = { AnswerFacts }
