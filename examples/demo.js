'use strict'

// The main job, watched: some hundred chats and embeddings over three unequal accounts of a simulator, all asked for at once. With
// `--live`, five small requests to OpenAI with the environment's own keys (OPENAI_API_KEY or OPENAI_API_KEYS).

const fs = require('node:fs')
const path = require('node:path')
const { RequestManager, createChat, createEmbeddings } = require('..')
const { startSimulator } = require('../simulator.js')
const { Board, table } = require('./board.js')

const CHAT_MODEL = 'gpt-6-luna'
const EMBEDDING_MODEL = 'text-embedding-3-small'
const CHATS = 260
const EMBEDDINGS = 120

const ACCOUNTS = [
  { label: 'large', apiKey: 'sk-demo-large', limits: { '*': { requestsPerMinute: 300, tokensPerMinute: 24_000 } } },
  { label: 'middle', apiKey: 'sk-demo-middle', limits: { '*': { requestsPerMinute: 150, tokensPerMinute: 12_000 } } },
  { label: 'small', apiKey: 'sk-demo-small', limits: { '*': { requestsPerMinute: 80, tokensPerMinute: 6_000 } } },
]

async function demo() {
  const simulator = await startSimulator({ accounts: ACCOUNTS, latencyMs: { median: 400, sigma: 0.4 } })
  const manager = new RequestManager({ accounts: ACCOUNTS, baseURL: simulator.baseURL })
  const jobs = makeJobs(paragraphs())
  console.log(
    `${CHATS} chats and ${EMBEDDINGS} embeddings over three accounts of a simulator (${simulator.url}), all at once.\n`,
  )

  const board = new Board(process.stdout, jobs.length, async () =>
    rows(await manager.status({ model: CHAT_MODEL }), simulator.stats()),
  )
  const started = performance.now()
  const results = await Promise.all(jobs.map((job) => serve(manager, job).then((result) => board.done(result))))
  await board.end()

  const seconds = (performance.now() - started) / 1000
  report(results, seconds, await manager.status({ model: CHAT_MODEL }), simulator.stats())
  await manager.close()
  await simulator.close()
  if (results.some((result) => result.error)) process.exitCode = 1
}

/** Text that the repository ships: the paragraphs of its own documents. */
function paragraphs() {
  return ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md']
    .map((file) => fs.readFileSync(path.join(__dirname, '..', file), 'utf8'))
    .flatMap((text) => text.split(/\n\s*\n/))
    .filter((paragraph) => paragraph.length > 80)
}

function makeJobs(texts) {
  const jobs = []
  for (let index = 0; index < CHATS; index++) jobs.push({ kind: 'chat', text: texts[index % texts.length] })
  for (let index = 0; index < EMBEDDINGS; index++) jobs.push({ kind: 'embed', text: texts[index % texts.length] })
  return jobs
}

async function serve(manager, { kind, text }) {
  try {
    const answer =
      kind === 'chat'
        ? await manager.chat({
            model: CHAT_MODEL,
            messages: [
              { role: 'system', content: 'Say in one sentence what this paragraph is about.' },
              { role: 'user', content: text },
            ],
            max_completion_tokens: 40,
          })
        : await manager.embed({ model: EMBEDDING_MODEL, input: text })
    return { kind, served: answer.served }
  } catch (error) {
    return { kind, error }
  }
}

/** What the board shows of each account. */
function rows(status, stats) {
  return status.accounts.map((account) => ({
    account: account.account,
    requests: account.requests,
    tokens: account.tokensUsed,
    room: account.tokensLeft === null ? '?' : `${account.tokensLeft} of ${account.tokensPerMinute}`,
    '429s': stats.accounts[account.account].statuses[429] ?? 0,
    cost: account.cost,
  }))
}

function report(results, seconds, status, stats) {
  const failed = results.filter((result) => result.error)
  const waits = results.flatMap((result) => (result.served ? [result.served.waitedMs] : [])).sort((a, b) => a - b)
  const accounts = rows(status, stats)
  console.log(table(accounts.map(({ cost, ...row }) => ({ ...row, 'US dollars': cost.toFixed(6) }))))
  const refused = accounts.reduce((sum, row) => sum + row['429s'], 0)
  const cost = accounts.reduce((sum, row) => sum + row.cost, 0)
  const middle = waits[Math.floor(waits.length / 2)] ?? 0
  console.log(
    `\n${results.length - failed.length} served, ${failed.length} failed, ${refused} 429s, in ${seconds.toFixed(1)} s`,
  )
  console.log(
    `waited for room: median ${(middle / 1000).toFixed(1)} s, longest ${((waits.at(-1) ?? 0) / 1000).toFixed(1)} s`,
  )
  console.log(`cost: ${cost.toFixed(6)} US dollars`)
  for (const { error } of failed.slice(0, 5)) console.error(error)
}

async function live() {
  for (const text of ['Say hello.', 'Name a colour.', 'What is 2 + 2?']) {
    const { org, output, tokensUsed, totalCost } = await createChat({ text, model: CHAT_MODEL, maxTokens: 200 })
    console.log(`${org}: ${text} -> ${output.data.choices[0].message.content} (${tokensUsed} tokens, $${totalCost})`)
  }
  for (const text of ['red', 'blue']) {
    const { org, embeddings, tokensUsed, cost } = await createEmbeddings({ text, model: EMBEDDING_MODEL })
    console.log(`${org}: ${text} -> ${embeddings.embedding.length} numbers (${tokensUsed} tokens, $${cost})`)
  }
}

;(process.argv.includes('--live') ? live() : demo()).catch((error) => {
  console.error(error)
  process.exitCode = 1
})
