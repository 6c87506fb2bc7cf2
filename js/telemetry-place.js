// @ts-check
'use strict'

// Whose server a request goes to, in the words of the conventions.

/** Providers that speak as OpenAI does, by the host of their interface. */
const PROVIDER_OF_HOST = {
  'api.deepseek.com': 'deepseek',
  'api.groq.com': 'groq',
  'api.mistral.ai': 'mistral_ai',
  'api.moonshot.ai': 'moonshot_ai',
  'api.perplexity.ai': 'perplexity',
  'api.x.ai': 'x_ai',
}

const DEFAULT_PORT = { 'http:': 80, 'https:': 443 }

/** A base URL is read once. @type {Map<string, Record<string, string | number>>} */
const read = new Map()

/**
 * @param {{ kind?: string, baseUrl?: string }} place what is not known is left out
 * @returns {Record<string, string | number>} not to be changed
 */
function placeAttributes({ kind, baseUrl }) {
  const name = `${kind} ${baseUrl}`
  const attributes = read.get(name) ?? attributesOf(kind, baseUrl)
  read.set(name, attributes)
  return attributes
}

/** @returns {Record<string, string | number>} */
function attributesOf(kind, baseUrl) {
  if (baseUrl === undefined) return { 'gen_ai.provider.name': provider(kind) }
  const { hostname, port, protocol } = new URL(baseUrl)
  return {
    'gen_ai.provider.name': provider(kind, hostname),
    'server.address': hostname,
    'server.port': Number(port || DEFAULT_PORT[protocol]),
  }
}

/** Where it is not known, it is whom the request is written for. */
function provider(kind, hostname = '') {
  return kind === 'azure' ? 'azure.ai.openai' : (PROVIDER_OF_HOST[hostname] ?? 'openai')
}

module.exports = { placeAttributes }
