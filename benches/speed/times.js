'use strict'

const { quantile } = require('../statistics.js')

/** As many as a round has at most, on most machines. */
const EXPECTED = 1 << 18

/**
 * How long calls took. They lie outside of the heap: there they would be young objects that live long, of which the heap grows, and
 * the memory that is measured would be that of the measuring.
 */
class Times {
  #values = new Float64Array(EXPECTED)
  #count = 0

  add(ms) {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#count * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#count++] = ms
  }

  /** @param {number[]} shares @returns {number[]} the time that each share of all did not exceed */
  quantiles(...shares) {
    const sorted = this.#values.subarray(0, this.#count).sort()
    return shares.map((share) => quantile(sorted, share))
  }
}

module.exports = { Times }
