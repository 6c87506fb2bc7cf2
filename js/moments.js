// @ts-check
'use strict'

// Moments that callers name, as the native side takes them.

const { inspect } = require('node:util')
const { isDate } = require('node:util/types')
const { wrongArgument } = require('./errors.js')

/** A date as Unix milliseconds; JSON would write a date that is none as null, as if it was left out. */
function momentOf(name, value) {
  if (value == null) return undefined
  // A date of another realm is one as well.
  if (isDate(value) && value.getTime() >= 0) return value.getTime()
  throw wrongArgument(
    `\`${name}\` must be a valid Date from 1970 on, got ${isDate(value) ? String(value) : inspect(value)}`,
  )
}

module.exports = { momentOf }
