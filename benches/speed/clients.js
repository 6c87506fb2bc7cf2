'use strict'

// How each library is set up, as its documentation shows it. All are loaded inside, so that a process has only its own in memory.

const { root } = require('../../scripts/setup.js')

const API_KEY = 'sk-bench'
const HEADERS = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' }

/** As many as calls at a time, at most: nobody waits for a connection. */
const CONNECTIONS = 256

/** What no run reaches: everything is counted and booked, nothing waits. */
const NO_LIMIT = { requestsPerMinute: 1e9, tokensPerMinute: 1e12 }

/** @param {{ url: string, redisPort?: number, path?: string }} server */
function manager({ url, redisPort, path = '/v1' }) {
  const { RequestManager } = require(root)
  const account = { label: 'bench', apiKey: API_KEY, limits: { '*': NO_LIMIT } }
  const redis = redisPort && { host: '127.0.0.1', port: redisPort }
  return new RequestManager({ accounts: [account], baseURL: url + path, redis })
}

/** The fastest HTTP client for Node.js, and nothing around it. Resolves to the body. */
function undici({ url }) {
  const { Pool } = require('undici')
  const pool = new Pool(url, { connections: CONNECTIONS })
  return async (path, request) => {
    const call = { path: `/v1${path}`, method: 'POST', headers: HEADERS, body: JSON.stringify(request) }
    const { statusCode, body } = await pool.request(call)
    if (statusCode !== 200) throw new Error(`HTTP ${statusCode}: ${await body.text()}`)
    return body
  }
}

function fetching({ url }, fetch) {
  return async (path, request) => {
    const init = { method: 'POST', headers: HEADERS, body: JSON.stringify(request) }
    const response = await fetch(`${url}/v1${path}`, init)
    if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`)
    return response.json()
  }
}

function axios({ url }) {
  return require('axios').create({ baseURL: `${url}/v1`, headers: HEADERS })
}

/** @param {typeof globalThis.fetch} [fetch] through which it sends; by default Node's */
function openai({ url }, fetch) {
  const { OpenAI } = require('openai')
  return new OpenAI({ apiKey: API_KEY, baseURL: `${url}/v1`, fetch })
}

/** A chat model of the AI SDK. */
function aiModel({ url }, model) {
  const { createOpenAI } = require('@ai-sdk/openai')
  return createOpenAI({ apiKey: API_KEY, baseURL: `${url}/v1` }).chat(model)
}

module.exports = { manager, undici, fetching, axios, openai, aiModel }
