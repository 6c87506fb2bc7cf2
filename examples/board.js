'use strict'

// Progress: redrawn in place on a terminal, plain lines elsewhere.

const REDRAW_MS = 100
const PLAIN_LINE_MS = 2000
const BAR_WIDTH = 50

class Board {
  #stream
  #total
  #rows
  #finished = 0
  #failed = 0
  #linesDrawn = 0
  #timer

  /**
   * @param {NodeJS.WriteStream} stream
   * @param {number} total jobs
   * @param {() => Promise<Record<string, unknown>[]>} rows asked for at each drawing
   */
  constructor(stream, total, rows) {
    this.#stream = stream
    this.#total = total
    this.#rows = rows
    this.#timer = setInterval(() => this.#draw(), stream.isTTY ? REDRAW_MS : PLAIN_LINE_MS)
  }

  /** Notes a finished job, and passes it on. */
  done(result) {
    this.#finished++
    if (result.error) this.#failed++
    return result
  }

  /** Draws a last time. */
  async end() {
    clearInterval(this.#timer)
    await this.#draw()
    this.#stream.write('\n')
  }

  async #draw() {
    const rows = await this.#rows()
    if (!this.#stream.isTTY) {
      const accounts = rows.map((row) => `${row.account} ${row.requests} (room ${row.room}, 429s ${row['429s']})`)
      return this.#stream.write(`${this.#count()}: ${accounts.join(', ')}\n`)
    }
    const filled = Math.round((this.#finished / this.#total) * BAR_WIDTH)
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled)
    const text = `${bar} ${this.#count()}\n${table(rows.map(({ cost, ...row }) => row))}\n`
    // Up over what was drawn before, then clear to the end of the screen.
    const back = this.#linesDrawn > 0 ? `\x1b[${this.#linesDrawn}A\x1b[J` : ''
    this.#stream.write(back + text)
    this.#linesDrawn = text.split('\n').length - 1
  }

  #count() {
    return `${this.#finished} of ${this.#total}${this.#failed > 0 ? `, ${this.#failed} failed` : ''}`
  }
}

/** Rows of equal fields as aligned text: words to the left, numbers to the right. */
function table(rows) {
  const names = Object.keys(rows[0])
  const cells = [names, ...rows.map((row) => names.map((name) => String(row[name])))]
  const widths = names.map((_, column) => Math.max(...cells.map((line) => line[column].length)))
  const pad = (text, column) => (column === 0 ? text.padEnd(widths[column]) : text.padStart(widths[column]))
  return cells.map((line) => line.map(pad).join('   ')).join('\n')
}

module.exports = { Board, table }
