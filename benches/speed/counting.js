'use strict'

// Counting the tokens of texts, with o200k_base.

const { root } = require('../../scripts/setup.js')
const { text } = require('./texts.js')

const MODEL = 'gpt-4o'
/** The longest text that `countTokensSync` takes. */
const SYNC_BYTES = 64 * 1024

// Each makes a function that counts a text. Special tokens are ordinary text.
const contenders = {
  ours: {
    title: '`countTokens`',
    isOurs: true,
    make() {
      const { countTokens } = require(root)
      return (counted) => countTokens(counted, MODEL)
    },
  },
  'ours-sync': {
    title: '`countTokensSync`',
    isOurs: true,
    takes: ({ bytes }) => bytes <= SYNC_BYTES,
    make() {
      const { countTokensSync } = require(root)
      return (counted) => countTokensSync(counted, MODEL)
    },
  },
  tiktoken: {
    title: '`tiktoken`',
    libraries: ['tiktoken'],
    make() {
      const encoding = require('tiktoken').get_encoding('o200k_base')
      return (counted) => encoding.encode_ordinary(counted).length
    },
  },
  'js-tiktoken': {
    title: '`js-tiktoken`',
    libraries: ['js-tiktoken'],
    modules: ['js-tiktoken/lite', 'js-tiktoken/ranks/o200k_base'],
    make() {
      const { Tiktoken } = require('js-tiktoken/lite')
      const encoding = new Tiktoken(require('js-tiktoken/ranks/o200k_base'))
      return (counted) => encoding.encode(counted, [], []).length
    },
  },
  'gpt-tokenizer': {
    title: '`gpt-tokenizer`',
    libraries: ['gpt-tokenizer'],
    modules: ['gpt-tokenizer/encoding/o200k_base'],
    make() {
      const { countTokens } = require('gpt-tokenizer/encoding/o200k_base')
      const options = { disallowedSpecial: new Set() }
      return (counted) => countTokens(counted, options)
    },
  },
}

/** So long that nobody who remembers pieces of texts has seen those of the next one, but for the words of prose and code. */
const CORPUS_CHARACTERS = 16_000_000

let from = 0

/** Next to the one before. Of a corpus no longer than needed where it is asked for one text. */
function input({ kind, characters, of = CORPUS_CHARACTERS }) {
  const counted = text(kind, characters, { from, of })
  from += characters
  return counted
}

function unitsOf(tokens) {
  if (!(tokens > 0)) throw new Error(`${tokens} tokens`)
  return 1
}

const KINDS = ['prose', 'code', 'JSON', 'CJK', 'emoji']
const TOKENS = [100, 500, 5_000, 200_000]
/** Enough to tell how long a token of a kind is, and short enough for `countTokensSync`. */
const SAMPLE_CHARACTERS = 20_000

/** With whom we must agree. */
const REFERENCE = 'tiktoken'

function casesOf(kind) {
  const { countTokensSync } = require(root)
  const perToken = SAMPLE_CHARACTERS / countTokensSync(text(kind, SAMPLE_CHARACTERS), MODEL)
  return TOKENS.map((tokens) => {
    const characters = Math.round(tokens * perToken)
    return {
      name: `${kind}, ${tokens.toLocaleString('en-US')}`,
      kind,
      characters,
      bytes: Buffer.byteLength(text(kind, characters)),
      isLong: tokens === TOKENS.at(-1),
      isOrdinary: kind !== 'emoji',
      concurrency: 1,
    }
  })
}

/** In how many of the texts ours and the reference count the same. */
async function sameCounts(cases) {
  const [ours, theirs] = [contenders.ours.make(), contenders[REFERENCE].make()]
  let same = 0
  for (const { kind, characters } of cases) {
    const counted = text(kind, characters)
    if ((await ours(counted)) === theirs(counted)) same++
  }
  return { same, all: cases.length }
}

module.exports = {
  title: 'Counting tokens',
  about: 'Texts of that many tokens (o200k_base), none like another, one after the other.',
  contenders,
  input,
  unitsOf,
  sameCounts,
  get cases() {
    return KINDS.flatMap(casesOf)
  },
}
