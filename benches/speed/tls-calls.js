'use strict'

// A chat call to a server with TLS, which OpenAI's all have: ours over HTTP/2, the others over HTTP/1.1, as each does of itself. (undici can
// be told to use HTTP/2; with version 7 it then takes four times as long.)

const { cases, contenders, fields, input, unitsOf } = require('./calls.js')

const PLAIN = ['ours', 'undici', 'fetch', 'fetch-ours', 'openai', 'openai-ours']
const SIZES = [1, 64]

module.exports = {
  title: 'A chat call over TLS',
  about:
    'As above, on a server that offers HTTP/2 and HTTP/1.1 with TLS 1.3. Ours takes the one, the others the other, as they do of themselves.',
  isSecure: true,
  contenders: Object.fromEntries(PLAIN.map((key) => [key, contenders[key]])),
  input,
  unitsOf,
  cases: cases.filter(({ concurrency }) => SIZES.includes(concurrency)),
  fields,
  bars: [],
}
