'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { countChatTokens, countTokens, countTokensSync } = require('..')

const VECTORS = [
  ['tiktoken is great!', 'gpt-4', 6],
  ['tiktoken is great!', 'gpt-4o', 6],
  ['antidisestablishmentarianism', 'gpt-4', 6],
  ['antidisestablishmentarianism', 'text-davinci-003', 5],
  ['2 + 2 = 4', 'gpt-4o', 7],
  ['2 + 2 = 4', 'text-davinci-003', 5],
  ['お誕生日おめでとう', 'gpt-4', 9],
  ['お誕生日おめでとう', 'gpt-6-luna', 8],
  ['<|endoftext|>', 'gpt-4o', 7],
  ['', 'gpt-4o', 0],
]

for (const [text, model, count] of VECTORS) {
  test(`${JSON.stringify(text)} has ${count} tokens for ${model}`, async () => {
    assert.equal(await countTokens(text, model), count)
    assert.equal(countTokensSync(text, model), count)
  })
}

test('no model, or one that nobody knows, means the newest encoding', async () => {
  assert.equal(await countTokens('お誕生日おめでとう'), 8)
  assert.equal(await countTokens('お誕生日おめでとう', 'gpt-99'), 8)
})

test('a lone surrogate and a null character are counted, not refused', async () => {
  assert.ok((await countTokens('a\ud800b\0c')) > 0)
})

test('too long a text for the calling thread is a RangeError, and counted on another', async () => {
  const text = 'word '.repeat(20_000)
  assert.throws(() => countTokensSync(text), { name: 'RangeError', code: 'ERR_ARGUMENT' })
  assert.equal(await countTokens(text), 20_001)
})

for (const [name, text] of [
  ['spaces', ' '.repeat(1 << 20)],
  ['one letter', 'a'.repeat(1 << 20)],
  ['line breaks', '\n'.repeat(1 << 20)],
  ['emoji', '🎉'.repeat(1 << 18)],
]) {
  test(`a megabyte of ${name} is counted while the JavaScript thread goes on`, async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const count = await countTokens(text)
    clearInterval(timer)
    assert.ok(count > 0 && count < Buffer.byteLength(text))
    assert.ok(turns > 0)
  })
}

test('the cookbook\u2019s conversation has the cookbook\u2019s count', async () => {
  const examples = [
    ['example_user', 'New synergies will help drive top-line growth.'],
    ['example_assistant', 'Things working well together will increase revenue.'],
    [
      'example_user',
      "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    ],
    ['example_assistant', "Let's talk later when we're less busy about how to do better."],
  ]
  const messages = [
    {
      role: 'system',
      content: 'You are a helpful, pattern-following assistant that translates corporate jargon into plain English.',
    },
    ...examples.map(([name, content]) => ({ role: 'system', name, content })),
    { role: 'user', content: "This late pivot means we don't have time to boil the ocean for the client deliverable." },
  ]
  assert.equal(await countChatTokens({ model: 'gpt-4', messages }), 129)
  assert.equal(await countChatTokens({ model: 'gpt-4o', messages }), 124)
})
