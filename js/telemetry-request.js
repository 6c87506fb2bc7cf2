// @ts-check
'use strict'

// What telemetry tells of a request.

/**
 * @typedef {object} Described
 * @property {string} operation `gen_ai.operation.name`
 * @property {string | undefined} model
 * @property {Record<string, any>} attributes undefined where the request does not say
 */

/** The operations of the conventions, and OpenAI's name of the interface. */
const CHAT = { operation: 'chat', api: 'chat_completions' }
const RESPONSES = { operation: 'chat', api: 'responses' }
const EMBEDDINGS = { operation: 'embeddings' }

/** By the native operation; the drop-in ones have a default model, which the native side sets. */
const OF_METHOD = {
  chat: CHAT,
  createChat: { ...CHAT, defaultModel: 'gpt-3.5-turbo' },
  responses: RESPONSES,
  embed: EMBEDDINGS,
  createEmbeddings: { ...EMBEDDINGS, defaultModel: 'text-embedding-ada-002' },
}

/** By the path of what is passed on. */
const OF_PATH = {
  'chat/completions': CHAT,
  responses: RESPONSES,
  completions: { operation: 'text_completion' },
  embeddings: EMBEDDINGS,
}

/**
 * The same under the names of all forms of a request: attribute, type, fields. The first field that is there counts.
 *
 * @type {[string, string, string[]][]}
 */
const FIELDS = [
  ['gen_ai.request.max_tokens', 'number', ['max_completion_tokens', 'max_output_tokens', 'max_tokens', 'maxTokens']],
  ['gen_ai.request.temperature', 'number', ['temperature']],
  ['gen_ai.request.top_p', 'number', ['top_p']],
  ['gen_ai.request.frequency_penalty', 'number', ['frequency_penalty']],
  ['gen_ai.request.presence_penalty', 'number', ['presence_penalty']],
  ['gen_ai.request.seed', 'number', ['seed']],
  ['gen_ai.conversation.id', 'string', ['conversation']],
  ['gen_ai.embeddings.dimension.count', 'number', ['dimensions']],
]

/**
 * A request by its parameters, or by its head and its body where it is passed on.
 *
 * @param {{ operation?: string, params?: any, head?: any, body?: any }} request as the native side gets it
 * @returns {Described}
 */
function describe({ operation, params, head, body }) {
  return operation === undefined ? describePassed(head, body) : describeParams(operation, params)
}

function describeParams(operation, params) {
  const kind = OF_METHOD[operation]
  const fields = isObject(params) ? params : {}
  return described(kind, { ...fields, model: fields.model ?? kind.defaultModel })
}

function describePassed({ method, path, headers }, body) {
  const segments = String(path).split('?')[0].split('/').filter(Boolean)
  const kind = method === 'POST' ? OF_PATH[segments.join('/')] : undefined
  // What the conventions do not know: files, batches, images.
  return described(kind ?? { operation: `${method} ${segments[0] ?? '/'}` }, fieldsOf(headers, body))
}

function described({ operation, api }, fields) {
  const model = typeof fields.model === 'string' ? fields.model : undefined
  const attributes = { 'gen_ai.operation.name': operation, 'gen_ai.request.model': model, 'openai.api.type': api }
  for (const [name, type, names] of FIELDS) {
    const field = names.find((one) => fields[one] != null)
    if (field !== undefined && typeof fields[field] === type) attributes[name] = fields[field]
  }
  if (fields.stream === true) attributes['gen_ai.request.stream'] = true
  if (typeof fields.n === 'number' && fields.n !== 1) attributes['gen_ai.request.choice.count'] = fields.n
  if (typeof fields.encoding_format === 'string') {
    attributes['gen_ai.request.encoding_formats'] = [fields.encoding_format]
  }
  // Whoever leaves the choice to OpenAI asks for no tier.
  if (typeof fields.service_tier === 'string' && fields.service_tier !== 'auto') {
    attributes['openai.request.service_tier'] = fields.service_tier
  }
  attributes['gen_ai.output.type'] = outputType(fields.response_format?.type ?? fields.text?.format?.type)
  return { operation, model, attributes }
}

/** `json_object` and `json_schema` are JSON. */
function outputType(format) {
  if (typeof format !== 'string') return undefined
  return format.startsWith('json') ? 'json' : format
}

/** The fields of a body that is JSON; none of any other. */
function fieldsOf(headers, body) {
  if (!(headers?.['content-type'] ?? 'json').includes('json') && typeof body !== 'string') return {}
  try {
    const fields = JSON.parse(typeof body === 'string' ? body : Buffer.from(body).toString())
    return isObject(fields) ? fields : {}
  } catch {
    return {}
  }
}

function isObject(value) {
  return typeof value === 'object' && value !== null
}

module.exports = { describe }
