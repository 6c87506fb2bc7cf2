// @ts-check
'use strict'

// The state and the usage of a pool as text for Prometheus (exposition format 0.0.4).

const PREFIX = 'openai_request_manager_'

/** What a row of usage counts: its field, the name, the help. */
const OF_USAGE = [
  ['requests', 'requests_total', 'Requests that were answered today.'],
  ['inputTokens', 'input_tokens_total', 'Tokens of prompts today, cached ones included.'],
  ['cachedInputTokens', 'cached_input_tokens_total', 'Tokens of prompts today that were read from a cache.'],
  ['outputTokens', 'output_tokens_total', 'Tokens of answers today.'],
  ['cost', 'cost_usd_total', 'US dollars today, as far as prices are known.'],
]

/** How an account stands: its field, the name, the help. */
const OF_ACCOUNT = [
  ['inFlight', 'in_flight_requests', 'Requests under way in this process.'],
  ['tokensLeft', 'tokens_left', 'Tokens left this minute for the model.'],
  ['requestsLeft', 'requests_left', 'Requests left this minute for the model.'],
  ['tokensPerMinute', 'tokens_per_minute', 'The limit of tokens for the model.'],
  ['requestsPerMinute', 'requests_per_minute', 'The limit of requests for the model.'],
]

/**
 * @param {any} status of the pool
 * @param {any[]} usage rows of today by account, model and type
 * @param {string} model that the status is about
 */
function metricsText(status, usage, model) {
  const families = [
    family('waiting_requests', 'gauge', 'Requests that wait for room in this process.', [[{}, status.waiting]]),
    family('parked', 'gauge', 'Whether the account is left out for the model.', [
      ...status.accounts.map(({ account, parked }) => [{ account, model }, parked === null ? 0 : 1]),
    ]),
    ...OF_ACCOUNT.map(([field, name, help]) =>
      family(
        name,
        'gauge',
        help,
        // What is not known has no value.
        status.accounts
          .filter((account) => account[field] !== null)
          .map((account) => [{ account: account.account, model }, account[field]]),
      ),
    ),
    ...OF_USAGE.map(([field, name, help]) =>
      family(
        name,
        'counter',
        help,
        usage.map((row) => [{ account: row.account, model: row.model, type: row.type }, row[field]]),
      ),
    ),
  ]
  if (status.redis !== null) {
    const { processes, away } = status.redis
    families.push(
      family('redis_away', 'gauge', 'Whether this process does without Redis for the model.', [
        [{ model }, away ? 1 : 0],
      ]),
      family('redis_processes', 'gauge', 'Processes that share the model’s limits.', [[{ model }, processes]]),
    )
  }
  return families.join('')
}

function family(name, type, help, samples) {
  const lines = samples.map(([labels, value]) => `${PREFIX}${name}${labelsText(labels)} ${value}\n`)
  return `# HELP ${PREFIX}${name} ${help}\n# TYPE ${PREFIX}${name} ${type}\n${lines.join('')}`
}

function labelsText(labels) {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

/** Names of models come from callers. */
function escaped(value) {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}

module.exports = { metricsText }
