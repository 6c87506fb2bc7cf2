'use strict'

// What every client is put through: the same accounts, and the same requests at the same moments.

const { generator } = require('../random.js')

const ACCOUNTS = [
  { label: 'account_1', apiKey: 'sk-peers-1', requestsPerMinute: 600, tokensPerMinute: 60_000 },
  { label: 'account_2', apiKey: 'sk-peers-2', requestsPerMinute: 1_200, tokensPerMinute: 150_000 },
  { label: 'account_3', apiKey: 'sk-peers-3', requestsPerMinute: 300, tokensPerMinute: 20_000 },
]
const MODEL = 'gpt-4o-mini'
const SEED = 1

/** Callers that each wait for their answer before they take the next request. */
const CALLERS = 64
/** How much more is asked for than all accounts can take: any room left is lost. */
const DEMAND = 1.5
/** Tokens of a request: log-normal, within bounds that fit the smallest account. */
const SIZE = { median: 200, sigma: 0.7, least: 50, most: 4_000 }

/** Full buckets, which every run starts with. */
const FULL = ACCOUNTS.reduce((sum, account) => sum + account.tokensPerMinute, 0)

/** What `startSimulator` is given: answers in about 200 ms, each charged what {@link request} asks for. */
const simulatorSettings = {
  seed: SEED,
  charging: 'documented',
  latencyMs: { min: 150, max: 250 },
  accounts: ACCOUNTS.map(({ label, apiKey, requestsPerMinute, tokensPerMinute }) => ({
    label,
    apiKey,
    limits: { '*': { requestsPerMinute, tokensPerMinute } },
  })),
}

/** The requests of a run in the order of their arrival: when they come, and what they are charged. */
function arrivals(seconds) {
  const random = generator(SEED)
  const wanted = DEMAND * (FULL + (FULL * seconds) / 60)
  const charges = []
  for (let sum = 0; sum < wanted; sum += charges.at(-1)) charges.push(size(random))
  const moments = charges.map(() => random() * seconds * 1000).sort((a, b) => a - b)
  return charges.map((charge, index) => ({ atMs: moments[index], charge }))
}

/** Its text is so short that the documented charge is its `max_completion_tokens`, which any client can read. */
function request(number, charge) {
  const messages = [{ role: 'user', content: `Question ${number}` }]
  return { model: MODEL, messages, max_completion_tokens: charge }
}

function size(random) {
  // A standard normal variate (Box and Muller, 1958).
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return Math.round(Math.min(SIZE.most, Math.max(SIZE.least, SIZE.median * Math.exp(SIZE.sigma * normal))))
}

module.exports = { ACCOUNTS, MODEL, CALLERS, DEMAND, simulatorSettings, arrivals, request }
