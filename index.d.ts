// Several OpenAI accounts used as one. The same texts are in the README's reference.

/** One credential, of OpenAI, Azure or another server that speaks as OpenAI does. */
export interface Account {
  /** Unique in the pool; appears in results, errors and status. 1 to 64 printable ASCII characters without spaces and `: { } , =`. */
  label: string
  /** The secret, or a function that gets it. Never logged or serialized; no message shows any part of it. Of `azure` a string is a key, and what a function gives is a token. */
  apiKey: string | KeyFunction
  /**
   * Whose server it is on.
   * - `openai`: OpenAI, or a proxy in front of it
   * - `azure`: a resource of Azure OpenAI
   * - `compatible`: another server that speaks as OpenAI does; any models. One that wants no key gets any text as `apiKey`
   * @default 'openai'
   */
  kind?: 'openai' | 'azure' | 'compatible'
  /**
   * Required for other kinds than `openai`. Of `azure` the resource's endpoint, as `https://my-resource.openai.azure.com`; an `/openai` or
   * `/openai/v1` at its end is taken as well.
   * @default the pool's `baseURL`
   */
  baseURL?: string
  /**
   * Of `azure`: model → deployment. The account serves only these models, and is left out for all others.
   * @default each model is served by the deployment of its own name
   */
  deployments?: Record<string, string>
  /**
   * Of `azure`: the date of its dated API, as `2024-10-21`; the deployment then is in the path.
   * @default the v1 API
   */
  apiVersion?: string
  /** Sent as `OpenAI-Organization`. Not for `azure`. */
  organization?: string
  /** Sent as `OpenAI-Project`. Not for `azure`. */
  project?: string
  /** Sent with every request; may replace any of ours. */
  headers?: Record<string, string>
  /**
   * Share among equals: where several accounts could start at the same moment, the one with the smallest share of its limit in
   * use, divided by its weight, is chosen; so weight 3 is used three times as much as weight 1. Above 0.
   * @default 1
   */
  weight?: number
  /**
   * Accounts of one group share OpenAI's limits, so that keys of one organization add no room.
   * @default organization and project where given, else what OpenAI's answers name, else the label
   */
  quotaGroup?: string
  /**
   * By model group (a model's name without its date; `:long` behind it for long prompts that OpenAI limits apart); `'*'` for
   * all others. Unknown limits are learned from response headers.
   */
  limits?: Record<string, Limits>
  /**
   * Most requests in flight. From 1.
   * @default no bound
   */
  maxConcurrency?: number
  /** The most that the account may spend. */
  budget?: Budget
}

/**
 * Gets an account's key, as the token providers of `@azure/identity` do. It is called before the account's first request, once for all that
 * need it, and again after a 401: then the request is repeated on the same account if the key is another one; the repeat is not counted.
 * Where it throws, rejects, gives no string, or takes longer than 30 seconds, the account is parked as one whose key was refused, and others
 * serve. What an error of it says may be part of ours; words in it that look like keys are masked.
 */
export type KeyFunction = () => string | Promise<string>

/**
 * The most that may be spent, in days and months of UTC. Each above 0; what is left out is not bounded. The request that reaches a
 * limit is the last one.
 */
export interface Budget {
  /** US dollars, as far as prices are known. */
  usdPerDay?: number
  /** US dollars, as far as prices are known. */
  usdPerMonth?: number
  /** Tokens of any kind. */
  tokensPerDay?: number
  /** Tokens of any kind. */
  tokensPerMonth?: number
}

/** What OpenAI grants. Each above 0; what is left out is learned. A smaller limit in a response's headers goes before it. */
export interface Limits {
  requestsPerMinute?: number
  tokensPerMinute?: number
  requestsPerDay?: number
  tokensPerDay?: number
}

/** US dollars per million tokens. */
export interface Price {
  input: number
  /** @default the price of `input` */
  cachedInput?: number
  /** Left out, the cost of an answer with output tokens is unknown. */
  output?: number
}

export interface Timeouts {
  /**
   * To connect, TLS included. Set for a whole pool; a single call cannot change it.
   * @unit ms
   * @default 5000
   */
  connect?: number
  /**
   * From sending to the response's headers.
   * @unit ms
   * @default 600000
   */
  firstByte?: number
  /**
   * Between two pieces of the response's body.
   * @unit ms
   * @default 60000
   */
  idle?: number
  /**
   * The whole call: waiting for room, every attempt and the body.
   * @unit ms
   * @default 600000
   */
  total?: number
}

export interface ManagerConfig {
  /** Accounts, or label → key. At least one. */
  accounts: Account[] | Record<string, string | KeyFunction>
  /**
   * Where processes share their books. Without one they are kept in the process.
   * @default REDIS_URL from the environment, else none
   */
  redis?: RedisSource
  /**
   * Pools of one name share their books in one Redis; those that must not get different names. 1 to 64 characters.
   * @default 'default'
   */
  pool?: string
  /**
   * While Redis is away, requests go on with this process's share of the limits, or fail with `ERR_STORE`.
   * @default 'degrade'
   */
  onRedisDown?: 'degrade' | 'fail'
  /** @default 'https://api.openai.com/v1' */
  baseURL?: string
  /**
   * Longest time that a request may wait for room, over all its attempts. From 0 to a day.
   * @unit ms
   * @default 60000
   */
  maxWaitMs?: number
  /**
   * Further attempts after the first: a bound on all of them together, 0 to 100. Left out, moving on from accounts that refuse
   * their key, their money or the model is not counted, failures are repeated as often as there are accounts (at least
   * twice), and 429s with a wait up to 16 times.
   * @default the number of accounts, at least 2
   */
  maxRetries?: number
  timeoutsMs?: Timeouts
  /** Requested model → model sent. */
  modelAliases?: Record<string, string>
  /**
   * Model → the group whose limit it shares.
   * @default a model's name without its date: `gpt-4o-2024-08-06` → `gpt-4o`
   */
  modelGroups?: Record<string, string>
  /** By model; goes before the built-in table. */
  prices?: Record<string, Price>
  /** The most that all accounts together may spend. */
  budget?: Budget
  /**
   * Tenant → its share among tenants that wait. Above 0.
   * @default 1 each
   */
  tenantWeights?: Record<string, number>
  /**
   * Whether chats of 1,024 tokens or more go where their prefix is probably cached, as long as they start little later there.
   * @default true
   */
  cacheAffinity?: boolean
  /**
   * Whether calls that ask for the same at the same time share one request: embeddings, and chats with `temperature: 0`, where the body
   * and the options are equal. Each gets its own copy of the answer; an abort harms no other; what it used is counted once.
   * @default false
   */
  coalesce?: boolean
  /**
   * How long a call for embeddings waits for others, to go with them in one request: those whose inputs are of one kind, and all else is
   * equal. A batch goes at once when it holds what one request can hold. From 0 to a day.
   * @unit ms
   * @default 0, each goes alone
   */
  batchWindowMs?: number
}

/** What {@link RequestManager.update} changes: a field that is given replaces what was, one that is left out stays, null is the default. */
export type SettingsChanges = OrDefault<Omit<ManagerConfig, 'accounts' | 'redis' | 'pool' | 'onRedisDown'>> & {
  /**
   * The new list, in its order. An account whose label is known leaves out what it keeps, also its key; one whose label is new
   * needs a key; one that is not named goes. Or label → key: keys are replaced, all else stays.
   */
  accounts?: AccountChanges[] | Record<string, string | KeyFunction>
}

/** An account with what changes. */
export type AccountChanges = OrDefault<Omit<Account, 'label' | 'apiKey'>> &
  Pick<Account, 'label'> &
  Partial<Pick<Account, 'apiKey'>>

/** Each field may be left out, or be null for its default. */
type OrDefault<Fields> = { [Name in keyof Fields]?: Fields[Name] | null }

export interface UpdateOptions {
  /**
   * Also in all other processes of the pool, within about a second, and in those that start later; through Redis. Can be shared: of the
   * settings `maxWaitMs`, `maxRetries`, `modelAliases`, `modelGroups`, `prices`, `tenantWeights`, `cacheAffinity`, `budget`, `coalesce` and
   * `batchWindowMs`, and of an account `limits`, `weight`, `maxConcurrency` and `budget`. `accounts` then is a list of those that change, and
   * no account comes or goes; a process that has no account of a label passes it over. Nothing else is shared, above all no key: call `update` in every process for it.
   * @default false
   */
  everywhere?: boolean
}

/** The older module's `constants.js`, taken as it is; what else it holds is passed over. */
export interface LegacyConstants {
  /** `{ ORG_1: 'sk-…', … }`; labels are the lower-case names. */
  OPEN_AI_KEYS: Record<string, string>
  baseURL?: string
  /** Tokens per minute for embeddings, each account. */
  EMBEDDINGS_TPM_MAX?: number
  /** US dollars per 1,000 embedding tokens. */
  EMBEDDINGS_COST?: number
  models?: Partial<Record<'gpt_3' | 'gpt_3_16k' | 'gpt_3_instruct' | 'gpt_4', LegacyModel>>
  /** The one setting of {@link ManagerConfig} that may stand beside the constants: requested model → model sent. */
  modelAliases?: Record<string, string>
  [other: string]: unknown
}

export interface LegacyModel {
  /** Tokens per minute, each account. */
  modelLimit?: number
  /** US dollars per 1,000 prompt tokens. */
  modelCostInput?: number
  /** US dollars per 1,000 completion tokens. */
  modelCostOutput?: number
  [other: string]: unknown
}

/**
 * Sets the default pool of the four drop-in functions. Without it, accounts come from `OPENAI_API_KEYS` (comma-separated, each
 * `label=key` or a bare key) or `OPENAI_API_KEY`, and `OPENAI_BASE_URL`.
 *
 * Replaces an earlier default pool: requests in flight end on that one, and what it knew of the limits is dropped.
 *
 * @throws {RequestManagerError} `ERR_CONFIG`, at once
 */
export declare function configure(config: ManagerConfig): void
export declare function configure(constants: LegacyConstants): void

/**
 * Where processes share their books: a client of ioredis or node-redis of any kind (also clusters, pools and Sentinels), a URL, the
 * options of such a client, or nothing. A client is read, never used and never closed; equal targets share one connection of ours in
 * the whole process. Nothing as an argument of a drop-in function means the configuration's.
 */
export type RedisSource = string | object | null | undefined

/** The drop-in form of a chat request. Other fields are passed on untouched. */
export interface ChatData {
  /** The user message; not empty. */
  text: string
  /**
   * The system message, sent first; an empty one is not sent.
   * @default ''
   */
  systemPrompt?: string
  /** Most tokens of the completion: `max_tokens`, or `max_completion_tokens` for models that only take that. From 1. */
  maxTokens?: number
  /** @default 'gpt-3.5-turbo' */
  model?: string
  /**
   * Left out for models that refuse it.
   * @default 1
   */
  temperature?: number
  [other: string]: unknown
}

/** The result of a chat that is streamed. */
export interface ChatStreamResult extends Omit<ChatResult, 'tokensUsed' | 'output'> {
  /** Null until the stream has ended. */
  readonly tokensUsed: number | null
  /** Null until the stream has ended, and where the price or the usage is unknown. */
  readonly totalCost: number | null
  output: ChatStream
}

export interface ChatResult {
  /** The `text` given; for a `messages` request the last user message's text. */
  prompt: string
  /** Label of the account that served it. */
  org: string
  /** Tokens left on that account for that model after this request; `Infinity` where no limit is known. */
  remainingAvailableTokensThisMinute: number
  /** `usage.total_tokens`; our estimate where the answer has no usage. */
  tokensUsed: number
  /** US dollars; null where the price or the usage is unknown. */
  totalCost: number | null
  output: HttpOutput<ChatCompletion>
}

/** An HTTP response. `headers` have lower-case names; cookies are left out. */
export interface HttpOutput<Data> {
  status: number
  statusText: string
  headers: Record<string, string>
  data: Data
}

/**
 * A chat completion on the account that can start first, in the older module's form.
 *
 * @param data the drop-in form, or OpenAI's own (`messages`)
 * @param force 1: send now on the best account, even where the books say that nothing is left. Default 0: wait, fail over, retry
 * @param retryCount further attempts after the first, 0 to 100. Default: see {@link ManagerConfig.maxRetries}
 * @throws {RequestManagerError} as a rejection, also for wrong arguments; `TypeError` for a wrong `redis`
 */
export declare function createChat(
  data: (ChatData | ChatParamsOfAnyModel) & { stream?: false | null },
  redis?: RedisSource,
  force?: 0 | 1,
  retryCount?: number,
): Promise<ChatResult>
export declare function createChat(
  data: (ChatData | ChatParamsOfAnyModel) & Streamed,
  redis?: RedisSource,
  force?: 0 | 1,
  retryCount?: number,
): Promise<ChatStreamResult>

/** The drop-in form of an embeddings request. Other fields are passed on untouched. */
export interface EmbeddingsData<Text extends string | string[] = string | string[]> {
  /** One text, or several; none empty. */
  text: Text
  /** @default 'text-embedding-ada-002' */
  model?: string
  dimensions?: number
  [other: string]: unknown
}

export interface EmbeddingsResult<Text extends string | string[] = string | string[]> {
  /** The `text` given. */
  text_to_embed: Text
  /** Label of the account that served it; of several requests, the first. */
  org: string
  /** Tokens left on that account for that model after this request; `Infinity` where no limit is known. */
  remainingAvailableTokensThisMinute: number
  /** `usage.total_tokens`; our estimate where the answer has no usage. */
  tokensUsed: number
  /** US dollars; null where the price or the usage is unknown. */
  cost: number | null
  /** For a string OpenAI's first element, for an array all of them in the order of the texts. */
  embeddings: Text extends string ? Embedding : Embedding[]
}

/**
 * Embeddings on the account that can start first, in the older module's form, of any number of texts (see {@link RequestManager.embed}).
 * Parameters as {@link createChat}.
 */
export declare function createEmbeddings<Text extends string | string[]>(
  data: EmbeddingsData<Text>,
  redis?: RedisSource,
  force?: 0 | 1,
  retryCount?: number,
): Promise<EmbeddingsResult<Text>>

export interface AccountChoice {
  /** Label of the account. */
  org: string
  /** Readable, but not enumerable: logging the object shows no secret. */
  readonly apiKey: string
  /** What the paths of OpenAI's endpoints follow; of an Azure account the v1 API, or the deployment where it has an `apiVersion`. */
  baseURL: string
  /** Tokens left this minute; `Infinity` where no limit is known. */
  availableTokens: number
  /** Requests left this minute; `Infinity` where no limit is known. */
  availableRequests: number
  /** Time until the request fits. @unit ms */
  waitMs: number
}

/**
 * The account that the next request should use. A look, not a booking: it takes nothing from the quota.
 *
 * @param org the caller's current account, kept on a tie
 */
export declare function determineOpenAIKey(org?: string | null, redis?: RedisSource): Promise<AccountChoice>

/**
 * Records a request that the caller made by itself, so that the scheduler knows, and counts it.
 *
 * @param tokens used; they count as input of the default model of the type, without a cost
 * @param tokensRem `x-ratelimit-remaining-tokens` of its response, where known
 * @param requestsRem `x-ratelimit-remaining-requests` of its response, where known
 * @param type `'chat'`, `'embeddings'` or any word; the readings are taken to be about the default model of that type
 * @param org label of the account
 */
export declare function processRedis(
  tokens: number,
  tokensRem: number | string | null | undefined,
  requestsRem: number | string | null | undefined,
  type: string,
  org: string,
  redis?: RedisSource,
): Promise<void>

/** OpenAI's chat request; other fields are passed on untouched. */
export interface ChatParams extends ChatParamsOfAnyModel {
  model: string
  stream?: false | null
}

/** {@link ChatParams} of an answer in chunks. */
export interface ChatStreamParams extends ChatParamsOfAnyModel, Streamed {
  model: string
}

/** What {@link ChatParams} and {@link ChatStreamParams} have in common, where the model has a default. */
export interface ChatParamsOfAnyModel {
  model?: string
  messages: ChatMessage[]
  max_tokens?: number | null
  max_completion_tokens?: number | null
  temperature?: number | null
  n?: number | null
  tools?: object[]
  [other: string]: unknown
}

/** An answer that comes in chunks. */
export interface Streamed {
  stream: true
  stream_options?: { include_usage?: boolean; [other: string]: unknown } | null
}

/**
 * The chunks of an answer, to be read once. Nothing is read ahead: a slow reader slows OpenAI down. Leaving the loop (`break`, `return`,
 * an exception) stops the upstream, and so does an abort, which rejects with the signal's reason. Until the first chunk a request fails
 * over like any other; a stream that breaks off later rejects with `ERR_UPSTREAM`, or `ERR_TIMEOUT`, behind the chunks that came before.
 * What was delivered counts as used.
 */
export interface EventStream<Event> extends AsyncIterableIterator<Event> {
  /** How it is served. `usage` and `cost` are null until the end; they are asked for, also where you do not ask. */
  readonly served: Served
  [Symbol.asyncDispose](): Promise<void>
}

/** The chunks of a chat. */
export type ChatStream = EventStream<ChatCompletionChunk>

/** OpenAI's request for a response; other fields are passed on untouched. */
export interface ResponseParams {
  model: string
  input?: string | object[]
  instructions?: string | null
  max_output_tokens?: number | null
  [other: string]: unknown
}

/** OpenAI's response. */
export interface ResponseResult {
  id: string
  output: object[]
  [other: string]: unknown
}

/** An event of a response. */
export interface ResponseEvent {
  type: string
  [other: string]: unknown
}

/** A part of OpenAI's answer. */
export interface ChatCompletionChunk {
  id: string
  object: 'chat.completion.chunk' | 'text_completion' | (string & {})
  created: number
  model: string
  /** Empty in the chunk that tells the usage, which comes where `stream_options.include_usage` asks for it. */
  choices: ChatChunkChoice[]
  usage?: TokenUsage | null
  [other: string]: unknown
}

export interface ChatChunkChoice {
  index: number
  finish_reason: ChatChoice['finish_reason']
  delta: {
    role?: string
    content?: string | null
    refusal?: string | null
    tool_calls?: object[]
    [other: string]: unknown
  }
  /** Of a legacy completion, which has no `delta`. */
  text?: string
  [other: string]: unknown
}

export interface ChatMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function' | (string & {})
  content?: string | object[] | null
  name?: string
  [other: string]: unknown
}

/** OpenAI's answer. */
export interface ChatCompletion {
  id: string
  object: 'chat.completion' | 'text_completion' | (string & {})
  created: number
  model: string
  choices: ChatChoice[]
  usage?: TokenUsage
  [other: string]: unknown
}

export interface ChatChoice {
  index: number
  finish_reason: 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call' | (string & {}) | null
  message: {
    role: string
    content: string | null
    refusal?: string | null
    tool_calls?: object[]
    [other: string]: unknown
  }
  /** Of a legacy completion, which has no `message`. */
  text?: string
  [other: string]: unknown
}

export interface TokenUsage {
  prompt_tokens: number
  completion_tokens?: number
  total_tokens: number
  [other: string]: unknown
}

/** OpenAI's embeddings request; other fields are passed on untouched. */
export interface EmbedParams<Format extends EncodingFormat = EncodingFormat> {
  model: string
  /**
   * A text, a list of tokens, or any number of either: more than OpenAI takes at once (2,048 inputs, 300,000 tokens together) become
   * several requests.
   */
  input: string | string[] | number[] | number[][]
  dimensions?: number
  /**
   * What each `embedding` is: numbers (`'float'`), OpenAI's base64 text, or a `Float32Array`, where all of a call are views of one
   * buffer; this is the fastest by far. They are the same 32-bit floats: OpenAI is always asked for base64.
   * @default 'float'
   */
  encoding_format?: Format | null
  [other: string]: unknown
}

export type EncodingFormat = 'float' | 'base64' | 'float32'

/** What an `embedding` is in each {@link EncodingFormat}. */
export interface EmbeddingForms {
  float: number[]
  base64: string
  float32: Float32Array
}

export interface Embedding<Format extends EncodingFormat = 'float'> {
  object: 'embedding' | (string & {})
  index: number
  embedding: EmbeddingForms[Format]
}

/** OpenAI's answer; of a call in several requests, all of them together. */
export interface EmbedResult<Format extends EncodingFormat = 'float'> {
  object: 'list' | (string & {})
  /** In the order of the inputs. */
  data: Embedding<Format>[]
  model: string
  usage: TokenUsage
  [other: string]: unknown
}

export interface CallOptions {
  /** An abort rejects with the signal's reason and gives back what was not spent. */
  signal?: AbortSignal
  /**
   * @unit ms
   * @default the pool's
   */
  maxWaitMs?: number
  /** @default the pool's */
  maxRetries?: number
  /** All but `connect`. @default the pool's */
  timeoutsMs?: Timeouts
  /**
   * A moment, as a date or in Unix milliseconds, by which the call must have ended: it bounds `maxWaitMs` and `timeoutsMs.total`. One that
   * has passed is `ERR_TIMEOUT`, and nothing is sent.
   * @default none
   */
  deadline?: Date | number
  /** Label of the account that may serve it, or a list of labels. @default all */
  accounts?: string | string[]
  /**
   * Who waits with a higher one goes first. Among equals, calls with a `maxWaitMs` or `deadline` of their own go by its end, then tenants
   * share fairly, then who came first. From -1000 to 1000.
   * @default 0
   */
  priority?: number
  /** Callers that share fairly while they wait: one with many requests in line delays another's by those at most that have asked already: eight, or up to 64 where nobody had to wait before. @default one for all without a name */
  tenant?: string
  /** Whether a chat of 1,024 tokens or more goes where its prefix is probably cached. @default the pool's */
  cacheAffinity?: boolean
}

/** How a request was served. */
export interface Served {
  /** Label of the account. */
  account: string
  /** Time spent waiting for room, over all attempts. @unit ms */
  waitedMs: number
  attempts: Attempt[]
  /** Null where the answer has no usage. */
  usage: { inputTokens: number; cachedInputTokens: number; outputTokens: number; totalTokens: number } | null
  /** US dollars; null where the price or the usage is unknown. */
  cost: number | null
  /** OpenAI's id of the request. */
  requestId: string | null
  /** Why the account was chosen that served it. */
  because: Because
  /** What that choice was between; see {@link Attempt.candidates}. */
  candidates: Candidate[]
  /** True where the request was made for another call that asked for the same; its usage and cost are counted once. See `coalesce`. */
  coalesced?: true
}

/** How embeddings were served: of a call in several requests the sums, the longest wait and all attempts, and the rest of the first. */
export interface ServedEmbeddings extends Served {
  /** The requests in the order of their inputs; left out where it was one. */
  parts?: ServedPart[]
  /**
   * How many calls went together, where it was more than this one: `usage` and `cost` are its share, by its tokens, and the sums of all
   * are those of the request. See `batchWindowMs`.
   */
  mergedCalls?: number
}

/** How one request of several was served. */
export interface ServedPart extends Served {
  /** The index of its first input among all. */
  firstInput: number
  /** How many inputs it has. */
  inputs: number
}

/** One HTTP call. */
export interface Attempt {
  /** Label of the account. */
  account: string
  outcome: Outcome
  /** HTTP status; null where no answer came. */
  status: number | null
  /** Time spent waiting for room before it. @unit ms */
  waitedMs: number
  /** From sending to the end of the answer. @unit ms */
  tookMs: number
  /** Why this account was chosen. */
  because: Because
  /**
   * The accounts that it was chosen from, itself included: the ten that could start first at most, earliest first. Accounts that
   * are parked, have refused the request or have no free place among `maxConcurrency` are not among them.
   */
  candidates: Candidate[]
}

/**
 * Why an account was chosen.
 * - `only`: no other account could take the request
 * - `earliest`: it could start before all others
 * - `most_room`: several could start at the same moment; it had the smallest share in use for its weight
 * - `cache`: it is the home of the prompt's prefix
 * - `spilled`: the home of the prompt's prefix would have started too late; it is the next in the same order
 * - `forced`: the caller wanted no waiting
 */
export type Because = 'only' | 'earliest' | 'most_room' | 'cache' | 'spilled' | 'forced'

/** An account that a call could have gone to. */
export interface Candidate {
  /** Label of the account. */
  account: string
  /**
   * From the moment of choosing (at most 200 ms before sending) until it could have started, as the books said then. Null
   * where it cannot take the request, or its limits are not known and it waits for an answer that tells them.
   * @unit ms
   */
  waitMs: number | null
}

/**
 * A message on the channel `openai-request-manager:wait` of `node:diagnostics_channel`: one for each attempt, published when its call
 * ends, before the promise of the call settles. Calls that an abort ends publish none.
 *
 * ```js
 * require('node:diagnostics_channel').subscribe('openai-request-manager:wait', ({ account, waitedMs }) => {})
 * ```
 *
 * A subscriber that throws does not harm the call; its error is an uncaught exception of the process.
 */
export interface WaitEvent {
  /** Label of the account. */
  account: string
  /** Time spent waiting for room before the attempt. @unit ms */
  waitedMs: number
  because: Because
  /** See {@link Attempt.candidates}. */
  candidates: Candidate[]
}

/** A message on the channel `openai-request-manager:attempt`: one for each attempt, published as {@link WaitEvent} is. */
export interface AttemptEvent {
  /** Label of the account. */
  account: string
  outcome: Outcome
  /** HTTP status; null where no answer came. */
  status: number | null
  /** Time spent waiting for room before it. @unit ms */
  waitedMs: number
  /** From sending to the end of the answer, or to the first event of a stream. @unit ms */
  tookMs: number
}

/** A message on the channel `openai-request-manager:retry`: one for each attempt that another one followed. */
export interface RetryEvent {
  /** Label of the account that did not serve it. */
  account: string
  outcome: Outcome
  /** Label of the account of the next attempt. */
  next: string
  /** Time spent waiting for room before that. @unit ms */
  waitedMs: number
}

/** A message on the channel `openai-request-manager:block`: a limit refused an attempt, and nothing is sent on its lane for a time. */
export interface BlockEvent {
  /** Label of the account. */
  account: string
  status: number | null
}

/** A message on the channel `openai-request-manager:budget`: a call was turned away by `ERR_BUDGET`. */
export interface BudgetEvent {
  message: string
  /** Until the next period. @unit ms */
  retryAfterMs: number
}

/**
 * A message on the channel `openai-request-manager:warning` of `node:diagnostics_channel`: something to look into although no call
 * has failed. It is published once, at the end of the first call that starts with a subscriber; up to then the 64 latest of a
 * manager are kept. Subscribe as to {@link WaitEvent}.
 */
export interface WarningEvent {
  /**
   * Stable.
   * - `QUOTA_GROUPS_MERGED`: the answers to an account name the organization and project of another one, so that the two share
   *   one limit; give both a common `quotaGroup`
   * - `REDIS_AWAY`: Redis gave no answer, or refused, for a model group; requests go on with this process's share
   * - `REDIS_BACK`: the model group's limits are shared through Redis again
   */
  code: 'QUOTA_GROUPS_MERGED' | 'REDIS_AWAY' | 'REDIS_BACK'
  /** What happened, and what to do. No key or organization id is part of it. */
  message: string
  /** Label of the account that it is about; null where it is about none. */
  account: string | null
  /**
   * The quota group that the account belongs to now; a label of its accounts where the group is named after its organization. Null
   * where it is about no account.
   */
  quotaGroup: string | null
}

/** What an answer means. */
export type Outcome =
  | 'ok'
  | 'limited'
  | 'too_large'
  | 'out_of_money'
  | 'key_refused'
  | 'model_refused'
  | 'overloaded'
  | 'broken'
  | 'bad_request'
  | 'aborted'

/**
 * Several accounts used as one. Managers are independent of each other and of the default pool.
 *
 * Where an application has registered a tracer or meter provider with `@opentelemetry/api` (1.3 or later, an optional peer dependency),
 * each request is a span, and is measured; there is nothing to configure.
 */
export declare class RequestManager {
  /** @throws {RequestManagerError} `ERR_CONFIG`, at once */
  constructor(config: ManagerConfig)
  constructor(constants: LegacyConstants)
  /** A chat completion. `served` is not enumerable, so that what is serialized is OpenAI's answer. */
  chat(params: ChatParams, options?: CallOptions): Promise<ChatCompletion & { readonly served: Served }>
  /** A chat completion in chunks, as soon as the first has come. */
  chat(params: ChatStreamParams, options?: CallOptions): Promise<ChatStream>
  /**
   * Embeddings of any number of inputs, in their order. Where they are more than one request can hold, or than an account's limit of
   * tokens a minute, several are sent side by side, eight at a time, each waiting, failing over and repeated by itself. `served` as with
   * {@link RequestManager.chat}.
   *
   * @throws {RequestManagerError} as a rejection: `ERR_TOO_LARGE` where one input is longer than OpenAI's model takes, before anything
   * is sent. Where a request fails for good, those that were not sent are given up, and the message names the inputs of the first.
   */
  embed<Format extends EncodingFormat = 'float'>(
    params: EmbedParams<Format>,
    options?: CallOptions,
  ): Promise<EmbedResult<Format> & { readonly served: ServedEmbeddings }>
  /** A response of OpenAI's Responses API. `served` as with {@link RequestManager.chat}. */
  responses(
    params: ResponseParams & { stream?: false | null },
    options?: CallOptions,
  ): Promise<ResponseResult & { readonly served: Served }>
  /** A response in its events, as soon as the first has come. */
  responses(params: ResponseParams & { stream: true }, options?: CallOptions): Promise<EventStream<ResponseEvent>>
  /**
   * Any other endpoint. `path` is below the base URL. A body that is no text and no bytes is sent as JSON; `method` is GET without a body,
   * else POST.
   */
  request(
    path: string,
    body?: unknown,
    options?: CallOptions & { method?: string },
  ): Promise<{ status: number; headers: Record<string, string>; data: unknown; served: Served }>
  /**
   * A `fetch` for clients that take one: `new OpenAI({ fetch: manager.fetch })`. What is sent to `https://api.openai.com/v1`, or to the base
   * URL of an account, goes through the pool, with the key and the base URL of the account that it chooses; the caller's own are left out.
   * Any other URL is refused, and redirects are not followed. An answer that is an error is an answer, and so is an error of ours, each
   * with `x-should-retry: false`: our own attempts are spent. Clients that do not heed it need `maxRetries: 0`: the AI SDK and LangChain.
   * JSON and what is shorter than 64 KB come whole; events, and other bodies that are longer or of a length that is not told, as a
   * stream with back-pressure. What comes whole is at most 256 MiB; more is `ERR_UPSTREAM`.
   *
   * @throws {RequestManagerError} as a rejection: `ERR_ARGUMENT` for another URL; an abort rejects with the signal's reason
   */
  readonly fetch: typeof globalThis.fetch
  /** The account that a request should use now; a look, not a booking. `model` defaults to `gpt-3.5-turbo`, `tokens` to 1. */
  determineKey(need?: { model?: string; tokens?: number }): Promise<AccountChoice>
  /** What each account has left for a model (default `gpt-3.5-turbo`), and has used. */
  status(query?: { model?: string }): Promise<PoolStatus>
  /**
   * What was used, in rows that are sorted by what they are grouped by. With Redis by all processes of the pool; without it by this
   * manager since it was made.
   *
   * @throws {RequestManagerError} `ERR_STORE` where the usage is in a Redis that is away
   */
  usage(query?: UsageQuery): Promise<UsageRow[]>
  /**
   * The pool as text for Prometheus: how it stands for a model (default `gpt-3.5-turbo`), and today's usage, which begins at zero with
   * each day of UTC; with Redis that of all processes. Names begin with `openai_request_manager_`.
   *
   * @throws {RequestManagerError} `ERR_STORE` where the usage is in a Redis that is away
   */
  metrics(query?: { model?: string }): Promise<string>
  /**
   * Changes settings while it runs, without dropping a request: what is in flight ends on the account, key and URL that it was sent with;
   * what waits goes on waiting, in its place, for the accounts and limits of then. A request fails only where no account that it may use
   * is left. An account whose label stays keeps its requests in flight, its sums and what is known of it; with another key
   * or function, kind, URL, deployments, organization, project or headers it is not parked any more. A changed limit counts from the next booking on; one that is not named any
   * more stays until answers tell another. `redis`, `pool` and `onRedisDown` cannot be changed.
   *
   * @throws {RequestManagerError} as a rejection, and then nothing is changed: `ERR_CONFIG`; `ERR_STORE` where changes for all processes
   * cannot be written to Redis
   */
  update(changes: SettingsChanges, options?: UpdateOptions): Promise<void>
  /** Takes no more requests, waits for those in flight, and then for Redis to have what was counted (two seconds at most). */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Which usage; days are those of UTC. At most 400 days in all, which is how long usage is kept. */
export interface UsageQuery {
  /** A moment of the first day. @default the day of `to` */
  from?: Date
  /** A moment of the last day. @default now */
  to?: Date
  /** What rows are kept apart by; none for one row. @default all four */
  by?: ('day' | 'account' | 'model' | 'type')[]
}

/** Sums of requests that were answered. What rows are not kept apart by is left out. */
export interface UsageRow {
  /** `'2026-11-24'`, in UTC. */
  day?: string
  /** Label of the account. */
  account?: string
  /** The model that was sent; `'other'` beyond 64 models of an account in a day. */
  model?: string
  /** `'chat'`, `'embeddings'`, or a word that `processRedis` was given; `'other'` beyond 64. */
  type?: string
  requests: number
  /** Cached ones included; all tokens of requests of which the split is not known. */
  inputTokens: number
  cachedInputTokens: number
  outputTokens: number
  /** As the answers state it: on some servers more than input and output. */
  totalTokens: number
  /** US dollars, as far as prices are known: a sum of whole billionths. */
  cost: number
}

export interface PoolStatus {
  /** Requests that wait for room. */
  waiting: number
  /** Null where the books are in the process. */
  redis: RedisStatus | null
  /** How each budget of the pool stands. */
  budgets: BudgetStatus[]
  accounts: AccountStatus[]
}

/** How a model's lanes are shared. */
export interface RedisStatus {
  /** Where it is: no user, no password. */
  server: string
  /** How many processes use the lanes, as far as is known, this one included. */
  processes: number
  /** For how long this process has gone on without Redis for this model, and why; null while it does not. @unit ms */
  away: { forMs: number; because: string } | null
}

/** How a budget stands. */
export interface BudgetStatus {
  budget: keyof Budget
  limit: number
  /** In the period under way, in the same unit, by all processes as last known. */
  spent: number
  /** Time until the next period. @unit ms */
  resetsInMs: number
}

export interface AccountStatus {
  /** Label of the account. */
  account: string
  quotaGroup: string
  inFlight: number
  /** Why it is left out, and for how long; null where it is not. @unit ms */
  parked: { because: Outcome; forMs: number } | null
  /** Null where no limit is known. */
  tokensLeft: number | null
  /** Null where no limit is known. */
  requestsLeft: number | null
  /** The limit as known now; null where none is. */
  tokensPerMinute: number | null
  /** The limit as known now; null where none is. */
  requestsPerMinute: number | null
  /** Requests that were answered, of all models. */
  requests: number
  /** Tokens used, of all models. */
  tokensUsed: number
  /** US dollars, as far as prices are known. */
  cost: number
  /** How each budget of the account stands. */
  budgets: BudgetStatus[]
}

/** Every error of ours but a wrong `redis` (`TypeError`) and too long a text (`RangeError`), which have a `code` as well. */
export declare class RequestManagerError extends Error {
  /**
   * Stable.
   * - `ERR_CONFIG`: the configuration cannot be used
   * - `ERR_ARGUMENT`: an argument is wrong; nothing was sent
   * - `ERR_NO_ACCOUNT`: none is configured, allowed or in working order
   * - `ERR_TOO_LARGE`: larger than every account's limit, or an input to embed longer than its model takes
   * - `ERR_BUDGET`: every account that may be used has spent its budget, or the pool's; see `retryAfterMs`
   * - `ERR_WAIT`: no room within `maxWaitMs`; see `retryAfterMs`
   * - `ERR_TIMEOUT`: longer than `timeoutsMs` or the `deadline` allows; see `phase`
   * - `ERR_UPSTREAM`: the last attempt failed; see `status`, `error` and `attempts`
   * - `ERR_STORE`: Redis did not answer, or refused, and the pool has `onRedisDown: 'fail'`
   * - `ERR_CLOSED`: the manager was closed
   */
  code:
    | 'ERR_CONFIG'
    | 'ERR_ARGUMENT'
    | 'ERR_NO_ACCOUNT'
    | 'ERR_TOO_LARGE'
    | 'ERR_BUDGET'
    | 'ERR_WAIT'
    | 'ERR_TIMEOUT'
    | 'ERR_UPSTREAM'
    | 'ERR_STORE'
    | 'ERR_CLOSED'
  /** HTTP status of the last attempt. */
  status?: number
  /** OpenAI's own error object; keys and organization ids in its text are masked. */
  error?: { message: string; type: string | null; param: string | null; code: string | null }
  /** Response headers of the last attempt, without cookies. */
  headers?: Record<string, string>
  /** OpenAI's id of the last attempt. */
  requestId?: string
  /** The calls that were made, in order. */
  attempts: Attempt[]
  /** When the same request could succeed. @unit ms */
  retryAfterMs?: number
  /** Of `ERR_TIMEOUT`, what took too long: no connection, no answer, a pause in one, or the whole call. */
  phase?: 'connect' | 'firstByte' | 'idle' | 'total'
}

/**
 * Counts the tokens of a text. Special tokens in it count as ordinary text.
 *
 * @param model decides the encoding; an unknown one, or none, means o200k_base
 */
export declare function countTokens(text: string, model?: string): Promise<number>

/**
 * {@link countTokens} at once, on the calling thread, for at most 64 KB of text, which takes less than a millisecond if it is ordinary and a few if it is not. Nothing has to be loaded first.
 *
 * @throws {RangeError} for more than 64 KB of text
 */
export declare function countTokensSync(text: string, model?: string): number

/** Counts the prompt tokens that a chat request will be billed for: messages, tools, images. */
export declare function countChatTokens(request: ChatParams): Promise<number>
