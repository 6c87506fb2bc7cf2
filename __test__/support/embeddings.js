'use strict'

// OpenAI's answers to requests for embeddings, from which a test can tell the inputs they belong to.

/** Numbers of an input: a text that is a number, or tokens, of which the first is taken. */
function numbersOf(input) {
  const first = Number(Array.isArray(input) ? input[0] : input)
  return [first, first / 3, -0.1]
}

/** The same as a caller gets them: every number is what 32 bits hold of it. */
function float32Of(input) {
  return Array.from(new Float32Array(numbersOf(input)))
}

/** An answer's body; a text and a token count as one token each. */
function embeddings({ input, encoding_format, model }) {
  const inputs = inputsOf(input)
  const data = inputs.map((input, index) => {
    const numbers = numbersOf(input)
    const embedding =
      encoding_format === 'base64' ? Buffer.from(new Float32Array(numbers).buffer).toString('base64') : numbers
    return { object: 'embedding', index, embedding }
  })
  const tokens = inputs.map((input) => (Array.isArray(input) ? input.length : 1)).reduce((sum, count) => sum + count, 0)
  return { object: 'list', data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } }
}

/** A list of the inputs of a request: a text and a list of tokens are one. */
function inputsOf(input) {
  return Array.isArray(input) && typeof input[0] !== 'number' ? input : [input]
}

/** Texts '0', '1', …, each one token. */
function texts(count) {
  return Array.from({ length: count }, (_, index) => String(index))
}

/** A promise to be kept later. */
function gate() {
  let open
  const opened = new Promise((resolve) => {
    open = resolve
  })
  return { opened, open }
}

module.exports = { embeddings, float32Of, gate, inputsOf, texts }
