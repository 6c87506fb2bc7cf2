'use strict'

// OpenAI's own client over a pool: what its helpers do with more than one request or with events. See fetch.test.js for its plain calls.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const OpenAI = require('openai')
const { zodFunction, zodResponseFormat, zodTextFormat } = require('openai/helpers/zod')
const { z } = require('zod')
const { breakingOff, startModel, FILLS, SAYS } = require('./support/model.js')
const { TROUBLES, poolOf, startStalling } = require('./support/troubles.js')

const MODEL = 'gpt-6-luna'
const CHAT = { model: MODEL, messages: [{ role: 'user', content: 'How is the weather?' }] }
const PLACE = z.object({ city: z.string() })

/** With all that it does by itself, its retries too. */
function clientOf(t, server) {
  const manager = poolOf(t, server)
  return { manager, client: new OpenAI({ apiKey: 'none of ours', fetch: manager.fetch }) }
}

test('its stream helper has the whole message and the usage at the end', async (t) => {
  const server = await startModel(t)
  const { client, manager } = clientOf(t, server)
  const stream = client.chat.completions.stream({ ...CHAT, stream_options: { include_usage: true } })
  const texts = []
  stream.on('content', (delta) => texts.push(delta))
  assert.equal(await stream.finalContent(), SAYS)
  assert.equal(texts.join(''), SAYS)
  assert.equal((await stream.totalUsage()).total_tokens, 12)
  assert.equal((await manager.usage({ by: [] }))[0].totalTokens, 12)
})

test('its stream helper for responses has the whole response at the end', async (t) => {
  const server = await startModel(t)
  const { client, manager } = clientOf(t, server)
  const response = await client.responses.stream({ model: MODEL, input: 'How is the weather?' }).finalResponse()
  assert.equal(response.output_text, SAYS)
  assert.equal((await manager.usage({ by: [] }))[0].totalTokens, 12)
})

for (const stream of [false, true]) {
  test(`its tool runner sends a tool's result back${stream ? ', in streams' : ''}`, async (t) => {
    const server = await startModel(t)
    const { client } = clientOf(t, server)
    const asked = []
    const weather = zodFunction({
      name: 'weather',
      parameters: PLACE,
      function: (place) => {
        asked.push(place)
        return '4 degrees'
      },
    })
    const runner = client.chat.completions.runTools({ ...CHAT, stream, tools: [weather] })
    assert.equal(await runner.finalContent(), 'The tool says: 4 degrees')
    assert.deepEqual(asked, [FILLS])
    assert.equal(server.received.length, 2)
    const [call, result] = server.received[1].body.messages.slice(-2)
    assert.deepEqual(call.tool_calls[0].function, { name: 'weather', arguments: JSON.stringify(FILLS) })
    assert.deepEqual(result, { role: 'tool', tool_call_id: 'call_1', content: '4 degrees' })
  })
}

test('a tool of the Responses API is called, and its result sent back', async (t) => {
  const server = await startModel(t)
  const { client } = clientOf(t, server)
  const tools = [{ type: 'function', name: 'weather', parameters: z.toJSONSchema(PLACE), strict: true }]
  const input = [{ role: 'user', content: 'How is the weather?' }]
  const first = await client.responses.create({ model: MODEL, input, tools })
  const [call] = first.output
  assert.deepEqual([call.type, JSON.parse(call.arguments)], ['function_call', FILLS])
  const result = { type: 'function_call_output', call_id: call.call_id, output: '4 degrees' }
  const last = await client.responses.create({ model: MODEL, input: [...input, call, result], tools })
  assert.equal(last.output_text, 'The tool says: 4 degrees')
  assert.deepEqual(server.received[1].body.input.at(-1), result)
})

test('structured output is parsed, of chats and of responses, and its schema arrives as it is', async (t) => {
  const server = await startModel(t)
  const { client } = clientOf(t, server)
  const response_format = zodResponseFormat(PLACE, 'place')
  const chat = await client.chat.completions.parse({ ...CHAT, response_format })
  assert.deepEqual(chat.choices[0].message.parsed, FILLS)
  assert.deepEqual(server.received[0].body.response_format, JSON.parse(JSON.stringify(response_format)))
  const format = zodTextFormat(PLACE, 'place')
  const response = await client.responses.parse({ model: MODEL, input: 'Where?', text: { format } })
  assert.deepEqual(response.output_parsed, FILLS)
  assert.deepEqual(server.received[1].body.text.format, JSON.parse(JSON.stringify(format)))
})

for (const [name, { answer, status, message, type, sent }] of Object.entries(TROUBLES)) {
  for (const stream of [false, true]) {
    test(`${name} is its error, and sent ${sent} times in all${stream ? ', of a stream' : ''}`, async (t) => {
      const server = await startModel(t, () => answer)
      const { client } = clientOf(t, server)
      await assert.rejects(client.chat.completions.create({ ...CHAT, stream }), (error) => {
        assert.ok(error instanceof OpenAI.APIError)
        assert.deepEqual([error.status, error.type], [status, type])
        assert.match(error.message, message)
        return true
      })
      assert.equal(server.received.length, sent)
    })
  }
}

for (const [api, open] of [
  ['chats', (client) => client.chat.completions.create({ ...CHAT, stream: true })],
  ['responses', (client) => client.responses.create({ model: MODEL, input: 'How is the weather?', stream: true })],
]) {
  test(`a stream of ${api} that breaks off is an error behind what came, and is sent once`, async (t) => {
    const server = await startModel(t, breakingOff)
    const { client } = clientOf(t, server)
    const events = []
    const read = async () => {
      for await (const event of await open(client)) events.push(event)
    }
    await assert.rejects(read(), { code: 'ERR_UPSTREAM' })
    assert.ok(SAYS.startsWith(events.at(-1).delta ?? events.at(-1).choices[0].delta.content))
    assert.equal(server.received.length, 1)
  })
}

test('its abort stops the request', async (t) => {
  const server = await startStalling(t)
  const { client, manager } = clientOf(t, server)
  const controller = new AbortController()
  const answer = client.chat.completions.create(CHAT, { signal: controller.signal })
  await server.arrived
  controller.abort()
  await assert.rejects(answer, OpenAI.APIUserAbortError)
  await server.closed
  assert.equal((await manager.status({ model: MODEL })).accounts[0].inFlight, 0)
})

test('its abort in mid-stream stops the request and ends the loop', async (t) => {
  const server = await startStalling(t)
  const { client, manager } = clientOf(t, server)
  const stream = await client.chat.completions.create({ ...CHAT, stream: true })
  const texts = []
  for await (const chunk of stream) {
    texts.push(chunk.choices[0].delta.content)
    if (texts.at(-1) !== '') stream.controller.abort()
  }
  assert.ok(SAYS.startsWith(texts.join('')) && texts.at(-1) !== '')
  await server.closed
  assert.equal((await manager.status({ model: MODEL })).accounts[0].inFlight, 0)
})
