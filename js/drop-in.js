// @ts-check
'use strict'

// The four functions of the older JavaScript module, on the default pool: one for each Redis that callers name.

const { wrongArgument } = require('./errors.js')
const { ask, openPool, openPoolFromEnvironment, run } = require('./pool.js')
const { isClient, redisTarget } = require('./redis-source.js')
const { readAnswer } = require('./stream.js')

/** What `configure` was given; the environment's accounts without. */
let configuration
/** The pool of calls that name no Redis. */
let defaultPool
/** Pools by their target's JSON, and by what callers pass again and again: URLs and clients. */
let pools = new Map()
let poolsByUrl = new Map()
let poolsByClient = new WeakMap()

/** Replaces the default pool; requests in flight end on the old one. */
function configure(config) {
  const target = redisTarget(config?.redis)
  const pool = openPool(config, target)
  configuration = config
  defaultPool = pool
  pools = new Map([[JSON.stringify(target), pool]])
  poolsByUrl = new Map()
  poolsByClient = new WeakMap()
}

/** The pool that shares its books in the Redis that a caller names. */
function poolOf(redis) {
  if (redis == null) {
    defaultPool ??= poolAt(redisTarget(undefined))
    return defaultPool
  }
  const known = typeof redis === 'object' ? poolsByClient.get(redis) : poolsByUrl.get(redis)
  if (known !== undefined) return known
  const pool = poolAt(redisTarget(redis))
  // Options may be another Redis's the next time, a client never is.
  if (isClient(redis)) poolsByClient.set(redis, pool)
  else if (typeof redis === 'string') poolsByUrl.set(redis, pool)
  return pool
}

function poolAt(target) {
  const name = JSON.stringify(target)
  const known = pools.get(name)
  if (known !== undefined) return known
  const pool = configuration === undefined ? openPoolFromEnvironment(target) : openPool(configuration, target)
  pools.set(name, pool)
  return pool
}

async function createChat(data, redis, force, retryCount) {
  const { end: served, stream } = await ask(
    poolOf(redis),
    'createChat',
    'data',
    data,
    options(force, retryCount),
    readAnswer,
  )
  const result = {
    prompt: typeof data.text === 'string' ? data.text : lastUserText(data.messages),
    org: served.org,
    remainingAvailableTokensThisMinute: served.remainingAvailableTokensThisMinute ?? Number.POSITIVE_INFINITY,
  }
  if (stream === undefined) {
    return { ...result, tokensUsed: served.tokensUsed, totalCost: served.totalCost, output: served.output }
  }
  return {
    ...result,
    // Known when the stream has ended.
    get tokensUsed() {
      return stream.served.usage?.totalTokens ?? null
    },
    get totalCost() {
      return stream.served.cost
    },
    output: stream,
  }
}

async function createEmbeddings(data, redis, force, retryCount) {
  const { readEmbeddings } = require('./embeddings.js')
  const { end: served, embeddings = served.embeddings } = await ask(
    poolOf(redis),
    'createEmbeddings',
    'data',
    data,
    options(force, retryCount),
    readEmbeddings,
  )
  const text = data.text ?? data.input
  return {
    text_to_embed: text,
    org: served.org,
    remainingAvailableTokensThisMinute: served.remainingAvailableTokensThisMinute ?? Number.POSITIVE_INFINITY,
    tokensUsed: served.tokensUsed,
    cost: served.cost,
    embeddings: Array.isArray(text) ? embeddings : embeddings[0],
  }
}

async function determineOpenAIKey(org, redis) {
  return choice(await run(poolOf(redis), 'determineKey', 'org', { org }))
}

async function processRedis(tokens, tokensRem, requestsRem, type, org, redis) {
  const recorded = {
    tokens: numberOf('tokens', tokens),
    tokensRem: numberOf('tokensRem', tokensRem),
    requestsRem: numberOf('requestsRem', requestsRem),
    type,
    org,
  }
  await run(poolOf(redis), 'record', 'arguments', recorded)
}

/** The native options of a drop-in call; none for a call as most are. */
function options(force, retryCount) {
  if (force === undefined && retryCount === undefined) return undefined
  return { force: force ?? 0, retryCount: retryCount ?? undefined }
}

/** A number or a header's text of one; nothing where there is none. */
function numberOf(name, value) {
  if (value == null || value === '') return undefined
  const number = Number(value)
  if (Number.isNaN(number)) throw wrongArgument(`\`${name}\` must be a number, got ${JSON.stringify(value)}`)
  return number
}

/** The text of the last user message, for requests in OpenAI's own form. */
function lastUserText(messages) {
  const content = messages.findLast((message) => message?.role === 'user')?.content
  if (!Array.isArray(content)) return content ?? ''
  return content
    .filter((part) => part?.type === 'text')
    .map((part) => part.text)
    .join('')
}

/** The chosen account; its key can be read but is not listed, so that logging the object shows no secret. */
function choice(json) {
  const { apiKey, ...chosen } = JSON.parse(json)
  chosen.availableTokens ??= Number.POSITIVE_INFINITY
  chosen.availableRequests ??= Number.POSITIVE_INFINITY
  return Object.defineProperty(chosen, 'apiKey', { value: apiKey })
}

module.exports = { configure, createChat, createEmbeddings, determineOpenAIKey, processRedis, choice }
