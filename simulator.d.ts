// An OpenAI server on loopback with exact limits. HTTP mocks inside Node (nock, msw, undici's MockAgent) do not see a client that is
// written in Rust: this is how to test a backend.

/** Starts a simulator in this process. It answers chat (also streamed), legacy completions, embeddings and the list of models. */
export declare function startSimulator(settings?: SimulatorSettings): Promise<Simulator>

export interface SimulatorSettings {
  /**
   * 0 takes a free one.
   * @default 0
   */
  port?: number
  /**
   * All chance is drawn from it: equal seeds and requests give equal answers.
   * @default 1
   */
  seed?: number
  /**
   * How requests are charged to the token limit before they run: `'documented'` (the larger of `max_tokens` and a quarter of the
   * characters), as recorded until `'2024'` or from `'2025'` on, or `'usage'` (what the answer uses).
   * @default '2025'
   */
  charging?: 'documented' | '2024' | '2025' | 'usage'
  /** @default one account that takes any key, with limits that no test reaches */
  accounts?: SimulatedAccount[]
  /** Model → the group whose limit it shares. @default a model's name without its date */
  modelGroups?: Record<string, string>
  /**
   * Time before an answer: fixed, evenly between two values, or log-normal. A 429 is immediate.
   * @unit ms
   * @default 0
   */
  latencyMs?: number | { min: number; max: number } | { median: number; sigma: number }
  /** Length of answers in tokens, never above the request's own maximum. @default { min: 5, max: 60 } */
  outputTokens?: number | { min: number; max: number }
  /**
   * Pause between two tokens of a stream.
   * @unit ms
   * @default 0
   */
  msPerToken?: number
  /**
   * How long an organization's prompt cache keeps what is not used; 0 switches it off.
   * @unit ms
   * @default 600000
   */
  promptCacheIdleMs?: number
  /** Troubles; of those that match a request, the first in the list strikes. */
  faults?: Fault[]
}

export interface SimulatedAccount {
  /** For stats and faults. @default 'account_1', 'account_2', … */
  label?: string
  apiKey: string
  /**
   * Accounts of the same organization and project share limits; all of the same organization share its prompt cache.
   * @default one of its own
   */
  organization?: string
  project?: string
  /** By model group, `'*'` for all others. What is left out is not limited. */
  limits?: Record<string, SimulatedLimits>
  /** Others get a 404. @default all */
  models?: string[]
}

export interface SimulatedLimits {
  requestsPerMinute?: number
  tokensPerMinute?: number
  requestsPerDay?: number
  tokensPerDay?: number
}

/** A trouble. It needs a `status`, an `error` or a `delayMs`. */
export interface Fault {
  /** Label of the account. @default all */
  account?: string
  /** @default all */
  model?: string
  /** As `'/v1/chat/completions'`. @default all */
  path?: string
  /** Matching requests to let pass first. @default 0 */
  after?: number
  /** How often it strikes. @default without end */
  times?: number
  /** From 0 to 1. @default 1 */
  probability?: number
  /** From 200 to 599. Without a `body`, OpenAI's own fitting one is sent. */
  status?: number
  /** One of OpenAI's errors by name, as `'insufficient_quota'`, `'invalid_api_key'`, `'slow_down'`. */
  error?: string
  /** Sent as it is; what is no string is sent as JSON. */
  body?: unknown
  headers?: Record<string, string>
  /** Further delay. @unit ms */
  delayMs?: number
}

export interface Simulator {
  port: number
  /** `http://127.0.0.1:PORT` */
  url: string
  /** `url` with `/v1` behind it: the `baseURL` of an OpenAI client. */
  baseURL: string
  /** What happened so far; the same as `GET /_simulator/stats`. */
  stats(): SimulatorStats
  /** Lets the answers under way end, and stops. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface SimulatorStats {
  /** @unit ms */
  uptimeMs: number
  /** By label. */
  accounts: Record<
    string,
    { organization: string; project: string; statuses: Record<string, number>; models: Record<string, ModelStats> }
  >
  totals: {
    admitted: number
    refused: number
    chargedTokens: number
    promptTokens: number
    cachedTokens: number
    capacityRequests: number
    capacityTokens: number
    statuses: Record<string, number>
  }
}

export interface ModelStats {
  admitted: number
  refused: number
  chargedTokens: number
  /** Of the prompts that were answered, as the answers' `usage` states. */
  promptTokens: number
  /** The part of them that came from the prompt cache. */
  cachedTokens: number
  /** All that could have been admitted so far; null if not limited. */
  capacityRequests: number | null
  /** All that could have been admitted so far; null if not limited. */
  capacityTokens: number | null
  statuses: Record<string, number>
}
