'use strict'

// Tools and structured output by the manager's own methods: OpenAI's requests and answers, as they are.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { startModel, FILLS, SAYS } = require('./support/model.js')
const { poolOf } = require('./support/troubles.js')

const MODEL = 'gpt-6-luna'
const SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}

async function collect(stream) {
  const parts = []
  for await (const part of stream) parts.push(part)
  return parts
}

test('chat: a tool is called and its result sent back', async (t) => {
  const server = await startModel(t)
  const manager = poolOf(t, server)
  const tools = [{ type: 'function', function: { name: 'weather', parameters: SCHEMA, strict: true } }]
  const messages = [{ role: 'user', content: 'How is the weather?' }]
  const { choices } = await manager.chat({ model: MODEL, messages, tools })
  assert.equal(choices[0].finish_reason, 'tool_calls')
  const [call] = choices[0].message.tool_calls
  assert.deepEqual(JSON.parse(call.function.arguments), FILLS)
  const result = { role: 'tool', tool_call_id: call.id, content: '4 degrees' }
  const params = { model: MODEL, messages: [...messages, choices[0].message, result], tools }
  const last = await manager.chat(params)
  assert.equal(last.choices[0].message.content, 'The tool says: 4 degrees')
  assert.deepEqual(server.received[1].body, params)
})

test('chat: a tool is called in the parts of a stream', async (t) => {
  const server = await startModel(t)
  const manager = poolOf(t, server)
  const tools = [{ type: 'function', function: { name: 'weather', parameters: SCHEMA } }]
  const messages = [{ role: 'user', content: 'How is the weather?' }]
  const chunks = await collect(await manager.chat({ model: MODEL, messages, tools, stream: true }))
  const calls = chunks.flatMap(({ choices }) => choices[0].delta.tool_calls ?? [])
  assert.equal(calls[0].function.name, 'weather')
  assert.deepEqual(JSON.parse(calls.map((call) => call.function.arguments).join('')), FILLS)
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'tool_calls')
})

test('responses: a tool is called and its result sent back, whole and in a stream', async (t) => {
  const server = await startModel(t)
  const manager = poolOf(t, server)
  const tools = [{ type: 'function', name: 'weather', parameters: SCHEMA, strict: true }]
  const input = [{ role: 'user', content: 'How is the weather?' }]
  const first = await manager.responses({ model: MODEL, input, tools })
  const [call] = first.output
  const result = { type: 'function_call_output', call_id: call.call_id, output: '4 degrees' }
  const params = { model: MODEL, input: [...input, call, result], tools, stream: true }
  const events = await collect(await manager.responses(params))
  assert.equal(events.at(-1).response.output[0].content[0].text, 'The tool says: 4 degrees')
  assert.deepEqual(server.received[1].body, params)
})

test('structured output fills its schema, in a chat and in a response', async (t) => {
  const server = await startModel(t)
  const manager = poolOf(t, server)
  const format = { name: 'place', schema: SCHEMA, strict: true }
  const messages = [{ role: 'user', content: 'Where?' }]
  const response_format = { type: 'json_schema', json_schema: format }
  const chat = await manager.chat({ model: MODEL, messages, response_format })
  assert.deepEqual(JSON.parse(chat.choices[0].message.content), FILLS)
  const text = { format: { type: 'json_schema', ...format } }
  const response = await manager.responses({ model: MODEL, input: 'Where?', text })
  assert.deepEqual(JSON.parse(response.output[0].content[0].text), FILLS)
  const plain = await manager.responses({ model: MODEL, input: 'Where?' })
  assert.equal(plain.output[0].content[0].text, SAYS)
})
