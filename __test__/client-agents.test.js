'use strict'

// OpenAI's Agents SDK over a pool, by a client of its own provider: chats and responses.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { Agent, OpenAIProvider, Runner, tool } = require('@openai/agents')
const OpenAI = require('openai')
const { z } = require('zod')
const { breakingOff, startModel, FILLS, SAYS } = require('./support/model.js')
const { TROUBLES, poolOf, startStalling } = require('./support/troubles.js')

const MODEL = 'gpt-6-luna'
const PROMPT = 'How is the weather?'
const PLACE = z.object({ city: z.string() })

/** A runner as programs make it, but for its traces: those go to OpenAI past any client. */
function runnerOf(t, server, useResponses) {
  const manager = poolOf(t, server)
  const openAIClient = new OpenAI({ apiKey: 'none of ours', fetch: manager.fetch })
  const modelProvider = new OpenAIProvider({ openAIClient, useResponses })
  return { manager, runner: new Runner({ modelProvider, tracingDisabled: true }) }
}

const agentOf = (more = {}) => new Agent({ name: 'Assistant', model: MODEL, ...more })

/** What runs an agent to its end, whole and in a stream. */
const RUNS = [
  async (runner, agent) => (await runner.run(agent, PROMPT)).finalOutput,
  async (runner, agent) => {
    const stream = await runner.run(agent, PROMPT, { stream: true })
    await stream.completed
    return stream.finalOutput
  },
]

for (const [api, useResponses] of [
  ['chat', false],
  ['responses', true],
]) {
  test(`${api}: an agent answers, whole and in a stream`, async (t) => {
    const server = await startModel(t)
    const { runner, manager } = runnerOf(t, server, useResponses)
    assert.equal((await runner.run(agentOf(), PROMPT)).finalOutput, SAYS)
    const stream = await runner.run(agentOf(), PROMPT, { stream: true })
    const texts = []
    for await (const text of stream.toTextStream()) texts.push(text)
    assert.ok(texts.length > 1)
    assert.equal(texts.join(''), SAYS)
    assert.equal((await manager.usage({ by: [] }))[0].totalTokens, 24)
  })

  test(`${api}: an agent's tool is called and its result sent back, whole and in a stream`, async (t) => {
    const server = await startModel(t)
    const { runner } = runnerOf(t, server, useResponses)
    const asked = []
    const weather = tool({
      name: 'weather',
      description: 'Tells the weather.',
      parameters: PLACE,
      execute: (place) => {
        asked.push(place)
        return '4 degrees'
      },
    })
    for (const run of RUNS) assert.equal(await run(runner, agentOf({ tools: [weather] })), 'The tool says: 4 degrees')
    assert.deepEqual(asked, [FILLS, FILLS])
    assert.equal(server.received.length, 4)
  })

  test(`${api}: an agent hands over to another one`, async (t) => {
    const server = await startModel(t)
    const { runner } = runnerOf(t, server, useResponses)
    const expert = agentOf({ name: 'Expert' })
    const result = await runner.run(agentOf({ handoffs: [expert] }), PROMPT)
    assert.equal(result.lastAgent.name, 'Expert')
    assert.match(result.finalOutput, /^The tool says: /)
  })

  test(`${api}: an agent's output of a schema, whole and in a stream`, async (t) => {
    const server = await startModel(t)
    const { runner } = runnerOf(t, server, useResponses)
    for (const run of RUNS) assert.deepEqual(await run(runner, agentOf({ outputType: PLACE })), FILLS)
    const [{ body }] = server.received
    const { schema } = body.response_format?.json_schema ?? body.text.format
    assert.deepEqual(schema.required, ['city'])
  })

  for (const [name, { answer, status, message, type, sent }] of Object.entries(TROUBLES)) {
    test(`${api}: ${name} is its error, and sent ${sent} times in all`, async (t) => {
      const server = await startModel(t, () => answer)
      const { runner } = runnerOf(t, server, useResponses)
      await assert.rejects(runner.run(agentOf(), PROMPT), (error) => {
        assert.ok(error instanceof OpenAI.APIError)
        assert.deepEqual([error.status, error.type], [status, type])
        assert.match(error.message, message)
        return true
      })
      assert.equal(server.received.length, sent)
    })
  }

  test(`${api}: a stream that breaks off is an error behind what came, and is sent once`, async (t) => {
    const server = await startModel(t, breakingOff)
    const { runner } = runnerOf(t, server, useResponses)
    const stream = await runner.run(agentOf(), PROMPT, { stream: true })
    const texts = []
    const read = async () => {
      for await (const text of stream.toTextStream()) texts.push(text)
    }
    await assert.rejects(read(), { code: 'ERR_UPSTREAM' })
    await assert.rejects(stream.completed, { code: 'ERR_UPSTREAM' })
    assert.ok(texts.join('') !== '' && SAYS.startsWith(texts.join('')))
    assert.equal(server.received.length, 1)
  })

  test(`${api}: its abort stops the request`, async (t) => {
    const server = await startStalling(t)
    const { runner, manager } = runnerOf(t, server, useResponses)
    const controller = new AbortController()
    const run = runner.run(agentOf(), PROMPT, { signal: controller.signal })
    await server.arrived
    controller.abort()
    await assert.rejects(run, OpenAI.APIUserAbortError)
    await server.closed
    assert.equal((await manager.status({ model: MODEL })).accounts[0].inFlight, 0)
  })

  test(`${api}: its abort in mid-stream stops the request and ends the loop`, async (t) => {
    const server = await startStalling(t)
    const { runner, manager } = runnerOf(t, server, useResponses)
    const controller = new AbortController()
    const stream = await runner.run(agentOf(), PROMPT, { signal: controller.signal, stream: true })
    const texts = []
    for await (const text of stream.toTextStream()) {
      texts.push(text)
      controller.abort()
    }
    assert.equal(texts.length, 1)
    await server.closed
    assert.equal((await manager.status({ model: MODEL })).accounts[0].inFlight, 0)
  })
}
