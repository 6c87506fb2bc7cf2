'use strict'

// The AI SDK over a pool, with its provider for OpenAI: chats and responses.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { createOpenAI } = require('@ai-sdk/openai')
const {
  APICallError,
  embed,
  embedMany,
  generateObject,
  generateText,
  stepCountIs,
  streamObject,
  streamText,
  tool,
} = require('ai')
const { z } = require('zod')
const { embeddings } = require('./support/embeddings.js')
const { breakingOff, startModel, FILLS, SAYS } = require('./support/model.js')
const { TROUBLES, poolOf, startStalling } = require('./support/troubles.js')

const MODEL = 'gpt-6-luna'
const PROMPT = 'How is the weather?'
const PLACE = z.object({ city: z.string() })

function providerOf(t, server) {
  const manager = poolOf(t, server)
  return { manager, openai: createOpenAI({ apiKey: 'none of ours', fetch: manager.fetch }) }
}

/** What it calls a model of either API. */
const APIS = { chat: (openai) => openai.chat(MODEL), responses: (openai) => openai.responses(MODEL) }

for (const [api, modelOf] of Object.entries(APIS)) {
  test(`${api}: a text, and one in a stream, with their usage`, async (t) => {
    const server = await startModel(t)
    const { openai, manager } = providerOf(t, server)
    const answer = await generateText({ model: modelOf(openai), prompt: PROMPT })
    assert.deepEqual([answer.text, answer.usage.totalTokens], [SAYS, 12])
    const stream = streamText({ model: modelOf(openai), prompt: PROMPT })
    const texts = []
    for await (const text of stream.textStream) texts.push(text)
    assert.ok(texts.length > 1)
    assert.equal(texts.join(''), SAYS)
    assert.equal((await stream.usage).totalTokens, 12)
    assert.equal((await manager.usage({ by: [] }))[0].totalTokens, 24)
  })

  test(`${api}: a tool is called and its result sent back, whole and in a stream`, async (t) => {
    const server = await startModel(t)
    const { openai } = providerOf(t, server)
    const asked = []
    const weather = tool({
      inputSchema: PLACE,
      execute: (place) => {
        asked.push(place)
        return '4 degrees'
      },
    })
    const settings = { model: modelOf(openai), prompt: PROMPT, tools: { weather }, stopWhen: stepCountIs(3) }
    assert.equal((await generateText(settings)).text, 'The tool says: 4 degrees')
    assert.equal(await streamText(settings).text, 'The tool says: 4 degrees')
    assert.deepEqual(asked, [FILLS, FILLS])
    assert.equal(server.received.length, 4)
  })

  test(`${api}: an object of a schema, whole and in a stream`, async (t) => {
    const server = await startModel(t)
    const { openai } = providerOf(t, server)
    const settings = { model: modelOf(openai), prompt: PROMPT, schema: PLACE }
    assert.deepEqual((await generateObject(settings)).object, FILLS)
    const objects = []
    for await (const object of streamObject(settings).partialObjectStream) objects.push(object)
    assert.deepEqual(objects.at(-1), FILLS)
    const [{ body }] = server.received
    const { schema } = body.response_format?.json_schema ?? body.text.format
    assert.deepEqual(schema.required, ['city'])
  })

  for (const [name, { answer, status, message, type, sent, ends }] of Object.entries(TROUBLES)) {
    // What it would repeat by itself, it does not with `maxRetries: 0`.
    const settings = ends ? {} : { maxRetries: 0 }
    test(`${api}: ${name} is its error, and sent ${sent} times in all`, async (t) => {
      const server = await startModel(t, () => answer)
      const { openai } = providerOf(t, server)
      const told = (error) => {
        assert.ok(APICallError.isInstance(error))
        assert.deepEqual([error.statusCode, error.data.error.type], [status, type])
        assert.match(error.message, message)
        return true
      }
      await assert.rejects(generateText({ model: modelOf(openai), prompt: PROMPT, ...settings }), told)
      assert.equal(server.received.length, sent)
    })
  }

  test(`${api}: a stream that breaks off is an error behind what came, and is sent once`, async (t) => {
    const server = await startModel(t, breakingOff)
    const { openai } = providerOf(t, server)
    const texts = []
    const read = async () => {
      const stream = streamText({ model: modelOf(openai), prompt: PROMPT, onError: () => {} })
      for await (const part of stream.fullStream) if (part.type === 'text-delta') texts.push(part.text)
    }
    await assert.rejects(read(), (error) => {
      assert.equal(error.cause.code, 'ERR_UPSTREAM')
      return true
    })
    assert.ok(texts.join('') !== '' && SAYS.startsWith(texts.join('')))
    assert.equal(server.received.length, 1)
  })

  test(`${api}: its abort stops the request`, async (t) => {
    const server = await startStalling(t)
    const { openai, manager } = providerOf(t, server)
    const controller = new AbortController()
    const answer = generateText({ model: modelOf(openai), prompt: PROMPT, abortSignal: controller.signal })
    await server.arrived
    controller.abort()
    await assert.rejects(answer, { name: 'AbortError' })
    await server.closed
    assert.equal((await manager.status({ model: MODEL })).accounts[0].inFlight, 0)
  })

  test(`${api}: its abort in mid-stream stops the request and ends the stream`, async (t) => {
    const server = await startStalling(t)
    const { openai, manager } = providerOf(t, server)
    const controller = new AbortController()
    const stream = streamText({ model: modelOf(openai), prompt: PROMPT, abortSignal: controller.signal })
    const types = []
    for await (const { type } of stream.fullStream) {
      types.push(type)
      if (type === 'text-delta') controller.abort()
    }
    assert.deepEqual(types.slice(-2), ['text-delta', 'abort'])
    await server.closed
    assert.equal((await manager.status({ model: MODEL })).accounts[0].inFlight, 0)
  })
}

test('embeddings, of one value and of many', async (t) => {
  const server = await startModel(t)
  const { openai } = providerOf(t, server)
  const model = openai.embedding('text-embedding-3-small')
  const values = ['7', '8']
  const expected = embeddings({ input: values }).data.map(({ embedding }) => embedding)
  assert.deepEqual((await embed({ model, value: '7' })).embedding, expected[0])
  assert.deepEqual((await embedMany({ model, values })).embeddings, expected)
})
