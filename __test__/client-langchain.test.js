'use strict'

// LangChain over a pool: chats, responses and embeddings.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { HumanMessage } = require('@langchain/core/messages')
const { tool } = require('@langchain/core/tools')
const { ChatOpenAI, OpenAIEmbeddings } = require('@langchain/openai')
const { z } = require('zod')
const { float32Of } = require('./support/embeddings.js')
const { breakingOff, startModel, FILLS, SAYS } = require('./support/model.js')
const { TROUBLES, poolOf, startStalling } = require('./support/troubles.js')

const MODEL = 'gpt-6-luna'
const PROMPT = 'How is the weather?'
const PLACE = z.object({ city: z.string() })

/** The settings of any of its classes. */
function settingsOf(t, server, more = {}) {
  const manager = poolOf(t, server)
  return {
    manager,
    settings: { apiKey: 'none of ours', configuration: { fetch: manager.fetch }, model: MODEL, ...more },
  }
}

/** The parts of a stream as the one message that they are. */
async function streamed(model, messages) {
  const parts = []
  for await (const part of await model.stream(messages)) parts.push(part)
  assert.ok(parts.length > 1)
  return parts.reduce((whole, part) => whole.concat(part))
}

for (const [api, useResponsesApi] of [
  ['chat', false],
  ['responses', true],
]) {
  test(`${api}: a message, and one in a stream, with their usage`, async (t) => {
    const server = await startModel(t)
    const { settings, manager } = settingsOf(t, server, { useResponsesApi })
    const model = new ChatOpenAI(settings)
    const answer = await model.invoke(PROMPT)
    assert.deepEqual([answer.text, answer.usage_metadata.total_tokens], [SAYS, 12])
    const whole = await streamed(model, PROMPT)
    assert.deepEqual([whole.text, whole.usage_metadata.total_tokens], [SAYS, 12])
    assert.equal((await manager.usage({ by: [] }))[0].totalTokens, 24)
  })

  test(`${api}: a tool is called and its result sent back, whole and in a stream`, async (t) => {
    const server = await startModel(t)
    const { settings } = settingsOf(t, server, { useResponsesApi })
    const asked = []
    const weather = tool(
      (place) => {
        asked.push(place)
        return '4 degrees'
      },
      { name: 'weather', description: 'Tells the weather.', schema: PLACE },
    )
    const model = new ChatOpenAI(settings).bindTools([weather])
    for (const ask of [(messages) => model.invoke(messages), (messages) => streamed(model, messages)]) {
      const messages = [new HumanMessage(PROMPT)]
      const call = await ask(messages)
      assert.equal(call.tool_calls.length, 1)
      const result = await weather.invoke(call.tool_calls[0])
      assert.equal((await ask([...messages, call, result])).text, 'The tool says: 4 degrees')
    }
    assert.deepEqual(asked, [FILLS, FILLS])
    assert.deepEqual(
      server.received.map(({ body }) => body.stream ?? false),
      [false, false, true, true],
    )
  })

  test(`${api}: structured output of a schema`, async (t) => {
    const server = await startModel(t)
    const { settings } = settingsOf(t, server, { useResponsesApi })
    const model = new ChatOpenAI(settings).withStructuredOutput(PLACE, { name: 'place', method: 'jsonSchema' })
    assert.deepEqual(await model.invoke(PROMPT), FILLS)
    const [{ body }] = server.received
    const { schema } = body.response_format?.json_schema ?? body.text.format
    assert.deepEqual(schema.required, ['city'])
  })

  for (const [name, { answer, status, message, type, sent, ends }] of Object.entries(TROUBLES)) {
    // What it would repeat by itself, it does not with `maxRetries: 0`.
    const retries = ends ? {} : { maxRetries: 0 }
    test(`${api}: ${name} is its error, and sent ${sent} times in all`, async (t) => {
      const server = await startModel(t, () => answer)
      const { settings } = settingsOf(t, server, { useResponsesApi, ...retries })
      await assert.rejects(new ChatOpenAI(settings).invoke(PROMPT), (error) => {
        assert.deepEqual([error.status, error.type], [status, type])
        assert.match(error.message, message)
        return true
      })
      assert.equal(server.received.length, sent)
    })
  }

  test(`${api}: a stream that breaks off is an error behind what came, and is sent once`, async (t) => {
    const server = await startModel(t, breakingOff)
    const { settings } = settingsOf(t, server, { useResponsesApi })
    const texts = []
    const read = async () => {
      for await (const part of await new ChatOpenAI(settings).stream(PROMPT)) texts.push(part.text)
    }
    await assert.rejects(read(), { code: 'ERR_UPSTREAM' })
    assert.ok(texts.join('') !== '' && SAYS.startsWith(texts.join('')))
    assert.equal(server.received.length, 1)
  })

  test(`${api}: its abort stops the request`, async (t) => {
    const server = await startStalling(t)
    const { settings, manager } = settingsOf(t, server, { useResponsesApi })
    const controller = new AbortController()
    const answer = new ChatOpenAI(settings).invoke(PROMPT, { signal: controller.signal })
    await server.arrived
    controller.abort()
    await assert.rejects(answer, /abort/i)
    await server.closed
    assert.equal((await manager.status({ model: MODEL })).accounts[0].inFlight, 0)
  })

  test(`${api}: its abort in mid-stream stops the request and ends the loop`, async (t) => {
    const server = await startStalling(t)
    const { settings, manager } = settingsOf(t, server, { useResponsesApi })
    const controller = new AbortController()
    const read = async () => {
      for await (const part of await new ChatOpenAI(settings).stream(PROMPT, { signal: controller.signal })) {
        if (part.text !== '') controller.abort()
      }
    }
    await assert.rejects(read(), /abort/i)
    await server.closed
    assert.equal((await manager.status({ model: MODEL })).accounts[0].inFlight, 0)
  })
}

test('embeddings, of one text and of many', async (t) => {
  const server = await startModel(t)
  const { settings } = settingsOf(t, server, { model: 'text-embedding-3-small' })
  const model = new OpenAIEmbeddings(settings)
  const texts = ['7', '8']
  assert.deepEqual(await model.embedQuery('7'), float32Of('7'))
  assert.deepEqual(await model.embedDocuments(texts), texts.map(float32Of))
})

test('a wait that is longer than the pool allows is not repeated by it', async (t) => {
  const server = await startModel(t, () => TROUBLES['a 429 of all accounts'].answer)
  const { settings, manager } = settingsOf(t, server)
  await new ChatOpenAI({ ...settings, maxRetries: 0 }).invoke(PROMPT).catch(() => {})
  // With its own six retries: the pool's 429 names no time in a form that it would wait for.
  await assert.rejects(new ChatOpenAI(settings).invoke(PROMPT), { status: 429, code: 'ERR_WAIT' })
  assert.equal(server.received.length, 2)
  assert.equal((await manager.status({ model: MODEL })).waiting, 0)
})
