// @ts-check
'use strict'

// Functions that give keys. JSON cannot hold them, so they stay here, and settings name them by numbers. The native side asks for what
// they give: before an account's first request, and after a refusal.

/** By pool: what it holds goes with it, also where a function holds the pool. @type {WeakMap<object, KeyFunctions>} */
const functionsOf = new WeakMap()

/** The key functions of one pool. */
class KeyFunctions {
  /** @type {Map<number, () => unknown>} */
  #functions = new Map()
  /** Numbers that changes under way name. @type {Set<Set<number>>} */
  #changing = new Set()
  #last = 0

  /**
   * Settings with numbers in the place of functions.
   *
   * @param {any} settings
   * @param {Set<number>} [numbers] where those numbers are noted
   */
  numbered(settings, numbers = new Set()) {
    if (!isObject(settings) || !isObject(settings.accounts)) return settings
    const numberOf = (key) => {
      if (typeof key !== 'function') return key
      const number = this.#numberOf(key)
      numbers.add(number)
      return { function: number }
    }
    const { accounts } = settings
    if (!Array.isArray(accounts)) {
      const keys = Object.entries(accounts).map(([label, key]) => [label, numberOf(key)])
      return { ...settings, accounts: Object.fromEntries(keys) }
    }
    const hasFunction = (account) => isObject(account) && typeof account.apiKey === 'function'
    return {
      ...settings,
      accounts: accounts.map((account) =>
        hasFunction(account) ? { ...account, apiKey: numberOf(account.apiKey) } : account,
      ),
    }
  }

  /** A function that is known keeps its number, so that what it gave stays known as well. */
  #numberOf(fn) {
    for (const [number, known] of this.#functions) {
      if (known === fn) return number
    }
    this.#functions.set(++this.#last, fn)
    return this.#last
  }

  /**
   * Makes a change of settings; afterwards, functions that no account has any more are forgotten.
   *
   * @param {any} changes
   * @param {(numbered: any) => Promise<unknown>} apply
   * @param {() => number[]} inUse the numbers that the settings name now
   */
  async change(changes, apply, inUse) {
    const numbers = new Set()
    this.#changing.add(numbers)
    try {
      await apply(this.numbered(changes, numbers))
    } finally {
      this.#changing.delete(numbers)
      const needed = new Set(inUse())
      for (const changing of this.#changing) {
        for (const number of changing) needed.add(number)
      }
      for (const number of this.#functions.keys()) {
        if (!needed.has(number)) this.#functions.delete(number)
      }
    }
  }

  /**
   * What the function of a number gives, as JSON text. Never rejects.
   *
   * @param {number} number
   */
  async ask(number) {
    const fn = this.#functions.get(number)
    if (fn === undefined) return failure('it was replaced')
    try {
      const key = await fn()
      if (typeof key === 'string') return JSON.stringify({ key })
      return failure(`it gave ${key === null ? 'null' : typeof key} and not a string`)
    } catch (error) {
      return failure(reason(error))
    }
  }
}

function isObject(value) {
  return typeof value === 'object' && value !== null
}

function failure(text) {
  return JSON.stringify({ failure: text })
}

/** What an error says of itself. It can be anything, also something that throws when it is looked at. */
function reason(error) {
  try {
    if (typeof error === 'string') return error
    if (typeof error?.message === 'string') return `${error.name ?? 'Error'}: ${error.message}`
  } catch {}
  return `it threw ${typeof error}`
}

/**
 * Opens a pool that can ask functions for keys.
 *
 * @template Opened
 * @param {any} settings
 * @param {(numbered: any, askKey: (number: number) => Promise<string>) => Opened} open
 * @returns {Opened}
 */
function openWithFunctions(settings, open) {
  const functions = new KeyFunctions()
  // Weak: the native pool holds the function that asks.
  const weak = new WeakRef(functions)
  const askKey = async (number) => (await weak.deref()?.ask(number)) ?? failure('its manager is gone')
  const pool = open(functions.numbered(settings), askKey)
  if (isObject(pool)) functionsOf.set(/** @type {any} */ (pool), functions)
  return pool
}

/**
 * Makes a change of a pool's settings, which may hold functions.
 *
 * @param {any} pool
 * @param {any} changes
 * @param {(numbered: any) => Promise<unknown>} apply
 */
async function changeWithFunctions(pool, changes, apply) {
  const functions = functionsOf.get(pool)
  await functions?.change(changes, apply, () => pool.keyFunctions())
}

module.exports = { changeWithFunctions, openWithFunctions }
