'use strict'

// A server that answers as a model with a fixed mind would, in the bodies that OpenAI sends: chats and responses, whole and in events, tools,
// structured output and embeddings. What the client libraries do with their requests can be seen in `received`.

const { completion, startServer } = require('./server.js')
const { embeddings } = require('./embeddings.js')

/** What it says to anything. */
const SAYS = 'The weather is fine.'
/** The arguments that it calls a tool with, and the values that it fills a schema with. */
const FILLS = { city: 'Oslo' }

/**
 * Starts it; it ends with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {(call: import('./server.js').Received) => import('./server.js').Answer | null | undefined} trouble what it answers instead, if anything
 */
async function startModel(t, trouble = () => undefined) {
  const server = await startServer((call) => {
    const given = trouble(call)
    return given === undefined ? answer(call) : given
  })
  t.after(() => server.close())
  return server
}

function answer({ url, body }) {
  if (url.endsWith('/embeddings')) return { body: embeddings(body) }
  if (url.endsWith('/responses')) {
    const response = responseTo(body)
    return body.stream ? events(responseEvents(response)) : { body: response }
  }
  const message = chatMessage(body)
  return body.stream ? events(chatEvents(message, body), '[DONE]') : { body: chatAnswer(message) }
}

/** An answer of events; each has its type for a name, where it has one. */
function events(list, last) {
  const lines = list.map((data) => `${data.type ? `event: ${data.type}\n` : ''}data: ${JSON.stringify(data)}\n\n`)
  if (last) lines.push(`data: ${last}\n\n`)
  return { headers: { 'content-type': 'text/event-stream' }, body: lines.join('') }
}

/** A tool is called once; its result is said; a schema is filled. */
function chatMessage({ messages, tools, response_format }) {
  const last = messages.at(-1)
  if (last.role === 'tool') return { role: 'assistant', content: `The tool says: ${last.content}` }
  if (tools?.length > 0) {
    const call = { name: tools[0].function.name, arguments: JSON.stringify(FILLS) }
    return { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: call }] }
  }
  return { role: 'assistant', content: response_format?.type === 'json_schema' ? JSON.stringify(FILLS) : SAYS }
}

function chatAnswer(message) {
  const whole = completion()
  const finish_reason = message.tool_calls ? 'tool_calls' : 'stop'
  return { ...whole, choices: [{ index: 0, message: { ...message, refusal: null }, logprobs: null, finish_reason }] }
}

function chatEvents(message, { stream_options }) {
  const { id, created, model, usage } = completion()
  const chunk = (choices, more = {}) => ({ id, object: 'chat.completion.chunk', created, model, choices, ...more })
  const part = (delta, finish_reason = null) => chunk([{ index: 0, delta, finish_reason }])
  const deltas = message.tool_calls
    ? message.tool_calls.flatMap((call, index) => {
        const { name, arguments: text } = call.function
        const piece = (text) => ({ tool_calls: [{ index, function: { arguments: text } }] })
        const begin = { ...call, index, function: { name, arguments: '' } }
        return [{ role: 'assistant', content: null, tool_calls: [begin] }, ...halves(text).map(piece)]
      })
    : [{ role: 'assistant', content: '' }, ...halves(message.content).map((content) => ({ content }))]
  const parts = [...deltas.map((delta) => part(delta)), part({}, message.tool_calls ? 'tool_calls' : 'stop')]
  return stream_options?.include_usage ? [...parts, chunk([], { usage })] : parts
}

function halves(text) {
  const middle = Math.ceil(text.length / 2)
  return [text.slice(0, middle), text.slice(middle)]
}

function responseTo({ input, tools, text }) {
  const last = Array.isArray(input) ? input.at(-1) : undefined
  const say = (text) => ({
    id: 'msg_1',
    type: 'message',
    status: 'completed',
    role: 'assistant',
    content: [{ type: 'output_text', text, annotations: [] }],
  })
  const call = () => ({
    id: 'fc_1',
    type: 'function_call',
    status: 'completed',
    call_id: 'call_1',
    name: tools[0].name,
    arguments: JSON.stringify(FILLS),
  })
  let item
  if (last?.type === 'function_call_output') item = say(`The tool says: ${textOf(last.output)}`)
  else if (tools?.length > 0) item = call()
  else item = say(text?.format?.type === 'json_schema' ? JSON.stringify(FILLS) : SAYS)
  return {
    id: 'resp_1',
    object: 'response',
    created_at: 1700000000,
    status: 'completed',
    model: 'gpt-6-luna',
    output: [item],
    tools: tools ?? [],
    error: null,
    incomplete_details: null,
    usage: {
      input_tokens: 9,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 3,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 12,
    },
  }
}

/** A tool's result is a text, or a list with one. */
function textOf(output) {
  return Array.isArray(output) ? output.map(({ text }) => text).join('') : output
}

function responseEvents(response) {
  const [item] = response.output
  const begun = { ...response, status: 'in_progress', output: [], usage: null }
  const at = { item_id: item.id, output_index: 0 }
  const pieces =
    item.type === 'function_call'
      ? [
          ...halves(item.arguments).map((delta) => ({ type: 'response.function_call_arguments.delta', ...at, delta })),
          { type: 'response.function_call_arguments.done', ...at, name: item.name, arguments: item.arguments },
        ]
      : textEvents(item, { ...at, content_index: 0 })
  const list = [
    { type: 'response.created', response: begun },
    { type: 'response.output_item.added', output_index: 0, item: emptied(item) },
    ...pieces,
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response },
  ]
  return list.map((event, sequence_number) => ({ ...event, sequence_number }))
}

function textEvents(item, at) {
  const [part] = item.content
  const { text } = part
  return [
    { type: 'response.content_part.added', ...at, part: { ...part, text: '' } },
    ...halves(text).map((delta) => ({ type: 'response.output_text.delta', ...at, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...at, text, logprobs: [] },
    { type: 'response.content_part.done', ...at, part },
  ]
}

function emptied(item) {
  const empty = item.type === 'function_call' ? { arguments: '' } : { content: [] }
  return { ...item, status: 'in_progress', ...empty }
}

/** A stream up to the first half of what it says. */
function firstPart(call) {
  const list = answer(call).body.split('\n\n')
  const [half] = halves(SAYS)
  const end = list.findIndex((event) => event.includes(half)) + 1
  return `${list.slice(0, end).join('\n\n')}\n\n`
}

/** A stream that breaks off behind that. */
function breakingOff(call) {
  return { ...answer(call), cutAfter: firstPart(call).length }
}

module.exports = { startModel, firstPart, breakingOff, SAYS, FILLS }
