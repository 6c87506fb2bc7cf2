// What TypeScript accepts, and what it refuses.

import { subscribe } from 'node:diagnostics_channel'
import {
  type Attempt,
  type Because,
  type BudgetStatus,
  type Candidate,
  configure,
  countChatTokens,
  countTokens,
  countTokensSync,
  createChat,
  createEmbeddings,
  determineOpenAIKey,
  type Embedding,
  processRedis,
  RequestManager,
  RequestManagerError,
  type Served,
  type UsageRow,
  type WaitEvent,
  type WarningEvent,
} from '..'
import { startSimulator } from '../simulator'

declare function same<Expected>(value: Expected): void

async function accepted() {
  configure({ accounts: { a: 'key' } })
  configure({
    accounts: [{ label: 'a', apiKey: 'key', weight: 2, limits: { '*': { tokensPerMinute: 1 } }, maxConcurrency: 1 }],
    modelAliases: { 'gpt-3.5-turbo': 'gpt-6-luna' },
    timeoutsMs: { total: 1 },
    prices: { own: { input: 1 } },
    budget: { usdPerDay: 5, tokensPerMonth: 1e9 },
    coalesce: true,
    batchWindowMs: 5,
  })
  configure({ accounts: { a: async () => 'key', b: () => 'key', c: 'key' } })
  configure({
    accounts: [
      {
        label: 'az',
        apiKey: 'key',
        kind: 'azure',
        baseURL: 'https://r',
        deployments: { m: 'd' },
        apiVersion: '2024-10-21',
      },
    ],
  })
  configure({ OPEN_AI_KEYS: { ORG_1: 'key' }, models: { gpt_4: { modelLimit: 1 } }, PORT: 1 })

  const chat = await createChat(
    { text: 'Hi', systemPrompt: 'Be kind', maxTokens: 5, temperature: 0, seed: 7 },
    null,
    0,
    2,
  )
  same<string>(chat.org)
  same<number>(chat.remainingAvailableTokensThisMinute)
  same<number | null>(chat.totalCost)
  same<string | null>(chat.output.data.choices[0].message.content)
  await createChat({ messages: [{ role: 'user', content: 'Hi' }] }, 'redis://localhost', 1)

  const one = await createEmbeddings({ text: 'a' })
  same<Embedding>(one.embeddings)
  same<string>(one.text_to_embed)
  const several = await createEmbeddings({ text: ['a', 'b'], dimensions: 3 })
  same<Embedding[]>(several.embeddings)

  const choice = await determineOpenAIKey('a', null)
  same<string>(choice.apiKey)
  same<void>(await processRedis(1, '2', undefined, 'chat', 'a'))
  same<number>(await countTokens('a', 'gpt-6-luna'))
  same<number>(countTokensSync('a'))
  same<number>(await countChatTokens({ model: 'gpt-6-luna', messages: [] }))

  const manager = new RequestManager({ accounts: { a: 'key' } })
  const answer = await manager.chat(
    { model: 'm', messages: [{ role: 'user', content: 'Hi' }], a_new_field: 1 },
    { signal: AbortSignal.timeout(1), accounts: ['a'] },
  )
  same<Attempt[]>(answer.served.attempts)
  same<Because>(answer.served.because)
  same<true | undefined>(answer.served.coalesced)
  same<Candidate[]>(answer.served.attempts[0].candidates)
  same<number | null>(answer.served.candidates[0].waitMs)
  const stream = await manager.chat({ model: 'm', messages: [], stream: true, stream_options: { include_usage: true } })
  for await (const chunk of stream) same<string | null | undefined>(chunk.choices[0].delta.content)
  same<Served>(stream.served)
  same<typeof fetch>(manager.fetch)
  same<string>(await manager.metrics({ model: 'm' }))
  same<number>((await manager.request('/models')).status)
  same<string>((await manager.responses({ model: 'm', input: 'Hi' })).id)
  for await (const event of await manager.responses({ model: 'm', stream: true })) same<string>(event.type)
  const streamed = await createChat({ text: 'Hi', stream: true })
  for await (const chunk of streamed.output) same<string>(chunk.id)
  same<number | null>(streamed.tokensUsed)
  const embedded = await manager.embed({ model: 'm', input: ['a'] })
  same<number[]>(embedded.data[0].embedding)
  same<number | undefined>(embedded.served.parts?.[0].firstInput)
  same<number | undefined>(embedded.served.mergedCalls)
  same<Float32Array>((await manager.embed({ model: 'm', input: 'a', encoding_format: 'float32' })).data[0].embedding)
  same<string>((await manager.embed({ model: 'm', input: [[1]], encoding_format: 'base64' })).data[0].embedding)
  same<number[]>((await manager.embed({ model: 'm', input: [1], encoding_format: 'float' })).data[0].embedding)
  same<number | null>((await manager.status({ model: 'm' })).accounts[0].tokensLeft)
  const [row] = await manager.usage({ from: new Date(), by: ['account'] })
  same<UsageRow>(row)
  same<number>(row.cost)
  same<string | undefined>(row.account)
  const { budgets, accounts } = await manager.status()
  same<BudgetStatus[]>([...budgets, ...accounts[0].budgets])
  same<number>(budgets[0].resetsInMs)
  await manager.determineKey({ tokens: 5 })
  same<void>(await manager.update({ accounts: { a: 'key' } }))
  await manager.update({
    accounts: [
      { label: 'a', limits: null },
      { label: 'b', apiKey: 'key' },
    ],
    maxRetries: null,
  })
  await manager.update({ accounts: [{ label: 'a', apiKey: async () => 'key' }] })
  await manager.update({ accounts: [{ label: 'a', weight: 2 }] }, { everywhere: true })
  await manager.close()

  subscribe('openai-request-manager:wait', (message) => {
    const { waitedMs, because } = message as WaitEvent
    same<number>(waitedMs)
    same<Because>(because)
  })
  subscribe('openai-request-manager:warning', (message) =>
    same<'QUOTA_GROUPS_MERGED' | 'REDIS_AWAY' | 'REDIS_BACK'>((message as WarningEvent).code),
  )

  const simulator = await startSimulator({
    accounts: [{ apiKey: 'k', limits: { '*': { tokensPerMinute: 1 } } }],
    faults: [{ status: 500 }],
    promptCacheIdleMs: 0,
  })
  same<number>(simulator.stats().totals.admitted)
  same<number>(simulator.stats().accounts.account_1.models.m.cachedTokens)

  try {
    await createChat({ text: 'Hi' })
  } catch (error) {
    if (error instanceof RequestManagerError && error.code === 'ERR_WAIT') same<number | undefined>(error.retryAfterMs)
  }
}

async function refused() {
  // @ts-expect-error no accounts
  configure({})
  // @ts-expect-error a key is a string
  configure({ accounts: { a: 5 } })
  // @ts-expect-error a setting that does not exist
  configure({ accounts: { a: 'key' }, maxWait: 5 })
  // @ts-expect-error an account needs a key
  configure({ accounts: [{ label: 'a' }] })
  // @ts-expect-error a function gives a string
  configure({ accounts: { a: async () => 5 } })
  // @ts-expect-error a kind that does not exist
  configure({ accounts: [{ label: 'a', apiKey: 'key', kind: 'google' }] })
  // @ts-expect-error data is required
  await createChat()
  // @ts-expect-error text is a string
  await createChat({ text: 5 })
  // @ts-expect-error maxTokens is a number
  await createChat({ text: 'Hi', maxTokens: '5' })
  // @ts-expect-error force is 0 or 1
  await createChat({ text: 'Hi' }, null, 2)
  // @ts-expect-error what a stream used is known at its end
  ;(await createChat({ text: 'Hi', stream: true })).tokensUsed + 1
  // @ts-expect-error a stream has chunks, not an answer
  ;(await createChat({ text: 'Hi', stream: true })).output.data
  // @ts-expect-error redis is no number
  await createChat({ text: 'Hi' }, 5)
  // @ts-expect-error text is required
  await createEmbeddings({ model: 'm' })
  // @ts-expect-error a single text has a single embedding
  ;(await createEmbeddings({ text: 'a' })).embeddings[0]
  // @ts-expect-error org is required
  await processRedis(1, 2, 3, 'chat')
  // @ts-expect-error the key cannot be changed
  ;(await determineOpenAIKey()).apiKey = 'other'
  const manager = new RequestManager({ accounts: { a: 'key' } })
  // @ts-expect-error a budget that does not exist
  new RequestManager({ accounts: { a: 'key' }, budget: { usdPerWeek: 5 } })
  // @ts-expect-error a group that does not exist
  await manager.usage({ by: ['hour'] })
  // @ts-expect-error an account is known by its label
  await manager.update({ accounts: [{ apiKey: 'key' }] })
  // @ts-expect-error a pool keeps its name
  await manager.update({ pool: 'other' })
  // @ts-expect-error an account has a key
  await manager.update({ accounts: [{ label: 'a', apiKey: null }] })
  // @ts-expect-error an option that does not exist
  await manager.update({}, { anywhere: true })
  // @ts-expect-error messages are required
  await manager.chat({ model: 'm' })
  // @ts-expect-error a form that does not exist
  await manager.embed({ model: 'm', input: 'a', encoding_format: 'float64' })
  // @ts-expect-error a text is no list of numbers
  same<number[]>((await manager.embed({ model: 'm', input: 'a', encoding_format: 'base64' })).data[0].embedding)
  // @ts-expect-error a reason that does not exist
  same<Because>('cheapest')
  // @ts-expect-error an option that does not exist
  await manager.chat({ model: 'm', messages: [] }, { retries: 1 })
  // @ts-expect-error a rule that does not exist
  await startSimulator({ charging: '2023' })
}

export { accepted, refused }
